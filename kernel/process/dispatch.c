/* SPDX-License-Identifier: MIT */
/*
 * System-call dispatch (kernel/base/syscall.h): the entries that SYSCALL() scattered over the kernel
 * become an array by number. gates.S calls syscall_dispatch for each UPCALL_SYSCALL. Numbers
 * without an entry are counted, so are the flags that a call refused (kernel/base/refused.c); /proc/syscalls shows
 * both, and why a call of the ABI is not there (absent.c). On the way back gates.S calls syscall_own_code for the few
 * results that are the kernel's own. No locks: counters are atomic.
 */
#include "dispatch.h"
#include "absent.h"
#include "kernel/thread/core.h"
#include "seccomp.h"

#include <abi/errno_limits.h>
#include <abi/seccomp.h>
#include <kernel/base/log.h>
#include <kernel/base/node.h>
#include <kernel/base/syscall.h>
#include <kernel/mem/text.h>
#include <kernel/process/user_context.h>
#include <nucleus/calls.h>

DECLARE_COMPONENT(process);

constexpr uint32_t NUMBERS_MAX = 512;

/* Six arguments are the call's; the number follows for those that serve several. */
typedef long (*syscall_function)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);

extern const struct syscall_entry __syscalls_start[], __syscalls_end[];

/* What is called, and what stands in the table: while some thread's calls are checked, what checks them does. So who
 * has nothing to check pays nothing for it while nobody has. */
static syscall_function calls[NUMBERS_MAX], table[NUMBERS_MAX]; /* table: atomic */
static uint32_t unknown[NUMBERS_MAX];
static uint32_t unknown_beyond;

long syscall_dispatch(uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5, uint64_t number);

/* Stands in the table for what has no entry. */
static long no_such_call(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t number)
{
	__atomic_fetch_add(number < NUMBERS_MAX ? &unknown[number] : &unknown_beyond, 1, __ATOMIC_RELAXED);
	return -ENOSYS;
}

static long checked_call(uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5, uint64_t number)
{
	syscall_function call = number < NUMBERS_MAX ? calls[number] : no_such_call;

	if (__atomic_load_n(&process_thread_current()->seccomp_mode, __ATOMIC_RELAXED) != SECCOMP_MODE_DISABLED) {
		const uint64_t arguments[] = {a0, a1, a2, a3, a4, a5};
		long result;

		if (!seccomp_allows(arguments, number, &result))
			return result;
	}
	return call(a0, a1, a2, a3, a4, a5, number);
}

void syscall_check(bool on)
{
	for (uint32_t i = 0; i < NUMBERS_MAX; i++)
		__atomic_store_n(&table[i], on ? checked_call : calls[i], __ATOMIC_RELEASE);
}

long syscall_dispatch(uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5, uint64_t number)
{
	if (likely(number < NUMBERS_MAX)) [[clang::musttail]]
		return table[number](a0, a1, a2, a3, a4, a5, number);
	[[clang::musttail]] return checked_call(a0, a1, a2, a3, a4, a5, number);
}

static const char *name_of(uint32_t number)
{
	for (const struct syscall_entry *e = __syscalls_start; e < __syscalls_end; e++) {
		if (e->number == number)
			return e->name;
	}
	return "?";
}

/*
 * What gates.S asks before a result of -ERRNO_OWN and below leaves: its register must not reach the process as it is.
 * The codes that make a call again are resolved by process_deliver_pending, which the thread is sent to: who ended the
 * sleep may have taken its signal to another thread, and then nobody else does. So are the numbers that syscall_value()
 * let through, so that it forgets the call. Any other number is a bug.
 */
long syscall_own_code(long result)
{
	uint32_t self = thread_page_current()->handle;

	if (thread_current()->value_result) {
		(void)nucleus_thread_kick(self);
		return result;
	}
	switch (-result) {
	case ERESTARTSYS:
	case ERESTARTNOINTR:
	case ERESTARTNOHAND:
	case ERESTART_RESTARTBLOCK: (void)nucleus_thread_kick(self); return result;
	default: break;
	}
	const char *name =
		nucleus_regs_get(self) == 0 ? name_of(arch_regs_syscall((const struct user_regs *)call_area())) : "?";
	if (STELLUX_DEBUG)
		kernel_bug(__FILE_NAME__, __LINE__, name);
	log_error("syscalls: %s returned %ld, which no program may see", name, result);
	return -EINTR;
}

static int show_syscalls(struct text_buffer *b, void *)
{
	struct syscall_refusal r;

	text_printf(b, "# known %lu\n", (unsigned long)(__syscalls_end - __syscalls_start));
	for (uint32_t i = 0; i < NUMBERS_MAX; i++) {
		if (unknown[i] > 0)
			text_printf(b, "unknown %u count %u\n", i, unknown[i]);
	}
	if (unknown_beyond > 0)
		text_printf(b, "unknown %u+ count %u\n", NUMBERS_MAX, unknown_beyond);
	for (unsigned i = 0; syscall_refusal_at(i, &r); i++) {
		if (r.count > 0)
			text_printf(b, "refused %u %s flags %#lx count %u\n", r.number, name_of(r.number), r.flags,
				    r.count);
	}
	if (syscall_refusals_lost() > 0)
		text_printf(b, "refused others count %u\n", syscall_refusals_lost());
	absent_show(b);
	return 0;
}

PROC_FILE(syscalls, .component = &component_process, .name = "syscalls", .mode = 0444, .show = show_syscalls);

void syscall_init(void)
{
	for (uint32_t i = 0; i < NUMBERS_MAX; i++)
		calls[i] = no_such_call;
	for (const struct syscall_entry *e = __syscalls_start; e < __syscalls_end; e++) {
		if (e->number >= NUMBERS_MAX || calls[e->number] != no_such_call)
			kernel_bug(__FILE_NAME__, __LINE__, e->name);
		calls[e->number] = (syscall_function)e->function;
	}
	syscall_check(false);
}
