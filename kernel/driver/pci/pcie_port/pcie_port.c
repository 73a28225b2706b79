/* SPDX-License-Identifier: MIT */
/*
 * The slot of a PCI Express port: what is plugged in is switched on and looked for, what is to go or is gone has its
 * devices taken away (PCIe Base 4.0, 6.7). The bus does that in a thread of its own (pci_below_ask), so that a driver
 * that does not come back holds nobody up here.
 *
 *	OFF ──(present: power, link)──> ON ──(button, pulled out, no link, power fault)──> GOING ──(done)──> OFF
 *
 * The button means "now": nobody is given five seconds to think better of it. What the driver knows of its slot is kept
 * when it begins anew, and so is what is in the slot: detaching leaves power and light alone. Each step changes what is
 * kept last and at once, so one that a fault left is made again.
 */
#include "slot_regs.h"

#include <abi/errno.h>
#include <kernel/base/clock.h>
#include <kernel/base/log.h>
#include <kernel/bus/pci.h>
#include <kernel/device/irq.h>
#include <kernel/mem/slab.h>
#include <kernel/thread/component.h>

/* Who holds the power of others' devices. */
DEFINE_COMPONENT(pcie_port, .asks_devices = true, .keeps_devices = true,
		 .users = "what is behind the port goes on; what is plugged meanwhile is seen a pause later");

/* How long a command may take (6.7.3.2), a link to come up, and what is behind it until it answers (6.6.1). */
constexpr uint64_t COMMAND_NS = 1'000'000'000, LINK_NS = 1'000'000'000, ANSWER_NS = 100'000'000, LOOK_NS = 1'000'000;
/* Without an interrupt the slot is looked at so often. */
constexpr uint64_t POLL_NS = 500'000'000;
/* Events that come while they are read are read again; more is a port that never stops. */
constexpr unsigned EVENT_LOOKS_MAX = 16;

enum state : uint16_t { OFF, ON, GOING };

/* What is kept while there is the port: where its slot is, and STATUS_EVENTS about which nothing was done yet. */
struct kept {
	struct resource resource;
	struct now {
		alignas(uint32_t) enum state state;
		uint16_t events;
	} now;
};

struct port {
	struct irq irq;
	uint32_t slot, can;
	struct kept *kept;
	bool polled;
};

static void forget(struct resource *r)
{
	kfree(container_of(r, struct kept, resource));
}

static const struct resource_ops kept_ops = {
	.name = "slot", .component = &component_pcie_port, .release = forget, .gone = forget};

static void become(struct port *p, enum state state, uint32_t events)
{
	struct now now = {state, (uint16_t)events};

	__atomic_store(&p->kept->now, &now, __ATOMIC_RELAXED);
}

static uint32_t status(const struct device *dev, const struct port *p)
{
	return pci_config_read(dev, p->slot + PCIE_SLOT_STATUS, 2);
}

static bool is_present(const struct device *dev, const struct port *p)
{
	uint32_t now = status(dev, p);

	return now != 0xffff && (now & STATUS_PRESENT) != 0;
}

static void write(struct device *dev, uint32_t reg, uint32_t value)
{
	if (pci_config_write(dev, reg, 2, value) < 0)
		device_fail(dev, "the slot's registers are refused");
}

/* Takes what happened; a port whose registers are all ones is gone itself. */
static void take_events(struct device *dev, struct port *p)
{
	for (unsigned looks = 0; looks < EVENT_LOOKS_MAX; looks++) {
		uint32_t now = status(dev, p), events = now & STATUS_EVENTS;

		if (now == 0xffff || events == 0)
			return;
		become(p, p->kept->now.state, p->kept->now.events | events);
		write(dev, p->slot + PCIE_SLOT_STATUS, events);
	}
}

/* Parks, whoever wakes the thread meanwhile. */
static void pause(uint64_t ns)
{
	uint64_t end = clock_monotonic_ns() + ns;
	bool woken = false;

	while (clock_monotonic_ns() < end)
		woken |= thread_park(end) == 0;
	if (woken)
		thread_unpark(thread_current());
}

/* One command at a time. */
static void control(struct device *dev, struct port *p, uint32_t clear, uint32_t set)
{
	uint32_t before = pci_config_read(dev, p->slot + PCIE_SLOT_CONTROL, 2);
	uint64_t end = clock_monotonic_ns() + COMMAND_NS;

	if (before == 0xffff || ((before & ~clear) | set) == before)
		return;
	write(dev, p->slot + PCIE_SLOT_STATUS, STATUS_COMPLETED);
	write(dev, p->slot + PCIE_SLOT_CONTROL, (before & ~clear) | set);
	while ((p->can & SLOT_COMPLETES_NOTHING) == 0 && (status(dev, p) & STATUS_COMPLETED) == 0 &&
	       clock_monotonic_ns() < end)
		pause(LOOK_NS);
	write(dev, p->slot + PCIE_SLOT_STATUS, STATUS_COMPLETED);
}

static void light(struct device *dev, struct port *p, uint32_t what)
{
	if ((p->can & SLOT_HAS_POWER_LIGHT) != 0)
		control(dev, p, CONTROL_LIGHT, what);
}

static void switch_off(struct device *dev, struct port *p)
{
	if ((p->can & SLOT_HAS_POWER) != 0)
		control(dev, p, 0, CONTROL_POWER_OFF);
	light(dev, p, CONTROL_LIGHT_OFF);
}

