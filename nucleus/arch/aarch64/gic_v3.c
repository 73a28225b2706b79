/* SPDX-License-Identifier: MIT */
/*
 * GICv3 and GICv4 (IHI 0069) with affinity routing: a redistributor for each CPU holds its private lines, the CPU
 * interface is in system registers. Only group 1 as EL1 sees it; EL2, where it was, has let EL1 use those registers.
 */
#include "boot/boot.h"
#include "cpu.h"
#include "gic_driver.h"
#include "gic_its.h"
#include "gic_registers.h"
#include "mmio.h"
#include "mmu/mmu.h"
#include "platform.h"
#include "regs.h"
#include "report/log.h"
#include "report/report.h"
#include <abi/errno.h>

static volatile void *distributor;
static struct {
	volatile void *control, *private; /* RD_base, SGI_base */
	uint64_t mpidr;			  /* affinity fields */
	uint64_t phys;
} redistributors[CPUS_MAX];

/* GICR_TYPER has the four affinity fields next to each other. */
static uint64_t packed_affinity(uint64_t mpidr)
{
	return (mpidr & 0xffffff) | (mpidr >> 32 & 0xff) << 24;
}

/* Notes the redistributor at phys if it is that of a CPU which is used. -ENOMEM. */
static int take_redistributor(uint64_t phys, volatile void *control, uint64_t affinity, uint32_t *slot)
{
	for (uint32_t i = 0; i < boot_state.cpu_count; i++) {
		uint64_t mpidr = i ? boot_state.cpus[i].hardware_id : boot_state.boot_cpu_id;

		if (packed_affinity(mpidr) != affinity)
			continue;
		redistributors[i].control = control;
		redistributors[i].mpidr = mpidr;
		redistributors[i].phys = phys;
		redistributors[i].private = kernel_view_registers((*slot)++, phys + GICR_FRAME_BYTES, 1);
		return redistributors[i].private ? 0 : -ENOMEM;
	}
	return 0;
}

static int walk_region(const struct arm_region *r, uint32_t *slot)
{
	uint64_t typer, step, end = r->phys + r->size;
	volatile void *control;

	for (uint64_t at = r->phys; at + 2 * GICR_FRAME_BYTES <= end; at += step) {
		if (*slot + 2 > SLOT_END)
			return -ENOMEM;
		control = kernel_view_registers((*slot)++, at, 1);
		if (!control)
			return -ENOMEM;
		typer = mmio_read64(control, GICR_TYPER);
		if (take_redistributor(at, control, typer >> GICR_TYPER_AFFINITY_SHIFT, slot) < 0)
			return -ENOMEM;
		if (typer & GICR_TYPER_LAST)
			break;
		step = platform.redistributor_stride ? platform.redistributor_stride
						     : (typer & GICR_TYPER_VLPIS ? 4 : 2) * GICR_FRAME_BYTES;
	}
	return 0;
}

/* Until a bit of a register is clear. Bounded: broken hardware is said to be so. */
static void wait_clear(const volatile void *frame, uint32_t offset, uint32_t bit)
{
	for (uint32_t i = 0; i < 10000000; i++)
		if (!(mmio_read32(frame, offset) & bit))
			return;
	panic(nullptr, "the interrupt controller does not react (register %x of %p)", offset, (const void *)frame);
}

RARE static int init(volatile void *distributor_registers)
{
	uint32_t slot = SLOT_GIC_REDISTRIBUTOR;
	int result = 0;

	distributor = distributor_registers;
	for (unsigned i = 0; i < platform.redistributor_regions && !result; i++)
		result = walk_region(&platform.redistributors[i], &slot);
	for (uint32_t i = 0; i < boot_state.cpu_count && !result; i++)
		if (!redistributors[i].private) {
			log_printf("gic: no redistributor for CPU %u\n", i);
			result = -ENODEV;
		}
	if (result)
		return result;
	if (mmio_read32(distributor, GICD_TYPER) & GICD_TYPER_LPIS)
		gic_its_init_lines();
	/* Routing may be switched on only while no group is enabled (12.9, GICD_CTLR.ARE_NS), and they were a moment
	 * ago. */
	wait_clear(distributor, GICD_CTLR, GICD_CTLR_WRITE_PENDING);
	mmio_write32(distributor, GICD_CTLR, GICD_CTLR_AFFINITY_ROUTING);
	return 0;
}

