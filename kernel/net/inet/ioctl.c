/* SPDX-License-Identifier: MIT */
/* What ifconfig(8) and route(8) ask of a socket of TCP/IP: netdevice(7), and rtentry of route(8). */
#include "rtnetlink.h"

#include <abi/netdevice_ioctl.h>

/* Where an address stands in a request. */
static void put_address(union ifreq_value *v, const ip4_addr_t *a)
{
	v->address = (struct sockaddr_in){.family = AF_INET, .address = ip4_addr_get_u32(a)};
}

static void put_broadcast(union ifreq_value *v, const struct netif *n)
{
	ip4_addr_t a;

	ip4_addr_set_u32(&a, netif_ip4_addr(n)->addr | ~netif_ip4_netmask(n)->addr);
	put_address(v, &a);
}

static void put_hardware(union ifreq_value *v, const struct netdev_info *info)
{
	v->hardware.family = info->kind;
	memcpy(v->hardware.bytes, info->address, NETDEV_ADDRESS);
}

static int get(const struct netif *n, uint32_t command, struct ifreq *r) REQUIRES(inet_core)
{
	struct netdev_info info;
	union ifreq_value *v = &r->value;
	bool has_address = !ip4_addr_isany(netif_ip4_addr(n));

	inet_interface_info(n, &info);
	*v = (union ifreq_value){};
	switch (command) {
	case SIOCGIFFLAGS: v->flags = (uint16_t)inet_interface_flags(&info); return 0;
	case SIOCGIFMTU: v->number = (int32_t)info.mtu; return 0;
	case SIOCGIFINDEX: v->number = (int32_t)info.index; return 0;
	case SIOCGIFHWADDR: put_hardware(v, &info); return 0;
	case SIOCGIFMETRIC:
	case SIOCGIFMAP: return 0;
	case SIOCGIFTXQLEN: v->number = 1000; return 0;
	default: break;
	}
	if (!has_address)
		return -EADDRNOTAVAIL;
	switch (command) {
	case SIOCGIFADDR:
	case SIOCGIFDSTADDR: put_address(v, netif_ip4_addr(n)); return 0;
	case SIOCGIFNETMASK: put_address(v, netif_ip4_netmask(n)); return 0;
	case SIOCGIFBRDADDR: put_broadcast(v, n); return 0;
	default: return -EINVAL;
	}
}

/* The mask that an address had before there were masks (RFC 791, 3.2). */
static uint32_t class_mask(uint32_t address)
{
	uint8_t first = ((const uint8_t *)&address)[0];

	return lwip_htonl(first < 128 ? 0xff000000u : first < 192 ? 0xffff0000u : 0xffffff00u);
}

static int set_address(struct netif *n, const struct ifreq *r) REQUIRES(inet_core)
{
	ip4_addr_t address = {.addr = r->value.address.address}, mask = {}, gateway = {};

	if (r->value.address.family != AF_INET)
		return -EINVAL;
	if (!ip4_addr_isany(&address))
		mask.addr = class_mask(address.addr);
	netif_set_addr(n, &address, &mask, &gateway);
	return 0;
}

static int set_mask(struct netif *n, const struct ifreq *r) REQUIRES(inet_core)
{
	ip4_addr_t mask = {.addr = r->value.address.address};

	if (!ip4_addr_netmask_valid(mask.addr))
		return -EINVAL;
	netif_set_netmask(n, &mask);
	return 0;
}

static int set(struct netif *n, uint32_t command, const struct ifreq *r) REQUIRES(inet_core)
{
	switch (command) {
	case SIOCSIFFLAGS: return inet_interface_set_flags(n, r->value.flags, UINT32_MAX);
	case SIOCSIFADDR: return set_address(n, r);
	case SIOCSIFNETMASK: return set_mask(n, r);
	case SIOCSIFBRDADDR: return 0; /* it follows from address and mask */
	case SIOCSIFMTU: {
		struct netdev *d = inet_interface_device(n);

		int error = netdev_set_mtu(d, (uint32_t)r->value.number);
		if (error == 0)
			inet_interface_sync(n);
		return error;
	}
	default: return -EINVAL;
	}
}

static bool is_setting(uint32_t command)
{
	return command == SIOCSIFFLAGS || command == SIOCSIFADDR || command == SIOCSIFNETMASK ||
	       command == SIOCSIFBRDADDR || command == SIOCSIFMTU;
}

static int by_name(uint32_t command, user_addr at)
{
	struct ifreq r;
	int error = -ENODEV;

	if (get_user(r, at) != 0)
		return -EFAULT;
	r.name[sizeof(r.name) - 1] = '\0';
	if (is_setting(command) && !capable(CAP_NET_ADMIN))
		return -EPERM;
	inet_core_lock();
	struct netif *n = inet_interface_find(r.name);
	if (n != nullptr)
		error = is_setting(command) ? set(n, command, &r) : get(n, command, &r);
	inet_core_unlock();
	return error == 0 && put_user(at, r) != 0 ? -EFAULT : error;
}

