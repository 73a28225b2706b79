/* SPDX-License-Identifier: MIT */
/*
 * futex(2): which operation it is, what its arguments mean, and in which order they are looked at. Private and shared
 * words, monotonic and realtime deadlines.
 */
#include "futex.h"
#include <kernel/base/clock.h>

enum futex_operation : uint32_t {
	FUTEX_WAIT = 0,
	FUTEX_WAKE = 1,
	FUTEX_REQUEUE = 3,
	FUTEX_CMP_REQUEUE = 4,
	FUTEX_WAKE_OP = 5,
	FUTEX_LOCK_PI = 6,
	FUTEX_UNLOCK_PI = 7,
	FUTEX_TRYLOCK_PI = 8,
	FUTEX_WAIT_BITSET = 9,
	FUTEX_WAKE_BITSET = 10,
	FUTEX_WAIT_REQUEUE_PI = 11,
	FUTEX_CMP_REQUEUE_PI = 12,
	FUTEX_LOCK_PI2 = 13,
	FUTEX_PRIVATE = 128,
	FUTEX_REALTIME = 256,
};

static long wait_again(struct restart_block *r)
{
	struct futex_wait f = {
		.at = USER_ADDR(r->words[0]),
		.value = (uint32_t)r->words[1],
		.bitset = (uint32_t)r->words[2],
		.deadline = r->words[3],
		.private_word = r->words[4] & 1,
		.realtime = r->words[4] & 2,
	};
	long result = futex_wait(&f);

	return result == -ERESTARTSYS ? -ERESTART_RESTARTBLOCK : result;
}

/* A wait with a relative timeout goes on through restart_syscall, for what is left of it. */
static long wait_restartable(const struct futex_wait *f)
{
	long result = futex_wait(f);

	if (result != -ERESTARTSYS || f->deadline == 0)
		return result;
	process_thread_current()->restart = (struct restart_block){
		.again = wait_again,
		.words = {f->at.value, f->value, f->bitset, f->deadline,
			  (f->private_word ? 1 : 0) | (f->realtime ? 2 : 0)},
	};
	return -ERESTART_RESTARTBLOCK;
}

struct futex_call {
	user_addr at, at2;
	uint32_t operation, value, value2, value3;
	uint64_t deadline; /* 0: none */
	bool private_word;
};

static long do_requeue(const struct futex_call *c, bool compare)
{
	struct user_key from, to;
	uint32_t seen;
	int error = futex_key(c->at, c->private_word, &from);

	if (error == 0)
		error = futex_key(c->at2, c->private_word, &to);
	if (error != 0)
		return error;
	if ((int32_t)c->value < 0 || (int32_t)c->value2 < 0)
		return -EINVAL;
	if (compare) {
		error = user_load_u32(c->at, &seen);
		if (error != 0)
			return error;
		if (seen != c->value3)
			return -EAGAIN;
	}
	return futex_requeue(&from, &to, c->value, c->value2);
}

static int32_t sign_extend_12(uint32_t x)
{
	return (int32_t)(x << 20) >> 20;
}

static bool apply_operation(uint32_t operation, uint32_t old, uint32_t argument, uint32_t *result)
{
	switch (operation) {
	case 0: *result = argument; return true;
	case 1: *result = old + argument; return true;
	case 2: *result = old | argument; return true;
	case 3: *result = old & ~argument; return true;
	case 4: *result = old ^ argument; return true;
	default: return false;
	}
}

static bool compare_old(uint32_t comparison, int32_t old, int32_t argument, bool *result)
{
	switch (comparison) {
	case 0: *result = old == argument; return true;
	case 1: *result = old != argument; return true;
	case 2: *result = old < argument; return true;
	case 3: *result = old <= argument; return true;
	case 4: *result = old > argument; return true;
	case 5: *result = old >= argument; return true;
	default: return false;
	}
}

/* Changes the second word as value3 encodes it, wakes the first's waiters, and the second's if its
 * old value compares so. */
static long do_wake_op(const struct futex_call *c)
{
	uint32_t operation = c->value3 >> 28 & 7, comparison = c->value3 >> 24 & 15, old, fresh, seen;
	int32_t argument = sign_extend_12(c->value3 >> 12 & 0xfff), compared = sign_extend_12(c->value3 & 0xfff);
	struct user_key key, key2;
	bool also = false;

	if (c->value3 >> 31)
		argument = (int32_t)(UINT32_C(1) << (argument & 31));
	int error = futex_key(c->at, c->private_word, &key);
	if (error == 0)
		error = futex_key(c->at2, c->private_word, &key2);
	if (error == 0)
		error = user_load_u32(c->at2, &old);
	if (error != 0)
		return error;
	for (;;) {
		if (!apply_operation(operation, old, (uint32_t)argument, &fresh) ||
		    !compare_old(comparison, (int32_t)old, compared, &also))
			return -ENOSYS;
		error = user_cmpxchg_u32(c->at2, old, fresh, &seen);
		if (error != 0)
			return error;
		if (seen == old)
			break;
		/* Whoever writes the word without end must not keep this thread from dying. */
		if (signal_fatal_current())
			return -EINTR;
		old = seen;
	}
	long woken = futex_wake(&key, (int32_t)c->value, FUTEX_BITSET_ALL);
	if (!also || woken < 0)
		return woken;
	long more = futex_wake(&key2, (int32_t)c->value2, FUTEX_BITSET_ALL);
	return more < 0 ? more : woken + more;
}

