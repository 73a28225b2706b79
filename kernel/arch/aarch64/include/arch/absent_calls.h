/* SPDX-License-Identifier: MIT */
/* Calls of arm64's table alone that are answered by ENOSYS (core/absent.c): none. */
#ifndef ARCH_ABSENT_CALLS_H
#define ARCH_ABSENT_CALLS_H

#define ARCH_ABSENT_CALLS

#endif
