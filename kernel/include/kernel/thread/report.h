/* SPDX-License-Identifier: MIT */
/*
 * Reports: the nucleus keeps a record of each fault, violation and refused call (<nucleus/report.h>); here it becomes
 * words. The landing of a fault (kernel/thread/guard.h) and the log's thread see to it; who wants to be sure that it is
 * done calls report_show().
 */
#ifndef KERNEL_REPORT_H
#define KERNEL_REPORT_H

#include <nucleus/privilege.h>

/* What was refused so far is on the console when it returns. May sleep; overwrites the caller's call area. */
void report_show(void) NOT_ELEVATED;

#endif
