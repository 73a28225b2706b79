/* SPDX-License-Identifier: MIT */
/*
 * Virtio disks (Virtual I/O Device 1.2, 5.2). Each queue of the device is a queue of the disk, so CPUs do not meet in
 * submit; one thread finishes what any of them has done. A request is a header that the device reads, the pages that
 * the block floor gave, and a byte of status that the device writes; header and status of each are in memory shared
 * with the device, the rest of what is known of it is not.
 *
 * Locks: a queue's free list has one; the block floor calls submit for a queue by one thread at a time.
 */
#include <abi/errno.h>
#include <kernel/base/clock.h>
#include <kernel/base/fault_point.h>
#include <kernel/base/init.h>
#include <kernel/base/log.h>
#include <kernel/block/disk.h>
#include <kernel/bus/virtio.h>
#include <kernel/device/dma.h>
#include <kernel/device/irq.h>
#include <kernel/thread/component.h>
#include <lib/string.h>
#include <lib/types.h>
#include <lib/virtio_blk.h>

DEFINE_COMPONENT(
	virtio_blk, .asks_devices = true,
	.users =
		"open disks stay; requests wait and are given again, each as a whole, or are EIO after several attempts");

enum : unsigned {
	REQUESTS_MAX = 64, /* of all queues together, but for QUEUE_LEAST of each */
	QUEUE_LEAST = 16,
	OTHER_PIECES = 3, /* beside the data: header, what to discard, status */
};
constexpr uint64_t ID_NS = 30'000'000'000;
constexpr uint64_t WANTED = VIRTIO_BLK_F_SIZE_MAX | VIRTIO_BLK_F_SEG_MAX | VIRTIO_BLK_F_RO | VIRTIO_BLK_F_BLK_SIZE |
			    VIRTIO_BLK_F_FLUSH | VIRTIO_BLK_F_TOPOLOGY | VIRTIO_BLK_F_MQ | VIRTIO_BLK_F_DISCARD;

/* What the device sees of a request beside its data. */
struct shared {
	struct virtio_blk_header header;
	struct virtio_blk_discard discard;
	unsigned char id[VIRTIO_BLK_ID_BYTES];
	volatile uint8_t status;
};

struct request {
	struct bio *bio;
	uint64_t bytes; /* that the device writes at least, with the status */
	uint32_t next;	/* free one */
};

struct blk_queue {
	struct virtio_queue *queue;
	struct dma_table *lent;
	struct dma_buffer memory; /* struct shared of each request */
	uint32_t count;
	struct spinlock lock;
	uint32_t free GUARDED_BY(&lock); /* a request, or count */
	struct request requests[REQUESTS_MAX];
	/* submit's, one thread at a time */
	struct virtio_piece pieces[DISK_PIECES_MAX + OTHER_PIECES];
};

struct blk {
	struct irq irq;
	struct virtio_blk_limits limits;
	uint32_t sectors_per_block, queue_count;
	struct disk *disk;
	struct blk_queue queues[DISK_QUEUES_MAX];
};

static struct shared *shared_of(const struct blk_queue *q, uint32_t number)
{
	return (struct shared *)q->memory.at + number;
}

static uint64_t shared_address(const struct blk_queue *q, uint32_t number, size_t offset)
{
	return q->memory.address + number * sizeof(struct shared) + offset;
}

static uint32_t request_take(struct blk_queue *q)
{
	spin_lock(&q->lock);
	uint32_t number = q->free;
	if (number < q->count)
		q->free = q->requests[number].next;
	spin_unlock(&q->lock);
	return number;
}

static void request_give(struct blk_queue *q, uint32_t number)
{
	q->requests[number].bio = nullptr;
	spin_lock(&q->lock);
	q->requests[number].next = q->free;
	q->free = number;
	spin_unlock(&q->lock);
}

/* Lends the pages of a bio; the pieces of its data follow the header. Result: how many pieces, or a negative errno. */
static int lend(struct blk *d, struct blk_queue *q, uint32_t number, const struct bio *b, struct virtio_piece *pieces)
{
	enum dma_direction direction = b->kind == BIO_READ ? DMA_FROM_DEVICE : DMA_TO_DEVICE;
	struct dma_list *list = dma_map(q->lent, number, direction, d->limits.segment_bytes);
	int error = 0;

	for (unsigned i = 0; i < b->piece_count && error == 0; i++)
		error = dma_list_add(list, b->pieces[i].page, b->pieces[i].offset, b->pieces[i].length);
	if (error == 0)
		error = dma_list_ready(list);
	if (error < 0) {
		dma_unmap(q->lent, number, false);
		return error;
	}
	for (unsigned i = 0; i < list->count; i++)
		pieces[i] = (struct virtio_piece){list->segments[i].address, list->segments[i].length};
	if (list->count > 0 && pieces[0].length <= PAGE_SIZE)
		pieces[0].address = FAULT_POINT_ADDRESS(driver_virtio_blk_address, pieces[0].address);
	return (int)list->count;
}

