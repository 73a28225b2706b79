/* SPDX-License-Identifier: MIT */
/*
 * The scheduler: per-CPU queues, weighted fair sharing, wake-up placement and balancing.
 *
 * Each CPU keeps its interrupt threads in a list (first come, first served) and the others in a heap by virtual time,
 * by the rule of lib/fair.h (doc/scheduling.md). A CPU with nothing to do takes a thread that may run there from the
 * longest queue that has one; a busy one looks at one other queue in each tick. A tick comes only while a thread runs.
 * Lock: the nucleus lock.
 */
#include "sched/sched.h"
#include "gate/account.h"
#include "gate/calls.h"
#include "gate/lock.h"
#include "gate/policy.h"
#include "mmu/mmu.h"
#include "time/clock.h"
#include "trap/trap.h"
#include <abi/errno.h>

struct queue {
	struct list interrupt_threads;
	struct heap fair;
	uint32_t length;
	uint32_t peer, seed; /* the CPU whose queue is looked at next */
	struct fair_clock clock;
	struct heap timers;	/* of those that parked here */
	uint64_t next_deadline; /* the first of them, for looks without the lock; 0: none */
};
static struct queue queues[CPUS_MAX];
static uint64_t machine_time = FAIR_BEGIN_NS;
static uint64_t idle_cpus; /* those with nothing to do, and nothing on its way */
uint32_t cpu_count = 1;

static struct queue *queue_of(const struct cpu *cpu)
{
	return &queues[cpu->id];
}

static void publish_deadline(struct queue *q)
{
	__atomic_store_n(&q->next_deadline, q->timers.root ? q->timers.root->key : 0, __ATOMIC_RELEASE);
}

void sched_init(void)
{
	for (unsigned i = 0; i < CPUS_MAX; i++) {
		list_init(&queues[i].interrupt_threads);
		queues[i].clock.now = FAIR_BEGIN_NS;
	}
}

static void enqueue(struct cpu *cpu, struct record *r, bool front)
{
	struct queue *q = queue_of(cpu);

	r->state = THREAD_READY;
	r->cpu = cpu;
	q->length++;
	idle_cpus &= ~(1ull << cpu->id);
	if (r->interrupt_thread) {
		if (front)
			list_push_front(&q->interrupt_threads, &r->ready_link);
		else
			list_push_back(&q->interrupt_threads, &r->ready_link);
		return;
	}
	r->ready_node.key = r->fair.virtual_ns;
	heap_insert(&q->fair, &r->ready_node);
}

static void dequeue(struct record *r)
{
	struct queue *q = queue_of(r->cpu);

	q->length--;
	if (r->interrupt_thread)
		list_remove(&r->ready_link);
	else
		heap_remove(&q->fair, &r->ready_node);
}

static struct record *queue_first(struct queue *q)
{
	if (!list_empty(&q->interrupt_threads))
		return list_first(&q->interrupt_threads, struct record, ready_link);
	return q->fair.root ? heap_entry(q->fair.root, struct record, ready_node) : nullptr;
}

void sched_account(struct record *r, bool in_process)
{
	uint64_t now = clock_ns(), ran = now - r->since_ns;

	if (in_process)
		r->user_ns += ran;
	else
		r->kernel_ns += ran;
	/* In this order: a CPU that looks in between, as a quiet tick lets it, takes the thread to have run for longer.
	 */
	__atomic_store_n(&r->fair.virtual_ns, fair_after(&r->fair, ran), __ATOMIC_RELAXED);
	__atomic_store_n(&r->since_ns, now, __ATOMIC_RELEASE);
}

/* The virtual time of what runs on the CPU, up to date; UINT64_MAX: nothing that shares. */
static uint64_t running_virtual(const struct cpu *cpu)
{
	const struct record *r = cpu->current;
	uint64_t since, now = clock_ns();

	if (!r || r == cpu->idle || r->interrupt_thread)
		return UINT64_MAX;
	since = __atomic_load_n(&r->since_ns, __ATOMIC_ACQUIRE);
	return fair_after(&r->fair, now > since ? now - since : 0);
}

