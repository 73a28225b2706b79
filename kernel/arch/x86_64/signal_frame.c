/* SPDX-License-Identifier: MIT */
/*
 * The x86_64 signal frame and rt_sigreturn(2), as Linux's ABI lays them out (asm/sigcontext.h,
 * asm/ucontext.h of linux-libc-dev): from the new stack pointer up: return address (the restorer),
 * ucontext, siginfo, and above them, 64-byte aligned, the FPU state.
 *
 * The FPU state is the hardware's standard XSAVE image; bytes 464…511 of its legacy part say so
 * (magic1, sizes, features), and a second magic number follows it. A frame that comes back is
 * untrusted: general registers get safe selectors and flags from the nucleus, which also refuses
 * malformed FPU state; then the process gets SIGSEGV.
 */
#include <arch/gates.h>
#include <arch/signal.h>
#include <kernel/base/init.h>
#include <kernel/base/syscall.h>
#include <kernel/mem/slab.h>
#include <kernel/process/internal.h>
#include <kernel/process/process.h>
#include <kernel/process/signal_stack.h>
#include <kernel/vm/user.h>
#include <lib/string.h>
#include <nucleus/calls.h>
#include <nucleus/layout.h>

struct frame_context { /* struct sigcontext */
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, rflags;
	uint16_t cs, gs, fs, ss;
	uint64_t error, trap, old_mask, cr2, fpu_state, reserved[8];
};
static_assert(sizeof(struct frame_context) == 256);

struct frame_user_context { /* struct ucontext */
	uint64_t flags, link;
	struct signal_stack stack;
	struct frame_context context;
	uint64_t mask;
};
static_assert(sizeof(struct frame_user_context) == 304);

struct frame {
	uint64_t return_address;
	struct frame_user_context uc;
	uint8_t info[SIGINFO_BYTES];
};
static_assert(sizeof(struct frame) == 440);

struct fpu_software_bytes { /* at FPU_SOFTWARE_OFFSET of the legacy area */
	uint32_t magic1, extended_size;
	uint64_t features;
	uint32_t xsave_size, padding[7];
};
static_assert(sizeof(struct fpu_software_bytes) == 48);

enum : uint64_t {
	UC_FP_XSTATE = 1,
	UC_SIGCONTEXT_SS = 2,
	UC_STRICT_RESTORE_SS = 4,
	FPU_LEGACY_BYTES = 512,
	FPU_SOFTWARE_OFFSET = 464,
	FPU_ALIGN = 64,
	XSAVE_HEADER_OFFSET = 512,
	RED_ZONE = 128,
	RFLAGS_DF = 0x400,
	RFLAGS_TF = 0x100,
	RFLAGS_RF = 0x10000,
	NO_SYSCALL = UINT64_MAX,
};
enum : uint32_t { FPU_MAGIC1 = 0x46505853, FPU_MAGIC2 = 0x46505845 };

static uint64_t fpu_bytes(void)
{
	return boot_info()->fpu_state_bytes;
}

static bool has_xsave(void)
{
	return fpu_bytes() > FPU_LEGACY_BYTES;
}

/* XCR0: which parts the XSAVE image has. XGETBV needs no privilege (AMD64 APM 4). */
static uint64_t xsave_features(void)
{
	uint32_t low, high;

	/* Reads XCR0 and writes nothing else. */
	__asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (uint64_t)high << 32 | low;
}

/* A debugger finds XCR0 where frames have it, too (AMD64 APM 2, 11.5.2: unused by the hardware). */
size_t arch_core_xstate(unsigned char *image)
{
	constexpr size_t XCR0_OFFSET = FPU_SOFTWARE_OFFSET;

	if (!has_xsave())
		return 0;
	if (image != nullptr)
		memcpy(image + XCR0_OFFSET, &(uint64_t){xsave_features()}, sizeof(uint64_t));
	return fpu_bytes();
}

static uint64_t frame_fpu_bytes(void)
{
	return has_xsave() ? fpu_bytes() + sizeof(uint32_t) : FPU_LEGACY_BYTES;
}

