/* SPDX-License-Identifier: MIT */
/* libFuzzer: whatever a disk says of itself and its errors; what is believed of it can be used in commands. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include <lib/ahci.h>
#include <lib/ata.h>

static void transfers(const struct ata_disk *d, uint64_t block, uint32_t blocks)
{
	unsigned char fis[AHCI_FIS_BYTES], sector[ATA_SECTOR];

	block %= d->blocks;
	blocks = blocks % ata_blocks_max(d) + 1;
	struct ata_command c = ata_transfer(d, true, block, blocks, d->tags != 0);
	if (c.queued)
		ata_set_tag(&c, d->tags - 1);
	ahci_write_fis(fis, &c);
	uint64_t told = 0;
	for (unsigned i = 6; i-- > 0;)
		told = told << 8 | fis[i < 3 ? 4 + i : 5 + i];
	assert((told | (uint64_t)(d->has_long_addresses ? 0 : fis[7] & 15) << 24) == block);
	uint32_t number = c.queued ? fis[3] | fis[11] << 8 : fis[12] | fis[13] << 8;
	assert(number == (blocks & (d->has_long_addresses ? 0xffff : 0xff)));
	uint32_t trimmed = blocks * 77 % ATA_TRIM_BLOCKS_MAX + 1;
	uint64_t sum = 0;
	(void)ata_trim(sector, block, trimmed);
	for (unsigned i = 0; i < ATA_SECTOR; i += 8)
		sum += sector[i + 6] | sector[i + 7] << 8;
	assert(sum == trimmed);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	unsigned char data[ATA_SECTOR + 16] = {};
	struct ata_queued_error e;
	struct ahci_capabilities can;
	struct ata_disk d;
	uint64_t numbers[2];

	memcpy(data, input, size < sizeof(data) ? size : sizeof(data));
	memcpy(numbers, data + ATA_SECTOR, sizeof(numbers));
	if (ata_read_disk(data, &d) == nullptr) {
		assert(d.block_bytes >= 512 && d.block_bytes <= 4096 && (d.block_bytes & (d.block_bytes - 1)) == 0);
		assert(d.physical_bytes >= d.block_bytes && (d.physical_bytes & (d.physical_bytes - 1)) == 0);
		assert(d.blocks > 0 && d.blocks <= 1ull << 48 && d.tags <= ATA_TAGS_MAX);
		assert(strlen(d.serial) <= ATA_SERIAL_BYTES && strlen(d.model) <= ATA_MODEL_BYTES);
		for (const char *p = d.model; *p != '\0'; p++)
			assert(*p >= ' ' && *p < 0x7f);
		transfers(&d, numbers[0], (uint32_t)numbers[1]);
	}
	if (ata_read_queued_error(data, &e) == nullptr)
		assert(e.tag < ATA_TAGS_MAX && ata_failed(e.status));
	if (ahci_read_capabilities((uint32_t)numbers[0], (uint32_t)numbers[1], data[0] * 32u, &can) == nullptr)
		assert(can.slots >= 1 && can.slots <= AHCI_SLOTS_MAX);
	return 0;
}
