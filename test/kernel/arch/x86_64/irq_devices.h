/* SPDX-License-Identifier: MIT */
/* What test/kernel/interrupts.c needs of the machine: lines, and cases that know its devices. */
#ifndef IRQ_DEVICES_H
#define IRQ_DEVICES_H

#include <nucleus/calls.h>
#include <stdint.h>

/* The first that a thread may have. One that no controller has; one that is no device's on the machines that we know.
 */
enum : uint32_t { IRQ_FIRST = 0, IRQ_ABSENT = 1000, IRQ_UNUSED = 21 };

/* Where nothing is, on the machines that we know. */
enum : uint64_t { REGISTERS_UNUSED = 0xfec10000 };

/* The line of INTA of a function of the first bus: what firmware noted, a number of ISA's. */
static inline uint32_t irq_of_function(uint32_t function)
{
	return (uint32_t)nucleus_pci_read(function, 0x3c, 1);
}

bool irq_devices_known(void); /* whether the two cases can be run */
void irq_controllers_are_not_given_away(void);
void irq_delivery(void);

#endif
