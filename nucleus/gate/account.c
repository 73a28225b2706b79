/* SPDX-License-Identifier: MIT */
/*
 * Switching and reading the gate accounts. The counts are kept by the entry code itself, in counter ticks where they
 * are times; reading converts them. What never happens in the gates is always counted: interrupts, faults,
 * invalidations and the time in the idle loop. View switches happen in the gates too, so outside they count only while
 * these do.
 */
#include "gate/account.h"
#include "boot/boot.h"
#include "boot/image.h"
#include "gate/calls.h"
#include "gate/lock.h"
#include "gate/policy.h"
#include "mmu/mmu.h"
#include "regs.h"
#include "time/clock.h"
#include <abi/errno.h>

static bool wanted;

void account_apply(struct cpu *cpu)
{
	if (cpu->accounting == wanted)
		return;
	cpu->accounting = wanted;
	arch_select_entry(cpu, wanted);
}

void account_patch_lower_sites(bool account)
{
	struct image_range r = image_header()->lower_sites;
	bool jumps = account || privilege_mode != MODE_FULL;

	/* The list is of the lowered half, where a stale walk (aarch64's fault.c) in the nucleus would be the end. */
	for (uint64_t at = r.start; at < r.end; at += sizeof(struct lower_site)) {
		const struct lower_site *s = direct_map(image_phys(at));

		arch_patch_site(direct_map(image_phys(s->patch)), s->patch,
				!jumps			      ? 0
				: !account		      ? s->home_test
				: privilege_mode == MODE_FULL ? s->account
							      : s->account_home);
	}
}

RARE long call_account_control(uint32_t on)
{
	if (on > 1)
		return -EINVAL;
	NUCLEUS_LOCKED;
	wanted = on;
	account_patch_lower_sites(on);
	account_apply(cpu_this());
	/* The others apply it when they serve their mailbox; it returns when all have. */
	shootdown_all_look();
	return 0;
}

/*
 * Time in the idle loop, always counted: the sum, not negative; while the CPU is in the loop the sum less the time of
 * its beginning, which is negative. So it is one word, and other CPUs read it as it changes. What interrupts the loop
 * is the nucleus's time.
 */
static void idle_ends(struct cpu *cpu)
{
	if (cpu->idle_ns < 0)
		__atomic_store_n(&cpu->idle_ns, cpu->idle_ns + (int64_t)clock_ns(), __ATOMIC_RELAXED);
}

static void idle_begins(struct cpu *cpu)
{
	__atomic_store_n(&cpu->idle_ns, cpu->idle_ns - (int64_t)clock_ns(), __ATOMIC_RELAXED);
}

static uint64_t idle_so_far(const struct cpu *cpu)
{
	int64_t idle = __atomic_load_n(&cpu->idle_ns, __ATOMIC_RELAXED);

	return (uint64_t)(idle < 0 ? idle + (int64_t)clock_ns() : idle);
}

/* The time since the last transition belongs to what ran. */
static uint64_t passed(struct cpu *cpu)
{
	uint64_t now = counter_read(), since = now - cpu->stamp;

	cpu->stamp = now;
	return since;
}

void account_enter(struct cpu *cpu, enum account_origin origin)
{
	idle_ends(cpu);
	if (!cpu->accounting)
		return;
	uint64_t ticks = passed(cpu);

	if (origin == FROM_PROCESS) {
		cpu->counts.user_ticks += ticks;
	} else if (origin == FROM_BRACKET || (origin == FROM_LOWERED && cpu->current->home_elevated)) {
		/* Kernel code of a thread that is privileged at home (dynpriv=drivers, off) is elevated all the time.
		 */
		cpu->counts.elevated_ticks += ticks;
		cpu->component->elevated_ticks += ticks;
	} else if (origin == FROM_LOWERED) {
		cpu->counts.lowered_ticks += ticks;
		cpu->component->lowered_ticks += ticks;
	}
}

[[noreturn]] void account_resume(struct context *c)
{
	struct cpu *cpu = cpu_this();

	if (cpu->accounting)
		cpu->counts.nucleus_ticks += passed(cpu);
	if (cpu->current == cpu->idle)
		idle_begins(cpu);
	context_resume(c);
}

long call_account_read(uint32_t kind, uint32_t index)
{
	uint64_t *out = current_thread_page()->call;

	NUCLEUS_LOCKED;
	if (kind == ACCOUNT_CPU && index < cpu_count) {
		*(struct account_cpu *)out = cpu_by_id(index)->counts;
		((struct account_cpu *)out)->idle_ns = idle_so_far(cpu_by_id(index));
	} else if (kind == ACCOUNT_COMPONENT && index < COMPONENTS_MAX) {
		*(struct account_component *)out = *policy_account(index);
	} else {
		return -EINVAL;
	}
	return 0;
}
