/* SPDX-License-Identifier: MIT */
/*
 * Local APIC, I/O APICs, calibration. Registers are mapped in the pool's device area, which is in every view, because
 * interrupts are acknowledged wherever they arrive. Intel SDM vol. 3, chapter 11 (local APIC); 82093AA datasheet (I/O
 * APIC). Lock: the nucleus lock for the I/O APIC.
 */
#include "apic.h"
#include "debug/debug.h"
#include "device/pci.h"
#include "frame/frames.h"
#include "iommu/vtd.h"
#include "irq/irq.h"
#include "mmu/mmu.h"
#include "regs.h"
#include "report/log.h"
#include "sched/sched.h"
#include "time/clock.h"
#include <abi/errno.h>
#include <lib/acpi_tables.h>

enum lapic_register : uint32_t {
	LAPIC_ID = 0x20,	 /* RO  11.4.6 */
	LAPIC_TPR = 0x80,	 /* RW  11.8.3.1 */
	LAPIC_EOI = 0xb0,	 /* WO  11.8.5 */
	LAPIC_SPURIOUS = 0xf0,	 /* RW  11.9 */
	LAPIC_ICR_LOW = 0x300,	 /* RW  11.6.1 */
	LAPIC_ICR_HIGH = 0x310,	 /* RW */
	LAPIC_LVT_TIMER = 0x320, /* RW  11.5.1 */
	LAPIC_LVT_LINT0 = 0x350,
	LAPIC_LVT_LINT1 = 0x360,
	LAPIC_LVT_ERROR = 0x370,
	LAPIC_TIMER_INITIAL = 0x380, /* RW  11.5.4 */
	LAPIC_TIMER_CURRENT = 0x390, /* RO */
	LAPIC_TIMER_DIVIDE = 0x3e0,  /* RW */
};
enum : uint32_t {
	LVT_MASKED = 1 << 16,
	LVT_TSC_DEADLINE = 2 << 17,
	LVT_NMI = 4 << 8,
	SPURIOUS_ENABLE = 1 << 8,
	DIVIDE_BY_1 = 0xb,
	ICR_PENDING = 1 << 12,
	ICR_ASSERT = 1 << 14,
	ICR_NMI = 4 << 8,
	ICR_ALL_BUT_SELF = 3 << 18,
};
enum ioapic_register : uint32_t {
	IOAPIC_SELECT = 0x00,
	IOAPIC_WINDOW = 0x10,
	IOAPIC_VERSION = 1,
	IOAPIC_REDIRECT = 0x10
};
enum : uint32_t {
	REDIRECT_MASKED = 1 << 16,
	REDIRECT_LEVEL = 1 << 15,
	REDIRECT_ACTIVE_LOW = 1 << 13,
	REDIRECT_VECTOR = 0xff
};

enum : uint64_t { MESSAGES_END = 0xff000000 };

static volatile uint32_t *lapic;
static struct madt madt;
static struct {
	volatile uint32_t *registers;
	uint32_t first, count; /* global interrupt numbers */
} ioapics[MADT_IOAPICS_MAX];
static struct {
	uint8_t ioapic, pin; /* of a wire */
	uint8_t cpu, vector; /* vector 0: none */
	bool message;
	uint32_t low;
} routes[IRQS_MAX];
static uint16_t lines[CPUS_MAX][VECTORS_DEVICE]; /* line + 1 by vector */
static uint64_t timer_hz;			 /* local timer; unused with TSC-deadline */

static uint32_t lapic_read(enum lapic_register r)
{
	return lapic[r / 4];
}
static void lapic_write(enum lapic_register r, uint32_t v)
{
	lapic[r / 4] = v;
}

static uint32_t ioapic_read(unsigned i, uint32_t r)
{
	ioapics[i].registers[IOAPIC_SELECT / 4] = r;
	return ioapics[i].registers[IOAPIC_WINDOW / 4];
}
static void ioapic_write(unsigned i, uint32_t r, uint32_t v)
{
	ioapics[i].registers[IOAPIC_SELECT / 4] = r;
	ioapics[i].registers[IOAPIC_WINDOW / 4] = v;
}

