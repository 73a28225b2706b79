/* SPDX-License-Identifier: MIT */
/* What the files of the PCI bus share: pci.c (the bus), enumerate.c (who is there), number.c (buses behind bridges),
 * place.c (addresses of BARs and windows), root.c (addresses that lead to a root bus), wire.c (where INTx leads), sys.c
 * and proc.c (what processes see). What has no lock is the walker's (enumerate.c). */
#ifndef PCI_PCI_INTERNAL_H
#define PCI_PCI_INTERNAL_H

#include <kernel/base/init.h>
#include <kernel/bus/pci.h>
#include <kernel/thread/component.h>

DECLARE_COMPONENT(pci);

constexpr uint64_t END_OF_32_BITS = UINT64_C(1) << 32;

/* Of a device of this bus; does not change once it was added. */
struct pci_device {
	uint32_t function;
	struct pci_identity identity;
	struct pci_bar bar[PCI_BARS_MAX];
	struct pci_msix msix; /* vectors 0: it has none */
	uint32_t resets;      /* atomic; odd: it is being reset, and its registers may be empty */
	uint32_t slot;	      /* of a port with a slot for plugging: where its PCI Express capability is; else 0 */
	/* what such a port's driver asked for; atomic */
	uint32_t below;		    /* enum pci_below */
	uint32_t asked, gone, done; /* gone: `asked` when it was PCI_BELOW_GONE last */
	/* the device's thread's */
	unsigned messages; /* that its claim has */
	bool claimed;
};

static inline struct pci_device *pci_of(const struct device *dev)
{
	return device_bus_data(dev);
}

/* pci.c: the nucleus has silenced the function, since its DMA strayed under that claim: the round that has it ends. */
void pci_strayed(uint32_t function, uint64_t claim);

/* Ways to the registers of *function, for lib/pci_config.h. */
struct pci_config pci_registers(uint32_t *function);

/* A bus, what is known of those below it, and the bridge that leads to it. */
constexpr uint32_t PCI_NO_FUNCTION = UINT32_MAX;
struct pci_place {
	uint32_t segment;
	uint8_t bus, last;	    /* last: of the buses that are below the bridge */
	uint32_t bridge;	    /* PCI_NO_FUNCTION: a root bus */
	struct device *parent;	    /* the bridge */
	struct pci_windows windows; /* addresses that lead there; closed ones: base > limit */
};
/* enumerate.c: the function after *function (PCI_NO_FUNCTION: the first) of a bus. False: no more. */
bool pci_bus_each(const struct pci_place *at, uint32_t *function, struct pci_identity *id);

/* presence.c: whether what was found is there still, and is what it was. Waits for what does not answer. */
bool pci_is_there(const struct device *dev);

/* number.c: gives numbers to the bridges of a bus that have none, or none that can be. */
void pci_number_bridges(const struct pci_place *at);
/* Whether what a bridge on that bus has can be. */
bool pci_numbers_fit(const struct pci_place *at, const struct pci_identity *id);

/* root.c: keeps off what is no function's; before anything is placed. */
void pci_root_reserve(void);
/* Addresses that lead to a root bus. */
void pci_root_windows(const struct pci_ecam *p, struct pci_windows *out);
/* Tells the nucleus what shows ports, once, before anybody can map it. */
void pci_root_tell_ports(const struct pci_ecam *p);
/* Where CPUs reach ports of a segment in memory. False: nowhere, or it is not known. */
bool pci_ports_in_memory(uint32_t segment, uint64_t port, uint64_t bytes, uint64_t *phys);

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

/* place.c: notes where the function's BARs are, and what it passes on; of all before the first is placed. */
void pci_survey(uint32_t function, const struct pci_identity *id);
/* Measures the BARs and gives those an address that have none, or share a page with another's. */
void pci_place_bars(struct pci_device *p, const struct pci_place *at);
/* Has a bridge of `at` pass on memory to `below` if something there needs it and nothing is passed on. */
void pci_place_windows(const struct pci_place *at, const struct pci_place *below, const struct pci_identity *id);
/* Functions of those numbers are there no more. */
void pci_forget(uint32_t first, uint32_t last);
/* All below an address that functions of these numbers have taken; base > limit: nothing. */
struct pci_window pci_span(uint32_t first, uint32_t last, uint64_t end);
/* Nothing is placed there. index: another for each, below 256. bytes > 0. */
void pci_reserve(unsigned index, uint64_t start, uint64_t bytes);

/* wire.c: the node of a segment's host bridge in the device tree; negative: none. */
int pci_host_node(uint32_t segment, const void **fdt);
/* wire.c: where INTx leads. -ENOENT: it has none, or it is not known where. */
[[nodiscard]] int pci_wire(const struct device *dev, struct device_line *out);

#endif
