/* SPDX-License-Identifier: MIT */
/*
 * The scheduler: per-CPU queues, weighted fair sharing, wake-up placement and balancing.
 *
 * Each CPU keeps its interrupt threads in a list (first come, first served) and the others in a heap by virtual run
 * time, which advances more slowly for threads of higher weight. A CPU with nothing to do takes a thread that may run
 * there from the longest queue that has one. A sampling tick runs only while a thread runs. Lock: the nucleus lock.
 */
#include "sched/sched.h"
#include "gate/account.h"
#include "gate/calls.h"
#include "gate/lock.h"
#include "mmu/mmu.h"
#include "report/log.h"
#include "sched/smp.h"
#include "time/clock.h"
#include "trap/trap.h"
#include <abi/errno.h>

enum : uint64_t {
	TICK_NS = 10000000,	  /* sampling of user and kernel time */
	SLICE_NS = 6000000,	  /* run at least so long before another of equal right */
	SHOW_NS = 2000000,	  /* between two pieces of text for the console: 16 bytes at 115200 baud, and some */
	WAKE_CREDIT_NS = 6000000, /* how far behind the queue a woken thread may start */
};

struct queue {
	struct list interrupt_threads;
	struct heap fair;
	uint32_t length;
	uint64_t virtual_now; /* no queued thread starts below this less the credit */
};
static struct queue queues[CPUS_MAX];
static struct heap timers;
uint32_t cpu_count = 1;

/* Weight of nice levels: a factor of about 1.25 each, 1024 at 0 (setpriority(2) fixes only the order). */
static uint32_t weight_of(int nice)
{
	static const uint16_t step[] = {1024, 1277, 1586, 1991, 2501};
	int up = -nice, fives = 0;
	uint32_t w;

	while (up < 0) {
		up += 5;
		fives--;
	}
	while (up >= 5) {
		up -= 5;
		fives++;
	}
	w = step[up];
	for (; fives > 0; fives--)
		w *= 3;
	for (; fives < 0; fives++)
		w /= 3;
	return w ? w : 1;
}

static struct queue *queue_of(struct cpu *cpu)
{
	return &queues[cpu->id];
}

/* Virtual time is each queue's own: a thread that moves keeps its distance to the queue's now, within reason. */
static void change_queue(struct record *r, struct cpu *to)
{
	int64_t lag;

	if (!r->cpu || r->cpu == to)
		return;
	lag = (int64_t)(r->vruntime - queue_of(r->cpu)->virtual_now);
	lag = MAX(MIN(lag, (int64_t)WAKE_CREDIT_NS), -(int64_t)WAKE_CREDIT_NS);
	r->vruntime = queue_of(to)->virtual_now + (uint64_t)lag;
}

/* The first deadline, for looks without the lock; 0: none. */
static uint64_t next_deadline;

static void publish_deadline(void)
{
	__atomic_store_n(&next_deadline, timers.root ? timers.root->key : 0, __ATOMIC_RELEASE);
}

void sched_init(void)
{
	for (unsigned i = 0; i < CPUS_MAX; i++) {
		list_init(&queues[i].interrupt_threads);
		/* Far from zero, so that nobody's credit goes below it. */
		queues[i].virtual_now = 1ull << 40;
	}
}

static void enqueue(struct cpu *cpu, struct record *r, bool front)
{
	struct queue *q = queue_of(cpu);

	r->state = THREAD_READY;
	r->cpu = cpu;
	q->length++;
	if (r->interrupt_thread) {
		if (front)
			list_push_front(&q->interrupt_threads, &r->ready_link);
		else
			list_push_back(&q->interrupt_threads, &r->ready_link);
		return;
	}
	r->ready_node.key = r->vruntime;
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

	r->since_ns = now;
	if (in_process)
		r->user_ns += ran;
	else
		r->kernel_ns += ran;
	r->vruntime += ran * 1024 / weight_of(r->nice);
	if (r->cpu && queue_of(r->cpu)->virtual_now < r->vruntime && !queue_of(r->cpu)->fair.root)
		queue_of(r->cpu)->virtual_now = r->vruntime;
}

/*
 * What the current thread has run is not held against it. It is made to leave although it holds something: whoever
 * waits for that, spinning and yielding, would have to use up as much time first.
 */
void sched_excuse_current(struct cpu *cpu)
{
	cpu->current->vruntime = queue_of(cpu)->virtual_now - WAKE_CREDIT_NS;
}

/* The CPU a woken thread goes to: where it was if that is idle, else an idle one, else where it was. */
static struct cpu *place(struct record *r)
{
	struct cpu *was = r->cpu, *least = nullptr;

	if (was && (r->affinity >> was->id & 1) && was->online && was->current == was->idle && !queue_of(was)->length)
		return was;
	for (uint32_t i = 0; i < cpu_count; i++) {
		struct cpu *c = cpu_by_id(i);

		if (!c->online || !(r->affinity >> i & 1))
			continue;
		if (c->current == c->idle && !queue_of(c)->length)
			return c;
		if (!least || queue_of(c)->length < queue_of(least)->length)
			least = c;
	}
	if (was && was->online && (r->affinity >> was->id & 1) &&
	    (!least || queue_of(was)->length <= queue_of(least)->length + 1))
		return was;
	return least ? least : cpu_by_id(0);
}

static void ask_reschedule(struct cpu *cpu)
{
	cpu->reschedule = 1;
	__atomic_or_fetch(&cpu->exit_work, WORK_RESCHEDULE, __ATOMIC_RELAXED);
	if (cpu != cpu_this())
		arch_send_reschedule(cpu);
}

