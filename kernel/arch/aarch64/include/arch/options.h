/* SPDX-License-Identifier: MIT */
/* Words of the kernel command line that only this architecture knows, each followed by a comma. */
#ifndef ARCH_OPTIONS_H
#define ARCH_OPTIONS_H

/* The nucleus reads it: how long the numbers of address spaces are. */
#define ARCH_OPTIONS "asid_bits",

#endif
