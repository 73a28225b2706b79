/* SPDX-License-Identifier: MIT */
/* PCI functions: what may be written of configuration space, and messages. */
#include "ktest.h"

#include "pci_devices.h"

#include <abi/errno.h>
#include <kernel/base/log.h>
#include <kernel/mem/kmap.h>
#include <lib/pci_config.h>
#include <lib/string.h>
#include <nucleus/device.h>

static uint32_t config32(uint32_t function, uint32_t offset)
{
	return (uint32_t)nucleus_pci_read(function, offset, 4);
}

static uint32_t read32(void *context, uint32_t offset)
{
	return config32(*(const uint32_t *)context, offset);
}

static uint32_t capability(uint32_t function, enum pci_capability id)
{
	struct pci_config c = {.read32 = read32, .context = &function, .bytes = PCI_CONFIG_BYTES};

	return pci_capability_find(&c, id, 0);
}

static uint32_t command(uint32_t function)
{
	return (uint32_t)nucleus_pci_read(function, PCI_COMMAND, 2);
}

static void let_go(long claim, uint64_t va, uint64_t pages)
{
	EXPECT_EQ(nucleus_kunmap(va, pages), 0);
	EXPECT_EQ(nucleus_device_release((uint64_t)claim), 0);
}

static bool any_function(void)
{
	return boot_info()->pci_count > 0;
}

static void reads(void)
{
	uint32_t function = (uint32_t)boot_info()->pci[0].segment << 16 | (uint32_t)boot_info()->pci[0].first_bus << 8;

	/* A host bridge is the first of all. */
	EXPECT_EQ(config32(function, 8) >> 16, 0x0600);
	EXPECT_EQ(nucleus_pci_read(function, PCI_VENDOR_ID, 2) | nucleus_pci_read(function, PCI_DEVICE_ID, 2) << 16,
		  config32(function, 0));
	EXPECT_EQ(nucleus_pci_read(function, 3, 1), config32(function, 0) >> 24);
	EXPECT_EQ(nucleus_pci_read(0xfffeffff, 0, 4), UINT32_MAX);
	EXPECT_EQ(nucleus_pci_read(function, 1, 2), -EINVAL);
	EXPECT_EQ(nucleus_pci_read(function, 0, 8), -EINVAL);
	EXPECT_EQ(nucleus_pci_read(function, 0, 0), -EINVAL);
	EXPECT_EQ(nucleus_pci_read(function, 0x1000, 4), -EINVAL);
	EXPECT_EQ(nucleus_pci_write(function, PCI_COMMAND, 2, 0x10000), -EINVAL);
	/* It decides for others: nobody's. */
	EXPECT_EQ(nucleus_device_claim(CLAIM_FUNCTION, function, 0, 0), -EPERM);
	EXPECT_EQ(nucleus_pci_write(function, PCI_COMMAND, 2, 6), -EPERM);
	EXPECT_EQ(nucleus_pci_write(function, 0x60, 4, 0xb0000001), -EPERM);
	EXPECT_EQ(nucleus_pci_bars(function, PCI_BAR_KEEP, 0), -EPERM);
	EXPECT_EQ(nucleus_device_claim(CLAIM_FUNCTION, 0xfffe0000, 0, 0), -ENODEV);
	EXPECT_EQ(nucleus_pci_bars(0xfffe0000, PCI_BAR_KEEP, 0), -ENODEV);
}

/* Every offset and width, with a few values: nothing changes but what is known to be harmless. */
static void writes_without_claim(void)
{
	uint32_t function = pci_find(EDU, 0), before[64];

	for (uint32_t i = 0; i < 64; i++)
		before[i] = config32(function, 4 * i);
	/* Nor bits only switched on, as a bridge's may be. */
	EXPECT_EQ(nucleus_pci_write(function, PCI_COMMAND, 2,
				    command(function) | PCI_COMMAND_BUS_MASTER | PCI_COMMAND_MEMORY |
					    PCI_COMMAND_INTERRUPT_OFF),
		  -EPERM);
	for (uint32_t bytes = 1; bytes <= 4; bytes *= 2)
		for (uint32_t offset = 0; offset < 256; offset += bytes)
			EXPECT_EQ(nucleus_pci_write(function, offset, bytes, UINT32_MAX >> (32 - 8 * bytes)), -EPERM);
	for (uint32_t i = 0; i < 64; i++)
		EXPECT_EQ(config32(function, 4 * i), before[i]);
}

