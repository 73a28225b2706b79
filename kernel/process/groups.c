/* SPDX-License-Identifier: MIT */
/*
 * Supplementary groups: getgroups(2), setgroups(2) (POSIX.1-2017 getgroups(); Linux setgroups(2)).
 *
 * A list is never changed, only replaced: processes share it by reference from fork on. It is sorted, as getgroups(2)
 * shows it on Linux, and searched by halving. Who looks holds process->lock, because another thread may replace it.
 */
#include "internal.h"
#include <kernel/mem/slab.h>
#include <kernel/vm/user.h>

struct group_list *groups_get(struct group_list *g)
{
	if (g != nullptr)
		__atomic_fetch_add(&g->refs, 1, __ATOMIC_RELAXED);
	return g;
}

void groups_put(struct group_list *g)
{
	if (g != nullptr && __atomic_sub_fetch(&g->refs, 1, __ATOMIC_ACQ_REL) == 0)
		kfree(g);
}

static void swap(uint32_t *a, uint32_t *b)
{
	uint32_t t = *a;

	*a = *b;
	*b = t;
}

static void sift_down(uint32_t *ids, uint32_t at, uint32_t count)
{
	for (uint32_t child; (child = at * 2 + 1) < count; at = child) {
		if (child + 1 < count && ids[child + 1] > ids[child])
			child++;
		if (ids[at] >= ids[child])
			return;
		swap(&ids[at], &ids[child]);
	}
}

/* By a heap: the caller chooses the order, and must not be able to make it slow. */
static void sort(uint32_t *ids, uint32_t count)
{
	for (uint32_t at = count / 2; at-- > 0;)
		sift_down(ids, at, count);
	for (uint32_t left = count; left > 1;) {
		swap(&ids[0], &ids[--left]);
		sift_down(ids, 0, left);
	}
}

void process_show_groups(struct process *p, struct text_buffer *b)
{
	mutex_lock(&p->lock);
	struct group_list *g = groups_get(p->cred.groups);
	mutex_unlock(&p->lock);
	for (uint32_t n = 0; g != nullptr && n < g->count; n++)
		text_printf(b, n == 0 ? "%u" : " %u", g->ids[n]);
	text_printf(b, " ");
	groups_put(g);
}

static long sys_getgroups(int size, user_addr at)
{
	struct process *p = process_current();

	if (size < 0)
		return -EINVAL;
	mutex_lock(&p->lock);
	struct group_list *g = groups_get(p->cred.groups);
	mutex_unlock(&p->lock);
	long count = g != nullptr ? g->count : 0, result = count;
	if (size != 0 && size < count)
		result = -EINVAL;
	else if (size != 0 && count != 0 && copy_to_user(at, g->ids, (size_t)count * sizeof(uint32_t)) != 0)
		result = -EFAULT;
	groups_put(g);
	return result;
}
SYSCALL(getgroups);

static int read_groups(int size, user_addr at, struct group_list **out)
{
	struct group_list *g = kmalloc(sizeof(*g) + (size_t)size * sizeof(uint32_t));

	if (g == nullptr)
		return -ENOMEM;
	g->refs = 1;
	g->count = (uint32_t)size;
	int error = copy_from_user(g->ids, at, (size_t)size * sizeof(uint32_t)) != 0 ? -EFAULT : 0;
	for (uint32_t n = 0; error == 0 && n < g->count; n++)
		if (g->ids[n] == UINT32_MAX)
			error = -EINVAL;
	if (error != 0) {
		kfree(g);
		return error;
	}
	sort(g->ids, g->count);
	*out = g;
	return 0;
}

static long sys_setgroups(int size, user_addr at)
{
	struct process *p = process_current();
	struct group_list *fresh = nullptr;

	if (!capable(CAP_SETGID))
		return -EPERM;
	if (size < 0 || size > GROUPS_MAX)
		return -EINVAL;
	int error = size > 0 ? read_groups(size, at, &fresh) : 0;
	if (error != 0)
		return error;
	mutex_lock(&p->lock);
	struct group_list *old = p->cred.groups;
	p->cred.groups = fresh;
	mutex_unlock(&p->lock);
	groups_put(old);
	return 0;
}
SYSCALL(setgroups);
