/* SPDX-License-Identifier: MIT */
/* There is no debugger's stub (nucleus/debug) on aarch64. */
#ifndef ARCH_DEBUG_CODE_H
#define ARCH_DEBUG_CODE_H

#include <stdint.h>

enum { ARCH_HAS_DEBUG = 0 };
typedef uint32_t debug_code;
struct arch_debug_cpu {
	char none;
};

#endif