static void fill_discard(struct blk *d, struct shared *s, const struct bio *b)
{
	s->discard = (struct virtio_blk_discard){.sector = b->block * d->sectors_per_block,
						 .sectors = b->blocks * d->sectors_per_block};
	s->header.sector = 0;
}

/* Hands request `number` to the device. The pieces of data are in place; `data` of them. */
static int hand_over(struct blk_queue *q, uint32_t number, unsigned data, bool device_writes)
{
	struct virtio_piece *p = q->pieces;

	p[0] = (struct virtio_piece){shared_address(q, number, offsetof(struct shared, header)),
				     sizeof(struct virtio_blk_header)};
	p[1 + data] = (struct virtio_piece){shared_address(q, number, offsetof(struct shared, status)), 1};
	shared_of(q, number)->status = VIRTIO_BLK_UNWRITTEN;
	if (!virtio_queue_add(q->queue, number, p, device_writes ? 1 : 1 + data, device_writes ? data + 1 : 1,
			      &q->requests[number]))
		return -EBUSY;
	virtio_queue_kick(q->queue);
	return 0;
}

static int submit(struct device *dev, unsigned queue, struct bio *b)
{
	static const uint32_t types[] = {
		[BIO_READ] = VIRTIO_BLK_IN,
		[BIO_WRITE] = VIRTIO_BLK_OUT,
		[BIO_FLUSH] = VIRTIO_BLK_FLUSH,
		[BIO_DISCARD] = VIRTIO_BLK_DISCARD,
	};
	struct blk *d = device_private(dev);
	struct blk_queue *q = &d->queues[queue];
	uint32_t number = request_take(q);
	int data = 0;

	if (number >= q->count)
		return -EBUSY;
	struct shared *s = shared_of(q, number);
	struct request *r = &q->requests[number];

	s->header = (struct virtio_blk_header){.type = types[b->kind], .sector = b->block * d->sectors_per_block};
	r->bio = b;
	r->bytes = 1;
	FAULT_POINT(driver_virtio_blk_submit);
	if (b->kind == BIO_READ || b->kind == BIO_WRITE) {
		data = lend(d, q, number, b, &q->pieces[1]);
		if (b->kind == BIO_READ)
			r->bytes += (uint64_t)b->blocks * d->limits.block_bytes;
	} else if (b->kind == BIO_DISCARD) {
		fill_discard(d, s, b);
		q->pieces[1] = (struct virtio_piece){shared_address(q, number, offsetof(struct shared, discard)),
						     sizeof(s->discard)};
		data = 1;
	}
	int error = data < 0 ? data : hand_over(q, number, (unsigned)data, b->kind == BIO_READ);
	if (error < 0) {
		dma_unmap(q->lent, number, false);
		request_give(q, number);
	}
	return error == -EAGAIN ? -EBUSY : error;
}

static const struct disk_ops ops = {.component = &component_virtio_blk, .submit = submit};

/* A request that the device has finished. */
static void finish(struct blk *d, struct blk_queue *q, struct request *r, uint32_t written)
{
	uint32_t number = (uint32_t)(r - q->requests);
	struct bio *b = r->bio;
	int error = virtio_blk_error(shared_of(q, number)->status);

	/* One that claims to have read and did not write it all. */
	if (error == 0 && written < r->bytes)
		error = -EIO;
	dma_unmap(q->lent, number, error == 0);
	FAULT_POINT(driver_virtio_blk_finish);
	request_give(q, number);
	disk_done(d->disk, b, error);
}

static void look_at_queue(struct blk *d, struct blk_queue *q)
{
	struct request *r;
	uint32_t written;

	do {
		while ((r = virtio_queue_take(q->queue, &written)) != nullptr)
			finish(d, q, r, written);
	} while (virtio_queue_listen(q->queue));
}

/* The medium's size may change (5.2.4). A disk never does: one of another size is another disk. */
static void look_at_config(struct device *dev, const struct blk *d)
{
	unsigned char config[VIRTIO_BLK_CONFIG_BYTES];
	struct virtio_blk_limits now;

	if (virtio_config_read(dev, virtio_blk_fields, 1, config, sizeof(config)) == 0 &&
	    virtio_blk_read(config, 0, DISK_PIECES_MAX, &now) == nullptr &&
	    now.sectors / d->sectors_per_block != d->limits.sectors / d->sectors_per_block) {
		log_info("%s: the medium has %llu sectors now", device_name(dev), (unsigned long long)now.sectors);
		(void)device_restart(dev);
	}
}

static void serve(struct device *dev)
{
	struct blk *d = device_private(dev);

	while (!device_stopping(dev)) {
		/* Lost: nobody looks before the block floor loses patience with a request. */
		if (!FAULT_POINT_DUE(driver_virtio_blk_interrupt)) {
			uint32_t why = virtio_interrupts(dev);

			for (unsigned i = 0; i < d->queue_count; i++)
				look_at_queue(d, &d->queues[i]);
			if (why & VIRTIO_INTERRUPT_CONFIG)
				look_at_config(dev, d);
			irq_done(&d->irq);
		}
		(void)irq_wait(&d->irq, 0);
	}
}

