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

/* Whether a device's messages go through its IOMMU's tables, to a doorbell. */
constexpr bool MESSAGES_ARE_TRANSLATED = false;

/* The n-th message to be tried in the name of a function, of which it is given the own one. false: there are no more.
 * Those that carry a vector, but name an entry that no line has (Intel VT-d 4.1, 5.1.2.2): where messages are not
 * remapped it is the vector that counts, and the CPU is the first. */
static inline bool message_to_forge(unsigned n, uint64_t *address, uint32_t *data)
{
	constexpr uint64_t REMAPPABLE = 0xfee00010, UNUSED = 127;

	*address = REMAPPABLE | UNUSED << 5;
	*data = 0x30 + n;
	return n < 8;
}

bool irq_devices_known(void); /* whether the two cases can be run */
void irq_controllers_are_not_given_away(void);
void irq_delivery(void);

#endif
