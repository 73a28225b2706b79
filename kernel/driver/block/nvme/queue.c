/* SPDX-License-Identifier: MIT */
/*
 * Pairs of a submission and a completion queue (NVM Express Base 2.0, 3.3). There are fewer requests than entries, so a
 * submission queue is never full, and where the controller's head is in it need not be known. An answer names its
 * command by an id: the request's place, and a number that is another one each time.
 */
#include "nvme.h"

#include <abi/errno.h>
#include <arch/dma.h>
#include <kernel/base/clock.h>
#include <kernel/base/fault_point.h>
#include <kernel/base/log.h>
#include <lib/string.h>
#include <lib/types.h>

/* After which an answer that is there is asked for: longer than any message takes. */
constexpr uint64_t UNSEEN_NS = 2'000'000'000;

enum : unsigned { PLACE_BITS = 7, SEQUENCES = 1 << (16 - PLACE_BITS) };
static_assert(REQUESTS_MAX < 1 << PLACE_BITS);

uint32_t request_take(struct pair *p)
{
	spin_lock(&p->lock);
	uint32_t number = p->free;
	if (number < p->count)
		p->free = p->requests[number].next;
	spin_unlock(&p->lock);
	return number;
}

void request_give(struct pair *p, uint32_t number)
{
	spin_lock(&p->lock);
	p->requests[number].bio = nullptr;
	p->requests[number].next = p->free;
	p->free = number;
	spin_unlock(&p->lock);
}

int pair_open(struct nvme *n, struct pair *p, uint32_t number, uint32_t entries, uint32_t requests, unsigned pieces)
{
	p->nvme = n;
	p->number = number;
	p->entries = entries;
	p->count = MIN(requests, entries - 1);
	p->phase = 1;
	spin_init(&p->lock, RANK_VIRTIO);
	if (nvme_doorbell(number, true, n->can.doorbell_stride) + sizeof(uint32_t) > n->registers.bytes)
		return -ENOSPC;
	int error = dma_alloc(n->dev, entries * sizeof(struct nvme_command), &p->commands);
	if (error == 0)
		error = dma_alloc(n->dev, entries * sizeof(struct nvme_completion), &p->completions);
	if (error == 0 && pieces != 0)
		error = dma_alloc(n->dev, p->count * LIST_BYTES, &p->lists);
	if (error == 0 && pieces != 0)
		error = dma_table_open(n->dev, p->count, pieces, &p->lent);
	if (error < 0)
		return error;
	spin_lock(&p->lock);
	p->free = p->count;
	spin_unlock(&p->lock);
	for (uint32_t i = p->count; i-- > 0;)
		request_give(p, i);
	return 0;
}

static void ring(const struct pair *p, bool completion, uint32_t value)
{
	const struct nvme *n = p->nvme;

	dma_barrier();
	mmio_write32(&n->registers, nvme_doorbell(p->number, completion, n->can.doorbell_stride), value);
}

static uint16_t id_of(const struct pair *p, uint32_t number)
{
	return (uint16_t)(number | p->requests[number].sequence << PLACE_BITS);
}

void pair_put(struct pair *p, uint32_t number, struct nvme_command *c)
{
	struct request *r = &p->requests[number];

	spin_lock(&p->lock);
	r->sequence = (uint16_t)((r->sequence + 1) % SEQUENCES);
	r->given = true;
	r->aborted = false;
	c->id = id_of(p, number);
	memcpy((struct nvme_command *)p->commands.at + p->tail, c, sizeof(*c));
	p->tail = p->tail + 1 == p->entries ? 0 : p->tail + 1;
	ring(p, false, p->tail);
	spin_unlock(&p->lock);
}

/* The request that is answered; p->count: there is none. */
static uint32_t answered(struct pair *p, const struct nvme_completion *c)
{
	uint32_t number = c->id & ((1u << PLACE_BITS) - 1);

	if (number >= p->count || c->queue != p->number || c->head >= p->entries)
		return p->count;
	struct request *r = &p->requests[number];
	spin_lock(&p->lock);
	bool good = r->given && r->sequence == c->id >> PLACE_BITS;
	if (good)
		r->given = false;
	spin_unlock(&p->lock);
	return good ? number : p->count;
}

static bool finish(struct pair *p, const struct nvme_completion *c)
{
	uint32_t number = answered(p, c);

	if (number == p->count) {
		log_error("%s: queue %u: an answer to a command that it does not have: %#x, queue %u, head %u",
			  device_name(p->nvme->dev), p->number, c->id, c->queue, c->head);
		device_fail(p->nvme->dev, "the controller answers what it was not asked");
		return false;
	}
	if (p->number != 0)
		namespace_finish(p, number, nvme_error(c->status));
	else
		nvme_answered(p->nvme, number, c);
	return true;
}

/* The next answer, copied before it is looked at: the controller could change it. False: there is none. */
static bool next(struct pair *p, struct nvme_completion *c)
{
	const volatile struct nvme_completion *at =
		(const volatile struct nvme_completion *)p->completions.at + p->head;
	uint16_t status = __atomic_load_n(&at->status, __ATOMIC_ACQUIRE);

	if ((status & 1) != p->phase)
		return false;
	*c = (struct nvme_completion){
		.result = at->result, .head = at->head, .queue = at->queue, .id = at->id, .status = status};
	/* As if the controller answered a command once more. */
	if (FAULT_POINT_DUE(driver_nvme_answer))
		c->id = (uint16_t)(c->id - (1 << PLACE_BITS));
	__atomic_store_n(&p->taken, p->taken + 1, __ATOMIC_RELEASE);
	p->head++;
	if (p->head == p->entries) {
		p->head = 0;
		p->phase ^= 1;
	}
	return true;
}

