/* SPDX-License-Identifier: MIT */
/*
 * Which of a GICv3's translation services (ITS: IHI 0069, chapter 5) takes the messages of a PCI function, and the
 * number under which it knows the function (DeviceID): from msi-map in the host bridges of a device tree (Linux's
 * binding pci/pci-msi.txt), or from ACPI's MADT and IORT (IO Remapping Table, DEN 0049E, 3). What firmware does not
 * say is not guessed: a function without an entry has no messages. What contradicts itself is left out and counted.
 */
#ifndef LIB_ARM_ITS_H
#define LIB_ARM_ITS_H

#include <stddef.h>
#include <stdint.h>

enum { ARM_ITS_MAX = 8, ARM_ITS_MAPS_MAX = 32 };

/* Functions as <nucleus/device.h> numbers them (segment << 16 | requester id), all of one segment. */
struct arm_its_map {
	uint32_t first, last;
	uint32_t mask;	 /* of the requester id's bits that count */
	uint32_t device; /* of `first`; those that follow it count on */
	unsigned its;	 /* index */
};
struct arm_its_routes {
	unsigned its_count, map_count, refused;
	struct {
		uint64_t phys;
		uint32_t name; /* MADT's identifier, or the node of the tree */
	} its[ARM_ITS_MAX];
	struct arm_its_map map[ARM_ITS_MAPS_MAX];
};

/* false: no service takes messages of the function with this requester id. */
[[nodiscard]] bool arm_its_route(const struct arm_its_routes *r, uint32_t function, unsigned *its, uint32_t *device);

/* The readers': add a service, and an entry whose service is called `name`. */
void arm_its_add(struct arm_its_routes *r, uint64_t phys, uint32_t name);
void arm_its_add_map(struct arm_its_routes *r, struct arm_its_map m, uint32_t name);
/* Entries of a whole IORT whose checksum is right; the services were added before. */
void arm_its_from_iort(const void *iort, size_t length, struct arm_its_routes *r);

#endif
