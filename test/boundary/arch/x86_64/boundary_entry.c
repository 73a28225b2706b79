/* SPDX-License-Identifier: MIT */
/*
 * Every way by which a process can leave ring 3, tried with everything it can bring along: software
 * interrupts from every code selector that can be loaded, SYSENTER, privileged instructions, wild
 * stack pointers, segment bases, flags. Each ends in a signal or does nothing, and the kernel goes
 * on.
 */
#include "boundary.h"

#include <nucleus/layout.h>
#include <setjmp.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <ucontext.h>

static unsigned char *code; /* a page below 4 GiB, so that 32-bit code could run there too */
static char *low_stack;

static void make_code_page(void)
{
	code = mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	if (code == MAP_FAILED) /* W^X systems: written first, then executed */
		code = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	CHECK(code != MAP_FAILED);
	low_stack = mmap(nullptr, 16 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	CHECK(low_stack != MAP_FAILED);
}

/* Fills the page with the bytes and then int3. */
static void set_code(const void *bytes, size_t size)
{
	OK(mprotect(code, 4096, PROT_READ | PROT_WRITE));
	memset(code, 0xcc, 4096);
	memcpy(code, bytes, size);
	OK(mprotect(code, 4096, PROT_READ | PROT_EXEC));
}

static sigjmp_buf back;
static volatile int got_signal;
static volatile uint64_t got_rip, got_cs;

static void come_back(int signal, siginfo_t *info, void *context)
{
	const ucontext_t *frame = context;

	(void)info;
	got_signal = signal;
	got_rip = (uint64_t)frame->uc_mcontext.gregs[REG_RIP];
	got_cs = (uint64_t)frame->uc_mcontext.gregs[REG_CSGSFS] & 0xffff;
	siglongjmp(back, 1);
}

static void catch_all(void)
{
	static char alternate[65536];
	struct sigaction action = {.sa_sigaction = come_back, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK};

	OK(sigaltstack(&(stack_t){.ss_sp = alternate, .ss_size = sizeof(alternate)}, nullptr));
	for (int i = 0; i < 5; i++)
		OK(sigaction((int[]){SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE}[i], &action, nullptr));
}

/* Runs the code page with eax = value. Returns the signal that ended it. */
static int run_code(uint64_t value)
{
	got_signal = 0;
	if (sigsetjmp(back, 0) == 0)
		asm volatile("call *%0" ::"r"(code), "a"(value) : "rcx", "rdx", "r11", "memory");
	return got_signal;
}

static void software_interrupts(void)
{
	make_code_page();
	catch_all();
	for (unsigned int vector = 0; vector < 256; vector++) {
		set_code((unsigned char[]){0xcd, (unsigned char)vector}, 2);
		int signal = run_code(20);
		bool ran_on = signal == SIGTRAP && got_rip == (uint64_t)code + 3;
		if (vector == 3)
			CHECK(signal == SIGTRAP && got_rip == (uint64_t)code + 2);
		else if (vector == 0x80 && !ktap_on_stellux())
			CHECK(ran_on || signal == SIGSEGV);
		else if (signal != SIGSEGV)
			ktap_fail(__FILE__, __LINE__, "int %#x ended in signal %d at %#lx", vector, signal,
				  (unsigned long)got_rip);
	}
	still_works();
}

static void other_trap_instructions(void)
{
	make_code_page();
	catch_all();
	set_code((unsigned char[]){0xf1}, 1);
	/* QEMU's emulation takes the one-byte form of int 1 for an undefined instruction. */
	int signal = run_code(0);
	CHECK(signal == SIGTRAP || signal == SIGILL);
	/* INTO is undefined in 64-bit mode; QEMU 10 skips it, to the breakpoint behind it. */
	set_code((unsigned char[]){0xce}, 1);
	signal = run_code(0);
	CHECK(signal == SIGILL || (signal == SIGTRAP && got_rip == (uint64_t)code + 2));
	set_code((unsigned char[]){0x0f, 0x05}, 2);
	EQUAL(run_code(SYS_getpid), SIGTRAP);
	still_works();
}

/* Goes to the code page with this code selector and a low stack. */
static void far_go(uint64_t selector)
{
	static volatile struct [[gnu::packed]] {
		uint32_t offset;
		uint16_t selector;
	} target;

	target.offset = (uint32_t)(uintptr_t)code;
	target.selector = (uint16_t)selector;
	asm volatile("mov %[stack], %%rsp\n"
		     "mov $20, %%eax\n"
		     "xor %%ebp, %%ebp\n"
		     "ljmpl *%[target]\n" ::[stack] "b"(low_stack + 15 * 4096),
		     [target] "m"(target)
		     : "memory");
	__builtin_unreachable();
}

static bool loadable[65536];

/* Finds the code selectors that a far jump can load: they reach the int3. */
static int find_code_selectors(void)
{
	int count = 0;

	set_code("\xcc", 1);
	for (unsigned int selector = 0; selector < 0x10000; selector++) {
		/* Beyond a table's plausible end one privilege level is enough. */
		if (selector > 0x400 && (selector & 3) != 3)
			continue;
		got_signal = 0;
		if (sigsetjmp(back, 0) == 0)
			far_go(selector);
		if (got_signal != SIGTRAP)
			continue;
		EQUAL(got_cs & 3, 3);
		loadable[selector] = true;
		count++;
	}
	return count;
}

static void entry_attempt(uint64_t packed)
{
	/* Runs in a child: selector in the low half, which attempt above. */
	unsigned int attempt = (unsigned int)(packed >> 16);

	if (attempt < 256)
		set_code((unsigned char[]){0xcd, (unsigned char)attempt}, 2);
	else if (attempt == 256)
		set_code((unsigned char[]){0x0f, 0x05}, 2);
	else
		set_code((unsigned char[]){0x0f, 0x34}, 2);
	for (int i = 0; i < 5; i++)
		signal((int[]){SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE}[i], SIG_DFL);
	far_go(packed & 0xffff);
}

static void entries_from_every_selector(void)
{
	make_code_page();
	catch_all();
	CHECK(find_code_selectors() >= 1);
	for (unsigned int selector = 0; selector < 0x10000; selector++) {
		if (!loadable[selector])
			continue;
		ktap_note("code selector %#x can be loaded", selector);
		for (unsigned int attempt = 0; attempt < 258; attempt++) {
			int status = in_child(entry_attempt, selector | (uint64_t)attempt << 16);
			CHECK(WIFSIGNALED(status));
			CHECK(WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGTRAP || WTERMSIG(status) == SIGILL);
		}
	}
	still_works();
}

static void only_64_bit_code_selectors(void)
{
	make_code_page();
	catch_all();
	find_code_selectors();
	unsigned int real = 0;
	asm volatile("mov %%cs, %0" : "=r"(real));
	for (unsigned int selector = 0; selector < 0x10000; selector++)
		CHECK(!loadable[selector] || (selector | 3) == (real | 3));
}

static void sysenter_attempt(uint64_t value)
{
	asm volatile("sysenter" ::"a"(value), "b"(0), "c"(low_stack), "d"(code) : "memory");
}

static void sysenter_does_nothing(void)
{
	make_code_page();
	for (uint64_t value = 0; value < 64; value++) {
		int status = in_child(sysenter_attempt, value);
		CHECK(WIFSIGNALED(status) || !ktap_on_stellux());
	}
	still_works();
}

/* Loads every value into DS, ES and GS; with each that can be loaded, calls, yields and faults. */
static void data_selectors(void)
{
	int loaded = 0;

	make_code_page();
	catch_all();
	for (unsigned int selector = 0; selector < 0x10000; selector++) {
		if (selector > 0x400 && (selector & 3) != 3)
			continue;
		got_signal = 0;
		if (sigsetjmp(back, 0) == 0)
			asm volatile("mov %0, %%ds; mov %0, %%es" ::"r"(selector) : "memory");
		if (got_signal != 0) {
			EQUAL(got_signal, SIGSEGV);
			continue;
		}
		loaded++;
		if (selector < 0x400 || (selector & 0xff) == 3) {
			EQUAL(syscall(SYS_getpid), getpid());
			sched_yield();
			if (sigsetjmp(back, 0) == 0)
				(void)*(volatile char *)8;
		}
		asm volatile("mov %0, %%ds; mov %0, %%es" ::"r"(0) : "memory");
		if (sigsetjmp(back, 0) == 0)
			asm volatile("mov %0, %%gs" ::"r"(selector) : "memory");
		sched_yield();
	}
	CHECK(loaded >= 1);
	still_works();
}

static void stack_selector_attempt(uint64_t selector)
{
	asm volatile("mov %0, %%ss" ::"r"((unsigned int)selector) : "memory");
	sched_yield();
	asm volatile("int3");
}

static void stack_selectors(void)
{
	for (uint64_t selector = 0; selector < 0x100; selector++) {
		int status = in_child(stack_selector_attempt, selector);
		CHECK(died(status, SIGSEGV, SIGTRAP) || died(status, SIGBUS, 0));
	}
	still_works();
}

struct instruction {
	const char *name;
	unsigned char bytes[8];
	size_t size;
};

/* QEMU 10 takes INVD and WBINVD for no-operations at every privilege level. */
static bool skipped_by_emulation(const struct instruction *i, int signal)
{
	bool is_cache_instruction = i->bytes[0] == 0x0f && (i->bytes[1] == 0x08 || i->bytes[1] == 0x09);

	return is_cache_instruction && signal == SIGTRAP && got_rip == (uint64_t)code + i->size + 1;
}

static void privileged_instructions(void)
{
	static const struct instruction forbidden[] = {
		{"cli", {0xfa}, 1},
		{"sti", {0xfb}, 1},
		{"hlt", {0xf4}, 1},
		{"in", {0xec}, 1},
		{"out", {0xee}, 1},
		{"insb", {0x6c}, 1},
		{"outsb", {0x6e}, 1},
		{"wrmsr", {0x0f, 0x30}, 2},
		{"rdmsr", {0x0f, 0x32}, 2},
		{"mov cr0", {0x0f, 0x20, 0xc0}, 3},
		{"to cr0", {0x0f, 0x22, 0xc0}, 3},
		{"mov cr3", {0x0f, 0x20, 0xd8}, 3},
		{"to cr3", {0x0f, 0x22, 0xd8}, 3},
		{"to cr4", {0x0f, 0x22, 0xe0}, 3},
		{"to cr8", {0x44, 0x0f, 0x22, 0xc0}, 4},
		{"mov dr7", {0x0f, 0x21, 0xf8}, 3},
		{"to dr7", {0x0f, 0x23, 0xf8}, 3},
		{"lgdt", {0x0f, 0x01, 0x10}, 3},
		{"lidt", {0x0f, 0x01, 0x18}, 3},
		{"lldt", {0x0f, 0x00, 0xd0}, 3},
		{"ltr", {0x0f, 0x00, 0xd8}, 3},
		{"lmsw", {0x0f, 0x01, 0xf0}, 3},
		{"clts", {0x0f, 0x06}, 2},
		{"invd", {0x0f, 0x08}, 2},
		{"wbinvd", {0x0f, 0x09}, 2},
		{"invlpg", {0x0f, 0x01, 0x38}, 3},
		{"swapgs", {0x0f, 0x01, 0xf8}, 3},
		{"sysretq", {0x48, 0x0f, 0x07}, 3},
		{"sysexit", {0x0f, 0x35}, 2},
		{"rdpmc", {0x0f, 0x33}, 2},
		{"xsetbv", {0x0f, 0x01, 0xd1}, 3},
		{"monitor", {0x0f, 0x01, 0xc8}, 3},
		{"mwait", {0x0f, 0x01, 0xc9}, 3},
		{"clac", {0x0f, 0x01, 0xca}, 3},
		{"stac", {0x0f, 0x01, 0xcb}, 3},
		{"rsm", {0x0f, 0xaa}, 2},
	};

	make_code_page();
	catch_all();
	for (size_t i = 0; i < sizeof(forbidden) / sizeof(*forbidden); i++) {
		set_code(forbidden[i].bytes, forbidden[i].size);
		int signal = run_code((uint64_t)code);
		if (skipped_by_emulation(&forbidden[i], signal))
			continue;
		if ((signal != SIGSEGV && signal != SIGILL) || got_rip != (uint64_t)code)
			ktap_fail(__FILE__, __LINE__, "%s ended in signal %d at %#lx", forbidden[i].name, signal,
				  (unsigned long)got_rip);
	}
	still_works();
}

/* Instructions that tell where the kernel's tables are: refused, emulated, or (without UMIP)
 * harmless. */
static void table_addresses(void)
{
	char space[16];

	catch_all();
	if (sigsetjmp(back, 0) == 0)
		asm volatile("sgdt %0" : "=m"(space));
	if (sigsetjmp(back, 0) == 0)
		asm volatile("sidt %0" : "=m"(space));
	if (sigsetjmp(back, 0) == 0)
		asm volatile("str %%eax; sldt %%eax; smsw %%eax" ::: "eax");
	still_works();
}

static void iret_attempt(uint64_t selector)
{
	uint64_t stack = selector & 0xff00 ? selector >> 8 : 0x2b;

	asm volatile(
		"mov %%rsp, %%rax\n push %[ss]\n push %%rax\n pushfq\n orq $0x7000, (%%rsp)\n push %[cs]\n lea 1f(%%rip), %%rax\n"
		"push %%rax\n iretq\n 1: cli\n" ::[cs] "r"(selector & 0xff),
		[ss] "r"(stack)
		: "rax", "memory");
}

static void iret_to_kernel_selectors(void)
{
	for (uint64_t selector = 0; selector < 0x80; selector++)
		CHECK(died(in_child(iret_attempt, selector), SIGSEGV, SIGBUS));
	for (uint64_t stack = 0; stack < 0x80; stack++)
		CHECK(died(in_child(iret_attempt, 0x33 | stack << 8), SIGSEGV, SIGBUS));
	still_works();
}

static const uint64_t wild[] = {
	0,
	8,
	0x1000,
	USER_END - 8,
	USER_END,
	0x0000800000000000,
	0x8000000000000000,
	0xfffeffffffffffff,
	0xffff800000000000,
	WINDOW_BASE,
	POOL_BASE,
	POOL_BASE + 0x40001000,
	IMAGE_BASE,
	GATES_BASE,
	~7ull,
	~0ull,
};
constexpr size_t WILD_COUNT = sizeof(wild) / sizeof(*wild);

/* With such a stack pointer: a call, time to be interrupted in, another CPU perhaps, then a fault.
 */
static void stack_attempt(uint64_t stack)
{
	asm volatile("mov %0, %%rsp\n"
		     "mov $39, %%eax\n syscall\n"
		     "mov $3000000, %%ecx\n 1: dec %%ecx\n jnz 1b\n"
		     "mov $24, %%eax\n syscall\n"
		     "mov $39, %%eax\n syscall\n"
		     "int3\n" ::"r"(stack)
		     : "rax", "rcx", "r11", "memory");
	__builtin_unreachable();
}

static void wild_stack_pointers(void)
{
	for (size_t i = 0; i < WILD_COUNT; i++)
		CHECK(died(in_child(stack_attempt, wild[i]), SIGTRAP, 0));
	still_works();
}

static void nothing(int signal)
{
	(void)signal;
}

static void handler_stack_attempt(uint64_t stack)
{
	signal(SIGTRAP, nothing);
	stack_attempt(stack);
}

/* No frame can be written there. */
static void handlers_on_wild_stacks(void)
{
	for (size_t i = 0; i < WILD_COUNT; i++)
		CHECK(died(in_child(handler_stack_attempt, wild[i]), SIGSEGV, SIGBUS));
	still_works();
}

static void base_attempt(uint64_t base)
{
	/* Raw calls only: FS is wrecked as well. */
	asm volatile("wrgsbase %0\n wrfsbase %0\n"
		     "mov $39, %%eax\n syscall\n"
		     "mov $3000000, %%ecx\n 1: dec %%ecx\n jnz 1b\n"
		     "mov $24, %%eax\n syscall\n"
		     "rdgsbase %%rax\n cmp %0, %%rax\n jne 2f\n"
		     "rdfsbase %%rax\n cmp %0, %%rax\n jne 2f\n"
		     "int3\n 2: ud2\n" ::"r"(base)
		     : "rax", "rcx", "r11", "memory");
}

static bool may_write_bases(void)
{
	return (getauxval(AT_HWCAP2) & 2) != 0;
}

static void wild_segment_bases(void)
{
	for (size_t i = 0; may_write_bases() && i < WILD_COUNT; i++) {
		bool canonical = wild[i] >> 47 == 0 || wild[i] >> 47 == 0x1ffff;
		int status = in_child(base_attempt, wild[i]);
		CHECK(died(status, SIGTRAP, 0) || (!canonical && died(status, SIGSEGV, 0)));
	}
	for (size_t i = 0; i < WILD_COUNT; i++) {
		for (long which = 0x1001; which <= 0x1002; which++) {
			if (wild[i] >= 0x00ffffffffffffff)
				FAILS(EPERM, syscall(SYS_arch_prctl, which, wild[i]));
		}
	}
	still_works();
}

static void gs_through_selector_attempt(uint64_t base)
{
	syscall(SYS_arch_prctl, 0x1001, base);
	asm volatile("mov %0, %%gs" ::"r"(0x2b) : "memory");
	sched_yield();
	asm volatile("mov %0, %%gs" ::"r"(0) : "memory");
	for (volatile int i = 0; i < 1'000'000; i++)
		;
	asm volatile("int3");
}

static void selectors_over_bases(void)
{
	CHECK(died(in_child(gs_through_selector_attempt, 0x5000), SIGTRAP, SIGSEGV));
	still_works();
}

static void trap_flag_attempt(uint64_t way)
{
	asm volatile("mov %%ss, %%edx\n pushfq\n orq $0x100, (%%rsp)\n mov $39, %%eax\n" ::: "rax", "rdx", "memory");
	switch (way) {
	case 0: asm volatile("popfq\n syscall\n nop\n int3" ::: "rax", "rcx", "r11", "memory"); break;
	case 1: asm volatile("popfq\n mov 8, %%rax\n int3" ::: "rax", "memory"); break;
	case 2: asm volatile("popfq\n int3" ::: "memory"); break;
	case 3: asm volatile("popfq\n mov %%edx, %%ss\n syscall\n nop\n int3" ::: "rax", "rcx", "r11", "memory"); break;
	case 4: asm volatile("popfq\n mov %%edx, %%ss\n int3\n nop\n int3" ::: "memory"); break;
	default: asm volatile("popfq\n mov %%edx, %%ss\n int $0x80\n nop\n int3" ::: "rax", "memory"); break;
	}
}

static volatile int steps;

static void count_steps(int signal, siginfo_t *info, void *context)
{
	ucontext_t *frame = context;

	(void)signal;
	(void)info;
	if (++steps == 20)
		frame->uc_mcontext.gregs[REG_EFL] &= ~0x100;
}

static void the_trap_flag(void)
{
	for (uint64_t way = 0; way < 6; way++)
		CHECK(died(in_child(trap_flag_attempt, way), SIGTRAP, SIGSEGV));
	still_works();
	OK(sigaction(SIGTRAP, &(struct sigaction){.sa_sigaction = count_steps, .sa_flags = SA_SIGINFO}, nullptr));
	asm volatile("pushfq\n orq $0x100, (%%rsp)\n popfq\n"
		     "mov $39, %%eax\n syscall\n mov $39, %%eax\n syscall\n mov $39, %%eax\n syscall\n"
		     "mov $100, %%ecx\n 1: loop 1b\n" ::
			     : "rax", "rcx", "r11", "memory", "cc");
	EQUAL(steps, 20);
	still_works();
}

static void flags_attempt(uint64_t flags)
{
	uint64_t after;

	asm volatile("push %1\n popfq\n mov $39, %%eax\n syscall\n"
		     "mov $3000000, %%ecx\n 1: dec %%ecx\n jnz 1b\n"
		     "mov $24, %%eax\n syscall\n pushfq\n pop %0\n"
		     "push $0x202\n popfq\n"
		     : "=r"(after)
		     : "r"(flags)
		     : "rax", "rcx", "r11", "memory", "cc");
	EQUAL(after & 0x3000, 0);
	CHECK(after & 0x200);
	asm volatile("cli");
}

/* NT, AC, IOPL, DF, ID, without IF, taken into calls and interrupts. */
static void flags_on_entry(void)
{
	static const uint64_t flags[] = {0x4202, 0x40202, 0x3202, 0x602, 0x200202, 0x0002, 0x247e02, 0x7202};

	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++)
		CHECK(died(in_child(flags_attempt, flags[i]), SIGSEGV, 0));
	still_works();
}

