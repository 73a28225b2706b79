/* SPDX-License-Identifier: MIT */
/*
 * To which of a kind of controllers what a PCI function sends goes, and under which number the controller knows the
 * function: messages to a translation service (ITS, which says DeviceID), reads and writes of memory to an IOMMU (which
 * says StreamID). Read from a device tree's msi-map and iommu-map (lib/arm_platform_dt.c), or from ACPI's IORT
 * (lib/arm_iort.h). What firmware does not say is not guessed: a function without an entry goes nowhere. What
 * contradicts itself is left out and counted.
 */
#ifndef LIB_ARM_ROUTES_H
#define LIB_ARM_ROUTES_H

#include <stddef.h>
#include <stdint.h>

enum { ARM_TARGETS_MAX = 8, ARM_ROUTES_MAX = 32 };

/* Functions as <nucleus/device.h> numbers them (segment << 16 | requester id), all of one segment. */
struct arm_route {
	uint32_t first, last;
	uint32_t mask;	 /* of the requester id's bits that count */
	uint32_t id;	 /* of `first`; those that follow it count on */
	unsigned target; /* index */
};
struct arm_routes {
	unsigned target_count, count, refused;
	struct {
		uint64_t phys;
		uint32_t name; /* as firmware refers to it */
	} target[ARM_TARGETS_MAX];
	struct arm_route route[ARM_ROUTES_MAX];
};

/* false: what this function sends goes to none of them. */
[[nodiscard]] bool arm_route_of(const struct arm_routes *r, uint32_t function, unsigned *target, uint32_t *id);
/* The other way: a function that the target knows by this number; of those that share it, the first. false: none. */
[[nodiscard]] bool arm_route_back(const struct arm_routes *r, unsigned target, uint32_t id, uint32_t *function);

/* The readers': add a controller, whose registers stand at a multiple of 64 KiB (so both kinds': IHI 0069, 12.18; IHI
 * 0070, 6.1), and a route to the one that is called `name`. false: refused. */
bool arm_routes_add_target(struct arm_routes *r, uint64_t phys, uint32_t name);
bool arm_routes_add(struct arm_routes *r, struct arm_route m, uint32_t name);

#endif
