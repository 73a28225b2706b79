/* SPDX-License-Identifier: MIT */
/* The machine's description, see platform.h. */
#include "platform.h"
#include "boot/boot.h"
#include "console.h"
#include "cpu.h"
#include "device/claim.h"
#include "frame/frames.h"
#include "mmio.h"
#include "mmu/mmu.h"
#include "report/log.h"
#include <abi/errno.h>

struct arm_platform platform;

/* Tree before tables: the tree is complete, for the lowered drivers too, while tables need an interpreter for the rest.
 * What the console is stays known from a description that fails otherwise. */
static const char *discover(void)
{
	struct arm_platform other;

	if (boot_state.info->dtb_bytes) {
		if (arm_platform_from_devicetree(direct_map(boot_state.info->dtb_phys), boot_state.info->dtb_bytes,
						 &platform))
			return "device tree";
		log_printf("platform: the device tree has %s\n", platform.why);
	}
	if (boot_state.rsdp_phys) {
		if (arm_platform_from_acpi(boot_state.rsdp_phys, kernel_view_firmware, &other)) {
			platform = other;
			return "ACPI";
		}
		log_printf("platform: ACPI has %s\n", other.why);
		if (platform.console.kind == ARM_UART_NONE)
			platform = other;
	}
	if (!boot_state.info->dtb_bytes && !boot_state.rsdp_phys)
		log_printf("platform: the loader gave neither a device tree nor an ACPI root pointer (RSDP)\n");
	return nullptr;
}

static void withhold(const struct arm_region *r, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		claim_withhold(r[i].phys, r[i].phys + r[i].size);
}

int platform_init(void)
{
	const char *source = discover();
	void *uart = nullptr;

	if (platform.console.kind != ARM_UART_NONE)
		uart = kernel_view_registers(SLOT_CONSOLE, platform.console.phys, 1);
	if (uart && platform.console.proposed &&
	    !arm_console_state_ok((uint8_t)mmio_probe8((char *)uart + arm_console_state_at(&platform)))) {
		log_printf("platform: nothing answers at DBG2's port %lx\n", platform.console.phys);
		platform.console.kind = ARM_UART_NONE;
		uart = nullptr;
	}
	if (uart)
		console_start(uart);
	if (!source)
		return -ENODEV;
	boot_state.info->console = platform.console; /* for the kernel's own driver of the same UART */
	log_printf("platform: described by %s\n", source);
	withhold(&platform.distributor, 1);
	withhold(&platform.cpu_interface, 1);
	withhold(platform.redistributors, platform.redistributor_regions);
	withhold(platform.guarded, platform.guarded_count);
	if (platform.guarded_lost)
		log_printf("platform: %u IOMMUs and doorbells beyond %d are not kept from drivers (ARM_GUARDED_MAX)\n",
			   platform.guarded_lost, ARM_GUARDED_MAX);
	return 0;
}
