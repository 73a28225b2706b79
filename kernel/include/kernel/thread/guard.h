/* SPDX-License-Identifier: MIT */
/*
 * Guards: what a component's fault is contained in.
 *
 * Whoever calls into another component's operations does so through guard_run(): the file system switch for every
 * operation of files, inodes, superblocks and page caches, the terminal for its driver, the component thread for start
 * and stop. A fault inside unwinds to the innermost guard, which yields -EFAULT: locks taken inside are released, wait
 * queues entered inside are left, preemption is as it was. References and memory that the dead part held stay lost;
 * data it was changing may be half done. Works in any lowered thread and nests; costs about fifty instructions.
 */
#ifndef KERNEL_GUARD_H
#define KERNEL_GUARD_H

#include <abi/errno.h>
#include <kernel/thread/component.h>

struct guard {
	struct guard *outer;
	struct component *component;
	union {
		struct {
			uint32_t held_count, wait_count;
		};
		uint64_t counts;
	};
	uint32_t preempt_count;
	uint64_t context[13]; /* callee-saved registers, stack pointer, program counter (arch context.S) */
};

/* Arch: saves the caller's registers and returns 0; after guard_leave(context) it returns once more, with 1. The caller
 * must not have returned meanwhile. */
[[gnu::returns_twice]] int guard_save(uint64_t *context);

/* component_reset.c: who comes into a component whose data may be reset is counted; false: not now. */
bool component_enter(struct component *c);
void component_leave(struct component *c);
long component_leave_with(struct component *c, long result); /* the same, and yields result */

static inline bool guard_push(struct guard *g, struct component *c)
{
	struct thread *t = thread_current();

	if (unlikely(c->resettable) && !component_enter(c))
		return false;
	g->outer = t->guards;
	g->component = c;
	g->counts = t->kept->counts;
	g->preempt_count = thread_page_current()->preempt_count;
	t->guards = g;
	return true;
}
/* Yields `result`, which so need not be kept over a call. */
static inline long guard_pop(const struct guard *g, long result)
{
	thread_current()->guards = g->outer;
	return unlikely(g->component->resettable) ? component_leave_with(g->component, result) : result;
}

/* Nobody comes back to the guards that the thread is in. */
void guards_forget(struct thread *t);

/*
 * Evaluates `call` (a call that yields an integer) inside a guard of component c, which must not be nullptr. Its value,
 * or -EFAULT if it faulted; the report is out by then (or if the component's data are just being reset). What `call`
 * names must not be changed by it except through pointers.
 */
#define guard_run(c, call)                                                                                             \
	({                                                                                                             \
		struct guard guard_;                                                                                   \
		long guarded_ = -EFAULT;                                                                               \
		if (guard_push(&guard_, (c)) && guard_save(guard_.context) == 0) {                                     \
			long result_ = (long)(call);                                                                   \
			guarded_ = guard_pop(&guard_, result_);                                                        \
		}                                                                                                      \
		guarded_;                                                                                              \
	})
/* The same for a call without a value: false if it faulted. */
#define guard_run_void(c, call) (guard_run(c, ((call), 0)) == 0)

/* Before a guard, of a local variable that `call` changes through a pointer and that is looked at after a fault: the
 * compiler sees no way from the change to there, and would take the variable for unchanged. */
#define GUARD_SHARES(variable)                                                                                         \
	do {                                                                                                           \
		typeof(variable) *shared_ = &(variable);                                                               \
		__asm__ volatile("" : "+r"(shared_) : : "memory");                                                     \
	} while (0)

/* guard_run(c, fn(arg)), as a function. */
long guard_call(struct component *c, long (*fn)(void *arg), void *arg);

/* What becomes of a process's thread after a contained fault outside any guard: `landed` comes first, while the stack
 * is as the fault left it, then `leave`, on an empty stack. Who makes processes says it before the first. */
struct fault_hooks {
	void (*landed)(void);
	void (*leave)(void); /* does not return */
};
void guard_set_hooks(const struct fault_hooks *h);

#endif
