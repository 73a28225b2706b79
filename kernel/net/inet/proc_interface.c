/* SPDX-License-Identifier: MIT */
/* /proc/net: routes, neighbours, addresses of IPv6, and counters, as Linux lists them (proc_net(5)). */
#include "interface.h"

#include <abi/netdevice_ioctl.h>
#include <kernel/base/node.h>
#include <kernel/mem/text.h>
#include <lwip/etharp.h>
#include <lwip/igmp.h>
#include <lwip/mld6.h>
#include <lwip/stats.h>

/* --- routes --- */

static void show_route(struct text_buffer *b, const struct netif *n, uint32_t to, uint32_t gateway, uint32_t mask,
		       uint32_t metric) REQUIRES(inet_core)
{
	struct netdev_info info;
	unsigned flags = RTF_UP | (gateway != 0 ? RTF_GATEWAY : 0) | (mask == UINT32_MAX ? RTF_HOST : 0);

	inet_interface_info(n, &info);
	text_printf(b, "%s\t%08X\t%08X\t%04X\t%d\t%u\t%u\t%08X\t%d\t%u\t%u\n", info.name, to, gateway, flags, 0, 0,
		    metric, mask, 0, 0, 0);
}

static int show_routes(struct text_buffer *b, void *)
{
	struct inet_route_entry *r;
	struct netif *n;

	text_printf(b, "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n");
	inet_core_lock();
	list_for_each(r, &inet_routes, link) {
		show_route(b, r->interface, r->to.addr, r->gateway.addr, r->mask.addr, r->metric);
	}
	NETIF_FOREACH(n)
	{
		uint32_t address = netif_ip4_addr(n)->addr, mask = netif_ip4_netmask(n)->addr;

		if (n != &inet_lo && netif_is_up(n) && address != 0)
			show_route(b, n, address & mask, 0, mask, 0);
	}
	inet_core_unlock();
	return 0;
}
PROC_FILE(net_route, .component = &component_inet, .name = "net/route", .mode = 0444, .show = show_routes);

/* --- neighbours --- */

static int show_neighbours(struct text_buffer *b, void *)
{
	text_printf(b, "IP address       HW type     Flags       HW address            Mask     Device\n");
	inet_core_lock();
	for (size_t n = 0; n < ARP_TABLE_SIZE; n++) {
		struct netdev_info info;
		struct eth_addr *mac;
		struct netif *on;
		ip4_addr_t *ip;

		if (etharp_get_entry(n, &ip, &on, &mac) == 0)
			continue;
		const uint8_t *a = (const uint8_t *)&ip->addr, *m = mac->addr;
		char text[16];

		inet_interface_info(on, &info);
		(void)scnprintf(text, sizeof(text), "%u.%u.%u.%u", a[0], a[1], a[2], a[3]);
		text_printf(b, "%-16s 0x%x         0x%x         %02x:%02x:%02x:%02x:%02x:%02x     *        %s\n", text,
			    1, 2, m[0], m[1], m[2], m[3], m[4], m[5], info.name);
	}
	inet_core_unlock();
	return 0;
}
PROC_FILE(net_arp, .component = &component_inet, .name = "net/arp", .mode = 0444, .show = show_neighbours);

/* --- addresses of IPv6 --- */

/* Scopes as Linux numbers them there. */
static unsigned scope_of(const ip6_addr_t *a)
{
	return ip6_addr_isloopback(a) ? 0x10 : ip6_addr_islinklocal(a) ? 0x20 : 0;
}

static int show_addresses(struct text_buffer *b, void *)
{
	struct netdev_info info;
	struct netif *n;

	inet_core_lock();
	NETIF_FOREACH(n)
	{
		inet_interface_info(n, &info);
		for (s8_t i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++) {
			const ip6_addr_t *a = netif_ip6_addr(n, i);

			if (ip6_addr_isinvalid(netif_ip6_addr_state(n, i)))
				continue;
			for (unsigned w = 0; w < 4; w++)
				text_printf(b, "%08x", lwip_ntohl(a->addr[w]));
			text_printf(b, " %02x %02x %02x %02x %8s\n", info.index, n == &inet_lo ? 128 : 64, scope_of(a),
				    ip6_addr_istentative(netif_ip6_addr_state(n, i)) ? 0x40 : 0x80, info.name);
		}
	}
	inet_core_unlock();
	return 0;
}
PROC_FILE(net_if_inet6, .component = &component_inet, .name = "net/if_inet6", .mode = 0444, .show = show_addresses);

