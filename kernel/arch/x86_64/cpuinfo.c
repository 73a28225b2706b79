/* SPDX-License-Identifier: MIT */
/*
 * /proc/cpuinfo on x86_64, from CPUID (Intel SDM volume 2A, CPUID; AMD APM volume 3, appendix E). The instruction is
 * not privileged; all processors are taken to be alike.
 */
#include "../../fs/procfs/cpuinfo.h"

#include <kernel/base/init.h>
#include <kernel/mem/page.h>
#include <lib/string.h>
#include <nucleus/upcall.h>

struct cpuid {
	uint32_t eax, ebx, ecx, edx;
};

static struct cpuid cpuid(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid r;

	__asm__("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
	return r;
}

/* Names of bits 0…31, with Linux's spelling; nullptr: not shown. */
static const char *const leaf1_edx[32] = {
	"fpu",	 "vme",	  "de",	   "pse", "tsc",  "msr",  "pae",  "mce",   "cx8",   "apic",
	nullptr, "sep",	  "mtrr",  "pge", "mca",  "cmov", "pat",  "pse36", nullptr, "clflush",
	nullptr, nullptr, nullptr, "mmx", "fxsr", "sse",  "sse2", "ss",	   "ht",
};
static const char *const leaf1_ecx[32] = {
	"pni",	  "pclmulqdq",	nullptr, "monitor", nullptr,
	nullptr,  nullptr,	nullptr, nullptr,   "ssse3",
	nullptr,  nullptr,	"fma",	 "cx16",    nullptr,
	nullptr,  nullptr,	"pcid",	 nullptr,   "sse4_1",
	"sse4_2", "x2apic",	"movbe", "popcnt",  "tsc_deadline_timer",
	"aes",	  "xsave",	nullptr, "avx",	    "f16c",
	"rdrand", "hypervisor",
};
static const char *const leaf7_ebx[32] = {
	"fsgsbase",    nullptr,		nullptr,      "bmi1",	     nullptr,
	"avx2",	       nullptr,		"smep",	      "bmi2",	     "erms",
	"invpcid",     [18] = "rdseed", [19] = "adx", [20] = "smap", [23] = "clflushopt",
	[24] = "clwb", [29] = "sha_ni",
};
static const char *const extended_edx[32] = {
	[11] = "syscall", [20] = "nx", [26] = "pdpe1gb", [27] = "rdtscp", [29] = "lm"};

static void show_flags(struct text_buffer *b, const char *const names[32], uint32_t bits)
{
	for (int n = 0; n < 32; n++) {
		if ((bits >> n & 1) && names[n] != nullptr)
			text_printf(b, " %s", names[n]);
	}
}

static void show_name(struct text_buffer *b, uint32_t max_extended)
{
	enum : uint32_t { NAME_FIRST = 0x80000002, NAME_LAST = 0x80000004 };
	char name[49] = "unknown";

	for (uint32_t leaf = NAME_FIRST; max_extended >= NAME_LAST && leaf <= NAME_LAST; leaf++) {
		struct cpuid r = cpuid(leaf, 0);
		memcpy(name + (leaf - NAME_FIRST) * sizeof(r), &r, sizeof(r));
	}
	const char *at = name;
	while (*at == ' ')
		at++;
	text_printf(b, "model name\t: %s\n", at);
}

static void show_clock(struct text_buffer *b)
{
	const struct time_page *t = page_window(boot_info()->time_page_pfn);
	uint64_t khz = t->counter_hz / 1000;

	text_printf(b, "cpu MHz\t\t: %lu.%03lu\n", khz / 1000, khz % 1000);
}

void cpuinfo_show(struct text_buffer *b, uint32_t cpu)
{
	struct cpuid first = cpuid(0, 0), one = cpuid(1, 0);
	uint32_t max_extended = cpuid(0x80000000, 0).eax;
	uint32_t family = one.eax >> 8 & 15, model = one.eax >> 4 & 15, cpus = boot_info()->cpu_count;
	uint32_t vendor[3] = {first.ebx, first.edx, first.ecx};

	if (family == 15 || family == 6)
		model |= (one.eax >> 16 & 15) << 4;
	if (family == 15)
		family += one.eax >> 20 & 255;
	text_printf(b, "processor\t: %u\nvendor_id\t: %.12s\ncpu family\t: %u\nmodel\t\t: %u\n", cpu,
		    (const char *)vendor, family, model);
	show_name(b, max_extended);
	text_printf(b, "stepping\t: %u\n", one.eax & 15);
	show_clock(b);
	text_printf(
		b,
		"physical id\t: 0\nsiblings\t: %u\ncore id\t\t: %u\ncpu cores\t: %u\nfpu\t\t: yes\ncpuid level\t: %u\nwp\t\t: yes\nflags\t\t:",
		cpus, cpu, cpus, first.eax);
	show_flags(b, leaf1_edx, one.edx);
	if (max_extended >= 0x80000001)
		show_flags(b, extended_edx, cpuid(0x80000001, 0).edx);
	show_flags(b, leaf1_ecx, one.ecx);
	if (first.eax >= 7)
		show_flags(b, leaf7_ebx, cpuid(7, 0).ebx);
	text_printf(b, "\n\n");
}