static void make_ready(struct record *r)
{
	struct cpu *cpu = place(r);
	struct queue *q = queue_of(cpu);
	struct record *running = cpu->current;

	change_queue(r, cpu);
	if (r->vruntime + WAKE_CREDIT_NS < q->virtual_now)
		r->vruntime = q->virtual_now - WAKE_CREDIT_NS;
	enqueue(cpu, r, false);
	if (running == cpu->idle || (r->interrupt_thread && !running->interrupt_thread) ||
	    (!running->interrupt_thread && r->vruntime + SLICE_NS < running->vruntime) || !cpu->tick_at)
		ask_reschedule(cpu);
}

static void timer_disarm(struct record *r)
{
	if (!r->timer_armed)
		return;
	heap_remove(&timers, &r->timer_node);
	r->timer_armed = false;
	publish_deadline();
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
	r->state = state;
	if (deadline_ns) {
		r->timer_node.key = deadline_ns;
		heap_insert(&timers, &r->timer_node);
		r->timer_armed = true;
		publish_deadline();
	}
	arch_switch_from(cpu, r);
	cpu->current = nullptr;
}

void sched_requeue_current(void)
{
	struct cpu *cpu = cpu_this();
	struct record *r = cpu->current;

	sched_account(r, r->in_process);
	arch_switch_from(cpu, r);
	cpu->current = nullptr;
	if (r == cpu->idle)
		return;
	/* An interrupt thread that was preempted within its slice goes on before those that came after it. */
	if (r->affinity >> cpu->id & 1)
		enqueue(cpu, r, clock_ns() - r->slice_start_ns < SLICE_NS);
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
		} else if (!best || r->vruntime < best->vruntime) {
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

static struct record *choose(struct cpu *cpu)
{
	struct record *r = queue_first(queue_of(cpu));
	struct record *other = nullptr;

	if (!r)
		r = other = steal(cpu);
	if (!r)
		return cpu->idle;
	dequeue(r);
	if (other)
		change_queue(r, cpu);
	if (!r->interrupt_thread && queue_of(cpu)->virtual_now < r->vruntime)
		queue_of(cpu)->virtual_now = r->vruntime;
	return r;
}

/* Arms the timer for the next deadline and, while a thread runs, the tick. */
static void arm_timer(struct cpu *cpu)
{
	uint64_t at = __atomic_load_n(&next_deadline, __ATOMIC_ACQUIRE);

	if (cpu->current != cpu->idle) {
		uint64_t tick = clock_ns() + TICK_NS;

		if (queue_of(cpu)->length)
			tick = clock_ns() + SLICE_NS;
		if (!at || tick < at)
			at = tick;
	}
	if (log_pending() && (!at || at > clock_ns() + SHOW_NS))
		at = clock_ns() + SHOW_NS;
	if (at == cpu->tick_at && at)
		return;
	cpu->tick_at = at;
	arch_timer_set(at);
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
		arch_switch_to(cpu, r);
		arm_timer(cpu);
	}
	nucleus_lock_release();
	account_resume(r->in_process ? &r->process : &r->kernel);
}

/* A tick that finds nothing to do but to account needs no lock: all that it touches is this CPU's. */
bool sched_quiet_tick(struct cpu *cpu, bool in_process)
{
	struct record *r = cpu->current;
	uint64_t deadline = __atomic_load_n(&next_deadline, __ATOMIC_ACQUIRE);

	if (r == cpu->idle || cpu->reschedule || log_pending() || (deadline && deadline <= clock_ns()) ||
	    __atomic_load_n(&queue_of(cpu)->length, __ATOMIC_ACQUIRE) || (in_process && r->kicked))
		return false;
	sched_account(r, in_process);
	cpu->tick_at = 0;
	arm_timer(cpu);
	return true;
}

void sched_tick(struct cpu *cpu, bool in_process)
{
	struct record *r = cpu->current;
	uint64_t now;

	if (r && r != cpu->idle)
		sched_account(r, in_process);
	log_show(LOG_PIECE);
	now = clock_ns();
	while (timers.root && timers.root->key <= now) {
		struct record *late = heap_entry(timers.root, struct record, timer_node);

		sched_wake(late, -ETIMEDOUT);
	}
	if (r && r != cpu->idle && queue_of(cpu)->length && now - r->slice_start_ns >= SLICE_NS) {
		cpu->reschedule = 1;
		__atomic_or_fetch(&cpu->exit_work, WORK_RESCHEDULE, __ATOMIC_RELAXED);
	}
	cpu->tick_at = 0;
	arm_timer(cpu);
}

void sched_set_affinity(struct record *r, uint64_t mask)
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

	nucleus_lock_acquire();
	current_thread_page()->resched = 0;
	sched_account(r, false);
	r->preempt_held_since_ns = 0;
	/* Behind whoever waits, so that yielding is never in vain. */
	next = queue_first(queue_of(cpu));
	if (!next && (r->affinity >> cpu->id & 1)) {
		cpu->reschedule = 0;
		nucleus_lock_release();
		return 0;
	}
	if (next && !next->interrupt_thread && next->vruntime >= r->vruntime)
		r->vruntime = next->vruntime + 1;
	/* An interrupt thread, too, unless it only makes up for a preemption that it had held back. */
	if (!cpu->reschedule)
		r->slice_start_ns = 0;
	context_set_result(&r->kernel, 0);
	r->in_process = false;
	sched_requeue_current();
	sched_resume();
}
