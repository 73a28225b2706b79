/* SPDX-License-Identifier: MIT */
/* Questions to a flattened device tree, see devicetree.h. Section numbers are those of the specification's release 0.4.
 */
#include <lib/devicetree.h>
#include <lib/string.h>
#include <libfdt.h>

bool devicetree_check(const void *fdt, size_t size)
{
	/* libfdt reads words where they lie, but does not check that they lie at words (5.6). */
	return (uintptr_t)fdt % 8 == 0 && size >= FDT_V1_SIZE && fdt_off_dt_struct(fdt) % 4 == 0 &&
	       fdt_off_mem_rsvmap(fdt) % 8 == 0 && fdt_check_full(fdt, size) == 0;
}

bool devicetree_enabled(const void *fdt, int node)
{
	const char *status = devicetree_string(fdt, node, "status");

	return !status || !strcmp(status, "okay") || !strcmp(status, "ok");
}

bool devicetree_is(const void *fdt, int node, const char *const *names)
{
	for (; *names; names++)
		if (fdt_node_check_compatible(fdt, node, *names) == 0)
			return true;
	return false;
}

int devicetree_next(const void *fdt, int after)
{
	return fdt_next_node(fdt, after, nullptr);
}

const char *devicetree_name(const void *fdt, int node)
{
	const char *name = fdt_get_name(fdt, node, nullptr);

	return name ? name : "";
}

int devicetree_find_any(const void *fdt, int after, const char *const *names)
{
	int node = after;

	do
		node = fdt_next_node(fdt, node, nullptr);
	while (node >= 0 && !devicetree_is(fdt, node, names));
	return node;
}

int devicetree_find(const void *fdt, int after, const char *const *names)
{
	int node = after;

	do
		node = devicetree_find_any(fdt, node, names);
	while (node >= 0 && !devicetree_enabled(fdt, node));
	return node;
}

/* --- property values --- */

static uint32_t cell(const fdt32_t *cells, size_t index)
{
	return fdt32_ld(cells + index);
}

/* A property that is an array of cells; *count is 0 when it is not. */
static const fdt32_t *cells_of(const void *fdt, int node, const char *property, size_t *count)
{
	int length;
	const fdt32_t *value = fdt_getprop(fdt, node, property, &length);

	*count = value && length % 4 == 0 ? (size_t)length / 4 : 0;
	return value;
}

/* A number of `count` cells. false: it does not fit into 64 bits. */
static bool read_number(const fdt32_t *cells, unsigned count, uint64_t *value)
{
	*value = 0;
	for (unsigned i = 0; i < count; i++) {
		if (*value >> 32)
			return false;
		*value = *value << 32 | cell(cells, i);
	}
	return true;
}

bool devicetree_u32(const void *fdt, int node, const char *property, uint32_t *value)
{
	size_t count;
	const fdt32_t *cells = cells_of(fdt, node, property, &count);

	if (count != 1)
		return false;
	*value = cell(cells, 0);
	return true;
}

bool devicetree_number(const void *fdt, int node, const char *property, uint64_t *value)
{
	size_t count;
	const fdt32_t *cells = cells_of(fdt, node, property, &count);

	return (count == 1 || count == 2) && read_number(cells, (unsigned)count, value);
}

const char *devicetree_string(const void *fdt, int node, const char *property)
{
	int length;
	const char *value = fdt_getprop(fdt, node, property, &length);

	return value && length > 0 && memchr(value, 0, (size_t)length) ? value : nullptr;
}

int devicetree_string_index(const void *fdt, int node, const char *property, const char *string)
{
	return fdt_stringlist_search(fdt, node, property, string);
}

static int by_phandle(const void *fdt, uint32_t phandle)
{
	/* These two values mean "none" (2.3.3) and would only make libfdt search in vain. */
	return phandle == 0 || phandle == UINT32_MAX ? -FDT_ERR_BADPHANDLE : fdt_node_offset_by_phandle(fdt, phandle);
}

int devicetree_reference(const void *fdt, int node, const char *property)
{
	size_t count;
	const fdt32_t *cells = cells_of(fdt, node, property, &count);

	return count ? by_phandle(fdt, cell(cells, 0)) : -FDT_ERR_NOTFOUND;
}

/* --- addresses (2.3.5, 2.3.6, 2.3.8) --- */

/* How many cells the children of `bus` write an address or a size with. Negative: more than any bus has. (libfdt's own
 * fdt_address_cells shares its file with functions that write.) */
static int cells_below(const void *fdt, int bus, const char *property, uint32_t otherwise)
{
	uint32_t count = otherwise;

	if (fdt_getprop(fdt, bus, property, nullptr) && !devicetree_u32(fdt, bus, property, &count))
		return -1;
	return count <= DEVICETREE_CELLS_MAX ? (int)count : -1;
}

static int address_cells_below(const void *fdt, int bus)
{
	int count = cells_below(fdt, bus, "#address-cells", 2);

	return count == 0 ? -1 : count;
}

static int size_cells_below(const void *fdt, int bus)
{
	return cells_below(fdt, bus, "#size-cells", 1);
}

/* One bus upwards: from the addresses that the children of `bus` use to those that bus itself uses. */
static bool translate_once(const void *fdt, int bus, int above, uint64_t *address, uint64_t size)
{
	int child = address_cells_below(fdt, bus), length = size_cells_below(fdt, bus);
	int parent = address_cells_below(fdt, above), bytes;
	const fdt32_t *ranges = fdt_getprop(fdt, bus, "ranges", &bytes);

	if (!ranges || child < 0 || length < 0 || parent < 0)
		return false;
	if (bytes == 0)
		return true; /* the same addresses */
	for (int step = (child + parent + length) * 4, at = 0; step <= bytes - at; at += step) {
		const fdt32_t *entry = ranges + at / 4;
		uint64_t from, to, span;

		if (!read_number(entry, (unsigned)child, &from) || !read_number(entry + child, (unsigned)parent, &to) ||
		    !read_number(entry + child + parent, (unsigned)length, &span))
			continue;
		if (*address < from || *address - from >= span || size > span - (*address - from))
			continue;
		if (__builtin_add_overflow(to, *address - from, address))
			return false;
		return true;
	}
	return false;
}

bool devicetree_reg(const void *fdt, int node, unsigned index, uint64_t *phys, uint64_t *size)
{
	int bus = fdt_parent_offset(fdt, node), address_cells, size_cells;
	size_t count, step;
	const fdt32_t *cells = cells_of(fdt, node, "reg", &count);

	if (bus < 0)
		return false;
	address_cells = address_cells_below(fdt, bus);
	size_cells = size_cells_below(fdt, bus);
	if (address_cells < 0 || size_cells < 0)
		return false;
	step = (size_t)address_cells + (size_t)size_cells;
	if (count / step <= index)
		return false;
	cells += index * step;
	if (!read_number(cells, (unsigned)address_cells, phys) ||
	    !read_number(cells + address_cells, (unsigned)size_cells, size))
		return false;
	while (bus != 0) {
		int above = fdt_parent_offset(fdt, bus);

		if (above < 0 || !translate_once(fdt, bus, above, phys, *size))
			return false;
		bus = above;
	}
	return *phys + *size >= *phys;
}

bool devicetree_coherent(const void *fdt, int node)
{
	for (; node >= 0; node = node == 0 ? -FDT_ERR_NOTFOUND : fdt_parent_offset(fdt, node)) {
		if (fdt_getprop(fdt, node, "dma-coherent", nullptr))
			return true;
		if (fdt_getprop(fdt, node, "dma-noncoherent", nullptr))
			return false;
	}
	return false;
}

/* --- interrupts (2.4) --- */

/* Whose language the node's `interrupts` are in. */
static int interrupt_parent(const void *fdt, int node)
{
	uint32_t phandle;

	while (node >= 0) {
		if (devicetree_u32(fdt, node, "interrupt-parent", &phandle))
			return by_phandle(fdt, phandle);
		node = node == 0 ? -FDT_ERR_NOTFOUND : fdt_parent_offset(fdt, node);
		if (node >= 0 && fdt_getprop(fdt, node, "#interrupt-cells", nullptr))
			return node;
	}
	return node;
}

/* How many cells that controller wants; 0: it is none, or one whose cells we cannot hold. */
static unsigned interrupt_cells(const void *fdt, int controller)
{
	uint32_t count;

	if (controller < 0 || !fdt_getprop(fdt, controller, "interrupt-controller", nullptr) ||
	    !devicetree_u32(fdt, controller, "#interrupt-cells", &count) || count > DEVICETREE_CELLS_MAX)
		return 0;
	return count;
}

static bool take_interrupt(const fdt32_t *cells, size_t left, int controller, unsigned count,
			   struct devicetree_interrupt *out)
{
	if (count == 0 || count > left)
		return false;
	out->controller = controller;
	out->count = count;
	for (unsigned i = 0; i < count; i++)
		out->cells[i] = cell(cells, i);
	return true;
}

bool devicetree_interrupt(const void *fdt, int node, unsigned index, struct devicetree_interrupt *out)
{
	size_t count;
	const fdt32_t *cells = cells_of(fdt, node, "interrupts-extended", &count);
	int controller;
	unsigned step;

	if (cells) {
		for (size_t at = 0; at < count; at += 1 + step) {
			controller = by_phandle(fdt, cell(cells, at));
			step = interrupt_cells(fdt, controller);
			if (index-- == 0)
				return take_interrupt(cells + at + 1, count - at - 1, controller, step, out);
			if (step == 0)
				return false;
		}
		return false;
	}
	cells = cells_of(fdt, node, "interrupts", &count);
	if (count == 0)
		return false;
	controller = interrupt_parent(fdt, node);
	step = interrupt_cells(fdt, controller);
	if (step == 0 || count / step <= index)
		return false;
	return take_interrupt(cells + (size_t)index * step, step, controller, step, out);
}

