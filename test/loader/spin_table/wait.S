/* SPDX-License-Identifier: MIT */
/*
 * wait.S - how a CPU waits in a spin table, MMU off (Devicetree Specification 0.4, 3.8.1). X0: its slot.
 * Position-independent: it is copied.
 */
#include "firmware.h"

	.text
	.globl wait_start, wait_end
wait_start:
	wfe
	ldr	x1, [x0]
	cbz	x1, wait_start
1:	ldr	x2, [x0, #SLOT_HELD]
	cbnz	x2, 1b
	br	x1
wait_end:
