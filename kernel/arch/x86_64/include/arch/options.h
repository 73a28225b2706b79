/* SPDX-License-Identifier: MIT */
/* Words of the kernel command line that only this architecture knows, each followed by a comma. */
#ifndef ARCH_OPTIONS_H
#define ARCH_OPTIONS_H

/* The nucleus reads them, before lowered code runs: the debugger's stub. */
#define ARCH_OPTIONS "enable-gdb-stub", "gdb-stub", "gdb-wait",

#endif
