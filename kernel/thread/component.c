/* SPDX-License-Identifier: MIT */
/*
 * The list of components: their start, stage by stage, and restart after a fault
 * (kernel/thread/component.h).
 *
 * Ids are given in the order of the linked list and announced to the nucleus, which answers whether
 * the component's threads may elevate. A failed component is restarted by the component thread: its
 * threads are asked to end, then stop and start run, each under a guard. A component that fails too
 * often stays down.
 */
#include "kernel/base/core.h"
#include "service.h"

#include <abi/errno.h>
#include <kernel/base/clock.h>
#include <kernel/base/cmdline.h>
#include <kernel/base/fault_point.h>
#include <kernel/base/log.h>
#include <kernel/base/node.h>
#include <kernel/base/text.h>
#include <kernel/thread/guard.h>
#include <kernel/vfs/vfs.h>
#include <lib/string.h>
#include <nucleus/calls.h>

constexpr uint32_t RESTARTS_MAX = 16;
constexpr uint64_t STOP_TIMEOUT_NS = 2'000'000'000;
constexpr uint64_t STOP_POLL_NS = 1'000'000;
constexpr uint32_t ID_MAX = 63;

extern struct component *const __components_start[], *const __components_end[];

static void manage(void);
static struct service manager = {.name = "components", .component = &component_core, .loop = manage};

static uint32_t component_count(void)
{
	return (uint32_t)(__components_end - __components_start);
}

struct component *component_at(uint32_t index)
{
	return index < component_count() ? __components_start[index] : nullptr;
}

void component_failed(struct component *c)
{
	__atomic_fetch_add(&c->faults, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&c->failed, true, __ATOMIC_RELEASE);
	service_wake(&manager);
}

static long call_start(void *arg)
{
	return ((struct component *)arg)->start();
}

static long call_stop(void *arg)
{
	((struct component *)arg)->stop();
	return 0;
}

static void start(struct component *c)
{
	long error = guard_call(c, call_start, c);

	c->down = error < 0;
	if (error < 0 && error != -ENODEV)
		log_error("%s: start failed with %ld", c->name, error);
}

static bool stop(struct component *c)
{
	uint64_t deadline = clock_monotonic_ns() + STOP_TIMEOUT_NS;

	__atomic_store_n(&c->stopping, true, __ATOMIC_RELEASE);
	while (__atomic_load_n(&c->thread_count, __ATOMIC_ACQUIRE) > 0) {
		if (clock_monotonic_ns() > deadline) {
			log_error("%s: %u threads do not end, no restart", c->name, c->thread_count);
			c->down = true;
			return false;
		}
		thread_wake_component(c);
		thread_park(clock_monotonic_ns() + STOP_POLL_NS);
	}
	(void)guard_call(c, call_stop, c);
	__atomic_store_n(&c->stopping, false, __ATOMIC_RELEASE);
	return true;
}

static void restart(struct component *c)
{
	if (c->start == nullptr || c->stop == nullptr || c->down)
		return;
	if (c->restarts >= RESTARTS_MAX) {
		log_error("%s: failed %u times, stays down", c->name, c->faults);
		c->down = true;
		return;
	}
	if (!stop(c))
		return;
	c->restarts++;
	start(c);
	if (!c->down)
		log_info("%s: restarted after a fault", c->name);
}

static void manage(void)
{
	for (;;) {
		FAULT_POINT(components_look);
		for (uint32_t i = 0; i < component_count(); i++) {
			struct component *c = __components_start[i];

			if (__atomic_exchange_n(&c->failed, false, __ATOMIC_ACQ_REL))
				restart(c);
		}
		thread_park(0);
	}
}

static const char *state_of(const struct component *c)
{
	if (c->down)
		return "down";
	if (__atomic_load_n(&c->pausing, __ATOMIC_RELAXED) > 0)
		return "pausing";
	return c->start == nullptr ? "passive" : "up";
}

