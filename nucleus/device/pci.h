/* SPDX-License-Identifier: MIT */
/*
 * PCI configuration space, which only the nucleus reaches (PCI Local Bus 3.0, chapter 6; PCIe Base 4.0, chapter 7):
 * anybody may read, what is written is known to be harmless. Lock: the nucleus lock.
 */
#ifndef NUCLEUS_PCI_H
#define NUCLEUS_PCI_H

#include "device/claim.h"
#include <lib/pci_ecam.h>

/* Boot: takes the regions; none: the machine's older way, if it has one. */
void pci_init(const struct pci_ecam *ecams, unsigned count);

/* Fills in what the function's BARs take. 0, -ENODEV, or -EPERM: nobody may claim it. */
long pci_claim(struct claim *c, uint32_t function);
/* A claim begins or ends: no bus mastering, no interrupts. */
void pci_quieten(const struct claim *c);
/* How many messages the function can send: MSI-X's, else 1 for MSI, else 0. */
uint32_t pci_message_count(const struct claim *c);
/* From now on the function's message is a write of data to address. */
void pci_message_set(const struct claim *c, uint32_t index, uint64_t address, uint32_t data);
/* MSI-X: the message is not sent. MSI: switched off. */
void pci_message_mask(const struct claim *c, uint32_t index);

/* A register of 1, 2 or 4 bytes; all ones where nothing is. */
uint32_t pci_register(uint32_t function, uint32_t offset, uint32_t bytes);
void pci_register_write(uint32_t function, uint32_t offset, uint32_t bytes, uint32_t value);
void pci_register_change(uint32_t function, uint32_t offset, uint32_t clear, uint32_t set); /* of 2 bytes */
uint32_t pci_capability(uint32_t function, enum pci_capability id);			    /* 0: it has none */
/* The function whose number is on what this one reads and writes (pci_requester.c). */
uint32_t pci_requester(uint32_t function);
/* What is in `count` BARs and how many bits they have, nothing being decoded meanwhile. */
void pci_measure(uint32_t function, unsigned count, struct pci_bars *out);
struct claim_range pci_bar_range(const struct pci_bar *b);
/* What a bridge would pass on if that register of its windows (0: none) were written. */
void pci_windows(uint32_t function, uint32_t offset, uint32_t value, struct pci_windows *out);
/* As when the function was claimed. Decodes nothing then. */
void pci_restore_bars(const struct claim *c);
/* The same first if nothing was decoded: a reset empties the registers. */
void pci_command_write(const struct claim *c, uint32_t value);

/* The page at phys, which is no RAM, for the nucleus until the next call. */
void *device_window(uint64_t phys);

/* The architecture's, only where ARCH_PORTS says that there are ports: configuration space by them, and which of them
 * are the nucleus's. */
uint32_t arch_pci_read32(uint32_t function, uint32_t offset);
void arch_pci_write(uint32_t function, uint32_t offset, uint32_t bytes, uint32_t value);
bool arch_port_owned(uint32_t start, uint32_t end);

#endif
