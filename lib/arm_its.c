/* SPDX-License-Identifier: MIT */
/* Routes of PCI functions' messages to translation services, see arm_its.h. */
#include <lib/arm_its.h>

enum : uint32_t { SEGMENT = 0xffff0000 };

bool arm_its_route(const struct arm_its_routes *r, uint32_t function, unsigned *its, uint32_t *device)
{
	for (unsigned i = 0; i < r->map_count; i++) {
		const struct arm_its_map *m = &r->map[i];
		uint32_t id = function & (SEGMENT | m->mask);

		if (id < m->first || id > m->last)
			continue;
		*its = m->its;
		*device = m->device + (id - m->first);
		return true;
	}
	return false;
}

void arm_its_add(struct arm_its_routes *r, uint64_t phys, uint32_t name)
{
	for (unsigned i = 0; i < r->its_count; i++)
		if (r->its[i].name == name || r->its[i].phys == phys) {
			r->refused++;
			return;
		}
	/* Its two frames of 64 KiB stand where their kind does (IHI 0069, 12.18). */
	if (!phys || phys & 0xffff || r->its_count == ARM_ITS_MAX) {
		r->refused++;
		return;
	}
	r->its[r->its_count].phys = phys;
	r->its[r->its_count++].name = name;
}

void arm_its_add_map(struct arm_its_routes *r, struct arm_its_map m, uint32_t name)
{
	bool good = m.last >= m.first && !((m.first ^ m.last) & SEGMENT) &&
		    m.device <= UINT32_MAX - (m.last - m.first) && r->map_count < ARM_ITS_MAPS_MAX;

	while (m.its < r->its_count && r->its[m.its].name != name)
		m.its++;
	/* Two answers for one function are none. */
	for (unsigned i = 0; i < r->map_count; i++)
		good = good && (m.last < r->map[i].first || m.first > r->map[i].last);
	if (good && m.its < r->its_count)
		r->map[r->map_count++] = m;
	else
		r->refused++;
}

/* --- IORT --- */

/* Nodes begin with type, 16 bits of length, and at 8 and 12 how many mappings they have and where. */
enum : uint32_t { NODES_COUNT = 36, NODES_AT = 40, NODE_BYTES = 16, MAPPING_BYTES = 20, SINGLE = 1 };
enum node_type : uint8_t { ITS_GROUP = 0, ROOT_COMPLEX = 2, SMMU = 3, SMMU_V3 = 4 };

struct iort {
	const unsigned char *bytes;
	size_t length;
	struct arm_its_routes *routes;
};
struct mapping {
	uint32_t first, last, output, target;
};

static uint32_t word(const unsigned char *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* The node at an offset, of at least `bytes`; nullptr: there is none. */
static const unsigned char *node_at(const struct iort *t, uint32_t at, size_t bytes)
{
	const unsigned char *node = t->bytes + at;
	size_t length;

	if (at < NODES_AT || at > t->length || t->length - at < NODE_BYTES)
		return nullptr;
	length = node[1] | (size_t)node[2] << 8;
	return length >= bytes && length <= t->length - at ? node : nullptr;
}

/* The index-th mapping of a node. false: no more, or none that makes sense. */
static bool mapping_of(const unsigned char *node, uint32_t index, struct mapping *out)
{
	size_t length = node[1] | (size_t)node[2] << 8, at = word(node + 12);
	const unsigned char *p;

	if (index >= word(node + 8) || at < NODE_BYTES || at > length || index >= (length - at) / MAPPING_BYTES)
		return false;
	p = node + at + (size_t)index * MAPPING_BYTES;
	*out = (struct mapping){word(p), word(p) + word(p + 4), word(p + 8), word(p + 12)};
	return !(word(p + 16) & SINGLE) && out->last >= out->first && out->output <= UINT32_MAX - word(p + 4);
}

static void reach_group(const struct iort *t, uint32_t segment, const struct mapping *m)
{
	const unsigned char *group = node_at(t, m->target, NODE_BYTES + 8);

	/* Of a group whose services all take the device's messages, the first will do. */
	if (group && group[0] == ITS_GROUP && word(group + 16) && m->last <= 0xffff)
		arm_its_add_map(t->routes,
				(struct arm_its_map){.first = segment << 16 | m->first,
						     .last = segment << 16 | m->last,
						     .mask = 0xffff,
						     .device = m->output},
				word(group + 20));
	else
		t->routes->refused++;
}

/* What an IOMMU on the way makes of the numbers: the part of m that each of its mappings takes. */
static void pass_iommu(const struct iort *t, uint32_t segment, const struct mapping *m, const unsigned char *iommu)
{
	struct mapping on;

	for (uint32_t i = 0; mapping_of(iommu, i, &on); i++) {
		uint32_t last = m->output + (m->last - m->first);
		uint32_t from = on.first > m->output ? on.first : m->output, to = on.last < last ? on.last : last;

		if (from <= to)
			reach_group(t, segment,
				    &(struct mapping){m->first + (from - m->output), m->first + (to - m->output),
						      on.output + (from - on.first), on.target});
	}
}

void arm_its_from_iort(const void *iort, size_t length, struct arm_its_routes *r)
{
	struct iort t = {iort, length, r};
	const unsigned char *node, *target;
	struct mapping m;

	if (length < NODES_AT + 4)
		return;
	for (uint32_t at = word(t.bytes + NODES_AT), n = word(t.bytes + NODES_COUNT);
	     n && (node = node_at(&t, at, NODE_BYTES)); at += node[1] | (uint32_t)node[2] << 8, n--) {
		if (node[0] != ROOT_COMPLEX || !node_at(&t, at, 32) || word(node + 28) > 0xffff)
			continue;
		for (uint32_t i = 0; mapping_of(node, i, &m); i++) {
			target = node_at(&t, m.target, NODE_BYTES);
			if (target && (target[0] == SMMU || target[0] == SMMU_V3))
				pass_iommu(&t, word(node + 28), &m, target);
			else
				reach_group(&t, word(node + 28), &m);
		}
	}
}
