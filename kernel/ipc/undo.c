/* SPDX-License-Identifier: MIT */
/*
 * What a process undoes at its end of what it did to semaphores (semop(2), SEM_UNDO). All threads of a process have one
 * record a set. No value becomes negative by it or more than a semaphore may have.
 */
#include "semaphore.h"

#include <kernel/base/subject.h>
#include <kernel/process/process.h>

static uint64_t undo_bytes, undo_most; /* atomic */
static uint32_t undo_count;	       /* atomic: of all sets; 0 spares most processes the walk */

static size_t undo_size(const struct semaphore_set *s)
{
	return sizeof(struct semaphore_undo) + s->count * sizeof(((struct semaphore_undo *)nullptr)->adjust[0]);
}

static struct semaphore_undo *find(struct semaphore_set *s, uint32_t pid)
{
	struct semaphore_undo *u;

	list_for_each(u, &s->undos, link)
		if (u->pid == pid)
			return u;
	return nullptr;
}

struct semaphore_undo *semaphore_undo_of(struct semaphore_set *s)
{
	uint32_t pid = subject_current()->pid;
	struct semaphore_undo *u = find(s, pid);

	if (u != nullptr)
		return u;
	if (__atomic_add_fetch(&undo_bytes, undo_size(s), __ATOMIC_RELAXED) <= undo_most)
		u = kmalloc(undo_size(s));
	if (u == nullptr) {
		__atomic_fetch_sub(&undo_bytes, undo_size(s), __ATOMIC_RELAXED);
		return nullptr;
	}
	u->pid = pid;
	__atomic_fetch_add(&undo_count, 1, __ATOMIC_RELEASE);
	list_push_back(&s->undos, &u->link);
	return u;
}

static void undo_free(const struct semaphore_set *s, struct semaphore_undo *u)
{
	__atomic_fetch_sub(&undo_bytes, undo_size(s), __ATOMIC_RELAXED);
	list_remove(&u->link);
	__atomic_fetch_sub(&undo_count, 1, __ATOMIC_RELEASE);
	kfree(u);
}

void semaphore_undo_forget(struct semaphore_set *s, uint32_t number)
{
	struct semaphore_undo *u;

	list_for_each(u, &s->undos, link)
		u->adjust[number] = 0;
}

void semaphore_undos_free(struct semaphore_set *s)
{
	struct semaphore_undo *u, *next;

	list_for_each_safe(u, next, &s->undos, link)
		undo_free(s, u);
}

static void undo(struct semaphore_set *s, struct semaphore_undo *u)
{
	for (uint32_t n = 0; n < s->count; n++) {
		struct semaphore *sem = &s->semaphores[n];
		int32_t value = sem->value + u->adjust[n];

		if (u->adjust[n] == 0)
			continue;
		u->adjust[n] = 0;
		sem->value = MIN(MAX(value, 0), (int32_t)SEMAPHORE_MOST);
		sem->pid = (int32_t)u->pid;
	}
	s->operated_s = ipc_seconds();
	undo_free(s, u);
	semaphores_changed(s);
}

/* A process ends. Begun anew after a fault it finds what is left. */
static void process_ends(struct process *p)
{
	if (__atomic_load_n(&undo_count, __ATOMIC_ACQUIRE) == 0)
		return;
	for (int32_t n = 0, last = ipc_last_place(&semaphore_sets); n <= last; n++) {
		struct ipc_object *o = ipc_at(&semaphore_sets, n);

		if (o == nullptr)
			continue;
		struct semaphore_undo *u = find(set_of(o), p->pid);
		if (u != nullptr)
			undo(set_of(o), u);
		ipc_leave(o);
	}
}

void semaphore_undo_start(uint64_t most)
{
	undo_most = most;
	process_set_farewell(process_ends);
}
