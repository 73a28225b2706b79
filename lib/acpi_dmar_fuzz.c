/* SPDX-License-Identifier: MIT */
/* libFuzzer: any bytes as a DMAR table, with any bridges. No read is outside of it, and every answer is in range. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <lib/acpi_dmar.h>

static const uint8_t *bridges;
static size_t bridge_bytes;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool bridge(uint32_t function, uint8_t *secondary, uint8_t *last)
{
	if (!bridge_bytes || bridges[function % bridge_bytes] & 1)
		return false;
	*secondary = bridges[(function >> 3) % bridge_bytes];
	*last = bridges[(function >> 8) % bridge_bytes];
	return true;
}

static void check_scopes(const struct dmar *d, struct dmar_scopes s)
{
	assert(s.first <= d->scope_count && s.count <= d->scope_count - s.first);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct dmar d;
	const struct dmar_unit *u;

	if (size < 8)
		return 0;
	bridges = data;
	bridge_bytes = data[0] % 8;
	/* Of its own, so that the sanitizer sees both ends. */
	unsigned char *table = malloc(size - 8 ? size - 8 : 1);

	memcpy(table, data + 8, size - 8);
	if (dmar_parse(table, size - 8, &d) == nullptr) {
		assert(d.unit_count <= DMAR_UNITS_MAX && d.range_count <= DMAR_RANGES_MAX &&
		       d.scope_count <= DMAR_SCOPES_MAX);
		for (unsigned i = 0; i < d.unit_count; i++) {
			assert(d.unit[i].base && d.unit[i].base % 4096 == 0);
			check_scopes(&d, d.unit[i].scopes);
		}
		for (unsigned i = 0; i < d.range_count; i++) {
			assert(d.range[i].start < d.range[i].end && d.range[i].end <= 1ull << 48);
			check_scopes(&d, d.range[i].scopes);
			(void)dmar_has(&d, d.range[i].scopes, d.range[i].segment, data[1], bridge);
		}
		for (unsigned i = 0; i < d.scope_count; i++)
			assert(d.scope[i].steps <= DMAR_STEPS_MAX);
		for (uint32_t function = 0; function < 0x20000; function += 0x101) {
			u = dmar_unit_of(&d, function, bridge);
			assert(!u || u->segment == function >> 16);
		}
	}
	free(table);
	return 0;
}
