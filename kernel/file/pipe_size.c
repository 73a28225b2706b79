/* SPDX-License-Identifier: MIT */
/* How many bytes a pipe may hold: F_GETPIPE_SZ, F_SETPIPE_SZ (fcntl(2)). */
#include "internal.h"
#include "pipe_ring.h"

#include <kernel/base/subject.h>

/* Pipes change their size one after the other. */
static struct mutex size_lock = MUTEX_INIT(size_lock, RANK_PIPE - 1);

long pipe_get_size(struct file *f)
{
	const struct pipe *p = f->private_data;

	return file_is_pipe(f) ? (long)p->slots * PAGE_SIZE : -EBADF;
}

bool pipe_has_bytes(struct file *f)
{
	const struct pipe *p = f->private_data;

	return __atomic_load_n(&p->used, __ATOMIC_ACQUIRE) > 0 || pipe_has_ended(p);
}

long pipe_set_size(struct file *f, uint64_t bytes)
{
	struct pipe *p = f->private_data;
	uint32_t slots = 1;

	if (!file_is_pipe(f))
		return -EBADF;
	if (bytes > (uint64_t)INT32_MAX)
		return -EINVAL;
	while ((uint64_t)slots * PAGE_SIZE < bytes)
		slots *= 2;
	uint32_t before = __atomic_load_n(&p->slots, __ATOMIC_RELAXED);
	if (slots > before && (uint64_t)slots * PAGE_SIZE > pipe_max_bytes() && !capable(CAP_SYS_RESOURCE))
		return -EPERM;
	if (slots > PIPE_SLOTS_ROOT)
		return -ENOMEM;
	struct pipe_buffer *ring = kmalloc((slots + 1) * sizeof(*ring));
	if (ring == nullptr)
		return -ENOMEM;
	mutex_lock(&size_lock);
	before = p->slots;
	int error = pipe_account(p->uid, before, slots);
	if (error != 0) {
		mutex_unlock(&size_lock);
		kfree(ring);
		return error;
	}
	mutex_lock(&p->lock);
	bool fits = p->used + p->lent <= slots;
	if (fits) {
		for (uint32_t n = 0; n < p->used; n++)
			ring[n] = p->ring[pipe_place(p, p->tail + n)];
		struct pipe_buffer *old = p->ring;
		p->ring = ring;
		ring = old;
		p->tail = 0;
		p->slots = slots;
	}
	mutex_unlock(&p->lock);
	if (!fits)
		(void)!pipe_account(p->uid, slots, before);
	mutex_unlock(&size_lock);
	kfree(ring);
	if (!fits)
		return -EBUSY;
	wait_wake_all(&p->writable);
	return (long)slots * PAGE_SIZE;
}
