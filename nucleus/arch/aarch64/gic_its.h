/* SPDX-License-Identifier: MIT */
/* Translation services of a GICv3, see gic_its.c; gic_msi.c uses them for PCI functions. */
#ifndef ARCH_GIC_ITS_H
#define ARCH_GIC_ITS_H

#include <stdint.h>

/* Boot, in this order: tables of the redistributors; each of them, before its CPU's interrupts are on; the services,
 * when device_window can be used. */
void gic_its_init_lines(void);
void gic_its_init_cpu(uint32_t cpu, volatile void *redistributor);
void gic_its_init(void);

/* The function raises the line at the CPU by writing the line's number to *address. 0; -EOPNOTSUPP: no service takes
 * its messages; -ENOSPC. */
[[nodiscard]] int gic_its_message(uint32_t line, uint32_t function, uint32_t cpu, uint64_t *address);
/* The line goes to another CPU, with what is pending. false: the service does not work. */
[[nodiscard]] bool gic_its_move(uint32_t line, uint32_t cpu);
void gic_its_disconnect(uint32_t line);
/* Where messages of this requester are written to; 0: no service takes them. */
uint64_t gic_its_doorbell(uint32_t requester);

/* How commands name the CPU's redistributor (IHI 0069, 5.3): by address or by number. gic_v3.c. */
uint64_t gic_v3_target(uint32_t cpu, bool by_address);

#endif
