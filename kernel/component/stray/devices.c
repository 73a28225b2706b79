/* SPDX-License-Identifier: MIT */
/*
 * Stray calls about devices. The component may claim some: what is refused is what it asks for. (That it has no right
 * at all, and another's registers: test/kernel/claims.c.)
 */
#include "stray.h"

#include <abi/errno.h>
#include <kernel/base/init.h>
#include <kernel/mem/text.h>
#include <lib/pci_config.h>
#include <lib/string.h>
#include <nucleus/calls.h>
#include <nucleus/device.h>
#include <nucleus/layout.h>

/* No jump: the frame stays. */
#define STAY(result) __asm__ volatile("" : "+r"(result) : : "memory")

static uint32_t read_config(void *context, uint32_t offset)
{
	return (uint32_t)nucleus_pci_read(*(const uint32_t *)context, offset, 4);
}

/* A function that is no bridge, and has MSI or MSI-X if there is such. */
static bool find_function(uint32_t *out)
{
	const struct pci_ecam *p = &boot_info()->pci[0];
	uint32_t first = (uint32_t)p->segment << 16 | (uint32_t)p->first_bus << 8, function;
	const struct pci_config config = {.read32 = read_config, .context = &function, .bytes = PCI_CONFIG_BYTES};
	struct pci_identity id;
	bool found = false;

	for (function = first; boot_info()->pci_count > 0 && function < first + 0x100; function++) {
		if (!pci_identify(&config, &id) || id.header_type != PCI_HEADER_DEVICE || id.class >> 16 == 6)
			continue;
		if (!found || pci_capability_find(&config, PCI_CAP_MSI, 0) != 0)
			*out = function;
		found = true;
	}
	return found;
}

static int choose_function(uint64_t, struct stray_victim *v)
{
	uint32_t function;

	if (!find_function(&function))
		return -ENOENT;
	v->address = function;
	snprintf(v->name, sizeof(v->name), "function-%#x", function);
	return 0;
}

static int choose_config_space(uint64_t, struct stray_victim *v)
{
	if (boot_info()->pci_count == 0 || boot_info()->pci[0].phys == 0)
		return -ENOENT;
	v->address = boot_info()->pci[0].phys;
	snprintf(v->name, sizeof(v->name), "configuration-space-%#lx", v->address);
	return 0;
}

static int choose_host_bridge(uint64_t, struct stray_victim *v)
{
	if (boot_info()->pci_count == 0)
		return -ENOENT;
	v->address = (uint64_t)boot_info()->pci[0].segment << 16 | (uint64_t)boot_info()->pci[0].first_bus << 8;
	snprintf(v->name, sizeof(v->name), "host-bridge-0x%lx", v->address);
	return 0;
}

[[gnu::noinline]] static long stray_claim_memory(uint64_t pfn)
{
	long result = nucleus_device_claim(CLAIM_MEMORY, pfn << PAGE_SHIFT, PAGE_SIZE, 0);

	STAY(result);
	return result;
}

[[gnu::noinline]] static long stray_map_config(uint64_t phys)
{
	long result = nucleus_device_map(KMAP_BASE, phys, 1);

	STAY(result);
	return result;
}

[[gnu::noinline]] static long stray_claim_host_bridge(uint64_t function)
{
	long result = nucleus_device_claim(CLAIM_FUNCTION, function, 0, 0);

	STAY(result);
	return result;
}

[[gnu::noinline]] static long stray_master_bus(uint64_t function)
{
	long result =
		nucleus_pci_write((uint32_t)function, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_BUS_MASTER);

	STAY(result);
	return result;
}

[[gnu::noinline]] static long stray_move_bar(uint64_t function)
{
	long result = nucleus_pci_bars((uint32_t)function, 0, 0x100000);

	STAY(result);
	return result;
}

/* Where a message of its own choice goes to. */
[[gnu::noinline]] static long stray_forge_message(uint64_t number)
{
	uint32_t function = (uint32_t)number;
	const struct pci_config config = {.read32 = read_config, .context = &function, .bytes = PCI_CONFIG_BYTES};
	uint32_t at = pci_capability_find(&config, PCI_CAP_MSI, 0);
	long result = nucleus_pci_write(function, (at != 0 ? at : pci_capability_find(&config, PCI_CAP_MSIX, 0)) + 4, 4,
					0xfee00000);

	STAY(result);
	return result;
}

#define CALL_CASE(case_name, what_, choose_, function)                                                                 \
	{.name = case_name, .what = what_, .culprit = #function, .choose = choose_, .call = function}

const struct stray_case stray_device_cases[] = {
	CALL_CASE("claim-memory", "claim a frame of the nucleus as a device's registers", stray_choose_nucleus_frame,
		  stray_claim_memory),
	CALL_CASE("map-config-space", "map PCI configuration space", choose_config_space, stray_map_config),
	CALL_CASE("claim-host-bridge", "claim the function that says where memory is", choose_host_bridge,
		  stray_claim_host_bridge),
	CALL_CASE("master-bus", "let a function write memory that it has not claimed", choose_function,
		  stray_master_bus),
	CALL_CASE("move-bar", "move a function's registers over memory", choose_function, stray_move_bar),
	CALL_CASE("forge-message", "make a function send any interrupt message", choose_function, stray_forge_message),
	{},
};