unsigned pair_look(struct pair *p)
{
	struct nvme_completion c;
	unsigned found = 0, told = 0;

	while (next(p, &c)) {
		if (!finish(p, &c))
			break;
		/* Before it has no room for more: what is finished makes others begin. */
		if (++found - told >= p->entries / 2) {
			ring(p, true, p->head);
			told = found;
		}
	}
	if (found != told)
		ring(p, true, p->head);
	return found;
}

void pair_serve(struct pair *p)
{
	bool shares = pair_opened(p) == PAIR_SHARES;

	p->looked_for_ns = shares ? __atomic_exchange_n(&p->late_ns, 0, __ATOMIC_ACQ_REL) : 0;
	(void)pair_look(p);
	if (p->looked_for_ns != 0)
		__atomic_store_n(&p->abort_ns, p->looked_for_ns, __ATOMIC_RELEASE);
	p->looked_for_ns = 0;
	namespaces_call_starved(p);
}

/* One may be counted before the answer that it tells of is looked at, and one may be on its way just when that is found
 * by chance: so none came, twice in a row. */
static void judge_late(struct pair *p, bool some_came)
{
	bool found = p->found_late != p->judged_late;

	p->judged_late = p->found_late;
	if (some_came)
		p->untold = 0;
	if (some_came || !found)
		return;
	log_warn("%s: queue %u: a late answer was there, perhaps without an interrupt", device_name(p->nvme->dev),
		 p->number);
	if (++p->untold > 1)
		device_fail(p->nvme->dev, "an interrupt was lost");
}

void pairs_judge_late(struct nvme *n, uint32_t came)
{
	for (unsigned i = 0; i < n->pair_count; i++)
		judge_late(&n->pairs[i], came + n->came > 0);
	n->came = came;
}

/* Which the next answer is, if it is there. The consumer may be about to take it. */
static bool has_answer(const struct pair *p, uint64_t taken)
{
	const volatile struct nvme_completion *at =
		(const volatile struct nvme_completion *)p->completions.at + taken % p->entries;

	return (__atomic_load_n(&at->status, __ATOMIC_ACQUIRE) & 1) != (taken / p->entries & 1);
}

/*
 * The order decides, not time, of which threads and CPUs may lose any amount. The device's thread saw the answer, then
 * read a register of the controller, behind which no message that it had sent before can be (PCI Express Base 5.0,
 * 2.4.1), and then asked. So the interrupt has come to this CPU before the question did, and is counted; or it does not
 * come. Those that were counted before are of answers that were taken.
 */
bool pair_was_told(struct pair *p)
{
	uint64_t asked = __atomic_exchange_n(&p->asked, 0, __ATOMIC_ACQ_REL);
	uint32_t came = irq_done(&p->irq);

	if (asked == 0 || came > 0 || p->taken != asked - 1)
		return true;
	/* Once may be chance, so all begins anew. */
	device_fail(p->nvme->dev, "an interrupt was lost");
	return false;
}

/* The next answer being there says nothing yet: the interrupt may be under way, or has come and the thread has not yet
 * looked. True: it is to be looked at once more. */
static bool look_late(struct nvme *n, struct pair *p, uint64_t now)
{
	uint64_t late_ns = __atomic_load_n(&p->late_ns, __ATOMIC_ACQUIRE);
	uint64_t taken = __atomic_load_n(&p->taken, __ATOMIC_ACQUIRE);

	if (late_ns == 0)
		return false;
	if (has_answer(p, taken)) {
		if (p->unseen_ns == 0 || p->unseen != taken) {
			p->unseen = taken;
			p->unseen_ns = now;
		} else if (now - p->unseen_ns >= UNSEEN_NS && nvme_is_well(n)) {
			p->unseen_ns = now;
			__atomic_store_n(&p->asked, taken + 1, __ATOMIC_RELEASE);
			device_thread_wake(p->thread);
		}
		return true;
	}
	p->unseen_ns = 0;
	/* If more is late by now, it is looked at the next time. */
	if (__atomic_compare_exchange_n(&p->late_ns, &late_ns, 0, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		__atomic_store_n(&p->abort_ns, late_ns, __ATOMIC_RELEASE);
	return false;
}

uint64_t pairs_look_late(struct nvme *n)
{
	uint64_t now = clock_monotonic_ns(), again_ns = 0;

	for (unsigned i = 0; i < n->pair_count; i++) {
		struct pair *p = &n->pairs[i];

		if (pair_opened(p) == PAIR_HAS_INTERRUPT && look_late(n, p, now))
			again_ns = now + UNSEEN_NS;
	}
	return again_ns;
}

bool pair_find_late(struct pair *p, uint64_t given_ns, uint16_t *id)
{
	bool found = false;

	spin_lock(&p->lock);
	for (uint32_t i = 0; i < p->count && !found; i++) {
		struct request *r = &p->requests[i];

		found = r->given && !r->aborted && r->bio != nullptr && r->bio->began_ns <= given_ns;
		if (found) {
			r->aborted = true;
			*id = id_of(p, i);
		}
	}
	spin_unlock(&p->lock);
	return found;
}
