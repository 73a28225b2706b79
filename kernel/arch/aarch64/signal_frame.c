/* SPDX-License-Identifier: MIT */
/*
 * The arm64 signal frame and rt_sigreturn(2), as Linux's ABI lays them out (asm/sigcontext.h, asm/ucontext.h of
 * linux-libc-dev; asm-generic/siginfo.h): from the new stack pointer up: siginfo, ucontext with the machine context,
 * and above them a frame record (x29, x30) by which debuggers go on to the interrupted function.
 *
 * The machine context ends in 4096 bytes for records, each with a magic number and a size, the last one both zero: the
 * floating-point state always, the syndrome of a fault after one. A frame that comes back is untrusted: records must be
 * known, whole and alone of their kind, processor state may say nothing but the condition flags, and the nucleus
 * refuses what a process may not have; then the process gets SIGSEGV.
 *
 * Without a restorer of the program's own the handler returns to the vDSO.
 */
#include <arch/gates.h>
#include <arch/signal.h>
#include <arch/vdso.h>
#include <kernel/base/syscall.h>
#include <kernel/mem/slab.h>
#include <kernel/process/internal.h>
#include <kernel/process/process.h>
#include <kernel/process/signal_stack.h>
#include <kernel/vm/user.h>
#include <lib/string.h>
#include <nucleus/calls.h>
#include <nucleus/layout.h>

/* Room for records; what ours take. */
enum : size_t { RECORDS_BYTES = 4096, RECORDS_MADE = 528 + 16 + 16, RECORD_ALIGN = 16 };
enum : uint32_t { MAGIC_FPSIMD = 0x46508001, MAGIC_ESR = 0x45535201 };

struct record_head {
	uint32_t magic, size;
};

struct fpsimd_record { /* struct fpsimd_context */
	struct record_head head;
	uint32_t fpsr, fpcr;
	unsigned __int128 v[32];
};
static_assert(sizeof(struct fpsimd_record) == 528);

struct esr_record { /* struct esr_context */
	struct record_head head;
	uint64_t esr;
};

struct frame_context { /* struct sigcontext */
	uint64_t fault_address, x[31], sp, pc, pstate, padding;
};
static_assert(sizeof(struct frame_context) == 288);

struct frame { /* struct rt_sigframe, as far as the records that follow */
	uint8_t info[SIGINFO_BYTES];
	uint64_t flags, link; /* struct ucontext */
	struct signal_stack stack;
	uint64_t mask, padding[16];
	struct frame_context context;
};
static_assert(offsetof(struct frame, context) == 304 && sizeof(struct frame) + RECORDS_BYTES == 4688);

/* A frame as we make it: the rest of the room for records is not touched. */
struct made_frame {
	struct frame frame;
	uint8_t records[RECORDS_MADE] __attribute__((aligned(16)));
};

struct frame_link {
	uint64_t x29, x30;
};

enum : uint64_t {
	PSTATE_FLAGS = 0xf0000000,	  /* N, Z, C, V */
	PSTATE_KEPT = 0x03001000 | 0xc00, /* TCO, DIT, SSBS, BTYPE: whatever they are, they are the process's own */
	/* A handler begins with no branch under way and with tag checks, and goes on with the rest. */
	PSTATE_IN_HANDLER = PSTATE_FLAGS | 0x01001000,
	NO_SYSCALL = UINT64_MAX,
};
/* ESR_EL1 (Arm ARM, DDI 0487, D19.2.37), as far as a process sees it. */
enum : uint64_t {
	ESR_CLASS_SHIFT = 26,
	ESR_LENGTH_32 = 1 << 25,
	ESR_WRITE = 1 << 6,
	ESR_TRANSLATION_3 = 0x07,
	ESR_PERMISSION_3 = 0x0f,
};
enum : uint32_t { CLASS_DATA_ABORT = 0x24, CLASS_INSTRUCTION_ABORT = 0x20 };

size_t arch_core_xstate(unsigned char *)
{
	return 0;
}

