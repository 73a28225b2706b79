/* SPDX-License-Identifier: MIT */
/* Where things are in the kernel's address space; the numbers are the architecture's. */
#ifndef NUCLEUS_LAYOUT_H
#define NUCLEUS_LAYOUT_H

#include <arch/layout.h>

#define PAGE_SHIFT   12
#define PAGE_SIZE    4096
#define BLOCK_SHIFT  21
#define BLOCK_SIZE   0x200000 /* unit in which frames change hands between pools */
#define BLOCK_FRAMES 512

#endif
