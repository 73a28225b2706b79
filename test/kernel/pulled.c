/* SPDX-License-Identifier: MIT */
/*
 * Devices that are pulled out at every step (kernel/device/pull.h): of attach, of transfers, of a restart under way and
 * of detach. From the n-th access of its driver on nobody is there, for each n until there are no more. Who uses it
 * comes to an end, the device goes, its registers are mapped by nobody, and nothing is left of it; then it is there
 * again. A row of test/matrix.txt adds the devices; pull_step= takes only each n-th step.
 */
#include "ktest.h"

#include "pci_devices.h"

#include <abi/errno.h>
#include <abi/fcntl.h>
#include <kernel/base/cmdline.h>
#include <kernel/bus/pci.h>
#include <kernel/device/pull.h>
#include <kernel/mem/dma.h>
#include <kernel/netdev/netdev.h>
#include <kernel/vfs/vfs.h>
#include <lib/string.h>
#include <nucleus/device.h>

#if STELLUX_DEBUG

enum : uint32_t { BLOCK = 4096, STEPS_MAX = 5000, STEP_DEFAULT = 7 };

DECLARE_COMPONENT(pci);
DECLARE_COMPONENT(device);
DECLARE_COMPONENT(virtio);
DECLARE_COMPONENT(virtio_blk);
DECLARE_COMPONENT(virtio_rng);
DECLARE_COMPONENT(hwrng);
DECLARE_COMPONENT(nvme);
DECLARE_COMPONENT(ahci);
DECLARE_COMPONENT(block);
DECLARE_COMPONENT(serial);
DECLARE_COMPONENT(virtio_net);
DECLARE_COMPONENT(netdev);
DECLARE_COMPONENT(inet);

static struct component *const users[] = {
	&component_pci,	       &component_device, &component_virtio, &component_virtio_blk, &component_virtio_rng,
	&component_hwrng,      &component_nvme,	  &component_ahci,   &component_block,	    &component_serial,
	&component_virtio_net, &component_netdev, &component_inet};

struct kind {
	uint32_t function;
	const char *name, *paths[4]; /* of the device, and what its node may be called */
	uint64_t bytes;		     /* of a disk: no other has as many */
};

static const struct kind virtio_blk = {0x18 << 3, "0000:00:18.0", {"/dev/vda", "/dev/vdb", "/dev/vdc"}, 3 << 20};
static const struct kind virtio_rng = {0x19 << 3, "0000:00:19.0", {}, 0};
static const struct kind nvme = {0x1a << 3, "0000:00:1a.0", {"/dev/nvme0n1", "/dev/nvme1n1"}, 5 << 20};
static const struct kind ahci = {0x1c << 3, "0000:00:1c.0", {"/dev/sda", "/dev/sdb", "/dev/sdc"}, 7 << 20};
static const struct kind virtio_net = {0x1d << 3, "0000:00:1d.0", {}, 0};
static const struct kind card = {0x1b << 3, "0000:00:1b.0", {"/dev/ttyS4"}, 0};

/* What is held of what must be given back: allocations and threads of each user, pages that devices are told of. */
enum { USERS = sizeof(users) / sizeof(users[0]), DMA = 2 * USERS, HELD = DMA + 3 };
struct held {
	uint64_t count[HELD];
};

static unsigned char data[BLOCK];
static uint32_t due, over; /* atomic */

static bool was_pulled(void)
{
	return device_pull_passes() >= due;
}

static struct held hold(void)
{
	struct dma_stats dma = {};
	struct held h = {};

	dma_stats(&dma);
	for (unsigned i = 0; i < USERS; i++) {
		h.count[2 * i] = users[i]->allocations;
		h.count[2 * i + 1] = users[i]->thread_count;
	}
	h.count[DMA] = dma.used;
	h.count[DMA + 1] = dma.lent;
	h.count[DMA + 2] = dma.quarantined;
	return h;
}

