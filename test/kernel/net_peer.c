/* SPDX-License-Identifier: MIT */
/* Frames for the router of QEMU's user network (test/kernel/net_peer.h). */
#include "net_peer.h"

#include <abi/errno.h>
#include <lib/internet_checksum.h>
#include <lib/string.h>
#include <lib/types.h>

enum : uint16_t { PROTOCOL_IP = 0x0800, PROTOCOL_ARP = 0x0806 };
enum : uint8_t { IP_ICMP = 1, IP_UDP = 17, ICMP_REPLY = 0, ICMP_ECHO = 8, DHCP_OFFER = 2 };
enum : uint32_t { WINDOW = 8, IDENTITY = 0x5374, DHCP_BYTES = 244 };
static const uint8_t own_ip[4] = {10, 0, 2, 15}, router_ip[4] = {10, 0, 2, 2};
static const uint8_t everybody[NETDEV_ADDRESS] = {255, 255, 255, 255, 255, 255};

static void put16(uint8_t *p, uint32_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static uint32_t get16(const uint8_t *p)
{
	return (uint32_t)(p[0] << 8 | p[1]);
}

static uint8_t pattern(uint32_t sequence, uint32_t i)
{
	return (uint8_t)(sequence * 13 + i * 7 + i / 256);
}

static void send(const struct peer *p, const uint8_t *bytes, size_t n)
{
	struct net_frame *f = net_frame_alloc(n);

	if (f == nullptr)
		return;
	(void)net_frame_write(f, 0, bytes, n);
	(void)netdev_transmit(p->n, f);
}

static void ethernet(const struct peer *p, uint8_t *frame, const uint8_t *to, uint16_t protocol)
{
	memcpy(frame, to, NETDEV_ADDRESS);
	memcpy(frame + 6, p->info.address, NETDEV_ADDRESS);
	put16(frame + 12, protocol);
}

void peer_ask_address(const struct peer *p)
{
	/* Ethernet, IPv4, 6 and 4 bytes, a request. */
	static const uint8_t head[] = {0, 1, 8, 0, 6, 4, 0, 1};
	uint8_t frame[60] = {}, *arp = frame + NETDEV_HEADER;

	ethernet(p, frame, everybody, PROTOCOL_ARP);
	memcpy(arp, head, sizeof(head));
	memcpy(arp + 8, p->info.address, NETDEV_ADDRESS);
	memcpy(arp + 14, own_ip, sizeof(own_ip));
	memcpy(arp + 24, router_ip, sizeof(router_ip));
	send(p, frame, sizeof(frame));
}

void peer_say_nothing(const struct peer *p)
{
	constexpr uint16_t EXPERIMENT = 0x88b5; /* IEEE 802, 9.2.4: for local experiments */
	uint8_t frame[60] = {};

	ethernet(p, frame, everybody, EXPERIMENT);
	send(p, frame, sizeof(frame));
}

static void ip(uint8_t *header, uint8_t protocol, uint32_t bytes, const uint8_t *from, const uint8_t *to)
{
	struct internet_sum sum = {};

	memset(header, 0, 20);
	header[0] = 0x45;
	put16(header + 2, 20 + bytes);
	header[8] = 64;
	header[9] = protocol;
	memcpy(header + 12, from, 4);
	memcpy(header + 16, to, 4);
	internet_sum_add(&sum, header, 20);
	uint16_t checksum = internet_sum_checksum(&sum);
	memcpy(header + 10, &checksum, sizeof(checksum));
}

void peer_ask_lease(const struct peer *p)
{
	static const uint8_t nobody[4], all[4] = {255, 255, 255, 255};
	/* The cookie; a discovery; the end. */
	static const uint8_t options[] = {99, 130, 83, 99, 53, 1, 1, 255};
	uint8_t frame[NETDEV_HEADER + 20 + 8 + DHCP_BYTES] = {};
	uint8_t *udp = frame + NETDEV_HEADER + 20, *dhcp = udp + 8;

	ethernet(p, frame, everybody, PROTOCOL_IP);
	ip(frame + NETDEV_HEADER, IP_UDP, 8 + DHCP_BYTES, nobody, all);
	put16(udp, 68);
	put16(udp + 2, 67);
	put16(udp + 4, 8 + DHCP_BYTES);
	dhcp[0] = 1;
	dhcp[1] = 1;
	dhcp[2] = NETDEV_ADDRESS;
	put16(dhcp + 4, IDENTITY);
	memcpy(dhcp + 28, p->info.address, NETDEV_ADDRESS);
	memcpy(dhcp + 236, options, sizeof(options));
	send(p, frame, sizeof(frame));
}

void peer_echo(const struct peer *p, uint16_t sequence, uint32_t bytes)
{
	static uint8_t frame[NETDEV_HEADER + 20 + 8 + ECHO_MAX];
	uint8_t *icmp = frame + NETDEV_HEADER + 20;
	struct internet_sum sum = {};

	memset(frame, 0, ECHO_HEADERS);
	ethernet(p, frame, p->address, PROTOCOL_IP);
	ip(frame + NETDEV_HEADER, IP_ICMP, 8 + bytes, own_ip, router_ip);
	icmp[0] = ICMP_ECHO;
	put16(icmp + 4, IDENTITY);
	put16(icmp + 6, sequence);
	for (uint32_t i = 0; i < bytes; i++)
		icmp[8 + i] = pattern(sequence, i);
	internet_sum_add(&sum, icmp, 8 + bytes);
	uint16_t checksum = internet_sum_checksum(&sum);
	memcpy(icmp + 2, &checksum, sizeof(checksum));
	send(p, frame, ECHO_HEADERS + bytes);
}

/* --- answers, in the driver's thread --- */

static void hear_address(struct peer *p, const uint8_t *arp)
{
	if (get16(arp + 6) != 2 || memcmp(arp + 14, router_ip, 4) != 0 || p->answers > 0)
		return;
	memcpy(p->address, arp + 8, NETDEV_ADDRESS);
	__atomic_fetch_add(&p->answers, 1, __ATOMIC_RELEASE);
}

static bool is_intact(const uint8_t *icmp, uint32_t bytes, uint32_t sequence)
{
	for (uint32_t i = 0; i < bytes; i++)
		if (icmp[8 + i] != pattern(sequence, i))
			return false;
	return sequence < ECHO_MAX;
}

/* One of another length answers what was sent before, and comes late. */
static void hear_echo(struct peer *p, const uint8_t *icmp, uint32_t bytes)
{
	uint32_t sequence = get16(icmp + 6);

	if (icmp[0] != ICMP_REPLY || get16(icmp + 4) != IDENTITY)
		return;
	if (!is_intact(icmp, bytes - 8, sequence))
		__atomic_fetch_add(&p->wrong, 1, __ATOMIC_RELAXED);
	else if (bytes - 8 == __atomic_load_n(&p->bytes, __ATOMIC_RELAXED) &&
		 !__atomic_exchange_n(&p->seen[sequence], true, __ATOMIC_RELAXED))
		__atomic_fetch_add(&p->echoes, 1, __ATOMIC_RELEASE);
}

static void hear(struct netdev_tap *t, struct netdev *, const struct net_frame *f, enum netdev_way way)
{
	static uint8_t frame[4096];
	struct peer *p = container_of(t, struct peer, tap);
	const uint8_t *packet = frame + NETDEV_HEADER, *rest = packet + 20;

	if (way != NETDEV_IN || f->total > sizeof(frame) || f->total < NETDEV_HEADER + 28)
		return;
	(void)net_frame_read(f, 0, frame, f->total);
	if (get16(frame + 12) == PROTOCOL_ARP) {
		hear_address(p, packet);
	} else if (get16(frame + 12) == PROTOCOL_IP && packet[0] == 0x45 &&
		   get16(packet + 2) <= f->total - NETDEV_HEADER) {
		uint32_t bytes = get16(packet + 2) - 20;

		if (packet[9] == IP_ICMP && bytes >= 8)
			hear_echo(p, rest, bytes);
		else if (packet[9] == IP_UDP && bytes > 8 + DHCP_BYTES && get16(rest + 2) == 68 &&
			 rest[8] == DHCP_OFFER)
			__atomic_fetch_add(&p->offers, 1, __ATOMIC_RELEASE);
	}
	wait_wake_all(&p->changed);
}

bool peer_begin(struct peer *p, uint32_t index)
{
	struct netdev *n = netdev_each(nullptr);

	memset(p, 0, sizeof(*p));
	for (; n != nullptr; n = netdev_each(n)) {
		netdev_get_info(n, &p->info);
		if (p->info.kind == NETDEV_ETHERNET && netdev_device(n) != nullptr && index-- == 0)
			break;
	}
	if (n == nullptr)
		return false;
	p->n = n;
	wait_queue_init(&p->changed);
	p->tap = (struct netdev_tap){.component = &component_ktest, .of = n, .frame = hear};
	netdev_tap_add(&p->tap);
	EXPECT_EQ(netdev_set_up(n, true), 0);
	return true;
}

void peer_end(struct peer *p)
{
	(void)netdev_set_up(p->n, false);
	netdev_tap_remove(&p->tap);
	netdev_put(p->n);
}

static uint32_t load(const uint32_t *value)
{
	return __atomic_load_n(value, __ATOMIC_ACQUIRE);
}

bool peer_find(struct peer *p)
{
	for (int tries = 0; tries < WAIT_LOOKS && load(&p->answers) == 0; tries++) {
		peer_ask_address(p);
		(void)wait_event_deadline(&p->changed, load(&p->answers) > 0, ktest_now() + 20 * MS);
	}
	return load(&p->answers) > 0;
}

bool peer_echo_all(struct peer *p, uint32_t count, uint32_t bytes)
{
	/* Nobody counts while what is counted begins anew. */
	netdev_tap_remove(&p->tap);
	p->echoes = 0;
	memset(p->seen, 0, sizeof(p->seen));
	__atomic_store_n(&p->bytes, bytes, __ATOMIC_RELAXED);
	netdev_tap_add(&p->tap);
	/* What is lost is sent again. */
	for (int tries = 0; tries < WAIT_LOOKS && load(&p->echoes) < count; tries++) {
		uint32_t sent = 0, before = load(&p->echoes);

		for (uint32_t i = 0; i < count && sent < WINDOW; i++) {
			if (__atomic_load_n(&p->seen[i], __ATOMIC_RELAXED))
				continue;
			peer_echo(p, (uint16_t)i, bytes);
			sent++;
		}
		(void)wait_event_deadline(&p->changed, load(&p->echoes) >= before + sent, ktest_now() + 20 * MS);
	}
	return load(&p->echoes) == count;
}
