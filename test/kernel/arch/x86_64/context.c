/* SPDX-License-Identifier: MIT */
/* The process context of a thread on x86_64: what regs_set and fpu_set take, force and refuse. */
#include <test/kernel/ktest.h>

#include <abi/errno.h>
#include <lib/string.h>

enum : uint64_t {
	FLAG_RESERVED = 2,
	FLAG_INTERRUPTS = 1 << 9,
	FLAGS_IOPL = 3 << 12,
	FLAG_NESTED = 1 << 14,
	FLAG_RESUME = 1 << 16,
	FLAG_VIRTUAL = 1 << 17
};
enum : uint64_t { PATTERN = 0x1122334455667788 };

static struct user_regs *regs(void)
{
	return (struct user_regs *)call_area();
}

static void unused_entry(void *)
{
}

/* Not started yet; once it is, it ends at once. */
static struct thread *thread_that_ends(void)
{
	struct thread *t;

	return EXPECT_EQ(thread_create("context", &component_ktest, 0, unused_entry, nullptr, &t), 0) ? t : nullptr;
}

static void registers_are_forced(void)
{
	struct thread *t = thread_that_ends();
	uint32_t h = handle_of(t);

	memset(regs(), 0, sizeof(struct user_regs));
	regs()->rax = PATTERN;
	regs()->r15 = PATTERN + 1;
	regs()->rip = 0x401000;
	regs()->rsp = PATTERN + 2;
	regs()->cs = 0x10;
	regs()->ss = 0x18;
	regs()->rflags = UINT64_MAX;
	regs()->fs_base = 0x7000;
	regs()->gs_base = 0x8000;
	regs()->orig_rax = 77;
	EXPECT_EQ(nucleus_regs_set(h), 0);
	memset(regs(), 0, sizeof(struct user_regs));
	EXPECT_EQ(nucleus_regs_get(h), 0);
	EXPECT_EQ(regs()->rax, PATTERN);
	EXPECT_EQ(regs()->r15, PATTERN + 1);
	EXPECT_EQ(regs()->rip, 0x401000);
	EXPECT_EQ(regs()->rsp, PATTERN + 2);
	EXPECT_EQ(regs()->fs_base, 0x7000);
	EXPECT_EQ(regs()->gs_base, 0x8000);
	EXPECT_EQ(regs()->orig_rax, 77);
	EXPECT_EQ(regs()->cs & 3, 3);
	EXPECT_EQ(regs()->ss & 3, 3);
	EXPECT_EQ(regs()->rflags & (FLAGS_IOPL | FLAG_NESTED | FLAG_RESUME | FLAG_VIRTUAL), 0);
	EXPECT_EQ(regs()->rflags & (FLAG_INTERRUPTS | FLAG_RESERVED), FLAG_INTERRUPTS | FLAG_RESERVED);
	/* Interrupts stay on whatever is asked. */
	regs()->rflags = 0;
	EXPECT_EQ(nucleus_regs_set(h), 0);
	EXPECT_EQ(nucleus_regs_get(h), 0);
	EXPECT_EQ(regs()->rflags, FLAG_INTERRUPTS | FLAG_RESERVED);
	thread_start(t);
}

static void bad_registers(void)
{
	/* A call in a process's last bytes returns to USER_END itself. */
	static const uint64_t bad[] = {USER_END + 1, 1ull << 47, UINT64_MAX,
				       IMAGE_BASE,   GATES_BASE, 0xffff7fffffffffff};
	struct thread *t = thread_that_ends();
	uint32_t h = handle_of(t);

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		/* A base only has to be loadable: a process may have given itself any with WRGSBASE. */
		bool canonical = bad[i] >> 47 == 0 || bad[i] >> 47 == 0x1ffff;

		memset(regs(), 0, sizeof(struct user_regs));
		regs()->rip = bad[i];
		EXPECT_EQ(nucleus_regs_set(h), -EINVAL);
		if (canonical)
			continue;
		regs()->rip = 0x1000;
		regs()->fs_base = bad[i];
		EXPECT_EQ(nucleus_regs_set(h), -EINVAL);
		regs()->fs_base = 0;
		regs()->gs_base = bad[i];
		EXPECT_EQ(nucleus_regs_set(h), -EINVAL);
	}
	EXPECT_EQ(nucleus_regs_get(h), 0);
	EXPECT_EQ(regs()->rip, 0);
	thread_start(t);
}

