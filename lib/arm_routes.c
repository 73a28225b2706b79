/* SPDX-License-Identifier: MIT */
/* Routes of PCI functions to translation services and IOMMUs, see arm_routes.h. */
#include <lib/arm_routes.h>

enum : uint32_t { SEGMENT = 0xffff0000 };

bool arm_route_of(const struct arm_routes *r, uint32_t function, unsigned *target, uint32_t *id)
{
	for (unsigned i = 0; i < r->count; i++) {
		const struct arm_route *m = &r->route[i];
		uint32_t masked = function & (SEGMENT | m->mask);

		if (masked < m->first || masked > m->last)
			continue;
		*target = m->target;
		*id = m->id + (masked - m->first);
		return true;
	}
	return false;
}

bool arm_route_back(const struct arm_routes *r, unsigned target, uint32_t id, uint32_t *function)
{
	for (unsigned i = 0; i < r->count; i++) {
		const struct arm_route *m = &r->route[i];

		if (m->target != target || id < m->id || id - m->id > m->last - m->first)
			continue;
		*function = m->first + (id - m->id);
		/* With bits that do not count, it has another number. */
		if (*function & ~(SEGMENT | m->mask))
			continue;
		return true;
	}
	return false;
}

bool arm_routes_add_target(struct arm_routes *r, uint64_t phys, uint32_t name)
{
	bool good = phys && !(phys & 0xffff) && r->target_count < ARM_TARGETS_MAX;

	for (unsigned i = 0; i < r->target_count; i++)
		good = good && r->target[i].name != name && r->target[i].phys != phys;
	if (!good) {
		r->refused++;
		return false;
	}
	r->target[r->target_count].phys = phys;
	r->target[r->target_count++].name = name;
	return true;
}

bool arm_routes_add(struct arm_routes *r, struct arm_route m, uint32_t name)
{
	bool good = m.last >= m.first && !((m.first ^ m.last) & SEGMENT) && m.id <= UINT32_MAX - (m.last - m.first) &&
		    r->count < ARM_ROUTES_MAX;

	m.target = 0;
	while (m.target < r->target_count && r->target[m.target].name != name)
		m.target++;
	/* Two answers for one function are none. */
	for (unsigned i = 0; i < r->count; i++)
		good = good && (m.last < r->route[i].first || m.first > r->route[i].last);
	if (!good || m.target == r->target_count) {
		r->refused++;
		return false;
	}
	r->route[r->count++] = m;
	return true;
}
