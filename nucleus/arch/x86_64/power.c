/* SPDX-License-Identifier: MIT */
/*
 * Power off and reset through UEFI's runtime service ResetSystem (UEFI 2.10, 8.5.1). The services were never told of
 * new addresses (SetVirtualAddressMap), so they run where the firmware put them: in an identity map of the first 4 GiB,
 * put into the view in force, the loader's included. There is no way back, so nothing is undone.
 */
#include "boot/boot.h"
#include "frame/frames.h"
#include "mmu/mmu.h"
#include "regs.h"
#include "report/log.h"
#include "report/report.h"

enum : uint64_t { EFI_RUNTIME_SERVICES = 88, EFI_RESET_SYSTEM = 104, IDENTITY_END = 4ull << 30 };
enum efi_reset : uint32_t { EFI_RESET_COLD = 0, EFI_RESET_SHUTDOWN = 2 };
typedef void (*efi_reset_system)(enum efi_reset type, uint64_t status, uint64_t size, void *data)
	__attribute__((ms_abi));

/* Of the first 4 GiB, for whatever view is in force: one table of 1 GiB steps, four of blocks. */
static pte_t identity[5][512] __attribute__((aligned(PAGE_SIZE)));

static uint64_t identity_table(unsigned i)
{
	return image_phys((uint64_t)identity[i]) | PTE_VALID | PTE_WRITABLE;
}

/* Writable and executable: it is firmware, and the machine's last act. Returns if there is no such service. */
static void reset_by_firmware(enum efi_reset type)
{
	uint64_t table = boot_state.efi_system_table_phys, services;
	pte_t *root = direct_map(cr3_read() & PTE_FRAME_MASK);
	efi_reset_system reset;

	if (!table || table >= IDENTITY_END)
		return;
	for (uint64_t at = 0; at < IDENTITY_END; at += BLOCK_SIZE)
		identity[1 + (at >> 30)][(at >> BLOCK_SHIFT) & 511] = at | PTE_VALID | PTE_WRITABLE | X86_LARGE;
	for (unsigned i = 0; i < 4; i++)
		identity[0][i] = identity_table(1 + i);
	pte_store(root, identity_table(0));
	cr3_write(cr3_read());
	services = *(uint64_t *)(table + EFI_RUNTIME_SERVICES);
	reset = *(efi_reset_system *)(services + EFI_RESET_SYSTEM);
	reset(type, 0, 0, nullptr);
}

void arch_power_off_at_boot(void)
{
	reset_by_firmware(EFI_RESET_SHUTDOWN);
}

void arch_power(bool off)
{
	arch_panic_prepare();
	reset_by_firmware(off ? EFI_RESET_SHUTDOWN : EFI_RESET_COLD);
	log_printf("power: the firmware offers no reset service; trying the keyboard controller\n");
	if (!off)
		io_write8(0x64, 0xfe);
}
