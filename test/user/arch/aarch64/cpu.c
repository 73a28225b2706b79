/* SPDX-License-Identifier: MIT */
/*
 * What the kernel tells of the processor on arm64: each capability of AT_HWCAP and AT_HWCAP2 has its name in
 * /proc/cpuinfo and an instruction that runs; registers that EL0 needs can be read; the vDSO has its symbols.
 */
#include "ktap.h"

#include <elf.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>

static sigjmp_buf after_fault;

static void on_fault(int signal)
{
	siglongjmp(after_fault, signal);
}

/* Whether the instruction (x1: a word of memory; x0, x2, v0 free) runs. */
#define RUNS(word)                                                                                                     \
	({                                                                                                             \
		static uint64_t memory_[2];                                                                            \
		bool runs_ = sigsetjmp(after_fault, 1) == 0;                                                           \
		if (runs_) {                                                                                           \
			register uint64_t *x1 asm("x1") = memory_;                                                     \
			asm volatile(".inst %c1" ::"r"(x1), "i"(word) : "x0", "x2", "v0", "memory", "cc");             \
		}                                                                                                      \
		runs_;                                                                                                 \
	})

static void check(unsigned long bits, unsigned int bit, const char *name, bool runs)
{
	static char text[16384];
	char word[32];

	ktap_read_file("/proc/cpuinfo", text, sizeof(text));
	char *line = strstr(text, "\nFeatures\t:");
	CHECK(line != nullptr);
	line[strcspn(line + 1, "\n") + 1] = '\0';
	snprintf(word, sizeof(word), " %s", name);
	bool told = false;
	for (char *at = line; (at = strstr(at, word)) != nullptr; at++)
		told |= at[strlen(word)] == ' ' || at[strlen(word)] == '\0';
	bool has = (bits >> bit & 1) != 0;
	if (told != has)
		ktap_fail(__FILE__, __LINE__, "%s: the auxiliary vector says %d, /proc/cpuinfo %d", name, has, told);
	if (has && !runs)
		ktap_fail(__FILE__, __LINE__, "%s is announced, but its instruction does not run", name);
}

static void capabilities_can_be_used(void)
{
	unsigned long one = getauxval(AT_HWCAP), two = getauxval(AT_HWCAP2);

	OK(sigaction(SIGILL, &(struct sigaction){.sa_handler = on_fault}, nullptr));
	check(one, 0, "fp", RUNS(0x1e604000));	      /* fmov d0, d0 */
	check(one, 1, "asimd", RUNS(0x4e208400));     /* add v0.16b, v0.16b, v0.16b */
	check(one, 3, "aes", RUNS(0x4e284800));	      /* aese v0.16b, v0.16b */
	check(one, 4, "pmull", RUNS(0x0ee0e000));     /* pmull v0.1q, v0.1d, v0.1d */
	check(one, 5, "sha1", RUNS(0x5e280800));      /* sha1h s0, s0 */
	check(one, 6, "sha2", RUNS(0x5e282800));      /* sha256su0 v0.4s, v0.4s */
	check(one, 7, "crc32", RUNS(0x1ac04000));     /* crc32b w0, w0, w0 */
	check(one, 8, "atomics", RUNS(0xf8200022));   /* ldadd x0, x2, [x1] */
	check(one, 12, "asimdrdm", RUNS(0x2e408400)); /* sqrdmlah v0.4h, v0.4h, v0.4h */
	check(one, 13, "jscvt", RUNS(0x1e7e0000));    /* fjcvtzs w0, d0 */
	check(one, 15, "lrcpc", RUNS(0xf8bfc020));    /* ldapr x0, [x1] */
	check(one, 16, "dcpop", RUNS(0xd50b7c21));    /* dc cvap, x1 */
	check(one, 24, "dit", RUNS(0xd53b42a0));      /* mrs x0, dit */
	check(one, 27, "flagm", RUNS(0xd500401f));    /* cfinv */
	check(one, 29, "sb", RUNS(0xd50330ff));	      /* sb */
	check(two, 8, "frint", RUNS(0x1e684000));     /* frint32z d0, d0 */
	check(two, 16, "rng", RUNS(0xd53b2400));      /* mrs x0, rndr */
	/* Every processor has these two. */
	EQUAL(one & 3, 3);
}

