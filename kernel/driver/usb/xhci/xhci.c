/* SPDX-License-Identifier: MIT */
/*
 * xHCI controllers of USB on PCI (xHCI 1.2): the rounds of a controller, and its events. One interrupter serves all
 * that it has to say. The devices below are the bus's (kernel/bus/usb_host.h): they are halted with the controller, and
 * found again when it begins anew.
 */
#include "xhci.h"

#include <abi/errno.h>
#include <kernel/base/clock.h>
#include <kernel/base/fault_point.h>
#include <kernel/base/log.h>
#include <kernel/bus/pci.h>
#include <lib/string.h>
#include <lib/types.h>

DEFINE_COMPONENT(xhci, .asks_devices = true,
		 .users = "all devices below begin anew with it; open disks and input devices stay");

constexpr uint64_t HALT_NS = 1'000'000'000, READY_NS = 10'000'000'000, FIRMWARE_NS = 1'000'000'000;
constexpr uint32_t NOBODY = UINT32_MAX; /* what is read where no device is (PCI Express Base 5.0, 2.3.2) */
enum : uint32_t { PAGE = 4096, SCRATCHPADS_MAX = 1024 };

/* --- on and off --- */

static bool wait_status(const struct xhci *x, uint32_t reg, uint32_t mask, uint32_t value, uint64_t ns)
{
	return operational_read(x, reg) != NOBODY &&
	       mmio_wait32(&x->registers, x->can.operational + reg, mask, value, clock_monotonic_ns() + ns);
}

/* It reaches no memory (5.4.1.1); so it is of one that is gone. Registers only. */
static bool halt(struct device *dev)
{
	const struct xhci *x = device_private(dev);

	if (x->can.operational == 0)
		return true;
	operational_write(x, XHCI_USBCMD, 0);
	return operational_read(x, XHCI_USBSTS) == NOBODY ||
	       wait_status(x, XHCI_USBSTS, XHCI_HALTED, XHCI_HALTED, HALT_NS);
}

static int reset(struct xhci *x)
{
	if (!halt(x->dev))
		log_warn("%s: the controller does not halt", device_name(x->dev));
	operational_write(x, XHCI_USBCMD, XHCI_RESET);
	if (wait_status(x, XHCI_USBCMD, XHCI_RESET, 0, READY_NS) &&
	    wait_status(x, XHCI_USBSTS, XHCI_NOT_READY, 0, READY_NS))
		return 0;
	log_error("%s: the controller does not come up: status %#x", device_name(x->dev),
		  operational_read(x, XHCI_USBSTS));
	return -EIO;
}

/* Firmware that drives the controller lets go of it, and has no interrupts of it any more (7.1). */
static void take_from_firmware(const struct xhci *x, uint32_t at)
{
	const struct mmio *m = &x->registers;
	constexpr uint32_t KEPT = 0x1fee, CLEARS = 0xe0000000;

	mmio_write32(m, at, mmio_read32(m, at) | XHCI_LEGACY_SYSTEM);
	if (!mmio_wait32(m, at, XHCI_LEGACY_FIRMWARE, 0, clock_monotonic_ns() + FIRMWARE_NS))
		log_warn("%s: the firmware does not let go of the controller", device_name(x->dev));
	if (at + XHCI_LEGACY_CONTROL + 4 <= m->bytes)
		mmio_write32(m, at + XHCI_LEGACY_CONTROL, (mmio_read32(m, at + XHCI_LEGACY_CONTROL) & KEPT) | CLEARS);
}

static void look_at_extended(const struct xhci *x)
{
	constexpr unsigned STEPS = 64;
	uint32_t at = x->can.extended;

	for (unsigned n = 0; n < STEPS && at != 0; n++) {
		uint32_t word = mmio_read32(&x->registers, at);

		if ((word & 0xff) == XHCI_EXT_LEGACY)
			take_from_firmware(x, at);
		at = xhci_next_extended(at, word, x->registers.bytes);
	}
}

/* --- memory that it has --- */