/* False: it has no link. */
static bool switch_on(struct device *dev, struct port *p)
{
	uint64_t end = clock_monotonic_ns() + LINK_NS;

	light(dev, p, CONTROL_LIGHT_BLINKS);
	if ((p->can & SLOT_HAS_POWER) != 0)
		control(dev, p, CONTROL_POWER_OFF, 0);
	while (!pci_slot_is_there(dev) && clock_monotonic_ns() < end)
		pause(LOOK_NS);
	if (!pci_slot_is_there(dev)) {
		log_warn("pcie_port: %s: what is in slot %u has no link", device_name(dev),
			 p->can >> SLOT_NUMBER_SHIFT);
		switch_off(dev, p);
		return false;
	}
	pause(ANSWER_NS);
	light(dev, p, CONTROL_LIGHT_ON);
	return true;
}

static bool leave_off(struct device *dev, struct port *p, uint32_t events)
{
	bool coming = is_present(dev, p) && (events & (STATUS_BUTTON | STATUS_PRESENCE)) != 0;

	/* Should a fault come now, attach finds that something is present. */
	become(p, OFF, 0);
	if (!coming)
		return false;
	coming = switch_on(dev, p);
	/* That its link came up is no news. What came meanwhile is what is looked for below. */
	take_events(dev, p);
	if (coming)
		pci_below_ask(dev, PCI_BELOW_THERE);
	become(p, coming ? ON : OFF, p->kept->now.events & ~(uint32_t)(STATUS_LINK | STATUS_PRESENCE));
	return p->kept->now.events != 0;
}

static bool leave_on(struct device *dev, struct port *p, uint32_t events)
{
	bool other = !pci_slot_is_there(dev) || (events & ~(uint32_t)STATUS_BUTTON) != 0;

	if (events == 0 && !other)
		return false;
	light(dev, p, CONTROL_LIGHT_BLINKS);
	pci_below_ask(dev, PCI_BELOW_GONE);
	/* Should something be there, it is another: to be switched on when the first is gone. */
	become(p, GOING, other ? STATUS_PRESENCE : 0);
	return true;
}

/* What to do now. True: look again at once. */
static bool step(struct device *dev, struct port *p)
{
	uint32_t events = p->kept->now.events;

	switch (p->kept->now.state) {
	case OFF: return leave_off(dev, p, events);
	case ON: return leave_on(dev, p, events);
	case GOING:
		if (!pci_below_done(dev))
			return false;
		switch_off(dev, p);
		become(p, OFF, events);
		return true;
	}
	return false;
}

static void serve(struct device *dev)
{
	struct port *p = device_private(dev);

	while (!device_stopping(dev)) {
		do
			take_events(dev, p);
		while (step(dev, p));
		irq_done(&p->irq);
		(void)irq_wait(&p->irq, p->polled ? clock_monotonic_ns() + POLL_NS : 0);
	}
}

/* Where the slot is, if nobody has known that before. What is behind it was switched on by firmware. */
static int begin(struct device *dev, struct port *p)
{
	struct resource *known = device_kept(dev, &kept_ops, nullptr);

	p->kept = known != nullptr ? container_of(known, struct kept, resource) : kmalloc(sizeof(*p->kept));
	if (p->kept == nullptr)
		return -ENOMEM;
	if (known != nullptr)
		return 0;
	*p->kept = (struct kept){};
	/* Nobody listened to what its registers tell yet. */
	take_events(dev, p);
	become(p, pci_below_any(dev) && pci_slot_is_there(dev) ? ON : OFF, 0);
	if (p->kept->now.state == ON)
		pci_below_ask(dev, PCI_BELOW_THERE);
	int error = device_own(dev, &p->kept->resource, &kept_ops);
	if (error < 0)
		kfree(p->kept);
	return error;
}

static int attach(struct device *dev)
{
	struct port *p = device_private(dev);

	p->slot = pci_slot(dev);
	p->can = pci_config_read(dev, p->slot + PCIE_SLOT_CAPABILITIES, 4);
	/* Where firmware keeps plugging to itself (a PC, by ACPI's GPEs and AML) slots say nothing: hands off. It is
	 * asked twice: something may just come. */
	if (!is_present(dev, p) && pci_below_answers(dev) && !is_present(dev, p)) {
		log_info("pcie_port: %s: slot %u does not say what is in it", device_name(dev),
			 p->can >> SLOT_NUMBER_SHIFT);
		return -ENODEV;
	}
	int error = begin(dev, p);
	if (error < 0)
		return error;
	error = irq_open(dev, 0, &p->irq);
	p->polled = error < 0;
	if (p->polled)
		log_warn("pcie_port: %s has no interrupt (%d): its slot is looked at now and then", device_name(dev),
			 error);
	/* What is there and not switched on is as if it came now. */
	if (p->kept->now.state == OFF && is_present(dev, p))
		become(p, OFF, p->kept->now.events | STATUS_PRESENCE);
	control(dev, p, CONTROL_COMPLETION, CONTROL_EVENTS | CONTROL_INTERRUPT);
	return 0;
}

static void detach(struct device *dev)
{
	struct port *p = device_private(dev);

	control(dev, p, CONTROL_EVENTS | CONTROL_INTERRUPT, 0);
}

/* Any bridge (class 06, subclass 04) with such a slot. */
static const struct pci_match ports[] = {
	{.vendor = PCI_ANY, .device = PCI_ANY, .class = 0x060400, .class_mask = 0xffff00, .plugs = true}, {}};

DRIVER(pcie_port, .component = &component_pcie_port, .bus = &pci_bus, .match = ports,
       .private_bytes = sizeof(struct port), .wants = WANTS_IRQ, .attach = attach, .serve = serve, .detach = detach);
