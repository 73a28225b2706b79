/* SPDX-License-Identifier: MIT */
/*
 * NVMe controllers on PCI (NVM Express Base 2.0; NVMe over PCIe Transport 1.0). Each CPU has a pair of queues as far as
 * the controller allots them, and each pair a thread on that CPU that its own message wakes, as far as there are
 * messages. Pairs without one share the first interrupt with the admin commands, and the device's thread looks at them;
 * so it is also on a machine that has only one message, or a wire.
 */
#include "nvme.h"

#include <abi/errno.h>
#include <kernel/base/clock.h>
#include <kernel/base/fault_point.h>
#include <kernel/base/init.h>
#include <kernel/base/log.h>
#include <kernel/bus/pci.h>
#include <lib/types.h>

DEFINE_COMPONENT(
	nvme, .asks_devices = true,
	.users =
		"open disks stay; requests wait and are given again, each as a whole, or are EIO after several attempts");

constexpr uint64_t THREADS_NS = 60'000'000'000;
constexpr unsigned ADMIN_ENTRIES = 32;

/* --- pairs and their threads --- */

/* The thread of a pair. One that gets no interrupt leaves the pair to the device's thread. */
static void serve_pair(struct device *dev, void *arg)
{
	struct pair *p = arg;
	uint32_t cpu = (p->number - 1) % boot_info()->cpu_count;
	int error = irq_open(dev, p->number, &p->irq);

	if (error == 0)
		error = irq_affinity(&p->irq, cpu);
	__atomic_store_n(&p->opened, error == 0 ? PAIR_HAS_INTERRUPT : PAIR_SHARES, __ATOMIC_RELEASE);
	device_wake(dev);
	while (!device_stopping(dev)) {
		/* Lost: nobody looks before the block floor loses patience with a request. */
		if (error == 0 && pair_was_told(p) && !FAULT_POINT_DUE(driver_nvme_interrupt))
			pair_serve(p);
		(void)irq_wait(&p->irq, 0);
	}
}

void pair_wake(struct pair *p)
{
	if (pair_opened(p) == PAIR_HAS_INTERRUPT)
		device_thread_wake(p->thread);
	else
		device_wake(p->nvme->dev);
}

void nvme_late(struct device *dev, uint64_t given_ns)
{
	struct nvme *n = device_private(dev);

	for (unsigned i = 0; i < n->pair_count; i++) {
		struct pair *p = &n->pairs[i];

		__atomic_store_n(&p->late_ns, given_ns, __ATOMIC_RELEASE);
	}
	device_wake(dev);
}

static int start_threads(struct nvme *n)
{
	uint64_t deadline = clock_monotonic_ns() + THREADS_NS;
	unsigned messages = pci_interrupts(n->dev);
	int error = 0;

	for (unsigned i = 0; i < n->pair_count && error == 0; i++) {
		struct pair *p = &n->pairs[i];

		if (p->number < messages)
			error = device_thread_start(n->dev, device_name(n->dev), serve_pair, p, &p->thread);
		else
			p->opened = PAIR_SHARES;
	}
	for (unsigned i = 0; i < n->pair_count && error == 0;) {
		if (pair_opened(&n->pairs[i]) == PAIR_OPENING)
			error = device_wait(n->dev, deadline);
		else
			i++;
	}
	return error;
}

static int open_pairs(struct nvme *n)
{
	uint32_t entries = MIN(n->can.entries_max, (uint32_t)QUEUE_ENTRIES);
	unsigned wanted = MIN(boot_info()->cpu_count, DISK_QUEUES_MAX), allotted = 0;
	int error = nvme_ask_for_pairs(n, wanted, &allotted);

	while (error == 0 && n->pair_count < allotted) {
		error = pair_open(n, &n->pairs[n->pair_count], n->pair_count + 1, entries, REQUESTS_MAX,
				  DISK_PIECES_MAX);
		if (error == 0)
			n->pair_count++;
	}
	/* Doorbells that are out of reach: with fewer pairs it works, too. */
	if (error == -ENOSPC && n->pair_count > 0)
		error = 0;
	if (error == 0)
		error = start_threads(n);
	for (unsigned i = 0; i < n->pair_count && error == 0; i++) {
		const struct pair *p = &n->pairs[i];

		error = nvme_create_pair(n, p, pair_opened(p) == PAIR_HAS_INTERRUPT ? p->number : 0);
	}
	return error;
}

