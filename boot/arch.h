/* SPDX-License-Identifier: MIT */
/*
 * arch.h - what each architecture supplies in boot/arch/<arch>/.
 *
 * <arch>/machine.h gives BOOT_ELF_MACHINE. The functions below stand in .c and .S files there. The
 * order of calls is: arch_prepare() with firmware, mappings, arch_mp_prepare(), end of
 * boot services, arch_mp_start(), arch_enter().
 */
#pragma once

#include <boot/boot.h>

enum map_flags : unsigned {
	MAP_WRITE = 1,
	MAP_EXEC = 2,
	MAP_FRAMEBUFFER = 4, /* write-combining, or what the platform has of that kind */
};

/* The first serial port, by polling. Write may drop bytes where there is no port. */
void arch_serial_init(void);
void arch_serial_write(char c);

/* Stops this CPU for good. */
[[noreturn]] void arch_halt(void);

/* A free-running counter, for timing and jitter. */
[[nodiscard]] uint64_t arch_ticks(void);
/* A random number from the CPU; false: it has none or it failed. */
[[nodiscard]] bool arch_random(uint64_t *number);

/* Checks the CPU, makes an empty set of page tables, measures the counter. */
void arch_prepare(void);
/* Maps [phys, phys + size) at virt, page-aligned all, with large pages where they fit. */
void arch_map(uint64_t virt, uint64_t phys, uint64_t size, unsigned flags);

/* Allocates what the MP response and the other CPUs need, if the kernel asks for them. */
void arch_mp_prepare(struct boot *boot);
/* After boot services: starts and parks the other CPUs, fills the response. */
void arch_mp_start(struct boot *boot);

/* Quiets interrupt controllers, sets the state at entry, and leaves for the kernel. */
[[noreturn]] void arch_enter(struct boot *boot, void *stack_top);
