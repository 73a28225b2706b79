/* SPDX-License-Identifier: MIT */
/* The gates that lead from the lowered kernel back into a process; gates.S. */
#ifndef ARCH_GATES_H
#define ARCH_GATES_H

/* Goes on in the calling thread's process context with all its registers as the nucleus holds them. */
[[noreturn]] void gate_resume(void);
/* The same at the end of a system call, whose result it is. */
[[noreturn]] void gate_exit(long result);

#endif