uint64_t arch_signal_frame_bytes(void)
{
	return sizeof(struct frame) + frame_fpu_bytes() + FPU_ALIGN + 16 + 8;
}

static int put_fpu(uint64_t at)
{
	uint8_t *image = kmalloc(frame_fpu_bytes());
	int result = -EFAULT;

	if (image == nullptr)
		return -ENOMEM;
	long size = nucleus_fpu_get();
	if (size < (long)FPU_LEGACY_BYTES || (uint64_t)size > fpu_bytes())
		goto out;
	memcpy(image, call_area(), (size_t)size);
	struct fpu_software_bytes software = {};
	if (has_xsave()) {
		software = (struct fpu_software_bytes){
			.magic1 = FPU_MAGIC1,
			.extended_size = (uint32_t)frame_fpu_bytes(),
			.features = xsave_features(),
			.xsave_size = (uint32_t)fpu_bytes(),
		};
		memcpy(image + fpu_bytes(), &(uint32_t){FPU_MAGIC2}, sizeof(uint32_t));
	}
	memcpy(image + FPU_SOFTWARE_OFFSET, &software, sizeof(software));
	result = copy_to_user(USER_ADDR(at), image, frame_fpu_bytes());
out:
	kfree(image);
	return result;
}

static void fill_context(struct frame_context *c, const struct user_regs *r, const struct process_thread *s,
			 uint64_t mask)
{
	*c = (struct frame_context){
		.r8 = r->r8,
		.r9 = r->r9,
		.r10 = r->r10,
		.r11 = r->r11,
		.r12 = r->r12,
		.r13 = r->r13,
		.r14 = r->r14,
		.r15 = r->r15,
		.rdi = r->rdi,
		.rsi = r->rsi,
		.rbp = r->rbp,
		.rbx = r->rbx,
		.rdx = r->rdx,
		.rax = r->rax,
		.rcx = r->rcx,
		.rsp = r->rsp,
		.rip = r->rip,
		.rflags = r->rflags,
		.cs = (uint16_t)r->cs,
		.ss = (uint16_t)r->ss,
		.error = s->trap_error,
		.trap = s->trap_number,
		.old_mask = mask,
		.cr2 = s->trap_address,
	};
}

int arch_signal_frame(struct user_regs *regs, const struct arch_signal_delivery *d)
{
	struct process_thread *s = process_thread_current();
	struct frame frame = {.return_address = d->action.restorer};
	bool on_alternate;
	uint64_t sp = signal_stack_choose(regs->rsp, RED_ZONE, &d->action, &on_alternate);

	if (!(d->action.flags & SA_RESTORER))
		return -EFAULT;
	uint64_t fpu_at = align_down(sp - frame_fpu_bytes(), FPU_ALIGN);
	/* As after a call: the stack is 16-byte aligned but for the return address (System V ABI,
	 * x86_64, 3.2.2). */
	uint64_t at = align_down(fpu_at - sizeof(frame), 16) - 8;
	if (on_alternate && !signal_stack_holds(at))
		return -EFAULT;
	if (at >= USER_END || put_fpu(fpu_at) != 0)
		return -EFAULT;
	fill_context(&frame.uc.context, regs, s, d->mask_to_restore);
	frame.uc.context.fpu_state = fpu_at;
	frame.uc.flags = UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS | (has_xsave() ? UC_FP_XSTATE : 0);
	frame.uc.mask = d->mask_to_restore;
	frame.uc.stack = signal_stack_describe(on_alternate);
	memcpy(frame.info, &d->info, sizeof(d->info));
	if (copy_to_user(USER_ADDR(at), &frame, sizeof(frame)) != 0)
		return -EFAULT;
	signal_stack_entered();
	regs->rdi = (uint64_t)d->signo;
	regs->rsi = at + offsetof(struct frame, info);
	regs->rdx = at + offsetof(struct frame, uc);
	regs->rax = 0;
	regs->rip = d->action.handler;
	regs->rsp = at;
	regs->rflags &= ~(RFLAGS_DF | RFLAGS_TF | RFLAGS_RF);
	regs->orig_rax = NO_SYSCALL;
	return 0;
}

