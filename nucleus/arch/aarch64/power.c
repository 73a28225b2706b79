/* SPDX-License-Identifier: MIT */
/* Power off and reset, by PSCI. */
#include "boot/boot.h"
#include "console.h"
#include "gate/calls.h"
#include "gate/lock.h"
#include "platform.h"
#include "psci.h"
#include "report/log.h"
#include "report/report.h"
#include <abi/errno.h>

void arch_power_off_at_boot(void)
{
	console_last_words();
	psci_system_off();
}

long call_power(uint32_t action)
{
	if (action != POWER_OFF && action != POWER_RESET)
		return -EINVAL;
	NUCLEUS_LOCKED;
	if (platform.psci_power) {
		arch_panic_prepare();
		if (action == POWER_OFF)
			psci_system_off();
		else
			psci_system_reset();
	}
	log_printf("power: the firmware offers no way to switch the machine off or to reset it (PSCI 0.2)\n");
	return -ENOSYS;
}
