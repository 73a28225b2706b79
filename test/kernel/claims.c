/* SPDX-License-Identifier: MIT */
/* Claims of registers: who may have what, and until when. */
#include "ktest.h"

#include "irq_devices.h"
#include "pci_devices.h"

#include <abi/errno.h>
#include <kernel/bus/pci.h>
#include <kernel/mem/kmap.h>
#include <lib/pci_config.h>
#include <nucleus/device.h>

DECLARE_COMPONENT(core);
DECLARE_COMPONENT(pci);
DECLARE_COMPONENT(serial);

static long claim(uint64_t start, uint64_t size)
{
	return nucleus_device_claim(CLAIM_MEMORY, start, size, 0);
}

static void release(long handle)
{
	if (EXPECT(handle > 0))
		EXPECT_EQ(nucleus_device_release((uint64_t)handle), 0);
}

static void claim_and_release(void)
{
	uint64_t va = kmap_reserve(4);
	long h = claim(REGISTERS_UNUSED, 2 * PAGE_SIZE), again;

	EXPECT(h > 0);
	EXPECT_EQ(nucleus_device_map(va, REGISTERS_UNUSED - PAGE_SIZE, 2), -EPERM);
	EXPECT_EQ(nucleus_device_map(va, REGISTERS_UNUSED, 3), -EPERM);
	EXPECT_EQ(nucleus_device_map(va, REGISTERS_UNUSED, 2), 0);
	/* Not while they are mapped, all of them or one. */
	EXPECT_EQ(nucleus_device_release((uint64_t)h), -EBUSY);
	EXPECT_EQ(nucleus_kunmap(va, 1), 0);
	EXPECT_EQ(nucleus_device_release((uint64_t)h), -EBUSY);
	EXPECT_EQ(nucleus_kunmap(va + PAGE_SIZE, 1), 0);
	EXPECT_EQ(nucleus_device_release((uint64_t)h), 0);
	EXPECT_EQ(nucleus_device_release((uint64_t)h), -EBADF);
	EXPECT_EQ(nucleus_device_map(va, REGISTERS_UNUSED, 1), -EPERM);
	again = claim(REGISTERS_UNUSED, PAGE_SIZE);
	EXPECT(again > 0 && again != h);
	EXPECT_EQ(nucleus_device_release((uint64_t)h), -EBADF);
	release(again);
	EXPECT_EQ(nucleus_device_release(0), -EBADF);
	EXPECT_EQ(nucleus_device_release(0x1ffff), -EBADF);
	EXPECT_EQ(nucleus_device_release(UINT64_MAX), -EBADF);
}

static void nonsense(void)
{
	EXPECT_EQ(nucleus_device_claim(0, REGISTERS_UNUSED, PAGE_SIZE, 0), -EINVAL);
	EXPECT_EQ(nucleus_device_claim(CLAIM_PORT_WINDOW + 1, REGISTERS_UNUSED, PAGE_SIZE, 0), -EINVAL);
	EXPECT_EQ(nucleus_device_claim(CLAIM_MEMORY, REGISTERS_UNUSED, PAGE_SIZE, 8), -EINVAL);
	EXPECT_EQ(claim(REGISTERS_UNUSED, 0), -EINVAL);
	EXPECT_EQ(claim(UINT64_MAX - PAGE_SIZE + 1, 2 * PAGE_SIZE), -EINVAL);
	EXPECT_EQ(claim(UINT64_C(1) << 60, PAGE_SIZE), -EINVAL);
	EXPECT_EQ(nucleus_device_claim(CLAIM_PORTS, 0xffff, 2, 0), -EINVAL);
	EXPECT_EQ(nucleus_device_claim(CLAIM_FUNCTION, 0, 1, 0), -EINVAL);
	EXPECT_EQ(nucleus_device_claim(CLAIM_FUNCTION, UINT64_C(1) << 32, 0, 0), -EINVAL);
}

static void not_to_be_claimed(void)
{
	EXPECT_EQ(claim(find_frame(FRAME_KERNEL) << PAGE_SHIFT, PAGE_SIZE), -EPERM);
	EXPECT_EQ(claim(find_frame(FRAME_NUCLEUS) << PAGE_SHIFT, 8), -EPERM);
	EXPECT_EQ(claim(0, UINT64_C(1) << 40), -EPERM);
	for (uint32_t i = 0; i < boot_info()->pci_count; i++) {
		const struct pci_ecam *p = &boot_info()->pci[i];
		uint64_t va = kmap_reserve(1);

		if (p->phys == 0)
			continue;
		EXPECT_EQ(claim(p->phys, PAGE_SIZE), -EPERM);
		EXPECT_EQ(claim(p->phys + ((uint64_t)(p->last_bus - p->first_bus + 1) << 20) - 1, 1), -EPERM);
		EXPECT_EQ(nucleus_device_map(va, p->phys, 1), -EPERM);
	}
}

