/* SPDX-License-Identifier: MIT */
/*
 * Interfaces of netdev's as lwIP's (interface.h). netdev tells in its drivers' threads, which only wakes the network's
 * thread: that takes frames and looks at what changed. A frame is copied into a packet buffer, and one of lwIP's into a
 * frame: a page of a frame is lent to a device, and what lwIP sends it may want once more.
 */
#include "rtnetlink.h"

#include <abi/netdevice.h>
#include <kernel/base/fault_point.h>

#include <lwip/etharp.h>
#include <lwip/ethip6.h>
#include <lwip/igmp.h>
#include <lwip/mld6.h>
#include <netif/ethernet.h>

enum : uint32_t { BATCH = 32 /* frames of an interface under the core at once */ };

/* A group's frames that the device lets through for lwIP. */
struct filter {
	struct list link;
	uint8_t address[NETDEV_ADDRESS];
};
struct interface {
	struct netif netif; /* first */
	struct netdev *device;
	struct list link;
	struct list filters;
	struct netif kept; /* while lwIP begins anew */
};
static struct netif lo_kept GUARDED_BY(inet_core);

static struct list interfaces GUARDED_BY(inet_core) = LIST_INIT(interfaces);
static uint16_t asked[BYTE_MAX + 1]; /* atomic: by number, of IFF_PROMISC and IFF_ALLMULTI what was set */
/* What programs that listen know of each. */
static struct {
	uint32_t flags, mtu;
} told_links[BYTE_MAX + 1] GUARDED_BY(inet_core);
static bool look_wanted; /* atomic: an interface came, went or changed */
/* atomic: the numbers of those that we were told of; others are of another stack. */
static uint64_t told[(BYTE_MAX + 1) / 64];

static void arrived(struct netdev *)
{
	inet_thread_wake();
}

static void changed(struct netdev *n, enum netdev_change what)
{
	struct netdev_info info;

	netdev_get_info(n, &info);
	if (info.index <= BYTE_MAX)
		__atomic_fetch_or(&told[info.index / 64], UINT64_C(1) << info.index % 64, __ATOMIC_RELAXED);
	else if (what == NETDEV_NEW)
		log_warn("inet: %s is number %u, and none beyond %d is used", info.name, info.index, BYTE_MAX);
	__atomic_store_n(&look_wanted, true, __ATOMIC_RELEASE);
	inet_thread_wake();
}
static const struct netdev_stack stack = {.component = &component_inet, .arrived = arrived, .changed = changed};

void inet_interfaces_start(void)
{
	netdev_set_stack(&stack);
}

/* --- sending --- */

static err_t send(struct netif *n, struct pbuf *p)
{
	FAULT_POINT(driver_inet_send);
	struct interface *i = (struct interface *)n;
	struct net_frame *f = net_frame_alloc(p->tot_len);
	size_t at = 0;

	if (f == nullptr)
		return ERR_MEM;
	for (const struct pbuf *q = p; q != nullptr; q = q->next) {
		(void)net_frame_write(f, at, q->payload, q->len);
		at += q->len;
	}
	return netdev_transmit(i->device, f) == 0 ? ERR_OK : ERR_IF;
}

static err_t output4(struct netif *n, struct pbuf *p, const ip4_addr_t *to) NO_THREAD_SAFETY
{
	inet_mark_whole(p, true);
	return etharp_output(n, p, to);
}

static struct filter *find_filter(struct interface *i, const uint8_t *mac)
{
	struct filter *f;

	list_for_each(f, &i->filters, link) {
		if (memcmp(f->address, mac, NETDEV_ADDRESS) == 0)
			return f;
	}
	return nullptr;
}

static void drop_filter(struct interface *i, struct filter *f)
{
	(void)netdev_multicast_remove(i->device, f->address);
	list_remove(&f->link);
	kfree(f);
}

