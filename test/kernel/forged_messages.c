/* SPDX-License-Identifier: MIT */
/*
 * A device that writes an interrupt's message which is not its own: where senders are told apart it raises nothing, and
 * what is beside the doorbell in an IOMMU's domain is not reached; elsewhere the other's interrupt comes, and nobody
 * knows better. By two of QEMU's educational devices (docs/specs/edu): one writes by DMA, the other is whose name it
 * takes. QEMU 7.2 writes under no number of a device then: its VT-d believes it whatever it could have sent itself.
 */
#include "ktest.h"

#include "irq_devices.h"
#include "pci_devices.h"

#include <kernel/base/cmdline.h>
#include <kernel/mem/kmap.h>
#include <lib/pci_config.h>
#include <lib/types.h>
#include <nucleus/device.h>

enum edu_dma : uint32_t { SOURCE = 0x80, TARGET = 0x88, COUNT = 0x90, COMMAND = 0x98, BUFFER = 0x40000 };
enum : uint32_t { RUN = 1, TO_MEMORY = 2, MSI_64_BITS = 1 << 7 };

static struct edu {
	volatile uint32_t *registers;
	uint32_t function;
	long claim, irq;
} forger, other;

static void take(struct edu *e, unsigned n)
{
	if (e->registers == nullptr)
		e->registers = (volatile uint32_t *)kmap_reserve(1);
	e->function = pci_find(EDU, n);
	e->claim = pci_take(e->function, true, (uint64_t)e->registers, 1);
	e->irq = nucleus_irq_attach_message(e->function, 0);
	EXPECT(e->irq > 0);
}

static void let_go(struct edu *e)
{
	EXPECT_EQ(nucleus_irq_detach((uint32_t)e->irq), 0);
	EXPECT_EQ(nucleus_kunmap((uint64_t)e->registers, 1), 0);
	EXPECT_EQ(nucleus_device_release((uint64_t)e->claim), 0);
}

/* Messages come to the CPU that attached them: all are looked for on one. */
static void take_both(void)
{
	const volatile struct thread_page *page = thread_page_current();

	EXPECT_EQ(nucleus_thread_set_affinity(page->handle, 1), 0);
	EXPECT(WAIT_UNTIL(page->cpu == 0));
	take(&forger, 0);
	take(&other, 1);
}

static void let_both_go(void)
{
	let_go(&other);
	let_go(&forger);
	EXPECT_EQ(nucleus_thread_set_affinity(thread_page_current()->handle, UINT64_MAX), 0);
}

/* What the nucleus has the device write. */
static void message_of(uint32_t function, uint64_t *address, uint32_t *data)
{
	uint32_t at = (uint32_t)nucleus_pci_read(function, PCI_CAPABILITIES, 1);

	while (at != 0 && nucleus_pci_read(function, at, 1) != PCI_CAP_MSI)
		at = (uint32_t)nucleus_pci_read(function, at + 1, 1);
	bool wide = nucleus_pci_read(function, at + 2, 2) & MSI_64_BITS;

	*address = (uint64_t)nucleus_pci_read(function, at + 4, 4) |
		   (wide ? (uint64_t)nucleus_pci_read(function, at + 8, 4) << 32 : 0);
	*data = (uint32_t)nucleus_pci_read(function, at + (wide ? 12 : 8), 2);
}

static void copy(uint64_t source, uint64_t target, uint32_t command)
{
	*(volatile uint64_t *)(forger.registers + SOURCE / 4) = source;
	*(volatile uint64_t *)(forger.registers + TARGET / 4) = target;
	*(volatile uint64_t *)(forger.registers + COUNT / 4) = sizeof(uint32_t);
	*(volatile uint64_t *)(forger.registers + COMMAND / 4) = RUN | command;
	EXPECT(WAIT_UNTIL((forger.registers[COMMAND / 4] & RUN) == 0));
}

/* The forger writes one word by DMA. */
static void forge(uint64_t address, uint32_t data)
{
	uint64_t pfn = user_frame();

	window(pfn)[0] = data;
	if (pci_iommu_expected())
		EXPECT_EQ(nucleus_dma_lend((uint64_t)forger.claim, pfn, 1, DMA_ACCESS_READ), 0);
	copy(pfn << PAGE_SHIFT, BUFFER, 0);
	if (pci_iommu_expected())
		EXPECT_EQ(nucleus_dma_return((uint64_t)forger.claim, pfn, 1, DMA_ACCESS_READ), 0);
	give_user_frame(pfn);
	copy(BUFFER, address, TO_MEMORY);
}

/* Its own interrupt comes, and with it all that was sent to this CPU before. */
static void raise(struct edu *e)
{
	e->registers[EDU_RAISE / 4] = 1;
	EXPECT(WAIT_UNTIL(nucleus_irq_done((uint32_t)e->irq) == 1));
	e->registers[EDU_ACKNOWLEDGE / 4] = 1;
}

static void raises_nothing(void)
{
	uint64_t address;
	uint32_t data;

	take_both();
	raise(&other);
	for (unsigned n = 0;; n++) {
		message_of(other.function, &address, &data);
		if (!message_to_forge(n, &address, &data))
			break;
		forge(address, data);
		raise(&forger);
		EXPECT_EQ(nucleus_irq_done((uint32_t)other.irq), 0);
	}
	raise(&other);
	let_both_go();
}

static void raises_the_others(void)
{
	uint64_t address;
	uint32_t data;

	take_both();
	message_of(other.function, &address, &data);
	forge(address, data);
	EXPECT(WAIT_UNTIL(nucleus_irq_done((uint32_t)other.irq) == 1));
	let_both_go();
}

static bool masters(void)
{
	return nucleus_pci_read(forger.function, PCI_COMMAND, 2) & PCI_COMMAND_BUS_MASTER;
}

/* Pages of the same controllers, which would raise what they are told to. */
static void doorbell_alone(void)
{
	uint64_t address;
	uint32_t data;

	take_both();
	message_of(other.function, &address, &data);
	/* The page of the doorbell is reached, whatever is written there. */
	forge(address, data);
	forge(address & ~(PAGE_SIZE - 1), data);
	EXPECT(masters());
	let_both_go();
	static const int64_t beside[] = {-(int64_t)PAGE_SIZE, PAGE_SIZE, -0x10000};

	for (unsigned i = 0; i < ARRAY_LEN(beside); i++) {
		take_both();
		EXPECT(masters());
		forge(address + (uint64_t)beside[i], data);
		EXPECT(WAIT_UNTIL(!masters()));
		let_both_go();
	}
}

/* Whether the command line says `senders`: this machine tells apart who sent a message. */
static bool told_apart(void)
{
	char text[4];

	return pci_find(EDU, 1) != NO_FUNCTION && cmdline_get("senders", text, sizeof(text)) != nullptr;
}

static bool not_told_apart(void)
{
	return pci_find(EDU, 1) != NO_FUNCTION && !told_apart();
}

static bool doorbell_mapped(void)
{
	return MESSAGES_ARE_TRANSLATED && pci_iommu_expected();
}

KTEST_SUITE(forged_messages,
	    KTEST("a message in another's name raises nothing where senders are told apart", raises_nothing,
		  .fits = told_apart),
	    KTEST("elsewhere it raises the other's interrupt", raises_the_others, .fits = not_told_apart),
	    KTEST("of the interrupt controller a device reaches the doorbell's page alone", doorbell_alone,
		  .fits = doorbell_mapped));
