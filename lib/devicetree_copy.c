/* SPDX-License-Identifier: MIT */
/* Size and copy of a flattened device tree, from its header alone (Devicetree Specification 0.4, 5.2). */
#include <lib/devicetree.h>
#include <lib/string.h>

enum : uint32_t { MAGIC = 0xd00dfeed, HEADER_BYTES = 40, FIRST_WITH_STRUCT_SIZE = 17 };
enum header_field : uint8_t {
	TREE_MAGIC = 0,
	TREE_SIZE = 4,
	TREE_STRUCT = 8,
	TREE_STRINGS = 12,
	TREE_RESERVED = 16,
	TREE_VERSION = 20,
	TREE_STRINGS_SIZE = 32,
	TREE_STRUCT_SIZE = 36,
};

static uint32_t field(const void *fdt, enum header_field at)
{
	const unsigned char *p = (const unsigned char *)fdt + at;

	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

size_t devicetree_size(const void *fdt)
{
	uint32_t size;

	if (field(fdt, TREE_MAGIC) != MAGIC)
		return 0;
	size = field(fdt, TREE_SIZE);
	return size >= HEADER_BYTES && size <= DEVICETREE_SIZE_MAX ? size : 0;
}

size_t devicetree_used(const void *fdt)
{
	size_t size = devicetree_size(fdt), structure, strings, used;

	/* Blocks in another order than usual may have the one without a length last. */
	if (size == 0 || field(fdt, TREE_VERSION) < FIRST_WITH_STRUCT_SIZE ||
	    field(fdt, TREE_RESERVED) > field(fdt, TREE_STRUCT))
		return size;
	structure = (size_t)field(fdt, TREE_STRUCT) + field(fdt, TREE_STRUCT_SIZE);
	strings = (size_t)field(fdt, TREE_STRINGS) + field(fdt, TREE_STRINGS_SIZE);
	used = structure > strings ? structure : strings;
	return used >= HEADER_BYTES && used <= size ? used : size;
}

void devicetree_copy(void *to, const void *fdt)
{
	size_t n = devicetree_used(fdt);
	unsigned char *size = (unsigned char *)to + TREE_SIZE;

	memcpy(to, fdt, n);
	for (int i = 0; i < 4; i++)
		size[i] = (unsigned char)(n >> (24 - 8 * i));
}
