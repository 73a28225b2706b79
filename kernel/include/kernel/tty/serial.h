/* SPDX-License-Identifier: MIT */
/*
 * Serial ports: the class between terminals and the drivers of UARTs. A driver registers its UARTs in attach and gives
 * its thread to serial_serve(); what it says of the UART are the operations below, which are called by that thread
 * only, one at a time. The terminal outlives the driver's rounds (kernel/device/device.h): files stay open, what is
 * written meanwhile waits. When the device is gone for good its node goes, and open files are hung up.
 */
#ifndef KERNEL_TTY_SERIAL_H
#define KERNEL_TTY_SERIAL_H

#include <kernel/device/irq.h>
#include <stddef.h>
#include <stdint.h>

struct serial_port;

enum serial_status : uint32_t { SERIAL_HAS_DATA = 1, SERIAL_HAS_ROOM = 2, SERIAL_IDLE = 4 };
enum : int { SERIAL_NOTHING = -1, SERIAL_BREAK = -2 };
constexpr size_t SERIAL_BURST_MAX = 16;

/* `uart` is what was registered. */
struct serial_ops {
	const char *kind;		      /* "PL011" */
	const char *prefix;		      /* of the names in /dev: "ttyAMA" */
	uint32_t major, first_minor;	      /* of index 0 */
	uint32_t (*status)(const void *uart); /* enum serial_status */
	/* A received character, SERIAL_BREAK or SERIAL_NOTHING. */
	int (*receive)(const void *uart);
	/* How many characters fit for sure (at most SERIAL_BURST_MAX), and putting that many or fewer. The nucleus
	 * writes its reports through the same UART, so the answer leaves room. */
	size_t (*room)(const void *uart);
	void (*send)(const void *uart, const unsigned char *bytes, size_t n);
	/* Interrupts for received characters, and for room. */
	void (*set_interrupts)(const void *uart, bool received, bool has_room);
	/* Clears what was served. */
	void (*acknowledge)(const void *uart);
	/* Where its registers begin in the device's first range. nullptr: where that does. */
	size_t (*offset)(const void *uart);
};

/*
 * In attach, when the UART is set up, without interrupts, and what was on its way out is sent; uart is of
 * the device's private data. slot: which of the device's UARTs it is. Its index is `index`,
 * or, unless `fixed`, the first from there on that no device has; in later rounds it is what it was. *out is borrowed.
 * -EEXIST: the index is taken; -ENOSPC; -ENOMEM; -ENODEV: no round is under way.
 */
[[nodiscard]] int serial_register(struct device *dev, const struct serial_ops *ops, const void *uart, unsigned slot,
				  unsigned index, bool fixed, struct serial_port **out);
/* Its terminal; borrowed, and there for ever. */
struct tty *serial_terminal(const struct serial_port *port);
/* The driver's serve: moves characters of its ports until device_stopping(). irq: as irq_open() left it; polls if that
 * failed. */
void serial_serve(struct serial_port *const *ports, unsigned count, struct irq *irq);

#endif
