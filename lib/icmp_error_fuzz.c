/* SPDX-License-Identifier: MIT */
/* libFuzzer: any bytes as a message of ICMP. No read is outside of it, and every answer is an error. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <lib/icmp_error.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Of its own, so that the sanitizer sees both ends. */
	uint8_t *m = malloc(size ? size : 1);
	struct icmp_error e;

	memcpy(m, data, size);
	if (icmp4_error_parse(m, size, &e))
		assert(e.error < 0 && e.mtu <= UINT16_MAX && e.inner < e.behind && (size_t)e.behind + 4 <= size);
	if (icmp6_error_parse(m, size, &e))
		assert(e.error < 0 && e.inner < e.behind && (size_t)e.behind + 4 <= size);
	free(m);
	return 0;
}