/* Asks for the serial number, before there is a disk. A device that has none says that it does not know the request. */
static int read_serial(struct device *dev, struct blk *d, char *serial)
{
	struct blk_queue *q = &d->queues[0];
	uint32_t number = request_take(q), written;
	uint64_t deadline = clock_monotonic_ns() + ID_NS;
	struct shared *s = shared_of(q, number);
	int error;

	s->header = (struct virtio_blk_header){.type = VIRTIO_BLK_GET_ID};
	q->pieces[1] = (struct virtio_piece){shared_address(q, number, offsetof(struct shared, id)), sizeof(s->id)};
	error = hand_over(q, number, 1, true);
	while (error == 0) {
		(void)virtio_interrupts(dev);
		if (virtio_queue_take(q->queue, &written) != nullptr)
			break;
		/* A device that interrupts, or counts on, without an answer gets no more time for it. */
		if (clock_monotonic_ns() >= deadline) {
			error = -ETIMEDOUT;
		} else if (!virtio_queue_listen(q->queue)) {
			irq_done(&d->irq);
			error = irq_wait(&d->irq, deadline);
		}
	}
	if (error == 0 && virtio_blk_error(s->status) == 0)
		virtio_blk_serial(s->id, serial);
	request_give(q, number);
	return error;
}

static int open_queue(struct device *dev, struct blk *d, unsigned index, uint64_t features) NO_THREAD_SAFETY
{
	struct blk_queue *q = &d->queues[index];
	unsigned requests = MAX(REQUESTS_MAX / d->limits.queues, QUEUE_LEAST);
	int error = virtio_queue_open(dev, index, features, requests, d->limits.segments + OTHER_PIECES, &q->queue);

	if (error == 0)
		error = dma_alloc(dev, q->queue->requests * sizeof(struct shared), &q->memory);
	if (error == 0)
		error = dma_table_open(dev, q->queue->requests, d->limits.segments, &q->lent);
	if (error < 0)
		return error;
	q->count = q->queue->requests;
	spin_init(&q->lock, RANK_VIRTIO);
	/* The last one's next is none: nobody has one twice. */
	q->free = q->count;
	for (uint32_t i = q->count; i-- > 0;)
		request_give(q, i);
	return 0;
}

static int open_queues(struct device *dev, struct blk *d, uint64_t features)
{
	int max = virtio_queue_max(dev, 0), error = 0;

	if (max < (int)OTHER_PIECES + 1)
		return max < 0 ? max : -ENODEV;
	d->limits.segments = MIN(d->limits.segments, (uint32_t)max - OTHER_PIECES);
	d->limits.queues = (uint16_t)MIN(MIN(d->limits.queues, boot_info()->cpu_count), DISK_QUEUES_MAX);
	for (unsigned i = 0; i < d->limits.queues && error == 0; i++)
		error = open_queue(dev, d, i, features);
	d->queue_count = d->limits.queues;
	return error;
}

static int attach(struct device *dev)
{
	struct blk *d = device_private(dev);
	unsigned char config[VIRTIO_BLK_CONFIG_BYTES];
	struct disk_geometry g = {};
	uint64_t features;
	int error = virtio_begin(dev, WANTED, &features);

	if (error == 0)
		error = virtio_config_read(dev, virtio_blk_fields, virtio_blk_field_count, config, sizeof(config));
	if (error < 0)
		return error;
	const char *wrong = virtio_blk_read(config, features, DISK_PIECES_MAX, &d->limits);
	if (wrong != nullptr) {
		log_error("%s: not usable as a disk: %s", device_name(dev), wrong);
		return -ENODEV;
	}
	d->sectors_per_block = d->limits.block_bytes / VIRTIO_BLK_SECTOR;
	error = open_queues(dev, d, features);
	if (error == 0)
		error = irq_open(dev, 0, &d->irq);
	if (error < 0)
		return error;
	virtio_ready(dev);
	error = read_serial(dev, d, g.serial);
	if (error < 0)
		return error;
	g.block_bytes = d->limits.block_bytes;
	g.physical_bytes = d->limits.physical_bytes;
	g.blocks = d->limits.sectors / d->sectors_per_block;
	g.pieces_max = d->limits.segments;
	g.discard_blocks_max =
		(d->limits.discard_sectors != 0 ? d->limits.discard_sectors : UINT32_MAX) / d->sectors_per_block;
	g.queues = d->queue_count;
	g.depth = d->queues[0].count;
	g.read_only = d->limits.read_only;
	g.has_flush = d->limits.has_flush;
	/* Of less than a block nothing can be discarded. */
	g.has_discard = d->limits.has_discard && g.discard_blocks_max != 0;
	return disk_register(dev, "vd", &ops, &g, &d->disk);
}

static void detach(struct device *dev)
{
	(void)virtio_reset(dev);
}

static const uint32_t types[] = {VIRTIO_TYPE_BLOCK, VIRTIO_TYPE_NONE};

DRIVER(virtio_blk, .component = &component_virtio_blk, .bus = &virtio_bus, .match = types,
       .private_bytes = sizeof(struct blk), .wants = WANTS_IRQ | WANTS_DMA, .hears_of_power = true, .attach = attach,
       .serve = serve, .detach = detach);
