/* SPDX-License-Identifier: MIT */
/*
 * How the stack begins, and what becomes of a fault inside lwIP. Whoever takes the core and finds that its last holder
 * never let go of it knows that a fault ended that one half-way: nothing that lwIP keeps can be believed, not even a
 * list's next pointer. All of it is given up and lwIP begins anew, from memory as it was at boot, with what is ours:
 * sockets, interfaces, routes.
 *
 * Connections end with ECONNRESET, also those that are being asked for, or wait to be accepted; who waits is woken.
 * Listeners listen again. Sockets of datagrams keep what they are bound and connected to, and what is in their queues.
 * Interfaces keep their addresses, groups and what was set of their neighbours; others are asked for again.
 *
 * lwIP's data and bss stand in ranges of their own (tools/mkcomponents: part_lwip_*); its memory is swept (port.c).
 * Of a record of ours lwIP's copy is used only for what is plain: addresses, ports, numbers of one byte.
 */
#include "rtnetlink.h"
#include "stream.h"

#include <kernel/mem/page.h>
#include <lwip/init.h>
#include <lwip/priv/nd6_priv.h>
#include <lwip/raw.h>
#include <lwip/stats.h>
#include <lwip/udp.h>

enum : uint32_t { MEMORY_SHARE = 4 };
static bool started GUARDED_BY(inet_core);

extern unsigned char part_lwip_data[], part_lwip_data_end[], part_lwip_bss[], part_lwip_bss_end[];

static struct {
	void *data; /* as it was before lwIP began */
	struct nd6_neighbor_cache_entry neighbours[LWIP_ND6_NUM_NEIGHBORS];
	struct nd6_prefix_list_entry prefixes[LWIP_ND6_NUM_PREFIXES];
	struct nd6_router_list_entry routers[LWIP_ND6_NUM_ROUTERS];
	struct stats_ statistics;
} before GUARDED_BY(inet_core);

static int keep_data(void) REQUIRES(inet_core)
{
	size_t n = (size_t)(part_lwip_data_end - part_lwip_data);

	before.data = kmalloc(n + 1); /* there may be none */
	if (before.data == nullptr)
		return -ENOMEM;
	memcpy(before.data, part_lwip_data, n);
	return 0;
}

/* --- lwIP's own --- */

static void reset_memory(void) REQUIRES(inet_core)
{
	memset(part_lwip_bss, 0, (size_t)(part_lwip_bss_end - part_lwip_bss));
	memcpy(part_lwip_data, before.data, (size_t)(part_lwip_data_end - part_lwip_data));
}

static void keep_neighbours(void) REQUIRES(inet_core)
{
	memcpy(before.neighbours, neighbor_cache, sizeof(before.neighbours));
	memcpy(before.prefixes, prefix_list, sizeof(before.prefixes));
	memcpy(before.routers, default_router_list, sizeof(before.routers));
	before.statistics = lwip_stats;
}

static bool is_interface(const struct netif *n) REQUIRES(inet_core)
{
	const struct netif *other;

	NETIF_FOREACH(other)
	{
		if (other == n)
			return true;
	}
	return false;
}

/* Who was known is asked whether he is still there as soon as something is sent to him (RFC 4861, 7.3.2). */
static void give_neighbours(void) REQUIRES(inet_core)
{
	lwip_stats = before.statistics;
	for (size_t i = 0; i < LWIP_ND6_NUM_NEIGHBORS; i++) {
		struct nd6_neighbor_cache_entry *e = &before.neighbours[i];

		if (e->state < ND6_REACHABLE || e->state > ND6_PROBE || !is_interface(e->netif))
			continue;
		neighbor_cache[i] = *e;
		neighbor_cache[i].q = nullptr;
		neighbor_cache[i].state = ND6_STALE;
		neighbor_cache[i].counter.stale_time = 0;
	}
	for (size_t i = 0; i < LWIP_ND6_NUM_PREFIXES; i++)
		if (is_interface(before.prefixes[i].netif))
			prefix_list[i] = before.prefixes[i];
	for (size_t i = 0; i < LWIP_ND6_NUM_ROUTERS; i++) {
		size_t at = (size_t)(before.routers[i].neighbor_entry - neighbor_cache);

		if (before.routers[i].neighbor_entry != nullptr && at < LWIP_ND6_NUM_NEIGHBORS &&
		    neighbor_cache[at].state == ND6_STALE)
			default_router_list[i] = before.routers[i];
	}
}

