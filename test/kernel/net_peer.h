/* SPDX-License-Identifier: MIT */
/*
 * What answers at the other end of a card: QEMU's user network, which has a router at 10.0.2.2 that answers ARP (RFC
 * 826), echoes (RFC 792) and DHCP (RFC 2131). Frames are made and read here without a stack.
 */
#ifndef TEST_NET_PEER_H
#define TEST_NET_PEER_H

#include "ktest.h"

#include <kernel/base/wait.h>
#include <kernel/netdev/netdev.h>

enum : uint32_t { ECHO_HEADERS = NETDEV_HEADER + 20 + 8, ECHO_MAX = 2048 };

struct peer {
	struct netdev *n;
	struct netdev_info info;
	struct netdev_tap tap;
	struct wait_queue changed;
	uint8_t address[NETDEV_ADDRESS];	 /* the router's, once it has answered; atomic: answered */
	uint32_t answers, offers, echoes, wrong; /* atomic */
	uint32_t bytes;				 /* of data in each echo */
	bool seen[ECHO_MAX];			 /* by sequence number */
};

/* The index-th card of the machine, up and with carrier; false: there is none. Ended by peer_end. */
bool peer_begin(struct peer *p, uint32_t index);
void peer_end(struct peer *p);
/* Sends one, whatever becomes of it. */
void peer_ask_address(const struct peer *p);
void peer_ask_lease(const struct peer *p);
void peer_echo(const struct peer *p, uint16_t sequence, uint32_t bytes);
/* A frame that nobody answers. */
void peer_say_nothing(const struct peer *p);
/* Sends echoes of so many bytes of data until each of `count` has been answered, several at a time. False: it never
 * was. */
bool peer_echo_all(struct peer *p, uint32_t count, uint32_t bytes);
/* Asks until the router has answered. */
bool peer_find(struct peer *p);

#endif
