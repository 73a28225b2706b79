/* SPDX-License-Identifier: MIT */
/*
 * The debugger's stub on x86_64 (nucleus/debug): #DB, #BP and NMI (Intel SDM vol. 3, 6.15 and 17), debug registers
 * (17.2), registers, stepping. While an instruction is stepped, CR8 keeps interrupts away: flags that an instruction or
 * a fault saves stay as they were, but for the trap flag.
 */
#include "debug/debug.h"
#include "apic.h"
#include "mmu/mmu.h"
#include "regs.h"
#include "sched/sched.h"
#include "trap/trap.h"
#include <lib/string.h>

extern const char debug_entry_step[], debug_entry_break[], debug_entry_nmi[];
/* Called by entry.S. Whether it was the stub's. */
bool arch_debug_exception(struct context *c);
bool arch_debug_nmi(struct context *c);

enum : uint64_t { DR6_STEP = 1 << 14, DR6_POINTS = 15, DR7_FIXED = 1 << 10, RFLAGS_RF = 1 << 16, CR8_NONE = 15 };
enum : uint64_t {
	RFLAGS_SYSRET = 0x3c7fd7,
	FMASK = RFLAGS_TF | RFLAGS_IF | RFLAGS_DF | RFLAGS_IOPL | RFLAGS_NT | RFLAGS_AC
};

const unsigned arch_debug_hardware = 4;

static inline uint64_t debug_dr6(void)
{
	uint64_t v;

	__asm__ volatile("mov %%dr6, %0" : "=r"(v));
	return v;
}
static inline void debug_cr8(uint64_t v)
{
	__asm__ volatile("mov %0, %%cr8" : : "r"(v) : "memory");
}

/* --- arriving and leaving --- */

void arch_debug_arrive(struct debug_cpu *d)
{
	d->arch.view = cr3_read();
	cr3_write(kernel_root_phys);
	dr7_clear();
	debug_points_out();
	debug_cr8(0);
	d->arch.entry = msr_read(MSR_LSTAR);
	d->arch.fs_base = msr_read(MSR_FS_BASE);
	d->arch.gs_base = msr_read(MSR_GS_BASE);
	d->fpu_changed = false;
	fpu_store(d->fpu);
}

static void debug_load_points(void)
{
	uint64_t control = DR7_FIXED;

	for (unsigned i = 0; i < arch_debug_hardware; i++) {
		const struct debug_hardware *h = &debug_hardware[i];
		uint64_t access = h->kind == GDB_POINT_HARDWARE ? 0 : h->kind == GDB_POINT_WRITE ? 1 : 3;
		uint64_t length = !access || h->bytes == 1 ? 0 : h->bytes == 2 ? 1 : h->bytes == 8 ? 2 : 3;

		if (!h->used)
			continue;
		if (i == 0)
			__asm__ volatile("mov %0, %%dr0" : : "r"(h->address));
		else if (i == 1)
			__asm__ volatile("mov %0, %%dr1" : : "r"(h->address));
		else if (i == 2)
			__asm__ volatile("mov %0, %%dr2" : : "r"(h->address));
		else
			__asm__ volatile("mov %0, %%dr3" : : "r"(h->address));
		control |= 2ull << 2 * i | (length << 2 | access) << (16 + 4 * i);
	}
	__asm__ volatile("mov %0, %%dr7" : : "r"(control));
}

void arch_debug_leave(struct debug_cpu *d)
{
	if (d->fpu_changed)
		fpu_load(d->fpu);
	msr_write(MSR_FS_BASE, d->arch.fs_base);
	msr_write(MSR_GS_BASE, d->arch.gs_base);
	d->arch.stepping = d->steps;
	if (d->steps && d->direct) {
		d->arch.trap_flag = d->frame->rflags & RFLAGS_TF;
		d->frame->rflags |= RFLAGS_TF;
	}
	if (d->steps)
		debug_cr8(CR8_NONE);
	debug_load_points();
	cr3_write(d->arch.view);
}

