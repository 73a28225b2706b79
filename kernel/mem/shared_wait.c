/* SPDX-License-Identifier: MIT */
/* Wait queues with a life of their own (kernel/mem/shared_wait.h). */
#include <kernel/mem/shared_wait.h>
#include <kernel/mem/slab.h>

struct shared_wait *shared_wait_create(void)
{
	struct shared_wait *w = kmalloc(sizeof(*w));

	if (w == nullptr)
		return nullptr;
	w->refs = 1;
	wait_queue_init(&w->queue);
	return w;
}

void shared_wait_get(struct shared_wait *w)
{
	__atomic_fetch_add(&w->refs, 1, __ATOMIC_RELAXED);
}

void shared_wait_put(struct shared_wait *w)
{
	if (__atomic_sub_fetch(&w->refs, 1, __ATOMIC_ACQ_REL) == 0)
		kfree(w);
}
