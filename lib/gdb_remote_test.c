/* SPDX-License-Identifier: MIT */
/* Host test of GDB's remote serial protocol: packets, descriptions of registers, and a stub before a target of its own:
 * two CPUs (threads 1 and 2), a thread that waits (0x100), a page of memory. */
#include <lib/gdb_remote.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { BASE = 0x10000, SIZE = 0x1000, EMPTY_REGISTER = 18 };
static uint8_t memory[SIZE], registers[3][128][GDB_REGISTER_MAX];
static char sent[8192];
static size_t sent_count;
static unsigned points[5];

static void send_one(uint8_t byte)
{
	assert_true(sent_count < sizeof(sent) - 1);
	sent[sent_count++] = (char)byte;
	sent[sent_count] = '\0';
}
static uint64_t thread_after(uint64_t thread)
{
	return thread == 0 ? 1 : thread == 1 ? 2 : thread == 2 ? 0x100 : 0;
}
static bool thread_is(uint64_t thread)
{
	return thread == 1 || thread == 2 || thread == 0x100;
}
static void describe(uint64_t thread, char *out, size_t size)
{
	snprintf(out, size, "thread %lu", (unsigned long)thread);
}
static uint8_t *place(uint64_t thread, unsigned number)
{
	assert_true(thread_is(thread));
	assert_true(number < gdb_register_count(&gdb_x86_64_avx));
	return registers[thread == 0x100 ? 2 : thread - 1][number];
}
static bool register_read(uint64_t thread, unsigned number, uint8_t *out)
{
	memcpy(out, place(thread, number), gdb_register_bytes(&gdb_x86_64_avx, number));
	return number != EMPTY_REGISTER;
}
static bool register_write(uint64_t thread, unsigned number, const uint8_t *in)
{
	memcpy(place(thread, number), in, gdb_register_bytes(&gdb_x86_64_avx, number));
	return number != EMPTY_REGISTER;
}
static size_t there(uint64_t address, size_t n)
{
	size_t left = address >= BASE && address < BASE + SIZE ? BASE + SIZE - address : 0;

	return n < left ? n : left;
}
static size_t memory_read(uint64_t thread, uint64_t address, uint8_t *out, size_t n)
{
	assert_true(thread_is(thread));
	n = there(address, n);
	if (n)
		memcpy(out, memory + (address - BASE), n);
	return n;
}
static size_t memory_write(uint64_t thread, uint64_t address, const uint8_t *in, size_t n)
{
	assert_true(thread_is(thread));
	n = there(address, n);
	if (n)
		memcpy(memory + (address - BASE), in, n);
	return n;
}
static enum gdb_point_result point_set(enum gdb_point kind, uint64_t address, uint64_t, bool on)
{
	if (kind == GDB_POINT_READ)
		return GDB_POINT_UNKNOWN;
	if (address == 0)
		return GDB_POINT_REFUSED;
	points[kind] += on ? 1 : -1u;
	return GDB_POINT_DONE;
}

static const struct gdb_target target = {
	.registers = &gdb_x86_64_avx,
	.send = send_one,
	.thread_after = thread_after,
	.thread_is = thread_is,
	.thread_describe = describe,
	.register_read = register_read,
	.register_write = register_write,
	.memory_read = memory_read,
	.memory_write = memory_write,
	.point_set = point_set,
	.cpus = 2,
};
static struct gdb_remote remote;

static enum gdb_action give(const char *bytes, size_t n)
{
	enum gdb_action action = GDB_STAY;

	sent_count = 0;
	sent[0] = '\0';
	for (size_t i = 0; i < n; i++)
		action = gdb_talk(&remote, (uint8_t)bytes[i]);
	return action;
}

static enum gdb_action ask(const char *data, size_t n)
{
	static char frame[2 * GDB_PACKET_MAX];
	unsigned sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (uint8_t)data[i];
	frame[0] = '$';
	memcpy(frame + 1, data, n);
	snprintf(frame + 1 + n, 4, "#%02x", sum & 255);
	return give(frame, n + 4);
}