static int show_components(struct text_buffer *b, void *)
{
	text_printf(b, "%-15s %2s %-8s %-7s %7s %6s %8s %11s %10s\n", "name", "id", "elevate", "state", "threads",
		    "faults", "restarts", "allocations", "bytes");
	for (uint32_t i = 0; i < component_count(); i++) {
		const struct component *c = __components_start[i];
		const char *right = !c->asks_elevate ? "no" : c->may_elevate ? "granted" : "refused";

		text_printf(b, "%-15s %2u %-8s %-7s %7u %6u %8u %11lu %10lu\n", c->name, c->id, right, state_of(c),
			    c->thread_count, c->faults, c->restarts, c->allocations, c->bytes);
	}
	return 0;
}

PROC_FILE(components, .component = &component_core, .name = "components", .mode = 0444, .show = show_components);

static void announce(struct component *c)
{
	uint64_t words[2] = {};
	uint32_t id = 1;

	while (__components_start[id - 1] != c)
		id++;
	c->id = id;
	list_init(&c->threads);
	memcpy(words, c->name, strnlen(c->name, 15));
	long granted = nucleus_component_register(id, words[0], words[1], c->asks_elevate);
	if (granted < 0)
		log_error("%s: the nucleus refuses the component: %ld", c->name, granted);
	c->may_elevate = granted == 1;
}

static struct component *find(const char *name, size_t n)
{
	for (uint32_t i = 0; i < component_count(); i++)
		if (strlen(__components_start[i]->name) == n && memcmp(__components_start[i]->name, name, n) == 0)
			return __components_start[i];
	return nullptr;
}

/* The next word of a list of names, whose end is *list then; its length. */
static size_t next_word(const char **list, const char **word)
{
	const char *comma = strchr(*list, ',');
	size_t n = comma != nullptr ? (size_t)(comma - *list) : strlen(*list);

	*word = *list;
	*list += n + (comma != nullptr);
	return n;
}

/* The nucleus grants by name and never learns which names there are: a wrong one would only be noticed by what does not
 * work. */
static void check_elevate_option(const char *option)
{
	char asking[256] = "";
	const char *word, *list = option;
	bool somebody = false;

	if (strcmp(option, "all") == 0 || strcmp(option, "off") == 0)
		return;
	for (uint32_t i = 0; i < component_count(); i++)
		if (__components_start[i]->asks_elevate)
			scnprintf(asking + strlen(asking), sizeof(asking) - strlen(asking), " %s",
				  __components_start[i]->name);
	while (*list != '\0') {
		size_t n = next_word(&list, &word);
		const struct component *c = find(word, n);

		somebody |= c != nullptr;
		if (c == nullptr || !c->asks_elevate)
			log_warn("core: elevate=%.*s: %s; give all, off, or some of:%s", (int)n, word,
				 c == nullptr ? "no component is called that"
					      : "that component does not ask to elevate",
				 asking);
	}
	if (!somebody)
		log_warn("core: elevate=%s names no component; using all", option);
}

void component_init(void)
{
	char option[256];
	const char *word, *list = option;

	if (component_count() > ID_MAX)
		kernel_bug(__FILE_NAME__, __LINE__, "more components than ids");
	if (cmdline_get("elevate", option, sizeof(option)) == nullptr)
		strlcpy(option, "all", sizeof(option));
	/* First whom the option names: only then the nucleus knows that it names somebody. */
	while (*list != '\0') {
		size_t n = next_word(&list, &word);
		struct component *c = find(word, n);

		if (c != nullptr && c->id == 0)
			announce(c);
	}
	for (uint32_t i = 0; i < component_count(); i++)
		if (__components_start[i]->id == 0)
			announce(__components_start[i]);
	check_elevate_option(option);
}

void components_start(void)
{
	if (service_start(&manager) < 0)
		log_warn("core: no thread, failed components stay down");
	for (unsigned stage = 0; stage < STAGE_COUNT; stage++) {
		for (uint32_t i = 0; i < component_count(); i++) {
			struct component *c = __components_start[i];

			if (c->stage == stage && c->start != nullptr)
				start(c);
		}
	}
}
