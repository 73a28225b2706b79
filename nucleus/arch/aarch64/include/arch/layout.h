/* SPDX-License-Identifier: MIT */
/*
 * What of the kernel's address space (nucleus/layout.h) is aarch64's own: 4 KiB granule, 48 bits in both halves. TTBR0
 * has the process, or nothing; TTBR1 has all of the kernel's. Shared by C, assembly and the linker script.
 */
#ifndef ARCH_LAYOUT_H
#define ARCH_LAYOUT_H

#define ARCH_PORTS 0 /* of the space of ports; 0: there is none */

#define USER_END 0x0000fffffffff000 /* first address no process may map or run at */

/* Text of all bracket functions, nothing else; first the ways out of lower(). It is the 64 KiB whose addresses begin
 * with these 48 bits, so that the gate recognises it by one comparison. */
#define ELEVATED_BASE	  0xffffffff80810000
#define ELEVATED_SHIFT	  16
#define BRACKETS_BASE	  0xffffffff80811000 /* the bracket functions themselves */
#define ELEVATED_END	  0xffffffff80820000
#define LOWERED_TEXT_BASE 0xffffffff80820000

#define GATE_BYTES 4 /* the instruction before a gate's return address */

#endif
