/* SPDX-License-Identifier: MIT */
/*
 * What threads and processes used: times, faults, context switches, bytes of reads and writes (getrusage(2), and /proc
 * of a process and of the system). A thread counts for itself, without a lock; its process's sum takes it in when it
 * ends.
 */
#include "internal.h"
#include <nucleus/calls.h>

/* Of all threads that ended. */
static struct spinlock dead_lock = SPINLOCK_INIT(RANK_NONE); /* leaf */
static struct process_usage dead GUARDED_BY(&dead_lock);

void process_usage_add(struct process_usage *to, const struct process_usage *from)
{
	to->user_ns += from->user_ns;
	to->system_ns += from->system_ns;
	to->minor_faults += from->minor_faults;
	to->major_faults += from->major_faults;
	to->voluntary += from->voluntary;
	to->involuntary += from->involuntary;
	to->io.read_bytes += from->io.read_bytes;
	to->io.written_bytes += from->io.written_bytes;
	to->io.reads += from->io.reads;
	to->io.writes += from->io.writes;
	to->max_resident_pages = MAX(to->max_resident_pages, from->max_resident_pages);
}

void process_thread_usage(struct thread *t, struct process_usage *out)
{
	*out = process_thread_of(t)->usage;
	out->io = process_thread_of(t)->io;
	if (nucleus_thread_get_times(thread_page_of(t)->handle) == 0) {
		const struct thread_times *times = (const struct thread_times *)call_area();
		out->user_ns = times->user_ns;
		out->system_ns = times->kernel_ns;
		out->voluntary = times->left;
		out->involuntary = times->preempted;
	}
}

/* All threads, those that ended included. */
void process_usage_of_threads(struct process *p, struct process_usage *out)
{
	struct thread *t;

	spin_lock(&p->signal_lock);
	*out = p->dead_usage;
	for_each_thread(t, p) {
		struct process_usage one;
		process_thread_usage(t, &one);
		process_usage_add(out, &one);
	}
	spin_unlock(&p->signal_lock);
}

void process_usage_of_dead(struct process *p, const struct process_usage *u)
{
	process_usage_add(&p->dead_usage, u);
	spin_lock(&dead_lock);
	process_usage_add(&dead, u);
	spin_unlock(&dead_lock);
}

static void add_living(struct process *p, struct process_usage *out)
{
	struct thread *t;

	spin_lock(&p->signal_lock);
	for_each_thread(t, p) {
		struct process_usage one;
		process_thread_usage(t, &one);
		process_usage_add(out, &one);
	}
	spin_unlock(&p->signal_lock);
}

void process_usage_total(struct process_usage *out)
{
	struct process *p;

	mutex_lock(&process_tree_lock);
	spin_lock(&dead_lock);
	*out = dead;
	spin_unlock(&dead_lock);
	list_for_each(p, &process_all, all)
		add_living(p, out);
	mutex_unlock(&process_tree_lock);
}
