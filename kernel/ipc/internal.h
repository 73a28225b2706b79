/* SPDX-License-Identifier: MIT */
/*
 * What message queues, semaphores and shared memory of System V have in common (svipc(7)): each kind has a table of
 * objects, which have an id, maybe a key, an owner and a mode.
 *
 * Locks: a table's (RANK_IPC), then an object's (RANK_IPC + 1). Under neither is memory of a process touched. An
 * object has a reference of its table's and one of each call that works on it; who has its lock asks whether it is
 * `gone`, since somebody may have removed it meanwhile.
 */
#ifndef KERNEL_IPC_INTERNAL_H
#define KERNEL_IPC_INTERNAL_H

#include <abi/ipc.h>
#include <kernel/base/component.h>
#include <kernel/base/lock.h>
#include <kernel/base/node.h>
#include <kernel/base/syscall.h>
#include <kernel/base/wait.h>
#include <kernel/mem/slab.h>
#include <kernel/mem/text.h>
#include <kernel/vm/user.h>
#include <lib/string.h>

DECLARE_COMPONENT(ipc);

/* An id is its place in the table and, above, how many objects were made before it: one that is removed is not taken
 * for the next in its place. */
enum : uint32_t { IPC_PLACES = 32768, IPC_TURNS = 65536 };

struct ipc_kind {
	struct mutex lock;
	struct ipc_object **places GUARDED_BY(&lock);
	uint32_t capacity GUARDED_BY(&lock), count GUARDED_BY(&lock), next_turn GUARDED_BY(&lock);
	int32_t limit; /* of objects; atomic; /proc/sys/kernel */
	const char *name;
	void (*free)(struct ipc_object *o); /* nobody has it any more; no lock is held */
};
#define IPC_KIND(name_, label, free_)                                                                                  \
	struct ipc_kind name_ = {.lock = MUTEX_INIT(name_.lock, RANK_IPC),                                             \
				 .limit = (int32_t)IPC_PLACES - 1,                                                     \
				 .name = (label),                                                                      \
				 .free = (free_)}

struct ipc_object {
	struct ipc_kind *kind;
	uint32_t refs; /* atomic */
	int32_t id;
	struct mutex lock;
	bool gone;		 /* removed; lock */
	int32_t key;		 /* the kind's lock */
	uint32_t uid, gid, mode; /* lock */
	uint32_t cuid, cgid;
	int64_t changed_s; /* lock */
};

/* msgget(2) and its kin: the object of that key, or what `make` returns, which then has a reference of the table and
 * the key. may_use: what must hold of one that is there already, before rights are asked. The id, or an error. */
struct ipc_get {
	struct ipc_kind *kind;
	int32_t key;
	uint32_t flags;
	uint64_t size;
	int (*make)(const struct ipc_get *g, struct ipc_object **out);
	int (*may_use)(const struct ipc_object *o, const struct ipc_get *g); /* nullptr: nothing */
};
long ipc_get(const struct ipc_get *g);
/* Before it is given to ipc_get: owner, mode, one reference. */
void ipc_object_init(struct ipc_object *o, const struct ipc_get *g);
void ipc_object_put(struct ipc_object *o);
/* With a reference, and its lock: nullptr: there is no such object. */
struct ipc_object *ipc_find(struct ipc_kind *kind, int32_t id);
/* The same by place in the table, for MSG_STAT and its kin. */
struct ipc_object *ipc_at(struct ipc_kind *kind, int32_t place);
/* For what IPC_STAT tells (by id), and MSG_STAT and its kin (by place; `any` asks for no right): as ipc_find. 0,
 * -EINVAL, -EACCES. */
int ipc_find_to_tell(struct ipc_kind *kind, int32_t id, bool by_place, bool any, struct ipc_object **out);
/* For IPC_SET: as ipc_find, of an object that the current process owns. 0, -EINVAL, -EPERM. */
int ipc_find_owned(struct ipc_kind *kind, int32_t id, struct ipc_object **out);
/* A lock that is taken in one function and given back in another, which the compiler's analysis does not follow. */
void ipc_lock(struct ipc_object *o) NO_THREAD_SAFETY;
void ipc_unlock(struct ipc_object *o) NO_THREAD_SAFETY;
/* Unlocks it and lets go of it. */
void ipc_leave(struct ipc_object *o);
/* 0, or -EACCES where the current process lacks one of the rights `bits` (as in a mode). The object is locked. */
int ipc_permitted(const struct ipc_object *o, uint32_t bits);
/* Whether the current process may remove the object and set its owner: 0 or -EPERM. */
int ipc_owned(const struct ipc_object *o);
/* Nobody finds it any more by id or key. The object is not locked. */
void ipc_remove(struct ipc_object *o);
/* Nobody finds it any more by key. */
void ipc_forget_key(struct ipc_object *o);
/* IPC_STAT, IPC_SET. The object is locked. */
void ipc_tell(const struct ipc_object *o, struct abi_ipc_perm *out);
void ipc_set(struct ipc_object *o, const struct abi_ipc_perm *in);
int64_t ipc_seconds(void);
/* The highest place in use, for MSG_INFO and its kin; 0 for none. And how many objects there are. */
int32_t ipc_last_place(struct ipc_kind *kind);
uint32_t ipc_count(struct ipc_kind *kind);
/* /proc/sysvipc: a line of each object, with its lock held. */
void ipc_show(struct ipc_kind *kind, struct text_buffer *b,
	      void (*line)(const struct ipc_object *o, struct text_buffer *b));
int32_t ipc_pid(void); /* of the current process */
/* Whether it may be logged that a limit was met: now and then, since whoever meets one can do so at once again. */
bool ipc_may_tell(void);

void message_start(void);
void semaphore_start(void);

#endif
