/* SPDX-License-Identifier: MIT */
/* Power off and reset, by PSCI. */
#include "boot/boot.h"
#include "console.h"
#include "platform.h"
#include "psci.h"
#include "report/log.h"
#include "report/report.h"

void arch_power_off_at_boot(void)
{
	console_last_words();
	psci_end(PSCI_SYSTEM_OFF);
}

void arch_power(bool off)
{
	if (platform.psci_power) {
		arch_panic_prepare();
		psci_end(off ? PSCI_SYSTEM_OFF : PSCI_SYSTEM_RESET);
	}
	log_printf("power: the firmware offers no way to switch the machine off or to reset it (PSCI 0.2)\n");
}
