/* SPDX-License-Identifier: MIT */
/*
 * AHCI controllers on PCI, and the ATA disks at their ports (Serial ATA AHCI 1.3.1). One interrupt tells of all ports,
 * and the device's thread sees to them. A disk that is pulled out, or put in, is one that goes or comes; its neighbours
 * do not notice. Drives of removable media, port multipliers and enclosures are left alone.
 */
#include "ahci.h"

#include <abi/errno.h>
#include <kernel/base/clock.h>
#include <kernel/base/fault_point.h>
#include <kernel/base/log.h>
#include <kernel/bus/pci.h>
#include <lib/types.h>

DEFINE_COMPONENT(
	ahci, .asks_devices = true,
	.users =
		"open disks stay; requests wait and are given again, each as a whole, or are EIO after several attempts");

constexpr unsigned ABAR = 5;					     /* 2.1.11 */
constexpr uint64_t RESET_NS = 1'000'000'000;			     /* 10.4.3 */
constexpr uint64_t HANDOFF_NS = 25'000'000, BUSY_NS = 2'000'000'000; /* 10.6.3 */
constexpr uint64_t EMPTY_NS = 20'000'000; /* after a reset, until what is there shows (SATA 8.4.1: 10 ms) */
constexpr uint64_t STEP_NS = 10'000'000;
constexpr uint64_t ATTACH_NS = 90'000'000'000; /* until disks that are there have come, or are left out */
constexpr uint64_t SLEEP_NS = 10'000'000'000;  /* until what disks have in their caches is on the media */
constexpr uint32_t NOBODY = UINT32_MAX;	       /* what is read where no device is (PCI Express Base 5.0, 2.3.2) */

bool ahci_is_well(struct ahci *a)
{
	bool there = mmio_read32(&a->registers, AHCI_GHC) != NOBODY;

	if (!there)
		device_fail(a->dev, "the controller is not there any more");
	return there;
}

/* As if it had not been told. */
static void lose(struct ahci *a, uint32_t ports)
{
	for (uint32_t left = ports & a->ports_there; left != 0; left &= left - 1)
		port_write(&a->ports[__builtin_ctz(left)], AHCI_PXIS, UINT32_MAX);
	mmio_write32(&a->registers, AHCI_IS, ports);
}

void ahci_look(struct ahci *a)
{
	uint32_t ports = mmio_read32(&a->registers, AHCI_IS);

	if (ports == NOBODY && !ahci_is_well(a))
		return;
	if (ports != 0 && FAULT_POINT_DUE(driver_ahci_interrupt)) {
		lose(a, ports);
		return;
	}
	/* All of them if something is looked for: it may not have been told of. */
	for (uint32_t left = (a->looked_for_ns != 0 ? UINT32_MAX : ports) & a->ports_there; left != 0; left &= left - 1)
		port_look(&a->ports[__builtin_ctz(left)]);
	/* After what the ports told: else they would tell of it again (10.7.2.1). */
	if (ports != 0)
		mmio_write32(&a->registers, AHCI_IS, ports);
}

void ahci_late(struct device *dev, uint64_t given_ns)
{
	struct ahci *a = device_private(dev);

	__atomic_store_n(&a->late_ns, given_ns, __ATOMIC_RELEASE);
	device_wake(dev);
}

/* --- the device's work --- */

/* Of what was late some was done, although nobody was told; or it never will be. */
static void judge_late(struct ahci *a, uint64_t given_ns, uint32_t came)
{
	unsigned found = 0;

	if (!ahci_is_well(a))
		return;
	for (uint32_t left = a->ports_there; left != 0; left &= left - 1) {
		struct port *p = &a->ports[__builtin_ctz(left)];

		found += p->found_late;
		p->found_late = 0;
		port_recover_late(p, given_ns);
	}
	if (found == 0)
		return;
	log_warn("%s: a late answer was there, perhaps without an interrupt", device_name(a->dev));
	/* One may be on its way just when it is found by chance. */
	a->untold = came > 0 ? 0 : a->untold + 1;
	if (a->untold > 1)
		device_fail(a->dev, "an interrupt was lost");
}

