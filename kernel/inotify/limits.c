/* SPDX-License-Identifier: MIT */
/*
 * How much of inotify a user may have: instances, watches, and events that wait in one instance; numbers in
 * /proc/sys/fs/inotify. He is counted while he has an instance, or a watch of one that has just ended.
 */
#include "internal.h"

#include <kernel/base/node.h>
#include <kernel/base/subject.h>
#include <kernel/mem/page.h>

struct inotify_user {
	struct list link;
	uint32_t uid;
	int32_t instances, watches, refs;
};

static struct mutex users_lock = MUTEX_INIT(users_lock, RANK_NONE);
static struct list users GUARDED_BY(&users_lock) = LIST_INIT(users);

static int32_t most_events = 16384, most_instances = 128, most_watches = 8192;

PROC_KNOB(events, component_inotify, "sys/fs/inotify/max_queued_events", 0644, &most_events, 0, INT32_MAX, 0);
PROC_KNOB(instances, component_inotify, "sys/fs/inotify/max_user_instances", 0644, &most_instances, 0, INT32_MAX, 0);
PROC_KNOB(watches, component_inotify, "sys/fs/inotify/max_user_watches", 0644, &most_watches, 0, INT32_MAX, 0);

static int32_t limit(const int32_t *at)
{
	return __atomic_load_n(at, __ATOMIC_RELAXED);
}

uint32_t inotify_queue_limit(void)
{
	return (uint32_t)limit(&most_events);
}

/* Watches for a hundredth of memory, if each keeps an inode and its name that nobody else has. */
static int start(void)
{
	constexpr uint64_t each = sizeof(struct mark) + sizeof(struct inode) + sizeof(struct dentry);
	struct memory_stats memory;

	page_stats(&memory);
	uint64_t fit = memory.total_pages * PAGE_SIZE / 100 / each;
	most_watches = (int32_t)MIN(MAX(fit, UINT64_C(8192)), UINT64_C(1) << 20);
	return 0;
}

DEFINE_COMPONENT(inotify, .stage = STAGE_FS, .start = start,
		 .stays = "it has no thread, and its data are the watches and events of processes",
		 .users = "the call is EFAULT, or its process ends; an event may be lost, what caused it goes on");

static struct inotify_user *find(uint32_t uid) REQUIRES(users_lock)
{
	struct inotify_user *u;

	list_for_each(u, &users, link) {
		if (u->uid == uid)
			return u;
	}
	return nullptr;
}

int inotify_user_get(struct inotify_user **out)
{
	const struct subject *p = subject_current();
	uint32_t uid = p != nullptr ? p->cred.euid : 0;
	struct inotify_user *made = kmalloc(sizeof(*made));

	if (made == nullptr)
		return -ENOMEM;
	mutex_lock(&users_lock);
	struct inotify_user *u = find(uid);
	int error = (u != nullptr ? u->instances : 0) < limit(&most_instances) ? 0 : -EMFILE;
	if (error == 0 && u == nullptr) {
		u = made;
		made = nullptr;
		u->uid = uid;
		list_push_back(&users, &u->link);
	}
	if (error == 0) {
		u->instances++;
		u->refs++;
		*out = u;
	}
	mutex_unlock(&users_lock);
	kfree(made);
	return error;
}

static void put(struct inotify_user *u, int32_t *count)
{
	mutex_lock(&users_lock);
	(*count)--;
	bool last = --u->refs == 0;
	if (last)
		list_remove(&u->link);
	mutex_unlock(&users_lock);
	if (last)
		kfree(u);
}

void inotify_user_put(struct inotify_user *u)
{
	put(u, &u->instances);
}

bool inotify_user_add_watch(struct inotify_user *u)
{
	mutex_lock(&users_lock);
	bool may = u->watches < limit(&most_watches);
	if (may) {
		u->watches++;
		u->refs++;
	}
	mutex_unlock(&users_lock);
	return may;
}

void inotify_user_drop_watch(struct inotify_user *u)
{
	put(u, &u->watches);
}