/* --- sockets of datagrams --- */

/* The record itself stays, but for what leads elsewhere. */
static void renew_udp(struct inet_datagram_socket *d) REQUIRES(inet_core)
{
	udp_renew(d);
	if (d->udp->local_port == 0)
		return;
	d->udp->next = udp_pcbs;
	udp_pcbs = d->udp;
}

/* lwIP's list of these is its own: it gets a record like the one that was. */
static void renew_raw(struct inet_datagram_socket *d) REQUIRES(inet_core)
{
	struct raw_pcb *old = d->raw, *fresh = raw_new_ip_type(IP_GET_TYPE(&old->local_ip), old->protocol);

	if (fresh == nullptr) {
		log_warn("inet: no memory for a raw socket of protocol %u: it receives nothing more", old->protocol);
		return;
	}
	struct raw_pcb *next = fresh->next;
	*fresh = *old;
	fresh->next = next;
	d->raw = fresh;
	raw_renew(d);
	inet_lwip_free(old);
}

static bool is_udp(const struct inet_socket *i)
{
	return i->socket.type == SOCK_DGRAM && i->socket.protocol == IPPROTO_UDP;
}

/* Their records are not lwIP's to lose. */
static void keep_datagrams(void) REQUIRES(inet_core)
{
	struct inet_socket *i;

	list_for_each(i, &inet_all, all)
		if (i->socket.type != SOCK_STREAM)
			inet_lwip_keep(datagram_of(&i->socket)->udp);
}

static void give_datagrams(void) REQUIRES(inet_core)
{
	struct inet_socket *i;

	list_for_each(i, &inet_all, all) {
		if (i->socket.type == SOCK_STREAM)
			continue;
		inet_lwip_unkeep(datagram_of(&i->socket)->udp);
		if (is_udp(i))
			renew_udp(datagram_of(&i->socket));
		else
			renew_raw(datagram_of(&i->socket));
	}
}

/* --- all --- */

static void renew(const void *who) REQUIRES(inet_core)
{
	log_warn("inet: a fault in the stack: connections are reset, and it begins anew");
	inet_interfaces_keep();
	keep_neighbours();
	keep_datagrams();
	uint32_t reset = streams_lose_all();
	inet_lo_empty();
	inet_lwip_sweep(who);
	reset_memory();
	lwip_init();
	int error = inet_lo_start();
	if (error == 0)
		error = inet_icmp_start();
	inet_interfaces_give();
	give_neighbours();
	give_datagrams();
	uint32_t lost = streams_listen_again();
	inet_multicast_again();
	rt_renew();
	if (error != 0 || lost > 0)
		log_error("inet: %u listeners did not come back (%d)", lost, error);
	log_info("inet: the stack has begun anew; %u connections were reset", reset);
}

/* --- the beginning --- */

/* Once, at boot; asked to begin anew the thread does, and the stack stays. */
static int begin(void) REQUIRES(inet_core)
{
	struct memory_stats memory;

	if (started)
		return 0;
	page_stats(&memory);
	inet_memory_max = memory.total_pages * PAGE_SIZE / MEMORY_SHARE;
	int error = keep_data();
	if (error != 0)
		return error;
	lwip_init();
	error = inet_lo_start();
	if (error == 0)
		error = inet_icmp_start();
	started = error == 0;
	if (started)
		inet_core_renew = renew;
	return error;
}

static int start(void)
{
	int error = inet_lo_device == nullptr ? inet_lo_register() : 0;

	if (error != 0)
		return error;
	inet_core_lock();
	bool again = started;
	error = begin();
	inet_core_unlock();
	if (error != 0 || again)
		return error;
	error = inet_thread_start();
	if (error == 0) {
		inet_interfaces_start();
		socket_set_ioctl(inet_ioctl);
		inet_rtnetlink_start();
	}
	return error;
}
COMPONENT_START(inet, start);