/* Brings the CPU's virtual time up to date. */
static void follow(const struct cpu *cpu, uint64_t running)
{
	struct queue *q = queue_of(cpu);
	uint64_t least = q->fair.root ? MIN(q->fair.root->key, running) : running;

	fair_follow(&q->clock, least == UINT64_MAX ? 0 : least, least == UINT64_MAX, &machine_time);
}

/*
 * The CPU a woken thread goes to: where it was if that is idle, else any that is idle. If none is, it joins its waker,
 * which may well sleep soon, unless more wait there than are where it was. Nothing here looks at each CPU.
 */
static struct cpu *place(struct record *r)
{
	uint64_t allowed = r->affinity & ((2ull << (cpu_count - 1)) - 1), idle = idle_cpus & allowed;
	struct cpu *here = cpu_this(), *was = r->cpu ? r->cpu : here;

	if (idle)
		return idle >> was->id & 1 ? was : cpu_by_id((uint32_t)__builtin_ctzll(idle));
	if (allowed >> here->id & 1 &&
	    (!(allowed >> was->id & 1) || queue_of(here)->length <= queue_of(was)->length + 1))
		return here;
	return allowed >> was->id & 1 ? was : cpu_by_id((uint32_t)__builtin_ctzll(allowed));
}

static void ask_reschedule(struct cpu *cpu)
{
	/* It was asked already, and has not chosen since. */
	if (cpu->reschedule)
		return;
	cpu->reschedule = 1;
	__atomic_or_fetch(&cpu->exit_work, WORK_RESCHEDULE, __ATOMIC_RELAXED);
	if (cpu != cpu_this())
		arch_interrupt_send(cpu, INTERRUPT_RESCHEDULE);
}

static void make_ready(struct record *r)
{
	struct cpu *cpu = place(r), *was = r->cpu;
	struct queue *q = queue_of(cpu);
	struct record *running = cpu->current;
	uint64_t running_ns = running_virtual(cpu);
	bool first;

	follow(cpu, running_ns);
	if (!was)
		fair_start(&r->fair, &q->clock);
	else if (was != cpu)
		fair_move(&r->fair, &queue_of(was)->clock, &q->clock);
	fair_wake(&r->fair, &q->clock);
	first = r->interrupt_thread ? !running || !running->interrupt_thread : fair_preempts(&r->fair, running_ns);
	enqueue(cpu, r, false);
	if (running == cpu->idle || (first && (r->interrupt_thread || running_ns != UINT64_MAX)) || !cpu->tick_at)
		ask_reschedule(cpu);
}

static void timer_disarm(struct record *r)
{
	if (!r->timer_armed)
		return;
	heap_remove(&queue_of(r->cpu)->timers, &r->timer_node);
	r->timer_armed = false;
	publish_deadline(queue_of(r->cpu));
}

void sched_wake(struct record *r, long result)
{
	if (r->state != THREAD_PARKED || !r->started) {
		r->permit = true;
		return;
	}
	timer_disarm(r);
	context_set_result(&r->kernel, (uint64_t)result);
	make_ready(r);
}

void sched_block_current(enum thread_state state, uint64_t deadline_ns)
{
	struct cpu *cpu = cpu_this();
	struct record *r = cpu->current;

	r->in_process = false;
	sched_account(r, false);
	r->left++;
	r->state = state;
	if (deadline_ns) {
		r->timer_node.key = deadline_ns;
		heap_insert(&queue_of(cpu)->timers, &r->timer_node);
		r->timer_armed = true;
		publish_deadline(queue_of(cpu));
	}
	arch_switch_from(cpu, r);
	cpu->current = nullptr;
}

void sched_requeue_current(void)
{
	struct cpu *cpu = cpu_this();
	struct record *r = cpu->current;

	sched_account(r, r->in_process);
	r->preempted++;
	arch_switch_from(cpu, r);
	cpu->current = nullptr;
	if (r == cpu->idle)
		return;
	/* An interrupt thread that was preempted within its slice goes on before those that came after it. */
	if (r->affinity >> cpu->id & 1 && !(r->affinity & idle_cpus))
		enqueue(cpu, r, clock_ns() - r->slice_start_ns < FAIR_SLICE_NS);
	else
		make_ready(r);
}

