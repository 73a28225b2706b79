/* SPDX-License-Identifier: MIT */
/* Functions that fault in ways of the architecture's own. */
#ifndef KTEST_ARCH_FAULTS_H
#define KTEST_ARCH_FAULTS_H

extern long (*const arch_faults[])(void *arg);
extern const unsigned arch_fault_count;

#endif