/* --- several components --- */

static struct attempt {
	long (*what)(struct attempt *a);
	uint64_t start, size, va, handle;
	long result;
	uint32_t over;
} attempt;

static void attempt_thread(void *arg)
{
	struct attempt *a = arg;

	a->result = a->what(a);
	__atomic_store_n(&a->over, 1, __ATOMIC_SEQ_CST);
}

static long as(struct component *c, long (*what)(struct attempt *), struct attempt a)
{
	attempt = a;
	attempt.what = what;
	if (!EXPECT_EQ(kthread_start(c, "claim", attempt_thread, &attempt, nullptr), 0))
		return 0;
	EXPECT(WAIT_UNTIL(__atomic_load_n(&attempt.over, __ATOMIC_SEQ_CST)));
	return attempt.result;
}

static long try_claim(struct attempt *a)
{
	return claim(a->start, a->size);
}

static long try_map(struct attempt *a)
{
	return nucleus_device_map(a->va, a->start, 1);
}

static long try_release(struct attempt *a)
{
	return nucleus_device_release(a->handle);
}

static long try_interrupt(struct attempt *)
{
	return nucleus_irq_attach(IRQ_UNUSED, 0);
}

static void right_to_claim(void)
{
	/* Its manifest does not ask. */
	EXPECT_EQ(as(&component_core, try_claim, (struct attempt){.start = REGISTERS_UNUSED, .size = PAGE_SIZE}),
		  -EPERM);
	EXPECT_EQ(as(&component_core, try_interrupt, (struct attempt){}), -EPERM);
}

static void held_by_another(void)
{
	struct attempt a = {.start = REGISTERS_UNUSED, .size = PAGE_SIZE, .va = kmap_reserve(1)};
	long h = claim(REGISTERS_UNUSED, PAGE_SIZE);

	EXPECT_EQ(claim(REGISTERS_UNUSED + 8, 8), -EPERM);
	EXPECT_EQ(as(&component_serial, try_claim, a), -EPERM);
	EXPECT_EQ(as(&component_serial, try_map, a), -EPERM);
	a.start = REGISTERS_UNUSED - PAGE_SIZE;
	a.size = 3 * PAGE_SIZE;
	EXPECT_EQ(as(&component_serial, try_claim, a), -EPERM);
	/* What is taken back from another is so by who keeps devices. */
	a.handle = (uint64_t)h;
	EXPECT_EQ(as(&component_serial, try_release, a), -EPERM);
	release(h);
	a.start = REGISTERS_UNUSED;
	h = as(&component_serial, try_claim, a);
	EXPECT(h > 0);
	EXPECT_EQ(nucleus_device_map(a.va, REGISTERS_UNUSED, 1), -EPERM);
	release(h);
}

/* Two devices in one page are one component's, or one of them is nobody's. */
static void shared_page(void)
{
	struct attempt a = {.start = REGISTERS_UNUSED + 0x800, .size = 0x100};
	long first = claim(REGISTERS_UNUSED, 0x200), second = claim(REGISTERS_UNUSED + 0x200, 0x200);

	EXPECT(first > 0 && second > 0);
	/* Nor are its registers mapped in two ways. */
	EXPECT_EQ(nucleus_device_claim(CLAIM_MEMORY, REGISTERS_UNUSED + 0x400, 0x200, CLAIM_WRITE_COMBINING), -EPERM);
	EXPECT_EQ(as(&component_serial, try_claim, a), -EPERM);
	release(first);
	EXPECT_EQ(as(&component_serial, try_claim, a), -EPERM);
	release(second);
	first = as(&component_serial, try_claim, a);
	EXPECT_EQ(claim(REGISTERS_UNUSED, 0x200), -EPERM);
	release(first);
}

