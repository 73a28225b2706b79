/* SPDX-License-Identifier: MIT */
/* What a system call says of itself while it runs (kernel/base/syscall.h): flags that it refuses, and a result that
 * only looks like an error. No locks: counters are atomic. */
#include <abi/errno_limits.h>
#include <kernel/base/syscall.h>
#include <kernel/base/thread.h>

constexpr unsigned REFUSED_MAX = 64;

/* A number and flags that were refused; key = number + 1 while the slot is taken. */
static struct refusal {
	uint32_t key;
	uint32_t count;
	uint64_t flags;
} refusals[REFUSED_MAX];
static uint32_t refusals_lost;

static bool claim(struct refusal *r, uint32_t key, uint64_t flags)
{
	uint32_t empty = 0;

	if (__atomic_compare_exchange_n(&r->key, &empty, key, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
		__atomic_store_n(&r->flags, flags, __ATOMIC_RELEASE);
		return true;
	}
	return empty == key && __atomic_load_n(&r->flags, __ATOMIC_ACQUIRE) == flags;
}

long syscall_refuse_flags(uint32_t number, uint64_t flags)
{
	for (unsigned i = 0; i < REFUSED_MAX; i++) {
		if (claim(&refusals[i], number + 1, flags)) {
			__atomic_fetch_add(&refusals[i].count, 1, __ATOMIC_RELAXED);
			return -EINVAL;
		}
	}
	__atomic_fetch_add(&refusals_lost, 1, __ATOMIC_RELAXED);
	return -EINVAL;
}

bool syscall_refusal_at(unsigned index, struct syscall_refusal *out)
{
	if (index >= REFUSED_MAX)
		return false;
	*out = (struct syscall_refusal){refusals[index].key - 1, refusals[index].count, refusals[index].flags};
	return true;
}

uint32_t syscall_refusals_lost(void)
{
	return refusals_lost;
}

long syscall_value(long value)
{
	thread_current()->value_result = value <= -ERRNO_OWN && value >= -ERRNO_LAST;
	return value;
}