static void protection_keys_attempt(uint64_t rights)
{
	char c;
	int fd = open("/dev/zero", O_RDONLY);

	asm volatile(".byte 0x0f, 0x01, 0xef" ::"a"(rights), "c"(0), "d"(0) : "memory");
	for (int i = 0; i < 10; i++) {
		syscall(SYS_read, fd, &c, 1);
		syscall(SYS_sched_yield);
	}
	asm volatile("int3");
}

static void protection_keys_do_not_reach_the_kernel(void)
{
	CHECK(died(in_child(protection_keys_attempt, 0xfffffffc), SIGTRAP, SIGILL));
	int status = in_child(protection_keys_attempt, 0xffffffff);
	CHECK(died(status, SIGTRAP, SIGILL) || died(status, SIGSEGV, 0));
	still_works();
}

KTAP_MAIN(CASE(software_interrupts), CASE(other_trap_instructions), CASE(entries_from_every_selector),
	  STELLUX_CASE(only_64_bit_code_selectors), CASE(sysenter_does_nothing), CASE(data_selectors),
	  CASE(stack_selectors), CASE(privileged_instructions), CASE(table_addresses), CASE(iret_to_kernel_selectors),
	  CASE(wild_stack_pointers), CASE(handlers_on_wild_stacks), CASE(wild_segment_bases),
	  CASE(selectors_over_bases), CASE(the_trap_flag), CASE(flags_on_entry),
	  CASE(protection_keys_do_not_reach_the_kernel))
