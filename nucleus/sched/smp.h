/* SPDX-License-Identifier: MIT */
/* How many CPUs there are. */
#ifndef NUCLEUS_SMP_H
#define NUCLEUS_SMP_H

#include <stdint.h>

extern uint32_t cpu_count;

#endif
