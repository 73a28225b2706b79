/* SPDX-License-Identifier: MIT */
/*
 * Multicast by processes (ip(7), ipv6(7)): which groups a socket is a member of, on which interface, and how what it
 * sends to groups goes. A socket's memberships end with it. Members are counted here, for each group and interface;
 * lwIP, which tells routers (IGMP of RFC 2236, MLD of RFC 2710) and the device's filter, hears of the first and of the
 * last. Filters by source are not there: ENOPROTOOPT.
 */
#include "interface.h"

#include <lwip/igmp.h>
#include <lwip/mld6.h>

enum : uint32_t { MEMBERSHIPS_MAX = 20 }; /* of a socket */

struct group {
	struct list link;
	ip_addr_t ip;
	uint8_t device;
	uint32_t members;
};
struct membership {
	struct list link;
	struct group *group;
};
static struct list groups GUARDED_BY(inet_core) = LIST_INIT(groups);

/* What a process names. */
struct request {
	ip_addr_t ip;
	uint32_t device; /* 0: not said */
	ip4_addr_t at;	 /* version 4: or by its address; 0: not said */
	bool is_said;	 /* either */
};

void inet_multicast_init(struct inet_socket *i)
{
	list_init(&i->memberships);
	for (unsigned v = 0; v < 2; v++)
		i->many[v] = (struct inet_many){.hops = 1, .loops = true, .all = true};
}

static struct inet_many *many_of(struct inet_socket *i, int level)
{
	return &i->many[level == IPPROTO_IPV6];
}

/* --- groups --- */

static bool is_all_systems(const ip_addr_t *a)
{
	return IP_IS_V4(a) && ip_2_ip4(a)->addr == PP_HTONL(0xe0000001);
}

static struct group *find_group(const ip_addr_t *ip, uint8_t device) REQUIRES(inet_core)
{
	struct group *g;

	list_for_each(g, &groups, link) {
		if (g->device == device && IP_GET_TYPE(&g->ip) == IP_GET_TYPE(ip) && ip_addr_zoneless_eq(&g->ip, ip))
			return g;
	}
	return nullptr;
}

/* lwIP begins, or ceases, to be a member; of the group of all systems every station is one. */
static err_t tell(const struct group *g, bool joins) REQUIRES(inet_core)
{
	struct netif *n = netif_get_by_index(g->device);

	if (n == nullptr || is_all_systems(&g->ip))
		return ERR_OK;
	if (IP_IS_V6_VAL(g->ip))
		return joins ? mld6_joingroup_netif(n, ip_2_ip6(&g->ip)) : mld6_leavegroup_netif(n, ip_2_ip6(&g->ip));
	return joins ? igmp_joingroup_netif(n, ip_2_ip4(&g->ip)) : igmp_leavegroup_netif(n, ip_2_ip4(&g->ip));
}

void inet_multicast_again(void)
{
	struct group *g;

	list_for_each(g, &groups, link)
		if (tell(g, true) != ERR_OK)
			log_warn("inet: interface %u does not hear a group any more: no memory", g->device);
}

static void leave(struct membership *m) REQUIRES(inet_core)
{
	struct group *g = m->group;

	list_remove(&m->link);
	kfree(m);
	if (--g->members > 0)
		return;
	(void)tell(g, false);
	list_remove(&g->link);
	kfree(g);
}

void inet_multicast_close(struct inet_socket *i)
{
	while (!list_empty(&i->memberships)) {
		leave(list_first(&i->memberships, struct membership, link));
	}
}

/* device 0: the first of that group. */
static struct membership *find(const struct inet_socket *i, const ip_addr_t *ip, uint32_t device) REQUIRES(inet_core)
{
	struct membership *m;

	list_for_each(m, &i->memberships, link) {
		if ((device == 0 || m->group->device == device) && IP_GET_TYPE(&m->group->ip) == IP_GET_TYPE(ip) &&
		    ip_addr_zoneless_eq(&m->group->ip, ip))
			return m;
	}
	return nullptr;
}

static struct group *make_group(const ip_addr_t *ip, struct netif *n) REQUIRES(inet_core)
{
	struct group *g = kmalloc(sizeof(*g));

	if (g == nullptr)
		return nullptr;
	*g = (struct group){.ip = *ip, .device = netif_get_index(n)};
	list_init(&g->link);
	if (IP_IS_V6_VAL(g->ip))
		ip6_addr_assign_zone(ip_2_ip6(&g->ip), IP6_MULTICAST, n);
	if (tell(g, true) != ERR_OK) {
		kfree(g);
		return nullptr;
	}
	list_push_back(&groups, &g->link);
	return g;
}

