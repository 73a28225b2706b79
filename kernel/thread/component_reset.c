/* SPDX-License-Identifier: MIT */
/*
 * The reset of a component's own data (kernel/thread/component.h): its data and bss are as they were when the image was
 * loaded, between its stop and its start.
 *
 * Only of those whose manifest says .resettable, and only while nobody is inside: guards count who enters and leaves
 * them (guard.h), and are closed meanwhile. Debug builds look first whether anybody else's static data lead into what
 * is to be reset: who has registered something of it is found there, at the head of a list.
 */
#include "core.h"

#include <kernel/base/clock.h>
#include <kernel/base/log.h>
#include <kernel/mem/slab.h>
#include <kernel/thread/component_body.h>
#include <kernel/thread/guard.h>
#include <lib/string.h>

constexpr uint64_t INSIDE_TIMEOUT_NS = 2'000'000'000, INSIDE_POLL_NS = 1'000'000;
constexpr uint32_t INSIDE_POLLS = 500;

static const struct component_body *body_of(const struct component *c)
{
	return &__component_bodies_start[c->id - 1];
}

static size_t size_of(struct body_range r)
{
	return (size_t)(r.end - r.start);
}

void component_keep_image(struct component *c)
{
	struct body_range data = body_of(c)->data;

	c->image = kmalloc(size_of(data) + 1); /* no data is an image, too */
	if (c->image == nullptr)
		log_warn("%s: no memory to keep its data as they are now: a restart will not reset them", c->name);
	else
		memcpy(c->image, (const void *)data.start, size_of(data));
}

bool component_enter(struct component *c)
{
	/* In this order, as component_reset() closes before it counts. */
	__atomic_fetch_add(&c->inside, 1, __ATOMIC_SEQ_CST);
	if (likely(!__atomic_load_n(&c->closed, __ATOMIC_SEQ_CST)))
		return true;
	component_leave(c);
	return false;
}

void component_leave(struct component *c)
{
	__atomic_fetch_sub(&c->inside, 1, __ATOMIC_RELEASE);
}

long component_leave_with(struct component *c, long result)
{
	component_leave(c);
	return result;
}

static bool is_empty(struct component *c)
{
	uint64_t deadline = clock_monotonic_ns() + INSIDE_TIMEOUT_NS;

	for (uint32_t polls = 0; __atomic_load_n(&c->inside, __ATOMIC_ACQUIRE) > 0; polls++) {
		if (polls > INSIDE_POLLS && clock_monotonic_ns() > deadline)
			return false;
		thread_park(clock_monotonic_ns() + INSIDE_POLL_NS);
	}
	return true;
}

static const uint64_t *find_in(struct body_range where, struct body_range what)
{
	for (const uint64_t *word = (const uint64_t *)where.start; word < (const uint64_t *)(where.end & ~7ull);
	     word++) {
		if (*word >= what.start && *word < what.end)
			return word;
	}
	return nullptr;
}

/* Where somebody else's data lead into a range; nullptr: nowhere. */
static const void *find_pointer(const struct component *c, struct body_range range)
{
	const uint64_t *found = nullptr;

	for (const struct component_body *b = __component_bodies_start; b < __component_bodies_end && !found; b++) {
		if (b == body_of(c) || b->manifest == nullptr)
			continue;
		found = find_in(b->data, range);
		if (found == nullptr)
			found = find_in(b->bss, range);
	}
	return found;
}

static bool is_unreferenced(const struct component *c)
{
	const void *from = find_pointer(c, body_of(c)->data);

	if (from == nullptr)
		from = find_pointer(c, body_of(c)->bss);
	if (from != nullptr)
		log_error("%s: its data stay as they are: %p leads into them", c->name, from);
	return from == nullptr;
}

void component_reset(struct component *c)
{
	const struct component_body *b = body_of(c);

	if (c->image == nullptr)
		return;
	__atomic_store_n(&c->closed, true, __ATOMIC_SEQ_CST);
	if (!is_empty(c)) {
		log_error("%s: its data stay as they are: %u are inside", c->name, c->inside);
	} else if (!STELLUX_DEBUG || is_unreferenced(c)) {
		memcpy((void *)b->data.start, c->image, size_of(b->data));
		memset((void *)b->bss.start, 0, size_of(b->bss));
		c->resets++;
	}
	__atomic_store_n(&c->closed, false, __ATOMIC_SEQ_CST);
}
