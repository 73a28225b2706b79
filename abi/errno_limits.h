/* SPDX-License-Identifier: MIT */
/*
 * Which results of a system call are errors (for assembly too): -1 … -ERRNO_LAST, as in Linux's ABI. From ERRNO_OWN on
 * they are the kernel's own codes (abi/errno.h), which no program may see.
 */
#ifndef ABI_ERRNO_LIMITS_H
#define ABI_ERRNO_LIMITS_H

#define ERRNO_OWN  512
#define ERRNO_LAST 4095

#endif
