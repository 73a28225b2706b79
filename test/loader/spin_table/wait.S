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
	ldr	x2, [x0, #SLOT_DELAY]
	mrs	x3, cntpct_el0
	add	x2, x2, x3
1:	mrs	x3, cntpct_el0
	cmp	x3, x2
	b.lo	1b
	br	x1
wait_end:
