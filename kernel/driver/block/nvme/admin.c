/* SPDX-License-Identifier: MIT */
/* The controller on and off (NVM Express Base 2.0, 3.5), and commands that the device's thread waits for (5). */
#include "nvme.h"

#include <abi/errno.h>
#include <kernel/base/clock.h>
#include <kernel/base/fault_point.h>
#include <kernel/base/log.h>
#include <lib/string.h>
#include <lib/types.h>

constexpr uint64_t ANSWER_NS = 30'000'000'000;
constexpr uint64_t LOOK_NS = 1'000'000'000; /* how often a controller that is waited for is asked whether it is there */
constexpr uint64_t SHUTDOWN_MIN_NS = 5'000'000'000, SHUTDOWN_MAX_NS = 60'000'000'000;
constexpr uint32_t NOBODY = UINT32_MAX; /* what is read where no device is (PCI Express Base 5.0, 2.3.2) */

/* Until status & mask is value. -EIO: not within limit_ns, or what is there is final: nobody, or a bit of `ends`. */
static int wait_status(const struct nvme *n, uint32_t mask, uint32_t value, uint32_t ends, uint64_t limit_ns)
{
	uint64_t now = clock_monotonic_ns(), deadline = now + limit_ns;

	if (mmio_read32(&n->registers, NVME_CSTS) == NOBODY)
		return -EIO;
	while (!mmio_wait32(&n->registers, NVME_CSTS, mask, value, MIN(now + LOOK_NS, deadline))) {
		uint32_t status = mmio_read32(&n->registers, NVME_CSTS);

		now = clock_monotonic_ns();
		if (status == NOBODY || (status & ends) != 0 || now >= deadline)
			return -EIO;
	}
	return 0;
}

bool nvme_is_well(struct nvme *n)
{
	uint32_t status = mmio_read32(&n->registers, NVME_CSTS);
	const char *why = status == NOBODY		? "the controller is not there any more"
			  : status & NVME_CSTS_FATAL	? "the controller says that it failed"
			  : !(status & NVME_CSTS_READY) ? "the controller is not ready any more"
							: nullptr;

	if (why != nullptr)
		device_fail(n->dev, why);
	return why == nullptr;
}

void nvme_shut_down(struct nvme *n)
{
	uint64_t limit_ns = MIN(MAX(n->facts.shutdown_us * 1000ull, SHUTDOWN_MIN_NS), SHUTDOWN_MAX_NS);
	uint32_t status = mmio_read32(&n->registers, NVME_CSTS);

	if (status == NOBODY || (status & (NVME_CSTS_READY | NVME_CSTS_FATAL)) != NVME_CSTS_READY)
		return;
	mmio_write32(&n->registers, NVME_CC, NVME_CC_ENTRIES | NVME_CC_ENABLE | NVME_CC_SHUTDOWN);
	if (wait_status(n, NVME_CSTS_SHUTDOWN, NVME_CSTS_SHUTDOWN_DONE, NVME_CSTS_FATAL, limit_ns) < 0)
		log_error("%s: the controller does not shut down: status %#x", device_name(n->dev),
			  mmio_read32(&n->registers, NVME_CSTS));
}

int nvme_stop(struct nvme *n)
{
	mmio_write32(&n->registers, NVME_CC, 0);
	return wait_status(n, NVME_CSTS_READY, 0, 0, n->can.ready_ns);
}

int nvme_start(struct nvme *n)
{
	const struct mmio *m = &n->registers;
	uint32_t entries = n->admin.entries - 1;

	mmio_write32(m, NVME_AQA, entries | entries << 16);
	mmio_write64(m, NVME_ASQ, n->admin.commands.address);
	mmio_write64(m, NVME_ACQ, n->admin.completions.address);
	n->started = true;
	mmio_write32(m, NVME_CC, NVME_CC_ENTRIES | NVME_CC_ENABLE);
	if (wait_status(n, NVME_CSTS_READY | NVME_CSTS_FATAL, NVME_CSTS_READY, NVME_CSTS_FATAL, n->can.ready_ns) == 0)
		return 0;
	log_error("%s: the controller does not come up: status %#x", device_name(n->dev), mmio_read32(m, NVME_CSTS));
	return -EIO;
}

int nvme_ask(struct nvme *n, struct nvme_command *c, struct nvme_answer *out)
{
	struct pair *p = &n->admin;
	uint64_t deadline = clock_monotonic_ns() + ANSWER_NS;
	uint32_t number = request_take(p);
	int error = 0;

	if (out != nullptr)
		*out = (struct nvme_answer){};
	if (number == p->count)
		return -EBUSY;
	struct request *r = &p->requests[number];
	r->asked = ASKED;
	r->answered = false;
	pair_put(p, number, c);
	while (error == 0) {
		(void)pair_look(p);
		irq_done(&p->irq);
		if (r->answered)
			break;
		uint64_t now = clock_monotonic_ns();

		error = irq_wait(&p->irq, MIN(now + LOOK_NS, deadline));
		/* It may come without an interrupt, and not at all from a controller that is not well. */
		if (error == -ETIMEDOUT && now < deadline && nvme_is_well(n))
			error = 0;
	}
	/* One without an answer stays the controller's. */
	if (error < 0) {
		if (error == -ETIMEDOUT)
			log_error("%s: no answer to admin command %#x", device_name(n->dev), c->opcode);
		return error;
	}
	if (out != nullptr)
		*out = r->answer;
	error = nvme_error(r->answer.status);
	if (error < 0)
		log_error("%s: admin command %#x failed: status %#x", device_name(n->dev), c->opcode,
			  r->answer.status >> 1);
	request_give(p, number);
	return error;
}