uint64_t arch_signal_frame_bytes(void)
{
	return sizeof(struct frame) + RECORDS_BYTES + sizeof(struct frame_link) + RECORD_ALIGN;
}

static uint64_t syndrome(const struct process_thread *s)
{
	uint64_t class = s->trap_number, code = s->trap_error;

	if (class != CLASS_DATA_ABORT)
		return class << ESR_CLASS_SHIFT | ESR_LENGTH_32;
	if ((code & FAULT_EXEC) != 0)
		class = CLASS_INSTRUCTION_ABORT;
	return class << ESR_CLASS_SHIFT | ESR_LENGTH_32 | ((code & FAULT_WRITE) != 0 ? ESR_WRITE : 0) |
	       ((code & FAULT_PRESENT) != 0 ? ESR_PERMISSION_3 : ESR_TRANSLATION_3);
}

/* The records. The last one, zeros, follows by itself: the frame was made of zeros. */
static int fill_records(uint8_t *at, const struct process_thread *s)
{
	struct fpsimd_record fpu = {.head = {MAGIC_FPSIMD, sizeof(fpu)}};
	struct esr_record esr = {.head = {MAGIC_ESR, sizeof(esr)}, .esr = syndrome(s)};

	if (nucleus_fpu_get() != sizeof(struct user_fpu))
		return -EFAULT;
	const struct user_fpu *state = (const struct user_fpu *)call_area();

	fpu.fpsr = state->fpsr;
	fpu.fpcr = state->fpcr;
	memcpy(fpu.v, state->v, sizeof(fpu.v));
	memcpy(at, &fpu, sizeof(fpu));
	if (s->trap_number != 0)
		memcpy(at + sizeof(fpu), &esr, sizeof(esr));
	return 0;
}

static uint64_t return_address(const struct signal_action *a)
{
	struct vm_exec_info info;

	if (a->flags & SA_RESTORER)
		return a->restorer;
	vm_get_exec_info(process_current()->space, &info);
	return info.vdso != 0 ? info.vdso + VDSO_SIGRETURN : 0;
}

static int fill_frame(struct made_frame *made, const struct user_regs *regs, const struct arch_signal_delivery *d,
		      bool on_alternate)
{
	const struct process_thread *s = process_thread_current();
	struct frame *frame = &made->frame;

	memcpy(frame->info, &d->info, sizeof(d->info));
	frame->stack = signal_stack_describe(on_alternate);
	frame->mask = d->mask_to_restore;
	frame->context.fault_address = s->trap_address;
	memcpy(frame->context.x, regs->x, sizeof(regs->x));
	frame->context.sp = regs->sp;
	frame->context.pc = regs->pc;
	frame->context.pstate = regs->pstate;
	return fill_records(made->records, s);
}

int arch_signal_frame(struct user_regs *regs, const struct arch_signal_delivery *d)
{
	bool on_alternate;
	uint64_t sp = signal_stack_choose(regs->sp, 0, &d->action, &on_alternate);
	struct frame_link link = {.x29 = regs->x[29], .x30 = regs->x[30]};
	uint64_t link_at = align_down(sp, RECORD_ALIGN) - sizeof(link);
	uint64_t at = link_at - RECORDS_BYTES - sizeof(struct frame);
	struct made_frame made = {};

	if (at >= USER_END || (on_alternate && !signal_stack_holds(at)))
		return -EFAULT;
	if (fill_frame(&made, regs, d, on_alternate) != 0 || copy_to_user(USER_ADDR(at), &made, sizeof(made)) != 0 ||
	    put_user(USER_ADDR(link_at), link) != 0)
		return -EFAULT;
	signal_stack_entered();
	regs->x[0] = (uint64_t)d->signo;
	regs->x[1] = at + offsetof(struct frame, info);
	regs->x[2] = at + offsetof(struct frame, flags);
	regs->x[29] = link_at;
	regs->x[30] = return_address(&d->action);
	regs->sp = at;
	regs->pc = d->action.handler;
	regs->pstate &= PSTATE_IN_HANDLER;
	regs->orig_syscall = NO_SYSCALL;
	return 0;
}

