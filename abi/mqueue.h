/* SPDX-License-Identifier: MIT */
/* POSIX message queues as programs know them: mq_overview(7), mq_open(2), mq_notify(3), Linux's form for 64 bits. */
#ifndef ABI_MQUEUE_H
#define ABI_MQUEUE_H

#include <stdint.h>

enum : uint32_t { MQ_PRIO_MAX = 32768 };

struct abi_mq_attr {
	int64_t flags, max_messages, message_bytes, messages;
	int64_t reserved[4];
};
static_assert(sizeof(struct abi_mq_attr) == 64);

/* The last byte of the cookie that comes by a netlink socket (SIGEV_THREAD): why it came. */
enum : uint32_t { MQ_COOKIE_BYTES = 32 };
enum : uint8_t { MQ_WOKENUP = 1, MQ_REMOVED = 2 };

#endif