/* Whether the image at `at` carries extended state that is ours to restore; else only its legacy
 * part counts. */
static bool fpu_frame_is_extended(const uint8_t *legacy, uint64_t at)
{
	struct fpu_software_bytes software;
	uint32_t magic2;

	memcpy(&software, legacy + FPU_SOFTWARE_OFFSET, sizeof(software));
	if (!has_xsave() || software.magic1 != FPU_MAGIC1 || software.xsave_size != fpu_bytes() ||
	    software.extended_size != frame_fpu_bytes())
		return false;
	return get_user(magic2, USER_ADDR(at + fpu_bytes())) == 0 && magic2 == FPU_MAGIC2;
}

static int restore_fpu(uint64_t at)
{
	if (at == 0)
		return nucleus_fpu_set(thread_page_current()->handle, 0) == 0 ? 0 : -EFAULT;
	uint8_t *image = kmalloc(fpu_bytes());
	if (image == nullptr)
		return -ENOMEM;
	int result = copy_from_user(image, USER_ADDR(at), FPU_LEGACY_BYTES);
	if (result != 0)
		goto out;
	if (fpu_frame_is_extended(image, at)) {
		result = copy_from_user(image + FPU_LEGACY_BYTES, USER_ADDR(at + FPU_LEGACY_BYTES),
					fpu_bytes() - FPU_LEGACY_BYTES);
		if (result != 0)
			goto out;
	} else if (has_xsave()) {
		/* x87 and SSE are in the image, the rest takes its initial state. */
		memcpy(image + XSAVE_HEADER_OFFSET, &(uint64_t){3}, sizeof(uint64_t));
	}
	/* These bytes are the program's; the hardware ignores them, the frame format does not. */
	memset(image + FPU_SOFTWARE_OFFSET, 0, sizeof(struct fpu_software_bytes));
	memcpy(call_area(), image, fpu_bytes());
	if (nucleus_fpu_set(thread_page_current()->handle, (uint32_t)fpu_bytes()) != 0)
		result = -EFAULT;
out:
	kfree(image);
	return result;
}

static void regs_from_context(struct user_regs *r, const struct frame_context *c)
{
	r->r8 = c->r8;
	r->r9 = c->r9;
	r->r10 = c->r10;
	r->r11 = c->r11;
	r->r12 = c->r12;
	r->r13 = c->r13;
	r->r14 = c->r14;
	r->r15 = c->r15;
	r->rdi = c->rdi;
	r->rsi = c->rsi;
	r->rbp = c->rbp;
	r->rbx = c->rbx;
	r->rdx = c->rdx;
	r->rax = c->rax;
	r->rcx = c->rcx;
	r->rsp = c->rsp;
	r->rip = c->rip;
	r->rflags = c->rflags;
	r->orig_rax = NO_SYSCALL;
}

static long sys_rt_sigreturn(void)
{
	uint32_t self = thread_page_current()->handle;
	struct frame_user_context uc;
	struct user_regs regs;

	if (nucleus_regs_get(self) != 0)
		goto bad;
	memcpy(&regs, call_area(), sizeof(regs));
	/* The handler's return took the return address off the stack. */
	uint64_t at = regs.rsp - 8;
	if (get_user(uc, USER_ADDR(at + offsetof(struct frame, uc))) != 0)
		goto bad;
	signal_set_blocked_current(uc.mask);
	regs_from_context(&regs, &uc.context);
	if (restore_fpu(uc.context.fpu_state) != 0)
		goto bad;
	memcpy(call_area(), &regs, sizeof(regs));
	if (nucleus_regs_set(self) != 0)
		goto bad;
	signal_stack_restore(&uc.stack);
	gate_resume();
bad:
	signal_force_current(&(struct signal_info){.signo = SIGSEGV, .code = SI_KERNEL});
	return 0;
}
SYSCALL(rt_sigreturn);