/* Looks for the floating-point record among those in `bytes` bytes. 0; -E2BIG: they do not end there; -EINVAL. */
static int find_fpsimd(const uint8_t *records, size_t bytes, const struct fpsimd_record **out)
{
	struct record_head head;

	*out = nullptr;
	for (size_t at = 0; at + sizeof(head) <= bytes; at += head.size) {
		memcpy(&head, records + at, sizeof(head));
		if (head.magic == 0)
			return head.size == 0 && *out != nullptr ? 0 : -EINVAL;
		if (head.size < sizeof(head) || head.size % RECORD_ALIGN != 0 || head.size > RECORDS_BYTES - at)
			return -EINVAL;
		if (head.size > bytes - at)
			return -E2BIG;
		if (head.magic == MAGIC_FPSIMD && *out == nullptr && head.size == sizeof(**out))
			*out = (const struct fpsimd_record *)(records + at);
		else if (head.magic != MAGIC_ESR || head.size != sizeof(struct esr_record))
			return -EINVAL;
	}
	return bytes < RECORDS_BYTES ? -E2BIG : -EINVAL;
}

static int restore_fpu_from(const uint8_t *records, size_t bytes)
{
	const struct fpsimd_record *record;
	struct user_fpu *state = (struct user_fpu *)call_area();
	int error = find_fpsimd(records, bytes, &record);

	if (error != 0)
		return error;
	*state = (struct user_fpu){.fpsr = record->fpsr, .fpcr = record->fpcr};
	memcpy(state->v, record->v, sizeof(state->v));
	return nucleus_fpu_set(thread_page_current()->handle, sizeof(*state)) == 0 ? 0 : -EINVAL;
}

/* Most frames have only the records that ours have. */
static bool restore_fpu(const struct made_frame *made, uint64_t records_at)
{
	int error = restore_fpu_from(made->records, sizeof(made->records));

	if (error != -E2BIG)
		return error == 0;
	uint8_t *all = kmalloc(RECORDS_BYTES);
	error = all == nullptr ? -ENOMEM : copy_from_user(all, USER_ADDR(records_at), RECORDS_BYTES);
	if (error == 0)
		error = restore_fpu_from(all, RECORDS_BYTES);
	kfree(all);
	return error == 0;
}

static bool regs_from_context(struct user_regs *regs, const struct frame_context *c)
{
	if ((c->pstate & ~(PSTATE_FLAGS | PSTATE_KEPT)) != 0)
		return false;
	memcpy(regs->x, c->x, sizeof(regs->x));
	regs->sp = c->sp;
	regs->pc = c->pc;
	regs->pstate = c->pstate;
	regs->orig_syscall = NO_SYSCALL;
	return true;
}

/* Takes the frame at the stack pointer. False: it is not one. */
static bool restore(void)
{
	uint32_t self = thread_page_current()->handle;
	struct made_frame made;
	struct user_regs regs;

	if (nucleus_regs_get(self) != 0)
		return false;
	memcpy(&regs, call_area(), sizeof(regs));
	uint64_t at = regs.sp;
	if (at % RECORD_ALIGN != 0 || get_user(made, USER_ADDR(at)) != 0)
		return false;
	signal_set_blocked_current(made.frame.mask);
	if (!regs_from_context(&regs, &made.frame.context) || !restore_fpu(&made, at + sizeof(struct frame)))
		return false;
	memcpy(call_area(), &regs, sizeof(regs));
	if (nucleus_regs_set(self) != 0)
		return false;
	signal_stack_restore(&made.frame.stack);
	return true;
}

static long sys_rt_sigreturn(void)
{
	if (restore())
		gate_resume();
	signal_force_current(&(struct signal_info){.signo = SIGSEGV, .code = SI_KERNEL});
	return 0;
}
SYSCALL(rt_sigreturn);
