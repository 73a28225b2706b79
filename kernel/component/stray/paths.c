/* SPDX-License-Identifier: MIT */
/*
 * Stray acts on a way that hides who acts: through inline functions of others' headers, as a callback of another
 * component, by a nucleus call that is refused, out of a gate that this thread has no use for, and by a return to an
 * address that was overwritten. Each report has to name this component, and but for the last the function.
 */
#include "stray.h"

#include <arch/gates.h>
#include <kernel/base/wait.h>
#include <lib/bitmap.h>
#include <lib/list.h>
#include <nucleus/calls.h>
#include <nucleus/layout.h>

static struct wait_queue queue;
static uint64_t victim_of_callback;

/* The list's neighbours are where they never were. */
[[gnu::noinline]] static void stray_list_remove(uint64_t address)
{
	struct list *at = (struct list *)(address & ~UINT64_C(7));
	struct list node = {.next = at, .prev = at};

	list_remove(&node);
}

[[gnu::noinline]] static void stray_set_bit(uint64_t address)
{
	bitmap_set((uint64_t *)(address & ~UINT64_C(7)), 1);
}

/* Called by address: the header's function is no part of this one, and yet its tool. */
[[gnu::noinline]] static void stray_call_inline(uint64_t address)
{
	void (*volatile set)(uint64_t *, size_t) = bitmap_set;

	set((uint64_t *)(address & ~UINT64_C(7)), 1);
	__asm__ volatile("" : : : "memory"); /* no jump: the frame stays */
}

static bool stray_woken(struct waiter *)
{
	*(volatile uint8_t *)victim_of_callback = 0xa5;
	return true;
}

/* Whoever wakes calls, and holds a lock. */
static void stray_call_back(uint64_t address)
{
	static struct waiter waiter;

	victim_of_callback = address;
	wait_queue_init(&queue); /* of the last time it may still hold the waiter */
	wait_add_callback(&queue, &waiter, false, stray_woken);
	wait_wake_all(&queue);
	wait_remove(&waiter);
}

/* A frame of the nucleus in the kernel's mappings. */
[[gnu::noinline]] static long stray_call_refused(uint64_t pfn)
{
	long result = nucleus_kmap(KMAP_BASE, pfn, 1, MAP_PROT_READ);

	__asm__ volatile("" : "+r"(result) : : "memory"); /* no jump: the frame stays */
	return result;
}

[[gnu::noinline]] static void stray_exit_gate(uint64_t number)
{
	gate_exit((long)number);
}

[[gnu::noinline]] static void stray_smash_return(uint64_t address)
{
	volatile uint64_t *frame = __builtin_frame_address(0);

	frame[1] = address & ~UINT64_C(3);
}

/* The caller's frame as well: nothing is left that tells who called. */
[[gnu::noinline]] static void stray_smash_stack(uint64_t address)
{
	volatile uint64_t *frame = __builtin_frame_address(0);

	frame[0] = address & ~UINT64_C(7);
	frame[1] = address & ~UINT64_C(3);
}

const struct stray_case stray_path_cases[] = {
	STRAY_CASE("list-remove", "overwrite an instruction of the nucleus by taking a node out of a list",
		   stray_choose_nucleus_text, stray_list_remove),
	STRAY_CASE("inline", "overwrite an instruction of the nucleus by another header's inline function",
		   stray_choose_nucleus_text, stray_set_bit),
	STRAY_CASE("inline-by-address", "overwrite an instruction of the nucleus by an inline function's address",
		   stray_choose_nucleus_text, stray_call_inline),
	{.name = "callback",
	 .what = "overwrite an instruction of the nucleus when another component calls back",
	 .culprit = "stray_woken",
	 .choose = stray_choose_nucleus_text,
	 .run = stray_call_back},
	{.name = "call-refused",
	 .what = "map a frame of the nucleus",
	 .culprit = "stray_call_refused",
	 .choose = stray_choose_nucleus_frame,
	 .call = stray_call_refused},
	STRAY_CASE("exit-gate", "return to a process from a thread that has none", stray_choose_number,
		   stray_exit_gate),
	{.name = "smash-return",
	 .what = "return to the nucleus",
	 .culprit = "run_thread",
	 .choose = stray_choose_nucleus_text,
	 .run = stray_smash_return,
	 .needs_lowered = true},
	{.name = "smash-stack",
	 .what = "return to the nucleus with a smashed stack",
	 .culprit = "?",
	 .choose = stray_choose_nucleus_text,
	 .run = stray_smash_stack,
	 .needs_lowered = true},
	{},
};
