/* SPDX-License-Identifier: MIT */
/* Brackets of the tests on arm64. */
#pragma once

#include <stdint.h>

/* SCTLR_EL1 and ID_AA64MMFR1_EL1 of the CPU that the caller is on. */
void read_control_registers(uint64_t *control, uint64_t *features);
