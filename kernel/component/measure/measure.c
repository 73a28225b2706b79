/* SPDX-License-Identifier: MIT */
/*
 * Operations of the kernel itself for the benchmark, which no process can do: /proc/measure. Writing `elevate N` or
 * `call N` makes a thread of this component do the operation N times between markers (arch/marker.h); reading names
 * what there is. The component asks for the right to elevate; it has no other use for it than an empty bracket.
 * Without that right (elevate=) it is a violation, which ends the operation under its guard: the write is EFAULT.
 */
#include "measure.h"

#include <abi/errno.h>
#include <arch/marker.h>
#include <kernel/base/lock.h>
#include <kernel/base/node.h>
#include <kernel/base/wait.h>
#include <kernel/mem/text.h>
#include <kernel/thread/guard.h>
#include <lib/string.h>
#include <nucleus/calls.h>

enum { COUNT_MAX = 100000 };

static void measure_call(void)
{
	/* The cheapest call there is: refused at once. */
	(void)nucleus_account_control(UINT32_MAX);
}

/* The rows' numbers are bench/rows.h's. */
static void run_elevate(unsigned n)
{
	while (n-- > 0)
		measure_bracket();
}

static void run_call(unsigned n)
{
	while (n-- > 0) {
		MARK(MARKER_BEGIN | 2);
		measure_call();
		MARK(MARKER_END | 2);
	}
}

static const struct operation {
	const char *name;
	void (*run)(unsigned n);
} operations[] = {{"elevate", run_elevate}, {"call", run_call}};

/* One job at a time. */
static struct mutex job_lock = MUTEX_INIT(job_lock, RANK_NONE);
static struct wait_queue done = WAIT_QUEUE_INIT(done);
static struct job {
	const struct operation *operation;
	unsigned count;
	long result;
	uint32_t finished;
} job GUARDED_BY(&job_lock);

extern struct component component_measure;

static long run_operation(void *arg)
{
	const struct job *j = arg;

	j->operation->run(j->count);
	return 0;
}

static void run_job(void *arg)
{
	struct job *j = arg;

	j->result = guard_call(&component_measure, run_operation, j);
}

/* Whatever becomes of the thread, the writer is told. */
static void job_over(void *arg)
{
	struct job *j = arg;

	__atomic_store_n(&j->finished, 1, __ATOMIC_RELEASE);
	wait_wake_all(&done);
}

static bool parse(const char *text, size_t n, struct job *out)
{
	for (size_t i = 0; i < ARRAY_LEN(operations); i++) {
		size_t length = strlen(operations[i].name);
		unsigned count = 0;

		if (n <= length + 1 || memcmp(text, operations[i].name, length) != 0 || text[length] != ' ')
			continue;
		for (size_t k = length + 1; k < n && text[k] != '\n'; k++) {
			if (text[k] < '0' || text[k] > '9' || count > COUNT_MAX)
				return false;
			count = count * 10 + (unsigned)(text[k] - '0');
		}
		*out = (struct job){.operation = &operations[i], .count = count, .result = -EFAULT};
		return count > 0 && count <= COUNT_MAX;
	}
	return false;
}

static long write_measure(const char *text, size_t n, void *arg)
{
	int error;

	(void)arg;
	mutex_lock(&job_lock);
	if (!parse(text, n, &job)) {
		mutex_unlock(&job_lock);
		return -EINVAL;
	}
	struct job *j = &job;

	error = kthread_start_told(&component_measure, "measure", run_job, job_over, j);
	if (!error) {
		wait_event(&done, __atomic_load_n(&j->finished, __ATOMIC_ACQUIRE));
		error = (int)j->result;
	}
	mutex_unlock(&job_lock);
	return error ? error : (long)n;
}

static int show_measure(struct text_buffer *b, void *arg)
{
	(void)arg;
	for (size_t i = 0; i < ARRAY_LEN(operations); i++)
		text_printf(b, "%s N\n", operations[i].name);
	return 0;
}

PROC_FILE(measure, .component = &component_measure, .name = "measure", .mode = 0600, .show = show_measure,
	  .write = write_measure);

DEFINE_COMPONENT(measure, .asks_elevate = true, .resettable = true, .stage = STAGE_LATE,
		 .users = "who wrote to /proc/measure gets EFAULT");
