/* SPDX-License-Identifier: MIT */
/*
 * epoll(7).
 *
 * An instance has watches in a list and those that may be ready in a second one. A watched file's queue calls the watch
 * back (its spinlock is held), which moves the watch to the ready list and wakes the instance. epoll_wait asks each
 * ready watch's file anew and puts level-triggered ones that are still ready back. Watches change under `lock`; the
 * ready list has a spinlock of its own, taken inside queue locks, so both are unchecked leaves of the lock order. A
 * watch holds no reference to its file: the file's last close removes it. An instance may watch another; circles and
 * depths above five are refused.
 *
 * EPOLLWAKEUP is taken without effect, as its rule is: the flag only keeps a system from suspending while an event is
 * handled, and is silently ignored for who may not block that (epoll_ctl(2)). This system never suspends.
 */
#include "internal.h"

#include <kernel/base/clock.h>
#include <kernel/base/subject.h>
#include <kernel/base/syscall.h>
#include <kernel/file/io_vector.h>
#include <kernel/file/poll.h>
#include <kernel/mem/shared_wait.h>

enum : uint32_t { DEPTH_MAX = 5, EVENTS_MAX = INT32_MAX / sizeof(struct epoll_event), BATCH = 16 };
enum : uint32_t { ALWAYS = POLLERR | POLLHUP, PRIVATE_BITS = EPOLLEXCLUSIVE | EPOLLWAKEUP | EPOLLONESHOT | EPOLLET };

struct epoll {
	struct mutex lock;
	struct list watches GUARDED_BY(&lock);
	struct spinlock ready_lock;
	struct list ready GUARDED_BY(&ready_lock);
	struct wait_queue queue;
};
/* One queue of a watched file; most files have one, terminals and pipes may have two. */
struct watch_queue {
	struct waiter waiter;
	struct shared_wait *owner; /* with a reference, of a queue that may go before the file */
	struct epoll_watch *watch;
};
enum : uint32_t { QUEUES_MAX = 3 };
struct epoll_watch {
	struct list link;	/* epoll->watches */
	struct list file_link;	/* file->watches */
	struct list ready_link; /* epoll->ready; under ready_lock */
	struct epoll *epoll;
	struct file *file;
	int fd;
	struct epoll_event event;
	uint32_t queue_count;
	struct watch_queue queues[QUEUES_MAX];
	struct poll_table table;
};

/* Guards file->watches of all files, and that a watch found there stays. */
static struct mutex watches_lock = MUTEX_INIT(watches_lock, RANK_EPOLL);
static const struct file_ops epoll_ops;

static void mark_ready(struct epoll_watch *w)
{
	struct epoll *e = w->epoll;

	spin_lock(&e->ready_lock);
	if (list_empty(&w->ready_link))
		list_push_back(&e->ready, &w->ready_link);
	spin_unlock(&e->ready_lock);
}

static bool watch_woken(struct waiter *waiter)
{
	struct epoll_watch *w = container_of(waiter, struct watch_queue, waiter)->watch;
	bool awaited = !list_empty(&w->epoll->queue.waiters);

	mark_ready(w);
	wait_wake_all(&w->epoll->queue);
	return awaited;
}

static void watch_queue_add(struct poll_table *table, struct wait_queue *q)
{
	struct epoll_watch *w = container_of(table, struct epoll_watch, table);

	if (w->queue_count == QUEUES_MAX)
		return;
	struct watch_queue *slot = &w->queues[w->queue_count++];
	slot->watch = w;
	slot->owner = table->owner;
	if (slot->owner != nullptr)
		shared_wait_get(slot->owner);
	wait_add_callback(q, &slot->waiter, w->event.events & EPOLLEXCLUSIVE, watch_woken);
}

/* watches_lock is held: the file is still there. */
static void watch_remove(struct epoll *e, struct epoll_watch *w) REQUIRES(e -> lock)
{
	for (uint32_t n = 0; n < w->queue_count; n++) {
		wait_remove(&w->queues[n].waiter);
		if (w->queues[n].owner != nullptr)
			shared_wait_put(w->queues[n].owner);
	}
	spin_lock(&e->ready_lock);
	list_remove(&w->ready_link);
	spin_unlock(&e->ready_lock);
	list_remove(&w->link);
	list_remove(&w->file_link);
	kfree(w);
}

/* Nobody has f any more. */
static void forget_file(struct file *f)
{
	mutex_lock(&watches_lock);
	while (!list_empty(&f->watches)) {
		struct epoll_watch *w = list_first(&f->watches, struct epoll_watch, file_link);
		struct epoll *e = w->epoll;

		mutex_lock(&e->lock);
		watch_remove(e, w);
		mutex_unlock(&e->lock);
	}
	mutex_unlock(&watches_lock);
}

static void epoll_release(struct file *f)
{
	struct epoll *e = f->private_data;

	mutex_lock(&watches_lock);
	mutex_lock(&e->lock);
	while (!list_empty(&e->watches))
		watch_remove(e, list_first(&e->watches, struct epoll_watch, link));
	mutex_unlock(&e->lock);
	mutex_unlock(&watches_lock);
	kfree(e);
}

static bool has_ready(struct epoll *e)
{
	spin_lock(&e->ready_lock);
	bool some = !list_empty(&e->ready);
	spin_unlock(&e->ready_lock);
	return some;
}

static uint32_t watch_poll(struct epoll_watch *w, struct poll_table *table)
{
	return file_poll(w->file, table) & w->event.events & ~PRIVATE_BITS;
}

/* For an instance that is itself polled: whether a watch is truly ready. */
static uint32_t epoll_poll(struct file *f, struct poll_table *table)
{
	struct epoll *e = f->private_data;
	struct epoll_watch *w;
	uint32_t mask = 0;

	poll_watch(table, &e->queue);
	if (!has_ready(e))
		return 0;
	mutex_lock(&e->lock);
	list_for_each(w, &e->watches, link) {
		if (watch_poll(w, nullptr) != 0) {
			mask = POLLIN | POLLRDNORM;
			break;
		}
	}
	mutex_unlock(&e->lock);
	return mask;
}

static const struct file_ops epoll_ops = {
	.component = &component_vfs, .seek = file_seek_nowhere, .poll = epoll_poll, .release = epoll_release};

static struct epoll_watch *take_ready(struct epoll *e) REQUIRES(e -> lock)
{
	struct epoll_watch *w = nullptr;

	spin_lock(&e->ready_lock);
	if (!list_empty(&e->ready)) {
		w = list_first(&e->ready, struct epoll_watch, ready_link);
		list_remove(&w->ready_link);
	}
	spin_unlock(&e->ready_lock);
	return w;
}

/* Up to max events of what is ready; level-triggered watches go to the back of the list again. */
static uint32_t gather(struct epoll *e, struct epoll_event *out, uint32_t max)
{
	struct list again = LIST_INIT(again);
	struct epoll_watch *w;
	uint32_t count = 0;

	mutex_lock(&e->lock);
	while (count < max && (w = take_ready(e)) != nullptr) {
		uint32_t events = watch_poll(w, nullptr);

		if (events == 0)
			continue;
		out[count++] = (struct epoll_event){.events = events, .data = w->event.data};
		if (w->event.events & EPOLLONESHOT)
			w->event.events &= PRIVATE_BITS;
		else if (!(w->event.events & EPOLLET)) {
			spin_lock(&e->ready_lock);
			if (list_empty(&w->ready_link))
				list_push_back(&again, &w->ready_link);
			spin_unlock(&e->ready_lock);
		}
	}
	spin_lock(&e->ready_lock);
	while (!list_empty(&again)) {
		struct list *node = again.next;
		list_remove(node);
		list_push_back(&e->ready, node);
	}
	spin_unlock(&e->ready_lock);
	mutex_unlock(&e->lock);
	return count;
}

/* Copies out a batch of events. Those that an address fault loses are reported again if level-triggered. */
static long deliver(struct epoll *e, user_addr at, uint32_t max)
{
	struct epoll_event batch[BATCH];
	uint32_t n = gather(e, batch, MIN(max, (uint32_t)BATCH));

	if (n > 0 && copy_to_user(at, batch, n * sizeof(batch[0])) != 0)
		return -EFAULT;
	return n;
}

static long wait_ready(struct epoll *e, user_addr at, uint32_t max, uint64_t deadline_ns, bool dont_wait)
{
	while (true) {
		long n = deliver(e, at, max);
		if (n != 0 || dont_wait)
			return n;
		int error = wait_event_interruptible_deadline(&e->queue, has_ready(e), process_slacken(deadline_ns));
		if (error == -ETIMEDOUT)
			return deliver(e, at, max);
		if (error != 0)
			return -EINTR;
	}
}

