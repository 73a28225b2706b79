/* SPDX-License-Identifier: MIT */
/*
 * Semaphores of System V: semget(2), semop(2). All operations of a call happen at once or none does; who cannot go on
 * waits for any change of the set and looks again.
 */
#include "semaphore.h"

#include <kernel/base/component.h>
#include <kernel/base/log.h>
#include <kernel/base/subject.h>
#include <kernel/mem/page.h>

enum : int32_t { SET_MOST = 32000, OPERATIONS_MOST = 500, SETS_MOST = 32000, ALL_LEAST = 32000 };
enum : uint64_t { ALL_SHARE = 64 }; /* of memory, for the semaphores of all sets */
enum : uint32_t { READ_RIGHT = 0444, ALTER_RIGHT = 0222 };
enum : size_t { FEW = 16 }; /* operations that need no memory of the heap */

static int32_t set_most = SET_MOST, all_most = ALL_LEAST, operations_most = OPERATIONS_MOST; /* atomic */
static uint32_t all_count;								     /* atomic */

static void set_free(struct ipc_object *o);
IPC_KIND(semaphore_sets, "semaphores", set_free);

void semaphore_start(void)
{
	struct memory_stats memory;

	page_stats(&memory);
	uint64_t bytes = memory.total_pages * PAGE_SIZE / ALL_SHARE, most = bytes / sizeof(struct semaphore);
	all_most = (int32_t)MIN(MAX(most, (uint64_t)ALL_LEAST), (uint64_t)INT32_MAX);
	semaphore_sets.limit = SETS_MOST;
	semaphore_undo_start(bytes);
}

void semaphore_limits(struct abi_seminfo *out)
{
	*out = (struct abi_seminfo){
		.map = all_most,
		.mni = semaphore_sets.limit,
		.mns = all_most,
		.mnu = all_most,
		.msl = set_most,
		.opm = operations_most,
		.ume = operations_most,
		.usz = (int32_t)sizeof(struct semaphore_undo),
		.vmx = SEMAPHORE_MOST,
		.aem = ADJUST_MOST,
	};
}

/* proc(5), /proc/sys/kernel/sem: a set's, all sets', a call's and how many sets. */
static int show_limits(struct text_buffer *b, void *)
{
	text_printf(b, "%d\t%d\t%d\t%d\n", set_most, all_most, operations_most, semaphore_sets.limit);
	return 0;
}
PROC_FILE(sem_limits, .component = &component_ipc, .name = "sys/kernel/sem", .mode = 0444, .show = show_limits);

static void set_free(struct ipc_object *o)
{
	struct semaphore_set *s = set_of(o);

	semaphore_undos_free(s);
	__atomic_fetch_sub(&all_count, s->count, __ATOMIC_RELAXED);
	kfree(s);
}

static int set_make(const struct ipc_get *g, struct ipc_object **out)
{
	uint32_t count = (uint32_t)g->size;

	if (count == 0)
		return -EINVAL;
	if (__atomic_add_fetch(&all_count, count, __ATOMIC_RELAXED) > (uint32_t)all_most) {
		__atomic_fetch_sub(&all_count, count, __ATOMIC_RELAXED);
		if (ipc_may_tell())
			log_warn("ipc: all sets have %d semaphores at most (/proc/sys/kernel/sem): no more for user %u",
				 all_most, subject_current()->cred.uid);
		return -ENOSPC;
	}
	struct semaphore_set *s = kmalloc(sizeof(*s) + count * sizeof(s->semaphores[0]));
	if (s == nullptr) {
		__atomic_fetch_sub(&all_count, count, __ATOMIC_RELAXED);
		return -ENOMEM;
	}
	ipc_object_init(&s->object, g);
	list_init(&s->undos);
	wait_queue_init(&s->changed);
	s->count = count;
	*out = &s->object;
	return 0;
}

static int set_may_use(const struct ipc_object *o, const struct ipc_get *g)
{
	return g->size > container_of(o, const struct semaphore_set, object)->count ? -EINVAL : 0;
}

static long sys_semget(int32_t key, int32_t count, uint32_t flags)
{
	struct ipc_get g = {.kind = &semaphore_sets,
			    .key = key,
			    .flags = flags,
			    .size = (uint64_t)count,
			    .make = set_make,
			    .may_use = set_may_use};

	if (count < 0 || count > set_most)
		return -EINVAL;
	return ipc_get(&g);
}
SYSCALL(semget);

void semaphores_changed(struct semaphore_set *s)
{
	__atomic_fetch_add(&s->changes, 1, __ATOMIC_RELEASE);
	wait_wake_all(&s->changed);
}

/* To wait for zero leaves nothing to be undone. */
static bool undoes(const struct abi_sembuf *op)
{
	return op->op != 0 && (op->flags & SEM_UNDO);
}

static bool adjust_fits(const struct semaphore_undo *u, const struct abi_sembuf *op)
{
	int32_t adjust = u->adjust[op->number] - op->op;

	return adjust >= -ADJUST_MOST - 1 && adjust <= ADJUST_MOST;
}

/* Takes back operations 0 … n - 1. */
static void take_back(struct semaphore_set *s, struct semaphore_undo *u, const struct abi_sembuf *ops, size_t n)
{
	while (n-- > 0) {
		s->semaphores[ops[n].number].value -= ops[n].op;
		if (undoes(&ops[n]))
			u->adjust[ops[n].number] = (int16_t)(u->adjust[ops[n].number] + ops[n].op);
	}
}

