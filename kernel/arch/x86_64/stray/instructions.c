/* SPDX-License-Identifier: MIT */
/*
 * Forbidden instructions of the stray component on x86_64, one plainly named function each. The
 * opcode check knows these functions by name (test/opcodes.exempt). Where they are let through
 * (dynpriv=off) they do no damage; what would is not run there.
 */
#include <kernel/component/stray/stray.h>

#include <abi/errno.h>
#include <arch/portio.h>
#include <kernel/base/clock.h>
#include <kernel/base/init.h>
#include <kernel/thread/thread.h>
#include <lib/string.h>
#include <nucleus/calls.h>
#include <nucleus/layout.h>

constexpr uint16_t PORT_POST = 0x80;	    /* a PC's diagnostic port: writing it changes nothing */
constexpr uint32_t MSR_SYSENTER_CS = 0x174; /* to 0x176; SYSENTER is off, they are zero */
constexpr uint64_t HWCAP2_FSGSBASE = 2;
constexpr uint64_t TICKS_NS = 40'000'000; /* several timer ticks */

static int choose_msr(uint64_t seed, struct stray_victim *v)
{
	v->address = MSR_SYSENTER_CS + seed % 3;
	snprintf(v->name, sizeof(v->name), "msr-%#lx", v->address);
	return 0;
}

static int choose_port(uint64_t seed, struct stray_victim *v)
{
	v->address = PORT_POST + seed % 4;
	snprintf(v->name, sizeof(v->name), "port-%#lx", v->address);
	return 0;
}

static int choose_interrupts(uint64_t, struct stray_victim *v)
{
	strlcpy(v->name, "interrupt-flag", sizeof(v->name));
	return 0;
}

static int choose_root(uint64_t seed, struct stray_victim *v)
{
	v->address = (seed % boot_info()->frame_count) << PAGE_SHIFT;
	snprintf(v->name, sizeof(v->name), "cr3-to-%#lx", v->address);
	return 0;
}

static int choose_privilege(uint64_t, struct stray_victim *v)
{
	strlcpy(v->name, "privilege-level", sizeof(v->name));
	return 0;
}

/* A canonical address that lowered code has no business with. */
static int choose_base(uint64_t seed, struct stray_victim *v)
{
	v->address = POOL_BASE + ((seed * 0x9e3779b97f4a7c15 >> 27) & ~7ull);
	snprintf(v->name, sizeof(v->name), "gs-base-%#lx", v->address);
	return 0;
}

[[gnu::noinline]] static void stray_wrmsr(uint64_t address)
{
	__asm__ volatile("wrmsr" : : "c"((uint32_t)address), "a"(0), "d"(0));
}

[[gnu::noinline]] static void stray_cli(uint64_t)
{
	__asm__ volatile("cli; sti" : : : "memory");
}

[[gnu::noinline]] static void stray_mov_cr3(uint64_t address)
{
	__asm__ volatile("movq %0, %%cr3" : : "r"(address) : "memory");
}

[[gnu::noinline]] static void stray_out(uint64_t address)
{
	__asm__ volatile("outb %0, %1" : : "a"((uint8_t)address), "d"((uint16_t)address));
}

[[gnu::noinline]] static void stray_jump_nucleus(uint64_t address)
{
	/* A call, so that the return address tells who jumped. */
	__asm__ volatile("callq *%0"
			 :
			 : "r"(address)
			 : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory");
}

[[gnu::noinline]] static void stray_elevate_unlisted(uint64_t)
{
	/* What elevate() is made of, but not where the nucleus allows it to return to. */
	__asm__ volatile("syscall" : : : "rax", "rcx", "rdx", "r11", "memory");
}

[[gnu::noinline]] static void stray_elevate_denied(uint64_t address)
{
	/* A proper bracket, of which this component's threads may make no use. */
	(void)portio_read8((uint16_t)address);
	__asm__ volatile("" : : : "memory");
}

static void load_gs(uint64_t base)
{
	if ((boot_info()->hwcap2 & HWCAP2_FSGSBASE) != 0)
		__asm__ volatile("wrgsbase %0" : : "r"(base) : "memory");
	else
		__asm__ volatile("movw %w0, %%gs" : : "r"(0) : "memory"); /* the null selector: base 0 */
}

[[gnu::noinline]] static void stray_wild_gs(uint64_t address)
{
	uint64_t until = clock_monotonic_ns() + TICKS_NS;
	uint64_t value;

	load_gs(address);
	/* Timer ticks come, threads are switched: all that with the wild base. */
	while (clock_monotonic_ns() < until)
		;
	load_gs(address);
	(void)nucleus_yield();
	load_gs(address);
	__asm__ volatile("movq %%gs:0, %0" : "=r"(value) : : "memory");
}

const struct stray_case stray_arch_cases[] = {
	STRAY_CASE("wrmsr", "write a model-specific register", choose_msr, stray_wrmsr),
	STRAY_CASE("cli", "mask interrupts", choose_interrupts, stray_cli),
	STRAY_CASE("mov-cr3", "load another page-table root", choose_root, stray_mov_cr3, .needs_lowered = true),
	STRAY_CASE("out", "write to an I/O port", choose_port, stray_out),
	STRAY_CASE("jump-nucleus", "jump to a function of the nucleus", stray_choose_nucleus_text, stray_jump_nucleus,
		   .needs_lowered = true),
	STRAY_CASE("elevate-unlisted", "elevate from an address outside the brackets' section", choose_privilege,
		   stray_elevate_unlisted, .needs_lowered = true),
	{.name = "elevate-denied",
	 .what = "elevate without the right to",
	 .culprit = "stray_elevate_denied",
	 .choose = choose_port,
	 .run = stray_elevate_denied},
	STRAY_CASE("wild-gs", "load a wild GS base, take a timer tick, make a nucleus call", choose_base, stray_wild_gs,
		   .needs_lowered = true),
	{},
};
