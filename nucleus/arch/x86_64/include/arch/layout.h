/* SPDX-License-Identifier: MIT */
/* What of the kernel's address space (nucleus/layout.h) is x86_64's own: 4-level paging, 48 bits; the image is in the
 * last 2 GiB, as -mcmodel=kernel wants. Shared by C, assembly and the linker script. */
#ifndef ARCH_LAYOUT_H
#define ARCH_LAYOUT_H

#define ARCH_PORTS 0x10000 /* of the space of ports; 0: there is none */

#define USER_END 0x00007ffffffff000 /* first address no process may map or run at */

#define ELEVATED_BASE                                                                                                  \
	0xffffffff80801000 /* text of all bracket functions, nothing else; first the ways out of lower() */
#define BRACKETS_BASE	  0xffffffff80802000 /* the bracket functions themselves */
#define ELEVATED_END	  0xffffffff80810000
#define LOWERED_TEXT_BASE 0xffffffff80810000

#define GATE_BYTES 2 /* the instruction before a gate's return address */

#endif
