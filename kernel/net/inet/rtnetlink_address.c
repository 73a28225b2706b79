/* SPDX-License-Identifier: MIT */
/* Addresses of interfaces by NETLINK_ROUTE (rtnetlink.h): one of IPv4, and some of IPv6, each. */
#include "rtnetlink.h"

enum : uint32_t { FOR_EVER = UINT32_MAX, PREFIX6 = 64 /* lwIP's networks of IPv6 */ };

/* --- what there is --- */

static uint8_t scope4(const ip4_addr_t *a)
{
	return ip4_addr_isloopback(a) ? RT_SCOPE_HOST : ip4_addr_islinklocal(a) ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
}

static void put4(struct netlink_out *o, uint16_t type, const struct netif *n, const ip4_addr_t *a,
		 const ip4_addr_t *mask) REQUIRES(inet_core)
{
	const struct ifaddrmsg m = {.family = AF_INET,
				    .prefix = (uint8_t)rt_prefix(mask),
				    .flags = IFA_F_PERMANENT,
				    .scope = scope4(a),
				    .index = netif_get_index(n)};
	const struct ifa_cacheinfo life = {.preferred = FOR_EVER, .valid = FOR_EVER};
	const ip4_addr_t everybody = {.addr = a->addr | ~mask->addr};
	struct netdev_info i;

	inet_interface_info(n, &i);
	struct netlink_writer *w = netlink_out_begin(o, type, &m, sizeof(m));
	rt_put_ip4(w, IFA_ADDRESS, a);
	rt_put_ip4(w, IFA_LOCAL, a);
	if (n != &inet_lo && m.prefix < 31)
		rt_put_ip4(w, IFA_BROADCAST, &everybody);
	netlink_put_string(w, IFA_LABEL, i.name);
	netlink_put_u32(w, IFA_FLAGS, m.flags);
	netlink_put(w, IFA_CACHEINFO, &life, sizeof(life));
	netlink_out_end(o);
}

/* lwIP keeps 0 for what was not advertised. */
static uint32_t life_of(uint32_t seconds)
{
	return seconds == IP6_ADDR_LIFE_STATIC ? FOR_EVER : seconds;
}

static void put6(struct netlink_out *o, uint16_t type, const struct netif *n, s8_t at) REQUIRES(inet_core)
{
	const ip6_addr_t *a = netif_ip6_addr(n, at);
	uint8_t state = netif_ip6_addr_state(n, at);
	bool is_static = netif_ip6_addr_isstatic(n, at);
	const struct ifa_cacheinfo life = {.preferred = life_of(netif_ip6_addr_pref_life(n, at)),
					   .valid = life_of(netif_ip6_addr_valid_life(n, at))};
	struct ifaddrmsg m = {.family = AF_INET6,
			      .prefix = n == &inet_lo ? 128 : PREFIX6,
			      .flags = is_static ? IFA_F_PERMANENT : 0,
			      .scope = ip6_addr_isloopback(a)	 ? RT_SCOPE_HOST
				       : ip6_addr_islinklocal(a) ? RT_SCOPE_LINK
								 : RT_SCOPE_UNIVERSE,
			      .index = netif_get_index(n)};

	if (ip6_addr_istentative(state))
		m.flags |= IFA_F_TENTATIVE;
	else if (ip6_addr_isdeprecated(state))
		m.flags |= IFA_F_DEPRECATED;
	struct netlink_writer *w = netlink_out_begin(o, type, &m, sizeof(m));
	rt_put_ip6(w, IFA_ADDRESS, a);
	netlink_put(w, IFA_CACHEINFO, &life, sizeof(life));
	netlink_put_u32(w, IFA_FLAGS, m.flags);
	netlink_out_end(o);
}

