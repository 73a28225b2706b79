/* SPDX-License-Identifier: MIT */
/*
 * Questions to a flattened device tree (Devicetree Specification 0.4), over libfdt's reading half. A tree that
 * devicetree_check accepted can be asked anything: answers are bounds-checked, a malformed property is an absent one.
 * Nodes are libfdt's offsets: negative is none, and 0 is the root. Nothing is allocated, nothing is written but by
 * devicetree_copy; results point into the tree.
 */
#ifndef LIB_DEVICETREE_H
#define LIB_DEVICETREE_H

#include <stddef.h>
#include <stdint.h>

enum { DEVICETREE_CELLS_MAX = 4, DEVICETREE_SIZE_MAX = 2 << 20 };

/* Whether `size` readable bytes at fdt hold a whole, well-formed tree. */
[[nodiscard]] bool devicetree_check(const void *fdt, size_t size);
/* What the tree says it takes, from its first 8 bytes. 0: no tree, or one that is implausibly large. */
size_t devicetree_size(const void *fdt);
/* Bytes that a copy needs: firmware may leave much room behind the tree. At most devicetree_size; 0: as that. */
size_t devicetree_used(const void *fdt);
/* The tree, checked or not, without the room behind it; `to` has devicetree_used bytes. (These three do without
 * libfdt.) */
void devicetree_copy(void *to, const void *fdt);

/* The next node after `after` (-1: the root), parents before their children; negative: no more. Its name with the
 * unit's address, as the tree has it. */
int devicetree_next(const void *fdt, int after);
const char *devicetree_name(const void *fdt, int node);
/* The next node after `after` (-1: from the start) that is compatible with one of the nullptr-ended names and whose
 * status does not say otherwise; negative: no more. */
int devicetree_find(const void *fdt, int after, const char *const *names);
/* The same whatever its status: firmware keeps devices to itself by saying that they are disabled. */
int devicetree_find_any(const void *fdt, int after, const char *const *names);
bool devicetree_is(const void *fdt, int node, const char *const *names);
bool devicetree_enabled(const void *fdt, int node);
/* By phandle property; negative: none. */
int devicetree_reference(const void *fdt, int node, const char *property);

/* Property values; false or nullptr when absent or of another form. _number takes one or two cells. */
bool devicetree_u32(const void *fdt, int node, const char *property, uint32_t *value);
bool devicetree_number(const void *fdt, int node, const char *property, uint64_t *value);
const char *devicetree_string(const void *fdt, int node, const char *property);
/* Position of a string in a list of strings; negative: not there. */
int devicetree_string_index(const void *fdt, int node, const char *property, const char *string);

/* Whether devices of the node look into the CPUs' caches: it, or the nearest one above that says anything, has
 * dma-coherent and not dma-noncoherent (2.3.10). */
bool devicetree_coherent(const void *fdt, int node);

/* The index-th region of `reg`, as a CPU address: translated through the ranges of every bus above. false: not there,
 * or not reachable by the CPU. */
[[nodiscard]] bool devicetree_reg(const void *fdt, int node, unsigned index, uint64_t *phys, uint64_t *size);

struct devicetree_interrupt {
	int controller;
	unsigned count;
	uint32_t cells[DEVICETREE_CELLS_MAX]; /* in the controller's language */
};
/* The index-th interrupt, of interrupts-extended or else interrupts. false: none, or its parent is a map. */
[[nodiscard]] bool devicetree_interrupt(const void *fdt, int node, unsigned index, struct devicetree_interrupt *out);

/* What a wire of a PCI function leads to: the entry of the host bridge's interrupt-map (Devicetree Specification 0.4,
 * 2.4.3; PCI Bus Binding to Open Firmware, 4) for the function's first cell (bus << 16 | device << 11 | function << 8)
 * and pin (1 to 4). false: none. */
[[nodiscard]] bool devicetree_interrupt_map(const void *fdt, int node, uint32_t function, uint32_t pin,
					    struct devicetree_interrupt *out);

/* A host bridge's maps from requester ids to what a controller knows the sender as (Linux's bindings pci/pci-msi.txt
 * and pci/pci-iommu.txt). With msi-parent and no msi-map it is one entry, for all by their own numbers. */
enum devicetree_map : uint8_t { DEVICETREE_MSI_MAP, DEVICETREE_IOMMU_MAP };
struct devicetree_requesters {
	uint32_t first, count; /* requester ids; with the bits of the map's mask */
	uint32_t mask;
	int controller;
	uint32_t id; /* what the controller knows the first as */
};
/* The index-th entry. false: no more. */
[[nodiscard]] bool devicetree_map(const void *fdt, int node, enum devicetree_map map, unsigned index,
				  struct devicetree_requesters *out);

/* The node that /chosen/stdout-path names, by path or alias; negative: none. */
int devicetree_stdout(const void *fdt);

enum devicetree_enable : uint8_t { ENABLE_UNKNOWN, ENABLE_PSCI, ENABLE_SPIN_TABLE };
struct devicetree_cpu {
	uint64_t id; /* reg: on ARM the affinity fields of MPIDR */
	enum devicetree_enable method;
	uint64_t release_address; /* ENABLE_SPIN_TABLE: where the CPU looks for its entry */
};
/* The next usable CPU after node `after` (-1: the first). Its node; negative: no more. */
int devicetree_cpu(const void *fdt, int after, struct devicetree_cpu *out);

#endif
