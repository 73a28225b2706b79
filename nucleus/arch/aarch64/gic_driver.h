/* SPDX-License-Identifier: MIT */
/* What gic.c asks of the version that the machine has. Boot calls first; then any CPU, interrupts masked. */
#ifndef ARCH_GIC_DRIVER_H
#define ARCH_GIC_DRIVER_H

#include "gic.h"
#include <stddef.h>
#include <stdint.h>

struct gic_driver {
	/* The CPU-side parts; `distributor` is mapped and quiet. 0 or a negative errno. */
	int (*init)(volatile void *distributor);
	void (*init_cpu)(uint32_t cpu, uint32_t private_lines); /* mask of the lines 0…31 to enable */
	uint32_t (*acknowledge)(void);				/* as the register gives it */
	void (*end)(uint32_t token);
	void (*send)(uint32_t cpu, uint32_t sgi);
	void (*route)(uint32_t line, uint32_t cpu);
	/* Returns when the distributor has taken in what was written to it. */
	void (*settle)(void);
	void (*private_disable)(uint32_t line);
};
extern const struct gic_driver gic_v2, gic_v3;

/* Bit arrays and byte arrays of the distributor, or of a redistributor's SGI frame. */
void gic_set_bit(volatile void *frame, uint32_t array, uint32_t line);
/* First settings of [from, to), multiples of 32: disabled, idle, the group given, one priority. */
void gic_reset_lines(volatile void *frame, uint32_t from, uint32_t to, uint32_t groups);

#endif