static int join(struct inet_socket *i, const ip_addr_t *ip, struct netif *n) REQUIRES(inet_core)
{
	struct membership *other, *m;
	uint32_t count = 0;

	if (find(i, ip, netif_get_index(n)) != nullptr)
		return -EADDRINUSE;
	list_for_each(other, &i->memberships, link)
		count++;
	if (count >= MEMBERSHIPS_MAX)
		return -ENOBUFS;
	m = kmalloc(sizeof(*m));
	if (m == nullptr)
		return -ENOMEM;
	m->group = find_group(ip, netif_get_index(n));
	if (m->group == nullptr)
		m->group = make_group(ip, n);
	if (m->group == nullptr) {
		kfree(m);
		return -ENOMEM;
	}
	m->group->members++;
	list_init(&m->link);
	list_push_back(&i->memberships, &m->link);
	return 0;
}

/* --- which interface --- */

static struct netif *by_number(uint32_t device) REQUIRES(inet_core)
{
	return device == 0 || device > BYTE_MAX ? nullptr : netif_get_by_index((u8_t)device);
}

static struct netif *by_address(const ip4_addr_t *a) REQUIRES(inet_core)
{
	struct netif *n;

	NETIF_FOREACH(n)
	{
		if (ip4_addr_eq(netif_ip4_addr(n), a))
			return n;
	}
	return nullptr;
}

/* The one that is named, else that which leads there; nullptr: none is. */
static struct netif *interface_for(const struct request *r) REQUIRES(inet_core)
{
	if (r->device != 0)
		return by_number(r->device);
	if (!ip4_addr_isany_val(r->at))
		return by_address(&r->at);
	return ip_route(IP_IS_V6_VAL(r->ip) ? IP6_ADDR_ANY : IP4_ADDR_ANY, &r->ip);
}

/* --- what a process asks for --- */

/* struct ip_mreq or ip_mreqn of ip(7), or an address alone: an address of the interface, or its number. */
static int get_interface4(struct request *r, const uint32_t *words, uint32_t length)
{
	r->at.addr = words[0];
	r->device = length >= 2 * sizeof(uint32_t) ? words[1] : 0;
	r->is_said = r->at.addr != 0 || r->device != 0;
	return (int32_t)r->device < 0 ? -ENODEV : 0;
}

static int get_member4(struct request *r, user_addr at, uint32_t length)
{
	uint32_t words[3] = {};

	if (length < 2 * sizeof(words[0]))
		return -EINVAL;
	if (copy_from_user(words, at, length < sizeof(words) ? 2 * sizeof(words[0]) : sizeof(words)) != 0)
		return -EFAULT;
	ip_addr_set_zero_ip4(&r->ip);
	ip_2_ip4(&r->ip)->addr = words[0];
	return get_interface4(r, words + 1, length < sizeof(words) ? 4 : 8);
}

static int get_member6(struct request *r, user_addr at, uint32_t length)
{
	struct ipv6_mreq q;

	if (length < sizeof(q))
		return -EINVAL;
	if (copy_from_user(&q, at, sizeof(q)) != 0)
		return -EFAULT;
	ip_addr_set_zero_ip6(&r->ip);
	memcpy(ip_2_ip6(&r->ip)->addr, q.group, sizeof(q.group));
	r->device = q.interface;
	return 0;
}

/* struct group_req of RFC 3678, 5.1: either version. */
static int get_member(struct request *r, int level, user_addr at, uint32_t length)
{
	struct group_req q;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	if (length < sizeof(q))
		return -EINVAL;
	if (copy_from_user(&q, at, sizeof(q)) != 0)
		return -EFAULT;
	r->device = q.interface;
	memcpy(&in, q.group, sizeof(in));
	memcpy(&in6, q.group, sizeof(in6));
	if (level == IPPROTO_IP && in.family == AF_INET) {
		ip_addr_set_zero_ip4(&r->ip);
		ip_2_ip4(&r->ip)->addr = in.address;
		return 0;
	}
	if (level == IPPROTO_IPV6 && in6.family == AF_INET6) {
		ip_addr_set_zero_ip6(&r->ip);
		memcpy(ip_2_ip6(&r->ip)->addr, in6.address, sizeof(in6.address));
		return 0;
	}
	return -EADDRNOTAVAIL;
}