/* --- groups --- */

static int show_groups4(struct text_buffer *b, void *)
{
	struct netdev_info info;
	struct netif *n;

	text_printf(b, "Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n");
	inet_core_lock();
	NETIF_FOREACH(n)
	{
		unsigned count = 0;

		inet_interface_info(n, &info);
		for (const struct igmp_group *g = netif_igmp_data(n); g != nullptr; g = g->next)
			count++;
		text_printf(b, "%u\t%-10s: %5u %7s\n", info.index, info.name, count, "V2");
		for (const struct igmp_group *g = netif_igmp_data(n); g != nullptr; g = g->next) {
			ip_addr_t ip;

			ip_addr_copy_from_ip4(ip, g->group_address);
			text_printf(b, "\t\t\t\t%08X %5u %d:%08X\t\t%d\n", g->group_address.addr,
				    inet_multicast_members(&ip, n), g->timer > 0, g->timer, g->last_reporter_flag);
		}
	}
	inet_core_unlock();
	return 0;
}
PROC_FILE(net_igmp, .component = &component_inet, .name = "net/igmp", .mode = 0444, .show = show_groups4);

static int show_groups6(struct text_buffer *b, void *)
{
	struct netdev_info info;
	struct netif *n;

	inet_core_lock();
	NETIF_FOREACH(n)
	{
		inet_interface_info(n, &info);
		for (const struct mld_group *g = netif_mld6_data(n); g != nullptr; g = g->next) {
			ip_addr_t ip;

			ip_addr_copy_from_ip6(ip, g->group_address);
			text_printf(b, "%-4u %-15s ", info.index, info.name);
			for (unsigned w = 0; w < 4; w++)
				text_printf(b, "%08x", lwip_ntohl(g->group_address.addr[w]));
			text_printf(b, " %5u %08X %u\n", inet_multicast_members(&ip, n), g->last_reporter_flag,
				    g->timer);
		}
	}
	inet_core_unlock();
	return 0;
}
PROC_FILE(net_igmp6, .component = &component_inet, .name = "net/igmp6", .mode = 0444, .show = show_groups6);

/* --- counters --- */

static int show_counters(struct text_buffer *b, void *)
{
	inet_core_lock();
	const struct stats_mib2 m = lwip_stats.mib2;
	inet_core_unlock();
	text_printf(
		b,
		"Ip: Forwarding DefaultTTL InReceives InHdrErrors InAddrErrors ForwDatagrams InUnknownProtos InDiscards "
		"InDelivers OutRequests OutDiscards OutNoRoutes ReasmTimeout ReasmReqds ReasmOKs ReasmFails FragOKs "
		"FragFails FragCreates\n");
	text_printf(b, "Ip: 2 %u %u %u %u %u %u %u %u %u %u %u 30 %u %u %u %u %u %u\n", IP_DEFAULT_TTL, m.ipinreceives,
		    m.ipinhdrerrors, m.ipinaddrerrors, m.ipforwdatagrams, m.ipinunknownprotos, m.ipindiscards,
		    m.ipindelivers, m.ipoutrequests, m.ipoutdiscards, m.ipoutnoroutes, m.ipreasmreqds, m.ipreasmoks,
		    m.ipreasmfails, m.ipfragoks, m.ipfragfails, m.ipfragcreates);
	text_printf(b, "Icmp: InMsgs InErrors OutMsgs OutErrors\nIcmp: %u %u %u %u\n", m.icmpinmsgs, m.icmpinerrors,
		    m.icmpoutmsgs, m.icmpouterrors);
	text_printf(
		b,
		"Tcp: ActiveOpens PassiveOpens AttemptFails EstabResets InSegs OutSegs RetransSegs InErrs OutRsts\n");
	text_printf(b, "Tcp: %u %u %u %u %u %u %u %u %u\n", m.tcpactiveopens, m.tcppassiveopens, m.tcpattemptfails,
		    m.tcpestabresets, m.tcpinsegs, m.tcpoutsegs, m.tcpretranssegs, m.tcpinerrs, m.tcpoutrsts);
	text_printf(b, "Udp: InDatagrams NoPorts InErrors OutDatagrams\nUdp: %u %u %u %u\n", m.udpindatagrams,
		    m.udpnoports, m.udpinerrors, m.udpoutdatagrams);
	return 0;
}
PROC_FILE(net_snmp, .component = &component_inet, .name = "net/snmp", .mode = 0444, .show = show_counters);