/* The answer, without its frame; its checksum is right. */
static const char *answer(const char *data)
{
	static char text[8192];
	unsigned sum = 0;
	size_t length;

	assert_int_equal(ask(data, strlen(data)), strncmp(data, "qSupported", 10) == 0 ? GDB_ANEW : GDB_STAY);
	const char *begin = strchr(sent, '$'), *end = strchr(sent, '#');
	assert_non_null(begin);
	assert_non_null(end);
	assert_int_equal(strlen(end), 3);
	length = (size_t)(end - begin - 1);
	memcpy(text, begin + 1, length);
	text[length] = '\0';
	for (size_t i = 0; i < length; i++)
		sum += (uint8_t)text[i];
	assert_int_equal(strtoul(end + 1, NULL, 16), sum & 255);
	return text;
}

static int set_up(void **)
{
	memset(&remote, 0, sizeof(remote));
	memset(registers, 0, sizeof(registers));
	memset(points, 0, sizeof(points));
	for (unsigned i = 0; i < SIZE; i++)
		memory[i] = (uint8_t)i;
	remote.target = &target;
	gdb_stopped(&remote, &(struct gdb_stop){.thread = 2, .signal = GDB_SIGTRAP});
	sent_count = 0;
	return 0;
}

static void acknowledges(void **)
{
	ask("?", 1);
	assert_string_equal(sent, "+$T05thread:2;#d8");
	give("-", 1);
	assert_string_equal(sent, "$T05thread:2;#d8");
	give("+", 1);
	assert_string_equal(sent, "");
	give("$?#00", 5);
	assert_string_equal(sent, "-");
	give("$?#xy", 5);
	assert_string_equal(sent, "-");
	/* The end of a packet was lost. */
	give("$abc$?#3f", 9);
	assert_string_equal(sent, "+$T05thread:2;#d8");
}

static void without_acknowledgments(void **)
{
	assert_string_equal(answer("QStartNoAckMode"), "OK");
	assert_string_equal(sent, "+$OK#9a");
	ask("?", 1);
	assert_string_equal(sent, "$T05thread:2;#d8");
	give("$?#00-", 6);
	assert_string_equal(sent, "");
	/* Another debugger, which knows nothing of that. */
	assert_non_null(strstr(answer("qSupported:swbreak+"), "PacketSize=800"));
	assert_int_equal(sent[0], '+');
	ask("?", 1);
	assert_int_equal(sent[0], '+');
}

static void overlong(void **)
{
	static char data[GDB_PACKET_MAX + 1];

	memset(data, 'm', sizeof(data));
	ask(data, GDB_PACKET_MAX + 1);
	assert_string_equal(sent, "+$E01#a6");
	ask(data, GDB_PACKET_MAX);
	assert_string_equal(sent, "+$E01#a6");
	assert_string_equal(answer("?"), "T05thread:2;");
}

static void threads(void **)
{
	assert_string_equal(answer("qC"), "QC2");
	assert_string_equal(answer("qfThreadInfo"), "m1,2,100");
	assert_string_equal(answer("qsThreadInfo"), "l");
	assert_string_equal(answer("qThreadExtraInfo,100"), "74687265616420323536");
	assert_string_equal(answer("qThreadExtraInfo,3"), "E01");
	assert_string_equal(answer("T100"), "OK");
	assert_string_equal(answer("T3"), "E01");
	assert_string_equal(answer("Hg100"), "OK");
	assert_string_equal(answer("qC"), "QC100");
	assert_string_equal(answer("Hg3"), "E01");
	assert_string_equal(answer("Hc-1"), "OK");
	assert_string_equal(answer("qC"), "QC100");
	assert_string_equal(answer("Hg0"), "OK");
	assert_string_equal(answer("qC"), "QC2");
	assert_string_equal(answer("qAttached"), "1");
	assert_string_equal(answer("qWhatever"), "");
	assert_string_equal(answer("vMustReplyEmpty"), "");
}

static void register_packets(void **)
{
	char all[4096] = "G";

	assert_string_equal(answer("P0=1122334455667788"), "OK");
	assert_int_equal(registers[1][0][0], 0x11);
	assert_string_equal(answer("p0"), "1122334455667788");
	assert_string_equal(answer("p12"), "xxxxxxxx");
	assert_string_equal(answer("P12=00000000"), "E01");
	assert_string_equal(answer("P12=xxxxxxxx"), "OK");
	assert_string_equal(answer("P0=1122"), "E01");
	assert_string_equal(answer("P0=11223344556677889"), "E01");
	assert_string_equal(answer("pffffffffffffffff"), "E01");
	assert_string_equal(answer("p11111111111111111"), "E01");
	assert_string_equal(answer("p4b"), "E01");
	assert_string_equal(answer("p4a"), "00000000000000000000000000000000");
	const char *g = answer("g");
	assert_int_equal(strlen(g), 2 * 164);
	assert_memory_equal(g, "1122334455667788", 16);
	strcpy(all + 1, g);
	all[1] = '2';
	assert_string_equal(answer(all), "OK");
	assert_int_equal(registers[1][0][0], 0x21);
	all[strlen(all) - 1] = '\0';
	assert_string_equal(answer(all), "E01");
}

