/* SPDX-License-Identifier: MIT */
/*
 * Network cards of Intel's 82574 family (82574 GbE Controller Family Datasheet, revision 3.4): one ring each way. The
 * driver's thread takes what has arrived, with interrupts masked as long as there is more; frames are sent by whoever
 * has them sent, in its own thread. The device checks sums of what it receives.
 */
#include "e1000e.h"

#include <abi/errno.h>
#include <kernel/base/clock.h>
#include <kernel/base/fault_point.h>
#include <kernel/base/log.h>
#include <kernel/bus/pci.h>
#include <kernel/thread/component.h>
#include <lib/string.h>
#include <lib/types.h>

DEFINE_COMPONENT(
	e1000e, .asks_devices = true,
	.users =
		"interfaces, addresses and connections stay; frames under way are lost, and for a moment there is no carrier");

/* After which buffers that were not to be had are asked for again; after which what the device sends is looked at
 * although it said nothing; how long a reset may take, what was under way before it,
 * and an interrupt that is moderated. */
constexpr uint64_t LACK_NS = 50'000'000, SENDING_NS = 500'000'000, RESET_NS = 1'000'000'000, QUIET_NS = 100'000'000,
		   HELD_NS = 1'000'000;
enum : uint32_t { BETWEEN_INTERRUPTS = 195 /* of 256 ns: 20,000 in a second */ };

static void filter_changed(struct device *dev, void *)
{
	struct card *c = device_private(dev);

	__atomic_store_n(&c->filter_wanted, true, __ATOMIC_RELEASE);
	device_wake(dev);
}

static const struct netdev_ops ops = {
	.component = &component_e1000e, .transmit = e1000e_sender_transmit, .filter = filter_changed};

/* What was under way ends, and then all of it is as after power-on but for the address (4.6.3.2). */
static int reset(struct device *dev, const struct card *c)
{
	const struct mmio *m = &c->registers;

	if (mmio_read32(m, E1000E_STATUS) == E1000E_GONE)
		return -EIO;
	mmio_write32(m, E1000E_IMC, UINT32_MAX);
	mmio_write32(m, E1000E_RCTL, 0);
	mmio_write32(m, E1000E_TCTL, 0);
	mmio_write32(m, E1000E_CTRL, mmio_read32(m, E1000E_CTRL) | E1000E_CTRL_MASTER_DISABLE);
	(void)mmio_wait32(m, E1000E_STATUS, E1000E_STATUS_MASTER, 0, clock_monotonic_ns() + QUIET_NS);
	/* A message that is held back goes before messages are switched off, or is forgotten: only time tells (no value
	 * has a bit outside of no mask). */
	(void)mmio_wait32(m, E1000E_STATUS, 0, 1, clock_monotonic_ns() + HELD_NS);
	mmio_write32(m, E1000E_CTRL, mmio_read32(m, E1000E_CTRL) | E1000E_CTRL_RESET);
	if (!mmio_wait32(m, E1000E_CTRL, E1000E_CTRL_RESET, 0, clock_monotonic_ns() + RESET_NS)) {
		log_error("%s: the card does not come back from a reset", device_name(dev));
		return -EIO;
	}
	mmio_write32(m, E1000E_IMC, UINT32_MAX);
	mmio_write32(m, E1000E_ICR, mmio_read32(m, E1000E_ICR));
	return 0;
}

static void set_filter(struct card *c)
{
	const struct mmio *m = &c->registers;
	uint32_t control = c->receive_control & ~(E1000E_RCTL_PROMISCUOUS | E1000E_RCTL_ALL_MULTICAST);
	uint32_t table[E1000E_MTA_WORDS] = {};
	struct netdev_filter f;

	if (!__atomic_exchange_n(&c->filter_wanted, false, __ATOMIC_ACQUIRE))
		return;
	netdev_get_filter(c->net, &f);
	for (uint32_t i = 0; i < f.count; i++) {
		uint32_t hash = e1000e_hash(f.addresses[i]);

		table[hash / 32] |= 1u << hash % 32;
	}
	for (uint32_t i = 0; i < E1000E_MTA_WORDS; i++)
		mmio_write32(m, E1000E_MTA + i * sizeof(uint32_t), table[i]);
	control |= (f.promiscuous ? E1000E_RCTL_PROMISCUOUS : 0) | (f.all_multicast ? E1000E_RCTL_ALL_MULTICAST : 0);
	mmio_write32(m, E1000E_RCTL, c->receive_control = control);
}

static void look_at_link(struct card *c)
{
	uint32_t status = mmio_read32(&c->registers, E1000E_STATUS);

	if (status == E1000E_GONE)
		return;
	c->link = status & E1000E_STATUS_LINK;
	netdev_link(c->net, c->link, c->link ? e1000e_mbit(status) : 0, status & E1000E_STATUS_FULL_DUPLEX);
}

static int register_card(struct device *dev, struct card *c)
{
	struct netdev_config config = {};

	if (!e1000e_address(mmio_read32(&c->registers, E1000E_RAL), mmio_read32(&c->registers, E1000E_RAH),
			    config.address)) {
		log_error("%s: not usable as a network card: it has no address", device_name(dev));
		return -ENODEV;
	}
	return netdev_register(dev, &ops, &config, &c->net);
}