/* Pages for the controller's own use (4.20): a table of their addresses, and them. */
static int give_scratchpads(struct xhci *x)
{
	uint32_t left = x->can.scratchpads, at = 0;
	uint64_t *table;

	if (left == 0)
		return 0;
	int error = dma_alloc(x->dev, left * sizeof(*table), &x->scratchpads);
	table = x->scratchpads.at;
	for (unsigned n = 0; n < ARRAY_LEN(x->pages) && left > 0 && error == 0; n++) {
		uint32_t part = MIN(left, SCRATCHPADS_MAX / (uint32_t)ARRAY_LEN(x->pages));

		error = dma_alloc(x->dev, (size_t)part * PAGE, &x->pages[n]);
		for (uint32_t k = 0; k < part && error == 0; k++)
			table[at++] = x->pages[n].address + (uint64_t)k * PAGE;
		left -= part;
	}
	if (error == 0)
		*(uint64_t *)x->pointers.at = x->scratchpads.address;
	return error;
}

static int give_memory(struct xhci *x)
{
	int error = dma_alloc(x->dev, (SLOTS_MAX + 1) * sizeof(uint64_t), &x->pointers);

	if (error == 0)
		error = give_scratchpads(x);
	if (error == 0)
		error = dma_alloc(x->dev, RING_BYTES, &x->command_memory);
	if (error == 0)
		error = dma_alloc(x->dev, EVENT_BYTES, &x->event_memory);
	if (error == 0)
		error = dma_alloc(x->dev, sizeof(struct xhci_segment), &x->segments);
	if (error < 0)
		return error;
	spin_lock(&x->lock);
	xhci_ring_begin(&x->commands, x->command_memory.at, x->command_memory.address, RING_BYTES);
	spin_unlock(&x->lock);
	xhci_events_begin(&x->events, x->event_memory.at, EVENT_BYTES);
	*(struct xhci_segment *)x->segments.at = (struct xhci_segment){
		.address = x->event_memory.address, .entries = EVENT_BYTES / sizeof(struct xhci_trb)};
	return 0;
}

static void write_address(const struct xhci *x, uint32_t at, uint64_t address)
{
	mmio_write32(&x->registers, at, (uint32_t)address);
	mmio_write32(&x->registers, at + 4, (uint32_t)(address >> 32));
}

static void tell_dequeue(const struct xhci *x)
{
	write_address(x, x->can.runtime + XHCI_ERDP,
		      (x->event_memory.address + x->events.dequeue * sizeof(struct xhci_trb)) | XHCI_ERDP_BUSY);
}

static int start(struct xhci *x)
{
	const struct mmio *m = &x->registers;
	uint32_t runtime = x->can.runtime;

	operational_write(x, XHCI_CONFIG, MIN(x->can.slots, (uint8_t)SLOTS_MAX));
	write_address(x, x->can.operational + XHCI_DCBAAP, x->pointers.address);
	spin_lock(&x->lock);
	write_address(x, x->can.operational + XHCI_CRCR, xhci_ring_dequeue(&x->commands));
	spin_unlock(&x->lock);
	mmio_write32(m, runtime + XHCI_ERSTSZ, 1);
	tell_dequeue(x);
	write_address(x, runtime + XHCI_ERSTBA, x->segments.address);
	mmio_write32(m, runtime + XHCI_IMOD, 0);
	mmio_write32(m, runtime + XHCI_IMAN, XHCI_IMAN_PENDING | XHCI_IMAN_ENABLE);
	operational_write(x, XHCI_USBCMD, XHCI_RUN | XHCI_INTERRUPTS);
	return wait_status(x, XHCI_USBSTS, XHCI_HALTED, 0, HALT_NS) ? 0 : -EIO;
}

/* --- what the bus asks for --- */

static void wake(struct device *dev)
{
	struct xhci *x = device_private(dev);

	__atomic_store_n(&x->over, true, __ATOMIC_RELEASE);
	wait_wake_all(&x->wait);
}

static const struct usb_host_ops ops = {
	.component = &component_xhci,
	.address = slot_address,
	.set_packet = slot_set_packet,
	.configure = slot_configure,
	.set_hub = slot_set_hub,
	.forget = slot_forget,
	.number = slot_number,
	.control = transfer_control,
	.submit = transfer_submit,
	.cancel = transfer_cancel,
	.port = port_status,
	.set_port = port_set,
	.halt = halt,
	.wake = wake,
};

/* --- the device --- */

