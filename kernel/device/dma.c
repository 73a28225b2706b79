/* SPDX-License-Identifier: MIT */
/* DMA of a device (kernel/device/dma.h): buffers and tables of lists as resources. */
#include "device_internal.h"

#include <abi/errno.h>
#include <kernel/base/log.h>
#include <kernel/device/dma.h>
#include <kernel/mem/slab.h>
#include <lib/types.h>
#include <nucleus/layout.h>

struct memory {
	struct resource resource;
	struct dma_buffer buffer;
	uint64_t claim; /* whose function it was lent to; 0: none */
};

struct dma_table {
	struct resource resource;
	unsigned lists, segments;
	struct dma_list *list;
	struct dma_segment *segment;
};

static void release_memory(struct resource *r)
{
	struct memory *m = container_of(r, struct memory, resource);

	bool safe = m->claim != 0 ? dma_free_again(m->claim, &m->buffer) : r->device == nullptr || !r->device->loud;

	if (!safe)
		dma_quarantine(&m->buffer);
	else
		dma_give(&m->buffer);
	kfree(m);
}

static const struct resource_ops memory_ops = {
	.name = "DMA memory", .component = &component_device, .release = release_memory};

int dma_alloc(struct device *dev, size_t bytes, struct dma_buffer *b)
{
	struct memory *m;
	int error = device_may(dev, WANTS_DMA);

	*b = (struct dma_buffer){};
	if (error < 0)
		return error;
	m = kmalloc(sizeof(*m));
	if (m == nullptr)
		return -ENOMEM;
	error = dma_take(&dev->dma, bytes, &m->buffer);
	if (error == 0 && dev->dma.claim != 0) {
		error = dma_confine(dev->dma.claim, &m->buffer);
		m->claim = error == 0 ? dev->dma.claim : 0;
	}
	if (error == 0) {
		*b = m->buffer;
		b->record = m;
		error = device_own(dev, &m->resource, &memory_ops);
	}
	if (error < 0) {
		*b = (struct dma_buffer){};
		release_memory(&m->resource);
		return error;
	}
	return 0;
}

void dma_free(struct device *, struct dma_buffer *b)
{
	struct memory *m = b->record;

	if (m != nullptr)
		device_give_back(&m->resource);
	*b = (struct dma_buffer){};
}

int dma_limit(struct device *dev, unsigned bits)
{
	if (bits <= PAGE_SHIFT || bits > 64)
		return -EINVAL;
	if (dev->dma.bits == 0 || bits < dev->dma.bits)
		dev->dma.bits = (uint8_t)bits;
	return 0;
}

void device_confine(struct device *dev, uint64_t claim)
{
	unsigned bits = claim != 0 ? dma_confined_bits(claim) : 0;

	spin_lock(&dev->lock);
	dev->dma.claim = bits != 0 ? claim : 0;
	spin_unlock(&dev->lock);
	if (bits != 0)
		(void)dma_limit(dev, bits);
}

bool device_is_confined(const struct device *dev)
{
	return dev->dma.claim != 0;
}

static void release_table(struct resource *r)
{
	struct dma_table *t = container_of(r, struct dma_table, resource);

	for (unsigned i = 0; i < t->lists && t->list != nullptr; i++) {
		if (r->device != nullptr && r->device->loud)
			dma_list_quarantine(&t->list[i]);
		else
			dma_list_end(&t->list[i], false);
	}
	kfree(t->list);
	kfree(t->segment);
	kfree(t);
}

static const struct resource_ops table_ops = {
	.name = "lent pages", .component = &component_device, .release = release_table};

int dma_table_open(struct device *dev, unsigned lists, unsigned segments, struct dma_table **out)
{
	constexpr size_t BYTES_MAX = 1 << 20;
	struct dma_table *t;
	int error = device_may(dev, WANTS_DMA);

	*out = nullptr;
	if (error < 0)
		return error;
	if (lists == 0 || segments == 0 || lists > BYTES_MAX / sizeof(*t->list) ||
	    segments > BYTES_MAX / sizeof(*t->segment) / lists)
		return -EINVAL;
	t = kmalloc(sizeof(*t));
	if (t == nullptr)
		return -ENOMEM;
	t->lists = lists;
	t->segments = segments;
	t->list = kmalloc(lists * sizeof(*t->list));
	t->segment = kmalloc((size_t)lists * segments * sizeof(*t->segment));
	error = t->list == nullptr || t->segment == nullptr ? -ENOMEM : device_own(dev, &t->resource, &table_ops);
	if (error < 0) {
		release_table(&t->resource);
		return error;
	}
	*out = t;
	return 0;
}

struct dma_list *dma_table_list(const struct dma_table *t, unsigned index)
{
	KASSERT(index < t->lists);
	return &t->list[index];
}

struct dma_list *dma_map(const struct dma_table *t, unsigned index, enum dma_direction direction, uint32_t length_max)
{
	struct dma_list *list = dma_table_list(t, index);

	KASSERT(list->count == 0); /* else it was not unmapped */
	dma_list_begin(list, &t->resource.device->dma, direction, &t->segment[(size_t)index * t->segments], t->segments,
		       length_max);
	return list;
}

void dma_unmap(const struct dma_table *t, unsigned index, bool done)
{
	dma_list_end(dma_table_list(t, index), done);
}
