/* SPDX-License-Identifier: MIT */
/* libFuzzer: any disk of up to 256 blocks; what is found lies inside it. The checksums of a GPT are made right first,
 * or nothing behind them would ever be tried. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include <abi/errno.h>
#include <lib/crc32.h>
#include <lib/partition.h>

static unsigned char image[256 * 512];
static uint64_t blocks;

static int read_image(void *context, uint64_t number, void *to)
{
	(void)context;
	assert(number < blocks);
	memcpy(to, image + number * 512, 512);
	return 0;
}

static int check(void *context, const struct partition *p)
{
	(void)context;
	assert(p->blocks > 0 && p->first < blocks && p->blocks <= blocks - p->first);
	assert(p->number > 0 && p->number <= PARTITION_NUMBERS_MAX);
	assert(memchr(p->label, 0, sizeof(p->label)) != nullptr);
	return 0;
}

static void make_checksums_right(void)
{
	unsigned char *h = image + 512;
	uint64_t at;
	uint32_t entries, bytes;

	memcpy(&at, h + 72, 8);
	memcpy(&entries, h + 80, 4);
	memcpy(&bytes, h + 84, 4);
	if (at < blocks && bytes <= 512 && entries <= 1024 && (uint64_t)entries * bytes <= (blocks - at) * 512) {
		uint32_t crc = crc32_add(0, image + at * 512, (size_t)entries * bytes);
		memcpy(h + 88, &crc, 4);
	}
	memset(h + 16, 0, 4);
	uint32_t crc = crc32_add(0, h, 92);
	memcpy(h + 16, &crc, 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static unsigned char block[512];
	const struct partition_disk disk = {.read = read_image, .block_bytes = 512, .blocks = 256, .block = block};
	struct partition_result r;

	if (size < 2)
		return 0;
	blocks = 256;
	memset(image, 0, sizeof(image));
	/* Short inputs reach far: each 64 bytes of them are the part of a block that means something. */
	for (size_t at = 1, b = 0; at < size && b < 256; at += 64, b++) {
		size_t place = (data[0] & 2) == 0 || b == 0 ? 446 : b == 1 ? 24 : 0;

		memcpy(image + b * 512 + place, data + at, size - at < 64 ? size - at : 64);
		image[b * 512 + 510] = 0x55;
		image[b * 512 + 511] = 0xaa;
	}
	if ((data[0] & 1) != 0)
		for (unsigned i = 0; i < 4; i++)
			image[446 + 16 * i] &= 0x80;
	if ((data[0] & 2) != 0) {
		image[446 + 4] = 0xee;
		memcpy(image + 512, "EFI PART", 8);
		memcpy(image + 512 + 12, "\x5c\0\0", 4);
		memcpy(image + 512 + 24, "\1\0\0\0\0\0\0", 8);
		make_checksums_right();
	}
	assert(partition_read(&disk, check, nullptr, &r) == 0);
	return 0;
}
