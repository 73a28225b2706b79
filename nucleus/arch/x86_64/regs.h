/* SPDX-License-Identifier: MIT */
/*
 * Privileged registers and instructions of x86_64 (Intel SDM vol. 2 and vol. 4; AMD APM vol. 2). Each helper is one
 * instruction; "memory" where the compiler must not move accesses across it.
 */
#ifndef ARCH_REGS_H
#define ARCH_REGS_H

#include <stdint.h>

enum : uint32_t {
	MSR_APIC_BASE = 0x1b,
	MSR_TSC_DEADLINE = 0x6e0,
	MSR_SYSENTER_CS = 0x174,
	MSR_EFER = 0xc0000080,
	MSR_STAR = 0xc0000081,
	MSR_LSTAR = 0xc0000082,
	MSR_CSTAR = 0xc0000083,
	MSR_FMASK = 0xc0000084,
	MSR_FS_BASE = 0xc0000100,
	MSR_GS_BASE = 0xc0000101,
	MSR_KERNEL_GS_BASE = 0xc0000102,
	MSR_TSC_AUX = 0xc0000103,
	MSR_PAT = 0x277,
};
enum : uint64_t {
	EFER_SCE = 1 << 0,
	EFER_NXE = 1 << 11,
	CR0_MP = 1 << 1,
	CR0_EM = 1 << 2,
	CR0_TS = 1 << 3,
	CR0_NE = 1 << 5,
	CR0_WP = 1 << 16,
	CR0_AM = 1 << 18,
	CR4_OSFXSR = 1 << 9,
	CR4_OSXMMEXCPT = 1 << 10,
	CR4_UMIP = 1 << 11,
	CR4_FSGSBASE = 1 << 16,
	CR4_PCIDE = 1 << 17,
	CR4_OSXSAVE = 1 << 18,
	CR4_SMEP = 1 << 20,
	CR4_SMAP = 1 << 21,
	CR4_PAE = 1 << 5,
	RFLAGS_TF = 1 << 8,
	RFLAGS_IF = 1 << 9,
	RFLAGS_DF = 1 << 10,
	RFLAGS_IOPL = 3 << 12,
	RFLAGS_NT = 1 << 14,
	RFLAGS_AC = 1 << 18,
	RFLAGS_ID = 1 << 21,
	/* What a process may have set: status flags, TF, DF, AC, ID. */
	RFLAGS_USER = 0xcd5 | RFLAGS_TF | RFLAGS_AC | RFLAGS_ID,
	CR3_NO_FLUSH = 1ull << 63,
};

static inline uint64_t msr_read(uint32_t msr)
{
	uint32_t low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return (uint64_t)high << 32 | low;
}
static inline void msr_write(uint32_t msr, uint64_t value)
{
	__asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}

#define DEFINE_CR(n)                                                                                                   \
	static inline uint64_t cr##n##_read(void)                                                                      \
	{                                                                                                              \
		uint64_t v;                                                                                            \
		__asm__ volatile("mov %%cr" #n ", %0" : "=r"(v));                                                      \
		return v;                                                                                              \
	}                                                                                                              \
	static inline void cr##n##_write(uint64_t v)                                                                   \
	{                                                                                                              \
		__asm__ volatile("mov %0, %%cr" #n : : "r"(v) : "memory");                                             \
	}
DEFINE_CR(0)
DEFINE_CR(2)
DEFINE_CR(3)
DEFINE_CR(4)
#undef DEFINE_CR

static inline void dr7_clear(void)
{
	__asm__ volatile("mov %0, %%dr7" : : "r"(0x400ull));
}
static inline void dr6_clear(void)
{
	__asm__ volatile("mov %0, %%dr6" : : "r"(0xffff0ff0ull));
}
static inline void tlb_flush_page(uint64_t va)
{
	__asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
}
static inline void interrupts_off(void)
{
	__asm__ volatile("cli" : : : "memory");
}
static inline void cpu_relax(void)
{
	__asm__ volatile("pause" : : : "memory");
}
[[noreturn]] static inline void cpu_halt_forever(void)
{
	for (;;)
		__asm__ volatile("cli; hlt" : : : "memory");
}
static inline uint64_t counter_read(void)
{
	uint32_t low, high;

	/* LFENCE: the read does not move up before earlier loads. */
	__asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}
#define DEFINE_PORT(bits, letter)                                                                                      \
	static inline void io_write##bits(uint16_t port, uint##bits##_t v)                                             \
	{                                                                                                              \
		__asm__ volatile("out" letter " %0, %1" : : "a"(v), "Nd"(port) : "memory");                            \
	}                                                                                                              \
	static inline uint##bits##_t io_read##bits(uint16_t port)                                                      \
	{                                                                                                              \
		uint##bits##_t v;                                                                                      \
		__asm__ volatile("in" letter " %1, %0" : "=a"(v) : "Nd"(port) : "memory");                             \
		return v;                                                                                              \
	}
DEFINE_PORT(8, "b")
DEFINE_PORT(16, "w")
DEFINE_PORT(32, "l")
#undef DEFINE_PORT

struct cpuid_result {
	uint32_t a, b, c, d;
};
static inline struct cpuid_result cpuid(uint32_t leaf, uint32_t sub)
{
	struct cpuid_result r;

	__asm__ volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(sub));
	return r;
}
static inline void cache_line_write_back(uint64_t address)
{
	__asm__ volatile("clflush (%0)" : : "r"(address) : "memory");
}
static inline void xcr0_write(uint64_t v)
{
	__asm__ volatile("xsetbv" : : "c"(0), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
}

#endif
