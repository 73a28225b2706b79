/* SPDX-License-Identifier: MIT */
/*
 * Strikes: a fault anywhere in a component, in an image for tests alone (stellux-strike.elf). There the compiler has
 * each function of the lowered kernel begin with a call (ARCH.S), but for the floor that contains faults, lib/, and
 * brackets. While a strike is armed the calls of one component's text are counted, and the chosen one jumps to where
 * nothing is mapped: the report names the component, the function and the line that were struck. So what is struck is
 * chosen by a number and not by who wrote the code; for places that were chosen by hand: kernel/base/fault_point.h.
 *
 * Writing `component NAME pass N` to /proc/strike arms one in place of what was armed: the N-th call is struck (0:
 * none, they are only counted), but not in who writes and those it descends from, who must live to see what becomes of
 * it. `none` disarms. Reading it tells what became of the last one. Atomics only: functions are called under any lock.
 */
#include <abi/errno.h>
#include <kernel/base/clock.h>
#include <kernel/base/node.h>
#include <kernel/base/thread.h>
#include <kernel/mem/text.h>
#include <kernel/process/process.h>
#include <kernel/thread/component.h>
#include <kernel/thread/component_body.h>
#include <lib/string.h>
#include <lib/types.h>
#include <nucleus/layout.h>

DEFINE_COMPONENT(strike, .stage = STAGE_LATE, .users = "who wrote to /proc/strike gets EFAULT",
		 .stays = "it has no thread, and its data are the strike that is armed");

constexpr size_t SPARED_MAX = 4;

/* ARCH.S: whether a function has to ask; where the one that is struck jumps to. */
uint32_t strike_armed;
uint64_t strike_nowhere = KMAP_END + 0x321000;
bool strike_due(uint64_t pc);

static struct strike {
	uint64_t text_start, text_end;	/* which functions count: a component's, all of them */
	uint32_t pass;			/* the how-manieth call, from 1, is struck; 0: none */
	const void *spared[SPARED_MAX]; /* processes (struct thread's) whose threads do not count; compared only */
} armed;

/* What became of it. */
static struct outcome {
	uint32_t passed;
	bool struck;	/* atomic; the rest is there before */
	uint64_t at_ns; /* of the monotonic clock, when it was */
	uint64_t pc;	/* in the function that was struck */
	char thread[sizeof(((struct thread *)nullptr)->name)];
} outcome;

static bool is_spared(const struct thread *t)
{
	for (size_t i = 0; i < SPARED_MAX; i++) {
		if (t->process != nullptr && t->process == armed.spared[i])
			return true;
	}
	return false;
}

bool strike_due(uint64_t pc)
{
	const struct thread *t = thread_current();

	if (pc < armed.text_start || pc >= armed.text_end || is_spared(t))
		return false;
	if (__atomic_add_fetch(&outcome.passed, 1, __ATOMIC_SEQ_CST) != armed.pass)
		return false;
	__atomic_store_n(&strike_armed, 0, __ATOMIC_SEQ_CST);
	outcome.at_ns = clock_monotonic_ns();
	outcome.pc = pc;
	memcpy(outcome.thread, t->name, sizeof(outcome.thread));
	__atomic_store_n(&outcome.struck, true, __ATOMIC_RELEASE);
	return true;
}

/* --- /proc/strike --- */

static size_t next_word(const char **p, const char *end, const char **word)
{
	while (*p < end && (**p == ' ' || **p == '\n'))
		(*p)++;
	*word = *p;
	while (*p < end && **p != ' ' && **p != '\n')
		(*p)++;
	return (size_t)(*p - *word);
}

static bool word_is(const char *word, size_t n, const char *what)
{
	return n == strlen(what) && memcmp(word, what, n) == 0;
}

static bool parse_number(const char *word, size_t n, uint32_t *out)
{
	uint64_t number = 0;

	for (size_t i = 0; i < n; i++) {
		if (word[i] < '0' || word[i] > '9' || number > UINT32_MAX / 10)
			return false;
		number = number * 10 + (uint64_t)(word[i] - '0');
	}
	*out = (uint32_t)number;
	return n > 0 && number <= UINT32_MAX;
}

static const struct component *find_component(const char *name, size_t n)
{
	const struct component *c;

	for_each_component(c) {
		if (word_is(name, n, c->name))
			return c;
	}
	return nullptr;
}

static void spare_ancestors(struct strike *s)
{
	uint32_t pid = process_current()->pid;

	for (size_t i = 0; i < SPARED_MAX && pid != 0; i++) {
		struct process *p = process_find(pid);

		if (p == nullptr)
			return;
		s->spared[i] = p;
		pid = p->parent_pid;
		process_put(p);
	}
}

static void arm(const struct strike *s)
{
	__atomic_store_n(&strike_armed, 0, __ATOMIC_SEQ_CST);
	if (s == nullptr)
		return;
	armed = *s;
	outcome = (struct outcome){};
	__atomic_store_n(&strike_armed, 1, __ATOMIC_SEQ_CST);
}

/* One writer at a time: tests alone write here. */
static long write_strike(const char *text, size_t n, void *)
{
	const char *p = text, *end = text + n, *word, *name;
	struct strike strike = {};
	size_t length = next_word(&p, end, &word);

	if (word_is(word, length, "none")) {
		arm(nullptr);
		return (long)n;
	}
	if (!word_is(word, length, "component"))
		return -EINVAL;
	size_t name_length = next_word(&p, end, &name);
	length = next_word(&p, end, &word);
	if (!word_is(word, length, "pass"))
		return -EINVAL;
	length = next_word(&p, end, &word);
	if (!parse_number(word, length, &strike.pass))
		return -EINVAL;
	const struct component *c = find_component(name, name_length);
	if (c == nullptr)
		return -ENOENT;
	strike.text_start = __component_bodies_start[c->id - 1].text.start;
	strike.text_end = __component_bodies_start[c->id - 1].text.end;
	spare_ancestors(&strike);
	arm(&strike);
	return (long)n;
}

static int show_strike(struct text_buffer *b, void *)
{
	bool struck = __atomic_load_n(&outcome.struck, __ATOMIC_ACQUIRE);

	text_printf(b, "passed %u struck %u at %lu thread %s function %#lx\n",
		    __atomic_load_n(&outcome.passed, __ATOMIC_RELAXED), struck, struck ? outcome.at_ns : 0,
		    struck && outcome.thread[0] != '\0' ? outcome.thread : "none", struck ? outcome.pc : 0);
	return 0;
}

PROC_FILE(strike, .component = &component_strike, .name = "strike", .mode = 0600, .show = show_strike,
	  .write = write_strike);
