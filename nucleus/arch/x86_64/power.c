/* SPDX-License-Identifier: MIT */
/*
 * Power off and reset through UEFI's runtime service ResetSystem (UEFI 2.10, 8.5.1). The services were never told of
 * new addresses (SetVirtualAddressMap), so they run where the firmware put them: in an identity map of the first 4 GiB,
 * made here, with all else as it is. There is no way back, so nothing is undone.
 */
#include "boot/boot.h"
#include "frame/frames.h"
#include "gate/calls.h"
#include "gate/lock.h"
#include "mmu/mmu.h"
#include "regs.h"
#include "report/log.h"
#include "report/report.h"
#include <abi/errno.h>

enum : uint64_t { EFI_RUNTIME_SERVICES = 88, EFI_RESET_SYSTEM = 104, IDENTITY_END = 4ull << 30 };
enum efi_reset : uint32_t { EFI_RESET_COLD = 0, EFI_RESET_SHUTDOWN = 2 };
typedef void (*efi_reset_system)(enum efi_reset type, uint64_t status, uint64_t size, void *data)
	__attribute__((ms_abi));

/* Writable and executable: it is firmware, and the machine's last act. */
static bool identity_map(void)
{
	for (uint64_t at = 0; at < IDENTITY_END; at += BLOCK_SIZE) {
		pte_t *e = table_make(kernel_root_phys, at, 2, 0);

		if (!e)
			return false;
		pte_store(e, at | X86_PRESENT | X86_WRITABLE | X86_LARGE);
	}
	return true;
}

long call_power(uint32_t action)
{
	uint64_t table = boot_state.efi_system_table_phys, services;
	efi_reset_system reset;

	if (action != POWER_OFF && action != POWER_RESET)
		return -EINVAL;
	nucleus_lock_acquire();
	if (table && table < IDENTITY_END && frame_table_reserve(8) && identity_map()) {
		arch_panic_prepare();
		services = *(uint64_t *)(table + EFI_RUNTIME_SERVICES);
		reset = *(efi_reset_system *)(services + EFI_RESET_SYSTEM);
		reset(action == POWER_OFF ? EFI_RESET_SHUTDOWN : EFI_RESET_COLD, 0, 0, nullptr);
	}
	log_printf("power: the firmware offers no reset service; trying the keyboard controller\n");
	if (action == POWER_RESET)
		io_write8(0x64, 0xfe);
	nucleus_lock_release();
	return -ENOSYS;
}
