/* SPDX-License-Identifier: MIT */
/* The process context of a thread on arm64: what regs_set and fpu_set take, force and refuse. */
#include <test/kernel/ktest.h>

#include <abi/errno.h>
#include <lib/string.h>

/* PSTATE as in SPSR_EL1 (Arm ARM, DDI 0487, C5.2.19). */
enum : uint64_t {
	PSTATE_MODE = 0x1f, /* M[4:0]: EL0t is 0 */
	PSTATE_MASKS = 0x3c0,
	PSTATE_ILLEGAL = 1 << 20,
	PSTATE_STEP = 1 << 21,
	PSTATE_PAN = 1 << 22,
	PSTATE_FLAGS = 0xf0000000
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
	for (unsigned i = 0; i < 31; i++)
		regs()->x[i] = PATTERN + i;
	regs()->sp = PATTERN + 100;
	regs()->pc = 0x401000;
	regs()->pstate = UINT64_MAX;
	regs()->tpidr = 0x7000;
	regs()->orig_x0 = 76;
	regs()->orig_syscall = 77;
	EXPECT_EQ(nucleus_regs_set(h), 0);
	memset(regs(), 0, sizeof(struct user_regs));
	EXPECT_EQ(nucleus_regs_get(h), 0);
	for (unsigned i = 0; i < 31; i++)
		EXPECT_EQ(regs()->x[i], PATTERN + i);
	EXPECT_EQ(regs()->sp, PATTERN + 100);
	EXPECT_EQ(regs()->pc, 0x401000);
	EXPECT_EQ(regs()->tpidr, 0x7000);
	EXPECT_EQ(regs()->orig_x0, 76);
	EXPECT_EQ(regs()->orig_syscall, 77);
	EXPECT_EQ(regs()->pstate & PSTATE_FLAGS, PSTATE_FLAGS);
	EXPECT_EQ(regs()->pstate & (PSTATE_MODE | PSTATE_MASKS | PSTATE_ILLEGAL | PSTATE_STEP | PSTATE_PAN), 0);
	EXPECT_EQ(regs()->pstate >> 32, 0);
	thread_start(t);
}

static void bad_registers(void)
{
	/* A call in the last word of a process returns to USER_END itself. */
	static const uint64_t bad[] = {USER_END + 4, 1ull << 48, UINT64_MAX,
				       IMAGE_BASE,   GATES_BASE, 0xfffeffffffffffff};
	struct thread *t = thread_that_ends();
	uint32_t h = handle_of(t);

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memset(regs(), 0, sizeof(struct user_regs));
		regs()->pc = bad[i];
		EXPECT_EQ(nucleus_regs_set(h), -EINVAL);
	}
	EXPECT_EQ(nucleus_regs_get(h), 0);
	EXPECT_EQ(regs()->pc, 0);
	thread_start(t);
}

static void thread_locals(void)
{
	EXPECT_EQ(nucleus_regs_get(own_handle()), 0);
	regs()->tpidr = 0x12345000;
	EXPECT_EQ(nucleus_regs_set(own_handle()), 0);
	memset(regs(), 0, sizeof(struct user_regs));
	EXPECT_EQ(nucleus_regs_get(own_handle()), 0);
	EXPECT_EQ(regs()->tpidr, 0x12345000);
	/* The kernel's own thread register did not move. */
	EXPECT(thread_page_current()->handle == own_handle() && thread_page_current()->self == thread_page_current());
}

static struct user_fpu *fpu(void)
{
	return (struct user_fpu *)call_area();
}

static void fpu_state(void)
{
	constexpr uint32_t size = sizeof(struct user_fpu);
	constexpr uint32_t ROUND_DOWN = 2 << 22, SATURATED = 1 << 27;

	EXPECT_EQ(boot_info()->fpu_state_bytes, size);
	EXPECT_EQ(nucleus_fpu_set(own_handle(), 0), 0);
	EXPECT_EQ(nucleus_fpu_get(), size);
	for (unsigned i = 0; i < 32; i++) {
		EXPECT(fpu()->v[i] == 0);
		fpu()->v[i] = (unsigned __int128)(PATTERN + i) << 64 | ~(PATTERN + i);
	}
	EXPECT_EQ(fpu()->fpcr, 0);
	fpu()->fpcr = ROUND_DOWN;
	fpu()->fpsr = SATURATED;
	EXPECT_EQ(nucleus_fpu_set(own_handle(), size), 0);
	memset(fpu(), 0, size);
	EXPECT_EQ(nucleus_fpu_get(), size);
	for (unsigned i = 0; i < 32; i++)
		EXPECT(fpu()->v[i] == ((unsigned __int128)(PATTERN + i) << 64 | ~(PATTERN + i)));
	EXPECT_EQ(fpu()->fpcr, ROUND_DOWN);
	EXPECT_EQ(fpu()->fpsr, SATURATED);
	EXPECT_EQ(nucleus_fpu_set(own_handle(), 0), 0);
	EXPECT_EQ(nucleus_fpu_get(), size);
	EXPECT(fpu()->v[31] == 0 && fpu()->fpcr == 0 && fpu()->fpsr == 0);
}

/* Every vector is a possible one; sizes and reserved bits of the control words can be wrong. */
static void bad_fpu_state(void)
{
	constexpr uint32_t size = sizeof(struct user_fpu);

	EXPECT_EQ(nucleus_fpu_set(own_handle(), size + 1), -EINVAL);
	EXPECT_EQ(nucleus_fpu_set(own_handle(), size - 1), -EINVAL);
	EXPECT_EQ(nucleus_fpu_set(own_handle(), 1), -EINVAL);
	EXPECT_EQ(nucleus_fpu_set(own_handle(), UINT32_MAX), -EINVAL);
	for (unsigned word = 0; word < 2; word++) {
		EXPECT_EQ(nucleus_fpu_get(), size);
		*(word == 0 ? &fpu()->fpcr : &fpu()->fpsr) = UINT32_MAX;
		EXPECT_EQ(nucleus_fpu_set(own_handle(), size), -EINVAL);
	}
	EXPECT_EQ(nucleus_fpu_get(), size);
	EXPECT(fpu()->fpcr == 0 && fpu()->fpsr == 0);
}

KTEST_SUITE(context, KTEST("selectors and flags are forced", registers_are_forced),
	    KTEST("addresses beyond a process's are refused", bad_registers),
	    KTEST("thread-local bases", thread_locals), KTEST("floating-point state goes out and in", fpu_state),
	    KTEST("malformed floating-point state is refused", bad_fpu_state));
