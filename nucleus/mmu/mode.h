/* SPDX-License-Identifier: MIT */
/* The mode of privilege that the command line chose. Written at boot only. */
#ifndef NUCLEUS_MODE_H
#define NUCLEUS_MODE_H

#include <nucleus/upcall.h>

extern enum privilege_mode privilege_mode;

#endif
