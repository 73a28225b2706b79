/* SPDX-License-Identifier: MIT */
/* Entries of kernel/process that the upcall code calls; see signal_deliver.c. */
#ifndef PROCESS_EVENT_H
#define PROCESS_EVENT_H

#include <stdint.h>

/* UPCALL_EVENT. Returns: the resume gate follows. */
void process_event(uint32_t cause, uint64_t code, uint64_t address, uint64_t pc);
/* After a contained fault outside any guard (fault.c). First, while the stack is as the fault left it: */
void process_fault_landed(void);
/* then, on an empty stack: what becomes of the thread. */
[[noreturn]] void process_fault_exit(void);

#endif