static void writes_with_claim(void)
{
	uint32_t function = pci_find(EDU, 0), before[64], msi = capability(function, PCI_CAP_MSI);
	long h = nucleus_device_claim(CLAIM_FUNCTION, function, 0, 0);

	if (!EXPECT(h > 0) || !EXPECT(msi != 0))
		return;
	EXPECT_EQ(nucleus_device_claim(CLAIM_FUNCTION, function, 0, 0), -EPERM);
	for (uint32_t i = 0; i < 64; i++)
		before[i] = config32(function, 4 * i);
	for (uint32_t offset = 0; offset < 256; offset += 4)
		EXPECT_EQ(nucleus_pci_write(function, offset, 4, 0xfee00001), -EPERM);
	for (uint32_t at = PCI_BAR0; at < PCI_CAPABILITIES; at += 2)
		EXPECT_EQ(nucleus_pci_write(function, at, 2, 0x1000), -EPERM);
	/* MSI: on, and where to. */
	EXPECT_EQ(nucleus_pci_write(function, msi + 2, 2, 1), -EPERM);
	EXPECT_EQ(nucleus_pci_write(function, msi + 2, 1, 1), -EPERM);
	EXPECT_EQ(nucleus_pci_write(function, msi + 4, 2, 0x3000), -EPERM);
	EXPECT_EQ(nucleus_pci_write(function, msi + 8, 2, 0x30), -EPERM);
	EXPECT_EQ(nucleus_pci_write(function, PCI_COMMAND, 2, 1 << 7), -EPERM);
	for (uint32_t i = 0; i < 64; i++)
		EXPECT_EQ(config32(function, 4 * i), before[i]);
	EXPECT_EQ(nucleus_pci_write(function, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_BUS_MASTER), 0);
	EXPECT_EQ(command(function) & 7, PCI_COMMAND_MEMORY | PCI_COMMAND_BUS_MASTER);
	EXPECT_EQ(nucleus_pci_write(function, PCI_INTERRUPT_LINE, 1, 77), 0);
	EXPECT_EQ(nucleus_pci_read(function, PCI_INTERRUPT_LINE, 1), 77);
	EXPECT_EQ(nucleus_pci_write(function, PCI_INTERRUPT_LINE, 1, before[15] & 0xff), 0);
	EXPECT_EQ(nucleus_device_release((uint64_t)h), 0);
	EXPECT_EQ(command(function) & PCI_COMMAND_BUS_MASTER, 0);
}

static void bars(void)
{
	uint32_t function = pci_find(EDU, 0);
	uint64_t old = pci_bar0(function), other = pci_bar0(pci_find(EDU, 1));
	struct pci_bars b;
	struct pci_bar decoded[PCI_BARS_MAX];
	long h;

	EXPECT_EQ(nucleus_pci_bars(function, PCI_BAR_KEEP, 0), 0);
	memcpy(&b, call_area(), sizeof(b));
	pci_bars_decode(b.value, b.ones, PCI_BARS_MAX, decoded);
	EXPECT(decoded[0].base == old && decoded[0].size == 1 << 20);
	EXPECT_EQ(pci_bar0(function), old);
	EXPECT_EQ(nucleus_pci_bars(function, 0, find_frame(FRAME_KERNEL) << PAGE_SHIFT & ~UINT64_C(0xfffff)), -EPERM);
	if (boot_info()->pci[0].phys != 0 && boot_info()->pci[0].phys >> 32 == 0)
		EXPECT_EQ(nucleus_pci_bars(function, 0, boot_info()->pci[0].phys), -EPERM);
	EXPECT_EQ(nucleus_pci_bars(function, 0, old + PAGE_SIZE), -EINVAL);
	EXPECT_EQ(nucleus_pci_bars(function, 0, UINT64_C(1) << 32), -EINVAL);
	EXPECT_EQ(nucleus_pci_bars(function, 3, old), -EINVAL);
	EXPECT_EQ(nucleus_pci_bars(function, 6, old), -EINVAL);
	/* An address that no memory has, of a BAR that could hold it; ports, where there are none. */
	EXPECT_EQ(nucleus_pci_bars(pci_find(TESTDEV, 0), 2, UINT64_C(1) << 63 | 1 << 20), -EINVAL);
	if (ARCH_PORTS == 0)
		EXPECT_EQ(nucleus_pci_bars(pci_find(E1000E, 0), 2, 0x1000), -EINVAL);
	/* Over another's. */
	h = nucleus_device_claim(CLAIM_FUNCTION, pci_find(EDU, 1), 0, 0);
	EXPECT(h > 0);
	EXPECT_EQ(nucleus_pci_bars(function, 0, other), -EPERM);
	EXPECT_EQ(nucleus_pci_bars(pci_find(EDU, 1), PCI_BAR_KEEP, 0), -EPERM);
	EXPECT_EQ(nucleus_device_release((uint64_t)h), 0);
	EXPECT_EQ(pci_bar0(function), old);
}

