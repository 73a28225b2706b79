/* SPDX-License-Identifier: MIT */
/*
 * A process that reads, writes or jumps to the kernel half of the address space, wherever that is,
 * gets SIGSEGV, and the kernel goes on. The places are those of the layout, every page of the
 * image, and samples of everything else.
 */
#include "boundary.h"

#include <access.h>
#include <nucleus/layout.h>
#include <setjmp.h>
#include <stdatomic.h>

static sigjmp_buf after_fault;
static volatile siginfo_t fault;

static void on_fault(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	fault.si_signo = info->si_signo;
	fault.si_code = info->si_code;
	fault.si_addr = info->si_addr;
	siglongjmp(after_fault, 1);
}

static void catch_faults(void)
{
	struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};

	OK(sigaction(SIGSEGV, &action, nullptr));
	OK(sigaction(SIGBUS, &action, nullptr));
}

static void must_fault(uint64_t address, const char *what)
{
	if (fault.si_signo != SIGSEGV)
		ktap_fail(__FILE__, __LINE__, "%s %#lx raised signal %d", what, (unsigned long)address, fault.si_signo);
	if (access_reports(address) && (uint64_t)fault.si_addr != address)
		ktap_fail(__FILE__, __LINE__, "%s %#lx was reported as %p", what, (unsigned long)address,
			  fault.si_addr);
}

static void read_it(uint64_t address)
{
	if (sigsetjmp(after_fault, 0) == 0) {
		(void)*(volatile char *)address;
		ktap_fail(__FILE__, __LINE__, "reading %#lx worked", (unsigned long)address);
	}
	must_fault(address, "reading");
}

static void write_it(uint64_t address)
{
	if (sigsetjmp(after_fault, 0) == 0) {
		*(volatile char *)address = 0;
		ktap_fail(__FILE__, __LINE__, "writing %#lx worked", (unsigned long)address);
	}
	must_fault(address, "writing");
}

static void jump_to(uint64_t address)
{
	address &= ~(uint64_t)(ACCESS_CODE_ALIGN - 1);
	if (sigsetjmp(after_fault, 0) == 0) {
		((void (*)(void))address)();
		ktap_fail(__FILE__, __LINE__, "jumping to %#lx came back", (unsigned long)address);
	}
	/* A jump to an address that is none may fault at the jump. */
	if (access_reports(address))
		must_fault(address, "jumping to");
	EQUAL(fault.si_signo, SIGSEGV);
}

static void all_three(uint64_t address)
{
	read_it(address);
	write_it(address);
	jump_to(address);
}

static const uint64_t bases[] = {
	WINDOW_BASE, DIRECT_BASE,   KMAP_BASE,	       FRAMES_BASE,	   POOL_BASE,	       IMAGE_BASE,
	GATES_BASE,  ELEVATED_BASE, LOWERED_TEXT_BASE, 0xffff800000000000, 0xffffffffc0000000, 0xfffffffffffff000,
};

static void the_kernels_places(void)
{
	catch_faults();
	for (size_t i = 0; i < sizeof(bases) / sizeof(*bases); i++) {
		for (uint64_t offset = 0; offset < 64 * 4096; offset += 4096)
			if (bases[i] + offset >= bases[i])
				all_three(bases[i] + offset);
	}
	still_works();
}

static void every_gate(void)
{
	static const uint64_t gates[] = {GATE_START,	 GATE_CALL_RETURN, GATE_EXIT_RETURN, GATE_RESUME_RETURN,
					 UPCALL_SYSCALL, UPCALL_EVENT,	   UPCALL_FAULT};

	catch_faults();
	for (size_t i = 0; i < sizeof(gates) / sizeof(*gates); i++) {
		for (int64_t offset = -16; offset <= 16; offset++)
			jump_to(gates[i] + (uint64_t)offset);
	}
	for (uint64_t at = ELEVATED_BASE; at < ELEVATED_END; at += 61)
		jump_to(at);
	still_works();
}

static void every_page_of_the_image(void)
{
	catch_faults();
	for (uint64_t at = IMAGE_BASE; at < IMAGE_BASE + 0x1400000; at += 4096) {
		read_it(at);
		write_it(at + 8);
		jump_to(at + 16);
	}
	still_works();
}

static void samples_of_the_upper_half(void)
{
	catch_faults();
	for (uint64_t at = 0xffff800000000000; at != 0; at += 1ull << 39) {
		all_three(at);
		all_three(at + 0x12345678);
	}
	uint64_t random = 1;
	for (int i = 0; i < 3000; i++) {
		random = random * 6364136223846793005 + 1442695040888963407;
		uint64_t at = 0xffff800000000000 | (random >> 16 & 0x7fffffffffff);
		/* The page of Linux's old fixed entries can be executed or read there. */
		if (at >> 12 != 0xffffffffff600)
			all_three(at);
	}
	still_works();
}

static void addresses_that_are_none(void)
{
	catch_faults();
	for (unsigned int bit = 57; bit < 63; bit++) {
		all_three(1ull << bit);
		all_three((1ull << bit) + 0x1000);
		all_three(~0ull ^ 1ull << bit);
	}
	still_works();
}

static void the_end_of_user_space(void)
{
	catch_faults();
	all_three(USER_END);
	all_three(USER_END + 4095);
	still_works();
}

/* Accesses that begin in user memory and end outside, and page-straddling instructions. */
static void across_the_edge(void)
{
	catch_faults();
	if (sigsetjmp(after_fault, 0) == 0) {
		(void)*(volatile uint64_t *)(USER_END - 4);
		ktap_fail(__FILE__, __LINE__, "a read across the end worked");
	}
	EQUAL(fault.si_signo, SIGSEGV);
	still_works();
}

/* Also by atomic instructions, and by what else the architecture has that touches memory. */
static void by_other_instructions(void)
{
	catch_faults();
	for (size_t i = 0; i < sizeof(bases) / sizeof(*bases); i++) {
		uint64_t at = bases[i];
		if (sigsetjmp(after_fault, 0) == 0) {
			atomic_fetch_add((_Atomic uint64_t *)at, 1);
			ktap_fail(__FILE__, __LINE__, "an atomic at %#lx worked", (unsigned long)at);
		}
		must_fault(at, "an atomic at");
		for (size_t n = 0; n < sizeof(access_others) / sizeof(*access_others); n++) {
			if (sigsetjmp(after_fault, 0) == 0) {
				access_others[n].run(at);
				if (access_others[n].faults)
					ktap_fail(__FILE__, __LINE__, "%s at %#lx worked", access_others[n].name,
						  (unsigned long)at);
				continue;
			}
			must_fault(at, access_others[n].name);
		}
	}
	still_works();
}

KTAP_MAIN(CASE(the_kernels_places), CASE(every_gate), CASE(every_page_of_the_image), CASE(samples_of_the_upper_half),
	  CASE(addresses_that_are_none), CASE(the_end_of_user_space), CASE(across_the_edge),
	  CASE(by_other_instructions))
