/* SPDX-License-Identifier: MIT */
/* Structures of the user ABI that grow with time: the one way to read them (kernel/vm/user.h). */
#include <abi/errno.h>
#include <kernel/mem/page.h>
#include <kernel/vm/user.h>
#include <lib/string.h>

/* Whether n bytes are zero: 0, -E2BIG at the first that is not, -EFAULT at the first that cannot be read. */
static int check_zero(user_addr at, size_t n)
{
	char bytes[64];

	while (n > 0) {
		size_t part = MIN(MIN(n, sizeof(bytes)), PAGE_SIZE - (at.value & (PAGE_SIZE - 1)));

		if (copy_from_user(bytes, at, part) != 0)
			return -EFAULT;
		for (size_t i = 0; i < part; i++) {
			if (bytes[i] != 0)
				return -E2BIG;
		}
		at = user_addr_add(at, part);
		n -= part;
	}
	return 0;
}

int copy_struct_from_user(void *dst, size_t known, size_t first, user_addr src, size_t size)
{
	if (size > PAGE_SIZE)
		return -E2BIG;
	if (size < first)
		return -EINVAL;
	if (size > known) {
		int error = check_zero(user_addr_add(src, known), size - known);
		if (error != 0)
			return error;
		size = known;
	}
	memset((char *)dst + size, 0, known - size);
	return copy_from_user(dst, src, size);
}
