/* SPDX-License-Identifier: MIT */
/* What the benchmark's programs share: an operation some times between two markers, and complaints. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <bench/rows.h>
#include <errno.h>
#include <marker.h>
#include <stdio.h>
#include <string.h>

/* body, some times to warm up and `times` times between markers */
#define REPEAT(row, times, body)                                                                                       \
	do {                                                                                                           \
		for (int warm_ = 0; warm_ < 4; warm_++) {                                                              \
			body;                                                                                          \
		}                                                                                                      \
		for (int turn_ = 0; turn_ < (times); turn_++) {                                                        \
			MARK(MARKER_BEGIN | ROW_##row);                                                                \
			body;                                                                                          \
			MARK(MARKER_END | ROW_##row);                                                                  \
		}                                                                                                      \
	} while (0)

static inline void fail(const char *what)
{
	printf("bench: %s: %s\n", what, strerror(errno));
}

static inline void must(long result, const char *what)
{
	if (result < 0)
		fail(what);
}

#endif
