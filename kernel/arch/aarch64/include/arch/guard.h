/* SPDX-License-Identifier: MIT */
/* Where in what guard_save (context.S) saves the stack pointer is. */
#ifndef ARCH_GUARD_H
#define ARCH_GUARD_H

enum { GUARD_STACK = 12 };

#endif
