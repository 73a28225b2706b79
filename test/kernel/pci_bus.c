/* SPDX-License-Identifier: MIT */
/*
 * The PCI bus: functions behind bridges, and drivers of this file for two of them, which a row of test/matrix.txt adds:
 * an xHCI controller, whose registers share their BAR with the MSI-X table (xHCI 1.1, 5.3), and an 82545 network card,
 * which has only its wire (its interrupt causes can be set by hand: 8254x developer's manual, 13.4.17).
 */
#include "ktest.h"

#include "pci_devices.h"

#include <abi/errno.h>
#include <kernel/base/fail.h>
#include <kernel/bus/pci.h>
#include <kernel/bus/pci/pci_internal.h>
#include <kernel/device/dma.h>
#include <kernel/device/irq.h>
#include <kernel/device/mmio.h>
#include <kernel/mem/kmap.h>
#include <kernel/mem/page.h>
#include <lib/string.h>
#include <nucleus/device.h>

enum : uint32_t { XHCI = 0x01941033, CARD = 0x100f8086 };
enum card_register : unsigned { CARD_CAUSES = 0xc0, CARD_SET = 0xc8, CARD_MASK = 0xd0, CARD_MASK_CLEAR = 0xd8 };
constexpr uint32_t CAUSE_LINK = 1 << 2;

/* Of each device, what its driver noted in its rounds; atomic. */
static struct note {
	struct device *dev;
	uint32_t function;
	struct mmio registers;
	struct irq irq, next;
	int mapped, opened, next_opened, mastered;
	unsigned interrupts;
	uint32_t rounds, woken;
	struct dma_table *lent;
	uint64_t claim; /* that confines it, or 0 */
} xhci, card;

static void note_attach(struct device *dev, struct note *n)
{
	n->dev = dev;
	n->function = pci_function(dev);
	n->mapped = mmio_map(dev, 0, &n->registers);
	n->opened = irq_open(dev, 0, &n->irq);
	n->next_opened = irq_open(dev, 1, &n->next);
	n->mastered = pci_master(dev);
	n->interrupts = pci_interrupts(dev);
	n->claim = 0;
	if (dma_table_open(dev, 1, 1, &n->lent) == 0)
		n->claim = dma_map(n->lent, 0, DMA_TO_DEVICE, 0)->rules.claim;
	__atomic_add_fetch(&n->rounds, 1, __ATOMIC_SEQ_CST);
}

static int attach_xhci(struct device *dev)
{
	note_attach(dev, &xhci);
	return 0;
}

static int attach_card(struct device *dev)
{
	note_attach(dev, &card);
	return 0;
}

/* Its wire, where it has one, may be another's, too. */
static void serve_xhci(struct device *dev)
{
	while (!device_stopping(dev) && irq_wait(&xhci.irq, 0) != -ECANCELED)
		irq_done(&xhci.irq);
}

static void serve_card(struct device *dev)
{
	while (irq_wait(&card.irq, 0) != -ECANCELED) {
		if (card.mapped == 0 && mmio_read32(&card.registers, CARD_CAUSES) != 0)
			__atomic_add_fetch(&card.woken, 1, __ATOMIC_SEQ_CST);
		irq_done(&card.irq);
		if (device_stopping(dev))
			break;
	}
}

static const struct pci_match xhci_match[] = {{.vendor = XHCI & 0xffff, .device = XHCI >> 16}, {}};
static const struct pci_match card_match[] = {
	{.vendor = CARD & 0xffff, .device = CARD >> 16, .class = 0x020000, .class_mask = 0xff0000}, {}};

DRIVER(test_xhci, .component = &component_ktest, .bus = &pci_bus, .match = xhci_match,
       .wants = WANTS_MMIO | WANTS_IRQ | WANTS_DMA, .attach = attach_xhci, .serve = serve_xhci);
DRIVER(test_card, .component = &component_ktest, .bus = &pci_bus, .match = card_match, .wants = WANTS_MMIO | WANTS_IRQ,
       .attach = attach_card, .serve = serve_card);

