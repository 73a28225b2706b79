/* SPDX-License-Identifier: MIT */
/* Power State Coordination Interface (DEN 0022): calls to the firmware at EL2 or EL3, by HVC or SMC. */
#ifndef ARCH_PSCI_H
#define ARCH_PSCI_H

#include <stdint.h>

/* Says in the log what the firmware offers. After platform_init. */
void psci_init(void);
/* Return only if the firmware does not do it. Lock: none; interrupts masked. */
void psci_system_off(void);
void psci_system_reset(void);
/* Switches the calling CPU off; returns only if the firmware does not do it. Interrupts masked. */
void psci_cpu_off(void);

#endif