int apic_init(uint64_t rsdp_phys)
{
	size_t length;
	const void *table = acpi_find_table(rsdp_phys, "APIC", kernel_view_firmware, &length);

	if (!table || !madt_parse(table, length, &madt)) {
		log_printf("apic: the firmware's MADT is missing or damaged\n");
		return -ENODEV;
	}
	lapic = kernel_view_registers(0, madt.lapic_phys, 1);
	if (!lapic)
		return -ENOMEM;
	claim_withhold(madt.lapic_phys, madt.lapic_phys + 1);
	/* Message-signalled interrupts are writes to this range: nobody else may make them. */
	claim_withhold(APIC_MESSAGES, MESSAGES_END);
	for (unsigned i = 0; i < madt.ioapic_count; i++) {
		ioapics[i].registers = kernel_view_registers(1 + i, madt.ioapic[i].phys, 1);
		if (!ioapics[i].registers)
			return -ENOMEM;
		claim_withhold(madt.ioapic[i].phys, madt.ioapic[i].phys + 1);
		ioapics[i].first = madt.ioapic[i].gsi_base;
		ioapics[i].count = (ioapic_read(i, IOAPIC_VERSION) >> 16 & 0xff) + 1;
		for (uint32_t pin = 0; pin < ioapics[i].count; pin++)
			ioapic_write(i, IOAPIC_REDIRECT + 2 * pin, REDIRECT_MASKED);
	}
	/* The two legacy controllers deliver nothing any more (8259A: OCW1 masks). */
	io_write8(0x21, 0xff);
	io_write8(0xa1, 0xff);
	return 0;
}

void apic_init_cpu(void)
{
	/* The firmware may have left x2APIC mode or a disabled unit; go to xAPIC mode, enabled. */
	enum : uint64_t { X2APIC = 1 << 10, ENABLE = 1 << 11 };
	uint64_t base = msr_read(MSR_APIC_BASE);

	/* From x2APIC mode the only way back is through "disabled" (11.12.5). */
	if (base & X2APIC)
		msr_write(MSR_APIC_BASE, base & ~(X2APIC | ENABLE));
	msr_write(MSR_APIC_BASE, (base & ~X2APIC) | ENABLE);
	lapic_write(LAPIC_TPR, 0);
	lapic_write(LAPIC_LVT_LINT0, LVT_MASKED);
	lapic_write(LAPIC_LVT_LINT1, LVT_NMI);
	lapic_write(LAPIC_LVT_ERROR, LVT_MASKED);
	lapic_write(LAPIC_TIMER_DIVIDE, DIVIDE_BY_1);
	lapic_write(LAPIC_LVT_TIMER, VECTOR_TIMER | (cpu_features.tsc_deadline ? LVT_TSC_DEADLINE : 0));
	lapic_write(LAPIC_SPURIOUS, SPURIOUS_ENABLE | VECTOR_SPURIOUS);
	cpu_this()->apic_id = lapic_read(LAPIC_ID) >> 24;
}

static void send_ipi(uint32_t apic, uint32_t command)
{
	while (lapic_read(LAPIC_ICR_LOW) & ICR_PENDING)
		cpu_relax();
	lapic_write(LAPIC_ICR_HIGH, apic << 24);
	lapic_write(LAPIC_ICR_LOW, command | ICR_ASSERT);
}

void arch_interrupt_send(const struct cpu *cpu, enum interrupt_kind kind)
{
	send_ipi(cpu->apic_id, VECTOR_NUCLEUS + kind);
}

void apic_stop_others(void)
{
	if (lapic && cpu_count > 1)
		send_ipi(0, ICR_NMI | ICR_ALL_BUT_SELF);
}

/*
 * Calibration against channel 2 of the 8254, which counts down at 1193182 Hz (8254 datasheet; gate and output in port
 * 0x61). The three counters are read together at two moments, and each moment is the tightest of several readings: how
 * long the CPU was away in between, as an emulator's is on a busy host, then does not matter.
 */
enum : uint32_t { PIT_HZ = 1193182, PIT_INTERVAL = 12000 /* about 10 ms */, PIT_RELOAD = 0xffff, SAMPLE_TRIES = 16 };

struct moment {
	uint64_t counter;
	uint32_t pit, timer;
};

static uint32_t pit_read(void)
{
	uint32_t low;

	io_write8(0x43, 0x80); /* latch channel 2 */
	low = io_read8(0x42);
	return low | (uint32_t)io_read8(0x42) << 8;
}

static struct moment sample(void)
{
	struct moment best = {};
	uint64_t least = UINT64_MAX;

	for (unsigned i = 0; i < SAMPLE_TRIES; i++) {
		uint64_t before = counter_read();
		uint32_t pit = pit_read(), timer = lapic_read(LAPIC_TIMER_CURRENT);
		uint64_t after = counter_read();

		if (after - before < least) {
			least = after - before;
			best = (struct moment){.counter = before + (after - before) / 2, .pit = pit, .timer = timer};
		}
	}
	return best;
}

