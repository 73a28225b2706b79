/* SPDX-License-Identifier: MIT */
/*
 * The list of components: their start, stage by stage, and restart after a fault
 * (kernel/thread/component.h).
 *
 * A component's number is its place in the image's table. elevate= is read here, once: who may elevate is said to the
 * nucleus before any component starts, for good. A failed component is restarted by the component thread: its
 * threads are asked to end, then stop and start run, each under a guard. Each failure in a row has a longer pause
 * before it; a component that fails too often stays down until somebody asks for it (echo restart NAME >
 * /proc/components).
 */
#include "core.h"
#include "service.h"

#include <abi/errno.h>
#include <kernel/base/clock.h>
#include <kernel/base/cmdline.h>
#include <kernel/base/fault_point.h>
#include <kernel/base/log.h>
#include <kernel/base/node.h>
#include <kernel/mem/text.h>
#include <kernel/thread/component_body.h>
#include <kernel/thread/component_part.h>
#include <kernel/thread/guard.h>
#include <lib/string.h>
#include <lib/types.h>
#include <nucleus/calls.h>

/* What takes so long is given up, if it was looked at so often: a host that stops a virtual machine takes time from it,
 * but no looks. */
constexpr uint64_t STOP_TIMEOUT_NS = 2'000'000'000, RESTART_TIMEOUT_NS = 10'000'000'000;
constexpr uint64_t STOP_POLL_NS = 1'000'000;
constexpr uint32_t STOP_POLLS = 500, RESTART_POLLS = 2000;

extern const struct component_start __component_starts_start[], __component_starts_end[];
extern const struct component_part __component_parts_start[], __component_parts_end[];

static void manage(void);
static struct service manager = {.name = "components", .component = &component_core, .loop = manage};

static const struct component_parts *parts; /* atomic */

/* Where tools/components-table reads what a manifest says. */
static_assert(offsetof(struct component, users) == 8 && offsetof(struct component, stays) == 16);
static_assert(offsetof(struct component, start) == 32 && offsetof(struct component, stop) == 40 &&
	      offsetof(struct component, resettable) == 52);
static_assert(sizeof(struct component_part) == 32 && offsetof(struct component_part, what) == 8);

void component_set_parts(const struct component_parts *p)
{
	__atomic_store_n(&parts, p, __ATOMIC_RELEASE);
}

uint32_t component_count(void)
{
	return (uint32_t)(__component_bodies_end - __component_bodies_start);
}

struct component *component_at(uint32_t id)
{
	return id > 0 && id <= component_count() ? __component_bodies_start[id - 1].manifest : nullptr;
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
	long error = c->start != nullptr ? guard_call(c, call_start, c) : 0;

	c->down = error < 0;
	if (error < 0 && error != -ENODEV)
		log_error("%s: start failed with %ld", c->name, error);
}

static bool stop(struct component *c)
{
	uint64_t deadline = clock_monotonic_ns() + STOP_TIMEOUT_NS;
	uint32_t polls = 0;

	__atomic_store_n(&c->stopping, true, __ATOMIC_RELEASE);
	while (__atomic_load_n(&c->thread_count, __ATOMIC_ACQUIRE) > 0) {
		if (++polls > STOP_POLLS && clock_monotonic_ns() > deadline) {
			log_error("%s: %u threads do not end, no restart", c->name, c->thread_count);
			c->down = true;
			return false;
		}
		thread_wake_component(c);
		thread_park(clock_monotonic_ns() + STOP_POLL_NS);
	}
	if (c->stop != nullptr)
		(void)guard_call(c, call_stop, c);
	if (c->resettable)
		component_reset(c);
	__atomic_store_n(&c->stopping, false, __ATOMIC_RELEASE);
	return true;
}

static bool can_restart(const struct component *c)
{
	return c->resettable || (c->start != nullptr && c->stop != nullptr);
}

/* It failed: sets when it is to begin anew. */
static void plan(struct component *c)
{
	uint64_t now = clock_monotonic_ns();

	if (!can_restart(c) || c->down)
		return;
	fault_row_add(&c->row, now);
	if (c->row.count > FAULTS_IN_ROW_MAX) {
		log_error("%s: failed %u times in a row, stays down until it is asked for", c->name, c->row.count);
		c->down = true;
		return;
	}
	c->restart_at_ns = now + fault_row_pause(&c->row);
}