static void moved(void)
{
	uint32_t function = pci_find(EDU, 0);
	uint64_t old = pci_bar0(function), other = pci_bar0(pci_find(EDU, 1)), va = kmap_reserve(1);
	uint64_t apart = old < other ? other - old : old - other;
	uint64_t to = old > other ? old : other;
	volatile uint32_t *registers = (volatile uint32_t *)va;
	long h;

	if (!EXPECT(apart >= 1 << 20))
		return;
	/* What follows both: all the others are smaller, but may stand there and be claimed. */
	long result = -EPERM;
	for (unsigned i = 0; i < 8 && result == -EPERM; i++) {
		to += 1 << 20;
		result = nucleus_pci_bars(function, 0, to);
	}
	if (!EXPECT_EQ(result, 0))
		return;
	EXPECT_EQ(pci_bar0(function), to);
	h = pci_take(function, false, va, 1);
	EXPECT_EQ(registers[EDU_IDENTITY / 4] & 0xff, 0xed);
	let_go(h, va, 1);
	/* None: it answers nowhere, and is not to. */
	EXPECT_EQ(nucleus_pci_bars(function, 0, 0), 0);
	EXPECT_EQ(pci_bar0(function), 0);
	EXPECT_EQ(command(function) & 7, 0);
	EXPECT((h = nucleus_device_claim(CLAIM_FUNCTION, function, 0, 0)) > 0);
	EXPECT_EQ(nucleus_pci_write(function, PCI_COMMAND, 2, PCI_COMMAND_MEMORY), -EPERM);
	EXPECT_EQ(nucleus_device_release((uint64_t)h), 0);
	EXPECT_EQ(nucleus_pci_bars(function, 0, old), 0);
	EXPECT_EQ(pci_bar0(function), old);
}

static void bridge_refuses(uint32_t bridge, uint32_t offset, uint32_t bytes, uint32_t value)
{
	uint32_t before = config32(bridge, offset & ~3u);

	EXPECT_EQ(nucleus_pci_write(bridge, offset, bytes, value), -EPERM);
	EXPECT_EQ(config32(bridge, offset & ~3u), before);
}

/* One behind which something is claimed: the function behind the root port, meanwhile by nobody else. */
static void bridge_numbers(void)
{
	uint32_t bridge = pci_find(BRIDGE, 1), numbers = config32(bridge, PCI_PRIMARY_BUS), other = pci_find(BRIDGE, 0);

	/* Of another's buses, below its own, backwards, with another primary bus; in pieces. */
	bridge_refuses(bridge, PCI_PRIMARY_BUS, 4, numbers + 1);
	bridge_refuses(bridge, PCI_PRIMARY_BUS, 4, (numbers & ~0xff00u) | (numbers & 0xff) << 8);
	bridge_refuses(bridge, PCI_PRIMARY_BUS, 4, (numbers & ~0xffff00u) | 0x0aff00);
	bridge_refuses(bridge, PCI_PRIMARY_BUS, 4, numbers ^ 1u << 24);
	bridge_refuses(bridge, PCI_SECONDARY_BUS, 1, 0xf0);
	/* Those claimed of before, and those claimed of afterwards: its driver has the card behind it. */
	bridge_refuses(bridge, PCI_PRIMARY_BUS, 4, numbers & 0xff0000ff);
	bridge_refuses(other, PCI_PRIMARY_BUS, 4, config32(other, PCI_PRIMARY_BUS) & 0xff0000ff);
	EXPECT_EQ(nucleus_device_claim(CLAIM_FUNCTION, bridge, 0, 0), -EPERM);
}

