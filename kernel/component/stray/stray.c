/* SPDX-License-Identifier: MIT */
/*
 * The deliberately broken component: on request it misbehaves in a thread of its own, lowered and
 * without any right but to claim devices, under a guard; the nucleus has to catch it, report it, and the rest of the
 * system has to go on.
 *
 * /proc/stray: writing `case NAME seed N` runs a case and returns when it is over; reading gives a
 * line for each case, `case NAME what it tries to do`, then one for each run,
 * `NAME caught|survived|refused victim=… culprit=…`. refused: it would do real damage in this mode
 * of privilege.
 */
#include "stray.h"

#include <abi/errno.h>
#include <kernel/base/clock.h>
#include <kernel/base/init.h>
#include <kernel/base/lock.h>
#include <kernel/base/log.h>
#include <kernel/base/node.h>
#include <kernel/base/wait.h>
#include <kernel/mem/text.h>
#include <kernel/thread/component.h>
#include <kernel/thread/component_part.h>
#include <kernel/thread/guard.h>
#include <kernel/thread/report.h>
#include <kernel/vfs/vfs.h>
#include <lib/annotate.h>
#include <lib/string.h>
#include <nucleus/calls.h>

constexpr unsigned RUNS_MAX = 64;
constexpr uint64_t RUN_LIMIT_NS = 10'000'000'000;

enum outcome : uint32_t { OUTCOME_RUNNING, OUTCOME_CAUGHT, OUTCOME_SURVIVED, OUTCOME_REFUSED, OUTCOME_HUNG };

struct run {
	const struct stray_case *which;
	struct stray_victim victim;
	enum outcome outcome;
};

static const struct stray_case write_cases[] = {
	STRAY_CASE("write-page-table", "write to an entry of a page table", stray_choose_page_table,
		   stray_write_page_table),
	STRAY_CASE("write-nucleus-data", "write to a variable of the nucleus", stray_choose_nucleus_data,
		   stray_write_nucleus_data),
	STRAY_CASE("write-nucleus-text", "overwrite an instruction of the nucleus", stray_choose_nucleus_text,
		   stray_write_nucleus_text),
	STRAY_CASE("write-kernel-text", "overwrite an instruction of the kernel", stray_choose_kernel_text,
		   stray_write_kernel_text),
	STRAY_CASE("write-thread-record", "write to a thread's saved registers", stray_choose_thread_record,
		   stray_write_thread_record),
	STRAY_CASE("write-entry-page", "write to a CPU's entry page", stray_choose_entry_page, stray_write_entry_page),
	STRAY_CASE("write-by-memset", "overwrite an instruction of the nucleus by a shared function",
		   stray_choose_nucleus_text, stray_write_by_memset),
	{},
};

/* lock: one case at a time. */
static struct mutex lock = MUTEX_INIT(lock, RANK_NONE);
static struct run runs[RUNS_MAX] GUARDED_BY(&lock);
static unsigned run_count GUARDED_BY(&lock);
static struct wait_queue over = WAIT_QUEUE_INIT(over);

extern struct component component_stray;

static const struct stray_case *const case_lists[] = {write_cases, stray_path_cases, stray_device_cases,
						      stray_arch_cases};

static const struct stray_case *find_case(const char *name, size_t length)
{
	for (size_t i = 0; i < ARRAY_LEN(case_lists); i++) {
		for (const struct stray_case *c = case_lists[i]; c->name != nullptr; c++) {
			if (strlen(c->name) == length && memcmp(c->name, name, length) == 0)
				return c;
		}
	}
	return nullptr;
}

static void finish(struct run *r, enum outcome outcome)
{
	__atomic_store_n(&r->outcome, outcome, __ATOMIC_RELEASE);
	wait_wake_all(&over);
}

static long misbehave(void *arg)
{
	struct run *r = arg;

	if (r->which->call != nullptr) {
		long result = r->which->call(r->victim.address);

		/* A fault's report is out before its thread goes on; so is this one's. */
		report_show();
		return result;
	}
	r->which->run(r->victim.address);
	return 0;
}

static bool is_over(struct run *r)
{
	return __atomic_load_n(&r->outcome, __ATOMIC_ACQUIRE) != OUTCOME_RUNNING;
}

/* It has a result, or has faulted before it had one. */
static void run_over(void *arg)
{
	if (!is_over(arg))
		finish(arg, OUTCOME_CAUGHT);
}