/* The first of a queue's threads that may run on the CPU; the search is cut short in a long queue of pinned ones. */
static struct record *first_movable(const struct queue *q, uint32_t cpu)
{
	enum { LOOK_MAX = 32 };
	struct heap_node *todo[LOOK_MAX + 1];
	struct record *r, *best = nullptr;
	unsigned looked = 0, n = 0;

	list_for_each(r, &q->interrupt_threads, ready_link) {
		if (r->affinity >> cpu & 1)
			return r;
		if (++looked == LOOK_MAX)
			return nullptr;
	}
	if (q->fair.root)
		todo[n++] = q->fair.root;
	/* Each look takes one node off and adds two at the most. */
	for (; n && looked < LOOK_MAX; looked++) {
		struct heap_node *node = todo[--n];

		r = heap_entry(node, struct record, ready_node);
		if (node->next)
			todo[n++] = node->next;
		if (!(r->affinity >> cpu & 1)) {
			if (node->child)
				todo[n++] = node->child;
		} else if (!best || r->fair.virtual_ns < best->fair.virtual_ns) {
			best = r; /* what is below it comes later */
		}
	}
	return best;
}

/* A thread of the longest other queue that has one which may run here. */
static struct record *steal(struct cpu *cpu)
{
	struct record *best = nullptr;
	uint32_t longest = 0;

	for (uint32_t i = 0; i < cpu_count; i++) {
		if (i == cpu->id || queues[i].length <= longest)
			continue;
		struct record *r = first_movable(&queues[i], cpu->id);

		if (r) {
			best = r;
			longest = queues[i].length;
		}
	}
	return best;
}

/* Takes a thread that waits over into this CPU's virtual time. */
static void take(struct cpu *cpu, struct record *r)
{
	dequeue(r);
	fair_move(&r->fair, &queue_of(r->cpu)->clock, &queue_of(cpu)->clock);
}

/* Looks at one other queue in each tick, for a thread that has had less than all here. */
static void balance(struct cpu *cpu)
{
	struct queue *q = queue_of(cpu), *from;
	struct record *r;

	from = &queues[q->peer];
	q->peer = fair_next_peer(&q->seed, cpu->id, cpu_count);
	r = from == q ? nullptr : first_movable(from, cpu->id);
	if (!r ||
	    (r->interrupt_thread ? cpu->current->interrupt_thread : !fair_pulls(&r->fair, &from->clock, &q->clock)))
		return;
	take(cpu, r);
	enqueue(cpu, r, false);
}

static struct record *choose(struct cpu *cpu)
{
	struct record *r = queue_first(queue_of(cpu));

	follow(cpu, UINT64_MAX);
	if (r) {
		dequeue(r);
		return r;
	}
	r = steal(cpu);
	if (!r) {
		idle_cpus |= 1ull << cpu->id;
		return cpu->idle;
	}
	take(cpu, r);
	idle_cpus &= ~(1ull << cpu->id);
	return r;
}

/* Arms the timer for the next deadline and, while a thread runs, the tick. */
static void arm_timer(struct cpu *cpu)
{
	uint64_t at = queue_of(cpu)->next_deadline, now = clock_ns();

	if (cpu->current != cpu->idle && (!at || now + FAIR_SLICE_NS < at))
		at = now + FAIR_SLICE_NS;
	if (at == cpu->tick_at && at)
		return;
	cpu->tick_at = at;
	arch_timer_set(at);
}

void sched_switch_to(struct cpu *cpu, struct record *r)
{
	r->process.cpu = r->kernel.cpu = cpu;
	cpu->upcall_stack = r->stack;
	cpu->component = policy_account(r->component);
	arch_switch_to(cpu, r);
	__atomic_store_n(&cpu->exit_work,
			 (r->kicked ? WORK_KICK : 0) | (r->full_restore ? WORK_FULL_RESTORE : 0) |
				 (cpu->reschedule ? WORK_RESCHEDULE : 0),
			 __ATOMIC_RELAXED);
	if (r != cpu->idle) {
		if (r->page_cpu != cpu->id) {
			/* The page is reached only in the kernel view. */
			arch_enter(cpu, false);
			current_thread_page()->cpu = r->page_cpu = cpu->id;
		}
		arch_tls_load(r);
		if (r->space && (cpu->fpu_owner != r || r->fpu_cpu != cpu))
			fpu_take(cpu, r);
	}
	arch_enter(cpu, r->in_process);
}