/* What is behind it is claimed, and is reached by its windows: they are neither closed nor made smaller or moved. */
static void bridge_windows(void)
{
	uint32_t bridge = pci_find(BRIDGE, 1), memory = config32(bridge, PCI_MEMORY_WINDOW), before = command(bridge);
	struct pci_bars b;

	EXPECT((memory & 0xfff0) << 16 <= (memory & 0xfff00000));
	bridge_refuses(bridge, PCI_MEMORY_WINDOW, 4, 0xfff0);
	bridge_refuses(bridge, PCI_MEMORY_WINDOW, 4, 0);
	bridge_refuses(bridge, PCI_MEMORY_WINDOW, 4, memory + 0x10);
	bridge_refuses(bridge, PCI_MEMORY_WINDOW, 2, 0);
	bridge_refuses(bridge, PCI_IO_WINDOW, 2, 0xf0f0);
	bridge_refuses(bridge, PCI_PREFETCHABLE_WINDOW, 4, 0xfff0);
	bridge_refuses(bridge, PCI_PREFETCHABLE_LIMIT_HIGH, 4, 0);
	/* Nor is it switched off for the sake of a BAR of its own, which may be measured. */
	EXPECT_EQ(nucleus_pci_bars(bridge, PCI_BAR_KEEP, 0), 0);
	memcpy(&b, call_area(), sizeof(b));
	EXPECT(b.ones[0] != 0);
	EXPECT_EQ(nucleus_pci_bars(bridge, 0, 0), -EPERM);
	EXPECT_EQ(nucleus_pci_bars(bridge, 0, b.value[0] & ~15u), -EPERM);
	EXPECT_EQ(command(bridge), before);
	EXPECT_EQ(config32(bridge, PCI_BAR0), b.value[0]);
}

static bool bridges_there(void)
{
	return pci_edu_there() && pci_find(BRIDGE, 1) != NO_FUNCTION;
}

/* Nothing of a function is touched while it is reset, nor let go. */
static void reset(uint32_t function, uint64_t handle, long wait)
{
	uint32_t power = capability(function, PCI_CAP_POWER);

	EXPECT_EQ(nucleus_pci_write(function, PCI_COMMAND, 2, PCI_COMMAND_MEMORY), -EPERM);
	EXPECT_EQ(nucleus_pci_write(function, PCI_INTERRUPT_LINE, 1, 7), -EPERM);
	EXPECT_EQ(nucleus_pci_write(function, power + 4, 2, 0), -EPERM);
	EXPECT_EQ(nucleus_irq_attach_message(function, 0), -EPERM);
	EXPECT_EQ(nucleus_device_release(handle), -EBUSY);
	for (; wait > 0; wait = nucleus_pci_silence(function))
		(void)nucleus_park(ktest_now() + (uint64_t)wait, 0);
	EXPECT_EQ(wait, 0);
}

static void silence(void)
{
	/* One can be reset by D3, the other not at all. */
	uint32_t functions[] = {pci_find(E1000E, 0), pci_find(EDU, 0)};
	uint64_t va = kmap_reserve(1);

	EXPECT_EQ(nucleus_pci_silence(functions[0]), -EPERM);
	for (unsigned i = 0; i < 2; i++) {
		uint64_t bar = pci_bar0(functions[i]);
		long h = pci_take(functions[i], true, va, 1), wait;

		EXPECT(command(functions[i]) & PCI_COMMAND_BUS_MASTER);
		wait = nucleus_pci_silence(functions[i]);
		EXPECT_EQ(command(functions[i]) & PCI_COMMAND_BUS_MASTER, 0);
		EXPECT_EQ(nucleus_kunmap(va, 1), 0);
		if (i == 1)
			EXPECT_EQ(wait, -EOPNOTSUPP);
		else if (EXPECT(wait > 0))
			reset(functions[i], (uint64_t)h, wait);
		EXPECT_EQ(pci_bar0(functions[i]), bar);
		EXPECT_EQ(nucleus_pci_write(functions[i], PCI_COMMAND, 2, PCI_COMMAND_MEMORY), 0);
		/* What it was told of is being given back. */
		EXPECT_EQ(nucleus_pci_write(functions[i], PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_BUS_MASTER),
			  -EPERM);
		EXPECT_EQ(nucleus_device_release((uint64_t)h), 0);
		h = pci_take(functions[i], true, va, 1);
		EXPECT(command(functions[i]) & PCI_COMMAND_BUS_MASTER);
		let_go(h, va, 1);
	}
}