static int read_capabilities(struct xhci *x)
{
	uint32_t registers[XHCI_CAPABILITY_BYTES / 4];
	const char *wrong = "it has no room for its registers";

	if (!x->registers.is_port && x->registers.bytes >= XHCI_CAPABILITY_BYTES) {
		for (unsigned n = 0; n < ARRAY_LEN(registers); n++)
			registers[n] = mmio_read32(&x->registers, 4 * n);
		wrong = xhci_read_capabilities(registers, x->registers.bytes, &x->can);
	}
	if (wrong == nullptr && !(operational_read(x, XHCI_PAGESIZE) & XHCI_PAGE_4K))
		wrong = "its pages are others";
	if (wrong == nullptr)
		return 0;
	x->can.operational = 0;
	log_error("%s: not usable as an xHCI controller: %s", device_name(x->dev), wrong);
	return -ENODEV;
}

static int attach(struct device *dev)
{
	struct xhci *x = device_private(dev);

	x->dev = dev;
	spin_init(&x->lock, RANK_WAIT - 1);
	wait_queue_init(&x->wait);
	int error = mmio_map(dev, 0, &x->registers);
	if (error == 0)
		error = read_capabilities(x);
	if (error < 0)
		return error;
	look_at_extended(x);
	error = reset(x);
	if (error == 0 && x->can.address_bits < 64)
		error = dma_limit(dev, x->can.address_bits);
	if (error == 0)
		error = pci_master(dev);
	if (error == 0)
		error = give_memory(x);
	if (error == 0)
		error = irq_open(dev, 0, &x->irq);
	if (error == 0)
		error = start(x);
	if (error == 0)
		error = usb_host_begin(dev, &ops, x->can.ports, &x->host);
	if (error < 0)
		(void)halt(dev);
	return error;
}

static void take_event(struct xhci *x, const struct xhci_trb *e)
{
	FAULT_POINT(driver_xhci_event);
	switch (xhci_type_of(e)) {
	case XHCI_TRANSFER_EVENT: xhci_transfer_event(x, e); break;
	case XHCI_COMMAND_EVENT: xhci_command_event(x, e); break;
	case XHCI_PORT_EVENT: usb_host_port_changed(x->host); break;
	case XHCI_CONTROLLER_EVENT:
		log_warn("%s: the controller tells of event %u", device_name(x->dev), xhci_completion_of(e));
		break;
	default: break;
	}
}

static void take_events(struct xhci *x)
{
	struct xhci_trb e;
	unsigned taken = 0;

	while (xhci_events_take(&x->events, &e)) {
		take_event(x, &e);
		/* Before it has no room for more. */
		if (++taken % (EVENT_BYTES / sizeof(e) / 4) == 0) {
			tell_dequeue(x);
			if (device_stopping(x->dev))
				return;
		}
	}
	tell_dequeue(x);
}

static void serve(struct device *dev)
{
	struct xhci *x = device_private(dev);

	while (!device_stopping(dev)) {
		uint32_t status = operational_read(x, XHCI_USBSTS);

		if (status == NOBODY || (status & (XHCI_HALTED | XHCI_SYSTEM_ERROR | XHCI_CONTROLLER_ERROR)) != 0) {
			device_fail(dev, status == NOBODY ? "the controller is not there any more"
							  : "the controller says that it failed");
			break;
		}
		/* Before the events are looked at: what comes afterwards is told anew (4.17.5). */
		operational_write(x, XHCI_USBSTS, XHCI_EVENT | XHCI_PORT_CHANGE);
		mmio_write32(&x->registers, x->can.runtime + XHCI_IMAN, XHCI_IMAN_PENDING | XHCI_IMAN_ENABLE);
		take_events(x);
		irq_done(&x->irq);
		(void)irq_wait(&x->irq, 0);
	}
}

static void detach(struct device *dev)
{
	(void)halt(dev);
}

static const struct pci_match matches[] = {
	{PCI_ANY, PCI_ANY, .class = 0x0c0330, .class_mask = 0xffffff}, /* serial bus, USB, xHCI */
	{},
};

DRIVER(xhci, .component = &component_xhci, .bus = &pci_bus, .match = matches, .private_bytes = sizeof(struct xhci),
       .wants = WANTS_MMIO | WANTS_IRQ | WANTS_DMA, .hears_of_power = true, .attach = attach, .serve = serve,
       .detach = detach);
