/* SPDX-License-Identifier: MIT */
/* Times of the ABI's structures, from processes and to them. */
#include "internal.h"
#include <kernel/vm/user.h>

enum : uint64_t { NS_PER_S = 1000000000, SECONDS_MAX = INT64_MAX / 1000000000 };

int timespec_to_ns(const struct abi_timespec *ts, uint64_t *ns)
{
	if (ts->sec < 0 || ts->nsec < 0 || ts->nsec >= (int64_t)NS_PER_S)
		return -EINVAL;
	if ((uint64_t)ts->sec >= SECONDS_MAX)
		*ns = INT64_MAX;
	else
		*ns = (uint64_t)ts->sec * NS_PER_S + (uint64_t)ts->nsec;
	return 0;
}

int timespec_from_user(user_addr at, uint64_t *ns)
{
	struct abi_timespec ts;

	if (get_user(ts, at) != 0)
		return -EFAULT;
	return timespec_to_ns(&ts, ns);
}

int timespec_to_user(user_addr at, uint64_t ns)
{
	struct abi_timespec ts = timespec_from_ns(ns);

	return put_user(at, ts);
}
