/* SPDX-License-Identifier: MIT */
/*
 * Reports: the nucleus keeps a record of each fault, violation and refused call (<nucleus/report.h>); here it becomes
 * words. The landing of a fault (kernel/thread/guard.h) and the log's thread see to it; who wants to be sure that it is
 * done calls report_show().
 */
#ifndef KERNEL_REPORT_H
#define KERNEL_REPORT_H

#include <nucleus/privilege.h>
#include <stdint.h>

/* What was refused so far is on the console when it returns. May sleep; overwrites the caller's call area. */
void report_show(void) NOT_ELEVATED;

/* Who is told that the nucleus has silenced a PCI function whose DMA strayed, after the report of it. Set once, by who
 * knows whose it is; called where reports are rendered, and may sleep. claim: handle of the claim under which it did,
 * which may have ended since. */
void report_set_stray(void (*strayed)(uint32_t function, uint64_t claim));

#endif
