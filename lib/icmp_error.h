/* SPDX-License-Identifier: MIT */
/*
 * Error messages of ICMP (RFC 792) and ICMPv6 (RFC 4443): what became of which packet of ours. They come from anybody:
 * everything in them is checked before it is told.
 */
#ifndef LIB_ICMP_ERROR_H
#define LIB_ICMP_ERROR_H

#include <stddef.h>
#include <stdint.h>

struct icmp_error {
	int error;		     /* a negative errno */
	bool is_final;		     /* the other side refuses; else it may be over soon */
	uint8_t protocol;	     /* of the packet that it is about */
	uint8_t from[16], to[16];    /* its addresses, in network order; version 4: the first four bytes */
	uint16_t from_port, to_port; /* its first four bytes, as ports, in host order */
	uint32_t mtu;		     /* with -EMSGSIZE: what fits there; 0: not said */
	uint8_t type, code;	     /* the message's own */
	uint32_t info;		/* as ip(7) and ipv6(7) have it with them: the MTU, or where the packet was wrong */
	uint16_t inner, behind; /* where the packet's header begins in the message, and what is behind it; the
				 * message has four bytes of that at least */
};

/* Reads the message of n bytes, which begins behind the IP header. False: no error message, or not a whole one. */
[[nodiscard]] bool icmp4_error_parse(const void *message, size_t n, struct icmp_error *out);
[[nodiscard]] bool icmp6_error_parse(const void *message, size_t n, struct icmp_error *out);

#endif
