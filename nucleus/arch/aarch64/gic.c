/* SPDX-License-Identifier: MIT */
/*
 * What both versions of the interrupt controller have in common: the distributor's lines, who owns which, and the
 * meaning of what is acknowledged. Device lines are guarded by the nucleus lock.
 */
#include "gic.h"
#include "boot/boot.h"
#include "cpu.h"
#include "gic_driver.h"
#include "gic_its.h"
#include "gic_registers.h"
#include "irq/irq.h"
#include "mmio.h"
#include "mmu/mmu.h"
#include "platform.h"
#include "regs.h"
#include "report/log.h"
#include "sched/sched.h"
#include "timer.h"
#include <abi/errno.h>

enum : uint16_t { KEPT = UINT16_MAX };
enum : uint32_t { DISTRIBUTOR_PAGES_V2 = 1, DISTRIBUTOR_PAGES_V3 = 8 /* with the routing registers */ };

static const struct gic_driver *gic; /* nullptr: not there yet */
static volatile void *distributor;
static uint32_t lines;			  /* one past the last */
static uint16_t owner[GIC_FIRST_SPECIAL]; /* slot + 1; or KEPT */
static uint32_t line_of[IRQS_MAX];	  /* 0: none */

/* --- lines --- */

void gic_set_bit(volatile void *frame, uint32_t array, uint32_t line)
{
	mmio_write32(frame, array + line / 32 * 4, 1u << line % 32);
}

void gic_reset_lines(volatile void *frame, uint32_t from, uint32_t to, uint32_t groups)
{
	for (uint32_t line = from; line < to; line += 32) {
		mmio_write32(frame, GICD_ICENABLER + line / 8, UINT32_MAX);
		mmio_write32(frame, GICD_ICPENDR + line / 8, UINT32_MAX);
		mmio_write32(frame, GICD_ICACTIVER + line / 8, UINT32_MAX);
		mmio_write32(frame, GICD_IGROUPR + line / 8, groups);
		for (uint32_t i = 0; i < 32; i += 4)
			mmio_write32(frame, GICD_IPRIORITYR + line + i, GIC_PRIORITY * 0x01010101u);
	}
}

/* Level or edge, while the line is disabled. Some lines are wired one way: the result is what holds. */
static bool set_level(uint32_t line, bool level)
{
	uint32_t at = GICD_ICFGR + line / 16 * 4, bit = 2u << line % 16 * 2, value = mmio_read32(distributor, at);

	mmio_write32(distributor, at, level ? value & ~bit : value | bit);
	return !(mmio_read32(distributor, at) & bit);
}

/* --- bring-up --- */

RARE int gic_init(void)
{
	bool v3 = platform.gic_version == ARM_GIC_V3;
	int result;

	distributor = kernel_view_registers(SLOT_GIC_DISTRIBUTOR, platform.distributor.phys,
					    v3 ? DISTRIBUTOR_PAGES_V3 : DISTRIBUTOR_PAGES_V2);
	if (!distributor)
		return -ENOMEM;
	lines = ((mmio_read32(distributor, GICD_TYPER) & GICD_TYPER_LINES) + 1) * 32;
	if (lines > GIC_FIRST_SPECIAL)
		lines = GIC_FIRST_SPECIAL;
	mmio_write32(distributor, GICD_CTLR, 0);
	result = (v3 ? &gic_v3 : &gic_v2)->init(distributor);
	if (result < 0)
		return result;
	/* Group 1 where there is a choice: a GICv2 of one security state delivers group 0 as IRQ, a GICv3 as FIQ. */
	gic_reset_lines(distributor, GIC_PRIVATE_LINES, (lines + 31) & ~31u, v3 ? UINT32_MAX : 0);
	gic = v3 ? &gic_v3 : &gic_v2;
	gic->settle();
	mmio_write32(distributor, GICD_CTLR,
		     v3 ? GICD_CTLR_AFFINITY_ROUTING | GICD_CTLR_ENABLE_GROUP1 : GICD_CTLR_ENABLE);
	gic->settle();
	log_printf("gic: version %d at %lx, %u lines\n", platform.gic_version, platform.distributor.phys, lines);
	return 0;
}

void gic_init_cpu(void)
{
	/* The nucleus's own software interrupts have the numbers of their kinds. */
	gic->init_cpu(cpu_this()->id, 1u << INTERRUPT_RESCHEDULE | 1u << INTERRUPT_SERVE | 1u << INTERRUPT_STOP |
					      1u << platform.virtual_timer.id);
}