static void restart(struct component *c, const char *why)
{
	c->restart_at_ns = 0;
	if (!stop(c))
		return;
	c->restarts++;
	start(c);
	if (!c->down)
		log_info("%s: restarted %s", c->name, why);
}

/* What failed or is asked for. The time at which to look again; 0: when woken. */
static uint64_t look_at_all(void)
{
	uint64_t next = 0;
	struct component *c;

	for_each_component(c) {
		if (__atomic_load_n(&c->asked, __ATOMIC_ACQUIRE)) {
			c->row.count = 0;
			restart(c, "as asked");
			__atomic_store_n(&c->asked, false, __ATOMIC_RELEASE);
		}
		if (__atomic_exchange_n(&c->failed, false, __ATOMIC_ACQ_REL))
			plan(c);
		if (c->restart_at_ns != 0 && c->restart_at_ns <= clock_monotonic_ns())
			restart(c, "after a fault");
		if (c->restart_at_ns != 0 && (next == 0 || c->restart_at_ns < next))
			next = c->restart_at_ns;
	}
	return next;
}

static void manage(void)
{
	do
		FAULT_POINT(components_look);
	while (!service_park(look_at_all()));
}

static const char *state_of(const struct component *c)
{
	if (c->down)
		return "down";
	if (__atomic_load_n(&c->pausing, __ATOMIC_RELAXED) > 0 || c->restart_at_ns != 0)
		return "pausing";
	return c->start == nullptr && c->thread_count == 0 ? "passive" : "up";
}

static int show_components(struct text_buffer *b, void *)
{
	text_printf(b, "%-15s %2s %-8s %-7s %7s %6s %8s %11s %10s\n", "name", "id", "elevate", "state", "threads",
		    "faults", "restarts", "allocations", "bytes");
	const struct component *c;

	for_each_component(c) {
		const char *right = !c->asks_elevate ? "no" : c->may_elevate ? "granted" : "refused";

		text_printf(b, "%-15s %2u %-8s %-7s %7u %6u %8u %11lu %10lu\n", c->name, c->id, right, state_of(c),
			    c->thread_count, c->faults, c->restarts, c->allocations, c->bytes);
	}
	return 0;
}

static struct component *find(const char *name, size_t n)
{
	struct component *c;

	for_each_component(c) {
		if (strlen(c->name) == n && memcmp(c->name, name, n) == 0)
			return c;
	}
	return nullptr;
}

static const struct component_part *part_of(const struct component *c)
{
	for (const struct component_part *p = __component_parts_start; p < __component_parts_end; p++) {
		if (p->component == c)
			return p;
	}
	return nullptr;
}

/* Asks the services of a component and its other parts to begin anew; how many there are. */
static uint32_t restart_parts(struct component *c)
{
	const struct component_parts *p = __atomic_load_n(&parts, __ATOMIC_ACQUIRE);
	const struct component_part *part = part_of(c);
	long own = part != nullptr ? guard_run(c, part->restart()) : 0;

	if (own > 0)
		__atomic_fetch_add(&c->restarts, 1, __ATOMIC_RELAXED);
	return services_restart(c) + (p != nullptr ? p->restart(c) : 0) + (uint32_t)MAX(own, 0l);
}

static bool parts_restarting(struct component *c)
{
	const struct component_parts *p = __atomic_load_n(&parts, __ATOMIC_ACQUIRE);

	const struct component_part *part = part_of(c);

	if (part != nullptr && part->restarting != nullptr && guard_run(c, part->restarting()) > 0)
		return true;
	return services_restarting(c) || (p != nullptr && p->restarting(c));
}