RARE static void init_cpu(uint32_t cpu, uint32_t private_lines)
{
	volatile void *control = redistributors[cpu].control, *private = redistributors[cpu].private;

	mmio_write32(control, GICR_WAKER, mmio_read32(control, GICR_WAKER) & ~(uint32_t)GICR_WAKER_SLEEP);
	wait_clear(control, GICR_WAKER, GICR_WAKER_CHILDREN_ASLEEP);
	gic_reset_lines(private, 0, GIC_PRIVATE_LINES, UINT32_MAX);
	wait_clear(control, GICR_CTLR, GICR_CTLR_WRITE_PENDING);
	mmio_write32(private, GICD_ISENABLER, private_lines);
	gic_its_init_cpu(cpu, control);

	sysreg_write(ICC_SRE_EL1, sysreg_read(ICC_SRE_EL1) | ICC_SRE_ENABLE);
	isb();
	if (!(sysreg_read(ICC_SRE_EL1) & ICC_SRE_ENABLE))
		panic(nullptr, "EL2 or EL3 keeps EL1 from the interrupt controller's system registers");
	sysreg_write(ICC_PMR_EL1, GIC_PRIORITY_ALL);
	sysreg_write(ICC_BPR1_EL1, 0);
	sysreg_write(ICC_CTLR_EL1, sysreg_read(ICC_CTLR_EL1) & ~(uint64_t)ICC_CTLR_EOI_MODE);
	sysreg_write(ICC_IGRPEN1_EL1, 1);
	isb();
}

uint64_t gic_v3_target(uint32_t cpu, bool by_address)
{
	return by_address ? redistributors[cpu].phys
			  : (mmio_read64(redistributors[cpu].control, GICR_TYPER) >> GICR_TYPER_NUMBER_SHIFT & 0xffff)
				    << 16;
}

static uint32_t acknowledge(void)
{
	uint32_t id = (uint32_t)sysreg_read(ICC_IAR1_EL1);

	/* The acknowledgement has taken effect before the device is looked at (8.2, "synchronization"). */
	dsb_sy();
	return id;
}

static void end(uint32_t token)
{
	sysreg_write(ICC_EOIR1_EL1, token);
	isb();
}

static void send(uint32_t cpu, uint32_t sgi)
{
	uint64_t m = redistributors[cpu].mpidr, level0 = m & 0xff;

	/* A system register is not ordered with memory: what was written before must be visible to whom this wakes. */
	dsb_ishst();
	sysreg_write(ICC_SGI1R_EL1,
		     (m >> 32 & 0xff) << ICC_SGI1R_AFF3_SHIFT | (m >> 16 & 0xff) << ICC_SGI1R_AFF2_SHIFT |
			     (m >> 8 & 0xff) << ICC_SGI1R_AFF1_SHIFT | (level0 >> 4) << ICC_SGI1R_RANGE_SHIFT |
			     1ull << (level0 & 15) | (uint64_t)sgi << ICC_SGI1R_ID_SHIFT);
	isb();
}

static void route(uint32_t line, uint32_t cpu)
{
	mmio_write64(distributor, GICD_IROUTER + (size_t)line * 8, redistributors[cpu].mpidr);
}

static void settle(void)
{
	wait_clear(distributor, GICD_CTLR, GICD_CTLR_WRITE_PENDING);
	/* The end of the interrupt is a system register, which would overtake. */
	dsb_sy();
}

static void private_disable(uint32_t line)
{
	uint32_t cpu = cpu_this()->id;

	gic_set_bit(redistributors[cpu].private, GICD_ICENABLER, line);
	wait_clear(redistributors[cpu].control, GICR_CTLR, GICR_CTLR_WRITE_PENDING);
	dsb_sy();
}

const struct gic_driver gic_v3 = {
	.init = init,
	.init_cpu = init_cpu,
	.acknowledge = acknowledge,
	.end = end,
	.send = send,
	.route = route,
	.settle = settle,
	.private_disable = private_disable,
};