int rt_get_address(struct rt_request *r)
{
	struct netif *n;

	int error = rt_parse(r, sizeof(r->address));
	if (error != 0)
		return error;
	if (!r->is_dump)
		return -EOPNOTSUPP;
	inet_core_lock();
	NETIF_FOREACH(n)
	{
		if (r->family != AF_INET6 && r->family != AF_INET && r->family != AF_UNSPEC)
			break;
		if (r->family != AF_INET6 && !ip4_addr_isany(netif_ip4_addr(n)))
			put4(r->out, RTM_NEWADDR, n, netif_ip4_addr(n), netif_ip4_netmask(n));
		for (s8_t i = 0; i < LWIP_IPV6_NUM_ADDRESSES && r->family != AF_INET; i++) {
			if (!ip6_addr_isinvalid(netif_ip6_addr_state(n, i)))
				put6(r->out, RTM_NEWADDR, n, i);
		}
	}
	inet_core_unlock();
	return 0;
}

/* --- setting --- */

/* Of what ip(8) may say besides an address, only what is so in any case is taken. */
static int check_rest(const struct rt_request *r, const char *name, const ip4_addr_t *everybody)
{
	const struct netlink_attribute *label = &r->attributes[IFA_LABEL], *life = &r->attributes[IFA_CACHEINFO];
	ip4_addr_t broadcast = *everybody;
	struct ifa_cacheinfo c;

	if (label->data != nullptr &&
	    (label->length != strlen(name) + 1 || memcmp(label->data, name, label->length) != 0))
		return -EOPNOTSUPP;
	if (rt_address4(r, IFA_BROADCAST, &broadcast) != 0)
		return -EINVAL;
	if (broadcast.addr != everybody->addr)
		return -EOPNOTSUPP;
	if (life->data == nullptr)
		return 0;
	if (life->length != sizeof(c))
		return -EINVAL;
	memcpy(&c, life->data, sizeof(c));
	return c.valid == FOR_EVER && c.preferred == FOR_EVER ? 0 : -EOPNOTSUPP;
}

static int add4(const struct rt_request *r, struct netif *n, const ip4_addr_t *a) REQUIRES(inet_core)
{
	ip4_addr_t mask = rt_mask(r->address.prefix), none = {}, everybody = {.addr = a->addr | ~mask.addr};
	const ip4_addr_t *own = netif_ip4_addr(n);
	bool replaces = r->message->header.flags & NLM_F_REPLACE;
	struct netdev_info i;

	inet_interface_info(n, &i);
	int error = check_rest(r, i.name, &everybody);
	if (error != 0)
		return error;
	if (ip4_addr_isany(a) || ip4_addr_ismulticast(a))
		return -EINVAL;
	if (ip4_addr_eq(own, a) && !replaces)
		return -EEXIST;
	if (!ip4_addr_isany(own) && !ip4_addr_eq(own, a))
		return -EOPNOTSUPP; /* a second one */
	netif_set_addr(n, a, &mask, &none);
	return 0;
}

static int remove4(const struct rt_request *r, struct netif *n, const ip4_addr_t *a) REQUIRES(inet_core)
{
	ip4_addr_t none = {}, mask = rt_mask(r->address.prefix);

	if (ip4_addr_isany(a) || !ip4_addr_eq(netif_ip4_addr(n), a) ||
	    (r->address.prefix != 0 && !ip4_addr_eq(netif_ip4_netmask(n), &mask)))
		return -EADDRNOTAVAIL;
	netif_set_addr(n, &none, &none, &none);
	inet_routes_forget(n); /* they had it as their sender's */
	return 0;
}

static int set4(const struct rt_request *r, struct netif *n, bool adds) REQUIRES(inet_core)
{
	ip4_addr_t own = {}, other;

	int error = rt_address4(r, IFA_LOCAL, &own);
	other = own;
	if (error == 0)
		error = rt_address4(r, IFA_ADDRESS, &other);
	if (error != 0 || r->address.prefix > 32)
		return -EINVAL;
	if (!rt_has(r, IFA_LOCAL))
		own = other;
	if (!ip4_addr_eq(&own, &other))
		return -EOPNOTSUPP; /* the other end of a line */
	return adds ? add4(r, n, &own) : remove4(r, n, &own);
}

