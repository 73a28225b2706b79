/* SPDX-License-Identifier: MIT */
/* The gate of nucleus calls itself, and the calls on components, log and machine: numbers, registers, arguments out of
 * range. */
#include "ktest.h"

#include "bare.h"

#include <abi/errno.h>

static void unknown_numbers(void)
{
	EXPECT_EQ(nucleus_call_0(NUCLEUS_CALL_COUNT), -ENOSYS);
	EXPECT_EQ(nucleus_call_0(UINT32_MAX), -ENOSYS);
	EXPECT_EQ(nucleus_call_0(0x80000000), -ENOSYS);
}

/* Who may elevate is said once, at boot: nobody is talked into more, or out of it, later. */
static void rights_are_sealed(void)
{
	EXPECT_EQ(nucleus_components_seal(UINT64_MAX, UINT64_MAX, UINT64_MAX), -EPERM);
	EXPECT_EQ(nucleus_components_seal(0, 0, 0), -EPERM);
	EXPECT_EQ(nucleus_components_seal(UINT64_C(1) << component_ktest.id, 0, 0), -EPERM);
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
	    KTEST("calls preserve what the convention says", preserved_registers));