static void run_thread(void *arg)
{
	struct run *r = arg;

	if (r->which->needs_lowered && thread_page_current()->home_elevated != 0) {
		finish(r, OUTCOME_REFUSED);
		return;
	}
	long result = guard_call(&component_stray, misbehave, r);
	bool refused = r->which->call != nullptr && result == -EPERM;
	finish(r, result == -EFAULT || refused ? OUTCOME_CAUGHT : OUTCOME_SURVIVED);
}

/* Runs a case to its end in a fresh thread. */
static int run_case(const struct stray_case *c, uint64_t seed)
{
	struct run *r;
	int error;

	mutex_lock(&lock);
	r = &runs[run_count % RUNS_MAX];
	*r = (struct run){.which = c};
	error = c->choose(seed, &r->victim);
	if (error == 0)
		error = kthread_start_told(&component_stray, "stray", run_thread, run_over, r);
	if (error == 0) {
		run_count++;
		if (wait_event_patiently(&over, is_over(r), RUN_LIMIT_NS) < 0)
			r->outcome = OUTCOME_HUNG;
	}
	mutex_unlock(&lock);
	return error;
}

static const char *outcome_name(enum outcome o)
{
	switch (o) {
	case OUTCOME_CAUGHT: return "caught";
	case OUTCOME_REFUSED: return "refused";
	default: return "survived";
	}
}

static int show_stray(struct text_buffer *b, void *)
{
	for (size_t i = 0; i < ARRAY_LEN(case_lists); i++) {
		for (const struct stray_case *c = case_lists[i]; c->name != nullptr; c++)
			text_printf(b, "case %s %s\n", c->name, c->what);
	}
	mutex_lock(&lock);
	for (unsigned i = run_count > RUNS_MAX ? run_count - RUNS_MAX : 0; i < run_count; i++) {
		const struct run *r = &runs[i % RUNS_MAX];

		text_printf(b, "%s %s victim=%s culprit=%s\n", r->which->name, outcome_name(r->outcome), r->victim.name,
			    r->which->culprit);
	}
	mutex_unlock(&lock);
	return 0;
}

/* The next word of [*p, end); its length, 0 at the end. */
size_t stray_next_word(const char **p, const char *end, const char **word)
{
	while (*p < end && (**p == ' ' || **p == '\n'))
		(*p)++;
	*word = *p;
	while (*p < end && **p != ' ' && **p != '\n')
		(*p)++;
	return (size_t)(*p - *word);
}

bool stray_parse_number(const char *word, size_t length, uint64_t *out)
{
	*out = 0;
	for (size_t i = 0; i < length; i++) {
		if (word[i] < '0' || word[i] > '9')
			return false;
		*out = *out * 10 + (uint64_t)(word[i] - '0');
	}
	return length > 0;
}

static long write_stray(const char *text, size_t n, void *)
{
	const char *p = text, *end = text + n, *word, *name;
	uint64_t seed = 0;

	if (stray_next_word(&p, end, &word) != 4 || memcmp(word, "case", 4) != 0)
		return -EINVAL;
	size_t name_length = stray_next_word(&p, end, &name);
	size_t length = stray_next_word(&p, end, &word);
	if (length == 4 && memcmp(word, "seed", 4) == 0) {
		length = stray_next_word(&p, end, &word);
		if (!stray_parse_number(word, length, &seed))
			return -EINVAL;
	} else if (length != 0) {
		return -EINVAL;
	}
	const struct stray_case *c = find_case(name, name_length);
	if (c == nullptr)
		return -EINVAL;
	int error = run_case(c, seed);
	return error < 0 ? error : (long)n;
}

/* What was found so far is forgotten, once the case that runs is over. */
static uint32_t forget(void)
{
	mutex_lock(&lock);
	memset(runs, 0, sizeof(runs));
	run_count = 0;
	mutex_unlock(&lock);
	return 1;
}

/* Asked for only: what a fault of a case has shown is to be read. */
COMPONENT_PART(stray, .what = "its results, which are forgotten", .restart = forget);

PROC_FILE(stray, .component = &component_stray, .name = "stray", .mode = 0644, .show = show_stray,
	  .write = write_stray);

DEFINE_COMPONENT(stray, .asks_devices = true, .stage = STAGE_LATE, .users = "who wrote to /proc/stray is told");
