/* SPDX-License-Identifier: MIT */
/* Where the stray component finds its victims: pages of the nucleus's pool that belong to the first CPU; the records of
 * threads stand behind them. */
#ifndef ARCH_STRAY_VICTIMS_H
#define ARCH_STRAY_VICTIMS_H

#include <stdint.h>

constexpr uint64_t STRAY_FIRST_CPU_PAGES = 12;

#endif
