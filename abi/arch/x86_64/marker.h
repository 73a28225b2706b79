/* SPDX-License-Identifier: MIT */
/*
 * Markers for counting instructions from outside: a long no-operation (Intel SDM vol. 2, NOP) whose 32-bit displacement
 * carries a tag. It changes nothing; an emulator's plugin recognises it (bench/count.c).
 */
#ifndef ABI_ARCH_MARKER_H
#define ABI_ARCH_MARKER_H

#define MARKER_BEGIN 0x53740000 /* low 16 bits: row */
#define MARKER_END   0x53750000

/* tag: a constant expression */
#define MARK(tag) __asm__ volatile("nopl %c0(%%rax)" : : "i"(tag) : "memory")

#endif
