/* SPDX-License-Identifier: MIT */
/* libFuzzer: any bytes as messages of netlink with attributes, and attributes in those. No read is outside. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <lib/netlink.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t look(const uint8_t *bytes, size_t n, int depth)
{
	struct netlink_attribute table[64];
	uint32_t sum = 0;

	if (!netlink_attributes(bytes, n, table, 64))
		return 0;
	for (size_t type = 0; type < 64; type++) {
		if (table[type].data == nullptr)
			continue;
		assert(table[type].data >= bytes && table[type].data + table[type].length <= bytes + n);
		for (size_t i = 0; i < table[type].length; i++)
			sum += table[type].data[i];
		if (depth > 0)
			sum += look(table[type].data, table[type].length, depth - 1);
	}
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *own = malloc(size ? size : 1);
	struct netlink_message m;
	volatile uint32_t sum = 0;
	size_t at = 0;

	memcpy(own, data, size);
	while (netlink_next(own, size, &at, &m)) {
		assert(at <= size && m.payload + m.length <= own + size);
		sum += look(m.payload, m.length, 1);
		if (m.length >= 16)
			sum += look(m.payload + 16, m.length - 16, 1);
	}
	free(own);
	return 0;
}
