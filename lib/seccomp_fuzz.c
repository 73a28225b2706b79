/* SPDX-License-Identifier: MIT */
/* libFuzzer: any bytes as a filter of system calls, over the rest as a call. What passes the check looks at nothing
 * outside the call, and says the same of it twice. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <lib/seccomp.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sock_filter program[FILTER_MAX];
	static uint16_t scratch[FILTER_MAX];
	size_t count = size > 0 ? data[0] : 0, bytes = count * sizeof(program[0]);
	bool looks_at_pc;

	if (bytes + 1 > size)
		return 0;
	memcpy(program, data + 1, bytes);
	/* In memory of its own size, so that the sanitizer sees what is read beyond it. */
	struct seccomp_data *d = calloc(1, sizeof(*d));
	assert(d != nullptr);
	size_t rest = size - 1 - bytes;
	memcpy(d, data + 1 + bytes, rest < sizeof(*d) ? rest : sizeof(*d));
	if (seccomp_check(program, count, scratch, &looks_at_pc)) {
		uint32_t answer = seccomp_run(program, count, d);

		assert(seccomp_run(program, count, d) == answer);
		d->instruction = ~d->instruction;
		assert(looks_at_pc || seccomp_run(program, count, d) == answer);
	}
	free(d);
	return 0;
}