static int change(struct inet_socket *i, const struct request *r, bool joins) REQUIRES(inet_core)
{
	struct netif *n = interface_for(r);

	if (!ip_addr_ismulticast(&r->ip))
		return joins || IP_IS_V6_VAL(r->ip) ? -EINVAL : -EADDRNOTAVAIL;
	if (joins)
		return n == nullptr ? -ENODEV : join(i, &r->ip, n);
	bool any = r->device == 0 && ip4_addr_isany_val(r->at);
	struct membership *m = any ? find(i, &r->ip, 0) : n != nullptr ? find(i, &r->ip, netif_get_index(n)) : nullptr;
	if (m == nullptr)
		return any && n == nullptr && IP_IS_V4_VAL(r->ip) ? -ENODEV : -EADDRNOTAVAIL;
	leave(m);
	return 0;
}

static int set_member(struct inet_socket *i, int level, int option, user_addr at, uint32_t length)
{
	bool joins = option == MCAST_OPTION_JOIN_GROUP ||
		     option == (level == IPPROTO_IP ? (int)IP_OPTION_ADD_MEMBERSHIP : (int)IPV6_OPTION_JOIN_GROUP);
	struct request r = {};

	if (i->socket.type == SOCK_STREAM)
		return -EPROTO;
	int error = option == MCAST_OPTION_JOIN_GROUP || option == MCAST_OPTION_LEAVE_GROUP
			    ? get_member(&r, level, at, length)
		    : level == IPPROTO_IP ? get_member4(&r, at, length)
					  : get_member6(&r, at, length);
	if (error != 0)
		return error;
	inet_core_lock();
	error = change(i, &r, joins);
	inet_core_unlock();
	return error;
}

/* By which interface what is for a group goes, if the socket is bound to none. */
static int set_way(struct inet_socket *i, int level, user_addr at, uint32_t length)
{
	uint32_t words[3] = {};
	struct request r = {};

	if (i->socket.type == SOCK_STREAM)
		return level == IPPROTO_IP ? -EINVAL : -ENOPROTOOPT;
	if (length < sizeof(words[0]))
		return -EINVAL;
	/* Of the structures for members the group says nothing here. */
	uint32_t n = MIN(length / (uint32_t)sizeof(words[0]), UINT32_C(3));
	if (copy_from_user(words, at, n * sizeof(words[0])) != 0)
		return -EFAULT;
	int error = 0;
	if (level == IPPROTO_IPV6)
		r.device = words[0];
	else
		error = get_interface4(&r, n == 1 ? words : words + 1, n == 3 ? 8 : 4);
	if (error != 0)
		return -EADDRNOTAVAIL;
	inet_core_lock();
	struct netif *by = r.device != 0 ? by_number(r.device) : r.is_said ? by_address(&r.at) : nullptr;
	if ((r.device != 0 || r.is_said) && by == nullptr)
		error = level == IPPROTO_IP ? -EADDRNOTAVAIL : -ENODEV;
	else if (by != nullptr && i->device != 0 && i->device != netif_get_index(by))
		error = -EINVAL;
	if (error == 0) {
		many_of(i, level)->device = by != nullptr ? netif_get_index(by) : 0;
		many_of(i, level)->shown = r.at.addr;
	}
	inet_core_unlock();
	return error;
}

static int set_number(struct inet_socket *i, int level, int option, int32_t value) REQUIRES(inet_core)
{
	struct inet_many *m = many_of(i, level);
	bool v6 = level == IPPROTO_IPV6;

	switch (v6 ? option + IP_OPTION_V6 : option) {
	case IP_OPTION_MULTICAST_TTL:
	case IPV6_OPTION_MULTICAST_HOPS + IP_OPTION_V6:
		if (i->socket.type == SOCK_STREAM)
			return v6 ? -ENOPROTOOPT : -EINVAL;
		if (value < -1 || value > BYTE_MAX)
			return -EINVAL;
		m->hops = value == -1 ? 1 : (uint8_t)value;
		return 0;
	case IPV6_OPTION_MULTICAST_LOOP + IP_OPTION_V6:
		if (value != 0 && value != 1)
			return -EINVAL;
		[[fallthrough]];
	case IP_OPTION_MULTICAST_LOOP: m->loops = value != 0; return 0;
	case IP_OPTION_MULTICAST_ALL:
	case IPV6_OPTION_MULTICAST_ALL + IP_OPTION_V6:
		if (value != 0 && value != 1)
			return -EINVAL;
		m->all = value != 0;
		return 0;
	default: return -ENOPROTOOPT;
	}
}

