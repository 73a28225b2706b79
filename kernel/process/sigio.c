/* SPDX-License-Identifier: MIT */
/*
 * Who gets the signals of a file (fcntl(2), F_SETOWN): a process, a thread or a group, told apart from a later one with
 * the same number by when it began. Permission is that of whoever set the owner, as it was then.
 */
#include "internal.h"
#include <kernel/file/async.h>

static struct process *find(const struct signal_owner *o) REQUIRES(process_tree_lock)
{
	struct pid *entry = pid_lookup(o->id);
	struct process *p = entry == nullptr		     ? nullptr
			    : o->kind == SIGNAL_OWNER_THREAD ? entry->thread_of
							     : entry->process;

	/* The id of any thread stands for its process. */
	if (p == nullptr && entry != nullptr && o->kind == SIGNAL_OWNER_PROCESS)
		p = entry->thread_of;
	return p != nullptr && p->state < PROCESS_ZOMBIE && (o->born_ns == 0 || p->start_ns == o->born_ns) ? p
													   : nullptr;
}

static bool group_exists(uint32_t id) REQUIRES(process_tree_lock)
{
	struct pid *entry = pid_lookup(id);

	return entry != nullptr && !list_empty(&entry->group);
}

static int set_owner(struct signal_owner *o, uint32_t kind, uint32_t id)
{
	const struct credentials *c = &process_current()->cred;
	int error = 0;

	*o = (struct signal_owner){.kind = (uint8_t)kind, .id = id, .uid = c->uid, .euid = c->euid};
	mutex_lock(&process_tree_lock);
	if (kind == SIGNAL_OWNER_GROUP) {
		error = group_exists(id) ? 0 : -ESRCH;
	} else {
		struct process *p = find(o);
		if (p != nullptr)
			o->born_ns = p->start_ns;
		else
			error = -ESRCH;
	}
	mutex_unlock(&process_tree_lock);
	return error;
}

static uint32_t owner_id(const struct signal_owner *o)
{
	mutex_lock(&process_tree_lock);
	bool lives = o->id != 0 && (o->kind == SIGNAL_OWNER_GROUP ? group_exists(o->id) : find(o) != nullptr);
	mutex_unlock(&process_tree_lock);
	return lives ? o->id : 0;
}

static int send_one(const struct signal_owner *o, struct process *p, int signo, const struct signal_info *info)
{
	const struct credentials *t = &p->cred;

	if (o->euid != 0 && o->euid != t->suid && o->euid != t->uid && o->uid != t->suid && o->uid != t->uid)
		return 0;
	if (o->kind == SIGNAL_OWNER_THREAD)
		return signal_send_thread(p, o->id, signo, info);
	return signal_send_process_info(p, signo, info);
}

static int send_to_owner(const struct signal_owner *o, int signo, const struct signal_info *info)
{
	int result = 0;

	if (o->id == 0)
		return 0;
	mutex_lock(&process_tree_lock);
	if (o->kind == SIGNAL_OWNER_GROUP) {
		struct pid *group = pid_lookup(o->id);
		struct process *p;

		if (group != nullptr) {
			list_for_each(p, &group->group, group_link) {
				int one = send_one(o, p, signo, info);
				result = one == -EAGAIN ? one : result;
			}
		}
	} else {
		struct process *p = find(o);
		result = p != nullptr ? send_one(o, p, signo, info) : 0;
	}
	mutex_unlock(&process_tree_lock);
	return result;
}

void sigio_init(void)
{
	static const struct async_signals signals = {.set = set_owner, .id = owner_id, .send = send_to_owner};

	async_set_signals(&signals);
}