/* Each is noted, so that it can be taken back although lwIP has forgotten it. */
static err_t set_filter(struct interface *i, const uint8_t *mac, enum netif_mac_filter_action action)
{
	struct filter *f = action == NETIF_ADD_MAC_FILTER ? kmalloc(sizeof(*f)) : find_filter(i, mac);

	if (f == nullptr)
		return ERR_MEM;
	if (action != NETIF_ADD_MAC_FILTER) {
		drop_filter(i, f);
		return ERR_OK;
	}
	if (netdev_multicast_add(i->device, mac) != 0) {
		kfree(f);
		return ERR_MEM;
	}
	*f = (struct filter){};
	memcpy(f->address, mac, NETDEV_ADDRESS);
	list_init(&f->link);
	list_push_back(&i->filters, &f->link);
	return ERR_OK;
}

/* Which groups' frames the device is to let through: RFC 1112, 6.4 and RFC 2464, 7. */
static err_t filter4(struct netif *n, const ip4_addr_t *group, enum netif_mac_filter_action action)
{
	const uint8_t mac[NETDEV_ADDRESS] = {1, 0, 0x5e, ip4_addr2(group) & 0x7f, ip4_addr3(group), ip4_addr4(group)};

	return set_filter((struct interface *)n, mac, action);
}

static err_t filter6(struct netif *n, const ip6_addr_t *group, enum netif_mac_filter_action action)
{
	const uint8_t *last = (const uint8_t *)&group->addr[3];
	const uint8_t mac[NETDEV_ADDRESS] = {0x33, 0x33, last[0], last[1], last[2], last[3]};

	return set_filter((struct interface *)n, mac, action);
}

/* All nodes, of which every station is one: lwIP takes it for granted that a device lets it through (mld6.c). */
static void hear_all_nodes(struct interface *i, enum netif_mac_filter_action action)
{
	ip6_addr_t all;

	ip6_addr_set_allnodes_linklocal(&all);
	if (filter6(&i->netif, &all, action) != ERR_OK && action == NETIF_ADD_MAC_FILTER)
		log_warn("inet: what is for all nodes may not be heard");
}

/* --- coming, changing, going --- */

/* With the filters: lwIP tells of the group of all systems as soon as this returns. */
static err_t init(struct netif *n)
{
	n->name[0] = 'e';
	n->name[1] = 'n';
	n->hwaddr_len = NETDEV_ADDRESS;
	n->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_IGMP | NETIF_FLAG_MLD6;
	n->output = output4;
	n->output_ip6 = ethip6_output;
	n->linkoutput = send;
	netif_set_igmp_mac_filter(n, filter4);
	netif_set_mld_mac_filter(n, filter6);
	return ERR_OK;
}

static bool is_told(uint32_t index)
{
	return index <= BYTE_MAX && __atomic_load_n(&told[index / 64], __ATOMIC_RELAXED) >> index % 64 & 1;
}

static struct interface *interface_of(const struct netdev *device) REQUIRES(inet_core)
{
	struct interface *i;

	list_for_each(i, &interfaces, link) {
		if (i->device == device)
			return i;
	}
	return nullptr;
}

/* Who listens hears of each change, as soon as it is seen here. */
static void tell(struct netdev *n, const struct netdev_info *i) REQUIRES(inet_core)
{
	uint32_t flags = inet_interface_flags(i) | (i->carrier ? IFF_LOWER_UP : 0);

	if (i->index > BYTE_MAX || i->gone ||
	    (told_links[i->index].flags == flags && told_links[i->index].mtu == i->mtu))
		return;
	told_links[i->index].flags = flags;
	told_links[i->index].mtu = i->mtu;
	rt_tell_link(i, n, false);
}

void inet_interface_sync(struct netif *n)
{
	struct netdev_info info;

	inet_interface_info(n, &info);
	if (memcmp(n->hwaddr, info.address, NETDEV_ADDRESS) != 0)
		memcpy(n->hwaddr, info.address, NETDEV_ADDRESS);
	/* What a router advertised for IPv6 stays otherwise. */
	if (n->mtu != info.mtu)
		n->mtu = n->mtu6 = (u16_t)info.mtu;
	if (info.up && !netif_is_up(n)) {
		if (n != &inet_lo && ip6_addr_isinvalid(netif_ip6_addr_state(n, 0)))
			netif_create_ip6_linklocal_address(n, 1);
		netif_set_up(n);
	} else if (!info.up && netif_is_up(n)) {
		netif_set_down(n);
	}
	if (info.carrier && !netif_is_link_up(n))
		netif_set_link_up(n);
	else if (!info.carrier && netif_is_link_up(n))
		netif_set_link_down(n); /* its addresses stay */
	tell(inet_interface_device(n), &info);
}