void arch_debug_stop_others(void)
{
	/* ICR's upper half (Intel SDM vol. 3, 11.6.1), where apic_init mapped it. */
	volatile uint32_t *command_high = (volatile uint32_t *)(CPU_DEVICES_BASE + 0x310);
	uint32_t before = *command_high;

	for (uint32_t i = 0; i < cpu_count; i++)
		__atomic_store_n(&debug_cpus[i].arch.nmi_due, true, __ATOMIC_RELEASE);
	apic_stop_others();
	/* This CPU may have been about to send an interrupt. */
	*command_high = before;
}

void arch_debug_step_here(void)
{
	debug_this()->arch.trap_flag = false;
	__asm__ volatile("pushfq\n\torq %0, (%%rsp)\n\tpopfq" : : "i"((int)RFLAGS_TF) : "memory", "cc");
}

void arch_debug_break(void)
{
	__asm__ volatile("int3" : : : "memory");
}

/* --- events --- */

/* Which of its points it was. */
static bool debug_find_point(uint64_t dr6, struct gdb_stop *stop)
{
	for (unsigned i = 0; i < arch_debug_hardware; i++)
		if (dr6 >> i & 1 && debug_hardware[i].used) {
			stop->at_point = true;
			stop->kind = debug_hardware[i].kind;
			stop->address = debug_hardware[i].address;
			return true;
		}
	return false;
}

bool arch_debug_exception(struct context *c)
{
	struct debug_cpu *d = debug_this();
	struct gdb_stop stop = {.signal = GDB_SIGTRAP};
	bool stepped = d->arch.stepping, ours = stepped || !(c->cs & 3);

	if (stepped) {
		d->arch.stepping = false;
		c->rflags &= d->arch.trap_flag ? UINT64_MAX : ~(uint64_t)RFLAGS_TF;
	}
	if (c->vector == 3) {
		if (debug_point_at(c->rip - 1)) {
			c->rip--;
			stop.at_point = ours = true;
			stop.kind = GDB_POINT_SOFTWARE;
		}
	} else {
		uint64_t dr6 = debug_dr6();
		bool hit = debug_find_point(dr6, &stop);

		dr6_clear();
		if (hit && stop.kind == GDB_POINT_HARDWARE)
			c->rflags |= RFLAGS_RF; /* once past it, unless it is taken away */
		/* A process may step itself. */
		ours = stepped || hit || !(c->cs & 3);
	}
	if (ours)
		debug_event(c, true, &stop);
	return ours;
}

bool arch_debug_nmi(struct context *c)
{
	struct debug_cpu *d = debug_this();
	bool due = __atomic_exchange_n(&d->arch.nmi_due, false, __ATOMIC_SEQ_CST);

	if (d->inside)
		d->asked = false;
	else if (__atomic_load_n(&d->asked, __ATOMIC_ACQUIRE))
		debug_stand(c);
	else if (!due)
		return false;
	return true;
}

void arch_debug_look(struct context *c)
{
	struct debug_cpu *d = debug_this();

	if (d->arch.stepping) {
		/* The instruction faulted. The step ends here, and what was interrupted has its own flags. */
		c->rflags &= d->arch.trap_flag ? UINT64_MAX : ~(uint64_t)RFLAGS_TF;
		arch_debug_step_here();
		return;
	}
	if (c->vector != VECTOR_TIMER || !debug_wanted())
		return;
	/* The interrupt comes again, so that this one was none: what it hit can be stepped and left as any other. */
	arch_interrupt_end((struct interrupt){});
	arch_interrupt_send(cpu_this(), INTERRUPT_TIMER);
	debug_event(c, true, &(struct gdb_stop){.signal = GDB_SIGINT});
	context_resume(c);
}

/* --- instructions that do not end in a trap --- */

static void load_flags(struct context *c, uint64_t flags)
{
	c->rflags = (flags & RFLAGS_SYSRET) | 2;
}