/* CTR_EL0, DCZID_EL0, the counter and its frequency, which C libraries and programs go by. */
static void registers_can_be_read(void)
{
	uint64_t ctr, dczid, before, after, frequency;

	asm volatile("mrs %0, ctr_el0\n mrs %1, dczid_el0\n mrs %2, cntfrq_el0"
		     : "=r"(ctr), "=r"(dczid), "=r"(frequency));
	CHECK((ctr & 15) <= 9 && (ctr >> 16 & 15) <= 9);
	CHECK((dczid & 15) <= 9);
	CHECK(frequency >= 1'000'000);
	asm volatile("isb\n mrs %0, cntvct_el0" : "=r"(before)::"memory");
	asm volatile("isb\n mrs %0, cntvct_el0" : "=r"(after)::"memory");
	CHECK(after >= before);
}

/* A thread may read them on one CPU and use them on another, so they must not differ even where the CPUs do. */
static void registers_are_those_of_all_cpus(void)
{
	uint64_t first_ctr = 0, first_dczid = 0, ctr, dczid;
	unsigned cpus = 0;
	cpu_set_t all, one;

	OK(sched_getaffinity(0, sizeof(all), &all));
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		OK(sched_setaffinity(0, sizeof(one), &one));
		/* The zero register is a target like any other. */
		asm volatile("mrs %0, ctr_el0\n mrs %1, dczid_el0\n mrs xzr, ctr_el0" : "=r"(ctr), "=r"(dczid));
		if (cpus++ == 0) {
			first_ctr = ctr;
			first_dczid = dczid;
		}
		EQUAL(ctr, first_ctr);
		EQUAL(dczid, first_dczid);
	}
	ktap_note("CTR_EL0 is 0x%llx on %u CPUs", (unsigned long long)first_ctr, cpus);
}

static bool has_symbol(const char *base, const char *name)
{
	const Elf64_Ehdr *header = (const void *)base;
	const Elf64_Phdr *segment = (const void *)(base + header->e_phoff);
	const Elf64_Sym *symbols = nullptr;
	const char *strings = nullptr;
	size_t count = 0;

	for (int i = 0; i < header->e_phnum; i++) {
		if (segment[i].p_type != PT_DYNAMIC)
			continue;
		for (const Elf64_Dyn *d = (const void *)(base + segment[i].p_vaddr); d->d_tag != DT_NULL; d++) {
			if (d->d_tag == DT_SYMTAB)
				symbols = (const void *)(base + d->d_un.d_ptr);
			if (d->d_tag == DT_STRTAB)
				strings = base + d->d_un.d_ptr;
			if (d->d_tag == DT_HASH)
				count = ((const uint32_t *)(const void *)(base + d->d_un.d_ptr))[1];
		}
	}
	CHECK(symbols != nullptr && strings != nullptr);
	for (size_t i = 0; i < count; i++)
		if (strcmp(strings + symbols[i].st_name, name) == 0)
			return symbols[i].st_value != 0;
	return false;
}

static void the_vdso_has_its_symbols(void)
{
	const char *base = (const char *)getauxval(AT_SYSINFO_EHDR);

	CHECK(base != nullptr);
	CHECK(has_symbol(base, "__kernel_clock_gettime"));
	CHECK(has_symbol(base, "__kernel_clock_getres"));
	CHECK(has_symbol(base, "__kernel_gettimeofday"));
	CHECK(has_symbol(base, "__kernel_rt_sigreturn"));
	CHECK(!has_symbol(base, "__kernel_nothing"));
}

KTAP_MAIN(CASE(capabilities_can_be_used), CASE(registers_can_be_read), CASE(registers_are_those_of_all_cpus),
	  CASE(the_vdso_has_its_symbols))