/* Claims of a page count its mappings together: it stays mapped for as long as one of them is there, and no longer. */
static void shared_page_mapped(void)
{
	struct attempt a = {.start = REGISTERS_UNUSED + 0x800, .size = 0x100};
	uint64_t va = kmap_reserve(2);
	long first = claim(REGISTERS_UNUSED, 0x200), second;

	EXPECT_EQ(nucleus_device_map(va, REGISTERS_UNUSED, 1), 0);
	second = claim(REGISTERS_UNUSED + 0x200, 0x200);
	EXPECT_EQ(nucleus_device_map(va + PAGE_SIZE, REGISTERS_UNUSED, 1), 0);
	EXPECT_EQ(nucleus_kunmap(va, 1), 0);
	/* Whichever goes first, and comes again. */
	release(first);
	EXPECT_EQ(nucleus_device_release((uint64_t)second), -EBUSY);
	first = claim(REGISTERS_UNUSED, 0x200);
	release(second);
	EXPECT_EQ(as(&component_serial, try_claim, a), -EPERM);
	EXPECT_EQ(nucleus_device_release((uint64_t)first), -EBUSY);
	EXPECT_EQ(nucleus_kunmap(va + PAGE_SIZE, 1), 0);
	second = claim(REGISTERS_UNUSED + 0x200, 0x200);
	release(first);
	release(second);
	/* One that has further pages shares none. */
	first = claim(REGISTERS_UNUSED, PAGE_SIZE + 0x200);
	EXPECT_EQ(claim(REGISTERS_UNUSED + PAGE_SIZE + 0x200, 0x200), -EPERM);
	release(first);
	first = claim(REGISTERS_UNUSED + PAGE_SIZE + 0x200, 0x200);
	EXPECT_EQ(claim(REGISTERS_UNUSED, PAGE_SIZE + 0x200), -EPERM);
	release(first);
}

/* One call may unmap what several claims have, or parts of them. */
static void unmapped_together(void)
{
	uint64_t va = kmap_reserve(5);
	long first = claim(REGISTERS_UNUSED, 2 * PAGE_SIZE), second = claim(REGISTERS_UNUSED + 2 * PAGE_SIZE, 0x2100);

	EXPECT_EQ(nucleus_device_map(va, REGISTERS_UNUSED, 5), -EPERM);
	EXPECT_EQ(nucleus_device_map(va, REGISTERS_UNUSED, 2), 0);
	EXPECT_EQ(nucleus_device_map(va + 2 * PAGE_SIZE, REGISTERS_UNUSED + 2 * PAGE_SIZE, 3), 0);
	EXPECT_EQ(nucleus_kunmap(va + PAGE_SIZE, 2), 0);
	EXPECT_EQ(nucleus_device_release((uint64_t)first), -EBUSY);
	EXPECT_EQ(nucleus_device_release((uint64_t)second), -EBUSY);
	EXPECT_EQ(nucleus_device_map(va + PAGE_SIZE, REGISTERS_UNUSED + PAGE_SIZE, 1), 0);
	EXPECT_EQ(nucleus_device_map(va + 2 * PAGE_SIZE, REGISTERS_UNUSED + 2 * PAGE_SIZE, 1), 0);
	EXPECT_EQ(nucleus_kunmap(va + PAGE_SIZE, 4), 0);
	release(second);
	EXPECT_EQ(nucleus_device_release((uint64_t)first), -EBUSY);
	EXPECT_EQ(nucleus_kunmap(va, 5), 0);
	release(first);
}

/* --- a function that another component has claimed --- */

static long try_claim_function(struct attempt *a)
{
	return nucleus_device_claim(CLAIM_FUNCTION, a->start, 0, 0);
}

static long try_command(struct attempt *a)
{
	return nucleus_pci_write((uint32_t)a->start, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_BUS_MASTER);
}

static long try_interrupt_line(struct attempt *a)
{
	return nucleus_pci_write((uint32_t)a->start, PCI_INTERRUPT_LINE, 1, 1);
}

static long try_message(struct attempt *a)
{
	return nucleus_irq_attach_message((uint32_t)a->start, 0);
}

static long try_silence(struct attempt *a)
{
	return nucleus_pci_silence((uint32_t)a->start);
}

static long try_bars(struct attempt *a)
{
	return nucleus_pci_bars((uint32_t)a->start, PCI_BAR_KEEP, 0);
}

