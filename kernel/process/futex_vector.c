/* SPDX-License-Identifier: MIT */
/* futex_waitv(2): waiting for any of several words. */
#include "futex.h"

#include <kernel/mem/slab.h>

enum : uint32_t { WORDS_MOST = 128, SIZE_32 = 2, PRIVATE = 128 };

struct abi_futex_waitv {
	uint64_t value, at;
	uint32_t flags, reserved;
};
static_assert(sizeof(struct abi_futex_waitv) == 24);

static int words_from_user(user_addr at, uint32_t n, struct futex_word *words)
{
	for (uint32_t k = 0; k < n; k++) {
		struct abi_futex_waitv v;

		if (get_user(v, USER_ADDR(at.value + k * sizeof(v))) != 0)
			return -EFAULT;
		if ((v.flags & ~(uint32_t)PRIVATE) != SIZE_32 || v.reserved != 0)
			return syscall_refuse_flags(NR_futex_waitv, v.flags);
		if (v.value > UINT32_MAX)
			return -EINVAL;
		words[k] = (struct futex_word){
			.at = USER_ADDR(v.at), .value = (uint32_t)v.value, .private_word = v.flags & PRIVATE};
	}
	return 0;
}

/* The deadline is a time of its clock; 0: there is none. */
static int deadline_from_user(user_addr at, int32_t clock, uint64_t *out)
{
	*out = 0;
	if (at.value == 0)
		return 0;
	if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC)
		return -EINVAL;
	int error = timespec_from_user(at, out);
	*out = MAX(*out, UINT64_C(1));
	return error;
}

static long sys_futex_waitv(user_addr at, uint32_t n, uint32_t flags, user_addr timeout, int32_t clock)
{
	uint64_t deadline;

	if (flags != 0)
		return syscall_refuse_flags(NR_futex_waitv, flags);
	if (n == 0 || n > WORDS_MOST || at.value == 0)
		return -EINVAL;
	long result = deadline_from_user(timeout, clock, &deadline);
	if (result != 0)
		return result;
	struct futex_word *words = kmalloc(n * sizeof(*words));
	if (words == nullptr)
		return -ENOMEM;
	result = words_from_user(at, n, words);
	if (result == 0)
		result = futex_wait_any(words, n, clock == CLOCK_REALTIME, deadline);
	kfree(words);
	return result;
}
SYSCALL(futex_waitv);