/* --- interrupts --- */

static void message_of(uint32_t function)
{
	uint64_t va = kmap_reserve(1);
	volatile uint32_t *edu = (volatile uint32_t *)va;
	long h, irq;

	EXPECT_EQ(nucleus_irq_attach_message(function, 0), -EPERM);
	h = pci_take(function, true, va, 1);
	EXPECT_EQ(nucleus_irq_attach_message(function, 1), -EINVAL);
	irq = nucleus_irq_attach_message(function, 0);
	if (EXPECT(irq > 0)) {
		long again = nucleus_irq_attach_message(function, 0);
		EXPECT(again == irq || again == -EBUSY);
		(void)nucleus_park(1, 0);
		for (unsigned i = 0; i < 20; i++) {
			edu[EDU_RAISE / 4] = 1;
			EXPECT_EQ(nucleus_park(ktest_now() + WAIT_NS, 0), 0);
			edu[EDU_ACKNOWLEDGE / 4] = 1;
			EXPECT_EQ(nucleus_irq_done((uint32_t)irq), 1);
		}
		EXPECT_EQ(nucleus_irq_detach((uint32_t)irq), 0);
		edu[EDU_RAISE / 4] = 1;
		EXPECT_EQ(nucleus_park(ktest_now() + 10 * MS, 0), -ETIMEDOUT);
		edu[EDU_ACKNOWLEDGE / 4] = 1;
	}
	let_go(h, va, 1);
}

/* Of those behind bridges, too, whose number on the bus need not be their own. */
static void message(void)
{
	uint32_t function;

	for (unsigned n = 0; (function = pci_find(EDU, n)) != NO_FUNCTION; n++)
		message_of(function);
}

/* The CPU that asks for a message gets it. Two at once, so that neither takes the other's. */
static void message_for_each_cpu(void)
{
	uint64_t va = kmap_reserve(2);
	volatile uint32_t *edu = (volatile uint32_t *)va;
	uint32_t functions[] = {pci_find(EDU, 0), pci_find(EDU, 1)};
	const volatile struct thread_page *page = thread_page_current();
	long claims[2], irqs[2];

	for (unsigned i = 0; i < 2; i++)
		claims[i] = pci_take(functions[i], true, va + i * PAGE_SIZE, 1);
	for (uint32_t cpu = 0; cpu < boot_info()->cpu_count; cpu++) {
		EXPECT_EQ(nucleus_thread_set_affinity(page->handle, 1ull << cpu), 0);
		EXPECT(WAIT_UNTIL(page->cpu == cpu));
		for (unsigned i = 0; i < 2; i++)
			EXPECT((irqs[i] = nucleus_irq_attach_message(functions[i], 0)) > 0);
		(void)nucleus_park(1, 0);
		for (unsigned i = 0; i < 2; i++) {
			edu[(i * PAGE_SIZE + EDU_RAISE) / 4] = 1;
			EXPECT_EQ(nucleus_park(ktest_now() + WAIT_NS, 0), 0);
			edu[(i * PAGE_SIZE + EDU_ACKNOWLEDGE) / 4] = 1;
		}
		for (unsigned i = 0; i < 2; i++)
			EXPECT_EQ(nucleus_irq_detach((uint32_t)irqs[i]), 0);
	}
	EXPECT_EQ(nucleus_thread_set_affinity(page->handle, UINT64_MAX), 0);
	EXPECT_EQ(nucleus_kunmap(va, 2), 0);
	for (unsigned i = 0; i < 2; i++)
		EXPECT_EQ(nucleus_device_release((uint64_t)claims[i]), 0);
}

static uint32_t foreign_function, foreign_done;

