/* SPDX-License-Identifier: MIT */
/*
 * Numbers for the buses below bridges that firmware gave none (PCI-to-PCI Bridge 1.2, 3.2.5.2 to 3.2.5.4). What is
 * below a bridge has a range of its own within that of the bus the bridge is on. Bridges of one bus that have none get
 * equal shares of the longest range that is free there: nobody knows yet how many buses are below each, or will be
 * plugged in. Pure.
 */
#ifndef LIB_PCI_BUSES_H
#define LIB_PCI_BUSES_H

#include <stdint.h>

/* Which numbers are taken, of those below one bus. */
struct pci_buses {
	uint64_t taken[4];
};

/* Takes [first, last]. False, and nothing is taken: it is no range, or not free. */
bool pci_buses_take(struct pci_buses *b, unsigned first, unsigned last);
/* Whether it is taken. bus: of 0 … 255. */
bool pci_buses_taken(const struct pci_buses *b, unsigned bus);
/* The longest free range in (bus, last], the first of several. False: there is none. */
bool pci_buses_free(const struct pci_buses *b, unsigned bus, unsigned last, unsigned *first, unsigned *end);
/* Of [*first, end], the range of the next of so many bridges: takes it and moves *first behind it. False: nothing is
 * left. bridges > 0. */
bool pci_buses_share(struct pci_buses *b, unsigned *first, unsigned end, unsigned bridges, uint8_t *secondary,
		     uint8_t *subordinate);

#endif