static int set6(const struct rt_request *r, struct netif *n, bool adds) REQUIRES(inet_core)
{
	static const ip4_addr_t none;
	ip6_addr_t a = {};
	struct netdev_info i;
	s8_t at;

	inet_interface_info(n, &i);
	int error = rt_address6(r, rt_has(r, IFA_LOCAL) ? IFA_LOCAL : IFA_ADDRESS, &a);
	if (error != 0 || r->address.prefix > 128 || ip6_addr_isany(&a) || ip6_addr_ismulticast(&a))
		return -EINVAL;
	if (adds && (error = check_rest(r, i.name, &none)) != 0)
		return error;
	ip6_addr_assign_zone(&a, IP6_UNICAST, n);
	at = netif_get_ip6_addr_match(n, &a);
	if (!adds) {
		if (at < 0)
			return -EADDRNOTAVAIL;
		netif_ip6_addr_set_state(n, at, IP6_ADDR_INVALID);
		return 0;
	}
	if (at >= 0)
		return r->message->header.flags & NLM_F_REPLACE ? 0 : -EEXIST;
	if (r->address.prefix != (n == &inet_lo ? 128 : PREFIX6))
		return -EOPNOTSUPP;
	if (netif_add_ip6_address(n, &a, &at) != ERR_OK)
		return -ENOBUFS;
	netif_ip6_addr_set_valid_life(n, at, IP6_ADDR_LIFE_STATIC);
	if (n == &inet_lo)
		netif_ip6_addr_set_state(n, at, IP6_ADDR_PREFERRED);
	return 0;
}

int rt_set_address(struct rt_request *r)
{
	bool adds = r->message->header.type == RTM_NEWADDR;

	int error = rt_parse(r, sizeof(r->address));
	if (error != 0)
		return error;
	inet_core_lock();
	struct netif *n = rt_interface(r->address.index);
	if (n == nullptr)
		error = -ENODEV;
	else if (r->family == AF_INET)
		error = set4(r, n, adds);
	else
		error = r->family == AF_INET6 ? set6(r, n, adds) : -EAFNOSUPPORT;
	inet_core_unlock();
	return error;
}

/* --- news --- */

static void tell4(struct netif *n, uint16_t type, const ip4_addr_t *a, const ip4_addr_t *mask) REQUIRES(inet_core)
{
	struct netlink_out o;

	if (ip4_addr_isany(a))
		return;
	netlink_out_init(&o);
	put4(&o, type, n, a, mask);
	netlink_notify(RTNLGRP_IPV4_IFADDR, &o);
}

static void tell6(struct netif *n, s8_t at) REQUIRES(inet_core)
{
	struct netlink_out o;

	netlink_out_init(&o);
	put6(&o, ip6_addr_isinvalid(netif_ip6_addr_state(n, at)) ? RTM_DELADDR : RTM_NEWADDR, n, at);
	netlink_notify(RTNLGRP_IPV6_IFADDR, &o);
}

/* Of what did not change lwIP sets no old value: its pointer is anything. */
static void tell_change4(struct netif *n, netif_nsc_reason_t why, const netif_ext_callback_args_t *what)
	REQUIRES(inet_core)
{
	const ip4_addr_t *own = netif_ip4_addr(n), *mask = netif_ip4_netmask(n);

	tell4(n, RTM_DELADDR, why & LWIP_NSC_IPV4_ADDRESS_CHANGED ? ip_2_ip4(what->ipv4_changed.old_address) : own,
	      why & LWIP_NSC_IPV4_NETMASK_CHANGED ? ip_2_ip4(what->ipv4_changed.old_netmask) : mask);
	tell4(n, RTM_NEWADDR, own, mask);
}

/* lwIP's, of whatever changes, by whomever. */
static void changed(struct netif *n, netif_nsc_reason_t why, const netif_ext_callback_args_t *what) NO_THREAD_SAFETY
{
	if (why & (LWIP_NSC_IPV4_ADDRESS_CHANGED | LWIP_NSC_IPV4_NETMASK_CHANGED) &&
	    netlink_is_heard(RTNLGRP_IPV4_IFADDR))
		tell_change4(n, why, what);
	if (why & LWIP_NSC_IPV6_ADDR_STATE_CHANGED && netlink_is_heard(RTNLGRP_IPV6_IFADDR))
		tell6(n, what->ipv6_addr_state_changed.addr_index);
}

void rt_start(void)
{
	static netif_ext_callback_t callback;

	netif_add_ext_callback(&callback, changed);
}

void rt_renew(void)
{
	rt_renew_neighbours();
	rt_start();
}
