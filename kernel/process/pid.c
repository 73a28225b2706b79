/* SPDX-License-Identifier: MIT */
/*
 * The table of ids. One number names a process, a thread, a group and a session at once; it is
 * taken as long as any of these lives (POSIX.1-2017 XBD 3.297: a group's id is not reused while the
 * group exists). Numbers ascend and wrap at PID_LIMIT.
 *
 * Entries are allocated by the caller before it takes the lock: an allocation under
 * process_tree_lock could end in the out-of-memory killer, which needs that lock.
 */
#include "internal.h"
#include <kernel/base/log.h>
#include <kernel/mem/page.h>
#include <kernel/mem/slab.h>

enum : uint32_t { BUCKETS = 1024, FIRST_AFTER_WRAP = 300 };

static struct list buckets[BUCKETS] GUARDED_BY(process_tree_lock);
static uint32_t last_id GUARDED_BY(process_tree_lock);
static uint64_t ids_given GUARDED_BY(process_tree_lock);
static uint32_t ids_in_use GUARDED_BY(process_tree_lock);
static uint32_t ids_max = PID_LIMIT - FIRST_AFTER_WRAP - 1;

/* Each thread costs a page, a stack and a record. */
enum : uint64_t { PAGES_FOR_THREAD = 32 };

void pid_init(void)
{
	struct memory_stats memory;

	page_stats(&memory);
	ids_max = (uint32_t)MIN((uint64_t)ids_max, memory.total_pages / PAGES_FOR_THREAD);
}

uint32_t pid_threads_max(void)
{
	return ids_max;
}

static struct list *bucket_of(uint32_t id) REQUIRES(process_tree_lock)
{
	struct list *b = &buckets[id % BUCKETS];

	if (b->next == nullptr)
		list_init(b);
	return b;
}

struct pid *pid_lookup(uint32_t id)
{
	struct list *b = bucket_of(id);
	struct pid *p;

	list_for_each(p, b, link) {
		if (p->id == id)
			return p;
	}
	return nullptr;
}

int pid_allocate(struct pid *p)
{
	if (ids_in_use >= ids_max)
		return -EAGAIN;
	do {
		if (++last_id >= PID_LIMIT)
			last_id = FIRST_AFTER_WRAP;
	} while (pid_lookup(last_id) != nullptr);
	p->id = last_id;
	p->process = p->thread_of = nullptr;
	list_init(&p->group);
	list_init(&p->session);
	list_push_back(bucket_of(p->id), &p->link);
	ids_in_use++;
	ids_given++;
	return 0;
}

void pid_release(struct pid *p)
{
	if (p->process != nullptr || p->thread_of != nullptr || !list_empty(&p->group) || !list_empty(&p->session))
		return;
	list_remove(&p->link);
	ids_in_use--;
	kfree(p);
}

void pid_thread_gone(uint32_t tid)
{
	struct pid *p = pid_lookup(tid);

	if (p == nullptr)
		return;
	p->thread_of = nullptr;
	pid_release(p);
}

/* Puts p into a group and a session whose ids exist. */
void pid_join(struct process *p, uint32_t pgid, uint32_t sid)
{
	struct pid *group = pid_lookup(pgid), *session = pid_lookup(sid);

	if (group != nullptr)
		list_push_back(&group->group, &p->group_link);
	if (session != nullptr)
		list_push_back(&session->session, &p->session_link);
	__atomic_store_n(&p->pgid, pgid, __ATOMIC_RELAXED);
	__atomic_store_n(&p->sid, sid, __ATOMIC_RELAXED);
}

void pid_leave(struct process *p)
{
	struct pid *group = pid_lookup(p->pgid), *session = pid_lookup(p->sid);

	list_remove(&p->group_link);
	list_remove(&p->session_link);
	if (group != nullptr && group != session)
		pid_release(group);
	if (session != nullptr)
		pid_release(session);
}

struct process *process_find(uint32_t pid)
{
	struct process *p = nullptr;

	mutex_lock(&process_tree_lock);
	struct pid *entry = pid_lookup(pid);
	if (entry != nullptr && entry->process != nullptr) {
		p = entry->process;
		process_get(p);
	}
	mutex_unlock(&process_tree_lock);
	return p;
}

struct process *process_find_by_tid(uint32_t tid)
{
	struct process *p = nullptr;

	mutex_lock(&process_tree_lock);
	struct pid *entry = pid_lookup(tid);
	if (entry != nullptr && entry->thread_of != nullptr) {
		p = entry->thread_of;
		process_get(p);
	}
	mutex_unlock(&process_tree_lock);
	return p;
}

uint64_t process_forks(void)
{
	mutex_lock(&process_tree_lock);
	uint64_t n = ids_given;
	mutex_unlock(&process_tree_lock);
	return n;
}

uint32_t process_last_pid(void)
{
	mutex_lock(&process_tree_lock);
	uint32_t id = last_id;
	mutex_unlock(&process_tree_lock);
	return id;
}
