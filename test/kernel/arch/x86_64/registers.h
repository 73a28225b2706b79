/* SPDX-License-Identifier: MIT */
/* Brackets of the tests on x86_64. */
#pragma once

#include <stdint.h>

struct control_registers {
	uint64_t cr0, cr4, dr7;
};
/* Of the CPU that the caller is on. */
struct control_registers read_control_registers(void);
uint64_t read_model_specific(uint32_t msr);