/* Less is no leak: a disk may have been held a little longer than its last round. */
static bool no_more(struct held now, struct held before)
{
	for (unsigned i = 0; i < HELD; i++)
		if (now.count[i] > before.count[i])
			return false;
	return true;
}

static void expect_no_more(struct held before)
{
	if (WAIT_UNTIL(no_more(hold(), before)))
		return;
	struct held now = hold();
	for (unsigned i = 0; i < HELD; i++)
		if (now.count[i] > before.count[i])
			ktest_fail(__FILE_NAME__, __LINE__, i < DMA ? users[i / 2]->name : "DMA memory",
				   (int64_t)now.count[i], (int64_t)before.count[i], true);
}

/* --- who uses it --- */

/* A disk that ends where it should. */
static bool is_it(struct file *f, const struct kind *k)
{
	return k->bytes == 0 ||
	       (file_read_at(f, data, BLOCK, k->bytes - BLOCK) == BLOCK && file_read_at(f, data, BLOCK, k->bytes) == 0);
}

static struct file *open_node(const struct kind *k)
{
	uint32_t flags = k->bytes != 0 ? O_RDWR | O_DIRECT : O_RDWR | O_NONBLOCK | O_NOCTTY;
	struct file *f;

	for (unsigned i = 0; i < sizeof(k->paths) / sizeof(k->paths[0]) && k->paths[i] != nullptr; i++) {
		if (file_open_path(k->paths[i], flags, 0, &f) < 0)
			continue;
		if (is_it(f, k))
			return f;
		file_put(f);
	}
	return nullptr;
}

/* A card's driver sends, and is told of, some frames that nobody answers. */
static void send_frames(const struct kind *k)
{
	enum : uint32_t { FRAMES = 8, BYTES = 60 };
	uint8_t frame[BYTES] = {255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 0x88, 0xb5};
	struct netdev *n = netdev_each(nullptr);

	while (n != nullptr && (netdev_device(n) == nullptr || strcmp(device_name(netdev_device(n)), k->name) != 0))
		n = netdev_each(n);
	if (n == nullptr)
		return;
	(void)netdev_set_up(n, true);
	(void)netdev_promiscuous(n, true);
	for (uint32_t i = 0; i < FRAMES; i++) {
		struct net_frame *f = net_frame_alloc(BYTES);

		if (f == nullptr)
			break;
		(void)net_frame_write(f, 0, frame, BYTES);
		(void)netdev_transmit(n, f);
	}
	(void)netdev_promiscuous(n, false);
	netdev_put(n);
}

/* What comes of it is the step's. */
static void transfer(const struct kind *k)
{
	struct file *f;

	if (k == &virtio_net)
		send_frames(k);
	/* Of random numbers the kernel itself is the first to ask. */
	if (k->paths[0] == nullptr || !WAIT_UNTIL((f = open_node(k)) != nullptr || was_pulled()) || f == nullptr)
		return;
	if (k->bytes != 0) {
		(void)file_write_at(f, data, BLOCK, 0);
		(void)file_read_at(f, data, BLOCK, 0);
	} else {
		(void)file_write_at(f, data, 16, 0);
	}
	file_put(f);
}

static void user(void *arg)
{
	const struct kind *k = arg;
	struct device *dev = device_find(k->name);
	struct device_info info;

	transfer(k);
	/* One that is asked for before the first round is no restart. */
	if (dev != nullptr)
		(void)WAIT_UNTIL((device_get_info(dev, &info), info.state == DEVICE_UP) || was_pulled());
	if (dev != nullptr && device_restart(dev) == 0)
		(void)WAIT_UNTIL((device_get_info(dev, &info), info.restarts > 0 && info.state == DEVICE_UP) ||
				 was_pulled());
	device_put(dev);
	transfer(k);
	__atomic_store_n(&over, 1, __ATOMIC_SEQ_CST);
}

/* --- the rounds --- */

static void take_away(const struct kind *k)
{
	struct device *dev = device_find(k->name);

	if (dev != nullptr)
		device_remove(dev);
	device_put(dev);
}