static void function_of_another(void)
{
	static long (*const forbidden[])(struct attempt *) = {
		try_claim_function, try_command, try_interrupt_line, try_message, try_silence, try_bars, try_release};
	uint32_t function = pci_find(EDU, 0);
	uint64_t va = kmap_reserve(1);
	struct attempt a = {.start = function, .va = va};

	EXPECT_EQ(as(&component_serial, try_bars, a), -EPERM);
	long h = pci_take(function, true, va, 1);

	a.handle = (uint64_t)h;
	for (unsigned i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++)
		EXPECT_EQ(as(&component_serial, forbidden[i], a), -EPERM);
	EXPECT_EQ(nucleus_pci_read(function, PCI_COMMAND, 2) & 7, PCI_COMMAND_MEMORY | PCI_COMMAND_BUS_MASTER);
	a.start = pci_bar0(function);
	a.va = kmap_reserve(1);
	EXPECT_EQ(as(&component_serial, try_map, a), -EPERM);
	/* Who keeps devices silences it and takes it back, and has nothing else of it. */
	a.start = function;
	for (unsigned i = 0; i < 4; i++)
		EXPECT_EQ(as(&component_pci, forbidden[i], a), -EPERM);
	EXPECT_EQ(as(&component_pci, try_silence, a), -EOPNOTSUPP);
	EXPECT_EQ(nucleus_pci_read(function, PCI_COMMAND, 2) & PCI_COMMAND_BUS_MASTER, 0);
	EXPECT_EQ(nucleus_kunmap(va, 1), 0);
	EXPECT_EQ(as(&component_pci, try_release, a), 0);
	EXPECT_EQ(nucleus_device_release((uint64_t)h), -EBADF);
}

/* Registers beside those of a function in their page: whoever has them would reach what is left out of its claim. */
static void beside_a_function(void)
{
	uint32_t function = pci_find(SDHCI, 0);
	uint64_t beside = pci_bar0(function) + 0x200;
	long h = nucleus_device_claim(CLAIM_FUNCTION, function, 0, 0);

	EXPECT(beside % PAGE_SIZE != 0);
	EXPECT_EQ(claim(beside, 0x100), -EPERM);
	release(h);
	h = claim(beside, 0x100);
	EXPECT_EQ(nucleus_device_claim(CLAIM_FUNCTION, function, 0, 0), -EPERM);
	release(h);
}

static bool sdhci_there(void)
{
	return pci_find(SDHCI, 0) != NO_FUNCTION;
}

static struct device *find_slot(void)
{
	struct device *dev = device_each(nullptr);

	while (dev != nullptr && (device_bus(dev) != &pci_bus || pci_slot(dev) == 0))
		dev = device_each(dev);
	return dev;
}

static bool slot_there(void)
{
	struct device *port = find_slot();

	device_put(port);
	return port != nullptr;
}

/* With it goes the power of what is another's. */
static void slot(void)
{
	struct device *port = find_slot();
	struct attempt a = {.start = pci_function(port)};
	void *before;

	device_rest(port);
	/* What is behind it goes on. */
	uint32_t before_it = (uint32_t)nucleus_pci_read((uint32_t)a.start, PCI_COMMAND, 2);
	EXPECT(before_it & PCI_COMMAND_BUS_MASTER);
	EXPECT_EQ(as(&component_serial, try_claim_function, a), -EPERM);
	long h = nucleus_device_claim(CLAIM_FUNCTION, a.start, 0, 0);
	EXPECT_EQ(nucleus_pci_read((uint32_t)a.start, PCI_COMMAND, 2) & 7, before_it & 7);
	release(h);
	EXPECT_EQ(nucleus_pci_read((uint32_t)a.start, PCI_COMMAND, 2) & 7, before_it & 7);
	EXPECT_EQ(device_go_on(port, device_bus_data(port), &before), 0);
	device_put(port);
}

/* --- ports that memory shows --- */

static bool shows_ports(void)
{
	return ARCH_PORTS == 0 && pci_e1000e_there();
}

static long claim_card(uint32_t flags)
{
	return nucleus_device_claim(CLAIM_FUNCTION, pci_find(E1000E, 0), 0, flags);
}

static long tell_window(uint64_t start, uint64_t size, uint32_t first)
{
	return nucleus_device_claim(CLAIM_PORT_WINDOW, start, size, first);
}

static long try_tell(struct attempt *a)
{
	return tell_window(a->start, a->size, 0);
}

/* The window of this test leads nowhere, and shows the ports of the card, which has registers in memory, too (BAR 2 is
 * of ports: Intel 82574 datasheet, 9.2.12). */