static bool attached(struct note *n, uint32_t rounds)
{
	return WAIT_UNTIL(__atomic_load_n(&n->rounds, __ATOMIC_SEQ_CST) >= rounds);
}

static bool there(void)
{
	return pci_find(XHCI, 0) != NO_FUNCTION && pci_find(CARD, 0) != NO_FUNCTION;
}

static unsigned depth(const struct device *dev)
{
	unsigned n = 0;

	for (; device_parent(dev) != nullptr; dev = device_parent(dev))
		n++;
	return n;
}

static void every_function(void)
{
	unsigned devices = 0, functions = 0;

	for (struct device *dev = device_each(nullptr); dev != nullptr; dev = device_each(dev)) {
		if (device_bus(dev) != &pci_bus)
			continue;
		devices++;
		EXPECT_EQ(pci_config_read(dev, PCI_VENDOR_ID, 2), pci_identity(dev)->vendor);
		const struct device *parent = device_parent(dev);
		if (parent != nullptr)
			EXPECT_EQ(pci_identity(parent)->secondary_bus, pci_function(dev) >> 8 & 0xff);
	}
	for (uint32_t i = 0; i < boot_info()->pci_count; i++) {
		const struct pci_ecam *p = &boot_info()->pci[i];
		uint32_t first = (uint32_t)p->segment << 16 | (uint32_t)p->first_bus << 8;

		for (uint32_t f = first; f < first + 0x1000; f++)
			functions += nucleus_pci_read(f, PCI_VENDOR_ID, 2) != 0xffff;
	}
	EXPECT_EQ(devices, functions);
}

/* A PCI bridge behind another, and a root port of PCI Express. */
static void behind_bridges(void)
{
	if (!EXPECT(attached(&xhci, 1)) || !EXPECT(attached(&card, 1)))
		return;
	EXPECT_EQ(depth(xhci.dev), 1);
	EXPECT_EQ(depth(card.dev), 2);
	EXPECT_EQ(pci_identity(device_parent(card.dev))->header_type, PCI_HEADER_BRIDGE);
}

static void messages_and_registers(void)
{
	if (!EXPECT(attached(&xhci, 1)))
		return;
	EXPECT_EQ(xhci.mapped, 0);
	EXPECT_EQ(xhci.opened, 0);
	EXPECT_EQ(xhci.mastered, 0);
	EXPECT(xhci.interrupts >= 2);
	/* What comes before the table. */
	EXPECT_EQ(xhci.registers.bytes, 0x3000);
	EXPECT_EQ(mmio_read32(&xhci.registers, 0) >> 16, 0x0100);
	EXPECT_EQ(nucleus_pci_bars(pci_function(xhci.dev), PCI_BAR_KEEP, 0), -EPERM);
	EXPECT(pci_config_read(xhci.dev, PCI_COMMAND, 2) & PCI_COMMAND_BUS_MASTER);
	/* Where the machine has no messages the first is the wire instead. */
	bool on = (pci_config_read(xhci.dev, pci_find_capability(xhci.dev, PCI_CAP_MSIX, 0) + 2, 2) & 0x8000) != 0;
	EXPECT_EQ(on, xhci.next_opened == 0);
}

static void again(void)
{
	uint32_t rounds = __atomic_load_n(&xhci.rounds, __ATOMIC_SEQ_CST);

	if (!EXPECT(rounds > 0))
		return;
	EXPECT_EQ(device_restart(xhci.dev), 0);
	EXPECT(attached(&xhci, rounds + 1));
	EXPECT(xhci.mapped == 0 && xhci.opened == 0 && xhci.mastered == 0);
	EXPECT_EQ(mmio_read32(&xhci.registers, 0) >> 16, 0x0100);
}

