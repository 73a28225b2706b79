/* SPDX-License-Identifier: MIT */
/* Namespaces as disks, and their requests (NVM Command Set 1.0, 3.2). */
#include "nvme.h"

#include <abi/errno.h>
#include <kernel/base/clock.h>
#include <kernel/base/fault_point.h>
#include <kernel/base/log.h>
#include <kernel/block/controller.h>
#include <lib/string.h>
#include <lib/types.h>

/* A controller that does not describe a namespace for now is asked again, each time after twice as long. */
constexpr uint64_t ASK_AGAIN_NS = 1'000'000'000;
constexpr unsigned ASKS_MAX = 6;

/* --- requests --- */

static void fill_blocks(const struct bio *b, struct nvme_command *c)
{
	c->dword10 = (uint32_t)b->block;
	c->dword11 = (uint32_t)(b->block >> 32);
	c->dword12 = b->blocks - 1;
}

/* The pages of a request, lent, and told by PRPs. */
static int lend(struct pair *p, uint32_t number, const struct bio *b, struct nvme_command *c)
{
	enum dma_direction direction = b->kind == BIO_READ ? DMA_FROM_DEVICE : DMA_TO_DEVICE;
	struct dma_list *list = dma_map(p->lent, number, direction, 0);
	struct nvme_prp prp;
	int error = 0;

	for (unsigned i = 0; i < b->piece_count && error == 0; i++)
		error = dma_list_add(list, b->pieces[i].page, b->pieces[i].offset, b->pieces[i].length);
	nvme_prp_begin(&prp, pair_list(p, number), pair_list_address(p, number), LIST_BYTES / sizeof(uint64_t));
	for (unsigned i = 0; i < list->count && error == 0; i++)
		error = nvme_prp_add(&prp, list->segments[i].address, list->segments[i].length) ? 0 : -EINVAL;
	if (error == 0)
		error = dma_list_ready(list);
	if (error < 0) {
		dma_unmap(p->lent, number, false);
		return error == -EAGAIN ? -EBUSY : error;
	}
	nvme_prp_end(&prp);
	c->prp1 = FAULT_POINT_ADDRESS(driver_nvme_address, prp.first);
	c->prp2 = prp.second;
	fill_blocks(b, c);
	return 0;
}

/* The range is where a list of pages would be. */
static void fill_discard(const struct pair *p, uint32_t number, const struct bio *b, struct nvme_command *c)
{
	struct nvme_range range = {.blocks = b->blocks, .block = b->block};

	memcpy(pair_list(p, number), &range, sizeof(range));
	c->prp1 = pair_list_address(p, number);
	c->dword10 = 0; /* one range; their number counts from 0 */
	c->dword11 = NVME_DISCARD;
}

/* A request of the pair; if there is none now, whoever gives one back calls for the disk. */
static uint32_t take_or_starve(struct pair *p, uint32_t unit)
{
	uint32_t number = request_take(p);

	if (number < p->count)
		return number;
	__atomic_fetch_or(&p->starved, 1ull << unit, __ATOMIC_SEQ_CST);
	return request_take(p);
}

void namespaces_call_starved(struct pair *p)
{
	if (__atomic_load_n(&p->starved, __ATOMIC_SEQ_CST) == 0)
		return;
	uint64_t starved = __atomic_exchange_n(&p->starved, 0, __ATOMIC_SEQ_CST);
	unsigned begin = p->turn;

	/* There may be room for one only: each time it is the next one's. */
	for (unsigned i = 0, called = 0; i < NAMESPACES_MAX; i++) {
		unsigned unit = (begin + i) % NAMESPACES_MAX;
		struct disk *d = p->nvme->namespaces[unit].disk;

		if ((starved >> unit & 1) == 0 || d == nullptr)
			continue;
		if (called++ == 0)
			p->turn = unit + 1;
		disk_room(d, p->number - 1);
	}
}