/* lwIP knows it. */
static bool introduce(struct interface *i, const struct netdev_info *info) REQUIRES(inet_core)
{
	if (netif_add_noaddr(&i->netif, nullptr, init, ethernet_input) == nullptr)
		return false;
	i->netif.num = (u8_t)(info->index - 1); /* lwIP's numbers are netdev's; one is `lo`'s */
	memcpy(i->netif.hwaddr, info->address, NETDEV_ADDRESS);
	netif_set_ip6_autoconfig_enabled(&i->netif, 1);
	hear_all_nodes(i, NETIF_ADD_MAC_FILTER);
	return true;
}

static void add(struct netdev *device, const struct netdev_info *info) REQUIRES(inet_core)
{
	struct interface *i = kmalloc(sizeof(*i));

	if (i == nullptr) {
		log_warn("inet: no memory for interface %s", info->name);
		return;
	}
	i->device = device;
	list_init(&i->filters);
	if (!introduce(i, info)) {
		kfree(i);
		return;
	}
	netdev_get(device);
	list_push_back(&interfaces, &i->link);
	inet_interface_sync(&i->netif);
}

static void drop(struct interface *i) REQUIRES(inet_core)
{
	struct netdev_info info;

	netdev_get_info(i->device, &info);
	rt_tell_link(&info, i->device, true);
	if (info.index <= BYTE_MAX)
		asked[info.index] = told_links[info.index].flags = 0;
	inet_routes_forget(&i->netif);
	inet_lo_forget(&i->netif);
	list_remove(&i->link);
	netif_remove(&i->netif);
	hear_all_nodes(i, NETIF_DEL_MAC_FILTER);
	netdev_put(i->device);
	kfree(i);
}

static void look(void) REQUIRES(inet_core)
{
	struct interface *i, *next;
	struct netdev_info info;

	inet_interface_sync(&inet_lo);
	list_for_each_safe(i, next, &interfaces, link) {
		netdev_get_info(i->device, &info);
		if (info.gone)
			drop(i);
		else
			inet_interface_sync(&i->netif);
	}
	for (struct netdev *d = netdev_each(nullptr); d != nullptr; d = netdev_each(d)) {
		netdev_get_info(d, &info);
		if (info.kind == NETDEV_ETHERNET && !info.gone && is_told(info.index) && interface_of(d) == nullptr)
			add(d, &info);
	}
}

/* --- lwIP begins anew --- */

/* What was kept. An address that was not yet known to be its alone is asked for again. */
static void give(struct netif *n, const struct netif *kept) REQUIRES(inet_core)
{
	netif_set_addr(n, ip_2_ip4(&kept->ip_addr), ip_2_ip4(&kept->netmask), ip_2_ip4(&kept->gw));
	for (s8_t a = 0; a < LWIP_IPV6_NUM_ADDRESSES; a++) {
		u8_t state = kept->ip6_addr_state[a];

		if (ip6_addr_isinvalid(state) || ip6_addr_isduplicated(state))
			continue;
		n->ip6_addr[a] = kept->ip6_addr[a];
		netif_ip6_addr_set_valid_life(n, a, kept->ip6_addr_valid_life[a]);
		netif_ip6_addr_set_pref_life(n, a, kept->ip6_addr_pref_life[a]);
		netif_ip6_addr_set_state(n, a, ip6_addr_istentative(state) ? IP6_ADDR_TENTATIVE : state);
	}
	inet_interface_sync(n);
	n->mtu6 = kept->mtu6;
}

void inet_interfaces_keep(void)
{
	struct interface *i;

	lo_kept = inet_lo;
	list_for_each(i, &interfaces, link)
		i->kept = i->netif;
}