static long do_wait(const struct futex_call *c, bool realtime)
{
	struct futex_wait f = {.at = c->at,
			       .private_word = c->private_word,
			       .value = c->value,
			       .bitset = FUTEX_BITSET_ALL,
			       .realtime = realtime,
			       .deadline = c->deadline};

	if (c->operation == FUTEX_WAIT_BITSET)
		f.bitset = c->value3;
	return wait_restartable(&f);
}

static long do_wait_requeue(const struct futex_call *c, bool realtime)
{
	return futex_wait_requeue_pi(&(struct futex_wait){.at = c->at,
							  .private_word = c->private_word,
							  .value = c->value,
							  .bitset = FUTEX_BITSET_ALL,
							  .realtime = realtime,
							  .deadline = c->deadline},
				     c->at2);
}

static long do_requeue_to_pi(const struct futex_call *c)
{
	if (c->at.value == c->at2.value || c->value != 1)
		return -EINVAL;
	return futex_requeue_to_pi(&(struct futex_move){.from = c->at,
							.lock = c->at2,
							.private_word = c->private_word,
							.value = c->value3,
							.count = c->value2});
}

static long do_wake(const struct futex_call *c, uint32_t bitset)
{
	struct user_key key;
	int error = futex_key(c->at, c->private_word, &key);

	if (bitset == 0)
		return -EINVAL;
	return error != 0 ? error : futex_wake(&key, (int32_t)c->value, bitset);
}

/* Timeouts are absolute; on the date, but for LOCK_PI2 without FUTEX_REALTIME. */
static long do_lock_pi(const struct futex_call *c, bool realtime)
{
	return futex_pi_lock(&(struct futex_pi){.at = c->at,
						.private_word = c->private_word,
						.realtime = realtime || c->operation == FUTEX_LOCK_PI,
						.only_try = c->operation == FUTEX_TRYLOCK_PI,
						.deadline = c->deadline});
}

static bool takes_timeout(uint32_t operation)
{
	switch (operation) {
	case FUTEX_WAIT:
	case FUTEX_WAIT_BITSET:
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
	case FUTEX_WAIT_REQUEUE_PI: return true;
	default: return false;
	}
}

/* A timeout is read before anything else is looked at. FUTEX_WAIT's is a span, the others' are times of their clock. */
static int get_timeout(struct futex_call *c, user_addr at)
{
	bool span = c->operation == FUTEX_WAIT;
	uint64_t timeout;

	if (at.value == 0 || !takes_timeout(c->operation))
		return 0;
	int error = timespec_from_user(at, &timeout);
	if (error == 0)
		c->deadline = MAX(span ? clock_monotonic_ns() + timeout : timeout, UINT64_C(1));
	return error;
}

static bool operation_known(uint32_t operation)
{
	switch (operation) {
	case FUTEX_WAIT:
	case FUTEX_WAKE:
	case FUTEX_REQUEUE:
	case FUTEX_CMP_REQUEUE:
	case FUTEX_WAKE_OP:
	case FUTEX_WAIT_BITSET:
	case FUTEX_WAKE_BITSET:
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
	case FUTEX_TRYLOCK_PI:
	case FUTEX_UNLOCK_PI:
	case FUTEX_WAIT_REQUEUE_PI:
	case FUTEX_CMP_REQUEUE_PI: return true;
	default: return false;
	}
}

static long sys_futex(user_addr at, uint32_t operation, uint32_t value, user_addr timeout, user_addr at2,
		      uint32_t value3)
{
	struct futex_call c = {
		.at = at,
		.at2 = at2,
		.operation = operation & ~(uint32_t)(FUTEX_PRIVATE | FUTEX_REALTIME),
		.value = value,
		.value2 = (uint32_t)timeout.value,
		.value3 = value3,
		.private_word = operation & FUTEX_PRIVATE,
	};
	bool realtime = operation & FUTEX_REALTIME;

	int error = get_timeout(&c, timeout);
	if (error != 0)
		return error;
	if (!operation_known(c.operation)) {
		(void)syscall_refuse_flags(NR_futex, operation);
		return -ENOSYS;
	}
	/* FUTEX_WAIT's timeout is a span, which no date shortens. */
	if (realtime && c.operation != FUTEX_WAIT_BITSET && c.operation != FUTEX_LOCK_PI2 &&
	    c.operation != FUTEX_WAIT_REQUEUE_PI)
		return -ENOSYS;
	if (at.value % sizeof(uint32_t) != 0)
		return -EINVAL;
	bool requeue =
		c.operation == FUTEX_REQUEUE || c.operation == FUTEX_CMP_REQUEUE || c.operation == FUTEX_CMP_REQUEUE_PI;
	if (requeue && ((int32_t)c.value < 0 || (int32_t)c.value2 < 0))
		return -EINVAL;
	switch (c.operation) {
	case FUTEX_WAIT:
	case FUTEX_WAIT_BITSET: return do_wait(&c, realtime);
	case FUTEX_WAKE: return do_wake(&c, FUTEX_BITSET_ALL);
	case FUTEX_WAKE_BITSET: return do_wake(&c, value3);
	case FUTEX_REQUEUE: return do_requeue(&c, false);
	case FUTEX_CMP_REQUEUE: return do_requeue(&c, true);
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
	case FUTEX_TRYLOCK_PI: return do_lock_pi(&c, realtime);
	case FUTEX_UNLOCK_PI: return futex_pi_unlock(at, c.private_word);
	case FUTEX_WAIT_REQUEUE_PI: return do_wait_requeue(&c, realtime);
	case FUTEX_CMP_REQUEUE_PI: return do_requeue_to_pi(&c);
	default: return do_wake_op(&c);
	}
}
SYSCALL(futex);
