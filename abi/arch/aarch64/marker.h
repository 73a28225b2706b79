/* SPDX-License-Identifier: MIT */
/*
 * Markers for counting instructions from outside: a move of a tag to the zero register's topmost quarter (Arm ARM,
 * C6.2, MOVZ), which changes nothing and which no compiler makes. An emulator's plugin recognises it (bench/count.c).
 */
#ifndef ABI_ARCH_MARKER_H
#define ABI_ARCH_MARKER_H

#define MARKER_BEGIN 0x5300 /* low 8 bits: row */
#define MARKER_END   0x5400

/* tag: a constant expression */
#define MARK(tag) __asm__ volatile("movz xzr, #%c0, lsl #48" : : "i"(tag) : "memory")

#endif