/* --- taking and sending --- */

struct interrupt arch_interrupt_take(const struct context *)
{
	struct interrupt i = {.token = gic->acknowledge()};
	/* A GICv2 has the sender of a software interrupt in the upper bits. */
	uint32_t id = platform.gic_version == ARM_GIC_V3 ? i.token : i.token & GICC_IAR_ID;

	if (id >= GIC_FIRST_SPECIAL && id <= GIC_LAST_SPECIAL)
		return i;
	i.kind = INTERRUPT_UNKNOWN;
	if (id == INTERRUPT_STOP) {
		gic->end(i.token);
		cpu_halt_forever();
	} else if (id == INTERRUPT_RESCHEDULE || id == INTERRUPT_SERVE) {
		i.kind = (enum interrupt_kind)id;
	} else if (id == platform.virtual_timer.id) {
		timer_silence();
		i.kind = INTERRUPT_TIMER;
	} else if (id >= GIC_PRIVATE_LINES && id < lines && owner[id]) {
		i.kind = owner[id] == KEPT ? INTERRUPT_IOMMU : INTERRUPT_DEVICE;
		i.slot = owner[id] - 1u;
	} else if (id >= GIC_FIRST_LPI) {
		i.kind = INTERRUPT_DEVICE;
		i.slot = id - GIC_FIRST_LPI;
	} else if (id < GIC_PRIVATE_LINES) {
		gic->private_disable(id);
	} else {
		i.slot = id;
	}
	return i;
}

void arch_interrupt_end(struct interrupt i)
{
	/* Under the nucleus lock: who connects the line meanwhile keeps it. */
	if (i.kind == INTERRUPT_UNKNOWN && i.slot >= GIC_PRIVATE_LINES && i.slot < lines && !owner[i.slot]) {
		gic_set_bit(distributor, GICD_ICENABLER, i.slot);
		gic->settle();
	}
	gic->end(i.token);
}

void arch_interrupt_send(const struct cpu *cpu, enum interrupt_kind kind)
{
	gic->send(cpu->id, kind);
}

void gic_stop_others(void)
{
	for (uint32_t i = 0; gic && i < cpu_count; i++)
		if (i != cpu_this()->id)
			gic->send(i, INTERRUPT_STOP);
}

/* --- device interrupts --- */

RARE int arch_irq_connect(uint32_t slot, uint32_t gsi, uint32_t *flags, uint32_t cpu)
{
	/* A shared line is active high or rising; whoever says low means another controller's line. */
	if (gsi < GIC_PRIVATE_LINES || gsi >= lines || *flags & IRQ_ACTIVE_LOW)
		return -EINVAL;
	if (owner[gsi])
		return -EBUSY;
	gic_set_bit(distributor, GICD_ICENABLER, gsi);
	gic->settle();
	*flags = set_level(gsi, *flags & IRQ_LEVEL) ? *flags | IRQ_LEVEL : *flags & ~(uint32_t)IRQ_LEVEL;
	gic->route(gsi, cpu);
	/* An edge from before is not this driver's. */
	gic_set_bit(distributor, GICD_ICPENDR, gsi);
	line_of[slot] = gsi;
	owner[gsi] = (uint16_t)(slot + 1);
	return 0;
}

bool gic_keep_line(uint32_t line)
{
	uint32_t flags = 0;

	if (arch_irq_connect(0, line, &flags, 0) < 0)
		return owner[line] == KEPT;
	line_of[0] = 0;
	owner[line] = KEPT;
	gic_set_bit(distributor, GICD_ISENABLER, line);
	return true;
}

void arch_irq_mask(uint32_t slot, bool masked)
{
	gic_set_bit(distributor, masked ? GICD_ICENABLER : GICD_ISENABLER, line_of[slot]);
	/* A level that is still up must not be delivered again by the end of the interrupt that follows. */
	if (masked)
		gic->settle();
}

bool arch_irq_move(uint32_t slot, uint32_t cpu)
{
	if (!line_of[slot])
		return gic_its_move(slot, cpu);
	gic->route(line_of[slot], cpu);
	return true;
}

void arch_irq_disconnect(uint32_t slot)
{
	if (!line_of[slot]) {
		gic_its_disconnect(slot);
		return;
	}
	arch_irq_mask(slot, true);
	owner[line_of[slot]] = 0;
	line_of[slot] = 0;
}