static void ports_in_memory(void)
{
	uint32_t function = pci_find(E1000E, 0), port = (uint32_t)nucleus_pci_read(function, PCI_BAR0 + 8, 4);
	uint64_t window = REGISTERS_UNUSED + 16 * PAGE_SIZE, page = window + (port & 0xf000);
	struct attempt a = {.start = page, .size = 8};
	long h;

	if (!EXPECT((port & 3) == 1) || !EXPECT(port < 0x10000))
		return;
	EXPECT_EQ(tell_window(window, 0, 0), -EINVAL);
	EXPECT_EQ(tell_window(UINT64_MAX - PAGE_SIZE + 1, 2 * PAGE_SIZE, 0), -EINVAL);
	EXPECT_EQ(tell_window(find_frame(FRAME_KERNEL) << PAGE_SHIFT, PAGE_SIZE, 0), -EPERM);
	EXPECT_EQ(as(&component_serial, try_tell, (struct attempt){.start = window, .size = 0x10000}), -EPERM);
	h = claim(window, 8);
	EXPECT_EQ(tell_window(window, 0x10000, 0), -EPERM);
	release(h);
	EXPECT_EQ(tell_window(window, 0x10000, 0), 0);
	EXPECT_EQ(tell_window(window + 0xf000, 0x10000, 0), -EPERM);
	/* Nothing there is anybody's, even if it is decoded: as all memory. */
	long card = claim_card(0);
	EXPECT_EQ(nucleus_pci_write(function, PCI_COMMAND, 2, PCI_COMMAND_IO), 0);
	release(card);
	EXPECT_EQ(nucleus_pci_read(function, PCI_COMMAND, 2) & PCI_COMMAND_IO, PCI_COMMAND_IO);
	h = as(&component_serial, try_claim, a);
	EXPECT(h > 0);
	EXPECT_EQ(claim_card(0), -EPERM);
	/* Without its ports the card is another matter. */
	card = claim_card(CLAIM_WITHOUT_PORTS);
	EXPECT(card > 0);
	EXPECT_EQ(nucleus_pci_read(function, PCI_COMMAND, 2) & PCI_COMMAND_IO, 0);
	EXPECT_EQ(nucleus_pci_write(function, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEMORY), -EPERM);
	EXPECT_EQ(nucleus_pci_write(function, PCI_COMMAND, 2, PCI_COMMAND_MEMORY), 0);
	release(card);
	release(h);
	/* Its ports are somebody's now: nobody else gets the page, or one beside it with a piece of the page. */
	card = claim_card(0);
	EXPECT(card > 0);
	EXPECT_EQ(as(&component_serial, try_claim, a), -EPERM);
	a.start = page + PAGE_SIZE - 8;
	EXPECT_EQ(as(&component_serial, try_claim, a), -EPERM);
	a.start = page - 8;
	a.size = 16;
	EXPECT_EQ(as(&component_serial, try_claim, a), -EPERM);
	a.start = page + PAGE_SIZE;
	h = as(&component_serial, try_claim, a);
	release(h);
	release(claim(page + (port & 0xffc), 8));
	release(card);
}

static bool has_ports(void)
{
	return ARCH_PORTS > 0;
}

static void ports(void)
{
	long h = nucleus_device_claim(CLAIM_PORTS, 0x2000, 8, 0);

	EXPECT_EQ(nucleus_device_claim(CLAIM_PORTS, 0x2007, 1, 0), -EPERM);
	EXPECT_EQ(nucleus_device_claim(CLAIM_PORTS, 0xcf0, 0x20, 0), -EPERM);
	EXPECT_EQ(nucleus_device_claim(CLAIM_PORTS, 0x21, 1, 0), -EPERM);
	/* Addresses of memory are others. */
	release(claim(REGISTERS_UNUSED, 8));
	release(h);
	release(nucleus_device_claim(CLAIM_PORTS, 0x2007, 1, 0));
}

KTEST_SUITE(claims, KTEST("registers are claimed, mapped, unmapped and released", claim_and_release),
	    KTEST("what makes no sense is refused", nonsense),
	    KTEST("RAM and configuration space are nobody's to claim", not_to_be_claimed),
	    KTEST("only who asked for it in the manifest claims and takes interrupts", right_to_claim),
	    KTEST("what one component has claimed no other gets", held_by_another),
	    KTEST("a page has one component", shared_page),
	    KTEST("a page of several claims is unmapped before the last is released", shared_page_mapped),
	    KTEST("claims side by side are unmapped by one call", unmapped_together),
	    KTEST("of another's function nothing is written, taken or mapped", function_of_another,
		  .fits = pci_edu_there),
	    KTEST("a page of a function's registers is nobody else's", beside_a_function, .fits = sdhci_there),
	    KTEST("the slot of a port is claimed by who keeps devices", slot, .fits = slot_there),
	    KTEST("memory that shows ports is claimed only by who has the ports", ports_in_memory, .fits = shows_ports),
	    KTEST("ports are claimed, and some are the nucleus's", ports, .fits = has_ports));