int nvme_identify(struct nvme *n, enum nvme_cns what, uint32_t number, struct nvme_answer *out)
{
	struct nvme_command c = {
		.opcode = NVME_IDENTIFY, .namespace = number, .prp1 = n->data.address, .dword10 = what};

	memset(n->data.at, 0, NVME_IDENTIFY_BYTES);
	int error = nvme_ask(n, &c, out);
	/* As if the controller had been interrupted in it. */
	return error == 0 && FAULT_POINT_DUE(driver_nvme_identify) ? -EAGAIN : error;
}

int nvme_ask_for_pairs(struct nvme *n, unsigned wanted, unsigned *allotted)
{
	struct nvme_command c = {.opcode = NVME_SET_FEATURES,
				 .dword10 = NVME_FEATURE_QUEUES,
				 .dword11 = (wanted - 1) | (wanted - 1) << 16};
	struct nvme_answer answer;
	int error = nvme_ask(n, &c, &answer);

	if (error == 0)
		*allotted = nvme_queues_allotted(answer.result, wanted);
	return error;
}

int nvme_create_pair(struct nvme *n, const struct pair *p, unsigned vector)
{
	uint32_t place = p->number | (p->entries - 1) << 16;
	struct nvme_command completion = {.opcode = NVME_CREATE_CQ,
					  .prp1 = p->completions.address,
					  .dword10 = place,
					  .dword11 = NVME_QUEUE_CONTIGUOUS | NVME_QUEUE_INTERRUPTS | vector << 16};
	struct nvme_command submission = {.opcode = NVME_CREATE_SQ,
					  .prp1 = p->commands.address,
					  .dword10 = place,
					  .dword11 = NVME_QUEUE_CONTIGUOUS | p->number << 16};
	int error = nvme_ask(n, &completion, nullptr);

	return error < 0 ? error : nvme_ask(n, &submission, nullptr);
}

/* --- commands that nobody waits for --- */

/* Request `number` of the admin pair is the caller's. */
static void put(struct nvme *n, uint32_t number, struct nvme_command *c, enum asked asked)
{
	n->admin.requests[number].asked = asked;
	pair_put(&n->admin, number, c);
}

static void put_event(struct nvme *n)
{
	struct nvme_command c = {.opcode = NVME_ASYNC_EVENT};
	uint32_t number = request_take(&n->admin);

	if (number < n->admin.count)
		put(n, number, &c, ASKED_EVENT);
}

int nvme_ask_for_events(struct nvme *n)
{
	struct nvme_command c = {
		.opcode = NVME_SET_FEATURES, .dword10 = NVME_FEATURE_EVENTS, .dword11 = NVME_EVENT_NAMESPACES};

	if (!n->facts.tells_of_namespaces)
		return 0;
	int error = nvme_ask(n, &c, nullptr);
	if (error == 0)
		put_event(n);
	return error == -ETIMEDOUT || error == -ECANCELED ? error : 0;
}

/* What has become of the namespaces is found out when the controller is attached anew. Other events are said, and none
 * of a kind comes again before its log was read, which nobody does; so they have an end. */
static void hear(struct nvme *n, uint32_t event)
{
	constexpr unsigned EVENTS_MAX = 16;

	if (nvme_event_is_of_namespaces(event)) {
		log_info("%s: namespaces have changed", device_name(n->dev));
		(void)device_restart(n->dev);
		return;
	}
	log_warn("%s: the controller tells of something: event %#x", device_name(n->dev), event);
	if (nvme_is_well(n) && ++n->event_count < EVENTS_MAX)
		put_event(n);
}

/* False: the controller takes no more for now (Base 5.1: ACL is of all that are not answered). */
static bool abort_late_of(struct nvme *n, struct pair *p, uint64_t given_ns)
{
	while (n->abort_count < n->facts.aborts_max) {
		struct nvme_command c = {.opcode = NVME_ABORT};
		uint32_t number = request_take(&n->admin);
		uint16_t id;

		if (number == n->admin.count)
			return false;
		if (!pair_find_late(p, given_ns, &id)) {
			request_give(&n->admin, number);
			return true;
		}
		c.dword10 = p->number | (uint32_t)id << 16;
		put(n, number, &c, ASKED_ABORT);
		n->abort_count++;
		log_warn("%s: queue %u: command %#x is late and is aborted", device_name(n->dev), p->number, id);
	}
	return false;
}

void nvme_abort_late(struct nvme *n)
{
	for (unsigned i = 0; i < n->pair_count; i++) {
		struct pair *p = &n->pairs[i];
		uint64_t none = 0, given_ns = __atomic_exchange_n(&p->abort_ns, 0, __ATOMIC_ACQ_REL);

		if (given_ns != 0 && !nvme_is_well(n))
			return;
		/* The rest when an abort is answered, unless more is late by then. */
		if (given_ns != 0 && !abort_late_of(n, p, given_ns))
			(void)__atomic_compare_exchange_n(&p->abort_ns, &none, given_ns, false, __ATOMIC_ACQ_REL,
							  __ATOMIC_RELAXED);
	}
}

void nvme_answered(struct nvme *n, uint32_t number, const struct nvme_completion *c)
{
	struct request *r = &n->admin.requests[number];
	enum asked asked = r->asked;

	if (asked == ASKED) {
		r->answer = (struct nvme_answer){.result = c->result, .status = c->status};
		r->answered = true;
		return;
	}
	request_give(&n->admin, number);
	if (asked == ASKED_ABORT)
		n->abort_count--;
	/* What was aborted is answered by itself; what was not is left to the block floor. */
	if (asked == ASKED_EVENT && nvme_error(c->status) == 0)
		hear(n, c->result);
}
