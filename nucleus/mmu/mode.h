/* SPDX-License-Identifier: MIT */
/* What the entries of both architectures have in common (arch/pte.h). */
#ifndef NUCLEUS_MODE_H
#define NUCLEUS_MODE_H

#include <nucleus/upcall.h>

typedef uint64_t pte_t;

/* The mode of privilege that the command line chose. Written at boot only. */
extern enum privilege_mode privilege_mode;

/* Kinds of leaf the nucleus makes. */
enum pte_kind : uint8_t {
	PTE_NUCLEUS_TEXT,
	PTE_NUCLEUS_RODATA,
	PTE_NUCLEUS_DATA,
	PTE_NUCLEUS_DIRECT, /* data that only the kernel view shows */
	PTE_NUCLEUS_DEVICE,
	PTE_LOWERED_TEXT,
	PTE_LOWERED_BRACKETS, /* text that also runs elevated */
	PTE_LOWERED_RODATA,
	PTE_LOWERED_DATA,
	PTE_LOWERED_DEVICE,
	PTE_LOWERED_UNCACHED,  /* memory, for devices that do not look into caches */
	PTE_LOWERED_COMBINING, /* registers whose writes may be gathered: frame buffers */
};

#endif