static void memory_packets(void **)
{
	assert_string_equal(answer("m10001,3"), "010203");
	assert_string_equal(answer("m10ffe,4"), "feff");
	assert_string_equal(answer("m11000,4"), "E01");
	assert_string_equal(answer("mfffffffffffffff8,10"), "E01");
	assert_string_equal(answer("m10000,0"), "");
	assert_int_equal(strlen(answer("m10000,ffffffffffffffff")), GDB_PACKET_MAX);
	assert_string_equal(answer("M10010,3:aabbcc"), "OK");
	assert_int_equal(memory[0x11], 0xbb);
	assert_string_equal(answer("M10010,4:aabbcc"), "E01");
	assert_string_equal(answer("M10010,3:aabbcg"), "E01");
	assert_string_equal(answer("M10ffe,3:aabbcc"), "E01");
	assert_string_equal(answer("Mffffffffffffffff,3:aabbcc"), "E01");
	assert_string_equal(answer("X10000,0:"), "OK");
	ask("X10020,4:a}\x03}\x04\x03", 15);
	assert_string_equal(sent, "+$OK#9a");
	assert_memory_equal(memory + 0x20, "a#$\x03", 4);
	assert_string_equal(answer("X10020,5:abcd"), "E01");
}

static void point_packets(void **)
{
	assert_string_equal(answer("Z0,1000,1"), "OK");
	assert_string_equal(answer("Z1,1000,1;X1,0"), "OK");
	assert_int_equal(points[0] + points[1], 2);
	assert_string_equal(answer("z0,1000,1"), "OK");
	assert_int_equal(points[0], 0);
	assert_string_equal(answer("Z2,0,1"), "E01");
	assert_string_equal(answer("Z3,1000,1"), "");
	assert_string_equal(answer("Z5,1000,1"), "");
	assert_string_equal(answer("Z0,1000"), "E01");
}

static enum gdb_action going(const char *data)
{
	remote.going = remote.step = 0;
	return ask(data, strlen(data));
}

static void continues(void **)
{
	assert_string_equal(answer("vCont?"), "vCont;c;C;s;S;t");
	assert_int_equal(going("vCont;c"), GDB_GO);
	assert_int_equal(remote.going, 3);
	assert_int_equal(going("vCont;c:1"), GDB_GO);
	assert_int_equal(remote.going, 1);
	assert_int_equal(going("vCont;t:2;c"), GDB_GO);
	assert_int_equal(remote.going, 1);
	assert_int_equal(going("vCont;s:1;c"), GDB_STEP);
	assert_int_equal(remote.step, 1);
	assert_int_equal(going("vCont;S05:2;C05:-1"), GDB_STEP);
	assert_int_equal(remote.step, 2);
	assert_int_equal(going("vCont;c:1;s"), GDB_STEP);
	assert_int_equal(remote.step, 2);
	assert_int_equal(going("c"), GDB_GO);
	assert_int_equal(going("s"), GDB_STEP);
	assert_int_equal(remote.step, 2);
	assert_string_equal(answer("vCont;t"), "E01");
	assert_string_equal(answer("vCont"), "E01");
	assert_string_equal(answer("vCont;"), "E01");
	assert_string_equal(answer("vCont;x"), "E01");
	assert_string_equal(answer("vCont;C"), "E01");
	assert_string_equal(answer("vCont;c:3"), "E01");
	assert_string_equal(answer("vCont;s:100"), "E01");
	assert_string_equal(answer("vCont;s:100;c"), "E01");
	assert_string_equal(answer("vCont;c1"), "E01");
	assert_int_equal(ask("D", 1), GDB_DETACH);
	assert_int_equal(ask("k", 1), GDB_RESET);
}