static int submit(struct device *dev, unsigned queue, struct bio *b)
{
	static const uint8_t opcodes[] = {
		[BIO_READ] = NVME_READ,		[BIO_WRITE] = NVME_WRITE,
		[BIO_FLUSH] = NVME_FLUSH,	[BIO_DISCARD] = NVME_DATASET_MANAGEMENT,
		[BIO_ZERO] = NVME_WRITE_ZEROES,
	};
	struct nvme *n = device_private(dev);
	struct pair *p = &n->pairs[queue];
	struct nvme_command c = {.opcode = opcodes[b->kind], .namespace = n->namespaces[b->unit].number};
	uint32_t number = take_or_starve(p, b->unit);
	int error = 0;

	if (number == p->count)
		return -EBUSY;
	p->requests[number].bio = b;
	FAULT_POINT(driver_nvme_submit);
	if (b->kind == BIO_READ || b->kind == BIO_WRITE)
		error = lend(p, number, b, &c);
	else if (b->kind == BIO_DISCARD)
		fill_discard(p, number, b, &c);
	else if (b->kind == BIO_ZERO)
		fill_blocks(b, &c);
	if (error < 0) {
		request_give(p, number);
		/* Not from here, where a disk hands over: those may be many, each within the other. */
		if (__atomic_load_n(&p->starved, __ATOMIC_SEQ_CST) != 0)
			pair_wake(p);
		return error;
	}
	pair_put(p, number, &c);
	return 0;
}

static const struct disk_ops ops = {.component = &component_nvme, .submit = submit, .late = nvme_late};

void namespace_finish(struct pair *p, uint32_t number, int error)
{
	struct bio *b = p->requests[number].bio;
	struct disk *d = p->nvme->namespaces[b->unit].disk;

	p->found_late += b->began_ns <= p->looked_for_ns;
	dma_unmap(p->lent, number, error == 0);
	FAULT_POINT(driver_nvme_finish);
	request_give(p, number);
	/* Before its own disk has the next request, or one that always has some would keep the pair to itself. */
	namespaces_call_starved(p);
	disk_done(d, b, error);
}

/* --- disks --- */

/* Only what a namespace says of itself makes it no disk, which is said, or a controller that will never say anything of
 * it. With an answer that tells of an error that may pass nothing is known of it: it is asked for again, and until then
 * a disk that is suspended is not one that is not there any more. Without an answer the controller is not well. */
static int read_namespace(struct nvme *n, uint32_t number)
{
	struct namespace *s = &n->namespaces[n->namespace_count];
	struct nvme_answer answer;
	int error = nvme_identify(n, NVME_CNS_NAMESPACE, number, &answer);

	if (error < 0 && nvme_is_final(answer.status)) {
		log_error("%s: namespace %u is left out: the controller refuses to say what it is", device_name(n->dev),
			  number);
		return 0;
	}
	if (error < 0 && error != -ETIMEDOUT && error != -ECANCELED && error != -EBUSY) {
		n->unknown[n->unknown_count++] = number;
		return 0;
	}
	if (error < 0)
		return error;
	*s = (struct namespace){.number = number};
	const char *wrong = nvme_read_namespace(n->data.at, &s->facts);
	if (wrong == nullptr)
		n->namespace_count++;
	else
		log_error("%s: namespace %u is not usable as a disk: %s", device_name(n->dev), number, wrong);
	return 0;
}

/* Which there are, from the controller's list, which each has since NVMe 1.1. */
static int find_namespaces(struct nvme *n)
{
	uint32_t numbers[NAMESPACES_MAX];
	int error = nvme_identify(n, NVME_CNS_NAMESPACES, 0, nullptr);

	if (error < 0)
		return error;
	unsigned count = nvme_read_list(n->data.at, n->facts.namespaces_max, numbers, NAMESPACES_MAX);
	if (count == NAMESPACES_MAX)
		log_warn("%s: no more than %u namespaces are looked at", device_name(n->dev), NAMESPACES_MAX);
	for (unsigned i = 0; i < count && error == 0; i++)
		error = read_namespace(n, numbers[i]);
	return error;
}

static uint32_t zero_blocks_max(const struct nvme *n, const struct namespace *s)
{
	uint32_t bytes = n->facts.transfer_bytes;

	return bytes == 0 ? NVME_BLOCKS_MAX : MIN(NVME_BLOCKS_MAX, MAX(bytes / s->facts.block_bytes, 1u));
}

