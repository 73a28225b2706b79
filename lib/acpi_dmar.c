/* SPDX-License-Identifier: MIT */
/* The DMAR table, see acpi_dmar.h. */
#include <lib/acpi_dmar.h>
#include <lib/string.h>
#include <lib/types.h>

/* Offsets: of the table (8.1), of an entry, of a unit (8.3), of reserved memory (8.4), of a scope (8.3.1). */
enum : size_t {
	TABLE_WIDTH = 36,
	TABLE_FLAGS = 37,
	TABLE_ENTRIES = 48,
	ENTRY_LENGTH = 2,
	ENTRY_LEAST = 4,
	UNIT_FLAGS = 4,
	ENTRY_SEGMENT = 6,
	ENTRY_BASE = 8,
	UNIT_SCOPES = 16,
	RANGE_LIMIT = 16,
	RANGE_SCOPES = 24,
	SCOPE_LENGTH = 1,
	SCOPE_ID = 4,
	SCOPE_BUS = 5,
	SCOPE_PATH = 6,
};
enum : uint64_t { ADDRESSES = 1ull << 48, RANGE_MOST = 1ull << 30 };
enum : unsigned { TYPE_UNIT = 0, TYPE_RANGE = 1, INTERRUPTS = 1, UNIT_ALL = 1, PAGE = 4096 };

static uint16_t get16(const unsigned char *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static uint64_t get64(const unsigned char *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Scopes of the entry of n bytes at e, from `at` on. */
static const char *parse_scopes(struct dmar *out, const unsigned char *e, size_t at, size_t n, struct dmar_scopes *all)
{
	all->first = (uint16_t)out->scope_count;
	while (at < n) {
		const unsigned char *s = e + at;
		size_t length = n - at > SCOPE_LENGTH ? s[SCOPE_LENGTH] : 0;

		if (length < SCOPE_PATH || length > n - at || (length - SCOPE_PATH) % 2)
			return "the length of a device scope is wrong";
		at += length;
		/* What is named by ACPI alone is no PCI function. */
		if (s[0] < DMAR_ENDPOINT || s[0] > DMAR_HPET)
			continue;
		if (out->scope_count == DMAR_SCOPES_MAX || length - SCOPE_PATH > 2 * (size_t)DMAR_STEPS_MAX)
			return "there are more device scopes, or longer ones, than there is room for";
		struct dmar_scope *o = &out->scope[out->scope_count++];

		*o = (struct dmar_scope){.kind = (enum dmar_scope_kind)s[0], .id = s[SCOPE_ID], .bus = s[SCOPE_BUS]};
		for (const unsigned char *step = s + SCOPE_PATH; step < s + length; step += 2) {
			if (step[0] > 31 || step[1] > 7)
				return "a device scope names a function that cannot be";
			o->path[o->steps++] = (uint8_t)(step[0] << 3 | step[1]);
		}
	}
	all->count = (uint16_t)(out->scope_count - all->first);
	return nullptr;
}

static const char *parse_unit(struct dmar *out, const unsigned char *e, size_t n)
{
	if (n < UNIT_SCOPES)
		return "an entry is too short";
	if (out->unit_count == DMAR_UNITS_MAX)
		return "there are more units than there is room for";
	struct dmar_unit *u = &out->unit[out->unit_count++];

	*u = (struct dmar_unit){
		.base = get64(e + ENTRY_BASE), .segment = get16(e + ENTRY_SEGMENT), .all = e[UNIT_FLAGS] & UNIT_ALL};
	if (!u->base || u->base % PAGE || u->base >= ADDRESSES)
		return "a unit's registers are nowhere";
	return parse_scopes(out, e, UNIT_SCOPES, n, &u->scopes);
}

static const char *parse_range(struct dmar *out, const unsigned char *e, size_t n)
{
	if (n < RANGE_SCOPES)
		return "an entry is too short";
	if (out->range_count == DMAR_RANGES_MAX)
		return "there is more reserved memory than there is room for";
	struct dmar_range *r = &out->range[out->range_count++];

	*r = (struct dmar_range){
		.start = get64(e + ENTRY_BASE), .end = get64(e + RANGE_LIMIT) + 1, .segment = get16(e + ENTRY_SEGMENT)};
	if (r->start % PAGE || r->end % PAGE || r->end <= r->start || r->end > ADDRESSES)
		return "reserved memory is no range of pages";
	if (r->end - r->start > RANGE_MOST)
		return "more memory is reserved than devices of firmware can need";
	return parse_scopes(out, e, RANGE_SCOPES, n, &r->scopes);
}

const char *dmar_parse(const void *table, size_t length, struct dmar *out)
{
	const unsigned char *p = table;
	const char *wrong = nullptr;

	memset(out, 0, sizeof(*out));
	if (length < TABLE_ENTRIES)
		return "it is too short";
	out->address_bits = p[TABLE_WIDTH] + 1u;
	out->remaps_interrupts = p[TABLE_FLAGS] & INTERRUPTS;
	for (size_t at = TABLE_ENTRIES, n; at < length && !wrong; at += n) {
		const unsigned char *e = p + at;

		n = length - at >= ENTRY_LEAST ? get16(e + ENTRY_LENGTH) : 0;
		if (n < ENTRY_LEAST || n > length - at)
			return "the length of an entry is wrong";
		if (get16(e) == TYPE_UNIT)
			wrong = parse_unit(out, e, n);
		else if (get16(e) == TYPE_RANGE)
			wrong = parse_range(out, e, n);
	}
	return wrong;
}

uint32_t dmar_function(const struct dmar_scope *s, uint16_t segment, dmar_bridge bridge)
{
	uint8_t bus = s->bus, last;

	for (unsigned i = 0; i < s->steps; i++) {
		uint32_t function = (uint32_t)segment << 16 | (uint32_t)bus << 8 | s->path[i];

		if (i + 1u == s->steps)
			return function;
		if (!bridge(function, &bus, &last))
			break;
	}
	return UINT32_MAX;
}

bool dmar_has(const struct dmar *d, struct dmar_scopes scopes, uint16_t segment, uint32_t function, dmar_bridge bridge)
{
	uint8_t bus = function >> 8 & 0xff, secondary, last;

	if (function >> 16 != segment)
		return false;
	for (unsigned i = 0; i < scopes.count; i++) {
		const struct dmar_scope *s = &d->scope[scopes.first + i];
		uint32_t named;

		if (s->kind != DMAR_ENDPOINT && s->kind != DMAR_BRIDGE)
			continue;
		named = dmar_function(s, segment, bridge);
		if (named == UINT32_MAX)
			continue;
		if (named == function ||
		    (s->kind == DMAR_BRIDGE && bridge(named, &secondary, &last) && bus >= secondary && bus <= last))
			return true;
	}
	return false;
}

const struct dmar_unit *dmar_unit_of(const struct dmar *d, uint32_t function, dmar_bridge bridge)
{
	const struct dmar_unit *found = nullptr;

	for (const struct dmar_unit *u = d->unit; u < d->unit + d->unit_count; u++) {
		if (u->all && function >> 16 == u->segment && !found)
			found = u;
		else if (!u->all && dmar_has(d, u->scopes, u->segment, function, bridge))
			return u;
	}
	return found;
}
