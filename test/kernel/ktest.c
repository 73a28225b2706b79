/* SPDX-License-Identifier: MIT */
/*
 * Runs the suites and prints KTAP (Linux Documentation/dev-tools/ktap.rst) straight to the polled console, so that
 * results come out whatever else is broken. A case that does not end in time has failed; its thread is left behind.
 */
#include "ktest.h"

#include <abi/errno.h>
#include <kernel/base/clock.h>
#include <kernel/base/cmdline.h>
#include <kernel/base/lock.h>
#include <kernel/base/log.h>
#include <kernel/block/blkdev.h>
#include <kernel/thread/guard.h>
#include <kernel/thread/report.h>
#include <lib/string.h>
#include <stdarg.h>

#include "kernel/base/log_read.h"

/* Far beyond what any case takes, also on a host that stands still now and then: it only ends what hangs. */
constexpr uint64_t CASE_LIMIT_NS = 120'000 * MS, CASE_LOOK_NS = 200 * MS, SETTLE_LIMIT_NS = 20'000 * MS;
constexpr uint32_t CASE_LOOKS = 400;

/* Every KTEST_SUITE, in the order of their files' names. */
extern const struct ktest_suite *const __ktest_suites_start[], *const __ktest_suites_end[];

static struct mutex output = MUTEX_INIT(output, RANK_NONE);
static uint32_t failures; /* of the running case; atomic */

[[gnu::format(printf, 1, 2)]] static void print(const char *fmt, ...)
{
	char line[256];
	va_list args;

	va_start(args, fmt);
	int n = vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	n = n < (int)sizeof(line) ? n : (int)sizeof(line) - 1;
	if (thread_page_current()->preempt_count == 0)
		log_print_line(line, (size_t)n);
	else
		log_write_polled(line, (size_t)n);
}

void ktest_fail(const char *file, int line, const char *what, int64_t got, int64_t wanted, bool numbers)
{
	/* The first few tell enough, a thousand would not be read. */
	if (__atomic_fetch_add(&failures, 1, __ATOMIC_RELAXED) >= 8)
		return;
	mutex_lock(&output);
	if (numbers)
		print("    # %s:%d: %s is %ld (%#lx), not %ld (%#lx)\n", file, line, what, got, got, wanted, wanted);
	else
		print("    # %s:%d: not so: %s\n", file, line, what);
	mutex_unlock(&output);
}

bool ktest_failed(void)
{
	return __atomic_load_n(&failures, __ATOMIC_RELAXED) != 0;
}

struct execution {
	const struct ktest_case *which;
	uint32_t over;
	struct thread *waiter;
};

static long call_case(void *arg)
{
	((const struct ktest_case *)arg)->run();
	return 0;
}

static void run_case_thread(void *arg)
{
	struct execution *e = arg;

	if (guard_call(&component_ktest, call_case, (void *)e->which) == -EFAULT)
		ktest_fail(__FILE_NAME__, __LINE__, "the case faulted, see the report above", 0, 0, false);
	__atomic_store_n(&e->over, 1, __ATOMIC_RELEASE);
	thread_unpark(e->waiter);
}

/* Threads of the case that have done their work may not have ended yet; what the next one counts must not be theirs.
 * Those that never end are not waited for for long. */
static void settle(uint32_t threads)
{
	enum { TURNS = 2000 };
	uint64_t end = clock_monotonic_ns() + SETTLE_LIMIT_NS;

	for (int n = 0; __atomic_load_n(&component_ktest.thread_count, __ATOMIC_SEQ_CST) > threads &&
			(n < TURNS || clock_monotonic_ns() < end);
	     n++)
		sleep_ns(MS);
}

