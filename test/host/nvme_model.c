/* SPDX-License-Identifier: MIT */
/* The controller of nvme_model.h (NVM Express Base 2.0). Addresses are the host's. */
#include "nvme_model.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum : unsigned { QUEUES = 3, BAR_BYTES = 8192 };

struct model model;

static unsigned char registers[BAR_BYTES] __attribute__((aligned(4096)));
static struct {
	struct nvme_command *commands;
	struct nvme_completion *completions;
	uint32_t entries, head, tail; /* head: of the submission queue, tail: of the completion queue */
	uint16_t phase;
	unsigned vector;
} queues[QUEUES];
static uint16_t events[8], waiting_aborts[MODEL_HELD];
static unsigned waiting_abort_count;

void model_interrupt(unsigned vector);

static uint32_t get32(size_t offset)
{
	uint32_t value;

	memcpy(&value, registers + offset, sizeof(value));
	return value;
}

static void put32(size_t offset, uint32_t value)
{
	memcpy(registers + offset, &value, sizeof(value));
}

static uint64_t get64(size_t offset)
{
	return get32(offset) | (uint64_t)get32(offset + 4) << 32;
}

/* --- answers --- */

void model_answer(unsigned queue, uint16_t id, uint16_t status, uint32_t result)
{
	struct nvme_completion *c = &queues[queue].completions[queues[queue].tail];

	*c = (struct nvme_completion){.result = result,
				      .head = (uint16_t)queues[queue].head,
				      .queue = (uint16_t)queue,
				      .id = id,
				      .status = (uint16_t)(status | queues[queue].phase)};
	if (++queues[queue].tail == queues[queue].entries) {
		queues[queue].tail = 0;
		queues[queue].phase ^= 1;
	}
	if (!model.silent)
		model_interrupt(queues[queue].vector);
}

bool model_event(uint32_t event)
{
	if (model.event_count == 0)
		return false;
	model_answer(0, events[--model.event_count], 0, event);
	return true;
}

void model_answer_aborts(void)
{
	for (unsigned i = 0; i < waiting_abort_count; i++)
		model_answer(0, waiting_aborts[i], 0, 0);
	waiting_abort_count = 0;
}

/* --- commands of disks --- */

/* The memory of a command, page by page. */
static void transfer(const struct nvme_command *c, unsigned char *media, size_t bytes, bool write)
{
	size_t pages = (c->prp1 % 4096 + bytes + 4095) / 4096, page = 0;

	while (bytes > 0) {
		uint64_t at = page == 0 ? c->prp1 : pages == 2 ? c->prp2 : ((const uint64_t *)c->prp2)[page - 1];
		size_t part = 4096 - at % 4096;

		assert(page == 0 || at % 4096 == 0);
		part = part < bytes ? part : bytes;
		if (write)
			memcpy(media, (const void *)at, part);
		else
			memcpy((void *)at, media, part);
		media += part;
		bytes -= part;
		page++;
	}
}

static void complete(const struct model_command *m)
{
	const struct nvme_command *c = &m->c;
	uint64_t block = c->dword10 | (uint64_t)c->dword11 << 32;
	size_t bytes = ((size_t)(c->dword12 & 0xffff) + 1) * MODEL_BLOCK;
	unsigned char *media = model.media[c->namespace - 1];

	if (c->opcode != NVME_FLUSH)
		assert(block * MODEL_BLOCK + bytes <= sizeof(model.media[0]));
	if (c->opcode == NVME_READ || c->opcode == NVME_WRITE)
		transfer(c, media + block * MODEL_BLOCK, bytes, c->opcode == NVME_WRITE);
	else if (c->opcode == NVME_WRITE_ZEROES)
		memset(media + block * MODEL_BLOCK, 0, bytes);
	model_answer(m->queue, c->id, 0, 0);
}

static void drop_held(unsigned at)
{
	model.held_count--;
	memmove(&model.held[at], &model.held[at + 1], (model.held_count - at) * sizeof(model.held[0]));
}

void model_finish_held(void)
{
	struct model_command first = model.held[0];

	assert(model.held_count > 0);
	drop_held(0);
	complete(&first);
}

static void do_command(unsigned queue, const struct nvme_command *c)
{
	struct model_command m = {queue, *c};

	assert(c->namespace >= 1 && c->namespace <= model.namespaces);
	model.count[c->opcode]++;
	if (!model.holds)
		complete(&m);
	else if (model.held_count < MODEL_HELD)
		model.held[model.held_count++] = m;
}

/* --- admin commands --- */

static void identify_controller(unsigned char *data)
{
	data[258] = model.aborts;
	data[512] = 0x66;
	data[513] = 0x44;
	data[516] = MODEL_NAMESPACES;
	data[520] = 1 << 2 | 1 << 3; /* Dataset Management, Write Zeroes */
	data[525] = 1;		     /* a cache */
	data[93] = 1;		     /* tells of namespaces */
}

static uint16_t identify(const struct nvme_command *c)
{
	unsigned char *data = (unsigned char *)c->prp1;

	memset(data, 0, NVME_IDENTIFY_BYTES);
	if (c->dword10 == NVME_CNS_CONTROLLER) {
		identify_controller(data);
	} else if (c->dword10 == NVME_CNS_NAMESPACES) {
		for (unsigned i = 0; i < model.namespaces; i++)
			data[4 * i] = (unsigned char)(i + 1);
	} else if (c->namespace == model.refuses) {
		return model.refusal;
	} else {
		data[0] = MODEL_BLOCKS;
		data[128 + 2] = 9;
	}
	return 0;
}