static int name_of_index(user_addr at)
{
	struct netdev_info info = {};
	struct ifreq r;
	struct netif *n;

	if (get_user(r, at) != 0)
		return -EFAULT;
	inet_core_lock();
	NETIF_FOREACH(n)
	{
		if (netif_get_index(n) == r.value.number)
			inet_interface_info(n, &info);
	}
	inet_core_unlock();
	if (info.index == 0)
		return -ENODEV;
	strlcpy(r.name, info.name, sizeof(r.name));
	return put_user(at, r) != 0 ? -EFAULT : 0;
}

/* All that have an address, as many as fit; without a buffer: how much all would take. */
static int list_all(user_addr at)
{
	struct ifreq *all = kmalloc(IFCONF_MAX * sizeof(*all));
	struct ifconf c;
	struct netif *n;
	uint32_t count = 0;

	if (all == nullptr)
		return -ENOMEM;
	int error = get_user(c, at) != 0 ? -EFAULT : 0;
	inet_core_lock();
	NETIF_FOREACH(n)
	{
		struct netdev_info info;

		if (count == IFCONF_MAX || ip4_addr_isany(netif_ip4_addr(n)))
			continue;
		inet_interface_info(n, &info);
		strlcpy(all[count].name, info.name, sizeof(all[count].name));
		put_address(&all[count++].value, netif_ip4_addr(n));
	}
	inet_core_unlock();
	if (error == 0 && c.at != 0) {
		count = MIN(count, (uint32_t)(c.length < 0 ? 0 : c.length) / (uint32_t)sizeof(*all));
		if (copy_to_user(USER_ADDR(c.at), all, count * sizeof(*all)) != 0)
			error = -EFAULT;
	}
	c.length = (int32_t)(count * sizeof(*all));
	kfree(all);
	return error == 0 && put_user(at, c) != 0 ? -EFAULT : error;
}

/* --- routes --- */

static int take_route(const struct rtentry *r, struct inet_route_entry *out)
{
	if (r->to.family != AF_INET)
		return -EAFNOSUPPORT;
	*out = (struct inet_route_entry){.to.addr = r->to.address,
					 .metric = r->metric > 0 ? (uint32_t)r->metric - 1 : 0};
	out->mask.addr = r->flags & RTF_HOST ? UINT32_MAX : r->mask.address;
	if (r->flags & RTF_GATEWAY)
		out->gateway.addr = r->gateway.address;
	if (!ip4_addr_netmask_valid(out->mask.addr) || out->to.addr & ~out->mask.addr)
		return -EINVAL;
	return r->flags & RTF_GATEWAY && ip4_addr_isany(&out->gateway) ? -EINVAL : 0;
}

static int add_route(const struct inet_route_entry *e) REQUIRES(inet_core)
{
	int error = inet_route_add(e);
	const struct inet_route_entry *made = error == 0 ? inet_route_exact(e) : nullptr;

	if (made != nullptr)
		rt_tell_route(made, false);
	return error;
}

static int remove_route(const struct inet_route_entry *e) REQUIRES(inet_core)
{
	const struct inet_route_entry *old = inet_route_find(e);

	if (old == nullptr)
		return -ESRCH;
	rt_tell_route(old, true);
	return inet_route_remove(old);
}

static int change_route(uint32_t command, user_addr at)
{
	char name[IFNAMSIZ] = {};
	struct inet_route_entry e;
	struct rtentry r;

	if (!capable(CAP_NET_ADMIN))
		return -EPERM;
	if (get_user(r, at) != 0 ||
	    (r.device != 0 && copy_string_from_user(name, USER_ADDR(r.device), sizeof(name)) < 0))
		return -EFAULT;
	int error = take_route(&r, &e);
	if (error != 0)
		return error;
	inet_core_lock();
	if (r.device != 0) {
		e.interface = inet_interface_find(name);
		error = e.interface == nullptr ? -ENODEV : 0;
	}
	if (error == 0)
		error = command == SIOCADDRT ? add_route(&e) : remove_route(&e);
	inet_core_unlock();
	return error;
}

long inet_ioctl(uint32_t command, user_addr at)
{
	switch (command) {
	case SIOCGIFCONF: return list_all(at);
	case SIOCGIFNAME: return name_of_index(at);
	case SIOCADDRT:
	case SIOCDELRT: return change_route(command, at);
	case SIOCGIFFLAGS:
	case SIOCSIFFLAGS:
	case SIOCGIFADDR:
	case SIOCSIFADDR:
	case SIOCGIFDSTADDR:
	case SIOCGIFBRDADDR:
	case SIOCSIFBRDADDR:
	case SIOCGIFNETMASK:
	case SIOCSIFNETMASK:
	case SIOCGIFMETRIC:
	case SIOCGIFMTU:
	case SIOCSIFMTU:
	case SIOCGIFHWADDR:
	case SIOCGIFINDEX:
	case SIOCGIFTXQLEN:
	case SIOCGIFMAP: return by_name(command, at);
	default: return -ENOTTY;
	}
}
