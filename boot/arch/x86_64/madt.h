/* SPDX-License-Identifier: MIT */
/*
 * madt.h - ACPI's table of interrupt controllers and CPUs. ACPI 6.5, 5.2.12.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum madt_type : uint8_t {
	MADT_LOCAL_APIC = 0,
	MADT_IO_APIC = 1,
	MADT_LOCAL_X2APIC = 9,
};

struct [[gnu::packed]] madt {
	char signature[4]; /* "APIC" */
	uint32_t length;
	uint8_t rest[28];
	uint32_t local_apic;
	uint32_t flags;
};
static_assert(sizeof(struct madt) == 44);

struct [[gnu::packed]] madt_entry {
	uint8_t type;
	uint8_t length;
};

constexpr uint32_t MADT_CPU_ENABLED = 1;

struct [[gnu::packed]] madt_local_apic {
	struct madt_entry entry;
	uint8_t processor_uid;
	uint8_t apic_id;
	uint32_t flags;
};

struct [[gnu::packed]] madt_local_x2apic {
	struct madt_entry entry;
	uint16_t reserved;
	uint32_t apic_id;
	uint32_t flags;
	uint32_t processor_uid;
};

struct [[gnu::packed]] madt_io_apic {
	struct madt_entry entry;
	uint8_t id;
	uint8_t reserved;
	uint32_t address;
	uint32_t first_gsi;
};

/* The entry at *at (begin with 0) and steps over it; nullptr: no more. */
static inline const struct madt_entry *madt_next(const struct madt *madt, size_t *at)
{
	const struct madt_entry *e;

	if (*at == 0)
		*at = sizeof(*madt);
	if (*at + sizeof(*e) > madt->length)
		return nullptr;
	e = (const struct madt_entry *)((const char *)madt + *at);
	if (e->length < sizeof(*e) || e->length > madt->length - *at)
		return nullptr;
	*at += e->length;
	return e;
}
