/* SPDX-License-Identifier: MIT */
/* Options of netlink's sockets (netlink(7)): groups, and what is told besides. */
#include "netlink.h"

static int set_membership(struct netlink_socket *n, bool joins, uint32_t group)
{
	uint64_t bit = group - 1 < NETLINK_GROUPS_MAX ? UINT64_C(1) << (group - 1) : 0;

	if (bit == 0)
		return -EINVAL;
	if (joins)
		__atomic_fetch_or(&n->groups, bit, __ATOMIC_RELAXED);
	else
		__atomic_fetch_and(&n->groups, ~bit, __ATOMIC_RELAXED);
	return 0;
}

/* EXT_ACK is leave to say more about an error than its number, which is not made use of. */
static bool is_switch(int option)
{
	return option == NETLINK_PKTINFO || option == NETLINK_NO_ENOBUFS || option == NETLINK_CAP_ACK ||
	       option == NETLINK_EXT_ACK;
}

int netlink_option_set(struct socket *s, int level, int option, user_addr at, uint32_t length)
{
	struct netlink_socket *n = netlink_of(s);
	uint32_t value;

	if (level != SOL_NETLINK)
		return -ENOPROTOOPT;
	if (option != NETLINK_ADD_MEMBERSHIP && option != NETLINK_DROP_MEMBERSHIP && !is_switch(option))
		return -ENOPROTOOPT;
	if (length < sizeof(value))
		return -EINVAL;
	if (get_user(value, at) != 0)
		return -EFAULT;
	if (!is_switch(option))
		return set_membership(n, option == NETLINK_ADD_MEMBERSHIP, value);
	if (value != 0)
		__atomic_fetch_or(&n->switches, 1u << option, __ATOMIC_RELAXED);
	else
		__atomic_fetch_and(&n->switches, ~(1u << option), __ATOMIC_RELAXED);
	return 0;
}

int netlink_option_get(struct socket *s, int level, int option, user_addr at, uint32_t *length)
{
	int32_t value;

	if (level != SOL_NETLINK || !is_switch(option))
		return -ENOPROTOOPT;
	if (*length < sizeof(value))
		return -EINVAL;
	value = netlink_switch(netlink_of(s), option);
	*length = sizeof(value);
	return put_user(at, value) != 0 ? -EFAULT : 0;
}
