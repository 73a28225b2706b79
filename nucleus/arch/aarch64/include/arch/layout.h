/* SPDX-License-Identifier: MIT */
/*
 * Virtual addresses of aarch64 (4 KiB granule, 48 bits in both halves), shared by C, assembly and the linker script.
 *
 * TTBR0 has the process, or nothing; TTBR1 has all that is below. One top-level entry (512 GiB) each for the window,
 * the nucleus's direct map, kernel mappings and the nucleus's own pool; the image has the last 2 GiB. Only POOL and the
 * nucleus half of the image are present in process views.
 */
#ifndef ARCH_LAYOUT_H
#define ARCH_LAYOUT_H

#define ARCH_PORTS 0 /* of the space of ports; 0: there is none */

#define USER_END 0x0000fffffffff000 /* first address no process may map or run at */

#define WINDOW_BASE 0xffff900000000000 /* lowered: kernel and page frames, by frame number */
#define DIRECT_BASE 0xffffa00000000000 /* nucleus: all RAM, kernel view only */
#define KMAP_BASE   0xffffb00000000000 /* lowered: stacks, device registers */
#define KMAP_END    0xffffb08000000000
#define FRAMES_BASE 0xffffc00000000000 /* nucleus writes, lowered reads: struct frame by number */
#define POOL_BASE   0xffffd00000000000 /* nucleus: records, CPU data, stacks; in every view */
#define POOL_END    0xffffd08000000000

#define IMAGE_BASE	  0xffffffff80000000 /* nucleus half of the image */
#define GATES_BASE	  0xffffffff80800000 /* lowered half: begins with the fixed entry addresses */
/* Text of all bracket functions, nothing else; first the ways out of lower(). It is the 64 KiB whose addresses begin
 * with these 48 bits, so that the gate recognises it by one comparison. */
#define ELEVATED_BASE	  0xffffffff80810000
#define ELEVATED_SHIFT	  16
#define BRACKETS_BASE	  0xffffffff80811000 /* the bracket functions themselves */
#define ELEVATED_END	  0xffffffff80820000
#define LOWERED_TEXT_BASE 0xffffffff80820000

/* Fixed places in the gates page. *_RETURN is the return address that SVC writes there. */
#define GATE_START	   (GATES_BASE + 0x000) /* first lowered thread */
#define GATE_BYTES	   4			/* the instruction before a gate's return address */
#define GATE_CALL_RETURN   (GATES_BASE + 0x040) /* nucleus call */
#define GATE_RESUME_RETURN (GATES_BASE + 0x080) /* go on in the process with its record as it is */
#define UPCALL_SYSCALL	   (GATES_BASE + 0x100)
#define GATE_EXIT_RETURN   (GATES_BASE + 0x114) /* leave a system call: x0 is its result */
#define UPCALL_EVENT	   (GATES_BASE + 0x140) /* process fault or pending work */
#define UPCALL_FAULT	   (GATES_BASE + 0x180) /* a lowered fault is to be contained */

#endif
