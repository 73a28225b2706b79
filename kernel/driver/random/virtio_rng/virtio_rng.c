/* SPDX-License-Identifier: MIT */
/*
 * Virtio entropy devices (Virtual I/O Device 1.2, 5.4): one queue of buffers that the device fills. The kernel's
 * generator gets some at the start and now and then, whoever reads /dev/hwrng gets what he waits for. Without a lock:
 * all is the device's thread's.
 */
#include "../hwrng.h"

#include <abi/errno.h>
#include <kernel/base/clock.h>
#include <kernel/base/fault_point.h>
#include <kernel/base/random.h>
#include <kernel/bus/virtio.h>
#include <kernel/device/dma.h>
#include <kernel/device/irq.h>
#include <kernel/thread/component.h>
#include <lib/string.h>
#include <lib/types.h>

DEFINE_COMPONENT(virtio_rng, .asks_devices = true, .users = "readers of /dev/hwrng wait");

constexpr uint64_t FEED_NS = 60'000'000'000;
/* A device may gather for as long as it likes, but after so long it is looked whether its interrupt was lost. */
constexpr uint64_t LOOK_NS = 5'000'000'000;
constexpr size_t ENOUGH = 32; /* bytes, for the kernel's generator to count as seeded */

struct rng {
	struct irq irq;
	struct virtio_queue *queue;
	struct dma_buffer memory;
	bool asked; /* the device has the buffer */
	uint64_t feed_at_ns;
};

static void ask(struct rng *r)
{
	const struct virtio_piece piece = {r->memory.address, HWRNG_BYTES};

	FAULT_POINT(driver_virtio_rng_ask);
	r->asked = virtio_queue_add(r->queue, 0, &piece, 0, 1, r);
	virtio_queue_kick(r->queue);
}

static void use(struct device *dev, struct rng *r, uint32_t written)
{
	unsigned char bytes[HWRNG_BYTES];
	size_t n = MIN(written, HWRNG_BYTES);

	FAULT_POINT(driver_virtio_rng_take);
	r->asked = false;
	if (n == 0) {
		device_fail(dev, "the device gives no bytes");
		return;
	}
	/* Copied before it is used twice: the device could change it in between. */
	memcpy(bytes, r->memory.at, n);
	memset(r->memory.at, 0, HWRNG_BYTES);
	random_mix(bytes, n);
	if (n >= ENOUGH && !random_seeded())
		random_set_seeded("a virtio device");
	/* Never the same bytes to both. */
	if (clock_monotonic_ns() < r->feed_at_ns)
		hwrng_give(bytes, n);
	else
		r->feed_at_ns = clock_monotonic_ns() + FEED_NS;
	memset(bytes, 0, sizeof(bytes));
}

/* Whether there was anything. */
static bool look(struct device *dev, struct rng *r)
{
	uint32_t written;
	bool found = false;

	do {
		for (; virtio_queue_take(r->queue, &written) != nullptr; found = true)
			use(dev, r, written);
	} while (virtio_queue_listen(r->queue));
	return found;
}

static void serve(struct device *dev)
{
	struct rng *r = device_private(dev);
	bool late = false, lost = false;

	while (!device_stopping(dev)) {
		(void)virtio_interrupts(dev);
		uint32_t came = irq_done(&r->irq);
		/* One that is lost stays so, whoever wakes the thread meanwhile, until it is looked for. The point is
		 * passed only where there is something that an interrupt tells of. */
		bool tells = r->asked && virtio_queue_listen(r->queue);
		lost = !late && (lost || (tells && FAULT_POINT_DUE(driver_virtio_rng_interrupt)));
		bool found = !lost && look(dev, r);
		if (!r->asked && (hwrng_wanted() || clock_monotonic_ns() >= r->feed_at_ns))
			ask(r);
		if (late && found && came == 0 && irq_done(&r->irq) == 0)
			device_fail(dev, "an interrupt was lost");
		late = irq_wait(&r->irq, r->asked ? clock_monotonic_ns() + LOOK_NS : r->feed_at_ns) == -ETIMEDOUT;
	}
}

static int attach(struct device *dev)
{
	struct rng *r = device_private(dev);
	uint64_t features;
	int error = virtio_begin(dev, 0, &features);

	if (error == 0)
		error = virtio_queue_open(dev, 0, features, 1, 1, &r->queue);
	if (error == 0)
		error = dma_alloc(dev, HWRNG_BYTES, &r->memory);
	if (error == 0)
		error = irq_open(dev, 0, &r->irq);
	if (error < 0)
		return error;
	virtio_ready(dev);
	/* A second source only feeds the kernel's generator. */
	error = hwrng_register(dev);
	return error == -EBUSY ? 0 : error;
}

static void detach(struct device *dev)
{
	(void)virtio_reset(dev);
}

static const uint32_t types[] = {VIRTIO_TYPE_ENTROPY, VIRTIO_TYPE_NONE};

DRIVER(virtio_rng, .component = &component_virtio_rng, .bus = &virtio_bus, .match = types,
       .private_bytes = sizeof(struct rng), .wants = WANTS_IRQ | WANTS_DMA, .hears_of_power = true, .attach = attach,
       .serve = serve, .detach = detach);