bool arch_debug_emulate(struct debug_cpu *d, uint64_t thread)
{
	struct context *c = d->frame;
	uint8_t code[3] = {};
	uint64_t frame[5];

	if (debug_memory_read(thread, c->rip, code, sizeof(code)) < 2)
		return false;
	if (code[0] == 0x0f && code[1] == 0x05) { /* SYSCALL */
		c->rcx = c->rip + 2;
		c->r11 = c->rflags & ~(uint64_t)RFLAGS_RF;
		c->rip = d->arch.entry;
		c->rflags &= ~(FMASK | RFLAGS_RF);
		c->cs = SELECTOR_KERNEL_CODE;
		c->ss = SELECTOR_KERNEL_DATA;
		return true;
	}
	if (c->cs & 3)
		return false;
	if (code[0] == 0xf4) { /* HLT */
		c->rip++;
	} else if (code[0] == 0x48 && code[1] == 0x0f && code[2] == 0x07) { /* SYSRETQ */
		c->rip = c->rcx;
		load_flags(c, c->r11);
		c->cs = SELECTOR_USER_CODE;
		c->ss = SELECTOR_USER_DATA;
	} else if (code[0] == 0x48 && code[1] == 0xcf) { /* IRETQ */
		if (debug_memory_read(thread, c->rsp, (uint8_t *)frame, sizeof(frame)) < sizeof(frame))
			return false;
		c->rip = frame[0];
		c->cs = frame[1];
		load_flags(c, frame[2]);
		c->rsp = frame[3];
		c->ss = frame[4];
	} else {
		return false;
	}
	return true;
}

/* --- registers --- */

const struct gdb_registers *arch_debug_registers(void)
{
	return cpu_features.xcr0 & 4 ? &gdb_x86_64_avx : &gdb_x86_64;
}

static bool is_canonical(uint64_t address)
{
	return address >> 47 == 0 || address >> 47 == 0x1ffff;
}

/* A word of the context, as far as `mask` lets it be changed. */
static bool reach_word(uint64_t *word, uint8_t *value, size_t bytes, uint64_t mask, bool write)
{
	uint64_t v = 0;

	if (!write) {
		memcpy(value, word, bytes);
		return true;
	}
	memcpy(&v, value, bytes);
	*word = (*word & ~mask) | (v & mask);
	return true;
}

static bool reach_address(uint64_t *word, uint8_t *value, bool write)
{
	uint64_t v;

	memcpy(&v, value, sizeof(v));
	return (!write || is_canonical(v)) && reach_word(word, value, sizeof(v), UINT64_MAX, write);
}

/* One bit for a register in the hardware's format, two in the debugger's: 3 is empty. */
static void reach_tags(unsigned char *area, uint8_t *value, bool write)
{
	uint32_t full = 0;

	memcpy(&full, value, sizeof(full));
	if (write)
		area[4] = 0;
	else
		full = 0;
	for (unsigned i = 0; i < 8; i++)
		if (write)
			area[4] |= (unsigned char)((full >> 2 * i & 3) != 3) << i;
		else
			full |= (area[4] >> i & 1 ? 0u : 3u) << 2 * i;
	if (!write)
		memcpy(value, &full, sizeof(full));
}

/* XSAVE's standard format (Intel SDM vol. 1, 13.4), of which FXSAVE's is the beginning (10.5.1). */
static bool reach_fpu(unsigned char *area, unsigned number, uint8_t *value, bool write)
{
	/* FCTRL, FSTAT, FTAG, FISEG, FIOFF, FOSEG, FOOFF, FOP: where, and how many bytes */
	static const uint8_t control[8][2] = {{0, 2}, {2, 2}, {4, 1}, {12, 2}, {8, 4}, {20, 2}, {16, 4}, {6, 2}};
	size_t at, bytes = 16, told = 16;
	unsigned component = 1;
	uint32_t mxcsr;

	if (number >= GDB_X86_64_YMM_HIGH) {
		at = 576 + 16ul * (number - GDB_X86_64_YMM_HIGH);
		component = 2;
	} else if (number == GDB_X86_64_MXCSR) {
		at = 24;
		told = bytes = 4;
		memcpy(&mxcsr, value, 4);
		if (write && mxcsr & ~cpu_features.mxcsr_mask)
			return false;
	} else if (number >= GDB_X86_64_XMM) {
		at = 160 + 16ul * (number - GDB_X86_64_XMM);
	} else if (number >= GDB_X86_64_FCTRL) {
		at = control[number - GDB_X86_64_FCTRL][0];
		bytes = control[number - GDB_X86_64_FCTRL][1];
		told = 4;
		component = 0;
	} else {
		at = 32 + 16ul * (number - GDB_X86_64_ST);
		told = bytes = 10;
		component = 0;
	}
	if (at + bytes > cpu_features.fpu_bytes)
		return false;
	if (number == GDB_X86_64_FCTRL + 2) {
		reach_tags(area, value, write);
	} else if (write) {
		memcpy(area + at, value, bytes);
	} else {
		memset(value, 0, told);
		memcpy(value, area + at, bytes);
	}
	if (write && cpu_features.xsave)
		*(uint64_t *)(area + 512) |= 1ull << component;
	return true;
}

