/* SPDX-License-Identifier: MIT */
/*
 * Letters to netlink sockets: how mq_notify(3) reaches a C library's thread (SIGEV_THREAD). The library gives the
 * kernel a socket and 32 bytes, which come back through it when the queue has something, the last byte saying why. They
 * are written when notification is asked for, so that nothing can fail for want of memory when there is news. Netlink
 * stands above the queues and says at boot how it is done.
 */
#ifndef KERNEL_IPC_LETTER_H
#define KERNEL_IPC_LETTER_H

#include <stdint.h>

struct letter;
struct letter_writer {
	/* Written, with a reference to the socket at the descriptor, and not sent. -EBADF, -ENOTSOCK; -EINVAL: it is no
	 * netlink socket; -ENOMEM. Process context; may sleep. */
	int (*write)(int fd, const uint8_t *cookie, struct letter **out);
	/* Ends the letter: its last byte is `why` (MQ_*), 0: it is thrown away. May sleep, without a lock. */
	void (*send)(struct letter *l, uint8_t why);
};
/* Once, at boot; until then mq_notify(2) with SIGEV_THREAD is -EINVAL. w must live on. */
void letter_set_writer(const struct letter_writer *w);

#endif
