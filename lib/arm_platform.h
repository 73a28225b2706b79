/* SPDX-License-Identifier: MIT */
/*
 * What an ARM machine's description (device tree or ACPI) says about the devices that the nucleus drives itself: the
 * interrupt controller, the timer, the firmware calls for power, the console UART. Both readers fill the same struct,
 * so that nothing after them knows which it was. Pure: memory is reached through the caller. Every number was read from
 * the firmware and is in range for its kind, but whether a device answers there is the caller's to find out.
 */
#ifndef LIB_ARM_PLATFORM_H
#define LIB_ARM_PLATFORM_H

#include <lib/acpi_tables.h>
#include <lib/arm_interrupt.h>
#include <lib/arm_routes.h>
#include <lib/arm_smmu.h>
#include <lib/arm_uart.h>
#include <lib/pci_ecam.h>
#include <stddef.h>
#include <stdint.h>

enum arm_gic_version : uint8_t { ARM_GIC_NONE, ARM_GIC_V2 = 2, ARM_GIC_V3 = 3 }; /* a GICv4 is driven as a GICv3 */
enum arm_psci_conduit : uint8_t { ARM_PSCI_NONE, ARM_PSCI_HVC, ARM_PSCI_SMC };
enum { ARM_REDISTRIBUTOR_REGIONS_MAX = 64, ARM_GUARDED_MAX = 64, ARM_MSI_FRAMES_MAX = 8, ARM_PLATFORM_WHY_MAX = 96 };

struct arm_region {
	uint64_t phys, size;
};
struct arm_platform {
	enum arm_gic_version gic_version;
	struct arm_region distributor;
	struct arm_region cpu_interface; /* GICv2 */
	unsigned redistributor_regions;	 /* GICv3 */
	struct arm_region redistributors[ARM_REDISTRIBUTOR_REGIONS_MAX];
	uint64_t redistributor_stride; /* 0: as each redistributor's GICR_TYPER tells */

	/* More of the controller and what belongs to it: doorbells and translation of message-signalled interrupts, its
	 * interfaces for virtual machines, IOMMUs. Not driven, but nobody else's either. */
	unsigned guarded_count, guarded_lost; /* lost: for which there was no room */
	struct arm_region guarded[ARM_GUARDED_MAX];

	/* GICv2m frames: a device raises a line by writing its number there. count 0: the frame itself tells. */
	unsigned msi_frame_count;
	struct arm_msi_frame {
		uint64_t phys;
		uint32_t first, count;
	} msi_frame[ARM_MSI_FRAMES_MAX];

	/* Messages that go through GICv3's translation services instead. */
	struct arm_routes its;

	struct arm_smmus smmu; /* and IOMMUs that are between PCI functions and memory */

	/* PCI Express configuration space. */
	unsigned ecam_count;
	struct pci_ecam ecam[PCI_ECAMS_MAX];

	struct arm_interrupt virtual_timer;
	uint64_t counter_hz; /* 0: CNTFRQ_EL0 is right */

	enum arm_psci_conduit psci;
	bool psci_power; /* version 0.2 or later: SYSTEM_OFF and SYSTEM_RESET have their standard numbers */

	struct arm_uart console;
	char why[ARM_PLATFORM_WHY_MAX]; /* what was missing, when a reader returns false */
};

/* Where the console's UART has its state, and whether what is read there can be one's: of a PL011 (DDI 0183, 3.3.3)
 * that it is empty and full at once, of a 16550 (PC16550D, 8.4) an error in its FIFO together with everything else. */
static inline size_t arm_console_state_at(const struct arm_platform *p)
{
	return p->console.kind == ARM_UART_PL011 ? 0x18 : 5ul << p->console.register_shift;
}
static inline bool arm_console_state_ok(uint8_t state)
{
	return state != 0xff;
}

struct devicetree_interrupt;
/* What an interrupt of a device tree is to the GIC. false: it is another controller's, or none that there can be. */
[[nodiscard]] bool arm_platform_interrupt(const void *fdt, const struct devicetree_interrupt *in,
					  struct arm_interrupt *out);

/* The readers': notes what is not to be given away. */
static inline void arm_platform_guard(struct arm_platform *p, struct arm_region r)
{
	if (p->guarded_count < ARM_GUARDED_MAX)
		p->guarded[p->guarded_count++] = r;
	else
		p->guarded_lost++;
}

static inline void arm_platform_add_msi_frame(struct arm_platform *p, struct arm_msi_frame f)
{
	/* Shared lines only. */
	if (f.phys && p->msi_frame_count < ARM_MSI_FRAMES_MAX &&
	    (!f.count || (f.first >= 32 && f.first < 1020 && f.count <= 1020 - f.first)))
		p->msi_frame[p->msi_frame_count++] = f;
}

/* Readable memory of `size` bytes at fdt. false: no interrupt controller or timer that we can drive; out->why says. */
[[nodiscard]] bool arm_platform_from_devicetree(const void *fdt, size_t size, struct arm_platform *out);
[[nodiscard]] bool arm_platform_from_acpi(uint64_t rsdp_phys, acpi_map map, struct arm_platform *out);

#endif