static void foreign_thread(void *)
{
	EXPECT_EQ(nucleus_irq_attach_message(foreign_function, 0), -EBUSY);
	__atomic_store_n(&foreign_done, 1, __ATOMIC_SEQ_CST);
}

/* Asked for once more it is to follow, or stays where it was; what was raised before comes either way. */
static void message_follows(void)
{
	uint64_t va = kmap_reserve(1);
	volatile uint32_t *edu = (volatile uint32_t *)va;
	const volatile struct thread_page *page = thread_page_current();
	uint32_t cpus = boot_info()->cpu_count;

	foreign_function = pci_find(EDU, 0);
	long h = pci_take(foreign_function, true, va, 1), irq = nucleus_irq_attach_message(foreign_function, 0);
	EXPECT(irq > 0);
	(void)nucleus_park(1, 0);
	for (uint32_t i = 0; i < 4 * cpus; i++) {
		edu[EDU_RAISE / 4] = 1;
		EXPECT_EQ(nucleus_thread_set_affinity(page->handle, 1ull << i % cpus), 0);
		while (page->cpu != i % cpus)
			thread_yield();
		long again = nucleus_irq_attach_message(foreign_function, 0);
		EXPECT(again == irq || again == -EBUSY);
		EXPECT_EQ(nucleus_park(ktest_now() + WAIT_NS, 0), 0);
		edu[EDU_ACKNOWLEDGE / 4] = 1;
		EXPECT_EQ(nucleus_irq_done((uint32_t)irq), 1);
	}
	/* No other thread has it move. */
	__atomic_store_n(&foreign_done, 0, __ATOMIC_SEQ_CST);
	(void)start_thread(foreign_thread, nullptr, -1);
	EXPECT(WAIT_UNTIL(__atomic_load_n(&foreign_done, __ATOMIC_SEQ_CST)));
	EXPECT_EQ(nucleus_irq_detach((uint32_t)irq), 0);
	EXPECT_EQ(nucleus_irq_attach_message(foreign_function, 1), -EINVAL);
	EXPECT_EQ(nucleus_thread_set_affinity(page->handle, UINT64_MAX), 0);
	let_go(h, va, 1);
}

static uint64_t interrupts_of(uint32_t cpu)
{
	EXPECT_EQ(nucleus_account_read(ACCOUNT_CPU, cpu), 0);
	return ((const struct account_cpu *)call_area())->irq;
}

/* Raises one and sees it come without a wait: who runs is not interrupted for being told. */
static bool comes(volatile uint32_t *edu, uint32_t irq)
{
	uint64_t limit = ktest_now() + WAIT_NS;
	long came = 0;

	edu[EDU_RAISE / 4] = 1;
	while (came == 0 && ktest_now() < limit)
		came = nucleus_irq_done(irq);
	edu[EDU_ACKNOWLEDGE / 4] = 1;
	return EXPECT_EQ(came, 1);
}

/* Each CPU in turn is interrupted as often as a message came since its thread moved there and asked for it again. */
static void message_interrupts_where_asked(void)
{
	constexpr unsigned TIMES = 500;
	uint64_t va = kmap_reserve(1);
	const volatile struct thread_page *page = thread_page_current();
	uint32_t function = pci_find(EDU, 0);
	long h = pci_take(function, true, va, 1), irq = nucleus_irq_attach_message(function, 0);

	EXPECT(irq > 0);
	for (uint32_t cpu = 0; cpu < boot_info()->cpu_count; cpu++) {
		EXPECT_EQ(nucleus_thread_set_affinity(page->handle, 1ull << cpu), 0);
		while (page->cpu != cpu)
			thread_yield();
		long again = nucleus_irq_attach_message(function, 0);
		if (again == -EBUSY) { /* this machine's cannot follow */
			EXPECT_EQ(nucleus_irq_detach((uint32_t)irq), 0);
			again = irq = nucleus_irq_attach_message(function, 0);
		}
		EXPECT_EQ(again, irq);
		uint64_t before = interrupts_of(cpu);
		for (unsigned i = 0; i < TIMES && comes((volatile uint32_t *)va, (uint32_t)irq); i++)
			;
		EXPECT(interrupts_of(cpu) - before >= TIMES);
		(void)nucleus_park(1, 0); /* the permits of all these */
	}
	EXPECT_EQ(nucleus_irq_detach((uint32_t)irq), 0);
	EXPECT_EQ(nucleus_thread_set_affinity(page->handle, UINT64_MAX), 0);
	let_go(h, va, 1);
}