/* The rings are there, and all else is told. */
static void start(struct card *c)
{
	const struct mmio *m = &c->registers;

	mmio_write32(m, E1000E_CTRL, mmio_read32(m, E1000E_CTRL) | E1000E_CTRL_SET_LINK_UP);
	mmio_write32(m, E1000E_RXCSUM, E1000E_RXCSUM_USUAL);
	mmio_write32(m, E1000E_IVAR, E1000E_IVAR_ALL_FIRST);
	mmio_write32(m, E1000E_ITR, BETWEEN_INTERRUPTS);
	mmio_write32(m, E1000E_EITR, BETWEEN_INTERRUPTS);
	mmio_write32(m, E1000E_TIPG, E1000E_TIPG_USUAL);
	mmio_write32(m, E1000E_TCTL, E1000E_TCTL_ENABLE | E1000E_TCTL_PAD | E1000E_TCTL_USUAL);
	c->receive_control = E1000E_RCTL_ENABLE | E1000E_RCTL_BROADCAST | E1000E_RCTL_STRIP_CRC;
	mmio_write32(m, E1000E_RCTL, c->receive_control);
	e1000e_receiver_fill(c);
	c->filter_wanted = true;
	set_filter(c);
	look_at_link(c);
	mmio_write32(m, E1000E_IMS, E1000E_INTS);
}

static int attach(struct device *dev)
{
	struct card *c = device_private(dev);
	int error = mmio_map(dev, 0, &c->registers);

	if (error == 0 && c->registers.bytes < E1000E_REGISTERS) {
		log_error("%s: not usable as a network card: it has no room for its registers", device_name(dev));
		error = -ENODEV;
	}
	if (error == 0)
		error = reset(dev, c);
	if (error == 0)
		error = pci_master(dev);
	if (error == 0)
		error = e1000e_receiver_open(dev, c);
	if (error == 0)
		error = e1000e_sender_open(dev, c);
	if (error == 0)
		error = irq_open(dev, 0, &c->irq);
	if (error == 0)
		error = register_card(dev, c);
	if (error == 0)
		start(c);
	return error;
}

/* The earlier of a deadline, or none (0), and so much time from now. */
static uint64_t at_latest(uint64_t deadline, uint64_t ns)
{
	uint64_t then = clock_monotonic_ns() + ns;

	return deadline == 0 ? then : MIN(deadline, then);
}

/* What the interrupt was for; nobody is interrupted before serve has done it. */
static uint32_t begin(const struct card *c)
{
	mmio_write32(&c->registers, E1000E_IMC, UINT32_MAX);
	uint32_t why = mmio_read32(&c->registers, E1000E_ICR);
	mmio_write32(&c->registers, E1000E_ICR, why);
	return why == E1000E_GONE ? 0 : why;
}

static void count_missed(const struct card *c)
{
	uint32_t missed = mmio_read32(&c->registers, E1000E_MPC);

	if (missed != 0 && missed != E1000E_GONE)
		netdev_count_missed(c->net, missed);
}

static void serve(struct device *dev)
{
	struct card *c = device_private(dev);

	while (!device_stopping(dev)) {
		uint32_t why = begin(c);

		/* Lost: nothing is looked at before the next. */
		if (!FAULT_POINT_DUE(driver_e1000e_interrupt)) {
			bool more;

			do {
				more = e1000e_sender_look(c);
				more |= e1000e_receiver_look(c);
			} while (more && !device_stopping(dev));
			if (why & E1000E_INT_LINK)
				look_at_link(c);
			if (why & E1000E_INT_OVERRUN)
				count_missed(c);
		}
		e1000e_receiver_fill(c);
		set_filter(c);
		/* What came since it was looked at last interrupts now. */
		mmio_write32(&c->registers, E1000E_IMS, E1000E_INTS);
		if (e1000e_receiver_has(c))
			continue;
		uint64_t deadline = e1000e_sender_is_busy(dev, c) ? at_latest(0, SENDING_NS) : 0;
		if (e1000e_receiver_lacks(c))
			deadline = at_latest(deadline, LACK_NS);
		irq_done(&c->irq);
		(void)irq_wait(&c->irq, deadline);
	}
}

static void detach(struct device *dev)
{
	(void)reset(dev, device_private(dev));
}

static const struct pci_match matches[] = {
	{.vendor = 0x8086, .device = 0x10d3}, /* 82574L */
	{.vendor = 0x8086, .device = 0x10f6}, /* 82574LA */
	{.vendor = 0x8086, .device = 0x150c}, /* 82583V */
	{},
};

DRIVER(e1000e, .component = &component_e1000e, .bus = &pci_bus, .match = matches, .private_bytes = sizeof(struct card),
       .wants = WANTS_MMIO | WANTS_IRQ | WANTS_DMA, .hears_of_power = true, .attach = attach, .serve = serve,
       .detach = detach);
