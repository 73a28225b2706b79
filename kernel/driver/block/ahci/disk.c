/* SPDX-License-Identifier: MIT */
/* Disks, and their requests as commands (ACS 7). */
#include "ahci.h"

#include <abi/errno.h>
#include <kernel/base/fault_point.h>
#include <kernel/base/log.h>
#include <lib/string.h>
#include <lib/types.h>

/* --- requests --- */

void slot_fill_transfer(struct port *p, uint32_t slot, bool queued)
{
	struct slot *s = &p->slots[slot];
	const struct bio *b = s->bio;

	s->command = ata_transfer(&p->facts, b->kind == BIO_WRITE, b->block, b->blocks, queued);
	/* How much was moved is not told of queued ones (5.4.1). */
	s->bytes = queued ? 0 : b->blocks * p->facts.block_bytes;
}

/* The pages of a request, lent, and told by regions. */
static int lend(struct port *p, uint32_t slot, const struct bio *b)
{
	enum dma_direction direction = b->kind == BIO_READ ? DMA_FROM_DEVICE : DMA_TO_DEVICE;
	struct dma_list *list = dma_map(p->lent, slot, direction, AHCI_REGION_BYTES_MAX);
	struct table *t = port_table(p, slot);
	int error = 0;

	for (unsigned i = 0; i < b->piece_count && error == 0; i++)
		error = dma_list_add(list, b->pieces[i].page, b->pieces[i].offset, b->pieces[i].length);
	for (unsigned i = 0; i < list->count && error == 0; i++) {
		const struct dma_segment *segment = &list->segments[i];
		uint64_t at = i == 0 ? FAULT_POINT_ADDRESS(driver_ahci_address, segment->address) : segment->address;

		error = ahci_write_region(&t->regions[i], at, segment->length) ? 0 : -EINVAL;
	}
	if (error == 0)
		error = dma_list_ready(list);
	p->slots[slot].regions = (uint16_t)list->count;
	if (error < 0)
		dma_unmap(p->lent, slot, false);
	return error == -EAGAIN ? -EBUSY : error;
}

static int fill(struct port *p, uint32_t slot, const struct bio *b)
{
	struct slot *s = &p->slots[slot];
	struct table *t = port_table(p, slot);

	switch (b->kind) {
	case BIO_READ:
	case BIO_WRITE: slot_fill_transfer(p, slot, slots_are_queued(p)); return lend(p, slot, b);
	case BIO_FLUSH: s->command = ata_flush(&p->facts); return 0;
	case BIO_DISCARD:
		s->command = ata_trim(t->ranges, b->block, b->blocks);
		s->regions = 1;
		return ahci_write_region(t->regions, port_table_address(p, slot) + offsetof(struct table, ranges),
					 ATA_SECTOR)
			       ? 0
			       : -EINVAL;
	default: return -EOPNOTSUPP;
	}
}

static int submit(struct device *dev, unsigned, struct bio *b)
{
	struct ahci *a = device_private(dev);
	struct port *p = &a->ports[b->unit];
	uint32_t slot = slot_take(p);

	if (slot == AHCI_SLOTS_MAX)
		return -EBUSY;
	p->slots[slot] = (struct slot){.bio = b};
	FAULT_POINT(driver_ahci_submit);
	int error = fill(p, slot, b);
	if (error == 0)
		error = slot_put(p, slot);
	else if (error != -EBUSY)
		log_error("%s: port %u: a request cannot be given: %d", device_name(dev), p->number, error);
	if (error < 0) {
		dma_unmap(p->lent, slot, false);
		slot_give(p, slot);
	}
	return error;
}

static const struct disk_ops ops = {.component = &component_ahci, .submit = submit, .late = ahci_late};

void slot_finish(struct port *p, uint32_t slot, int error)
{
	struct bio *b = p->slots[slot].bio;

	p->found_late += error == 0 && b->began_ns <= p->ahci->looked_for_ns;
	dma_unmap(p->lent, slot, error == 0);
	FAULT_POINT(driver_ahci_finish);
	slot_give(p, slot);
	disk_done(p->disk, b, error);
}

/* --- disks --- */

static int read_facts(struct port *p, struct ata_disk *out)
{
	struct ata_command c = ata_identify();
	unsigned char data[ATA_SECTOR];
	int error = port_ask(p, &c);

	if (error < 0)
		return error;
	/* A copy: the disk could change it. */
	memcpy(data, port_answer(p), sizeof(data));
	const char *wrong = ata_read_disk(data, out);
	if (wrong == nullptr)
		return 0;
	log_error("%s: port %u: not usable as a disk: %s", device_name(p->ahci->dev), p->number, wrong);
	return -ENODEV;
}

bool disk_is_same(struct port *p)
{
	struct ata_disk now;

	return read_facts(p, &now) == 0 && strcmp(now.serial, p->facts.serial) == 0 &&
	       strcmp(now.model, p->facts.model) == 0 && now.blocks == p->facts.blocks &&
	       now.block_bytes == p->facts.block_bytes;
}

int disk_of_port(struct port *p)
{
	struct ahci *a = p->ahci;
	const struct ata_disk *f = &p->facts;
	int error = read_facts(p, &p->facts);

	if (error < 0)
		return error;
	bool queues = f->tags != 0 && a->can.has_queued;
	slots_open(p, queues ? MIN(f->tags, a->can.slots) : a->can.slots);
	struct disk_geometry g = {
		.block_bytes = f->block_bytes,
		.physical_bytes = f->physical_bytes,
		.blocks = f->blocks,
		.bytes_max = ata_blocks_max(f) * f->block_bytes,
		.discard_blocks_max = ATA_TRIM_BLOCKS_MAX,
		.depth = p->slot_count,
		.unit = p->number,
		.has_flush = f->has_flush,
		.has_discard = f->has_trim,
		.rotational = f->rotates,
	};
	strlcpy(g.serial, f->serial, sizeof(g.serial));
	snprintf(g.address, sizeof(g.address), "%s/%u", device_name(a->dev), p->number);
	log_info("%s: port %u: %s, firmware %s, %u commands at a time", device_name(a->dev), p->number, f->model,
		 f->firmware, queues ? p->slot_count : 1);
	/* It is given requests before this returns. */
	port_set_state(p, PORT_UP);
	error = disk_register(a->dev, "sd", &ops, &g, &p->disk);
	if (error < 0)
		port_set_state(p, PORT_LEFT);
	return error;
}

void disk_leaves(struct port *p)
{
	struct disk *d = p->disk;

	/* What another thread fills meanwhile is not touched: that finds the disk gone when it puts it. */
	for (uint32_t left = slots_put(p); left != 0; left &= left - 1)
		dma_unmap(p->lent, (uint32_t)__builtin_ctz(left), false);
	p->disk = nullptr;
	disk_drop(d);
}