bool devicetree_interrupt_map(const void *fdt, int node, uint32_t function, uint32_t pin,
			      struct devicetree_interrupt *out)
{
	enum { KEY = 4, HEAD = KEY + 1 }; /* three cells of address and the pin; then the controller */
	const uint32_t wanted[KEY] = {function, 0, 0, pin};
	size_t count, masks, rest;
	const fdt32_t *map = cells_of(fdt, node, "interrupt-map", &count);
	const fdt32_t *mask = cells_of(fdt, node, "interrupt-map-mask", &masks);

	for (size_t at = 0; map && at + HEAD <= count; at += HEAD + rest) {
		int controller = by_phandle(fdt, cell(map, at + KEY));
		size_t address = controller < 0 ? 0 : (size_t)cells_below(fdt, controller, "#address-cells", 0);
		unsigned step = interrupt_cells(fdt, controller);
		bool same = true;

		rest = address + step;
		if (step == 0 || rest > count - at - HEAD)
			return false;
		for (unsigned i = 0; i < KEY; i++) {
			uint32_t bits = masks == KEY ? cell(mask, i) : UINT32_MAX;

			same = same && (wanted[i] & bits) == (cell(map, at + i) & bits);
		}
		if (same)
			return take_interrupt(map + at + HEAD + address, step, controller, step, out);
	}
	return false;
}

/* Without a map functions are known by their own numbers (Linux's binding pci/pci-msi.txt); a number that is said here
 * would be the bridge's own. */
static bool by_msi_parent(const void *fdt, int node, struct devicetree_requesters *out)
{
	size_t count;
	const fdt32_t *parent = cells_of(fdt, node, "msi-parent", &count);

	if (!parent || count == 0 || (count > 1 && cell(parent, 1) != 0))
		return false;
	*out = (struct devicetree_requesters){
		.mask = 0xffff, .controller = by_phandle(fdt, cell(parent, 0)), .count = 0x10000};
	return true;
}

bool devicetree_map(const void *fdt, int node, enum devicetree_map which, unsigned index,
		    struct devicetree_requesters *out)
{
	enum { ENTRY = 4 };
	bool msi = which == DEVICETREE_MSI_MAP;
	size_t count;
	const fdt32_t *map = cells_of(fdt, node, msi ? "msi-map" : "iommu-map", &count);

	if (msi && !map && index == 0)
		return by_msi_parent(fdt, node, out);
	if (!map || index >= count / ENTRY)
		return false;
	map += (size_t)index * ENTRY;
	*out = (struct devicetree_requesters){.first = cell(map, 0),
					      .mask = 0xffff,
					      .controller = by_phandle(fdt, cell(map, 1)),
					      .id = cell(map, 2),
					      .count = cell(map, 3)};
	(void)devicetree_u32(fdt, node, msi ? "msi-map-mask" : "iommu-map-mask", &out->mask);
	return true;
}

/* --- particular nodes --- */

int devicetree_stdout(const void *fdt)
{
	int chosen = fdt_path_offset(fdt, "/chosen");
	const char *path = chosen < 0 ? nullptr : devicetree_string(fdt, chosen, "stdout-path"), *end;

	if (chosen >= 0 && !path)
		path = devicetree_string(fdt, chosen, "linux,stdout-path");
	if (!path)
		return -FDT_ERR_NOTFOUND;
	/* Behind a colon are the line's settings (3.6). */
	end = strchr(path, ':');
	return fdt_path_offset_namelen(fdt, path, end ? (int)(end - path) : (int)strlen(path));
}

int devicetree_cpu(const void *fdt, int after, struct devicetree_cpu *out)
{
	int cpus = fdt_path_offset(fdt, "/cpus"), node;

	if (cpus < 0)
		return cpus;
	for (node = after < 0 ? fdt_first_subnode(fdt, cpus) : fdt_next_subnode(fdt, after); node >= 0;
	     node = fdt_next_subnode(fdt, node)) {
		const char *type = devicetree_string(fdt, node, "device_type");
		const char *method = devicetree_string(fdt, node, "enable-method");

		/* "disabled" CPUs are those that an enable-method can start (3.8.1); others never run. */
		if (!type || strcmp(type, "cpu") != 0 || !devicetree_number(fdt, node, "reg", &out->id))
			continue;
		if (!devicetree_enabled(fdt, node) && !method)
			continue;
		out->method = ENABLE_UNKNOWN;
		out->release_address = 0;
		if (method && !strcmp(method, "psci"))
			out->method = ENABLE_PSCI;
		else if (method && !strcmp(method, "spin-table") &&
			 devicetree_number(fdt, node, "cpu-release-addr", &out->release_address))
			out->method = ENABLE_SPIN_TABLE;
		return node;
	}
	return node;
}
