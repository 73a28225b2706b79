/* SPDX-License-Identifier: MIT */
/* What test/kernel/interrupts.c needs of the machine: lines, and cases that know its devices. */
#ifndef IRQ_DEVICES_H
#define IRQ_DEVICES_H

#include <stdint.h>

/* The first that a thread may have: the ones below are software's and private, so the nucleus's. One that no controller
 * has; one that is no device's on the machines that we know. */
enum : uint32_t { IRQ_FIRST = 32, IRQ_ABSENT = 1020, IRQ_UNUSED = 40 };

/* Where nothing is, on the machines that we know. */
enum : uint64_t { REGISTERS_UNUSED = 0x3e000000 };

/* The line of INTA of a function of the first bus, on QEMU's machine (hw/arm/virt: four shared ones from 3 on). */
static inline uint32_t irq_of_function(uint32_t function)
{
	return 32 + 3 + (function >> 3) % 4;
}

/* Whether a device's messages go through its IOMMU's tables, to a doorbell. */
constexpr bool MESSAGES_ARE_TRANSLATED = true;

/* The n-th message to be tried in the name of a function, of which it is given the own one. false: there are no more.
 * A translation service looks up events of who sent them. */
static inline bool message_to_forge(unsigned n, const uint64_t *, const uint32_t *)
{
	return n == 0;
}

bool irq_devices_known(void); /* whether the two cases can be run */
void irq_controllers_are_not_given_away(void);
void irq_delivery(void);

#endif
