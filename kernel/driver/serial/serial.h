/* SPDX-License-Identifier: MIT */
/*
 * Between the serial driver (serial.c), which has one terminal and one thread for each port, and the kinds of UART. A
 * finder (arch/serial.h: the machine's list) announces ports while the component starts; the port's own thread then
 * calls the operations, one at a time.
 */
#ifndef SERIAL_SERIAL_H
#define SERIAL_SERIAL_H

#include <stddef.h>
#include <stdint.h>

struct serial_port;

enum serial_status : uint32_t { SERIAL_HAS_DATA = 1, SERIAL_HAS_ROOM = 2, SERIAL_IDLE = 4 };
enum : int { SERIAL_NOTHING = -1, SERIAL_BREAK = -2 };
constexpr size_t SERIAL_BURST_MAX = 16;

struct serial_kind {
	const char *name;
	uint32_t major, first_minor;
	/* Whether there is one; makes its registers reachable. */
	bool (*probe)(struct serial_port *p);
	/* Lines, FIFOs, no interrupts. What was on its way out is sent. */
	void (*set_up)(struct serial_port *p);
	uint32_t (*status)(const struct serial_port *p); /* enum serial_status */
	/* A received character, SERIAL_BREAK or SERIAL_NOTHING. */
	int (*receive)(const struct serial_port *p);
	/* How many characters fit for sure (at most SERIAL_BURST_MAX), and putting that many or fewer. The nucleus
	 * writes its reports through the same UART, so the answer leaves room. */
	size_t (*room)(const struct serial_port *p);
	void (*send)(const struct serial_port *p, const unsigned char *bytes, size_t n);
	/* Interrupts for received characters, and for room. */
	void (*set_interrupts)(const struct serial_port *p, bool received, bool room);
	/* Clears what was served. */
	void (*acknowledge)(const struct serial_port *p);
};

struct serial_port {
	const struct serial_kind *kind;
	const char *name;
	uint32_t minor;		 /* above the kind's first */
	uint64_t base;		 /* port or physical address */
	uint32_t gsi, irq_flags; /* nucleus_irq_attach */
	bool has_irq;
	volatile uint32_t *mapped; /* the kind's, once probed */
	void *driver;		   /* serial.c's */
};

/* For finders: announces a port, which is probed before this returns. The structure stays the finder's and lives for
 * ever. -ENOSPC, -ENOMEM. */
[[nodiscard]] int serial_add(struct serial_port *p);

/* Announces the UART that the machine's description (device tree, ACPI) names as the console, if it is a PL011. */
[[nodiscard]] int pl011_find(void);

#endif
