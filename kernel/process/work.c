/* SPDX-License-Identifier: MIT */
/* What a thread is making of several parts, which is undone if it ends in between. */
#include "internal.h"
#include <kernel/base/log.h>
#include <kernel/thread/guard.h>

constexpr uint8_t UNDO_TRIES = 4;

void process_work_begin(struct process_work *w, void (*undo)(struct process_work *w))
{
	struct process_kept *kept = process_kept_of(thread_current());

	w->undo = undo;
	w->next = kept->works;
	kept->works = w;
}

void process_work_end(struct process_work *w)
{
	struct process_work **at = &process_kept_of(thread_current())->works;

	while (*at != nullptr && *at != w)
		at = &(*at)->next;
	if (*at == w)
		*at = w->next;
}

void process_works_undo(void)
{
	struct process *p = process_current();
	struct process_kept *kept = process_kept_of(thread_current());

	while (kept->works != nullptr) {
		struct process_work *w = kept->works, *next = w->next;
		bool done = false;

		for (int n = 0; n < UNDO_TRIES && !done; n++)
			done = guard_run_void(&component_process, w->undo(w));
		if (kept->works == w)
			kept->works = next;
		if (!done)
			log_error("process: %s[%u]: what was half made when its thread ended is lost", p->name, p->pid);
	}
}