static void thread_locals(void)
{
	EXPECT_EQ(nucleus_regs_get(own_handle()), 0);
	regs()->fs_base = 0x12345000;
	regs()->gs_base = 0x54321000;
	EXPECT_EQ(nucleus_regs_set(own_handle()), 0);
	memset(regs(), 0, sizeof(struct user_regs));
	EXPECT_EQ(nucleus_regs_get(own_handle()), 0);
	EXPECT_EQ(regs()->fs_base, 0x12345000);
	EXPECT_EQ(regs()->gs_base, 0x54321000);
	/* The kernel's own thread register did not move. */
	EXPECT(thread_page_current()->handle == own_handle() && thread_page_current()->self == thread_page_current());
}

/* The FXSAVE area: control word at 0, MXCSR at 24, its mask at 28; XSTATE_BV at 512, XCOMP_BV at 520 (Intel SDM vol.
 * 1, 13.4). */
static uint32_t *mxcsr(void)
{
	return (uint32_t *)call_area() + 6;
}
static uint64_t *header(void)
{
	return call_area() + 64;
}

static void fpu_state(void)
{
	uint32_t size = boot_info()->fpu_state_bytes;

	EXPECT(size >= 512 && size <= CALL_AREA_BYTES);
	EXPECT_EQ(nucleus_fpu_set(own_handle(), 0), 0);
	EXPECT_EQ(nucleus_fpu_get(), size);
	EXPECT_EQ(*mxcsr(), 0x1f80);
	EXPECT_EQ(*(uint16_t *)call_area(), 0x37f);
	*mxcsr() = 0x3f80;
	if (size > 512)
		header()[0] |= 3;
	EXPECT_EQ(nucleus_fpu_set(own_handle(), size), 0);
	*mxcsr() = 0;
	EXPECT_EQ(nucleus_fpu_get(), size);
	EXPECT_EQ(*mxcsr(), 0x3f80);
	EXPECT_EQ(nucleus_fpu_set(own_handle(), 0), 0);
	EXPECT_EQ(nucleus_fpu_get(), size);
	EXPECT_EQ(*mxcsr(), 0x1f80);
}

static void expect_refused(uint32_t size)
{
	EXPECT_EQ(nucleus_fpu_set(own_handle(), size), -EINVAL);
	EXPECT_EQ(nucleus_fpu_get(), boot_info()->fpu_state_bytes);
}

static void bad_fpu_state(void)
{
	uint32_t size = boot_info()->fpu_state_bytes;

	EXPECT_EQ(nucleus_fpu_set(own_handle(), 0), 0);
	EXPECT_EQ(nucleus_fpu_get(), size);
	expect_refused(size + 1);
	expect_refused(size - 1);
	expect_refused(1);
	expect_refused(UINT32_MAX);
	*mxcsr() = UINT32_MAX;
	expect_refused(size);
	*mxcsr() = 1u << 16;
	expect_refused(size);
	if (size == 512)
		return;
	EXPECT_EQ(nucleus_fpu_get(), size);
	header()[0] = UINT64_MAX;
	expect_refused(size);
	header()[0] = 1ull << 62;
	expect_refused(size);
	/* Compacted form, and the reserved words behind. */
	header()[0] = 3;
	header()[1] = 1ull << 63 | 3;
	expect_refused(size);
	EXPECT_EQ(nucleus_fpu_get(), size);
	header()[5] = 1;
	expect_refused(size);
}

KTEST_SUITE(context, KTEST("selectors and flags are forced", registers_are_forced),
	    KTEST("addresses beyond a process's are refused", bad_registers),
	    KTEST("thread-local bases", thread_locals), KTEST("floating-point state goes out and in", fpu_state),
	    KTEST("malformed floating-point state is refused", bad_fpu_state));