/* Intel 82574 datasheet, chapter 10: causes can be set by hand. */
enum e1000e_register : uint32_t {
	CTRL = 0x00,
	ICR = 0xc0,
	ICS = 0xc8,
	IMS = 0xd0,
	IMC = 0xd8,
	IVAR = 0xe4,
};
enum : uint32_t { CAUSE_QUEUE_0 = 1 << 20, CAUSE_OTHER = 1 << 24, E1000E_PAGES = 32, CTRL_RESET = 1 << 26 };

/* Two messages of one function, each its own; the table is not to be mapped. */
static void messages(void)
{
	uint64_t va = kmap_reserve(E1000E_PAGES), table = kmap_reserve(1);
	volatile uint32_t *card = (volatile uint32_t *)va;
	uint32_t function = pci_find(E1000E, 0);
	long h = pci_take(function, true, va, E1000E_PAGES), first, second;

	EXPECT_EQ(nucleus_device_map(table, config32(function, PCI_BAR0 + 12) & ~15u, 1), -EPERM);
	first = nucleus_irq_attach_message(function, 0);
	second = nucleus_irq_attach_message(function, 1);
	EXPECT_EQ(nucleus_irq_attach_message(function, 5), -EINVAL);
	EXPECT(first > 0 && second > 0);
	card[IMC / 4] = UINT32_MAX;
	(void)card[ICR / 4];
	/* Receive queue 0 to message 0, other causes to message 1. */
	card[IVAR / 4] = 8 | 9 << 16;
	card[IMS / 4] = CAUSE_QUEUE_0 | CAUSE_OTHER;
	(void)nucleus_park(1, 0);
	card[ICS / 4] = CAUSE_QUEUE_0;
	EXPECT_EQ(nucleus_park(ktest_now() + WAIT_NS, 0), 0);
	(void)card[ICR / 4];
	card[ICR / 4] = UINT32_MAX;
	EXPECT_EQ(nucleus_irq_detach((uint32_t)first), 0);
	(void)nucleus_park(1, 0);
	card[ICS / 4] = CAUSE_QUEUE_0;
	EXPECT_EQ(nucleus_park(ktest_now() + 10 * MS, 0), -ETIMEDOUT);
	card[ICS / 4] = CAUSE_OTHER;
	EXPECT_EQ(nucleus_park(ktest_now() + WAIT_NS, 0), 0);
	/* QEMU's card ends QEMU if MSI-X is off when it may send again: some 128 us of the machine's time after the
	 * last. */
	card[CTRL / 4] = CTRL_RESET;
	for (uint64_t end = ktest_now() + 10 * MS; ktest_now() < end;)
		(void)nucleus_park(end, 0);
	let_go(h, va, E1000E_PAGES);
	/* With the claim the handlers went. */
	EXPECT_EQ(nucleus_irq_detach((uint32_t)second), -EBADF);
}

/* Who does without MSI-X may map all of it. */
static void table_mapped(void)
{
	uint32_t function = pci_find(E1000E, 0);
	uint64_t va = kmap_reserve(1);
	long h = nucleus_device_claim(CLAIM_FUNCTION, function, 0, CLAIM_WITHOUT_MSIX);

	EXPECT(h > 0);
	EXPECT_EQ(nucleus_pci_write(function, PCI_COMMAND, 2, PCI_COMMAND_MEMORY), 0);
	EXPECT_EQ(nucleus_device_map(va, config32(function, PCI_BAR0 + 12) & ~15u, 1), 0);
	EXPECT_EQ(nucleus_irq_attach_message(function, 1), -EINVAL);
	EXPECT_EQ(nucleus_pci_read(function, capability(function, PCI_CAP_MSIX) + 2, 2) & 0x8000, 0);
	let_go(h, va, 1);
}

