/* SPDX-License-Identifier: MIT */
/* Ranges of a host bridge, see pci_ranges.h. */
#include <lib/pci_ranges.h>
#include <libfdt.h>
#include <stddef.h>

/* A bus address has three cells, the first of which says of what kind it is; a size has two. */
enum : unsigned { BUS_CELLS = 3, SIZE_CELLS = 2, SPACE_SHIFT = 24, SPACE_MASK = 3, SPACE_PREFETCHABLE = 1u << 30 };

static uint64_t number(const fdt32_t *cells, unsigned count)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < count; i++)
		value = value << 32 | fdt32_ld(cells + i);
	return value;
}

bool pci_range_from_devicetree(const void *fdt, int node, unsigned index, struct pci_range *out, bool *more)
{
	int bytes, above = fdt_parent_offset(fdt, node), cells;
	const fdt32_t *ranges = fdt_getprop(fdt, node, "ranges", &bytes);
	const fdt32_t *given = above >= 0 ? fdt_getprop(fdt, above, "#address-cells", &cells) : nullptr;
	uint32_t cpu_cells = given != nullptr && cells == 4 ? fdt32_ld(given) : 2;
	size_t step = (BUS_CELLS + (size_t)cpu_cells + SIZE_CELLS) * sizeof(*ranges), end;

	*more = false;
	if (ranges == nullptr || bytes < 0 || cpu_cells == 0 || cpu_cells > 2 || (size_t)bytes / step <= index)
		return false;
	*more = (size_t)bytes / step > (size_t)index + 1;
	ranges += index * (step / sizeof(*ranges));
	uint32_t space = fdt32_ld(ranges);
	*out = (struct pci_range){.kind = (enum pci_range_kind)(space >> SPACE_SHIFT & SPACE_MASK),
				  .prefetchable = (space & SPACE_PREFETCHABLE) != 0,
				  .bus = number(ranges + 1, BUS_CELLS - 1),
				  .cpu = number(ranges + BUS_CELLS, cpu_cells),
				  .size = number(ranges + BUS_CELLS + cpu_cells, SIZE_CELLS)};
	return out->size != 0 && !__builtin_add_overflow(out->bus, out->size - 1, &end) &&
	       !__builtin_add_overflow(out->cpu, out->size - 1, &end);
}