bool arch_debug_register(struct context *c, struct debug_cpu *d, unsigned char *fpu, unsigned number, uint8_t *value,
			 bool write)
{
	uint64_t *general[] = {&c->rax, &c->rbx, &c->rcx, &c->rdx, &c->rsi, &c->rdi, &c->rbp, &c->rsp,
			       &c->r8,	&c->r9,	 &c->r10, &c->r11, &c->r12, &c->r13, &c->r14, &c->r15};

	if (number < ARRAY_LEN(general))
		return reach_word(general[number], value, 8, UINT64_MAX, write);
	switch (number) {
	case GDB_X86_64_RIP: return reach_address(&c->rip, value, write);
	case GDB_X86_64_RFLAGS: return reach_word(&c->rflags, value, 4, RFLAGS_USER, write);
	/* What selects privilege is not for changing: to go on with what does not fit is a fault of the nucleus. */
	case GDB_X86_64_CS: return reach_word(&c->cs, value, 4, 0, write);
	case GDB_X86_64_SS: return reach_word(&c->ss, value, 4, 0, write);
	case GDB_X86_64_FS_BASE: return d && reach_address(&d->arch.fs_base, value, write);
	case GDB_X86_64_GS_BASE: return d && reach_address(&d->arch.gs_base, value, write);
	default: break;
	}
	if (number < GDB_X86_64_ST)
		return false;
	if (d && write)
		d->fpu_changed = true;
	return reach_fpu(fpu, number, value, write);
}

/* --- the rest --- */

bool arch_debug_hardware_ok(enum gdb_point kind, uint64_t address, uint64_t bytes)
{
	bool length = bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8;

	return is_canonical(address) && kind != GDB_POINT_READ &&
	       (kind == GDB_POINT_HARDWARE || (length && !(address & (bytes - 1))));
}

/* Instruction caches follow stores, and IRET makes the others see them (Intel SDM vol. 3, 9.1.3). */
void arch_debug_text_changed(uint64_t, void *)
{
}

void arch_debug_here(struct context *c, uint64_t pc, uint64_t frame)
{
	c->rip = pc;
	c->rbp = *(const uint64_t *)frame;
	c->rsp = frame + 16;
	c->cs = SELECTOR_KERNEL_CODE;
	c->ss = SELECTOR_KERNEL_DATA;
	c->rflags = 2;
}

uint8_t arch_debug_port_read(uint16_t number)
{
	return io_read8(number);
}

void arch_debug_port_write(uint16_t number, uint8_t value)
{
	io_write8(number, value);
}

/* All CPUs have one table. What #BP pushes goes where #DB's does: in the nucleus a context may be in use. */
void arch_debug_init(void)
{
	struct [[gnu::packed]] {
		uint16_t limit;
		uint64_t base;
	} idtr;
	const char *entries[] = {[1] = debug_entry_step, [2] = debug_entry_nmi, [3] = debug_entry_break};

	__asm__ volatile("sidt %0" : "=m"(idtr));
	for (unsigned v = 1; v <= 3; v++) {
		uint64_t at = (uint64_t)entries[v];
		uint16_t *gate = (uint16_t *)(idtr.base + 16ul * v);

		gate[0] = (uint16_t)at;
		gate[2] = (uint16_t)((gate[2] & ~7) | (v == 2 ? IST_NMI : IST_DEBUG));
		gate[3] = (uint16_t)(at >> 16);
		gate[4] = (uint16_t)(at >> 32);
		gate[5] = (uint16_t)(at >> 48);
	}
}
