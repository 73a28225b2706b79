/* SPDX-License-Identifier: MIT */
/* getrandom(2), over kernel/base/random.h. */
#include <kernel/base/random.h>
#include <kernel/base/syscall.h>
#include <kernel/base/wait.h>
#include <kernel/vm/user.h>
#include <lib/types.h>

enum getrandom_flags : unsigned { GRND_NONBLOCK = 1, GRND_RANDOM = 2, GRND_INSECURE = 4 };

static long sys_getrandom(user_addr buf, size_t n, unsigned flags)
{
	unsigned char bytes[256];
	size_t done = 0;

	if ((flags & ~(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE)) != 0 ||
	    (flags & (GRND_RANDOM | GRND_INSECURE)) == (GRND_RANDOM | GRND_INSECURE))
		return syscall_refuse_flags(NR_getrandom, flags);
	if ((flags & GRND_INSECURE) == 0 && !random_seeded()) {
		if ((flags & GRND_NONBLOCK) != 0)
			return -EAGAIN;
		int error = random_wait_seeded();
		if (error < 0)
			return error;
	}
	n = MIN(n, (size_t)INT32_MAX);
	while (done < n) {
		size_t part = MIN(n - done, sizeof(bytes));

		random_bytes(bytes, part);
		size_t copied = copy_to_user_partial(user_addr_add(buf, done), bytes, part);
		done += copied;
		if (copied < part)
			return done > 0 ? (long)done : -EFAULT;
		if (done < n && signal_pending_current())
			break;
	}
	return (long)done;
}
SYSCALL(getrandom);