/* While it runs: an interrupt, and somebody who comes. Who let it go is told, and only that one. */
static void runs(void **)
{
	assert_int_equal(going("vCont;c"), GDB_GO);
	assert_string_equal(sent, "+");
	assert_false(gdb_running(&remote, '+'));
	assert_true(gdb_running(&remote, 3));
	sent_count = 0;
	gdb_stopped(&remote, &(struct gdb_stop){.thread = 1, .signal = GDB_SIGINT});
	assert_string_equal(sent, "$T02thread:1;#d4");
	assert_int_equal(going("vCont;c"), GDB_GO);
	sent_count = 0;
	gdb_stopped(&remote,
		    &(struct gdb_stop){.thread = 1, .signal = 5, .at_point = true, .kind = 2, .address = 0xabc});
	assert_non_null(strstr(sent, "$T05thread:1;watch:abc;#"));
	assert_int_equal(going("vCont;c"), GDB_GO);
	sent_count = 0;
	gdb_stopped(&remote,
		    &(struct gdb_stop){.thread = 2, .signal = 5, .at_point = true, .kind = 0, .address = 0xabc});
	assert_non_null(strstr(sent, "$T05thread:2;swbreak:;#"));
	assert_int_equal(going("vCont;c"), GDB_GO);
	assert_false(gdb_running(&remote, '+'));
	assert_true(gdb_running(&remote, '$'));
	sent[sent_count = 0] = '\0';
	gdb_stopped(&remote, &(struct gdb_stop){.thread = 1, .signal = GDB_SIGINT});
	assert_string_equal(sent, "");
	give("?#3f", 4);
	assert_string_equal(sent, "+$T02thread:1;#d4");
}

/* Asked for in pieces of any size it is the same, whole, and of every register. */
static void description(void **)
{
	static char whole[16384], pieces[16384];
	size_t n = gdb_describe(&gdb_aarch64, 0, whole, sizeof(whole)), at = 0;
	unsigned count = 0;

	assert_true(n < sizeof(whole));
	for (size_t got = 100; got == 100; at += got)
		got = gdb_describe(&gdb_aarch64, at, pieces + at, 100);
	assert_int_equal(at, n);
	assert_memory_equal(whole, pieces, n);
	assert_int_equal(gdb_describe(&gdb_aarch64, UINT64_MAX, pieces, 100), 0);
	whole[n] = '\0';
	for (const char *s = whole; (s = strstr(s, "<reg ")); s++)
		count++;
	assert_int_equal(count, gdb_register_count(&gdb_aarch64));
	assert_int_equal(gdb_register_count(&gdb_x86_64_avx), GDB_X86_64_YMM_HIGH + 16);
	assert_int_equal(gdb_register_count(&gdb_x86_64), GDB_X86_64_YMM_HIGH);
	assert_int_equal(gdb_register_bytes(&gdb_x86_64, GDB_X86_64_YMM_HIGH), 0);
	assert_int_equal(gdb_register_bytes(&gdb_x86_64, GDB_X86_64_XMM), 16);
	assert_int_equal(gdb_register_bytes(&gdb_x86_64, GDB_X86_64_ST), 10);
	assert_int_equal(gdb_register_bytes(&gdb_aarch64, GDB_AARCH64_FPCR), 4);
	assert_non_null(strstr(whole, "<reg name=\"v31\" bitsize=\"128\" type=\"aarch64v\"/>"));
	const char *text = answer("qXfer:features:read:target.xml:0,400");
	assert_int_equal(text[0], 'm');
	assert_int_equal(strlen(text), 1 + 0x400);
	text = answer("qXfer:features:read:target.xml:ffffffffffffffff,400");
	assert_string_equal(text, "l");
	assert_int_equal(strlen(answer("qXfer:features:read:target.xml:0,ffffffffffffffff")), GDB_PACKET_MAX);
	assert_string_equal(answer("qXfer:features:read:target.xml:0"), "E01");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(acknowledges, set_up),
		cmocka_unit_test_setup(without_acknowledgments, set_up),
		cmocka_unit_test_setup(overlong, set_up),
		cmocka_unit_test_setup(threads, set_up),
		cmocka_unit_test_setup(register_packets, set_up),
		cmocka_unit_test_setup(memory_packets, set_up),
		cmocka_unit_test_setup(point_packets, set_up),
		cmocka_unit_test_setup(continues, set_up),
		cmocka_unit_test_setup(runs, set_up),
		cmocka_unit_test_setup(description, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