/* One operation: 0; -EAGAIN: it has to wait; -ERANGE. */
static int operate(struct semaphore_set *s, struct semaphore_undo *u, const struct abi_sembuf *op)
{
	struct semaphore *sem = &s->semaphores[op->number];
	int32_t value = sem->value + op->op;

	if ((op->op == 0 && sem->value != 0) || value < 0)
		return -EAGAIN;
	if (value > SEMAPHORE_MOST)
		return -ERANGE;
	if (undoes(op) && !adjust_fits(u, op))
		return -ERANGE;
	sem->value = value;
	if (undoes(op))
		u->adjust[op->number] = (int16_t)(u->adjust[op->number] - op->op);
	return 0;
}

/* All, or none: then *at is the one that could not be. */
static int operate_all(struct semaphore_set *s, struct semaphore_undo *u, const struct abi_sembuf *ops, size_t n,
		       size_t *at)
{
	bool altered = false;

	for (size_t k = 0; k < n; k++) {
		int error = operate(s, u, &ops[k]);

		if (error != 0) {
			take_back(s, u, ops, k);
			*at = k;
			return error;
		}
		altered |= ops[k].op != 0;
	}
	for (size_t k = 0; k < n; k++)
		s->semaphores[ops[k].number].pid = ipc_pid();
	s->operated_s = ipc_seconds();
	if (altered)
		semaphores_changed(s);
	return 0;
}

/* Until the set changes, whose lock is dropped meanwhile. deadline_ns 0: none. */
static int wait_change(struct semaphore_set *s, const struct abi_sembuf *op, uint64_t deadline_ns)
{
	struct semaphore *sem = &s->semaphores[op->number];
	uint32_t *waiting = op->op == 0 ? &sem->wait_zero : &sem->wait_rise;
	uint64_t seen = __atomic_load_n(&s->changes, __ATOMIC_ACQUIRE);

	++*waiting;
	ipc_unlock(&s->object);
	int error = wait_event_interruptible_deadline(
		&s->changed, __atomic_load_n(&s->changes, __ATOMIC_ACQUIRE) != seen, deadline_ns);
	ipc_lock(&s->object);
	--*waiting;
	if (s->object.gone)
		return -EIDRM;
	return error == -ETIMEDOUT ? -EAGAIN : error != 0 ? -EINTR : 0;
}

struct operations {
	const struct abi_sembuf *ops;
	size_t n;
	bool alter, undo;
	uint64_t deadline_ns;
};

static int run(struct semaphore_set *s, const struct operations *r)
{
	struct semaphore_undo *u = nullptr;
	size_t at = 0;
	int error;

	for (size_t k = 0; k < r->n; k++)
		if (r->ops[k].number >= s->count)
			return -EFBIG;
	error = ipc_permitted(&s->object, r->alter ? ALTER_RIGHT : READ_RIGHT);
	if (error != 0)
		return error;
	while (true) {
		/* SETVAL may have come between, and the record is the set's: it is looked up each time. */
		if (r->undo && (u = semaphore_undo_of(s)) == nullptr)
			return -ENOMEM;
		error = operate_all(s, u, r->ops, r->n, &at);
		if (error != -EAGAIN || (r->ops[at].flags & (int16_t)IPC_NOWAIT))
			return error;
		error = wait_change(s, &r->ops[at], r->deadline_ns);
		if (error != 0)
			return error;
	}
}

static int deadline_from_user(user_addr at, uint64_t *out)
{
	struct {
		int64_t s, ns;
	} t;

	if (get_user(t, at) != 0)
		return -EFAULT;
	if (t.s < 0 || t.ns < 0 || t.ns >= 1000000000)
		return -EINVAL;
	uint64_t now = clock_monotonic_ns();
	*out = (uint64_t)t.s >= (INT64_MAX - now) / 1000000000 ? 0 : now + (uint64_t)t.s * 1000000000 + (uint64_t)t.ns;
	return 0;
}

static long operations_run(int32_t id, const struct abi_sembuf *ops, size_t n, uint64_t deadline_ns)
{
	struct operations r = {.ops = ops, .n = n, .deadline_ns = deadline_ns};

	for (size_t k = 0; k < n; k++) {
		r.alter |= ops[k].op != 0;
		r.undo |= undoes(&ops[k]);
	}
	struct ipc_object *o = ipc_find(&semaphore_sets, id);
	if (o == nullptr)
		return -EINVAL;
	int error = run(set_of(o), &r);
	ipc_leave(o);
	return error;
}

static long sys_semtimedop(int32_t id, user_addr at, uint32_t n, user_addr timeout)
{
	struct abi_sembuf few[FEW], *ops = few;
	uint64_t deadline_ns = 0;
	long result = -EFAULT;

	if (n < 1 || id < 0)
		return -EINVAL;
	if (n > (uint32_t)operations_most)
		return -E2BIG;
	if (n > FEW && (ops = kmalloc(n * sizeof(*ops))) == nullptr)
		return -ENOMEM;
	if (copy_from_user(ops, at, n * sizeof(*ops)) == 0)
		result = timeout.value != 0 ? deadline_from_user(timeout, &deadline_ns) : 0;
	if (result == 0)
		result = operations_run(id, ops, n, deadline_ns);
	if (ops != few)
		kfree(ops);
	return result;
}
SYSCALL(semtimedop);

static long sys_semop(int32_t id, user_addr at, uint32_t n)
{
	return sys_semtimedop(id, at, n, USER_ADDR(0));
}
SYSCALL(semop);
