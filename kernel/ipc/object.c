/* SPDX-License-Identifier: MIT */
/* Ids, keys, owners and rights of System V's objects (svipc(7)). */
#include "internal.h"

#include <abi/stat.h>
#include <kernel/base/component.h>
#include <kernel/base/subject.h>

enum : uint32_t { CAPACITY_FIRST = 16, RIGHTS = 0777, IPC_READ = 0444 };
enum : uint64_t { TELL_PAUSE_NS = 10'000'000'000 };

bool ipc_may_tell(void)
{
	static uint64_t quiet_until_ns; /* atomic */
	uint64_t now = clock_monotonic_ns(), until = __atomic_load_n(&quiet_until_ns, __ATOMIC_RELAXED);

	return now >= until && __atomic_compare_exchange_n(&quiet_until_ns, &until, now + TELL_PAUSE_NS, false,
							   __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

int64_t ipc_seconds(void)
{
	return clock_realtime_ns() / 1000000000;
}

int32_t ipc_pid(void)
{
	const struct subject *p = subject_current();

	return p != nullptr ? (int32_t)p->pid : 0;
}

void ipc_object_init(struct ipc_object *o, const struct ipc_get *g)
{
	const struct credentials *c = &subject_current()->cred;

	o->kind = g->kind;
	o->refs = 1;
	o->key = g->key;
	o->uid = o->cuid = c->euid;
	o->gid = o->cgid = c->egid;
	o->mode = g->flags & RIGHTS;
	o->changed_s = ipc_seconds();
	mutex_init(&o->lock, RANK_IPC + 1);
}

void ipc_object_put(struct ipc_object *o)
{
	if (__atomic_sub_fetch(&o->refs, 1, __ATOMIC_ACQ_REL) == 0)
		o->kind->free(o);
}

void ipc_lock(struct ipc_object *o) NO_THREAD_SAFETY
{
	mutex_lock(&o->lock);
}

void ipc_unlock(struct ipc_object *o) NO_THREAD_SAFETY
{
	mutex_unlock(&o->lock);
}

void ipc_leave(struct ipc_object *o)
{
	ipc_unlock(o);
	ipc_object_put(o);
}

/* Which of the three groups of rights is the process's, as with files: the owner's and the creator's are the same. */
static uint32_t rights_of(const struct ipc_object *o, const struct credentials *c)
{
	if (c->euid == o->uid || c->euid == o->cuid)
		return o->mode >> 6;
	if (c->egid == o->gid || c->egid == o->cgid || process_in_group(o->gid) || process_in_group(o->cgid))
		return o->mode >> 3;
	return o->mode;
}

int ipc_permitted(const struct ipc_object *o, uint32_t bits)
{
	uint32_t wanted = (bits >> 6 | bits >> 3 | bits) & 7;

	if ((wanted & ~rights_of(o, &subject_current()->cred)) == 0 || capable(CAP_IPC_OWNER))
		return 0;
	return -EACCES;
}

int ipc_owned(const struct ipc_object *o)
{
	uint32_t euid = subject_current()->cred.euid;

	return euid == o->uid || euid == o->cuid || capable(CAP_SYS_ADMIN) ? 0 : -EPERM;
}

void ipc_tell(const struct ipc_object *o, struct abi_ipc_perm *out)
{
	*out = (struct abi_ipc_perm){
		.key = o->key,
		.uid = o->uid,
		.gid = o->gid,
		.cuid = o->cuid,
		.cgid = o->cgid,
		.mode = o->mode,
		.seq = (uint16_t)((uint32_t)o->id / IPC_PLACES),
	};
}

void ipc_set(struct ipc_object *o, const struct abi_ipc_perm *in)
{
	o->uid = in->uid;
	o->gid = in->gid;
	o->mode = (o->mode & ~RIGHTS) | (in->mode & RIGHTS);
	o->changed_s = ipc_seconds();
}

static struct ipc_object *of_key(struct ipc_kind *kind, int32_t key) REQUIRES(kind -> lock)
{
	for (uint32_t n = 0; n < kind->capacity; n++)
		if (kind->places[n] != nullptr && kind->places[n]->key == key)
			return kind->places[n];
	return nullptr;
}

static int grow(struct ipc_kind *kind) REQUIRES(kind -> lock)
{
	uint32_t capacity = kind->capacity != 0 ? MIN(kind->capacity * 2, (uint32_t)IPC_PLACES) : CAPACITY_FIRST;
	struct ipc_object **places = kmalloc(capacity * sizeof(struct ipc_object *));

	if (places == nullptr)
		return -ENOMEM;
	for (uint32_t n = 0; n < kind->capacity; n++)
		places[n] = kind->places[n];
	kfree(kind->places);
	kind->places = places;
	kind->capacity = capacity;
	return 0;
}

static int free_place(struct ipc_kind *kind, uint32_t *out) REQUIRES(kind -> lock)
{
	if (kind->count >= (uint32_t)__atomic_load_n(&kind->limit, __ATOMIC_RELAXED))
		return -ENOSPC;
	if (kind->count == kind->capacity) {
		int error = grow(kind);
		if (error != 0)
			return error;
	}
	for (uint32_t n = 0; n < kind->capacity; n++) {
		if (kind->places[n] == nullptr) {
			*out = n;
			return 0;
		}
	}
	return -ENOSPC;
}

static long make(struct ipc_kind *kind, const struct ipc_get *g) REQUIRES(kind -> lock)
{
	struct ipc_object *o;
	uint32_t place;

	int error = free_place(kind, &place);
	if (error == 0)
		error = g->make(g, &o);
	if (error != 0)
		return error;
	o->id = (int32_t)(kind->next_turn * IPC_PLACES + place);
	kind->next_turn = (kind->next_turn + 1) % IPC_TURNS;
	kind->places[place] = o;
	kind->count++;
	return o->id;
}

static long use(struct ipc_object *o, const struct ipc_get *g)
{
	if ((g->flags & IPC_CREAT) && (g->flags & IPC_EXCL))
		return -EEXIST;
	int error = g->may_use != nullptr ? g->may_use(o, g) : 0;
	if (error != 0)
		return error;
	ipc_lock(o);
	error = ipc_permitted(o, g->flags & RIGHTS);
	ipc_unlock(o);
	return error != 0 ? error : o->id;
}

long ipc_get(const struct ipc_get *g)
{
	struct ipc_kind *kind = g->kind;
	struct ipc_object *o = nullptr;
	long id;

	mutex_lock(&kind->lock);
	if (g->key != IPC_PRIVATE)
		o = of_key(kind, g->key);
	if (o != nullptr)
		id = use(o, g);
	else if (g->key == IPC_PRIVATE || (g->flags & IPC_CREAT))
		id = make(kind, g);
	else
		id = -ENOENT;
	mutex_unlock(&kind->lock);
	return id;
}

static struct ipc_object *take(struct ipc_kind *kind, uint32_t place) REQUIRES(kind -> lock)
{
	struct ipc_object *o = place < kind->capacity ? kind->places[place] : nullptr;

	if (o != nullptr)
		__atomic_fetch_add(&o->refs, 1, __ATOMIC_RELAXED);
	return o;
}

/* Locked, unless it was removed before that. */
static struct ipc_object *locked(struct ipc_object *o)
{
	if (o == nullptr)
		return nullptr;
	ipc_lock(o);
	if (!o->gone)
		return o;
	ipc_leave(o);
	return nullptr;
}

struct ipc_object *ipc_find(struct ipc_kind *kind, int32_t id)
{
	if (id < 0)
		return nullptr;
	mutex_lock(&kind->lock);
	struct ipc_object *o = take(kind, (uint32_t)id % IPC_PLACES);
	mutex_unlock(&kind->lock);
	if (o != nullptr && o->id != id) {
		ipc_object_put(o);
		return nullptr;
	}
	return locked(o);
}

struct ipc_object *ipc_at(struct ipc_kind *kind, int32_t place)
{
	if (place < 0)
		return nullptr;
	mutex_lock(&kind->lock);
	struct ipc_object *o = take(kind, (uint32_t)place);
	mutex_unlock(&kind->lock);
	return locked(o);
}

/* o is locked; where an error refuses it, it is let go of. */
static int found(struct ipc_object *o, int error, struct ipc_object **out)
{
	if (error != 0)
		ipc_leave(o);
	*out = error == 0 ? o : nullptr;
	return error;
}

int ipc_find_to_tell(struct ipc_kind *kind, int32_t id, bool by_place, bool any, struct ipc_object **out)
{
	struct ipc_object *o = by_place ? ipc_at(kind, id) : ipc_find(kind, id);

	return o != nullptr ? found(o, any ? 0 : ipc_permitted(o, IPC_READ), out) : -EINVAL;
}

int ipc_find_owned(struct ipc_kind *kind, int32_t id, struct ipc_object **out)
{
	struct ipc_object *o = ipc_find(kind, id);

	return o != nullptr ? found(o, ipc_owned(o), out) : -EINVAL;
}

void ipc_forget_key(struct ipc_object *o)
{
	mutex_lock(&o->kind->lock);
	o->key = IPC_PRIVATE;
	mutex_unlock(&o->kind->lock);
}

void ipc_remove(struct ipc_object *o)
{
	struct ipc_kind *kind = o->kind;
	uint32_t place = (uint32_t)o->id % IPC_PLACES;

	mutex_lock(&kind->lock);
	bool there = kind->places[place] == o;
	if (there) {
		kind->places[place] = nullptr;
		kind->count--;
	}
	mutex_unlock(&kind->lock);
	if (there)
		ipc_object_put(o);
}

int32_t ipc_last_place(struct ipc_kind *kind)
{
	mutex_lock(&kind->lock);
	uint32_t n = kind->capacity;
	while (n > 0 && kind->places[n - 1] == nullptr)
		n--;
	mutex_unlock(&kind->lock);
	return n > 0 ? (int32_t)n - 1 : 0;
}

uint32_t ipc_count(struct ipc_kind *kind)
{
	mutex_lock(&kind->lock);
	uint32_t n = kind->count;
	mutex_unlock(&kind->lock);
	return n;
}

void ipc_show(struct ipc_kind *kind, struct text_buffer *b,
	      void (*line)(const struct ipc_object *o, struct text_buffer *b))
{
	for (int32_t n = 0, last = ipc_last_place(kind); n <= last; n++) {
		struct ipc_object *o = ipc_at(kind, n);

		if (o == nullptr)
			continue;
		line(o, b);
		ipc_leave(o);
	}
}
