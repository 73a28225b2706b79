/* SPDX-License-Identifier: MIT */
/* What the files that render reports share: the text, line by line, and what only the architecture knows. */
#ifndef THREAD_REPORT_TEXT_H
#define THREAD_REPORT_TEXT_H

#include <kernel/thread/report.h>
#include <lib/annotate.h>
#include <nucleus/report.h>
#include <stddef.h>

/* A line on its way: to the console at once, or to the kernel's log. */
struct report_out {
	bool to_log;
	size_t length;
	char line[240];
};
void report_put(struct report_out *out, const char *fmt, ...) PRINTF_LIKE(2, 3);
void report_end_line(struct report_out *out);

/* Renders what the calling thread has to, or the oldest report of a refused call. tell: from now on the thread is
 * unparked for these. False: there is none. Overwrites the call area. */
bool report_render(bool tell) NOT_ELEVATED;
/* report_text.c: the whole of it. */
void report_text(struct report_out *out, const struct report *r);

/* --- arch/ARCH/report.c, of REPORT_FAULT and REPORT_PREEMPTION --- */

/* "write", "privileged instruction cli", "divide error" */
const char *report_deed(const struct report *r);
/* Whether it was about an address, and about which. */
bool report_address(const struct report *r, uint64_t *address);
void report_registers(struct report_out *out, const struct report *r);
/* The processor's number of an exception, as its manual calls it. */
void report_fault_number(struct report_out *out, uint32_t number);

#endif
