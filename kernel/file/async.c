/* SPDX-License-Identifier: MIT */
/*
 * O_ASYNC and the owner of an open file (fcntl(2), "Managing signals"). The owner's record is made when it is first
 * asked for and lives as long as the file.
 */
#include "internal.h"

#include <abi/poll.h>
#include <abi/signal.h>
#include <kernel/base/subject.h>
#include <kernel/base/syscall.h>
#include <kernel/file/async.h>

/* Guards owners and lists. Signals are sent under it. */
static struct mutex async_lock = MUTEX_INIT(async_lock, RANK_ASYNC);

struct file_owner {
	struct list link; /* of `list` */
	struct async_list *list;
	struct file *file;
	int fd;	   /* through which O_ASYNC was asked for */
	int signo; /* F_SETSIG; 0: SIGIO without a siginfo of its own */
	struct signal_owner who;
};

struct owner_ex {
	int32_t type, pid;
};

static const struct async_signals *signals;

void async_set_signals(const struct async_signals *s)
{
	signals = s;
}

void async_list_init(struct async_list *l)
{
	list_init(&l->files);
	l->group = 0;
}

static void send(const struct file_owner *o, int code)
{
	const int64_t band = code == POLL_IN ? POLLIN | POLLRDNORM : POLLOUT | POLLWRNORM | POLLWRBAND;
	struct signal_info info = {.signo = o->signo, .code = code, .poll = {.band = band, .fd = o->fd}};
	/* Signals whose codes mean something else already. */
	const uint64_t own_codes = SIGNAL_BIT(SIGILL) | SIGNAL_BIT(SIGFPE) | SIGNAL_BIT(SIGSEGV) | SIGNAL_BIT(SIGBUS) |
				   SIGNAL_BIT(SIGTRAP) | SIGNAL_BIT(SIGCHLD) | SIGNAL_BIT(SIGSYS);

	if (o->signo != 0 && (own_codes & SIGNAL_BIT(o->signo)))
		info.code = SI_SIGIO;
	/* A queue that is full must not hide that there is something: SIGIO says so. */
	if (o->signo == 0 || signals->send(&o->who, o->signo, &info) == -EAGAIN)
		(void)signals->send(&o->who, SIGIO, nullptr);
}

void async_notify(struct async_list *l, int code, uint32_t modes)
{
	struct file_owner *o;

	if (__atomic_load_n(&l->files.next, __ATOMIC_ACQUIRE) == &l->files)
		return;
	mutex_lock(&async_lock);
	list_for_each(o, &l->files, link) {
		if (o->file->mode & modes)
			send(o, code);
	}
	mutex_unlock(&async_lock);
}

void async_urgent(struct file *f)
{
	if (__atomic_load_n(&f->owner, __ATOMIC_ACQUIRE) == nullptr)
		return;
	mutex_lock(&async_lock);
	const struct file_owner *o = __atomic_load_n(&f->owner, __ATOMIC_RELAXED);
	if (o != nullptr)
		(void)signals->send(&o->who, SIGURG, nullptr);
	mutex_unlock(&async_lock);
}

static void leave(struct file_owner *o) REQUIRES(async_lock)
{
	if (o->list == nullptr)
		return;
	list_remove(&o->link);
	o->list = nullptr;
	__atomic_fetch_and(&o->file->flags, ~(uint32_t)O_ASYNC, __ATOMIC_RELAXED);
}

void async_clear(struct async_list *l)
{
	struct file_owner *o, *next;

	if (__atomic_load_n(&l->files.next, __ATOMIC_ACQUIRE) == &l->files)
		return;
	mutex_lock(&async_lock);
	list_for_each_safe(o, next, &l->files, link)
		leave(o);
	mutex_unlock(&async_lock);
}

/* The file's record, made if there is none. nullptr: out of memory. */
static struct file_owner *owner_of(struct file *f)
{
	struct file_owner *o = __atomic_load_n(&f->owner, __ATOMIC_ACQUIRE), *seen = nullptr;