RARE uint64_t apic_calibrate(void)
{
	struct moment first, last;

	lapic_write(LAPIC_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
	do {
		io_write8(0x61, (io_read8(0x61) & ~2) | 1); /* gate on, speaker off */
		io_write8(0x43, 0xb0);			    /* channel 2, low and high byte, mode 0 */
		io_write8(0x42, PIT_RELOAD & 0xff);
		io_write8(0x42, PIT_RELOAD >> 8);
		lapic_write(LAPIC_TIMER_INITIAL, UINT32_MAX);
		first = sample();
		while (!(io_read8(0x61) & 0x20) && first.pit - pit_read() < PIT_INTERVAL)
			;
		last = sample();
		/* Once more if it ran out meanwhile: its count is then unknown. */
	} while (io_read8(0x61) & 0x20 || first.pit <= last.pit);
	lapic_write(LAPIC_TIMER_INITIAL, 0);
	lapic_write(LAPIC_LVT_TIMER, VECTOR_TIMER | (cpu_features.tsc_deadline ? LVT_TSC_DEADLINE : 0));
	timer_hz = (uint64_t)(first.timer - last.timer) * PIT_HZ / (first.pit - last.pit);
	return (last.counter - first.counter) * PIT_HZ / (first.pit - last.pit);
}

void arch_timer_set(uint64_t at_ns)
{
	enum : uint64_t { WAIT_MAX_NS = 1000000000 }; /* who sleeps longer is looked at again */
	uint64_t now = clock_ns(), wait = debug_timer(&at_ns, now) > now ? MIN(at_ns - now, WAIT_MAX_NS) : 0, ticks;

	if (cpu_features.tsc_deadline) {
		msr_write(MSR_TSC_DEADLINE, at_ns ? clock_counter_at(now + wait) : 0);
		return;
	}

	if (!at_ns) {
		lapic_write(LAPIC_TIMER_INITIAL, 0);
		return;
	}
	ticks = wait * timer_hz / 1000000000;
	lapic_write(LAPIC_TIMER_INITIAL, (uint32_t)MAX(MIN(ticks, (uint64_t)UINT32_MAX), (uint64_t)1));
}

/* --- device interrupts --- */

struct interrupt arch_interrupt_take(const struct context *c)
{
	uint32_t vector = (uint32_t)c->vector;
	struct interrupt i = {.kind = INTERRUPT_DEVICE, .slot = IRQS_MAX /* none */};

	if (vector == VECTOR_SPURIOUS)
		i.kind = INTERRUPT_NONE;
	else if (vector > VECTOR_NUCLEUS)
		i.kind = (enum interrupt_kind)(vector - VECTOR_NUCLEUS);
	else if (vector >= VECTOR_DEVICE && vector < VECTOR_NUCLEUS)
		i.slot = lines[c->cpu->id][vector - VECTOR_DEVICE] - 1u;
	return i;
}

void arch_interrupt_end(struct interrupt)
{
	lapic_write(LAPIC_EOI, 0);
}

/* A vector of that CPU, or of another that has one left. */
static bool take_vector(uint32_t line, uint32_t cpu)
{
	for (uint32_t n = 0; n < cpu_count; n++, cpu = (cpu + 1) % cpu_count)
		for (uint32_t i = 0; i < VECTORS_DEVICE; i++)
			if (!lines[cpu][i]) {
				lines[cpu][i] = (uint16_t)(line + 1);
				routes[line].cpu = (uint8_t)cpu;
				routes[line].vector = (uint8_t)(VECTOR_DEVICE + i);
				return true;
			}
	return false;
}

bool apic_io_id(unsigned index, uint32_t *id)
{
	*id = index < madt.ioapic_count ? madt.ioapic[index].id : 0;
	return index < madt.ioapic_count;
}

RARE int arch_irq_message(uint32_t line, uint32_t function, uint32_t, uint32_t cpu, uint64_t *address, uint32_t *data)
{
	uint32_t apic;

	if (!take_vector(line, cpu))
		return -ENOSPC;
	routes[line].message = true;
	apic = cpu_by_id(routes[line].cpu)->apic_id;
	if (vtd_remaps()) {
		/* The entry's number in bits 5 to 19 (Intel VT-d 4.1, 5.1.2.2). */
		vtd_remap_function(line, function, apic, routes[line].vector);
		*address = APIC_MESSAGES | line << 5 | 1 << 4;
		*data = 0;
	} else {
		/* Edge, to one CPU (Intel SDM vol. 3, 11.11). */
		*address = APIC_MESSAGES | apic << 12;
		*data = routes[line].vector;
	}
	return 0;
}

/* Its place says both vector and CPU, and what is on its way to the old one would be lost. */
bool arch_irq_move(uint32_t, uint32_t)
{
	return false;
}

RARE int arch_irq_connect(uint32_t line, uint32_t gsi, uint32_t *flags, uint32_t cpu)
{
	uint32_t apic;

	/* The numbers below 16 are ISA's; the firmware says where they went. */
	for (unsigned i = 0; gsi < 16 && i < madt.override_count; i++)
		if (madt.override[i].isa_irq == gsi) {
			*flags |= (madt.override[i].level ? IRQ_LEVEL : 0) |
				  (madt.override[i].active_low ? IRQ_ACTIVE_LOW : 0);
			gsi = madt.override[i].gsi;
			break;
		}
	for (unsigned i = 0; i < madt.ioapic_count; i++) {
		if (gsi < ioapics[i].first || gsi - ioapics[i].first >= ioapics[i].count)
			continue;
		routes[line].pin = (uint8_t)(gsi - ioapics[i].first);
		/* By another number: ISA's, and the pin's that it leads to. */
		if (ioapic_read(i, IOAPIC_REDIRECT + 2u * routes[line].pin) & REDIRECT_VECTOR)
			return -EBUSY;
		if (!take_vector(line, cpu))
			return -ENOSPC;
		routes[line].ioapic = (uint8_t)i;
		routes[line].message = false;
		routes[line].low = routes[line].vector | (*flags & IRQ_LEVEL ? REDIRECT_LEVEL : 0) |
				   (*flags & IRQ_ACTIVE_LOW ? REDIRECT_ACTIVE_LOW : 0);
		/* Remapped: the entry's number from bit 49 on, and that it is one (Intel VT-d 4.1, 5.1.5.1). */
		apic = cpu_by_id(routes[line].cpu)->apic_id;
		if (vtd_remaps())
			vtd_remap_ioapic(line, madt.ioapic[i].id, apic, routes[line].vector, *flags & IRQ_LEVEL);
		ioapic_write(i, IOAPIC_REDIRECT + 2 * routes[line].pin + 1,
			     vtd_remaps() ? line << 17 | 1 << 16 : apic << 24);
		ioapic_write(i, IOAPIC_REDIRECT + 2 * routes[line].pin, routes[line].low | REDIRECT_MASKED);
		return 0;
	}
	return -EINVAL;
}

/* A message is masked where it comes from. */
void arch_irq_mask(uint32_t line, bool masked)
{
	if (!routes[line].message)
		ioapic_write(routes[line].ioapic, IOAPIC_REDIRECT + 2u * routes[line].pin,
			     routes[line].low | (masked ? REDIRECT_MASKED : 0));
}

void arch_irq_disconnect(uint32_t line)
{
	routes[line].low = 0;
	arch_irq_mask(line, true);
	if (vtd_remaps())
		vtd_remap_end(line);
	lines[routes[line].cpu][routes[line].vector - VECTOR_DEVICE] = 0;
}

/* --- PCI --- */

void apic_init_pci(uint64_t rsdp_phys)
{
	struct acpi_range guarded[ACPI_GUARDED_MAX]; /* registers of IOMMUs, and of a timer that sends messages */
	unsigned count = acpi_find_guarded(rsdp_phys, kernel_view_firmware, guarded);
	struct pci_ecam ecams[PCI_ECAMS_MAX];
	size_t length;
	const void *mcfg = acpi_find_table(rsdp_phys, "MCFG", kernel_view_firmware, &length);

	for (unsigned i = 0; i < count; i++)
		claim_withhold(guarded[i].start, guarded[i].end);
	pci_init(ecams, mcfg ? pci_ecam_from_mcfg(mcfg, length, ecams, PCI_ECAMS_MAX) : 0);
}

/* Configuration mechanism 1 (PCI 3.0, 3.2.2.3.2). */
enum : uint16_t { CONFIG_ADDRESS = 0xcf8, CONFIG_DATA = 0xcfc };

static void select(uint32_t function, uint32_t offset)
{
	io_write32(CONFIG_ADDRESS, 1u << 31 | (function & 0xffff) << 8 | (offset & 0xfc));
}

uint32_t arch_pci_read32(uint32_t function, uint32_t offset)
{
	select(function, offset);
	return io_read32(CONFIG_DATA);
}

void arch_pci_write(uint32_t function, uint32_t offset, uint32_t bytes, uint32_t value)
{
	uint16_t port = (uint16_t)(CONFIG_DATA + (offset & 3));

	select(function, offset);
	if (bytes == 1)
		io_write8(port, (uint8_t)value);
	else if (bytes == 2)
		io_write16(port, (uint16_t)value);
	else
		io_write32(port, value);
}

/* The legacy interrupt controllers and what makes their lines level or edge, the port that enters system management
 * mode, configuration space and, within it, the reset. */
bool arch_port_owned(uint32_t start, uint32_t end)
{
	static const struct {
		uint16_t first, last;
	} owned[] = {{0x20, 0x21}, {0xa0, 0xa1}, {0xb2, 0xb3}, {0x4d0, 0x4d1}, {0xcf8, 0xcff}};

	for (unsigned i = 0; i < sizeof(owned) / sizeof(owned[0]); i++)
		if (start <= owned[i].last && end > owned[i].first)
			return true;
	return false;
}
