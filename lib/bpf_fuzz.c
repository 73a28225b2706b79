/* SPDX-License-Identifier: MIT */
/* libFuzzer: any bytes as a filter of packets, over the rest as a packet. What passes the check reads nothing outside.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <lib/bpf.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct bytes {
	const uint8_t *at;
	size_t n;
};

static size_t read_bytes(const void *packet, size_t offset, void *to, size_t n)
{
	const struct bytes *b = packet;

	assert(offset + n <= b->n);
	memcpy(to, b->at + offset, n);
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sock_filter program[FILTER_MAX];
	static uint16_t scratch[FILTER_MAX];
	size_t count = size > 1 ? data[0] : 0;

	if (count * sizeof(program[0]) + 2 > size)
		return 0;
	memcpy(program, data + 2, count * sizeof(program[0]));
	size_t used = 2 + count * sizeof(program[0]);
	struct bytes b = {.at = data + used, .n = size - used};
	uint32_t begin = b.n < data[1] ? 0 : data[1];
	struct bpf_packet p = {.read = read_bytes,
			       .packet = &b,
			       .begin = begin,
			       .length = (uint32_t)b.n - begin,
			       .network = data[1],
			       .random = 4};
	if (bpf_check(program, count, scratch))
		(void)bpf_run(program, count, &p);
	return 0;
}