static int epoll_of(int fd, struct file_ref *r, struct epoll **out)
{
	int error = file_ref_get(fd, r);

	if (error != 0)
		return error;
	if (r->file->ops != &epoll_ops) {
		file_ref_put(*r);
		return -EINVAL;
	}
	*out = r->file->private_data;
	return 0;
}

/* How deep instances nest below f; DEPTH_MAX + 1 when `target` is among them. watches_lock is held. */
static uint32_t depth_below(struct file *f, const struct epoll *target, uint32_t depth) REQUIRES(watches_lock)
{
	struct epoll *e = f->private_data;
	struct epoll_watch *w;
	uint32_t deepest = depth;

	if (f->ops != &epoll_ops)
		return depth;
	if (e == target || depth > DEPTH_MAX)
		return DEPTH_MAX + 1;
	mutex_lock(&e->lock);
	list_for_each(w, &e->watches, link)
		deepest = MAX(deepest, depth_below(w->file, target, depth + 1));
	mutex_unlock(&e->lock);
	return deepest;
}

static struct epoll_watch *find_watch(struct epoll *e, const struct file *f, int fd) REQUIRES(e -> lock)
{
	struct epoll_watch *w;

	list_for_each(w, &e->watches, link) {
		if (w->file == f && w->fd == fd)
			return w;
	}
	return nullptr;
}

static int watch_add(struct epoll *e, struct file *f, int fd, const struct epoll_event *event) REQUIRES(e -> lock)
{
	struct epoll_watch *w = kmalloc(sizeof(*w));

	if (w == nullptr)
		return -ENOMEM;
	w->epoll = e;
	w->file = f;
	w->fd = fd;
	w->event = *event;
	w->event.events |= ALWAYS;
	w->table.watch = watch_queue_add;
	list_init(&w->ready_link);
	list_push_back(&e->watches, &w->link);
	f->unwatch = forget_file;
	list_push_back(&f->watches, &w->file_link);
	if (watch_poll(w, &w->table) != 0) {
		mark_ready(w);
		wait_wake_all(&e->queue);
	}
	return 0;
}

static int watch_modify(struct epoll *e, struct epoll_watch *w, const struct epoll_event *event) REQUIRES(e -> lock)
{
	w->event = *event;
	w->event.events |= ALWAYS;
	if (watch_poll(w, nullptr) != 0) {
		mark_ready(w);
		wait_wake_all(&e->queue);
	}
	return 0;
}

static int control(struct epoll *e, const struct file *own, struct file *f, int fd, uint32_t operation,
		   const struct epoll_event *event)
{
	int error = 0;

	mutex_lock(&watches_lock);
	/* An instance that others watch takes no further instances: the depth is then known from below alone. */
	if (operation == EPOLL_CTL_ADD && f->ops == &epoll_ops &&
	    (!list_empty(&own->watches) || depth_below(f, e, 1) > DEPTH_MAX)) {
		mutex_unlock(&watches_lock);
		return -ELOOP;
	}
	mutex_lock(&e->lock);
	struct epoll_watch *w = find_watch(e, f, fd);
	if (operation == EPOLL_CTL_ADD)
		error = w != nullptr ? -EEXIST : watch_add(e, f, fd, event);
	else if (w == nullptr)
		error = -ENOENT;
	else if (operation == EPOLL_CTL_MOD && (w->event.events & EPOLLEXCLUSIVE))
		error = -EINVAL;
	else if (operation == EPOLL_CTL_MOD)
		error = watch_modify(e, w, event);
	else
		watch_remove(e, w);
	mutex_unlock(&e->lock);
	mutex_unlock(&watches_lock);
	return error;
}

/* EPOLLEXCLUSIVE: of the instances that watch a file so, an event reaches one that is waited for (epoll_ctl(2)). */
static bool exclusive_allowed(const struct file *f, uint32_t operation, uint32_t events)
{
	constexpr uint32_t allowed = POLLIN | POLLOUT | POLLERR | POLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE;

	if (!(events & EPOLLEXCLUSIVE) || operation == EPOLL_CTL_DEL)
		return true;
	return operation != EPOLL_CTL_MOD &&
	       (operation != EPOLL_CTL_ADD || (f->ops != &epoll_ops && !(events & ~allowed)));
}

