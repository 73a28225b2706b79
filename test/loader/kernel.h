/* SPDX-License-Identifier: MIT */
/*
 * kernel.h - between the loader's test kernel and what differs between architectures, which stands in
 * arch/<arch>/: entry.S (state at entry), machine.c (below), machine.h (struct entry_state, the MP
 * structures' names).
 */
#pragma once

#include <boot/limine_protocol.h>
#include <machine.h>

constexpr uint64_t STACK_SIZE = 128 << 10;
constexpr unsigned OTHER_CPUS = 64;

/* kernel.c */
extern uint64_t hhdm;
void put(const char *s);
void put_number(uint64_t n, unsigned base);
void check(bool good, const char *what);
void check_value(uint64_t value, uint64_t wanted, const char *what);
[[nodiscard]] bool is_hhdm(const volatile void *p);
/* The number behind name in the command line. */
[[nodiscard]] uint64_t option(const char *name);
/* The type of the memory map's entry that holds all of [base, base + size); -1: none. */
[[nodiscard]] int64_t memory_type(uint64_t base, uint64_t size);

/* entry.S */
extern struct entry_state first_state;
void other_entry(struct mp_info *info);
void test_main(void);

/* machine.c */
void put_char(char c);
/* Ends the machine. */
[[noreturn]] void end(void);
/* The table that the walk of an address begins with, in the HHDM. */
[[nodiscard]] const uint64_t *root_of(uint64_t virt);
/* Of an entry at a level that covers 1 << shift bytes. */
[[nodiscard]] bool is_valid(uint64_t entry);
[[nodiscard]] bool is_leaf(uint64_t entry, int shift);
[[nodiscard]] uint64_t address_of(uint64_t entry, uint64_t size);
[[nodiscard]] bool has_permissions(uint64_t leaf, bool write, bool exec);
/* As the protocol wants memory, and the screen, to be cached. */
[[nodiscard]] bool is_memory(uint64_t leaf, uint64_t size);
[[nodiscard]] bool is_screen(uint64_t leaf, uint64_t size);
/* No address of the lower half is mapped. */
[[nodiscard]] bool lower_half_empty(void);
/* Checks a CPU's state at entry, whose argument is to be `argument`. */
void check_state(const struct entry_state *s, uint64_t argument, const char *who);
/* A CPU that came when the loader no longer waited for it, if the command line tells of one. */
void check_late_cpu(void);
void check_same_tables(const struct entry_state *a, const struct entry_state *b);
[[nodiscard]] uint64_t cpu_id(const struct mp_info *info);
[[nodiscard]] uint64_t first_cpu_id(const struct mp_response *r);
