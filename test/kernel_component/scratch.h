/* SPDX-License-Identifier: MIT */
/* A component whose data may be reset, for the tests (test/kernel/component_reset.c). Its calls are to be guarded by
 * it. */
#ifndef SCRATCH_H
#define SCRATCH_H

#include <kernel/base/component.h>

#include <stdint.h>

DECLARE_COMPONENT(scratch);

constexpr uint64_t SCRATCH_FIRST = 0x5ca7c4;
extern uint64_t scratch_data, scratch_bss[600]; /* SCRATCH_FIRST and zeroes in the image */

long scratch_change(void *); /* both; what scratch_data is then */
long scratch_fault(void *);
long scratch_stay(void *until);		       /* until the uint32_t is not 0 */
extern uint32_t scratch_starts, scratch_stops; /* kept with the tests' data */

#endif
