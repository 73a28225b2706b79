/* SPDX-License-Identifier: MIT */
/* Calls of the Power State Coordination Interface (DEN 0022) by the SMC Calling Convention (DEN 0028). */
#include "psci.h"
#include "platform.h"
#include "report/log.h"

/* Clobbered are x0 to x17 at most (DEN 0028, 2.6); all that these functions take is in x0. */
#define FIRMWARE_CALL(instruction)                                                                                     \
	__asm__ volatile(instruction " #0"                                                                             \
			 : "+r"(x0)                                                                                    \
			 :                                                                                             \
			 : "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14",    \
			   "x15", "x16", "x17", "memory")

static int64_t call(enum psci_function function)
{
	register uint64_t x0 __asm__("x0") = function;

	if (platform.psci == ARM_PSCI_HVC)
		FIRMWARE_CALL("hvc");
	else
		FIRMWARE_CALL("smc");
	return (int32_t)x0;
}

void psci_init(void)
{
	int64_t version;

	if (!platform.psci_power) {
		log_printf("psci: not there; the machine cannot be switched off from here\n");
		return;
	}
	version = call(PSCI_VERSION);
	if (version < 0) {
		log_printf("psci: the firmware does not answer (%ld)\n", version);
		platform.psci_power = false;
		return;
	}
	log_printf("psci: version %ld.%ld by %s\n", version >> 16, version & 0xffff,
		   platform.psci == ARM_PSCI_HVC ? "HVC" : "SMC");
}

void psci_end(enum psci_function function)
{
	if (platform.psci_power)
		(void)call(function);
}
