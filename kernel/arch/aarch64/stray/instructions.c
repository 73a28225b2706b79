/* SPDX-License-Identifier: MIT */
/*
 * Forbidden instructions of the stray component on arm64, one plainly named function each. The
 * opcode check knows these functions by name (test/opcodes.exempt). Where they are let through
 * (dynpriv=off) they do no damage; what would is not run there.
 */
#include <kernel/component/measure/measure.h>
#include <kernel/component/stray/stray.h>

#include <abi/errno.h>
#include <kernel/base/clock.h>
#include <kernel/base/init.h>
#include <kernel/thread/thread.h>
#include <lib/string.h>
#include <nucleus/calls.h>
#include <nucleus/layout.h>

constexpr uint64_t TICKS_NS = 40'000'000;     /* several timer ticks */
constexpr uint64_t PSCI_VERSION = 0x84000000; /* Arm DEN 0022: changes nothing */

/* Registers that nothing in Stellux uses. */
static int choose_register(uint64_t seed, struct stray_victim *v)
{
	static const char *const names[] = {"contextidr_el1", "afsr0_el1", "afsr1_el1"};

	v->address = seed % 3;
	strlcpy(v->name, names[v->address], sizeof(v->name));
	return 0;
}

static int choose_interrupts(uint64_t, struct stray_victim *v)
{
	strlcpy(v->name, "interrupt-mask", sizeof(v->name));
	return 0;
}

static int choose_root(uint64_t seed, struct stray_victim *v)
{
	v->address = (seed % boot_info()->frame_count) << PAGE_SHIFT;
	snprintf(v->name, sizeof(v->name), "ttbr1-to-%#lx", v->address);
	return 0;
}

static int choose_tlb(uint64_t, struct stray_victim *v)
{
	strlcpy(v->name, "all-translations", sizeof(v->name));
	return 0;
}

static int choose_translation(uint64_t seed, struct stray_victim *v)
{
	v->address = LOWERED_TEXT_BASE + seed % PAGE_SIZE;
	snprintf(v->name, sizeof(v->name), "translation-of-%#lx", v->address);
	return 0;
}

static int choose_cache_line(uint64_t seed, struct stray_victim *v)
{
	v->address = LOWERED_TEXT_BASE + seed % PAGE_SIZE;
	snprintf(v->name, sizeof(v->name), "cache-line-of-%#lx", v->address);
	return 0;
}

static int choose_privilege(uint64_t, struct stray_victim *v)
{
	strlcpy(v->name, "privilege-level", sizeof(v->name));
	return 0;
}

static int choose_firmware(uint64_t, struct stray_victim *v)
{
	strlcpy(v->name, "firmware", sizeof(v->name));
	return 0;
}

/* An address that lowered code has no business with. */
static int choose_base(uint64_t seed, struct stray_victim *v)
{
	v->address = POOL_BASE + ((seed * 0x9e3779b97f4a7c15 >> 27) & ~15ull);
	snprintf(v->name, sizeof(v->name), "base-%#lx", v->address);
	return 0;
}

[[gnu::noinline]] static void stray_msr(uint64_t which)
{
	if (which == 0)
		__asm__ volatile("msr contextidr_el1, xzr" : : : "memory");
	else if (which == 1)
		__asm__ volatile("msr afsr0_el1, xzr" : : : "memory");
	else
		__asm__ volatile("msr afsr1_el1, xzr" : : : "memory");
}

[[gnu::noinline]] static void stray_mrs(uint64_t which)
{
	uint64_t value;

	if (which == 0)
		__asm__ volatile("mrs %0, contextidr_el1" : "=r"(value));
	else if (which == 1)
		__asm__ volatile("mrs %0, afsr0_el1" : "=r"(value));
	else
		__asm__ volatile("mrs %0, afsr1_el1" : "=r"(value));
}

[[gnu::noinline]] static void stray_daifset(uint64_t)
{
	__asm__ volatile("msr daifset, #2\n\tmsr daifclr, #2" : : : "memory");
}

[[gnu::noinline]] static void stray_msr_ttbr(uint64_t address)
{
	__asm__ volatile("msr ttbr1_el1, %0\n\tisb" : : "r"(address) : "memory");
}

[[gnu::noinline]] static void stray_tlbi(uint64_t)
{
	__asm__ volatile("tlbi vmalle1\n\tdsb ish\n\tisb" : : : "memory");
}

/* An address translation; its result goes to a register of EL1. */
[[gnu::noinline]] static void stray_at(uint64_t address)
{
	__asm__ volatile("at s1e1r, %0" : : "r"(address) : "memory");
}

/* Cache maintenance that throws modified lines away. */
[[gnu::noinline]] static void stray_dc_ivac(uint64_t address)
{
	__asm__ volatile("dc ivac, %0" : : "r"(address) : "memory");
}

[[gnu::noinline]] static void stray_eret(uint64_t)
{
	__asm__ volatile("eret" : : : "memory");
}

