/* SPDX-License-Identifier: MIT */
/*
 * /proc/cpuinfo on arm64: the features that processes may use (the bits of AT_HWCAP and AT_HWCAP2, asm/hwcap.h of
 * linux-libc-dev, in Linux's words) and the fields of MIDR_EL1 (Arm ARM, DDI 0487, D19.2.96), which the nucleus read.
 * All processors are taken to be alike.
 */
#include "../../fs/procfs/cpuinfo.h"

#include <kernel/base/init.h>
#include <kernel/mem/page.h>
#include <nucleus/upcall.h>

static const char *const capabilities[64] = {
	"fp",	 "asimd",    "evtstrm", "aes",	 "pmull",  "sha1",  "sha2", "crc32", "atomics", "fphp",	   "asimdhp",
	"cpuid", "asimdrdm", "jscvt",	"fcma",	 "lrcpc",  "dcpop", "sha3", "sm3",   "sm4",	"asimddp", "sha512",
	"sve",	 "asimdfhm", "dit",	"uscat", "ilrcpc", "flagm", "ssbs", "sb",    "paca",	"pacg",
};
static const char *const capabilities2[64] = {
	"dcpodp", "sve2",    "sveaes",	 "svepmull", "svebitperm", "svesha3", "svesm4", "flagm2",
	"frint",  "svei8mm", "svef32mm", "svef64mm", "svebf16",	   "i8mm",    "bf16",	"dgh",
	"rng",	  "bti",     "mte",	 "ecv",	     "afp",	   "rpres",   "mte3",	"sme",
};

static void show_names(struct text_buffer *b, const char *const names[64], uint64_t bits)
{
	for (int n = 0; n < 64; n++) {
		if ((bits >> n & 1) && names[n] != nullptr)
			text_printf(b, " %s", names[n]);
	}
}

/* As if a delay loop took two cycles of the counter: what Linux shows there. */
static void show_bogomips(struct text_buffer *b)
{
	const struct time_page *t = page_window(boot_info()->time_page_pfn);
	uint64_t hundredths = t->counter_hz / 5000;

	text_printf(b, "BogoMIPS\t: %lu.%02lu\n", hundredths / 100, hundredths % 100);
}

void cpuinfo_show(struct text_buffer *b, uint32_t cpu)
{
	uint32_t identity = (uint32_t)boot_info()->cpu_identity;

	text_printf(b, "processor\t: %u\n", cpu);
	show_bogomips(b);
	text_printf(b, "Features\t:");
	show_names(b, capabilities, boot_info()->hwcap);
	show_names(b, capabilities2, boot_info()->hwcap2);
	text_printf(b,
		    "\nCPU implementer\t: 0x%02x\nCPU architecture: 8\nCPU variant\t: 0x%x\nCPU part\t: 0x%03x\n"
		    "CPU revision\t: %u\n\n",
		    identity >> 24, identity >> 20 & 15, identity >> 4 & 0xfff, identity & 15);
}
