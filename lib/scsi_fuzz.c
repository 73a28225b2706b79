/* SPDX-License-Identifier: MIT */
/* libFuzzer: any answer of a SCSI disk; what is believed of it can be used. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include <lib/scsi.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scsi_identity id;
	uint64_t blocks;
	uint32_t bytes, left, total = 512;
	bool is_long = size > 0 && (data[size - 1] & 1) != 0;

	if (scsi_read_inquiry(data, size, &id) == nullptr)
		assert(strlen(id.vendor) <= 8 && strlen(id.product) <= 16 && strlen(id.revision) <= 4);
	if (scsi_take_capacity(data, size, is_long, &blocks, &bytes) == nullptr)
		assert(blocks > 0 && blocks <= UINT64_MAX / bytes && bytes >= 512 && (bytes & (bytes - 1)) == 0);
	struct scsi_sense s = scsi_read_sense(data, size);
	assert(s.key < 16 && scsi_error(&s) <= 0);
	(void)scsi_is_read_only(data, size);
	if (bulk_read_status(data, size, 1, total, &left) != BULK_CONFUSED)
		assert(size == BULK_STATUS_BYTES);
	assert(left <= total);
	return 0;
}
