/* SPDX-License-Identifier: MIT */
/*
 * GICv2 (IHI 0048B): the CPU interface is in memory, at one address for all, and CPUs have numbers of their own, which
 * each reads from the targets of its private lines. At most 8 CPUs.
 *
 * With the security extensions this is non-secure software: what it sees as group 0's enable bits are group 1's, and
 * the groups of lines are the firmware's. Without them all lines are group 0, delivered as IRQ because FIQEn is clear.
 */
#include "cpu.h"
#include "gic_driver.h"
#include "gic_registers.h"
#include "mmio.h"
#include "mmu/mmu.h"
#include "platform.h"
#include "regs.h"
#include <abi/errno.h>

static volatile void *distributor, *interface;
static uint8_t targets[CPUS_MAX]; /* mask with the CPU's own bit */

RARE static int init(volatile void *distributor_registers)
{
	distributor = distributor_registers;
	interface = kernel_view_registers(SLOT_GIC_CPU_INTERFACE, platform.cpu_interface.phys, 1);
	return interface ? 0 : -ENOMEM;
}

/* The targets of private lines read as the reading CPU itself; with one CPU they may read as zero. */
static uint8_t own_target(void)
{
	uint32_t mask = 0;

	for (uint32_t i = 0; i < GIC_PRIVATE_LINES && !mask; i += 4)
		mask = mmio_read32(distributor, GICD_ITARGETSR + i);
	mask |= mask >> 16;
	mask |= mask >> 8;
	return mask & 0xff ? (uint8_t)mask : 1;
}

RARE static void init_cpu(uint32_t cpu, uint32_t private_lines)
{
	uint32_t bypass = mmio_read32(interface, GICC_CTLR) & GICC_CTLR_BYPASS;

	mmio_write32(interface, GICC_CTLR, bypass);
	targets[cpu] = own_target();
	gic_reset_lines(distributor, 0, GIC_PRIVATE_LINES, 0);
	mmio_write32(distributor, GICD_ISENABLER, private_lines);
	mmio_write32(interface, GICC_PMR, GIC_PRIORITY_ALL);
	mmio_write32(interface, GICC_BPR, 0);
	/* EOImode 0, IRQ only. */
	mmio_write32(interface, GICC_CTLR, bypass | GICC_CTLR_ENABLE);
}

static uint32_t acknowledge(void)
{
	return mmio_read32(interface, GICC_IAR);
}

static void end(uint32_t token)
{
	mmio_write32(interface, GICC_EOIR, token);
}

static void send(uint32_t cpu, uint32_t sgi)
{
	/* What was written before must be visible to whom this wakes: memory is of another domain than the register. */
	dsb_sy();
	mmio_write32(distributor, GICD_SGIR, (uint32_t)targets[cpu] << GICD_SGIR_TARGETS_SHIFT | sgi);
}

static void route(uint32_t line, uint32_t cpu)
{
	uint32_t at = GICD_ITARGETSR + (line & ~3u), shift = line % 4 * 8, value = mmio_read32(distributor, at);

	mmio_write32(distributor, at, (value & ~(0xffu << shift)) | (uint32_t)targets[cpu] << shift);
}

static void settle(void)
{
	/* The read comes back when the write before it has arrived; the barrier orders the other device behind it. */
	(void)mmio_read32(distributor, GICD_CTLR);
	dsb_sy();
}

static void private_disable(uint32_t line)
{
	gic_set_bit(distributor, GICD_ICENABLER, line);
	settle();
}

const struct gic_driver gic_v2 = {
	.init = init,
	.init_cpu = init_cpu,
	.acknowledge = acknowledge,
	.end = end,
	.send = send,
	.route = route,
	.settle = settle,
	.private_disable = private_disable,
};
