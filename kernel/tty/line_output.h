/* SPDX-License-Identifier: MIT */
/* What the input half of the line discipline uses of the output half for its echo. */
#ifndef TTY_LINE_OUTPUT_H
#define TTY_LINE_OUTPUT_H

#include "line.h"

/* Queues a byte with output processing. False: no room, nothing was queued. */
bool line_put(struct line *l, unsigned char c);
/* Queues a byte as it is, if there is room. */
void line_put_raw(struct line *l, unsigned char c);
bool line_is_control(unsigned char c);
/* With IUTF8: a byte of a character that has begun. */
bool line_is_continuation(const struct line *l, unsigned char c);

#endif