/* What is told of a claim that has ended does not end the round that came after it. */
static void late_report(void)
{
	uint32_t rounds = __atomic_load_n(&xhci.rounds, __ATOMIC_SEQ_CST);

	if (!EXPECT(rounds > 0) || !EXPECT(WAIT_UNTIL(!device_stopping(xhci.dev))))
		return;
	pci_strayed(xhci.function, xhci.claim + (1 << 16));
	EXPECT(!device_stopping(xhci.dev));
	EXPECT_EQ(__atomic_load_n(&xhci.rounds, __ATOMIC_SEQ_CST), rounds);
	pci_strayed(xhci.function, xhci.claim);
	EXPECT(attached(&xhci, rounds + 1));
	EXPECT(xhci.mapped == 0 && xhci.opened == 0 && xhci.mastered == 0);
}

static bool confined(void)
{
	return there() && pci_iommu_expected();
}

/* Who submits may not sleep: the device's thread gives the nucleus what its tables lack. */
static void short_of_tables(void)
{
	struct page *page = page_alloc_user(true);
	struct dma_segment segment;
	struct dma_list list;
	struct dma_rules rules = {.claim = xhci.claim};

	if (!EXPECT(xhci.claim != 0 && page != nullptr))
		return;
	uint64_t pfn = page_pfn(page);

	dma_list_begin(&list, &rules, DMA_TO_DEVICE, &segment, 1, 0);
	EXPECT_EQ(dma_list_add(&list, page, 0, PAGE_SIZE), 0);
	fail_arm(1);
	EXPECT_EQ(dma_list_ready(&list), -EAGAIN);
	EXPECT_EQ(fail_armed(), 0);
	EXPECT_EQ(mappings(pfn), 0);
	device_wake(xhci.dev);
	EXPECT(WAIT_UNTIL(!dma_needs_relief()));
	EXPECT_EQ(dma_list_ready(&list), 0);
	EXPECT_EQ(mappings(pfn), 1);
	dma_list_end(&list, true);
	EXPECT_EQ(mappings(pfn), 0);
	page_put(page);
}

/* Its manifest does not ask for DMA; its wire is known where firmware notes it. */
static void wire(void)
{
	if (!EXPECT(attached(&card, 1)))
		return;
	EXPECT_EQ(card.mapped, 0);
	EXPECT_EQ(card.mastered, -EPERM);
	EXPECT_EQ(pci_config_read(card.dev, PCI_COMMAND, 2) & PCI_COMMAND_BUS_MASTER, 0);
	EXPECT_EQ(card.opened, card.interrupts > 0 ? 0 : -ENOENT);
	if (card.interrupts == 0)
		return;
	mmio_write32(&card.registers, CARD_MASK_CLEAR, UINT32_MAX);
	for (uint32_t i = 1; i <= 5; i++) {
		uint32_t before = __atomic_load_n(&card.woken, __ATOMIC_SEQ_CST);

		mmio_write32(&card.registers, CARD_MASK, CAUSE_LINK);
		mmio_write32(&card.registers, CARD_SET, CAUSE_LINK);
		EXPECT(WAIT_UNTIL(__atomic_load_n(&card.woken, __ATOMIC_SEQ_CST) > before));
	}
	mmio_write32(&card.registers, CARD_MASK_CLEAR, UINT32_MAX);
}

/* --- without firmware --- */

/* Takes the addresses of the BARs in memory away. */
static void unplace(uint32_t function)
{
	struct pci_bars raw;
	struct pci_bar bar[PCI_BARS_MAX];

	if (!EXPECT_EQ(nucleus_pci_bars(function, PCI_BAR_KEEP, 0), 0))
		return;
	memcpy(&raw, call_area(), sizeof(raw));
	pci_bars_decode(raw.value, raw.ones, PCI_BARS_MAX, bar);
	for (uint32_t i = 0; i < PCI_BARS_MAX; i++)
		if (bar[i].kind == PCI_BAR_MEMORY || bar[i].kind == PCI_BAR_MEMORY_64)
			EXPECT_EQ(nucleus_pci_bars(function, i, 0), 0);
}

/* What a bridge's window register has for addresses of one MiB from there on. */
static uint32_t window_register(uint64_t from)
{
	return (uint32_t)(from >> 16 & 0xfff0) | (uint32_t)(from & 0xfff00000);
}

static uint32_t config(uint32_t function, uint32_t offset)
{
	return (uint32_t)nucleus_pci_read(function, offset, 4);
}

