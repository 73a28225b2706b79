/* SPDX-License-Identifier: MIT */
/*
 * Telling a process that something came to an empty queue for which nobody waited (mq_notify(3)): once, by a signal, or
 * by a letter to a netlink socket at which a thread of the C library waits (SIGEV_THREAD). One process at a time may
 * ask for it; it ends when it was told, when it asks no more, when it closes any descriptor of the queue, and when it
 * has ended and another asks.
 */
#include "mqueue.h"

#include <kernel/base/subject.h>
#include <kernel/process/process.h>

enum : int32_t { SIGEV_SIGNAL = 0, SIGEV_NONE = 1, SIGEV_THREAD = 2 };

struct abi_sigevent {
	uint64_t value;
	int32_t signo, notify;
	uint64_t rest[6];
};
static_assert(sizeof(struct abi_sigevent) == 64);

static const struct letter_writer *writer; /* atomic */

void letter_set_writer(const struct letter_writer *w)
{
	__atomic_store_n(&writer, w, __ATOMIC_RELEASE);
}

static void send_letter(struct letter *l, uint8_t why)
{
	if (l != nullptr)
		__atomic_load_n(&writer, __ATOMIC_ACQUIRE)->send(l, why);
}

struct mqueue_notice mqueue_take_notice(struct mqueue *q)
{
	struct mqueue_notice n = q->notice;

	q->notice = (struct mqueue_notice){};
	return n;
}

void mqueue_tell(struct mqueue_notice n, bool came)
{
	if (n.owner == nullptr)
		return;
	if (n.how == SIGEV_THREAD)
		send_letter(n.letter, came ? MQ_WOKENUP : MQ_REMOVED);
	if (came && n.how == SIGEV_SIGNAL && n.signo != 0) {
		const struct subject *p = subject_current();
		const struct signal_info info = {
			.signo = n.signo,
			.code = SI_MESGQ,
			.sender = {.pid = p->pid, .uid = p->cred.uid, .value = n.value},
		};
		/* A queue of signals that is full is the receiver's own loss. */
		(void)signal_send_process_info(n.owner, n.signo, &info);
	}
	process_put(n.owner);
}

void mqueue_forget_notice(struct mqueue *q)
{
	struct mqueue_notice n = {};

	mutex_lock(&q->lock);
	if (q->notice.owner != nullptr && q->notice.owner == process_current())
		n = mqueue_take_notice(q);
	mutex_unlock(&q->lock);
	mqueue_tell(n, false);
}

/* What the event asks for, without an owner yet. */
static int read_event(user_addr at, struct mqueue_notice *out)
{
	uint8_t cookie[MQ_COOKIE_BYTES];
	struct abi_sigevent e;

	if (get_user(e, at) != 0)
		return -EFAULT;
	if (e.notify != SIGEV_NONE && e.notify != SIGEV_SIGNAL && e.notify != SIGEV_THREAD)
		return syscall_refuse_flags(NR_mq_notify, (uint64_t)e.notify);
	if (e.notify == SIGEV_SIGNAL && (e.signo < 0 || e.signo > SIGNAL_MAX))
		return -EINVAL;
	*out = (struct mqueue_notice){.how = e.notify, .signo = e.signo, .value = e.value};
	if (e.notify != SIGEV_THREAD)
		return 0;
	const struct letter_writer *w = __atomic_load_n(&writer, __ATOMIC_ACQUIRE);
	if (w == nullptr)
		return -EINVAL;
	if (copy_from_user(cookie, USER_ADDR(e.value), sizeof(cookie)) != 0)
		return -EFAULT;
	return w->write(e.signo, cookie, &out->letter);
}

/* Somebody else may have closed what it had open: who shares its table, or who looked at that when it ended. */
static bool has_ended(const struct process *p)
{
	return __atomic_load_n(&p->state, __ATOMIC_ACQUIRE) >= PROCESS_ZOMBIE;
}

/* -EBUSY: somebody is told already. */
static int take_up(struct mqueue *q, struct mqueue_notice *n)
{
	struct mqueue_notice left = {};

	mutex_lock(&q->lock);
	if (q->notice.owner != nullptr && has_ended(q->notice.owner))
		left = mqueue_take_notice(q);
	bool busy = q->notice.owner != nullptr;
	if (!busy) {
		n->owner = process_current();
		process_get(n->owner);
		q->notice = *n;
	}
	mutex_unlock(&q->lock);
	mqueue_tell(left, false);
	return busy ? -EBUSY : 0;
}

static long sys_mq_notify(int fd, user_addr event)
{
	struct mqueue_notice n = {};
	struct file_ref r;

	int error = event.value != 0 ? read_event(event, &n) : 0;
	if (error != 0)
		return error;
	error = file_ref_get(fd, &r);
	if (error == 0) {
		struct mqueue *q = mqueue_of_file(r.file);

		if (q == nullptr)
			error = -EBADF;
		else if (event.value == 0)
			mqueue_forget_notice(q);
		else
			error = take_up(q, &n);
		file_ref_put(r);
	}
	if (error != 0)
		send_letter(n.letter, 0);
	return error;
}
SYSCALL(mq_notify);