/* What firmware left switched on, or a driver just before. */
static void claimed_quiet(void)
{
	uint32_t first = (uint32_t)boot_info()->pci[0].segment << 16 | (uint32_t)boot_info()->pci[0].first_bus << 8;
	unsigned left_on = 0;

	for (uint32_t f = first; f < first + 0x800; f++) {
		uint32_t before = command(f);
		long h = nucleus_pci_read(f, PCI_VENDOR_ID, 2) == 0xffff
				 ? 0
				 : nucleus_device_claim(CLAIM_FUNCTION, f, 0, 0);

		if (h <= 0)
			continue;
		/* What is behind a port, whose slot this is a claim of, goes on. */
		bool port = (nucleus_pci_read(f, PCI_HEADER_TYPE, 1) & PCI_HEADER_TYPE_MASK) == PCI_HEADER_BRIDGE;

		left_on += !port && (before & PCI_COMMAND_BUS_MASTER) != 0;
		EXPECT_EQ(command(f) & PCI_COMMAND_BUS_MASTER, port ? before & PCI_COMMAND_BUS_MASTER : 0);
		EXPECT(command(f) & PCI_COMMAND_INTERRUPT_OFF);
		EXPECT_EQ(nucleus_device_release((uint64_t)h), 0);
	}
	log_info("pci: %u functions mastered the bus before they were claimed", left_on);
}

/* An entry of the table is masked when its handler goes, decoded or not: what it says may be another's by then. */
static void masked_undecoded(void)
{
	uint32_t function = pci_find(E1000E, 0);
	uint64_t va = kmap_reserve(1);
	long h = pci_take(function, true, va, 1), irq = nucleus_irq_attach_message(function, 0);

	EXPECT(irq > 0);
	EXPECT_EQ(nucleus_pci_write(function, PCI_COMMAND, 2, PCI_COMMAND_BUS_MASTER), 0);
	EXPECT_EQ(nucleus_irq_detach((uint32_t)irq), 0);
	EXPECT_EQ(command(function) & 7, PCI_COMMAND_BUS_MASTER);
	let_go(h, va, 1);
	h = nucleus_device_claim(CLAIM_FUNCTION, function, 0, CLAIM_WITHOUT_MSIX);
	EXPECT_EQ(nucleus_pci_write(function, PCI_COMMAND, 2, PCI_COMMAND_MEMORY), 0);
	EXPECT_EQ(nucleus_device_map(va, config32(function, PCI_BAR0 + 12) & ~15u, 1), 0);
	EXPECT_EQ(((volatile uint32_t *)va)[3] & 1, 1);
	let_go(h, va, 1);
}

static bool cards_there(void)
{
	return pci_edu_there() && pci_find(EDU, 1) != NO_FUNCTION && pci_e1000e_there();
}

KTEST_SUITE(pci, KTEST("configuration space is read, and the host bridge is nobody's", reads, .fits = any_function),
	    KTEST("without a claim nothing of a function is written", writes_without_claim, .fits = cards_there),
	    KTEST("with a claim only what is harmless is", writes_with_claim, .fits = cards_there),
	    KTEST("BARs are measured, and not placed over RAM or what is another's", bars, .fits = cards_there),
	    KTEST("a BAR that was moved is where it was moved to", moved, .fits = cards_there),
	    KTEST("numbers of buses with claims stay", bridge_numbers, .fits = bridges_there),
	    KTEST("a bridge goes on for what is claimed behind it", bridge_windows, .fits = bridges_there),
	    KTEST("a silenced function masters the bus no more and keeps its addresses", silence, .fits = cards_there),
	    KTEST("MSI wakes its handler until it is detached", message, .fits = cards_there),
	    KTEST("a message comes to the CPU that asks for it", message_for_each_cpu, .fits = cards_there),
	    KTEST("a message interrupts the CPU its thread moved to", message_interrupts_where_asked,
		  .fits = cards_there),
	    KTEST("a message follows its thread, with what is pending", message_follows, .fits = cards_there),
	    KTEST("MSI-X has a handler for each message", messages, .fits = cards_there),
	    KTEST("an entry is masked with decoding off, too", masked_undecoded, .fits = cards_there),
	    KTEST("without MSI-X the table may be mapped", table_mapped, .fits = cards_there),
	    KTEST("a function is quiet when it is claimed", claimed_quiet, .fits = any_function));