static long control_files(struct file *own, struct file *f, int fd, uint32_t operation, const struct epoll_event *event)
{
	if (f->ops->poll == nullptr)
		return -EPERM;
	if (f == own || own->ops != &epoll_ops || !exclusive_allowed(f, operation, event->events))
		return -EINVAL;
	if (operation < EPOLL_CTL_ADD || operation > EPOLL_CTL_MOD)
		return -EINVAL;
	return control(own->private_data, own, f, fd, operation, event);
}

static long sys_epoll_ctl(int epfd, uint32_t operation, int fd, user_addr event_at)
{
	struct file_ref r, target;
	struct epoll_event event = {};

	if (operation != EPOLL_CTL_DEL && get_user(event, event_at) != 0)
		return -EFAULT;
	long result = file_ref_get(epfd, &r);
	if (result != 0)
		return result;
	result = file_ref_get(fd, &target);
	if (result == 0) {
		result = control_files(r.file, target.file, fd, operation, &event);
		file_ref_put(target);
	}
	file_ref_put(r);
	return result;
}
SYSCALL(epoll_ctl);

static long epoll_wait_user(int epfd, user_addr at, int max, uint64_t deadline_ns, bool dont_wait)
{
	struct file_ref r;
	struct epoll *e;

	if (max <= 0 || (uint32_t)max > EVENTS_MAX)
		return -EINVAL;
	if (!io_user_range(at, (uint64_t)max * sizeof(struct epoll_event)))
		return -EFAULT;
	long result = epoll_of(epfd, &r, &e);
	if (result != 0)
		return result;
	result = wait_ready(e, at, (uint32_t)max, deadline_ns, dont_wait);
	file_ref_put(r);
	return result;
}

static uint64_t deadline_of_ms(int timeout_ms)
{
	return timeout_ms > 0 ? clock_monotonic_ns() + (uint64_t)timeout_ms * 1000000 : 0;
}

static long sys_epoll_wait(int epfd, user_addr at, int max, int timeout_ms)
{
	return epoll_wait_user(epfd, at, max, deadline_of_ms(timeout_ms), timeout_ms == 0);
}
SYSCALL_LEGACY(epoll_wait);

static long sys_epoll_pwait(int epfd, user_addr at, int max, int timeout_ms, user_addr mask, size_t mask_size)
{
	int error = poll_mask_set(mask, mask_size);

	if (error != 0)
		return error;
	long result = epoll_wait_user(epfd, at, max, deadline_of_ms(timeout_ms), timeout_ms == 0);
	poll_mask_restore(mask, result);
	return result;
}
SYSCALL(epoll_pwait);

static long sys_epoll_pwait2(int epfd, user_addr at, int max, user_addr timeout, user_addr mask, size_t mask_size)
{
	uint64_t deadline_ns;
	bool zero;

	int error = poll_deadline(timeout, &deadline_ns, &zero);
	if (error == 0)
		error = poll_mask_set(mask, mask_size);
	if (error != 0)
		return error;
	long result = epoll_wait_user(epfd, at, max, deadline_ns, zero);
	poll_mask_restore(mask, result);
	return result;
}
SYSCALL(epoll_pwait2);

static long sys_epoll_create1(uint32_t flags)
{
	struct file *f;

	if (flags & ~(uint32_t)EPOLL_CLOEXEC)
		return syscall_refuse_flags(NR_epoll_create1, flags);
	struct epoll *e = kmalloc(sizeof(*e));
	if (e == nullptr)
		return -ENOMEM;
	mutex_init(&e->lock, RANK_NONE);
	spin_init(&e->ready_lock, RANK_NONE);
	wait_queue_init(&e->queue);
	e->queue.lock.rank = RANK_NONE;
	mutex_lock(&e->lock);
	list_init(&e->watches);
	mutex_unlock(&e->lock);
	spin_lock(&e->ready_lock);
	list_init(&e->ready);
	spin_unlock(&e->ready_lock);
	int error = file_create(&epoll_ops, e, O_RDWR, "anon_inode:[eventpoll]", &f);
	if (error != 0) {
		kfree(e);
		return error;
	}
	int fd = file_install(f, flags & EPOLL_CLOEXEC);
	if (fd < 0)
		file_put(f);
	return fd;
}
SYSCALL(epoll_create1);

static long sys_epoll_create(int size)
{
	return size <= 0 ? -EINVAL : sys_epoll_create1(0);
}
SYSCALL_LEGACY(epoll_create);
