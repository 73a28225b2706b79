/* SPDX-License-Identifier: MIT */
/* ACPI root and MADT, see acpi_tables.h. */
#include <lib/acpi_tables.h>
#include <lib/string.h>
#include <lib/types.h>

enum { HEADER_BYTES = 36, RSDP_BYTES = 36, TABLE_MAX = 1 << 20 };

static uint32_t get32(const unsigned char *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}
static uint64_t get64(const unsigned char *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static bool checksum_ok(const unsigned char *p, size_t n)
{
	unsigned char sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += p[i];
	return sum == 0;
}

/* Maps a whole table after reading its length from the header. */
static const unsigned char *map_table(uint64_t phys, acpi_map map, size_t *length)
{
	const unsigned char *p = map(phys, HEADER_BYTES);

	if (!p)
		return nullptr;
	*length = get32(p + 4);
	if (*length < HEADER_BYTES || *length > TABLE_MAX)
		return nullptr;
	p = map(phys, *length);
	return p && checksum_ok(p, *length) ? p : nullptr;
}

const void *acpi_find_table(uint64_t rsdp_phys, const char signature[4], acpi_map map, size_t *length)
{
	const unsigned char *rsdp = map(rsdp_phys, RSDP_BYTES), *root;
	size_t root_length, entry;

	if (!rsdp || memcmp(rsdp, "RSD PTR ", 8) != 0 || !checksum_ok(rsdp, 20))
		return nullptr;
	/* Revision 2 and later have the table with 64-bit addresses. */
	bool extended = rsdp[15] >= 2 && get64(rsdp + 24);

	root = map_table(extended ? get64(rsdp + 24) : get32(rsdp + 16), map, &root_length);
	if (!root)
		return nullptr;
	entry = extended ? 8 : 4;
	for (size_t at = HEADER_BYTES; at + entry <= root_length; at += entry) {
		const unsigned char *t = map_table(extended ? get64(root + at) : get32(root + at), map, length);

		if (t && !memcmp(t, signature, 4))
			return t;
	}
	return nullptr;
}

static void parse_override(const unsigned char *e, struct madt *out)
{
	uint16_t flags = (uint16_t)(e[8] | e[9] << 8);

	if (out->override_count == MADT_OVERRIDES_MAX)
		return;
	/* Polarity and trigger: 1 high/edge, 3 low/level, 0 as the bus has it (ISA: high, edge). */
	out->override[out->override_count++] = (struct madt_override){
		.isa_irq = e[3],
		.gsi = get32(e + 4),
		.active_low = (flags & 3) == 3,
		.level = (flags >> 2 & 3) == 3,
	};
}

bool madt_parse(const void *table, size_t length, struct madt *out)
{
	const unsigned char *p = table;

	memset(out, 0, sizeof(*out));
	if (length < HEADER_BYTES + 8)
		return false;
	out->lapic_phys = get32(p + HEADER_BYTES);
	for (size_t at = HEADER_BYTES + 8; at + 2 <= length;) {
		const unsigned char *e = p + at;
		size_t n = e[1];

		if (n < 2 || at + n > length)
			return false;
		if (e[0] == 1 && n >= 12 && out->ioapic_count < MADT_IOAPICS_MAX)
			out->ioapic[out->ioapic_count++] =
				(struct madt_ioapic){.id = e[2], .phys = get32(e + 4), .gsi_base = get32(e + 8)};
		else if (e[0] == 2 && n >= 10)
			parse_override(e, out);
		else if (e[0] == 5 && n >= 12)
			out->lapic_phys = get64(e + 4);
		at += n;
	}
	return true;
}

/* The ranges that are known so far. */
struct guarded {
	struct acpi_range *range;
	unsigned count;
};

static void guard(struct guarded *g, uint64_t start, uint64_t bytes)
{
	uint64_t end = start + bytes;

	if (end < start)
		return;
	if (g->count < ACPI_GUARDED_MAX) {
		g->range[g->count++] = (struct acpi_range){start, end};
	} else {
		struct acpi_range *last = &g->range[ACPI_GUARDED_MAX - 1];

		*last = (struct acpi_range){MIN(start, last->start), MAX(end, last->end)};
	}
}

/* IOMMUs: both tables have a type first (Intel's of 16 bits, 0: a unit), the entry's length at 2 and an address at 8.
 */
static void guard_units(struct guarded *g, const unsigned char *table, size_t length, bool amd)
{
	enum { UNITS = HEADER_BYTES + 12, UNIT_BYTES = 16 };
	enum : uint64_t { AMD_BYTES = 512 << 10 /* with its counters */, INTEL_BYTES = 4 << 10 };

	for (size_t at = UNITS, n; at + UNIT_BYTES <= length; at += n) {
		const unsigned char *e = table + at;

		n = e[2] | (size_t)e[3] << 8;
		if (n < 4 || n > length - at)
			return;
		if (n >= UNIT_BYTES && (amd ? e[0] == 0x10 || e[0] == 0x11 || e[0] == 0x40 : !e[0] && !e[1]))
			guard(g, get64(e + 8), amd ? AMD_BYTES : INTEL_BYTES << (e[5] & 15));
	}
}

unsigned acpi_find_guarded(uint64_t rsdp_phys, acpi_map map, struct acpi_range out[ACPI_GUARDED_MAX])
{
	enum { HPET_ADDRESS = HEADER_BYTES + 8, HPET_BYTES = 1 << 10 };
	struct guarded g = {.range = out};
	const unsigned char *table;
	size_t length;

	if ((table = acpi_find_table(rsdp_phys, "DMAR", map, &length)))
		guard_units(&g, table, length, false);
	if ((table = acpi_find_table(rsdp_phys, "IVRS", map, &length)))
		guard_units(&g, table, length, true);
	if ((table = acpi_find_table(rsdp_phys, "HPET", map, &length)) && length >= HPET_ADDRESS + 8)
		guard(&g, get64(table + HPET_ADDRESS), HPET_BYTES);
	return g.count;
}
