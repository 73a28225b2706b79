/* SPDX-License-Identifier: MIT */
/*
 * The out-of-memory killer: the process with most resident memory dies, and the log says so. PID 1
 * is spared. A process's adjustment (proc(5), oom_score_adj) counts as so many thousandths of memory more or less;
 * -1000 spares it.
 *
 * Called by the page allocator, whatever locks its caller holds: locks are only tried, and nothing
 * is allocated. While a victim is still dying no other one is chosen, nor when it has left memory since the caller
 * looked.
 */
#include "internal.h"
#include <kernel/base/log.h>
#include <kernel/mem/page.h>

static uint64_t total_pages;

void oom_init(void)
{
	struct memory_stats memory;

	page_stats(&memory);
	total_pages = memory.total_pages;
	page_set_killer(oom_kill);
}

/* Pages resident, as the adjustment makes them seem; 0: spared. */
static uint64_t seeming_pages(const struct process *p, uint64_t resident)
{
	int64_t adjustment = __atomic_load_n(&p->oom_adjustment, __ATOMIC_RELAXED);
	int64_t seeming = (int64_t)resident + adjustment * (int64_t)(total_pages / 1000);

	return adjustment == OOM_ADJUSTMENT_MIN || resident == 0 || seeming <= 0 ? 0 : (uint64_t)seeming;
}

int64_t oom_score(struct process *p)
{
	struct vm_space *s = process_get_space(p);

	if (s == nullptr)
		return 0;
	uint64_t seeming = p == init_process ? 0 : seeming_pages(p, vm_resident_pages(s));
	vm_space_put(s);
	return (int64_t)(seeming * 1000 / total_pages);
}

int oom_adjust(struct process *p, int adjustment)
{
	if (adjustment < OOM_ADJUSTMENT_MIN || adjustment > OOM_ADJUSTMENT_MAX)
		return -EINVAL;
	if (adjustment < p->oom_adjustment && !capable(CAP_SYS_RESOURCE))
		return -EACCES;
	__atomic_store_n(&p->oom_adjustment, (int16_t)adjustment, __ATOMIC_RELAXED);
	return 0;
}

/* A process that is dying, else the one that seems largest; *pages: how large it is. */
static struct process *choose(uint64_t *pages) REQUIRES(process_tree_lock)
{
	struct process *p, *best = nullptr;
	uint64_t most = 0;

	*pages = 0;
	list_for_each(p, &process_all, all) {
		if (p == init_process || p->state >= PROCESS_ZOMBIE)
			continue;
		/* Whoever has its lock, as it may itself while it ends. Until it is a zombie: its space may be taken
		 * off it, and not given back yet. */
		if (__atomic_load_n(&p->group_exit, __ATOMIC_RELAXED)) {
			*pages = 0;
			return p;
		}
		if (!mutex_try_lock(&p->lock))
			continue;
		/* Under the lock the space cannot be dropped. */
		uint64_t resident = p->space != nullptr ? vm_resident_pages(p->space) : 0;
		mutex_unlock(&p->lock);
		uint64_t seeming = seeming_pages(p, resident);
		if (seeming > most) {
			most = seeming;
			*pages = resident;
			best = p;
		}
	}
	return best;
}

bool oom_kill(uint64_t need)
{
	uint64_t pages;

	/* Somebody holds it and may be us: whoever does will let go or ask again. */
	if (!mutex_try_lock(&process_tree_lock))
		return false;
	struct process *victim = choose(&pages);
	bool killed = victim != nullptr && pages == 0;
	if (pages > 0 && page_came(need))
		killed = true;
	else if (pages > 0 && spin_try_lock(&victim->signal_lock)) {
		process_group_exit_begin(victim, SIGKILL);
		spin_unlock(&victim->signal_lock);
		killed = true;
		log_error("process: out of memory: killed %s[%u] (%llu KiB resident)", victim->name, victim->pid,
			  (unsigned long long)pages * 4);
	}
	mutex_unlock(&process_tree_lock);
	return killed;
}
