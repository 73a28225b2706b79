/* SPDX-License-Identifier: MIT */
/* What AHCI controllers say of themselves, and commands for them (lib/ahci.h). */
#include <lib/ahci.h>
#include <lib/string.h>

const char *ahci_read_capabilities(uint32_t cap, uint32_t ports, size_t bytes, struct ahci_capabilities *out)
{
	constexpr uint32_t LONG_ADDRESSES = 1u << 31, QUEUED = 1u << 30;

	*out = (struct ahci_capabilities){
		.slots = (cap >> 8 & 31) + 1,
		.has_queued = (cap & QUEUED) != 0,
		.has_long_addresses = (cap & LONG_ADDRESSES) != 0,
	};
	if (cap == UINT32_MAX)
		return "it does not answer";
	if (ports == 0)
		return "it has no ports";
	for (uint32_t n = 0; n < AHCI_PORTS_MAX; n++)
		if ((ports >> n & 1) != 0 && AHCI_PORTS + (n + 1) * AHCI_PORT_BYTES > bytes)
			return "it has no room for the registers of a port";
	return nullptr;
}

void ahci_write_fis(unsigned char table[AHCI_FIS_BYTES], const struct ata_command *c)
{
	constexpr unsigned char HOST_TO_DEVICE = 0x27, IS_COMMAND = 1 << 7;

	memset(table, 0, AHCI_FIS_BYTES);
	table[0] = HOST_TO_DEVICE;
	table[1] = IS_COMMAND;
	table[2] = c->command;
	table[3] = (unsigned char)c->features;
	for (unsigned i = 0; i < 3; i++) {
		table[4 + i] = (unsigned char)(c->address >> 8 * i);
		table[8 + i] = (unsigned char)(c->address >> (24 + 8 * i));
	}
	table[7] = c->device;
	table[11] = (unsigned char)(c->features >> 8);
	table[12] = (unsigned char)c->count;
	table[13] = (unsigned char)(c->count >> 8);
}

struct ahci_header ahci_header_of(const struct ata_command *c, uint64_t address, unsigned regions)
{
	constexpr uint16_t WRITES = 1 << 6;

	return (struct ahci_header){.flags = (uint16_t)(AHCI_FIS_BYTES / 4 | (c->takes_data ? WRITES : 0)),
				    .entries = (uint16_t)regions,
				    .table = (uint32_t)address,
				    .table_high = (uint32_t)(address >> 32)};
}

bool ahci_write_region(struct ahci_region *r, uint64_t address, uint64_t bytes)
{
	if (address % 2 != 0 || bytes % 2 != 0 || bytes == 0 || bytes > AHCI_REGION_BYTES_MAX ||
	    address > UINT64_MAX - bytes)
		return false;
	*r = (struct ahci_region){
		.address = (uint32_t)address, .address_high = (uint32_t)(address >> 32), .length = (uint32_t)bytes - 1};
	return true;
}