int component_restart(struct component *c)
{
	uint64_t deadline = clock_monotonic_ns() + RESTART_TIMEOUT_NS;
	uint32_t polls = 0;

	if (can_restart(c)) {
		__atomic_store_n(&c->asked, true, __ATOMIC_RELEASE);
		service_wake(&manager);
	} else if (restart_parts(c) == 0) {
		log_info("%s: does not begin anew: %s", c->name,
			 c->stays != nullptr ? c->stays : "nothing of it runs that could");
		return -EOPNOTSUPP;
	}
	while (__atomic_load_n(&c->asked, __ATOMIC_ACQUIRE) || parts_restarting(c)) {
		uint64_t now = clock_monotonic_ns();

		if (++polls > RESTART_POLLS && now > deadline)
			return -ETIMEDOUT;
		if (thread_park_interruptible(now + STOP_POLL_NS) == -EINTR)
			return -EINTR;
	}
	return c->down ? -EIO : 0;
}

/* "restart NAME" */
static long write_components(const char *text, size_t n, void *)
{
	static const char verb[] = "restart ";
	constexpr size_t verb_length = sizeof(verb) - 1;
	size_t length = n > 0 && text[n - 1] == '\n' ? n - 1 : n;

	if (length < verb_length || memcmp(text, verb, verb_length) != 0)
		return -EINVAL;
	struct component *c = find(text + verb_length, length - verb_length);
	int error = c != nullptr ? component_restart(c) : -ENOENT;
	return error != 0 ? error : (long)n;
}

PROC_FILE(components, .component = &component_core, .name = "components", .mode = 0644, .show = show_components,
	  .write = write_components);

/* The next word of a list of names, whose end is *list then; its length. */
static size_t next_word(const char **list, const char **word)
{
	const char *comma = strchr(*list, ',');
	size_t n = comma != nullptr ? (size_t)(comma - *list) : strlen(*list);

	*word = *list;
	*list += n + (comma != nullptr);
	return n;
}

static void name_those_who_ask(char *text, size_t size)
{
	const struct component *c;

	for_each_component(c) {
		if (c->asks_elevate)
			scnprintf(text + strlen(text), size - strlen(text), " %s", c->name);
	}
}

/* Grants the right to those of a list who ask for it. A slip of the keyboard grants less, never more, and is named. */
static void grant_listed(const char *list)
{
	char asking[256] = "";
	const char *word;

	name_those_who_ask(asking, sizeof(asking));
	while (*list != '\0') {
		size_t n = next_word(&list, &word);
		struct component *c = find(word, n);

		if (c != nullptr && c->asks_elevate)
			c->may_elevate = true;
		else
			log_warn("core: elevate=%.*s: %s, so nobody gets the right by it; give all, off, or some of:%s",
				 (int)n, word,
				 c == nullptr ? "no component is called that"
					      : "that component does not ask to elevate",
				 asking);
	}
}

void component_init(void)
{
	char option[256];
	uint64_t may_elevate = 0, may_claim = 0, keeps = 0;
	struct component *c;

	for_each_component(c) {
		c->id = id_c;
		list_init(&c->threads);
	}
	for (const struct component_start *s = __component_starts_start; s < __component_starts_end; s++) {
		if (s->component->start != nullptr)
			kernel_bug(__FILE_NAME__, __LINE__, "a component has two start functions");
		s->component->start = s->start;
	}
	const char *elevate = cmdline_get("elevate", option, sizeof(option));
	if (elevate == nullptr || strcmp(elevate, "all") == 0) {
		for_each_component(c)
			c->may_elevate = c->asks_elevate;
	} else if (strcmp(elevate, "off") != 0) {
		grant_listed(elevate);
	}
	for_each_component(c) {
		may_elevate |= (uint64_t)c->may_elevate << c->id;
		may_claim |= (uint64_t)c->asks_devices << c->id;
		keeps |= (uint64_t)c->keeps_devices << c->id;
	}
	if (nucleus_components_seal(may_elevate, may_claim, keeps) != 0)
		kernel_bug(__FILE_NAME__, __LINE__, "somebody has said already who may elevate");
}

void components_start(void)
{
	struct component *one;

	for_each_component(one) {
		if (one->resettable)
			component_keep_image(one);
	}
	if (service_start(&manager) < 0)
		log_warn("core: no thread, failed components stay down");
	for (unsigned stage = 0; stage < STAGE_COUNT; stage++) {
		struct component *c;

		for_each_component(c) {
			if (c->stage == stage && c->start != nullptr)
				start(c);
		}
	}
}
