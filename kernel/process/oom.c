/* SPDX-License-Identifier: MIT */
/*
 * The out-of-memory killer: the process with most resident memory dies, and the log says so. PID 1
 * is spared.
 *
 * Called by the page allocator, whatever locks its caller holds: locks are only tried, and nothing
 * is allocated. While a victim is still dying no other one is chosen.
 */
#include "internal.h"
#include <kernel/log.h>

/* A process that is dying, else the largest. */
static struct process *choose(uint64_t *pages) REQUIRES(process_tree_lock)
{
	struct process *p, *best = nullptr;

	*pages = 0;
	list_for_each(p, &process_all, all) {
		if (p == init_process || p->state >= PROCESS_ZOMBIE || !mutex_try_lock(&p->lock))
			continue;
		/* Under the lock the space cannot be dropped. */
		uint64_t resident = p->space != nullptr ? vm_resident_pages(p->space) : 0;
		bool dying = __atomic_load_n(&p->group_exit, __ATOMIC_RELAXED) && p->space != nullptr;
		mutex_unlock(&p->lock);
		if (dying) {
			*pages = 0;
			return p;
		}
		if (resident > *pages) {
			*pages = resident;
			best = p;
		}
	}
	return best;
}

bool oom_kill(void)
{
	uint64_t pages;

	/* Somebody holds it and may be us: whoever does will let go or ask again. */
	if (!mutex_try_lock(&process_tree_lock))
		return false;
	struct process *victim = choose(&pages);
	bool killed = victim != nullptr && pages == 0;
	if (pages > 0 && spin_try_lock(&victim->signal_lock)) {
		process_group_exit_begin(victim, SIGKILL);
		spin_unlock(&victim->signal_lock);
		killed = true;
		log_error("process: out of memory: killed %s[%u] (%llu KiB resident)", victim->name, victim->pid,
			  (unsigned long long)pages * 4);
	}
	mutex_unlock(&process_tree_lock);
	return killed;
}