static void window_refused(uint32_t bridge, uint64_t from)
{
	uint32_t before = config(bridge, PCI_MEMORY_WINDOW);

	EXPECT_EQ(nucleus_pci_write(bridge, PCI_MEMORY_WINDOW, 4, window_register(from)), -EPERM);
	EXPECT_EQ(config(bridge, PCI_MEMORY_WINDOW), before);
}

static long decode_memory(uint32_t bridge)
{
	uint32_t command = config(bridge, PCI_COMMAND) & 0xffff;

	return nucleus_pci_write(bridge, PCI_COMMAND, 2, command | PCI_COMMAND_MEMORY);
}

/* A bridge that nothing is claimed behind passes on no RAM, nothing of the nucleus's and nothing that is claimed:
 * neither by a window that it is given, nor by one that it has when it is switched on. */
static void passes_on(uint32_t bridge)
{
	uint32_t command = config(bridge, PCI_COMMAND) & 0xffff, window = config(bridge, PCI_MEMORY_WINDOW);
	uint64_t from = (uint64_t)(window & 0xfff0) << 16, own = config(bridge, PCI_BAR0) & ~15u;
	long h = nucleus_device_claim(CLAIM_MEMORY, from, PAGE_SIZE, 0);

	if (!EXPECT(command & PCI_COMMAND_MEMORY) || !EXPECT(own != 0) || !EXPECT(h > 0))
		return;
	window_refused(bridge, find_frame(FRAME_KERNEL) << PAGE_SHIFT);
	window_refused(bridge, from);
	if (boot_info()->pci[0].phys != 0 && boot_info()->pci[0].phys >> 32 == 0)
		window_refused(bridge, boot_info()->pci[0].phys);
	/* Off, and its own BAR nowhere. */
	EXPECT_EQ(nucleus_pci_bars(bridge, 0, 0), 0);
	EXPECT_EQ(nucleus_device_release((uint64_t)h), 0);
	EXPECT_EQ(decode_memory(bridge), -EPERM);
	EXPECT_EQ(nucleus_pci_bars(bridge, 0, own), 0);
	/* It has its window still, in which something is claimed now; then one of zeros, which is at RAM or at flash.
	 */
	h = nucleus_device_claim(CLAIM_MEMORY, from, PAGE_SIZE, 0);
	EXPECT_EQ(decode_memory(bridge), -EPERM);
	EXPECT_EQ(nucleus_device_release((uint64_t)h), 0);
	h = nucleus_device_claim(CLAIM_MEMORY, 0, PAGE_SIZE, 0);
	EXPECT_EQ(nucleus_pci_write(bridge, PCI_MEMORY_WINDOW, 4, 0), 0);
	EXPECT_EQ(decode_memory(bridge), -EPERM);
	if (h > 0)
		EXPECT_EQ(nucleus_device_release((uint64_t)h), 0);
	EXPECT_EQ(config(bridge, PCI_COMMAND) & PCI_COMMAND_MEMORY, 0);
	EXPECT_EQ(nucleus_pci_write(bridge, PCI_MEMORY_WINDOW, 4, window), 0);
	EXPECT_EQ(decode_memory(bridge), 0);
	EXPECT_EQ(config(bridge, PCI_COMMAND) & PCI_COMMAND_MEMORY, PCI_COMMAND_MEMORY);
	h = nucleus_device_claim(CLAIM_MEMORY, 0, PAGE_SIZE, 0);
	EXPECT_EQ(nucleus_pci_write(bridge, PCI_MEMORY_WINDOW, 4, 0), -EPERM);
	if (h > 0)
		EXPECT_EQ(nucleus_device_release((uint64_t)h), 0);
	EXPECT_EQ(config(bridge, PCI_MEMORY_WINDOW), window);
}

