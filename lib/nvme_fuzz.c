/* SPDX-License-Identifier: MIT */
/* libFuzzer: whatever a controller says of itself; what is believed of it can be used. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include <lib/nvme.h>

static void controller(const unsigned char *data)
{
	struct nvme_controller c;

	if (nvme_read_controller(data, &c) != nullptr)
		return;
	assert(strlen(c.serial) <= NVME_SERIAL_BYTES && strlen(c.model) <= NVME_MODEL_BYTES);
	assert(strlen(c.firmware) <= NVME_FIRMWARE_BYTES && strlen(c.name) <= NVME_NAME_BYTES);
	for (const char *p = c.name; *p != '\0'; p++)
		assert(*p >= ' ' && *p < 0x7f);
	assert(c.transfer_bytes == 0 || c.transfer_bytes >= 2 * NVME_PAGE);
	assert(c.namespaces_max > 0 && c.namespaces_max < NVME_NAMESPACE_ALL);
}

static void namespace(const unsigned char *data)
{
	struct nvme_namespace s;

	if (nvme_read_namespace(data, &s) != nullptr)
		return;
	assert(s.block_bytes >= 512 && s.block_bytes <= 4096 && (s.block_bytes & (s.block_bytes - 1)) == 0);
	assert(s.blocks > 0 && s.blocks <= (uint64_t)INT64_MAX / s.block_bytes);
	assert(s.physical_bytes >= s.block_bytes && (s.physical_bytes & (s.physical_bytes - 1)) == 0);
	assert(s.discard_bytes >= s.block_bytes && s.discard_bytes % s.block_bytes == 0);
	assert(strlen(s.identity) <= 32);
}

static void list(const unsigned char *data)
{
	uint32_t numbers[64];
	unsigned count = nvme_read_list(data, 1 << 20, numbers, 64);

	assert(count <= 64);
	for (unsigned i = 0; i < count; i++)
		assert(numbers[i] > (i > 0 ? numbers[i - 1] : 0) && numbers[i] <= 1 << 20);
}

/* Runs of any place and length: each page of what is accepted is told once, in order. */
static void pages(const unsigned char *data)
{
	uint64_t told[16], bytes = 0, run[2];
	struct nvme_prp p;

	nvme_prp_begin(&p, told, 0x10000, 16);
	for (unsigned i = 0; i < 8; i++) {
		memcpy(run, data + i * sizeof(run), sizeof(run));
		if (!nvme_prp_add(&p, run[0], run[1] & 0xffff))
			return;
		bytes += run[1] & 0xffff;
	}
	nvme_prp_end(&p);
	assert(p.list_used <= 16 && p.pages == p.list_used + 1);
	for (unsigned i = 0; i < p.list_used; i++)
		assert(told[i] % NVME_PAGE == 0);
	assert(p.first % NVME_PAGE + bytes <= (uint64_t)p.pages * NVME_PAGE);
	assert(p.first % NVME_PAGE + bytes > (uint64_t)(p.pages - 1) * NVME_PAGE);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	unsigned char data[NVME_IDENTIFY_BYTES] = {};
	struct nvme_capabilities c;
	uint64_t cap = 0;

	memcpy(data, input, size < sizeof(data) ? size : sizeof(data));
	memcpy(&cap, data, sizeof(cap));
	if (nvme_read_capabilities(cap, &c) == nullptr)
		assert(c.entries_max >= 2 && c.entries_max <= 65536 && c.doorbell_stride >= 4 && c.ready_ns > 0);
	controller(data);
	namespace(data);
	list(data);
	pages(data);
	return 0;
}