/* What it had can be claimed, and so is mapped by nobody. */
static void expect_unmapped(const struct kind *k)
{
	long claim = nucleus_device_claim(CLAIM_FUNCTION, k->function, 0, 0);

	if (EXPECT(claim > 0))
		EXPECT_EQ(nucleus_device_release((uint64_t)claim), 0);
}

/* False: there are fewer steps. */
static bool pull_at(const struct kind *k, uint32_t step)
{
	due = step;
	over = 0;
	device_pull_arm(k->name, step);
	EXPECT_EQ(pci_rescan(), 0);
	if (!EXPECT(start_thread(user, (void *)k, -1) != nullptr))
		return false;
	EXPECT(WAIT_UNTIL(__atomic_load_n(&over, __ATOMIC_SEQ_CST) || was_pulled()));
	if (was_pulled())
		EXPECT_EQ(pci_rescan(), 0);
	EXPECT(WAIT_UNTIL(__atomic_load_n(&over, __ATOMIC_SEQ_CST)));
	take_away(k);
	bool pulled = was_pulled();
	struct device *dev = device_find(k->name);
	EXPECT(dev == nullptr);
	device_put(dev);
	device_pull_arm(nullptr, 0);
	/* A name is cached until somebody finds that it is not there. */
	struct file *f = open_node(k);
	if (f != nullptr)
		file_put(f);
	expect_unmapped(k);
	return pulled;
}

static uint32_t stride(void)
{
	char text[16];
	uint32_t n = 0;

	if (cmdline_get("pull_step", text, sizeof(text)) == nullptr)
		return STEP_DEFAULT;
	for (const char *c = text; *c >= '0' && *c <= '9'; c++)
		n = 10 * n + (uint32_t)(*c - '0');
	return n > 0 ? n : 1;
}

static void at_every_step(const struct kind *k)
{
	uint32_t step = 1, by = stride();

	devices_settle();
	take_away(k);
	/* One round for what stays for good. */
	(void)pull_at(k, STEPS_MAX);
	struct held before = hold();
	while (step < STEPS_MAX && !ktest_failed() && pull_at(k, step)) {
		expect_no_more(before);
		step += by;
	}
	if (ktest_failed())
		ktest_fail(__FILE_NAME__, __LINE__, k->name, step, 0, true);
	EXPECT(step > by && step < STEPS_MAX);
	EXPECT_EQ(pci_rescan(), 0);
	struct device *dev = device_find(k->name);
	EXPECT(dev != nullptr);
	device_put(dev);
}

static void pulled_virtio_blk(void)
{
	at_every_step(&virtio_blk);
}

static void pulled_virtio_rng(void)
{
	at_every_step(&virtio_rng);
}

static void pulled_virtio_net(void)
{
	at_every_step(&virtio_net);
}

static void pulled_nvme(void)
{
	at_every_step(&nvme);
}

static void pulled_ahci(void)
{
	at_every_step(&ahci);
}

static void pulled_serial(void)
{
	at_every_step(&card);
}

static bool there(void)
{
	return nucleus_pci_read(virtio_blk.function, PCI_VENDOR_ID, 2) == 0x1af4 &&
	       nucleus_pci_read(nvme.function, PCI_CLASS - 1, 4) >> 8 == 0x010802;
}

/* Elsewhere ACPI does not say where ports are. */
static bool ports_there(void)
{
	return ARCH_PORTS > 0 && there();
}

KTEST_SUITE(pulled, KTEST("a virtio disk", pulled_virtio_blk, .fits = there),
	    KTEST("a virtio source of random numbers", pulled_virtio_rng, .fits = there),
	    KTEST("a virtio network card", pulled_virtio_net, .fits = there),
	    KTEST("an NVMe disk", pulled_nvme, .fits = there), KTEST("a SATA disk", pulled_ahci, .fits = there),
	    KTEST("a serial card", pulled_serial, .fits = ports_there));

#endif
