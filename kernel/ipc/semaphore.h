/* SPDX-License-Identifier: MIT */
/*
 * Sets of semaphores, and what a process that ends undoes of its operations on them (semop(2), SEM_UNDO). What is to be
 * undone is kept with the set, a record for each process, and goes when either ends.
 */
#ifndef KERNEL_IPC_SEMAPHORE_H
#define KERNEL_IPC_SEMAPHORE_H

#include "internal.h"

enum : int32_t { SEMAPHORE_MOST = 32767, ADJUST_MOST = 32767 };

struct semaphore {
	int32_t value, pid; /* of the last operation */
	uint32_t wait_rise, wait_zero;
};
struct semaphore_set {
	struct ipc_object object; /* first */
	struct list undos;	  /* of processes; object.lock */
	struct wait_queue changed;
	uint64_t changes; /* atomic: how often values changed */
	int64_t operated_s;
	uint32_t count;
	struct semaphore semaphores[];
};
struct semaphore_undo {
	struct list link;
	uint32_t pid;
	int16_t adjust[]; /* what is added at the process's end, to each semaphore of the set */
};

extern struct ipc_kind semaphore_sets;

static inline struct semaphore_set *set_of(struct ipc_object *o)
{
	return container_of(o, struct semaphore_set, object);
}
void semaphore_limits(struct abi_seminfo *out); /* IPC_INFO of semctl(2) */
/* Somebody who waits may go on. The set is locked. */
void semaphores_changed(struct semaphore_set *s);
/* The record of the current process, made if need be; nullptr: no memory, or all of them hold as much as they may. The
 * set is locked. */
struct semaphore_undo *semaphore_undo_of(struct semaphore_set *s);
/* The semaphore was set to a value: nobody undoes what he did to it before. The set is locked. */
void semaphore_undo_forget(struct semaphore_set *s, uint32_t number);
void semaphore_undos_free(struct semaphore_set *s);
/* Once, at boot: how many bytes all records may have together. */
void semaphore_undo_start(uint64_t most);

#endif
