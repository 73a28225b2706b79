/* SPDX-License-Identifier: MIT */
/* ACPI's IO Remapping Table, see arm_iort.h. */
#include <lib/arm_iort.h>

/* Nodes begin with type, 16 bits of length, and at 8 and 12 how many mappings they have and where. */
enum : uint32_t { NODES_COUNT = 36, NODES_AT = 40, NODE_BYTES = 16, MAPPING_BYTES = 20, SINGLE = 1 };
enum node_type : uint8_t { ITS_GROUP = 0, ROOT_COMPLEX = 2, SMMU = 3, SMMU_V3 = 4, RESERVED_MEMORY = 6 };
enum : uint32_t { GENERIC_MODEL = 0, SMMU_V3_NODE_BYTES = 60, FIRST_SHARED = 32, LAST_SHARED = 1019 };

struct iort {
	const unsigned char *bytes;
	size_t length;
	struct arm_routes *its;
	struct arm_smmus *smmus;
};
struct mapping {
	uint32_t first, last, output, target;
};

static uint32_t word(const unsigned char *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint32_t bytes_of(const unsigned char *node)
{
	return node[1] | (uint32_t)node[2] << 8;
}

/* The node at an offset, of at least `bytes`; nullptr: there is none. */
static const unsigned char *node_at(const struct iort *t, uint32_t at, size_t bytes)
{
	const unsigned char *node = t->bytes + at;

	if (at < NODES_AT || at > t->length || t->length - at < NODE_BYTES)
		return nullptr;
	return bytes_of(node) >= bytes && bytes_of(node) <= t->length - at ? node : nullptr;
}

/* The index-th mapping of a node. false: no more, or none that makes sense. */
static bool mapping_of(const unsigned char *node, uint32_t index, struct mapping *out)
{
	size_t length = bytes_of(node), at = word(node + 12);
	const unsigned char *p;

	if (index >= word(node + 8) || at < NODE_BYTES || at > length || index >= (length - at) / MAPPING_BYTES)
		return false;
	p = node + at + (size_t)index * MAPPING_BYTES;
	*out = (struct mapping){word(p), word(p) + word(p + 4), word(p + 8), word(p + 12)};
	return !(word(p + 16) & SINGLE) && out->last >= out->first && out->output <= UINT32_MAX - word(p + 4);
}

static struct arm_route route_of(uint32_t segment, const struct mapping *m)
{
	return (struct arm_route){
		.first = segment << 16 | m->first, .last = segment << 16 | m->last, .mask = 0xffff, .id = m->output};
}

static void reach_group(const struct iort *t, uint32_t segment, const struct mapping *m)
{
	const unsigned char *group = node_at(t, m->target, NODE_BYTES + 8);

	/* Of a group whose services all take the device's messages, the first will do. */
	if (group && group[0] == ITS_GROUP && word(group + 16) && m->last <= 0xffff)
		(void)arm_routes_add(t->its, route_of(segment, m), word(group + 20));
	else
		t->its->refused++;
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

/* The table calls an SMMU by where its node is. */
static void reach_smmu(const struct iort *t, uint32_t segment, const struct mapping *m)
{
	if (m->last <= 0xffff)
		(void)arm_routes_add(&t->smmus->routes, route_of(segment, m), m->target);
	else
		t->smmus->routes.refused++;
}

/* Edges (IHI 0070, 3.18). */
static struct arm_interrupt wire(uint32_t gsi)
{
	return (struct arm_interrupt){.id = gsi >= FIRST_SHARED && gsi <= LAST_SHARED ? gsi : 0};
}

/* Only those that are as the specification has them: other models keep registers elsewhere. */
static void add_smmu(const struct iort *t, const unsigned char *node, uint32_t at)
{
	uint64_t phys = word(node + 16) | (uint64_t)word(node + 20) << 32;

	if (word(node + 40) != GENERIC_MODEL)
		t->smmus->routes.refused++;
	else if (arm_routes_add_target(&t->smmus->routes, phys, at))
		t->smmus->wires[t->smmus->routes.target_count - 1] =
			(struct arm_smmu_wires){wire(word(node + 44)), wire(word(node + 52))};
}

static void read_root_complex(const struct iort *t, const unsigned char *node)
{
	uint32_t segment = word(node + 28);
	const unsigned char *target;
	struct mapping m;

	for (uint32_t i = 0; mapping_of(node, i, &m); i++) {
		target = node_at(t, m.target, NODE_BYTES);
		if (target && target[0] == SMMU_V3)
			reach_smmu(t, segment, &m);
		if (target && (target[0] == SMMU || target[0] == SMMU_V3))
			pass_iommu(t, segment, &m, target);
		else
			reach_group(t, segment, &m);
	}
}

static void read_nodes(const struct iort *t, enum node_type type)
{
	const unsigned char *node;

	for (uint32_t at = word(t->bytes + NODES_AT), n = word(t->bytes + NODES_COUNT);
	     n && (node = node_at(t, at, NODE_BYTES)); at += bytes_of(node), n--) {
		if (node[0] != type)
			continue;
		if (type == SMMU_V3 && bytes_of(node) >= SMMU_V3_NODE_BYTES)
			add_smmu(t, node, at);
		else if (type == RESERVED_MEMORY)
			t->smmus->reserved++;
		else if (type == ROOT_COMPLEX && bytes_of(node) >= 32 && word(node + 28) <= 0xffff)
			read_root_complex(t, node);
	}
}

void arm_iort_read(const void *iort, size_t length, struct arm_routes *its, struct arm_smmus *smmus)
{
	struct iort t = {iort, length, its, smmus};

	if (length < NODES_AT + 4)
		return;
	/* Before those that refer to them. */
	read_nodes(&t, SMMU_V3);
	read_nodes(&t, RESERVED_MEMORY);
	read_nodes(&t, ROOT_COMPLEX);
}
