/* SPDX-License-Identifier: MIT */
/*
 * Messages of netlink (RFC 3549, section 2; netlink(7)): reading those that come from a process, of which everything is
 * checked, and writing answers. Both walk a buffer of whole messages; attributes follow a message's own header.
 */
#ifndef LIB_NETLINK_H
#define LIB_NETLINK_H

#include <abi/netlink.h>
#include <stddef.h>

struct netlink_message {
	struct nlmsghdr header;
	const uint8_t *payload; /* behind the header, 4-aligned in the buffer */
	size_t length;		/* of it */
};
/* The message at *at, which moves behind it. False: there is none, or what is there is not a whole one. */
[[nodiscard]] bool netlink_next(const void *bytes, size_t n, size_t *at, struct netlink_message *out);

struct netlink_attribute {
	const uint8_t *data; /* nullptr: it is not there */
	size_t length;
};
/* The attributes in n bytes, by their type: table[type] for those below count, the last of each; others are passed
 * over. False: one is not whole. */
[[nodiscard]] bool netlink_attributes(const void *bytes, size_t n, struct netlink_attribute *table, size_t count);
/* A number of 32 bits; *out stays if it is not there. False: it has another length. */
[[nodiscard]] bool netlink_u32(const struct netlink_attribute *a, uint32_t *out);

/* A buffer that answers are written into. What does not fit sets `full`, and is not written. */
struct netlink_writer {
	uint8_t *bytes;
	size_t room, used;
	bool full;
};
/* Begins a message with its fixed part of n bytes (zeros where it is nullptr); what is given back is for netlink_end.
 */
size_t netlink_begin(struct netlink_writer *w, const struct nlmsghdr *h, const void *fixed, size_t n);
void netlink_put(struct netlink_writer *w, uint16_t type, const void *data, size_t n);
void netlink_put_u32(struct netlink_writer *w, uint16_t type, uint32_t value);
void netlink_put_u8(struct netlink_writer *w, uint16_t type, uint8_t value);
void netlink_put_string(struct netlink_writer *w, uint16_t type, const char *text);
/* The message has its length. False: it did not fit, and the buffer is as before it began; `full` is set no more. */
[[nodiscard]] bool netlink_end(struct netlink_writer *w, size_t begin);

#endif
