/* SPDX-License-Identifier: MIT */
/*
 * System-call functions register themselves: SYSCALL(name) after the definition of sys_name puts an
 * entry into a table that boot turns into the dispatch array. Arguments arrive as up to six
 * unsigned longs (declare user pointers as user_addr: a one-field struct is passed like its field).
 * Results: >= 0, or a negative errno. SYSCALL_LEGACY is for calls that newer ones have replaced (open by openat…): an
 * architecture with numbers for them registers them, another drops them (arch/syscall_numbers.h). What one
 * architecture alone has stands in its own folder.
 */
#ifndef KERNEL_SYSCALL_H
#define KERNEL_SYSCALL_H

#include <abi/errno.h>
#include <arch/syscall_numbers.h>
#include <kernel/base/syscall_numbers.h>
#include <lib/types.h>

struct syscall_entry {
	uint32_t number;
	const char *name;
	void *function;
};
#define SYSCALL(name_)                                                                                                 \
	static const struct syscall_entry syscall_entry_##name_                                                        \
		__attribute__((section(".syscalls"), used)) = {NR_##name_, #name_, (void *)sys_##name_}

/* Counts a refused flag or option for /proc/syscalls and returns -EINVAL. */
long syscall_refuse_flags(uint32_t number, uint64_t flags);

/* The refusals counted so far, for /proc/syscalls: slots, of which those that count 0 are empty; false past the last.
 * And how many found no slot. */
struct syscall_refusal {
	uint32_t number, count;
	uint64_t flags;
};
bool syscall_refusal_at(unsigned index, struct syscall_refusal *out);
uint32_t syscall_refusals_lost(void);

/* For a call whose result is a number of the process's own choosing (a timer slack, a group's id): what looks like one
 * of the kernel's codes reaches the process all the same. The call returns it at once. */
long syscall_value(long value);

/* A result of -ERRNO_OWN and below, on its way out (gates.S): what its register may hold until signals are delivered.
 */
long syscall_own_code(long result);

#endif
