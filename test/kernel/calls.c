/* SPDX-License-Identifier: MIT */
/* The gate of nucleus calls itself, and the calls on components, log and machine: numbers, registers, arguments out of
 * range. */
#include "ktest.h"

#include "bare.h"

#include <abi/errno.h>
#include <lib/string.h>

static void unknown_numbers(void)
{
	EXPECT_EQ(nucleus_call_0(NUCLEUS_CALL_COUNT), -ENOSYS);
	EXPECT_EQ(nucleus_call_0(UINT32_MAX), -ENOSYS);
	EXPECT_EQ(nucleus_call_0(0x80000000), -ENOSYS);
}

/* Who may elevate is said once, at boot: nobody is talked into more, or out of it, later. */
static void rights_are_sealed(void)
{
	EXPECT_EQ(nucleus_components_seal(UINT64_MAX), -EPERM);
	EXPECT_EQ(nucleus_components_seal(0), -EPERM);
	EXPECT_EQ(nucleus_components_seal(UINT64_C(1) << component_ktest.id), -EPERM);
}

static void machine_arguments(void)
{
	EXPECT_EQ(nucleus_power(2), -EINVAL);
	EXPECT_EQ(nucleus_power(UINT32_MAX), -EINVAL);
	EXPECT_EQ(nucleus_console_put(0, 0, 17), -EINVAL);
	EXPECT_EQ(nucleus_console_put(0, 0, 0), 0);
	EXPECT_EQ(nucleus_console_put(0x0a20, 0, 2), 2);
	EXPECT_EQ(nucleus_account_control(2), -EINVAL);
	EXPECT_EQ(nucleus_account_read(2, 0), -EINVAL);
	EXPECT_EQ(nucleus_account_read(ACCOUNT_CPU, boot_info()->cpu_count), -EINVAL);
	EXPECT_EQ(nucleus_account_read(ACCOUNT_COMPONENT, 64), -EINVAL);
	EXPECT_EQ(nucleus_account_read(ACCOUNT_CPU, 0), 0);
	long bytes = nucleus_log_drain();
	EXPECT(bytes >= 0 && bytes <= CALL_AREA_BYTES);
}

/* Only the lower half of the register is the number. */
static void upper_half_of_the_number(void)
{
	EXPECT_EQ(bare_call_numbered(NUCLEUS_CALL_space_root | 0xdead00000000), -EBADF);
	EXPECT_EQ(bare_call_numbered(NUCLEUS_CALL_space_root | 1ull << 63), -EBADF);
	EXPECT_EQ(bare_call_numbered(NUCLEUS_CALL_COUNT | 1ull << 32), -ENOSYS);
}

/* A report of some length: kmap refuses the nucleus's frames. */
static void cause_report(void)
{
	EXPECT_EQ(nucleus_log_show(), 0);
	EXPECT_EQ(nucleus_kmap(KMAP_BASE, find_frame(FRAME_NUCLEUS), 1, MAP_PROT_READ), -EPERM);
}

static bool log_has(const char *text)
{
	static char said[4 * CALL_AREA_BYTES];
	size_t length = 0;
	long n;

	while (length + CALL_AREA_BYTES < sizeof(said) && (n = nucleus_log_drain()) > 0) {
		memcpy(said + length, call_area(), (size_t)n);
		length += (size_t)n;
	}
	said[length] = '\0';
	return strstr(said, text) != nullptr;
}

/* The kernel's log may have fetched the text already. */
static bool report_is_found(void)
{
	bool found;

	(void)log_has("");
	preempt_disable();
	EXPECT_EQ(nucleus_kmap(KMAP_BASE, find_frame(FRAME_NUCLEUS), 1, MAP_PROT_READ), -EPERM);
	found = log_has("nucleus call refused: kmap");
	preempt_enable();
	while (nucleus_log_show() > 0)
		;
	return found;
}

static void reports_name_the_call(void)
{
	EVENTUALLY(report_is_found());
}

/* The timers of all CPUs show some, too: many at once when the host stood still. */
static bool comes_in_pieces(void)
{
	bool good = true;
	long left, last;

	cause_report();
	/* No thread switch in between, or the timer would show some. */
	preempt_disable();
	for (last = nucleus_log_show(); (left = nucleus_log_show()) > 0; last = left)
		good = good && left < last && last - left <= 64;
	preempt_enable();
	return good && last > 0 && last <= 64;
}

static void reports_come_in_pieces(void)
{
	EVENTUALLY(comes_in_pieces());
}

/* What others have to say waits until it is over. */
static bool comes_before_others(void)
{
	cause_report();
	long put = nucleus_console_put(0x0a20, 0, 2);

	while (nucleus_log_show() > 0)
		;
	EXPECT_EQ(nucleus_console_put(0x0a20, 0, 2), 2);
	return put == 0;
}

static void reports_come_first(void)
{
	EVENTUALLY(comes_before_others());
}

/* Who asks shows a piece. The second time nobody does but once after each sleep, and each sleep ends with the timer,
 * which shows one at least: so half of the pieces come by themselves even where time flies. */
static void reports_come_by_themselves(void)
{
	long pieces = 0, asked = 0;

	cause_report();
	preempt_disable();
	while (nucleus_log_show() > 0)
		pieces++;
	preempt_enable();
	EXPECT(pieces >= 4);
	cause_report();
	do
		sleep_ns(200 * MS);
	while (nucleus_log_show() > 0 && ++asked <= pieces);
	EXPECT(asked <= pieces / 2);
}

/* What the calling convention says a call preserves is preserved, and the call area is the caller's. */
static void preserved_registers(void)
{
	for (int i = 0; i < 100; i++)
		EXPECT(bare_call_preserves());
	EXPECT(thread_page_current()->self == thread_page_current());
}

KTEST_SUITE(calls, KTEST("unknown numbers are refused", unknown_numbers),
	    KTEST("the upper half of a number counts not", upper_half_of_the_number),
	    KTEST("a component registers once", rights_are_sealed),
	    KTEST("arguments out of range are refused", machine_arguments),
	    KTEST("a report names the call", reports_name_the_call),
	    KTEST("a report is shown in pieces", reports_come_in_pieces),
	    KTEST("a report is shown before what follows", reports_come_first),
	    KTEST("a report that nobody shows comes by itself", reports_come_by_themselves),
	    KTEST("calls preserve what the convention says", preserved_registers));