static void create(const struct nvme_command *c)
{
	unsigned q = c->dword10 & 0xffff;

	assert(q > 0 && q < QUEUES && c->prp1 % 4096 == 0);
	if (c->opcode == NVME_CREATE_SQ) {
		queues[q].commands = (struct nvme_command *)c->prp1;
		return;
	}
	queues[q].completions = (struct nvme_completion *)c->prp1;
	queues[q].entries = (c->dword10 >> 16) + 1;
	queues[q].head = queues[q].tail = 0;
	queues[q].phase = 1;
	queues[q].vector = c->dword11 >> 16;
}

/* The command that is named is answered before the answer to this one. */
static void abort_command(const struct nvme_command *c)
{
	assert(model.abort_count < MODEL_HELD);
	model.aborted[model.abort_count++] = c->dword10;
	for (unsigned i = 0; i < model.held_count && !model.aborts_none; i++) {
		const struct model_command *m = &model.held[i];

		if (m->queue == (c->dword10 & 0xffff) && m->c.id == c->dword10 >> 16) {
			model_answer(m->queue, m->c.id, MODEL_ABORTED, 0);
			drop_held(i);
			break;
		}
	}
	if (model.answers_abort_late)
		waiting_aborts[waiting_abort_count++] = c->id;
	else
		model_answer(0, c->id, 0, model.aborts_none);
}

static void do_admin(const struct nvme_command *c)
{
	uint16_t status = 0;
	uint32_t result = 0;

	if (model.holds_admin)
		return;
	switch (c->opcode) {
	case NVME_IDENTIFY:
		status = identify(c);
		if (c->dword10 == NVME_CNS_NAMESPACE && c->namespace == model.refuses && status == 0)
			return;
		break;
	case NVME_CREATE_CQ:
	case NVME_CREATE_SQ: create(c); break;
	case NVME_SET_FEATURES:
		if (c->dword10 == NVME_FEATURE_QUEUES)
			result = (QUEUES - 2) | (QUEUES - 2) << 16;
		break;
	case NVME_ABORT: abort_command(c); return;
	case NVME_ASYNC_EVENT:
		assert(model.event_count < 8);
		events[model.event_count++] = c->id;
		return;
	default: assert(!"an admin command that the driver does not give");
	}
	model_answer(0, c->id, status, result);
}

/* --- registers --- */

static void start(void)
{
	uint32_t sizes = get32(NVME_AQA);

	memset(queues, 0, sizeof(queues));
	memset(registers + NVME_DOORBELLS, 0, BAR_BYTES - NVME_DOORBELLS);
	queues[0].commands = (struct nvme_command *)get64(NVME_ASQ);
	queues[0].completions = (struct nvme_completion *)get64(NVME_ACQ);
	queues[0].entries = (sizes & 0xfff) + 1;
	queues[0].phase = 1;
	put32(NVME_CSTS, NVME_CSTS_READY);
}

static void look_at_control(void)
{
	uint32_t control = get32(NVME_CC), status = get32(NVME_CSTS);

	if (!(control & NVME_CC_ENABLE)) {
		memset(queues, 0, sizeof(queues));
		model.held_count = model.event_count = waiting_abort_count = 0;
		model.failed = false;
		put32(NVME_CSTS, status & NVME_CSTS_SHUTDOWN);
	} else if (model.failed || model.does_not_start) {
		put32(NVME_CSTS, status | NVME_CSTS_FATAL);
	} else if (!(status & NVME_CSTS_READY)) {
		start();
	} else if ((control & 3 << 14) == NVME_CC_SHUTDOWN && (status & NVME_CSTS_SHUTDOWN) == 0) {
		model.shutdowns++;
		put32(NVME_CSTS, status | (model.does_not_shut_down ? 1 << 2 : NVME_CSTS_SHUTDOWN_DONE));
	}
}

bool model_controller_step(void)
{
	bool did = false;

	if (model.gone) {
		memset(registers, 0xff, sizeof(registers));
		return false;
	}
	look_at_control();
	for (unsigned q = 0; q < QUEUES && (get32(NVME_CSTS) & 3) == NVME_CSTS_READY; q++) {
		while (queues[q].commands != nullptr && queues[q].head != get32(nvme_doorbell(q, false, 4))) {
			struct nvme_command c = queues[q].commands[queues[q].head];

			queues[q].head = (queues[q].head + 1) % queues[q].entries;
			if (q == 0)
				do_admin(&c);
			else
				do_command(q, &c);
			did = true;
		}
	}
	return did;
}

unsigned char *model_registers(size_t *bytes)
{
	*bytes = sizeof(registers);
	return registers;
}

void model_power_on(void)
{
	memset(registers, 0, sizeof(registers));
	/* Queues of 64 entries, 2 s to come up, NVM commands. */
	put32(NVME_CAP, 63 | 4 << 24);
	put32(NVME_CAP + 4, 1 << 5);
	if (model.gone)
		memset(registers, 0xff, sizeof(registers));
}