[[noreturn]] void sched_resume(void) NO_THREAD_SAFETY
{
	struct cpu *cpu = cpu_this();
	struct record *r = cpu->current;

	if (!r) {
		r = choose(cpu);
		r->state = THREAD_RUNNING;
		r->cpu = cpu;
		r->since_ns = r->slice_start_ns = clock_ns();
		cpu->current = r;
		cpu->reschedule = 0;
		/* Kicked while it could not run. */
		if (r->in_process && (r->kicked || context_pc(&r->process) >= USER_END))
			trap_set_pending_event(r);
		sched_switch_to(cpu, r);
		arm_timer(cpu);
	}
	nucleus_lock_release();
	account_resume(r->in_process ? &r->process : &r->kernel);
}

/* A tick that finds nothing to do but to account needs no lock: all that it touches is this CPU's. */
bool sched_quiet_tick(struct cpu *cpu, bool in_process)
{
	struct record *r = cpu->current;
	struct queue *q = queue_of(cpu);
	uint64_t deadline = __atomic_load_n(&q->next_deadline, __ATOMIC_ACQUIRE);

	if (r == cpu->idle || cpu->reschedule || (deadline && deadline <= clock_ns()) ||
	    __atomic_load_n(&q->length, __ATOMIC_ACQUIRE) ||
	    __atomic_load_n(&queues[q->peer].length, __ATOMIC_RELAXED) ||
	    (in_process ? r->kicked : current_thread_page()->preempt_count != 0))
		return false;
	sched_account(r, in_process);
	q->peer = fair_next_peer(&q->seed, cpu->id, cpu_count);
	cpu->tick_at = 0;
	arm_timer(cpu);
	return true;
}

void sched_tick(struct cpu *cpu, bool in_process)
{
	struct record *r = cpu->current;
	struct queue *q = queue_of(cpu);
	uint64_t now;

	if (r && r != cpu->idle)
		sched_account(r, in_process);
	now = clock_ns();
	while (q->timers.root && q->timers.root->key <= now) {
		struct record *late = heap_entry(q->timers.root, struct record, timer_node);

		sched_wake(late, -ETIMEDOUT);
	}
	if (r && r != cpu->idle) {
		follow(cpu, running_virtual(cpu));
		balance(cpu);
		/* The timer's clock may be a little faster than the one that is read. */
		if (q->length && now - r->slice_start_ns >= FAIR_SLICE_NS / 8 * 7)
			ask_reschedule(cpu);
	}
	cpu->tick_at = 0;
	arm_timer(cpu);
}

RARE void sched_set_affinity(struct record *r, uint64_t mask)
{
	r->affinity = mask;
	if (!r->cpu || mask >> r->cpu->id & 1)
		return;
	if (r->state == THREAD_RUNNING) {
		ask_reschedule(r->cpu);
	} else if (r->state == THREAD_READY) {
		dequeue(r);
		make_ready(r);
	}
}

/* --- nucleus calls --- */

void sched_unpark(struct record *r)
{
	/* The first unpark is what starts a thread. */
	if (!r->started && r->state == THREAD_PARKED) {
		r->started = true;
		r->start_ns = clock_ns();
		make_ready(r);
	} else {
		sched_wake(r, 0);
	}
}

long call_yield(void) NO_THREAD_SAFETY
{
	struct cpu *cpu = cpu_this();
	struct record *r = cpu->current, *next;

	NUCLEUS_LOCKED;
	current_thread_page()->resched = 0;
	sched_account(r, false);
	r->preempt_held_since_ns = 0;
	/* Behind whoever waits, so that yielding is never in vain. */
	next = queue_first(queue_of(cpu));
	if (!next && (r->affinity >> cpu->id & 1)) {
		cpu->reschedule = 0;
		return 0;
	}
	if (next && !next->interrupt_thread)
		r->fair.virtual_ns = MAX(r->fair.virtual_ns, next->fair.virtual_ns + 1);
	/* An interrupt thread, too, unless it only makes up for a preemption that it had held back. */
	if (!cpu->reschedule)
		r->slice_start_ns = 0;
	context_set_result(&r->kernel, 0);
	r->in_process = false;
	sched_requeue_current();
	sched_resume();
}
