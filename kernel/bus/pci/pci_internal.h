/* SPDX-License-Identifier: MIT */
/* What the files of the PCI bus share: pci.c (the bus), enumerate.c (who is there), place.c (addresses of BARs),
 * wire.c (where INTx leads), sys.c and proc.c (what processes see). */
#ifndef PCI_PCI_INTERNAL_H
#define PCI_PCI_INTERNAL_H

#include <kernel/bus/pci.h>
#include <kernel/thread/component.h>

DECLARE_COMPONENT(pci);

/* Of a device of this bus; does not change once it was added. */
struct pci_device {
	uint32_t function;
	struct pci_identity identity;
	struct pci_bar bar[PCI_BARS_MAX];
	struct pci_msix msix; /* vectors 0: it has none */
	/* the device's thread's */
	unsigned messages; /* that its claim has */
	bool claimed;
};

static inline struct pci_device *pci_of(const struct device *dev)
{
	return device_bus_data(dev);
}

/* Ways to the registers of *function, for lib/pci_config.h. */
struct pci_config pci_registers(uint32_t *function);

/* Address ranges that what is on a bus may have. */
struct pci_windows_above {
	struct pci_windows of; /* closed ones: base > limit */
	bool known;	       /* by the bridge above; of a root bus they are not */
};

/* sys.c: what the bus has in /sys. */
int pci_entries(struct device *dev, struct tree_node *directory);
void pci_uevent(struct device *dev, struct text_buffer *b);
/* What a process gets of registers from pos on: their header, with CAP_SYS_ADMIN all. How many bytes. */
long pci_read_for_process(uint32_t function, void *to, size_t n, uint64_t pos);
uint64_t pci_bar_bits(const struct pci_bar *bar); /* the lowest, which say what kind of BAR it is */
/* Of its wire: 0 if it has none, or nobody knows where it leads. */
static inline uint32_t pci_shown_line(const struct pci_identity *id)
{
	return id->interrupt_pin != 0 && id->interrupt_line != 0xff ? id->interrupt_line : 0;
}

/* proc.c: its file in /proc/bus/pci. */
void pci_proc_add(const struct device *dev);

/* place.c: notes where the function's BARs stand; of all functions before the first is placed. */
void pci_survey_bars(uint32_t function, const struct pci_identity *id);
/* Measures the BARs and gives those an address that have none, or share a page with another's. */
void pci_place_bars(struct pci_device *p, const struct pci_windows_above *above);

/* wire.c: where INTx leads. -ENOENT: it has none, or it is not known where. */
[[nodiscard]] int pci_wire(const struct device *dev, struct device_line *out);

#endif
