/* SPDX-License-Identifier: MIT */
/* libFuzzer: any descriptor and registers; what is taken for a frame fits into a buffer. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include <lib/e1000e.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct e1000e_received d;
	uint8_t a[6];
	uint32_t n, words[2];

	if (size < sizeof(d))
		return 0;
	memcpy(&d, data, sizeof(d));
	memcpy(words, data, sizeof(words));
	enum e1000e_verdict v = e1000e_read(&d, &n);
	assert(v == E1000E_FRAME || v == E1000E_CHECKED ? n >= E1000E_FRAME_LEAST && n <= E1000E_BUFFER : n == 0);
	if (e1000e_address(words[0], words[1], a))
		assert(!(a[0] & 1));
	assert(e1000e_hash(data) < E1000E_MTA_WORDS * 32);
	assert(e1000e_mbit(words[0]) >= 10);
	return 0;
}
