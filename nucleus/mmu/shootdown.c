/* SPDX-License-Identifier: MIT */
/*
 * TLB shoot-down. Where an invalidation reaches all CPUs by itself (CPU_FLUSHES_ALL), that is all of it. Elsewhere:
 * only the holder of the nucleus lock starts one, so there is one request at a time: it is written here, the CPUs that
 * may hold the translations are marked and interrupted, and the initiator waits until each mark is gone. A CPU serves
 * its mark from the interrupt, or while it spins for the nucleus lock; it needs no lock and only nucleus data, so it
 * works in every view.
 */
#include "cpu.h"
#include "gate/account.h"
#include "mmu/mmu.h"
#include "regs.h"
#include "sched/sched.h"
#include "trap/trap.h"

static struct {
	struct space *space;
	uint64_t va, end;
} request;

void shootdown_serve(void)
{
	struct cpu *cpu = cpu_this();

	if (!__atomic_load_n(&cpu->flush_wanted, __ATOMIC_ACQUIRE))
		return;
	if (!CPU_FLUSHES_ALL)
		arch_flush_local(request.space, request.va, request.end);
	account_apply(cpu);
	__atomic_store_n(&cpu->flush_wanted, 0, __ATOMIC_RELEASE);
}

/* Waits until the others that run the space (nullptr: all of them) have served the request. */
static void ask_others(const struct space *s)
{
	struct cpu *me = cpu_this();
	uint64_t mask = 0;

	for (uint32_t i = 0; i < cpu_count; i++) {
		struct cpu *c = cpu_by_id(i);

		/* A process's translations are only on CPUs that run one of its threads now; the generation covers the
		 * others. */
		if (c == me || !c->online || (s && (!c->current || c->current->space != s)))
			continue;
		__atomic_store_n(&c->flush_wanted, 1, __ATOMIC_RELEASE);
		arch_interrupt_send(c, INTERRUPT_SERVE);
		mask |= 1ull << i;
	}
	for (uint32_t i = 0; i < cpu_count; i++)
		while ((mask >> i & 1) && __atomic_load_n(&cpu_by_id(i)->flush_wanted, __ATOMIC_ACQUIRE))
			cpu_relax();
}

void shootdown(struct space *s, uint64_t va, uint64_t end)
{
	if (s)
		s->flush_generation++;
	request.space = s;
	request.va = va;
	request.end = end;
	arch_flush_local(s, va, end);
	if (!CPU_FLUSHES_ALL)
		ask_others(s);
	tables_remembered = false;
}

void shootdown_all_look(void)
{
	/* Some page, if it has to be one: what matters is account_apply. */
	request.space = nullptr;
	request.va = KMAP_END - PAGE_SIZE;
	request.end = KMAP_END;
	ask_others(nullptr);
}
