/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer: anything on a debugger's line. The target is asked only for threads and registers that exist and never for
 * more bytes than there is room for; every answer is a whole packet with the right checksum.
 *
 * The first byte says whether what follows is the line as it is, or packets of which zeros divide the data.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <lib/gdb_remote.h>

static const struct gdb_registers *const tables[] = {&gdb_x86_64, &gdb_x86_64_avx, &gdb_aarch64};
static struct gdb_target target;
static struct gdb_remote remote;
static struct gdb_receiver check; /* of what is sent */
static bool in_packet;
static uint64_t packets;

static void send_one(uint8_t byte)
{
	if (!in_packet && byte != '$') {
		assert(byte == '+' || byte == '-');
		return;
	}
	in_packet = true;
	enum gdb_input input = gdb_receive(&check, byte);
	assert(input == GDB_NOTHING || input == GDB_PACKET);
	if (input == GDB_PACKET) {
		in_packet = false;
		packets++;
	}
}
static uint64_t thread_after(uint64_t thread)
{
	return thread < 700 ? thread + 1 : 0;
}
static bool thread_is(uint64_t thread)
{
	return thread >= 1 && thread <= 700;
}
static void describe(uint64_t thread, char *out, size_t size)
{
	assert(thread_is(thread) && size > 0);
	memset(out, 'n', size - 1);
	out[size - 1] = '\0';
}
static bool register_read(uint64_t thread, unsigned number, uint8_t *out)
{
	assert(thread_is(thread) && number < gdb_register_count(target.registers));
	memset(out, (int)number, gdb_register_bytes(target.registers, number));
	return number % 5 != 0;
}
static bool register_write(uint64_t thread, unsigned number, const uint8_t *in)
{
	assert(thread_is(thread) && number < gdb_register_count(target.registers));
	return in[gdb_register_bytes(target.registers, number) - 1] != 0;
}
static size_t memory_read(uint64_t thread, uint64_t address, uint8_t *out, size_t n)
{
	assert(thread_is(thread) && n > 0);
	memset(out, 1, n);
	return address % 7 < 3 ? address % 7 * n / 3 : n;
}
static size_t memory_write(uint64_t thread, uint64_t address, const uint8_t *in, size_t n)
{
	assert(thread_is(thread) && n > 0);
	return in[0] + in[n - 1] == 1 || address % 7 == 3 ? n - 1 : n;
}
static enum gdb_point_result point_set(enum gdb_point kind, uint64_t address, uint64_t, bool)
{
	assert(kind <= GDB_POINT_ACCESS);
	return (enum gdb_point_result)(address % 3);
}

static void byte_in(uint8_t byte)
{
	enum gdb_action action = gdb_talk(&remote, byte);

	assert(!in_packet);
	if (action == GDB_GO || action == GDB_STEP) {
		assert(action == GDB_STEP ? remote.step >= 1 && remote.step <= target.cpus : remote.going != 0);
		assert(remote.going >> target.cpus == 0 && remote.owes_stop);
		(void)gdb_running(&remote, byte);
		gdb_stopped(&remote,
			    &(struct gdb_stop){
				    .thread = 1 + byte % 4, .signal = 5, .at_point = byte & 1, .kind = byte % 5});
		assert(!in_packet && !remote.owes_stop);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool framed = size > 0 && (data[0] & 1) != 0;
	uint8_t sum = 0;

	target = (struct gdb_target){.registers = tables[size > 0 ? data[0] / 2 % 3 : 0],
				     .send = send_one,
				     .thread_after = thread_after,
				     .thread_is = thread_is,
				     .thread_describe = describe,
				     .register_read = register_read,
				     .register_write = register_write,
				     .memory_read = memory_read,
				     .memory_write = memory_write,
				     .point_set = point_set,
				     .cpus = 4};
	memset(&remote, 0, sizeof(remote));
	memset(&check, 0, sizeof(check));
	in_packet = false;
	remote.target = &target;
	gdb_stopped(&remote, &(struct gdb_stop){.thread = 1, .signal = 5});
	for (size_t i = 1; i < size; i++) {
		if (framed && (i == 1 || data[i] == 0)) {
			uint64_t before = packets;

			if (i > 1) {
				byte_in('#');
				byte_in((uint8_t)"0123456789abcdef"[sum >> 4]);
				byte_in((uint8_t)"0123456789abcdef"[sum & 15]);
				assert(packets - before <= 1);
			}
			byte_in('$');
			sum = 0;
			continue;
		}
		sum = (uint8_t)(sum + data[i]);
		byte_in(data[i]);
	}
	return 0;
}