bool inet_multicast_has(int level, int option)
{
	if (level == IPPROTO_IP)
		return (option >= IP_OPTION_MULTICAST_IF && option <= IP_OPTION_DROP_MEMBERSHIP) ||
		       option == IP_OPTION_MULTICAST_ALL || option == MCAST_OPTION_JOIN_GROUP ||
		       option == MCAST_OPTION_LEAVE_GROUP;
	return level == IPPROTO_IPV6 && ((option >= IPV6_OPTION_MULTICAST_IF && option <= IPV6_OPTION_LEAVE_GROUP) ||
					 option == IPV6_OPTION_MULTICAST_ALL || option == MCAST_OPTION_JOIN_GROUP ||
					 option == MCAST_OPTION_LEAVE_GROUP);
}

int inet_multicast_set(struct inet_socket *i, int level, int option, user_addr at, uint32_t length)
{
	int32_t value;

	if (level == IPPROTO_IPV6 && i->socket.family != AF_INET6)
		return -ENOPROTOOPT;
	if (option == MCAST_OPTION_JOIN_GROUP || option == MCAST_OPTION_LEAVE_GROUP ||
	    (level == IPPROTO_IP && (option == IP_OPTION_ADD_MEMBERSHIP || option == IP_OPTION_DROP_MEMBERSHIP)) ||
	    (level == IPPROTO_IPV6 && (option == IPV6_OPTION_JOIN_GROUP || option == IPV6_OPTION_LEAVE_GROUP)))
		return set_member(i, level, option, at, length);
	if (option == (level == IPPROTO_IP ? (int)IP_OPTION_MULTICAST_IF : (int)IPV6_OPTION_MULTICAST_IF))
		return set_way(i, level, at, length);
	int error = inet_option_number(level, at, length, &value);
	if (error != 0)
		return error;
	inet_core_lock();
	error = set_number(i, level, option, value);
	inet_core_unlock();
	return error;
}

int inet_multicast_get(struct inet_socket *i, int level, int option, int32_t *out)
{
	const struct inet_many *m = many_of(i, level);

	if (level == IPPROTO_IPV6 && i->socket.family != AF_INET6)
		return -ENOPROTOOPT;
	switch (level == IPPROTO_IPV6 ? option + IP_OPTION_V6 : option) {
	case IP_OPTION_MULTICAST_IF: *out = (int32_t)m->shown; return 0;
	case IPV6_OPTION_MULTICAST_IF + IP_OPTION_V6: *out = m->device; return 0;
	case IP_OPTION_MULTICAST_TTL:
	case IPV6_OPTION_MULTICAST_HOPS + IP_OPTION_V6: *out = m->hops; return 0;
	case IP_OPTION_MULTICAST_LOOP:
	case IPV6_OPTION_MULTICAST_LOOP + IP_OPTION_V6: *out = m->loops; return 0;
	case IP_OPTION_MULTICAST_ALL:
	case IPV6_OPTION_MULTICAST_ALL + IP_OPTION_V6: *out = m->all; return 0;
	default: return -ENOPROTOOPT;
	}
}

/* --- the way of a packet --- */

uint8_t inet_multicast_device(const struct inet_socket *i, uint8_t device, const ip_addr_t *to)
{
	return device != 0 || !ip_addr_ismulticast(to) ? device : i->many[IP_IS_V6(to)].device;
}

bool inet_multicast_wants(const struct inet_socket *i, const ip_addr_t *to, const struct netif *by)
{
	return i->many[IP_IS_V6(to)].all || find(i, to, netif_get_index(by)) != nullptr;
}

bool inet_multicast_loops(const struct inet_socket *i, const ip_addr_t *to, struct netif *by)
{
	if (by == &inet_lo || !ip_addr_ismulticast(to) || !i->many[IP_IS_V6(to)].loops)
		return false;
	return find_group(to, netif_get_index(by)) != nullptr || is_all_systems(to);
}

uint32_t inet_multicast_members(const ip_addr_t *ip, const struct netif *n)
{
	const struct group *g = find_group(ip, netif_get_index(n));

	return g != nullptr ? g->members : 1; /* the stack's own */
}