static bool run_case(const struct ktest_case *c)
{
	/* Of a hung case the thread lives on, and with it this. */
	static struct execution executions[2];
	static unsigned next;
	struct execution *e = &executions[next];
	uint64_t end = clock_monotonic_ns() + CASE_LIMIT_NS;
	uint32_t threads = component_ktest.thread_count;
	struct thread *t;

	*e = (struct execution){.which = c, .waiter = thread_current()};
	__atomic_store_n(&failures, 0, __ATOMIC_RELAXED);
	if (thread_create(c->name, &component_ktest, 0, run_case_thread, e, &t) < 0)
		return false;
	uint32_t handle = handle_of(t);

	thread_start(t);
	for (uint32_t looks = 0; !__atomic_load_n(&e->over, __ATOMIC_ACQUIRE); looks++) {
		bool gone = nucleus_thread_get_times(handle) == -ESRCH;
		bool late = looks >= CASE_LOOKS && clock_monotonic_ns() >= end;

		if (__atomic_load_n(&e->over, __ATOMIC_ACQUIRE))
			break;
		if (gone || late) {
			ktest_fail(__FILE_NAME__, __LINE__,
				   gone ? "the thread of the case was stopped" : "the case did not end in time", 0, 0,
				   false);
			next = 1;
			break;
		}
		thread_park(clock_monotonic_ns() + CASE_LOOK_NS);
	}
	settle(threads);
	/* Results are whole lines: reports of the case come first. */
	report_show();
	return !ktest_failed();
}

static bool fits(const struct ktest_case *c)
{
	return c->min_cpus <= boot_info()->cpu_count && (!c->modes || c->modes >> boot_info()->mode & 1) &&
	       (!c->fits || c->fits());
}

static bool run_suite(const struct ktest_suite *s)
{
	unsigned count = 0, n = 0, bad = 0;

	for (const struct ktest_case *c = s->cases; c->name; c++)
		count += fits(c);
	print("    # Subtest: %s\n    1..%u\n", s->name, count);
	for (const struct ktest_case *c = s->cases; c->name; c++) {
		if (!fits(c))
			continue;
		bool good = run_case(c);

		bad += !good;
		print("    %s %u - %s\n", good ? "ok" : "not ok", ++n, c->name);
	}
	return !bad;
}

static bool wanted(const struct ktest_suite *s, const char *list)
{
	size_t length = strlen(s->name);

	for (const char *p = list; *p;) {
		const char *comma = strchr(p, ',');
		size_t n = comma ? (size_t)(comma - p) : strlen(p);

		if (n == length && !memcmp(p, s->name, n))
			return true;
		p += n + (comma != nullptr);
	}
	return !*list;
}

static void run_all(void *)
{
	char list[256];
	unsigned count = 0, n = 0;

	/* What the machine's own disks are read for lends memory and allocates some. */
	blkdev_settle(ktest_now() + WAIT_NS);
	/* Let the threads that boot started settle; log lines go out whole, at once. */
	sleep_ns(20 * MS);
	log_set_console(nullptr, nullptr);
	(void)cmdline_get("ktest", list, sizeof(list));
	for (const struct ktest_suite *const *s = __ktest_suites_start; s < __ktest_suites_end; s++)
		count += wanted(*s, list);
	print("\nKTAP version 1\n1..%u\n", count);
	for (const struct ktest_suite *const *s = __ktest_suites_start; s < __ktest_suites_end; s++) {
		if (!wanted(*s, list))
			continue;
		bool good = run_suite(*s);

		print("%s %u - %s\n", good ? "ok" : "not ok", ++n, (*s)->name);
	}
	(void)nucleus_power(POWER_OFF);
}

/* Boot goes no further: there is no process. */
static int start_ktest(void)
{
	char list[256];

	if (!cmdline_get("ktest", list, sizeof(list)))
		return 0;
	int error = kthread_start(&component_ktest, "ktest", run_all, nullptr, nullptr);
	if (error < 0)
		return error;
	for (;;)
		thread_park(0);
}

DEFINE_COMPONENT(ktest, .asks_elevate = true, .asks_devices = true, .keeps_devices = true, .stage = STAGE_LATE,
		 .start = start_ktest, .users = "a test that faults has failed");
