/* SPDX-License-Identifier: MIT */
/*
 * Virtual addresses of x86_64 (4-level paging, 48 bits), shared by C, assembly and the linker script.
 *
 * One top-level entry (512 GiB) each for the window, the nucleus's direct map, kernel mappings and the
 * nucleus's own pool; the image has the last 2 GiB, as -mcmodel=kernel wants.
 * Only POOL and the nucleus half of the image are present in process views.
 */
#ifndef ARCH_LAYOUT_H
#define ARCH_LAYOUT_H

#define ARCH_PORTS 0x10000 /* of the space of ports; 0: there is none */

#define USER_END 0x00007ffffffff000 /* first address no process may map or run at */

#define WINDOW_BASE 0xffff900000000000 /* lowered: kernel and page frames, by frame number */
#define DIRECT_BASE 0xffffa00000000000 /* nucleus: all RAM, kernel view only */
#define KMAP_BASE   0xffffb00000000000 /* lowered: stacks, device registers */
#define KMAP_END    0xffffb08000000000
#define FRAMES_BASE 0xffffc00000000000 /* nucleus writes, lowered reads: struct frame by number */
#define POOL_BASE   0xffffd00000000000 /* nucleus: records, entry pages, stacks; in every view */
#define POOL_END    0xffffd08000000000

#define IMAGE_BASE 0xffffffff80000000 /* nucleus half of the image */
#define GATES_BASE 0xffffffff80800000 /* lowered half: begins with the fixed entry addresses */
#define ELEVATED_BASE                                                                                                  \
	0xffffffff80801000 /* text of all bracket functions, nothing else; first the ways out of lower() */
#define BRACKETS_BASE	  0xffffffff80802000 /* the bracket functions themselves */
#define ELEVATED_END	  0xffffffff80810000
#define LOWERED_TEXT_BASE 0xffffffff80810000

/* Fixed places in the gates page. *_RETURN is the return address that SYSCALL writes there. */
#define GATE_START	   (GATES_BASE + 0x000) /* first lowered thread */
#define GATE_BYTES	   2			/* the instruction before a gate's return address */
#define GATE_CALL_RETURN   (GATES_BASE + 0x040) /* nucleus call */
#define GATE_RESUME_RETURN (GATES_BASE + 0x080) /* go on in the process with its record as it is */
#define UPCALL_SYSCALL	   (GATES_BASE + 0x100)
#define GATE_EXIT_RETURN   (GATES_BASE + 0x114) /* leave a system call: %rax is its result */
#define UPCALL_EVENT	   (GATES_BASE + 0x140) /* process fault or pending work */
#define UPCALL_FAULT	   (GATES_BASE + 0x180) /* a lowered fault is to be contained */

#endif