static int register_disk(struct nvme *n, unsigned unit)
{
	struct namespace *s = &n->namespaces[unit];
	struct disk_geometry g = {
		.block_bytes = s->facts.block_bytes,
		.physical_bytes = s->facts.physical_bytes,
		.blocks = s->facts.blocks,
		.bytes_max = n->facts.transfer_bytes,
		.queues = n->pair_count,
		.depth = n->pairs[0].count,
		.unit = unit,
		.read_only = s->facts.read_only,
		.has_flush = n->facts.has_write_cache,
		.has_discard = n->facts.has_discard,
		.has_zero = n->facts.has_zero,
		/* What a command transfers limits it, too, where nothing else is told (NVM 3.2.8 leaves that open). */
		.zero_blocks_max = zero_blocks_max(n, s),
		.controller = n->controller,
	};
	char name[16];

	/* A name that does not fit would be another's. */
	if ((size_t)snprintf(name, sizeof(name), "nvme%un%u", controller_number(n->controller), s->number) >=
	    sizeof(name)) {
		log_error("%s: namespace %u has no name that is short enough", device_name(n->dev), s->number);
		return 0;
	}
	strlcpy(g.serial, s->facts.identity[0] != '\0' ? s->facts.identity : n->facts.serial, sizeof(g.serial));
	snprintf(g.address, sizeof(g.address), "%s/%u", device_name(n->dev), s->number);
	return disk_register(n->dev, name, &ops, &g, &s->disk);
}

static int register_controller(struct nvme *n)
{
	struct controller_facts f = {.id = n->facts.id, .queues = n->pair_count + 1, .depth = n->pairs[0].entries};

	strlcpy(f.model, n->facts.model, sizeof(f.model));
	strlcpy(f.serial, n->facts.serial, sizeof(f.serial));
	strlcpy(f.firmware, n->facts.firmware, sizeof(f.firmware));
	strlcpy(f.name, n->facts.name, sizeof(f.name));
	return controller_register(n->dev, &f, &n->controller);
}

int namespaces_register(struct nvme *n)
{
	int error = find_namespaces(n);

	if (error == 0)
		error = register_controller(n);
	for (unsigned unit = 0; error == 0 && unit < n->namespace_count; unit++)
		error = register_disk(n, unit);
	if (error < 0)
		return error;
	/* The next round, which is asked for already, finds out what there is. */
	if (device_stopping(n->dev))
		return -ECANCELED;
	n->ask_ns = clock_monotonic_ns() + ASK_AGAIN_NS;
	if (n->unknown_count == 0)
		disk_drop_missing(n->dev);
	return 0;
}

/* Those that are unknown, once more; what is a disk is registered. */
static int ask_all(struct nvme *n)
{
	unsigned count = n->unknown_count, unit = n->namespace_count;
	int error = 0;

	/* What is unknown still goes to places that were read. */
	n->unknown_count = 0;
	for (unsigned i = 0; i < count && error == 0; i++)
		error = read_namespace(n, n->unknown[i]);
	for (; unit < n->namespace_count && error == 0; unit++)
		error = register_disk(n, unit);
	return error;
}

uint64_t namespaces_ask_again(struct nvme *n)
{
	if (n->unknown_count == 0 || device_stopping(n->dev))
		return 0;
	if (clock_monotonic_ns() < n->ask_ns)
		return n->ask_ns;
	if (ask_all(n) < 0) {
		device_fail(n->dev, "a namespace cannot be made a disk");
		return 0;
	}
	n->asks++;
	n->ask_ns = clock_monotonic_ns() + (ASK_AGAIN_NS << n->asks);
	if (n->asks == ASKS_MAX) {
		for (unsigned i = 0; i < n->unknown_count; i++)
			log_error("%s: namespace %u is left out: the controller did not say what it is, %u times",
				  device_name(n->dev), n->unknown[i], ASKS_MAX);
		n->unknown_count = 0;
	}
	if (n->unknown_count > 0)
		return n->ask_ns;
	disk_drop_missing(n->dev);
	return 0;
}