/* --- the device --- */

static int refuse(const struct nvme *n, const char *wrong)
{
	log_error("%s: not usable as an NVMe controller: %s", device_name(n->dev), wrong);
	return -ENODEV;
}

static int read_capabilities(struct nvme *n)
{
	if (n->registers.is_port || n->registers.bytes <= NVME_DOORBELLS)
		return refuse(n, "it has no room for its registers");
	const char *wrong = nvme_read_capabilities(mmio_read64(&n->registers, NVME_CAP), &n->can);
	return wrong != nullptr ? refuse(n, wrong) : 0;
}

static int read_controller(struct nvme *n)
{
	int error = dma_alloc(n->dev, NVME_IDENTIFY_BYTES, &n->data);

	if (error == 0)
		error = nvme_identify(n, NVME_CNS_CONTROLLER, 0, nullptr);
	if (error < 0)
		return error;
	const char *wrong = nvme_read_controller(n->data.at, &n->facts);
	return wrong != nullptr ? refuse(n, wrong) : 0;
}

static int bring_up(struct nvme *n)
{
	struct device *dev = n->dev;
	int error = mmio_map(dev, 0, &n->registers);

	if (error == 0)
		error = read_capabilities(n);
	if (error == 0)
		error = nvme_stop(n);
	if (error == 0)
		error = pci_master(dev);
	if (error == 0)
		error = pair_open(n, &n->admin, 0, ADMIN_ENTRIES, ADMIN_REQUESTS, 0);
	if (error == 0)
		error = irq_open(dev, 0, &n->admin.irq);
	if (error == 0)
		error = nvme_start(n);
	if (error == 0)
		error = read_controller(n);
	if (error == 0)
		error = open_pairs(n);
	if (error == 0)
		error = nvme_ask_for_events(n);
	return error < 0 ? error : namespaces_register(n);
}

static void leave(struct nvme *n)
{
	if (device_ends(n->dev))
		nvme_shut_down(n);
	(void)nvme_stop(n);
}

static int attach(struct device *dev)
{
	struct nvme *n = device_private(dev);

	n->dev = dev;
	int error = bring_up(n);
	/* It may have got far, and power may be going; who is not attached is not detached. */
	if (error < 0 && n->started)
		leave(n);
	return error;
}

static void serve(struct device *dev)
{
	struct nvme *n = device_private(dev);

	while (!device_stopping(dev)) {
		(void)pair_look(&n->admin);
		for (unsigned i = 0; i < n->pair_count; i++)
			if (pair_opened(&n->pairs[i]) == PAIR_SHARES && !FAULT_POINT_DUE(driver_nvme_interrupt))
				pair_serve(&n->pairs[i]);
		uint64_t late_ns = pairs_look_late(n), ask_ns = namespaces_ask_again(n);
		nvme_abort_late(n);
		pairs_judge_late(n, irq_done(&n->admin.irq));
		/* 0 is never. */
		(void)irq_wait(&n->admin.irq, MIN(late_ns - 1, ask_ns - 1) + 1);
	}
}

static void detach(struct device *dev)
{
	leave(device_private(dev));
}

static const struct pci_match matches[] = {
	{PCI_ANY, PCI_ANY, .class = 0x010802, .class_mask = 0xffffff}, /* mass storage, non-volatile memory, NVMe */
	{},
};

DRIVER(nvme, .component = &component_nvme, .bus = &pci_bus, .match = matches, .private_bytes = sizeof(struct nvme),
       .wants = WANTS_MMIO | WANTS_IRQ | WANTS_DMA, .hears_of_power = true, .attach = attach, .serve = serve,
       .detach = detach);
