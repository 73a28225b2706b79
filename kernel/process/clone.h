/* SPDX-License-Identifier: MIT */
/*
 * The parts of clone(2): what the child has of its parent (clone_copy.c), and the steps that make it and take it away
 * again (clone.c).
 */
#ifndef PROCESS_CLONE_H
#define PROCESS_CLONE_H

#include "internal.h"

/* The child's space, files, directory and handlers: shared or copied, as the CLONE_ flags say. An error (-ENOMEM, and
 * what the parts answer) leaves what was taken so far to clone_drop_resources. */
[[nodiscard]] int clone_copy_resources(struct process *child, struct process *p, uint64_t flags);
/* Gives them back; called again after a fault in it, it goes on with what is left. */
void clone_drop_resources(struct process *child);
/* Credentials, limits, name and the program; the child gets references. */
void clone_copy_attributes(struct process *child, struct process *p, const struct clone_request *r);
/* Whether the caller's user has as many threads as p's RLIMIT_NPROC allows. */
bool clone_too_many_threads(struct process *p);
/* The new thread's part of the process state, from the caller's. */
void clone_copy_thread_state(struct thread *t, const struct clone_request *r);
/* The registers that it begins with, from the caller's; an error is the nucleus's. */
[[nodiscard]] int clone_copy_registers(struct thread *t, const struct clone_request *r);
/* CLONE_PARENT_SETTID and CLONE_CHILD_SETTID. As on Linux a bad address does not undo the clone. */
void clone_write_tids(struct vm_space *space, const struct clone_request *r, uint32_t tid);

#endif
