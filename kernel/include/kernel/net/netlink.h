/* SPDX-License-Identifier: MIT */
/*
 * What a part of the kernel gives processes by netlink(7): it answers requests, and tells groups of sockets of changes.
 *
 * An answer is written message by message between netlink_out_begin and netlink_out_end, with lib/netlink.h's
 * functions; it stands in datagrams that any reader has room for.
 */
#ifndef KERNEL_NET_NETLINK_H
#define KERNEL_NET_NETLINK_H

#include <lib/list.h>
#include <lib/netlink.h>

struct component;

/* What goes back to who asked. */
struct netlink_out {
	struct list datagrams; /* netlink's own */
	struct netlink_writer writer;
	uint32_t sequence, port; /* of the request */
	uint16_t flags;		 /* of all messages: NLM_F_MULTI in a dump */
	bool may_set;		 /* CAP_NET_ADMIN: of who asks, and of who made the socket */
	int error;		 /* the first that went wrong */
	size_t begin;
};
/* A message with its fixed part; its attributes go into what is given back. May sleep. */
struct netlink_writer *netlink_out_begin(struct netlink_out *o, uint16_t type, const void *fixed, size_t n);
/* The message is complete. If there was no memory the whole answer is an error. */
void netlink_out_end(struct netlink_out *o);

struct netlink_protocol {
	struct component *component; /* under whose guard it answers */
	/* A request, of which the netlink's header alone is checked: 0 or a negative errno. is_dump: all there is, else
	 * what the message says. In the process's thread, without locks. */
	int (*answer)(const struct netlink_message *m, bool is_dump, struct netlink_out *out);
};
/* Who answers NETLINK_ROUTE; once, at boot. Until then there is no such protocol. */
void netlink_set_route(const struct netlink_protocol *p);

/* A message for all who listen to the group (RTNLGRP_*). It is made by `out`, with sequence 0, and freed. May sleep;
 * any lock below RANK_SOCKET + 2. */
void netlink_out_init(struct netlink_out *o);
void netlink_notify(uint32_t group, struct netlink_out *o);
/* Whether anybody listens: else nothing need be written. */
bool netlink_is_heard(uint32_t group);

#endif