[[gnu::noinline]] static void stray_hvc(uint64_t)
{
	register uint64_t x0 __asm__("x0") = PSCI_VERSION;

	__asm__ volatile("hvc #0" : "+r"(x0) : : "x1", "x2", "x3", "memory");
}

[[gnu::noinline]] static void stray_smc(uint64_t)
{
	register uint64_t x0 __asm__("x0") = PSCI_VERSION;

	__asm__ volatile("smc #0" : "+r"(x0) : : "x1", "x2", "x3", "memory");
}

[[gnu::noinline]] static void stray_jump_nucleus(uint64_t address)
{
	/* A call, so that the return address tells who jumped. */
	__asm__ volatile("blr %0"
			 :
			 : "r"(address & ~3ull)
			 : "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13",
			   "x14", "x15", "x16", "x17", "x18", "x30", "memory", "cc");
}

[[gnu::noinline]] static void stray_elevate_unlisted(uint64_t)
{
	/* What elevate() is made of, but not where the nucleus allows it to return to. */
	__asm__ volatile("svc #0" : : : "x14", "x15", "x16", "x17", "memory", "cc");
}

[[gnu::noinline]] static void stray_elevate_denied(uint64_t)
{
	/* A proper bracket, of which this component's threads may make no use. */
	measure_bracket();
	__asm__ volatile("" : : : "memory");
}

/* The thread pointer that lowered code and the nucleus go by is read-only here; the process's own is not. */
[[gnu::noinline]] static void stray_thread_pointer(uint64_t address)
{
	uint64_t until = clock_monotonic_ns() + TICKS_NS;

	__asm__ volatile("msr tpidr_el0, %0" : : "r"(address) : "memory");
	/* Timer ticks come, threads are switched: all that with the wild pointer. */
	while (clock_monotonic_ns() < until)
		;
	(void)nucleus_yield();
	__asm__ volatile("msr tpidrro_el0, %0" : : "r"(address) : "memory");
}

/* Ticks and a nucleus call on a stack that is none; then it is used. */
[[gnu::noinline]] static void stray_wild_stack(uint64_t address)
{
	uint64_t spins = 100'000'000, scratch, saved;
	register uint64_t x8 __asm__("x8") = NUCLEUS_CALL_yield;
	register uint64_t x0 __asm__("x0");

	__asm__ volatile("mov %[saved], sp\n"
			 "	mov sp, %[wild]\n"
			 "1:	subs %[spins], %[spins], #1\n"
			 "	b.ne 1b\n"
			 "	bl nucleus_call_gate\n"
			 "	ldr %[scratch], [sp]\n"
			 "	mov sp, %[saved]"
			 : [saved] "=&r"(saved), [spins] "+&r"(spins), [scratch] "=&r"(scratch), "=&r"(x0), "+r"(x8)
			 : [wild] "r"(address)
			 : "x1", "x2", "x3", "x4", "x5", NUCLEUS_CALL_LOST);
}

const struct stray_case stray_arch_cases[] = {
	STRAY_CASE("msr", "write a system register", choose_register, stray_msr),
	STRAY_CASE("mrs", "read a system register", choose_register, stray_mrs),
	STRAY_CASE("daifset", "mask interrupts", choose_interrupts, stray_daifset),
	STRAY_CASE("msr-ttbr", "load another page-table root", choose_root, stray_msr_ttbr, .needs_lowered = true),
	STRAY_CASE("tlbi", "invalidate translations", choose_tlb, stray_tlbi),
	STRAY_CASE("at", "translate an address with privilege", choose_translation, stray_at),
	STRAY_CASE("dc-ivac", "throw modified cache lines away", choose_cache_line, stray_dc_ivac,
		   .needs_lowered = true),
	STRAY_CASE("eret", "return from an exception that was none", choose_privilege, stray_eret,
		   .needs_lowered = true),
	STRAY_CASE("hvc", "call the hypervisor", choose_firmware, stray_hvc, .needs_lowered = true),
	STRAY_CASE("smc", "call the secure firmware", choose_firmware, stray_smc, .needs_lowered = true),
	STRAY_CASE("jump-nucleus", "jump to a function of the nucleus", stray_choose_nucleus_text, stray_jump_nucleus,
		   .needs_lowered = true),
	STRAY_CASE("elevate-unlisted", "elevate from an address outside the brackets' section", choose_privilege,
		   stray_elevate_unlisted, .needs_lowered = true),
	{.name = "elevate-denied",
	 .what = "elevate without the right to",
	 .culprit = "stray_elevate_denied",
	 .choose = choose_privilege,
	 .run = stray_elevate_denied},
	STRAY_CASE("thread-pointer", "replace the kernel's thread pointer", choose_base, stray_thread_pointer,
		   .needs_lowered = true),
	STRAY_CASE("wild-stack", "take a timer tick and make a nucleus call on a wild stack, then use it", choose_base,
		   stray_wild_stack, .needs_lowered = true),
	{},
};