void inet_interfaces_give(void)
{
	struct interface *i, *next;
	struct netdev_info info;

	give(&inet_lo, &lo_kept);
	list_for_each_safe(i, next, &interfaces, link) {
		while (!list_empty(&i->filters))
			drop_filter(i, list_first(&i->filters, struct filter, link));
		netdev_get_info(i->device, &info);
		if (introduce(i, &info))
			give(&i->netif, &i->kept);
		else
			log_error("inet: %s did not come back", info.name);
	}
}

/* --- receiving --- */

static void receive(struct interface *i, struct net_frame *f) REQUIRES(inet_core)
{
	struct pbuf *p = nullptr;

	/* One that never left the host has no checksum yet. */
	if (f->total <= UINT16_MAX && (!(f->flags & NET_FRAME_CHECKSUM) || net_frame_fill_checksum(f)))
		p = pbuf_alloc(PBUF_RAW, (u16_t)f->total, PBUF_RAM);
	if (p != nullptr) {
		(void)net_frame_read(f, 0, p->payload, f->total);
		if (i->netif.input(p, &i->netif) != ERR_OK)
			pbuf_free(p);
	}
	net_frame_free(f);
}

/* Up to a batch of each interface, so that none waits for another's flood; false: nothing more was there. */
static bool receive_batch(void) REQUIRES(inet_core)
{
	struct interface *i;
	uint32_t looped = 0;
	bool more = false;

	for (struct net_frame *f; looped < BATCH && (f = netdev_received(inet_lo_device)) != nullptr; looped++)
		inet_lo_receive(f);
	more = looped == BATCH;
	list_for_each(i, &interfaces, link) {
		struct net_frame *f;
		uint32_t count = 0;

		while (count < BATCH && (f = netdev_received(i->device)) != nullptr) {
			receive(i, f);
			count++;
		}
		more |= count == BATCH;
	}
	return more;
}

bool inet_interfaces_run(void)
{
	inet_core_lock();
	if (__atomic_exchange_n(&look_wanted, false, __ATOMIC_ACQ_REL))
		look();
	bool more = receive_batch();
	inet_core_unlock();
	return more;
}

/* --- what is set and asked --- */

static int set_asked(struct netdev *d, uint32_t index, uint16_t flag, bool on, int (*change)(struct netdev *d, bool on))
{
	bool was = index <= BYTE_MAX && __atomic_load_n(&asked[index], __ATOMIC_RELAXED) & flag;

	if (index > BYTE_MAX || was == on)
		return 0;
	int error = change(d, on);
	if (error == 0)
		__atomic_fetch_xor(&asked[index], flag, __ATOMIC_RELAXED);
	return error;
}

int inet_interface_set_flags(struct netif *n, uint32_t flags, uint32_t which)
{
	struct netdev *d = inet_interface_device(n);
	uint32_t index = netif_get_index(n);
	int error = 0;

	if (which & IFF_PROMISC)
		error = set_asked(d, index, IFF_PROMISC, flags & IFF_PROMISC, netdev_promiscuous);
	if (error == 0 && which & IFF_ALLMULTI)
		error = set_asked(d, index, IFF_ALLMULTI, flags & IFF_ALLMULTI, netdev_all_multicast);
	if (error == 0 && which & IFF_UP)
		error = netdev_set_up(d, flags & IFF_UP);
	inet_interface_sync(n);
	return error;
}

uint32_t inet_interface_flags(const struct netdev_info *i)
{
	uint32_t flags = netdev_flags(i, true) & ~(uint32_t)(IFF_PROMISC | IFF_ALLMULTI);

	return flags | (i->index <= BYTE_MAX ? __atomic_load_n(&asked[i->index], __ATOMIC_RELAXED) : 0);
}

struct netif *inet_interface_find(const char *name)
{
	struct netdev_info info;
	struct interface *i;

	if (strcmp(name, "lo") == 0)
		return &inet_lo;
	list_for_each(i, &interfaces, link) {
		netdev_get_info(i->device, &info);
		if (strcmp(info.name, name) == 0)
			return &i->netif;
	}
	return nullptr;
}

void inet_interface_info(const struct netif *n, struct netdev_info *out)
{
	netdev_get_info(inet_interface_device(n), out);
}

struct netdev *inet_interface_device(const struct netif *n)
{
	return n == &inet_lo ? inet_lo_device : ((const struct interface *)n)->device;
}
