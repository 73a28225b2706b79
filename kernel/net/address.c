/* SPDX-License-Identifier: MIT */
/* Addresses of sockets on their way from and to a process. */
#include "internal.h"

int address_from_user(struct socket_address *a, user_addr at, int length)
{
	if (length < 0 || (uint32_t)length > SOCKET_ADDRESS_MAX)
		return -EINVAL;
	memset(a->bytes, 0, sizeof(a->bytes));
	a->length = (uint32_t)length;
	return copy_from_user(a->bytes, at, a->length) != 0 ? -EFAULT : 0;
}

int address_to_user(const struct socket_address *a, user_addr at, user_addr length_at)
{
	int32_t room, length = (int32_t)a->length;

	if (get_user(room, length_at) != 0)
		return -EFAULT;
	if (room < 0)
		return -EINVAL;
	if (copy_to_user(at, a->bytes, (size_t)MIN(room, length)) != 0)
		return -EFAULT;
	return put_user(length_at, length);
}