static void attend(struct port *p)
{
	uint32_t events = p->events;

	p->events = 0;
	if (events & AHCI_INT_PLUG)
		port_plugged(p);
	else if (events & AHCI_INT_ERRORS)
		port_recover(p, events, false);
}

/* Everything there is to do now. Whether there is more, soon: something is coming at a port, or has gone meanwhile. */
static bool work(struct ahci *a)
{
	bool coming = false;

	for (uint32_t left = a->ports_there; left != 0; left &= left - 1) {
		struct port *p = &a->ports[__builtin_ctz(left)];

		if (p->events != 0)
			attend(p);
		if (port_state(p) != PORT_UP && !device_stopping(a->dev) && port_step(p) < 0)
			device_fail(a->dev, "a disk cannot be registered");
		coming |= port_state(p) == PORT_COMING || p->events != 0;
	}
	return coming;
}

static void serve(struct device *dev)
{
	struct ahci *a = device_private(dev);

	while (!device_stopping(dev)) {
		a->looked_for_ns = __atomic_exchange_n(&a->late_ns, 0, __ATOMIC_ACQ_REL);
		ahci_look(a);
		uint32_t came = irq_done(&a->irq);
		uint64_t late_ns = a->looked_for_ns;

		a->looked_for_ns = 0;
		bool more = work(a);
		if (late_ns != 0) {
			judge_late(a, late_ns, came + a->came);
			/* It may have found that a disk is not there any more. */
			more = true;
		}
		a->came = came;
		(void)irq_wait(&a->irq, more ? clock_monotonic_ns() + STEP_NS : 0);
	}
}

/* --- it comes up --- */

static int refuse(const struct ahci *a, const char *wrong)
{
	log_error("%s: not usable as an AHCI controller: %s", device_name(a->dev), wrong);
	return -ENODEV;
}

/* From the firmware, if that has it (10.6.3). One that does not answer loses it all the same. */
static void take_over(const struct ahci *a)
{
	const struct mmio *m = &a->registers;

	if (!(mmio_read32(m, AHCI_CAP2) & AHCI_CAP2_HANDOFF) || !(mmio_read32(m, AHCI_BOHC) & AHCI_BOHC_FIRMWARE))
		return;
	mmio_write32(m, AHCI_BOHC, mmio_read32(m, AHCI_BOHC) | AHCI_BOHC_SYSTEM);
	if (mmio_wait32(m, AHCI_BOHC, AHCI_BOHC_FIRMWARE, 0, clock_monotonic_ns() + HANDOFF_NS))
		return;
	if ((mmio_read32(m, AHCI_BOHC) & AHCI_BOHC_BUSY) == 0 ||
	    !mmio_wait32(m, AHCI_BOHC, AHCI_BOHC_FIRMWARE, 0, clock_monotonic_ns() + BUSY_NS))
		log_warn("%s: the firmware does not hand it over", device_name(a->dev));
}

static int reset(const struct ahci *a)
{
	const struct mmio *m = &a->registers;

	if (mmio_read32(m, AHCI_GHC) == NOBODY)
		return -EIO;
	mmio_write32(m, AHCI_GHC, AHCI_GHC_ENABLE);
	mmio_write32(m, AHCI_GHC, AHCI_GHC_ENABLE | AHCI_GHC_RESET);
	if (!mmio_wait32(m, AHCI_GHC, AHCI_GHC_RESET, 0, clock_monotonic_ns() + RESET_NS)) {
		log_error("%s: the controller does not come back from a reset: %#x", device_name(a->dev),
			  mmio_read32(m, AHCI_GHC));
		return -EIO;
	}
	mmio_write32(m, AHCI_GHC, AHCI_GHC_ENABLE);
	return 0;
}

