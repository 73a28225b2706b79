/* SPDX-License-Identifier: MIT */
/* Power State Coordination Interface (DEN 0022): calls to the firmware at EL2 or EL3, by HVC or SMC. */
#ifndef ARCH_PSCI_H
#define ARCH_PSCI_H

#include <stdint.h>

enum psci_function : uint32_t {
	PSCI_VERSION = 0x84000000,
	PSCI_CPU_OFF = 0x84000002, /* the calling one */
	PSCI_SYSTEM_OFF = 0x84000008,
	PSCI_SYSTEM_RESET = 0x84000009,
};

/* Says in the log what the firmware offers. After platform_init. */
void psci_init(void);
/* Returns only if the firmware does not do it. Lock: none; interrupts masked. */
void psci_end(enum psci_function function);

#endif
