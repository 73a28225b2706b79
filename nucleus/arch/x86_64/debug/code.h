/* SPDX-License-Identifier: MIT */
/* What the stub of x86_64 writes as a breakpoint, and keeps of a CPU (nucleus/debug). */
#ifndef ARCH_DEBUG_CODE_H
#define ARCH_DEBUG_CODE_H

#include <stdint.h>

enum { ARCH_HAS_DEBUG = 1 };
typedef uint8_t debug_code;
enum : debug_code { DEBUG_BREAK = 0xcc }; /* INT3 */

struct arch_debug_cpu {
	uint64_t view, entry; /* CR3, LSTAR */
	uint64_t fs_base, gs_base;
	bool nmi_due;	/* one was sent, which may come late */
	bool stepping;	/* the trap flag is set by the stub */
	bool trap_flag; /* as it was before */
};

#endif