	if (o != nullptr)
		return o;
	o = kmalloc(sizeof(*o));
	if (o == nullptr)
		return nullptr;
	*o = (struct file_owner){.file = f};
	if (!__atomic_compare_exchange_n(&f->owner, &seen, o, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
		kfree(o);
		return seen;
	}
	return o;
}

int async_set(int fd, struct file *f, bool on)
{
	struct async_list *l = f->ops->async != nullptr ? f->ops->async(f) : nullptr;
	struct file_owner *o = on && l != nullptr ? owner_of(f) : f->owner;

	if (o == nullptr)
		return on && l != nullptr ? -ENOMEM : 0;
	mutex_lock(&async_lock);
	if (!on) {
		leave(o);
	} else if (l != nullptr && o->list == nullptr) {
		o->list = l;
		o->fd = fd;
		list_push_back(&l->files, &o->link);
		__atomic_fetch_or(&f->flags, (uint32_t)O_ASYNC, __ATOMIC_RELAXED);
		/* A terminal's files have an owner from the first. */
		if (f->ops->async_owner && o->who.id == 0)
			(void)signals->set(&o->who, l->group != 0 ? SIGNAL_OWNER_GROUP : SIGNAL_OWNER_PROCESS,
					   l->group != 0 ? l->group : subject_current()->pid);
	}
	mutex_unlock(&async_lock);
	return 0;
}

void async_forget(struct file *f)
{
	struct file_owner *o = f->owner;

	if (o == nullptr)
		return;
	mutex_lock(&async_lock);
	leave(o);
	__atomic_store_n(&f->owner, nullptr, __ATOMIC_RELAXED);
	mutex_unlock(&async_lock);
	kfree(o);
}

/* id 0: nobody from now on. */
static long set_owner(struct file *f, uint32_t kind, uint32_t id)
{
	struct signal_owner who = {};

	if (id != 0) {
		int error = signals->set(&who, kind, id);
		if (error != 0)
			return error;
	}
	struct file_owner *o = owner_of(f);
	if (o == nullptr)
		return -ENOMEM;
	who.kind = (uint8_t)kind;
	mutex_lock(&async_lock);
	o->who = who;
	mutex_unlock(&async_lock);
	return 0;
}

static struct owner_ex get_owner(struct file *f)
{
	struct owner_ex ex = {};

	if (f->owner == nullptr)
		return ex;
	mutex_lock(&async_lock);
	struct signal_owner who = f->owner->who;
	mutex_unlock(&async_lock);
	ex.pid = (int32_t)signals->id(&who);
	ex.type = who.kind;
	return ex;
}

static long set_owner_ex(struct file *f, user_addr at)
{
	struct owner_ex ex;

	if (get_user(ex, at) != 0)
		return -EFAULT;
	if (ex.type < 0 || ex.type > SIGNAL_OWNER_GROUP)
		return -EINVAL;
	return ex.pid < 0 ? -ESRCH : set_owner(f, (uint32_t)ex.type, (uint32_t)ex.pid);
}

static long set_signal(struct file *f, uint64_t signo)
{
	if (signo > SIGNAL_MAX)
		return -EINVAL;
	struct file_owner *o = signo != 0 ? owner_of(f) : f->owner;
	if (o == nullptr)
		return signo != 0 ? -ENOMEM : 0;
	mutex_lock(&async_lock);
	o->signo = (int)signo;
	mutex_unlock(&async_lock);
	return 0;
}

long async_command(struct file *f, uint32_t command, uint64_t arg)
{
	int32_t id = (int32_t)arg;
	struct owner_ex ex;

	switch (command) {
	case F_SETOWN:
		if (id == INT32_MIN)
			return -EINVAL;
		return set_owner(f, id < 0 ? SIGNAL_OWNER_GROUP : SIGNAL_OWNER_PROCESS, (uint32_t)(id < 0 ? -id : id));
	case F_GETOWN: ex = get_owner(f); return syscall_value(ex.type == SIGNAL_OWNER_GROUP ? -ex.pid : ex.pid);
	case F_SETOWN_EX: return set_owner_ex(f, USER_ADDR(arg));
	case F_GETOWN_EX: ex = get_owner(f); return put_user(USER_ADDR(arg), ex);
	case F_SETSIG: return set_signal(f, arg);
	case F_GETSIG: return f->owner != nullptr ? f->owner->signo : 0;
	default: return -EINVAL;
	}
}
