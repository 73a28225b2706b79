/* SPDX-License-Identifier: MIT */
/*
 * How many queues there may be, how large, and what a user's hold together (mq_overview(7)): the numbers of
 * /proc/sys/fs/mqueue, beyond which one needs CAP_SYS_RESOURCE; a ceiling for everybody; and RLIMIT_MSGQUEUE, to which
 * a queue counts as if it were full (getrlimit(2)), with what Linux's records of a message would take.
 */
#include "mqueue.h"

#include <kernel/base/log.h>
#include <kernel/base/subject.h>

enum : int32_t { MESSAGES_CEILING = 65536, BYTES_CEILING = 16 << 20 };
enum : uint64_t { MESSAGE_RECORD = 48, PRIORITY_RECORD = 48 };

static int32_t queues_max = 256, msg_max = 10, msgsize_max = 8192, msg_default = 10,
	       msgsize_default = 8192; /* atomic */
static int32_t queues;		       /* atomic */

PROC_KNOB(mq_queues_max, component_ipc, "sys/fs/mqueue/queues_max", 0644, &queues_max, 0, INT32_MAX, 0);
PROC_KNOB(mq_msg_max, component_ipc, "sys/fs/mqueue/msg_max", 0644, &msg_max, 1, MESSAGES_CEILING, 0);
PROC_KNOB(mq_msgsize_max, component_ipc, "sys/fs/mqueue/msgsize_max", 0644, &msgsize_max, 128, BYTES_CEILING, 0);
PROC_KNOB(mq_msg_default, component_ipc, "sys/fs/mqueue/msg_default", 0644, &msg_default, 1, MESSAGES_CEILING, 0);
PROC_KNOB(mq_msgsize_default, component_ipc, "sys/fs/mqueue/msgsize_default", 0644, &msgsize_default, 128,
	  BYTES_CEILING, 0);

struct mqueue_user { /* while he has queues */
	struct list link;
	uint32_t uid;
	uint64_t bytes;
};
static struct mutex users_lock = MUTEX_INIT(users_lock, RANK_PIPE + 1);
static struct list users GUARDED_BY(&users_lock) = LIST_INIT(users);

static int64_t knob(const int32_t *value)
{
	return __atomic_load_n(value, __ATOMIC_RELAXED);
}

struct mqueue_size mqueue_default(void)
{
	return (struct mqueue_size){
		.messages = MIN(knob(&msg_default), knob(&msg_max)),
		.bytes = MIN(knob(&msgsize_default), knob(&msgsize_max)),
	};
}

int mqueue_size_allowed(const struct mqueue_size *s)
{
	bool more = capable(CAP_SYS_RESOURCE);
	int64_t messages = more ? MESSAGES_CEILING : knob(&msg_max);
	int64_t bytes = more ? BYTES_CEILING : knob(&msgsize_max);

	return s->messages > 0 && s->bytes > 0 && s->messages <= messages && s->bytes <= bytes ? 0 : -EINVAL;
}

static struct mqueue_user *user_of(uint32_t uid) REQUIRES(users_lock)
{
	struct mqueue_user *u;

	list_for_each(u, &users, link) {
		if (u->uid == uid)
			return u;
	}
	return nullptr;
}

/* Takes over the record if there is none yet; what is given back is not needed. */
static struct mqueue_user *add_bytes(struct mqueue_user *made, uint64_t bytes, int *error)
{
	mutex_lock(&users_lock);
	struct mqueue_user *u = user_of(made->uid);
	uint64_t had = u != nullptr ? u->bytes : 0;
	*error = had + bytes <= process_rlimit(RLIMIT_MSGQUEUE) ? 0 : -EMFILE;
	if (*error == 0 && u == nullptr) {
		u = made;
		list_push_back(&users, &u->link);
		made = nullptr;
	}
	if (*error == 0)
		u->bytes += bytes;
	mutex_unlock(&users_lock);
	return made;
}

int mqueue_charge(const struct mqueue_size *s, uint32_t uid, uint64_t *charged)
{
	uint64_t messages = (uint64_t)s->messages;
	int error;

	*charged = messages * (MESSAGE_RECORD + (uint64_t)s->bytes) +
		   MIN(messages, (uint64_t)MQ_PRIO_MAX) * PRIORITY_RECORD;
	if (__atomic_add_fetch(&queues, 1, __ATOMIC_RELAXED) > knob(&queues_max) && !capable(CAP_SYS_RESOURCE)) {
		error = -ENOSPC;
	} else {
		struct mqueue_user *made = kmalloc(sizeof(*made));

		if (made != nullptr) {
			*made = (struct mqueue_user){.uid = uid};
			list_init(&made->link);
			kfree(add_bytes(made, *charged, &error));
		} else {
			error = -ENOMEM;
		}
	}
	if (error != 0)
		__atomic_fetch_sub(&queues, 1, __ATOMIC_RELAXED);
	return error;
}

void mqueue_uncharge(uint32_t uid, uint64_t charged)
{
	mutex_lock(&users_lock);
	struct mqueue_user *u = user_of(uid);
	KASSERT(u != nullptr && u->bytes >= charged);
	u->bytes -= charged;
	if (u->bytes == 0)
		list_remove(&u->link);
	else
		u = nullptr;
	mutex_unlock(&users_lock);
	kfree(u);
	__atomic_fetch_sub(&queues, 1, __ATOMIC_RELAXED);
}
