/* SPDX-License-Identifier: MIT */
/*
 * A second note of who a thread is, for the case that its page is overwritten.
 *
 * The struct thread is in the thread page, which any stray write of lowered code may hit. The landing of a fault begins
 * there, and would only fault again. So what decides about a thread's end (component, service, process, tid) is noted
 * in the struct page of its page as well; the landing looks whether the two agree, and whether the seals are whole, and
 * if not makes the struct thread anew. Locks held and queues waited in are known (struct thread_kept, on its stack).
 * What only the page knew is lost: guards, its process's state. So the thread ends, and its page and stack stay
 * allocated: others may have pointers into them. Its neighbours in lists still know where it belongs: who walks past it
 * before it has landed passes it over.
 */
#include "core.h"

#include <kernel/base/log.h>
#include <kernel/mem/page.h>
#include <lib/string.h>
#include <nucleus/upcall.h>

constexpr uint64_t STACK_SLOT = 32ull * 1024; /* stack.c */

/* The struct page has room for it: link and private are the owner's. */
static struct page *note_of(const struct thread *t)
{
	return page_of(page_window_pfn(thread_page_of((struct thread *)t)));
}

/* The thread that boots has a page of the nucleus's, without a struct page. */
static bool has_note(const struct thread *t)
{
	return t != thread_boot;
}

void thread_note(struct thread *t)
{
	struct page *note;

	if (!has_note(t))
		return;
	note = note_of(t);
	note->link.next = (struct list *)t->service;
	note->link.prev = (struct list *)t->process;
	note->private = (uint64_t)t->tid << 32 | (uint32_t)((char *)t->component - (char *)&component_core);
}

/* They are all in the image. */
static struct component *noted_component(const struct page *note)
{
	return (struct component *)((char *)&component_core + (int32_t)(uint32_t)note->private);
}

bool thread_holds(const struct thread *t, const void *p)
{
	uint64_t at = (uint64_t)p, top = thread_page_of((struct thread *)t)->kernel_stack;

	return (at & 7) == 0 && (top - at <= STACK_SLOT || at - (uint64_t)t < PAGE_SIZE);
}

/* The stack begins below it. */
static struct thread_kept *kept_of(const struct thread *t)
{
	return (struct thread_kept *)thread_page_of((struct thread *)t)->kernel_stack;
}

bool thread_is_whole(const struct thread *t)
{
	const struct page *note;

	if (!has_note(t))
		return true;
	note = note_of(t);
	return t->seal == THREAD_SEAL && t->last_seal == THREAD_SEAL && (void *)t->service == note->link.next &&
	       (void *)t->process == note->link.prev && t->component == noted_component(note) &&
	       t->tid == note->private >> 32 && (t->guards == nullptr || thread_holds(t, t->guards)) &&
	       t->kept == kept_of(t);
}

/* Where a link may point to. What overwrote it may be anything, but hardly an address of another one. */
static bool is_link(const struct list *l)
{
	return ((uint64_t)l & 7) == 0 && (uint64_t)l - WINDOW_BASE < boot_info()->frame_count << PAGE_SHIFT;
}

void thread_relink(struct list *head, struct list *node)
{
	struct list *before = head, *after = head;

	while (before->next != node && before->next != head && is_link(before->next))
		before = before->next;
	while (after->prev != node && after->prev != head && is_link(after->prev))
		after = after->prev;
	if (before->next == node && after->prev == node)
		*node = (struct list){.next = after, .prev = before};
	else
		list_init(node);
}

struct thread *thread_behind(struct list *head, struct thread *t, size_t link)
{
	struct list *node = t != nullptr ? (struct list *)((char *)t + link) : head;

	for (;;) {
		struct list *next = __atomic_load_n(&node->next, __ATOMIC_RELAXED);

		/* Also nowhere: it has begun to mend itself. */
		if (node != head && next != head && (next == node || !is_link(next))) {
			thread_relink(head, node);
			next = __atomic_load_n(&node->next, __ATOMIC_RELAXED);
		}
		if (next == head || next == node || !is_link(next))
			return nullptr;
		struct thread *behind = (struct thread *)((char *)next - link);

		if (behind->seal == THREAD_SEAL && behind->last_seal == THREAD_SEAL)
			return behind;
		node = next;
	}
}

void thread_make_whole(struct thread *t)
{
	struct thread_page *page = thread_page_of(t);
	const struct page *note = note_of(t);

	memset(t, 0, sizeof(*t));
	page->preempt_count = page->resched = 0;
	t->seal = t->last_seal = THREAD_SEAL;
	t->component = noted_component(note);
	t->service = (struct service *)note->link.next;
	t->process = (struct process *)note->link.prev;
	t->tid = (uint32_t)(note->private >> 32);
	t->rebuilt = true;
	t->kept = kept_of(t);
	list_init(&t->process_link);
	strlcpy(t->name, t->component->name, sizeof(t->name));
}
