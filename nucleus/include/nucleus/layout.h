/* SPDX-License-Identifier: MIT */
/*
 * Where things are in the kernel's address space, shared by C, assembly and the linker script. What differs between
 * architectures is in arch/layout.h.
 *
 * One top-level entry (512 GiB) each for the window, the nucleus's direct map, kernel mappings and the nucleus's own
 * pool; the image has the last 2 GiB. Only POOL and the nucleus half of the image are present in process views.
 */
#ifndef NUCLEUS_LAYOUT_H
#define NUCLEUS_LAYOUT_H

#include <arch/layout.h>

#define PAGE_SHIFT   12
#define PAGE_SIZE    4096
#define BLOCK_SHIFT  21
#define BLOCK_SIZE   0x200000 /* unit in which frames change hands between pools */
#define BLOCK_FRAMES 512

#define WINDOW_BASE 0xffff900000000000 /* lowered: kernel and page frames, by frame number */
#define DIRECT_BASE 0xffffa00000000000 /* nucleus: all RAM, kernel view only */
#define KMAP_BASE   0xffffb00000000000 /* lowered: stacks, device registers */
#define KMAP_END    0xffffb08000000000
#define FRAMES_BASE 0xffffc00000000000 /* nucleus writes, lowered reads: struct frame by number */
#define POOL_BASE   0xffffd00000000000 /* nucleus: records, CPU data, entry pages, stacks; in every view */
#define POOL_END    0xffffd08000000000

#define IMAGE_BASE 0xffffffff80000000 /* nucleus half of the image */
#define GATES_BASE 0xffffffff80800000 /* lowered half: begins with the fixed entry addresses */

/* Fixed places in the gates page. *_RETURN is the return address that SYSCALL or SVC writes there. */
#define GATE_START	   (GATES_BASE + 0x000) /* first lowered thread */
#define GATE_CALL_RETURN   (GATES_BASE + 0x040) /* nucleus call */
#define GATE_RESUME_RETURN (GATES_BASE + 0x080) /* go on in the process with its record as it is */
#define UPCALL_SYSCALL	   (GATES_BASE + 0x100)
#define GATE_EXIT_RETURN   (GATES_BASE + 0x114) /* leave a system call, with its result in the first register */
#define UPCALL_EVENT	   (GATES_BASE + 0x140) /* process fault or pending work */
#define UPCALL_FAULT	   (GATES_BASE + 0x180) /* a lowered fault is to be contained */

#endif
