/* SPDX-License-Identifier: MIT */
/* What comes of a call that a thread's filters, or the strict mode, have a say about (seccomp(2)). */
#include "seccomp.h"
#include "core.h"
#include "internal.h"

#include <arch/seccomp.h>
#include <arch/signal.h>
#include <kernel/base/log.h>
#include <kernel/base/syscall.h>
#include <lib/seccomp.h>
#include <nucleus/calls.h>

enum : uint64_t { TELL_PAUSE_NS = 1'000'000'000 };
enum : uint32_t { ERRNO_MOST = 4095 };

static uint64_t pc_of_call(void)
{
	if (nucleus_regs_get(thread_page_current()->handle) != 0)
		return 0;
	return arch_regs_pc((const struct user_regs *)call_area());
}

/* One a second at most: who is told on can make as many calls as it likes. */
static void tell(const struct seccomp_data *d, uint32_t answer)
{
	static uint64_t quiet_until_ns; /* atomic */
	uint64_t now = clock_monotonic_ns(), until = __atomic_load_n(&quiet_until_ns, __ATOMIC_RELAXED);

	if (now >= until && __atomic_compare_exchange_n(&quiet_until_ns, &until, now + TELL_PAUSE_NS, false,
							__ATOMIC_RELAXED, __ATOMIC_RELAXED))
		log_info("seccomp: %s[%u] made call %d: 0x%x", process_current()->name, process_current()->pid,
			 d->number, answer);
}

static struct signal_info info_of(const struct seccomp_data *d, uint32_t answer)
{
	return (struct signal_info){
		.signo = SIGSYS,
		.error = (int32_t)(answer & SECCOMP_RET_DATA),
		.code = SYS_SECCOMP,
		.call = {.address = pc_of_call(), .number = d->number, .arch = d->arch},
	};
}

/* With its process, unless only the thread is to end and there are others. */
[[noreturn]] static void kill(const struct seccomp_data *d, uint32_t answer)
{
	struct process *p = process_current();

	tell(d, answer);
	if ((answer & SECCOMP_RET_ACTION) == SECCOMP_RET_KILL_THREAD &&
	    __atomic_load_n(&p->thread_count, __ATOMIC_ACQUIRE) > 1)
		process_thread_end(SIGSYS);
	const struct signal_info info = info_of(d, answer);
	bool dumped = core_dump(p, &info);
	process_group_exit(SIGSYS | (dumped ? STATUS_DUMPED : 0));
}

/* The register of the result stays as it was: the handler of the signal says what comes of the call. */
static long trap(const struct seccomp_data *d, uint32_t answer, uint64_t number)
{
	const struct signal_info info = info_of(d, answer);

	signal_force_current(&info);
	return syscall_value((long)arch_call_undone(number, d->arguments[0]));
}

static uint32_t ask(const struct seccomp_filter *newest, struct seccomp_data *d, bool *log)
{
	uint32_t answer = SECCOMP_RET_ALLOW;
	bool first = true;

	if (newest->looks_at_pc)
		d->instruction = pc_of_call();
	for (const struct seccomp_filter *f = newest; f != nullptr; f = f->before) {
		uint32_t said = seccomp_run(f->program, f->count, d);
		uint32_t both = first ? said : seccomp_stricter(answer, said);

		if (both != answer || first)
			*log = f->log;
		answer = both;
		first = false;
	}
	return answer;
}

static bool allowed_strictly(uint64_t number)
{
	return number == NR_read || number == NR_write || number == NR_exit || number == NR_rt_sigreturn;
}

bool seccomp_allows(const uint64_t arguments[6], uint64_t number, long *result)
{
	const struct process_thread *s = process_thread_current();
	struct seccomp_data d = {.number = (int32_t)number, .arch = SECCOMP_ARCH};
	bool log = false;

	if (__atomic_load_n(&s->seccomp_mode, __ATOMIC_ACQUIRE) == SECCOMP_MODE_STRICT) {
		if (allowed_strictly(number))
			return true;
		process_thread_end(SIGKILL);
	}
	for (size_t n = 0; n < ARRAY_LEN(d.arguments); n++)
		d.arguments[n] = arguments[n];
	uint32_t answer = ask(__atomic_load_n(&s->filters, __ATOMIC_ACQUIRE), &d, &log);
	uint32_t action = answer & SECCOMP_RET_ACTION, data = answer & SECCOMP_RET_DATA;

	if (log && action != SECCOMP_RET_ALLOW)
		tell(&d, answer);
	switch (action) {
	case SECCOMP_RET_ALLOW: return true;
	case SECCOMP_RET_LOG: tell(&d, answer); return true;
	case SECCOMP_RET_ERRNO: *result = syscall_value(-(long)MIN(data, (uint32_t)ERRNO_MOST)); return false;
	case SECCOMP_RET_TRAP: *result = trap(&d, answer, number); return false;
	case SECCOMP_RET_TRACE: /* nobody traces it */
	case SECCOMP_RET_USER_NOTIF: /* nobody listens */ *result = -ENOSYS; return false;
	default: kill(&d, answer);
	}
}
