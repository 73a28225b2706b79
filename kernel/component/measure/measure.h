/* SPDX-License-Identifier: MIT */
/* An empty bracket, for measuring. The calling component must have the right to elevate. */
#ifndef MEASURE_MEASURE_H
#define MEASURE_MEASURE_H

void measure_bracket(void);

#endif