/* As a bridge comes out of a reset: of zeros, which would be open at address 0. */
static void forget_bridge(uint32_t function)
{
	uint32_t latency = (uint32_t)nucleus_pci_read(function, PCI_PRIMARY_BUS, 4) & 0xff000000;

	EXPECT_EQ(nucleus_pci_write(function, PCI_MEMORY_WINDOW, 4, 0), 0);
	EXPECT_EQ(nucleus_pci_write(function, PCI_PREFETCHABLE_WINDOW, 4, 0), 0);
	EXPECT_EQ(nucleus_pci_write(function, PCI_PREFETCHABLE_LIMIT_HIGH, 4, 0), 0);
	EXPECT_EQ(nucleus_pci_write(function, PCI_PREFETCHABLE_BASE_HIGH, 4, 0), 0);
	EXPECT_EQ(nucleus_pci_write(function, PCI_PRIMARY_BUS, 4, latency | (function >> 8 & 0xff)), 0);
}

static void remove_named(const char *name)
{
	struct device *dev = device_find(name);

	if (EXPECT(dev != nullptr))
		device_remove(dev);
	device_put(dev);
}

/* The bridges, one behind the other, and what is behind them; a function of the root bus. */
static void no_firmware(void)
{
	if (!EXPECT(attached(&card, 1)))
		return;
	uint32_t rounds = __atomic_load_n(&card.rounds, __ATOMIC_SEQ_CST), edu = pci_find(EDU, 0);
	uint32_t inner = pci_function(device_parent(card.dev));
	uint32_t outer = pci_function(device_parent(device_parent(card.dev)));
	uint32_t bus = pci_function(card.dev) & ~0xffu;
	char name[DEVICE_NAME_MAX], edu_name[DEVICE_NAME_MAX];
	uint64_t va = kmap_reserve(1);

	strlcpy(name, device_name(device_parent(device_parent(card.dev))), sizeof(name));
	snprintf(edu_name, sizeof(edu_name), "0000:00:%02x.0", edu >> 3 & 31);
	remove_named(name);
	remove_named(edu_name);
	for (uint32_t f = bus; f < bus + 0x100; f += 8)
		if (nucleus_pci_read(f, PCI_VENDOR_ID, 2) != 0xffff)
			unplace(f);
	unplace(edu);
	passes_on(inner);
	unplace(inner);
	unplace(outer);
	forget_bridge(inner);
	forget_bridge(outer);
	EXPECT_EQ(nucleus_pci_read(bus | (card.function & 0xff), PCI_VENDOR_ID, 2), 0xffff);
	EXPECT_EQ(pci_rescan(), 0);
	/* Of the root bus. */
	EXPECT(pci_bar0(edu) != 0);
	long claim = pci_take(edu, false, va, 1);
	EXPECT_EQ(((volatile uint32_t *)va)[EDU_IDENTITY / 4] & 0xff, 0xed);
	EXPECT_EQ(nucleus_kunmap(va, 1), 0);
	EXPECT_EQ(nucleus_device_release((uint64_t)claim), 0);
	/* Behind both bridges. */
	if (!EXPECT(attached(&card, rounds + 1)) || !EXPECT_EQ(card.mapped, 0))
		return;
	EXPECT_EQ(depth(card.dev), 2);
	mmio_write32(&card.registers, CARD_MASK_CLEAR, UINT32_MAX);
	mmio_write32(&card.registers, CARD_MASK, CAUSE_LINK);
	EXPECT_EQ(mmio_read32(&card.registers, CARD_MASK), CAUSE_LINK);
	mmio_write32(&card.registers, CARD_MASK_CLEAR, UINT32_MAX);
	every_function();
}

KTEST_SUITE(pci_bus, KTEST("there is a device for every function", every_function, .fits = there),
	    KTEST("functions stand below the bridges they are behind", behind_bridges, .fits = there),
	    KTEST("a driver has registers and messages, and masters the bus", messages_and_registers, .fits = there),
	    KTEST("a round ends in a reset, and the next begins as the first", again, .fits = there),
	    KTEST("a late report ends no round but its own", late_report, .fits = there),
	    KTEST("who may sleep gives the nucleus memory for tables", short_of_tables, .fits = confined),
	    KTEST("a wire wakes its driver, and no DMA without the right", wire, .fits = there),
	    KTEST("without firmware's numbers and addresses there are others", no_firmware, .fits = there));
