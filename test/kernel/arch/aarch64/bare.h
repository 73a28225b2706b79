/* SPDX-License-Identifier: MIT */
/* The instructions of bare processes (bare.S) and the system call by which they reach the tests (bare.c). */
#ifndef KTEST_ARCH_BARE_H
#define KTEST_ARCH_BARE_H

#include <nucleus/upcall.h>
#include <stddef.h>

#define BARE_SIZE(name) ((size_t)(bare_##name##_end - bare_##name))
extern const char bare_exit[], bare_exit_end[], bare_syscall[], bare_syscall_end[], bare_calls[], bare_calls_end[];
extern const char bare_pattern[], bare_pattern_end[], bare_writer[], bare_writer_end[], bare_reader[],
	bare_reader_end[];
extern const char bare_toucher[], bare_toucher_end[], bare_spinner[], bare_spinner_end[];

/* The bytes of a return instruction. */
#define BARE_RETURN 0xd65f03c0d65f03c0
#define BARE_RESULT 0x1234567
extern uint64_t bare_call_count, bare_seen_flags;
/* 1: the process is in a system call that does not end before this is 0. Whether a kick was still unheard of
 * afterwards. */
extern uint32_t bare_spins, bare_kicked;

/* One bracket that does nothing of consequence. */
void bare_bracket(void);
/* A nucleus call (yield) with values of our own in the registers that it has to preserve: whether it did. */
bool bare_call_preserves(void);
/* A nucleus call without arguments, by all 64 bits of its number. */
long bare_call_numbered(uint64_t number);
/* Registers at the start; the process's thread pointer, by which `pattern` reads its tag. */
void bare_regs(struct user_regs *regs, uint64_t pc, uint64_t sp, uint64_t data);
void bare_set_tls(struct user_regs *regs, uint64_t tls);
/* Flags with which the kernel was entered; flags of the process after a call made with the carry and overflow flags
 * set. */
bool bare_kernel_flags_ok(uint64_t flags);
bool bare_flags_kept(uint64_t flags);

#endif
