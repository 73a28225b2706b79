/* SPDX-License-Identifier: MIT */
/* An empty bracket between markers (row 1 of bench/rows.h): the price of elevate() and lower() alone. */
#include <arch/marker.h>
#include <arch/privilege.h>
#include <kernel/component/measure/measure.h>

void measure_bracket(void)
{
	MARK(MARKER_BEGIN | 1);
	elevate();
	lower();
	MARK(MARKER_END | 1);
}