/* What the firmware wrote of ports and what they can does not outlive a reset everywhere (3.1.1, 3.1.4: set by it). */
static int read_capabilities(struct ahci *a)
{
	const struct mmio *m = &a->registers;

	if (m->bytes < AHCI_PORTS)
		return refuse(a, "it has no room for its registers");
	a->ports_there = mmio_read32(m, AHCI_PI);
	const char *wrong = ahci_read_capabilities(mmio_read32(m, AHCI_CAP), a->ports_there, m->bytes, &a->can);
	return wrong != nullptr ? refuse(a, wrong) : 0;
}

static int open_ports(struct ahci *a)
{
	int error = 0;

	for (uint32_t i = 0; i < AHCI_PORTS_MAX; i++) {
		struct port *p = &a->ports[i];

		p->ahci = a;
		p->number = i;
		spin_init(&p->lock, RANK_VIRTIO);
		if (error == 0 && (a->ports_there >> i & 1) != 0)
			error = port_open(p);
	}
	return error;
}

/* Waits for disks that are there. Any that shows later is one that is put in, and so is one whose link comes and goes
 * all the time. */
static int wait_for_disks(struct ahci *a)
{
	uint64_t begin = clock_monotonic_ns();

	for (;;) {
		ahci_look(a);
		bool coming = work(a);
		uint64_t now = clock_monotonic_ns();

		if (coming && now >= begin + ATTACH_NS) {
			log_warn("%s: a disk whose link comes and goes is not waited for any longer",
				 device_name(a->dev));
			coming = false;
		}
		if (!coming && now >= begin + EMPTY_NS)
			return device_stopping(a->dev) ? -ECANCELED : 0;
		(void)irq_done(&a->irq);
		int error = irq_wait(&a->irq, now + STEP_NS);
		if (error < 0 && error != -ETIMEDOUT)
			return error;
	}
}

static int attach(struct device *dev)
{
	struct ahci *a = device_private(dev);

	a->dev = dev;
	int error = mmio_map(dev, ABAR, &a->registers);
	if (error == 0)
		error = read_capabilities(a);
	if (error < 0)
		return error;
	take_over(a);
	error = reset(a);
	if (error == 0 && !a->can.has_long_addresses)
		error = dma_limit(dev, 32);
	if (error == 0)
		error = pci_master(dev);
	if (error == 0)
		error = irq_open(dev, 0, &a->irq);
	if (error == 0)
		error = open_ports(a);
	if (error < 0)
		return error;
	mmio_write32(&a->registers, AHCI_IS, UINT32_MAX);
	mmio_write32(&a->registers, AHCI_GHC, AHCI_GHC_ENABLE | AHCI_GHC_INTERRUPTS);
	error = wait_for_disks(a);
	if (error == 0)
		disk_drop_missing(dev);
	return error;
}

/* Tells all disks, and then waits for all, so that one takes no longer for another's sake. */
static void end_power(struct ahci *a)
{
	uint32_t told = 0;

	for (uint32_t left = a->ports_there; left != 0; left &= left - 1)
		if (port_sleep(&a->ports[__builtin_ctz(left)]))
			told |= left & -left;
	uint64_t deadline_ns = clock_monotonic_ns() + SLEEP_NS;
	for (uint32_t left = told; left != 0; left &= left - 1)
		port_await_sleep(&a->ports[__builtin_ctz(left)], deadline_ns);
}

/* A reset stops all ports (10.4.3). */
static void detach(struct device *dev)
{
	struct ahci *a = device_private(dev);

	if (device_ends(dev) && mmio_read32(&a->registers, AHCI_GHC) != NOBODY)
		end_power(a);
	(void)reset(a);
}

static const struct pci_match matches[] = {
	{PCI_ANY, PCI_ANY, .class = 0x010601, .class_mask = 0xffffff}, /* mass storage, serial ATA, AHCI 1.0 */
	{},
};

DRIVER(ahci, .component = &component_ahci, .bus = &pci_bus, .match = matches, .private_bytes = sizeof(struct ahci),
       .wants = WANTS_MMIO | WANTS_IRQ | WANTS_DMA, .hears_of_power = true, .attach = attach, .serve = serve,
       .detach = detach);
