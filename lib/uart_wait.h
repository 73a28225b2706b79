/* SPDX-License-Identifier: MIT */
/*
 * How long who polls a UART waits until it takes a byte: a bounded number of looks, since a chip that never gets ready
 * must stop neither a panic nor a boot; and once it was found so, one look a byte until it takes one again.
 */
#ifndef LIB_UART_WAIT_H
#define LIB_UART_WAIT_H

enum { UART_LOOKS = 100000 };

struct uart_wait {
	bool dead; /* it did not get ready, and has shown no life since */
};

/* Returns when `ready` says yes, or the looks are over. */
static inline void uart_wait(struct uart_wait *w, bool (*ready)(void))
{
	bool is_ready = ready();

	for (int i = 1; i < UART_LOOKS && !is_ready && !w->dead; i++)
		is_ready = ready();
	w->dead = !is_ready;
}

#endif
