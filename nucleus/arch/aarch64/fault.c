/* SPDX-License-Identifier: MIT */
/* Reading syndromes (ESR_EL1, DDI 0487, D17.2.37), see fault.h. */
#include "fault.h"
#include "cpu.h"
#include "gate/lock.h"
#include "mmu/mmu.h"
#include "regs.h"
#include "sched/sched.h"
#include "switch.h"
#include <lib/types.h>
#include <nucleus/upcall.h>

static bool is_fetch(const struct context *c)
{
	return fault_number(c) == EC_INSTRUCTION_ABORT_EL0 || fault_number(c) == EC_INSTRUCTION_ABORT_EL1;
}
static bool is_abort(const struct context *c)
{
	return is_fetch(c) || fault_number(c) == EC_DATA_ABORT_EL0 || fault_number(c) == EC_DATA_ABORT_EL1;
}
/* Cache maintenance by address reports itself as a write, which it is not. */
static bool is_write(const struct context *c)
{
	return is_abort(c) && !is_fetch(c) && (c->syndrome & ESR_WNR) && !(c->syndrome & ESR_CM);
}
/* Aborts that are about a translation, not about the memory behind it. */
static bool is_translation(const struct context *c)
{
	return is_abort(c) && (c->syndrome & ESR_FSC_MASK) < 0x10;
}

uint32_t fault_event(const struct context *c)
{
	if (is_abort(c))
		return is_translation(c)			       ? EVENT_PAGE_FAULT
		       : (c->syndrome & ESR_FSC_MASK) == FSC_ALIGNMENT ? EVENT_ALIGNMENT
								       : EVENT_PROTECTION;
	switch (fault_number(c)) {
	case EC_PC_ALIGNMENT:
	case EC_SP_ALIGNMENT: return EVENT_ALIGNMENT;
	case EC_FPU_EXCEPTION: return EVENT_FPU;
	case EC_BREAKPOINT_EL0:
	case EC_WATCHPOINT_EL0:
	case EC_BRK: return EVENT_BREAKPOINT;
	case EC_STEP_EL0: return EVENT_STEP;
	default: return EVENT_ILLEGAL;
	}
}

uint64_t fault_code(const struct context *c)
{
	uint64_t type = c->syndrome & FSC_TYPE_MASK;

	/* The trapped FPU exceptions, in the order of FPSR's flags (ISS bits 0 to 4 and 7). */
	if (fault_number(c) == EC_FPU_EXCEPTION)
		return c->syndrome & 0x9f;
	if (!is_translation(c))
		return c->syndrome;
	return FAULT_USER | (type == FSC_PERMISSION || type == FSC_ACCESS_FLAG ? FAULT_PRESENT : 0) |
	       (is_write(c) ? FAULT_WRITE : 0) | (is_fetch(c) ? FAULT_EXEC : 0);
}

/* Whatever the program had in the tag byte of a lower-half address is not part of it. */
uint64_t fault_address(const struct context *c)
{
	enum : uint64_t { TAG = 0xffull << 56, UPPER = 1ull << 55 };

	if (fault_number(c) == EC_PC_ALIGNMENT || fault_number(c) == EC_WATCHPOINT_EL0)
		return c->fault;
	if (!is_abort(c) || c->syndrome & ESR_FNV)
		return 0;
	return c->fault & UPPER ? c->fault : c->fault & ~TAG;
}

/* --- first touches --- */

/* Whether the page allows what was tried, so that only the note was missing. */
static bool touch_allowed(pte_t e, const struct context *c)
{
	return pte_present(e) && (!is_write(c) || e & PTE_WRITABLE) && (!is_fetch(c) || !(e & PTE_NO_EXECUTE));
}

/* Notes the access in the page's entry. *before: what it was. false: the access was not allowed. */
static bool touch(const struct space *s, uint64_t va, const struct context *c, pte_t *before)
{
	pte_t *at = table_find(s->root_phys, va, 1);

	*before = at ? pte_load(at) : 0;
	while (touch_allowed(*before, c))
		if (pte_replace(at, before, pte_touched(*before, is_write(c))))
			return true;
	return false;
}

/* Whether the fault may be none for the kernel: a note is missing, or the page is just being replaced by another CPU.
 */
static bool only_a_note(const struct record *r, const struct context *c, uint64_t va)
{
	switch (c->syndrome & FSC_TYPE_MASK) {
	case FSC_ACCESS_FLAG: return true;
	case FSC_PERMISSION: return is_write(c);
	case FSC_TRANSLATION:
		return align_down(va, PAGE_SIZE) == __atomic_load_n(&r->space->replaced, __ATOMIC_ACQUIRE);
	default: return false;
	}
}

bool fault_was_first_touch(struct cpu *cpu, struct record *r, const struct context *c)
{
	uint64_t va = fault_address(c);
	bool done;
	pte_t old;

	if (!is_translation(c) || va >= USER_END || !only_a_note(r, c, va))
		return false;
	nucleus_lock_acquire();
	/* Tables are reached in the kernel view. */
	view_load(cpu->kernel_ttbr0, cpu->kernel_ttbr1, true);
	done = touch(r->space, va, c, &old);
	dsb_ishst();
	/* An entry without the access flag is in no TLB; one that was read-only may be, on any CPU: the next one to
	 * write comes here too, finds it writable, and sees to its own. */
	if (done && old & PTE_ACCESSED)
		view_forget_local(cpu->process_ttbr0, va);
	nucleus_lock_release();
	return done;
}

/*
 * Entering the kernel view, this CPU has its number while TTBR1 still has the nucleus's root, and leaving it likewise.
 * What a table walk caches of the upper levels then lacks the lowered half of the image. Such a fault is noticed here:
 * the tables have the page. They know 48 bits of an address; where the others are not all set no walk was begun, and
 * who is sent back would fault there for ever.
 */
bool fault_was_stale_walk(const struct context *c)
{
	enum : uint64_t { UPPER_HALF = 0xffffull << 48 };
	uint64_t phys;
	bool there;

	if (!is_translation(c) || (c->syndrome & FSC_TYPE_MASK) != FSC_TRANSLATION || c->syndrome & ESR_FNV ||
	    c->fault < UPPER_HALF)
		return false;
	nucleus_lock_acquire();
	there = kernel_translate(c->fault, &phys);
	nucleus_lock_release();
	if (there)
		view_forget_kernel_local(c->fault);
	return there;
}
