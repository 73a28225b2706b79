/* SPDX-License-Identifier: MIT */
/*
 * timerfd_create(2), timerfd_settime(2), timerfd_gettime(2): a timer that is read like a file.
 *
 * A read gives the number of expirations since the last one. The timer counts by itself:
 * expirations are computed from the deadline and the period when somebody looks; the kernel timer
 * only wakes sleepers. Clock changes (TFD_TIMER_CANCEL_ON_SET) end a read with ECANCELED.
 */
#include "internal.h"
#include <abi/fcntl.h>
#include <abi/poll.h>
#include <kernel/base/clock.h>
#include <kernel/file/file.h>
#include <kernel/mem/slab.h>
#include <kernel/vm/user.h>

enum : uint32_t { TFD_ABSTIME = 1, TFD_CANCEL_ON_SET = 2 };

struct timer_file {
	struct timer timer;
	struct wait_queue wait;
	int32_t clock, follows; /* as created; as it was set, relatively or absolutely */
	struct list link;	/* all timer files of CLOCK_REALTIME */
	struct spinlock lock;
	uint64_t deadline_ns, interval_ns; /* on the clock it follows; deadline 0: disarmed */
	uint64_t missed;		   /* expirations counted and not yet read */
	bool cancel_on_set, canceled;
};

static struct spinlock realtime_lock = SPINLOCK_INIT(RANK_SIGNAL);
static struct list realtime_files GUARDED_BY(realtime_lock) = LIST_INIT(realtime_files);

static uint64_t now_of(const struct timer_file *t)
{
	return clock_is_realtime(t->follows) ? (uint64_t)clock_realtime_ns() : clock_monotonic_ns();
}

/* Sleepers are woken no more often than this by a period that is shorter; reads count it all the same. */
enum : uint64_t { SHORTEST_NS = 100'000 };

static void arm(struct timer_file *t, uint64_t not_before_ns) REQUIRES(t -> lock)
{
	if (t->deadline_ns != 0)
		timer_arm(&t->timer, MAX(clock_deadline(t->follows, t->deadline_ns), not_before_ns));
}

/* Moves what has expired by now from the schedule to the count. */
static void count_expired(struct timer_file *t, uint64_t now) REQUIRES(t -> lock)
{
	if (t->deadline_ns == 0 || now < t->deadline_ns)
		return;
	if (t->interval_ns == 0) {
		t->missed++;
		t->deadline_ns = 0;
		return;
	}
	uint64_t periods = (now - t->deadline_ns) / t->interval_ns + 1;
	t->missed += periods;
	t->deadline_ns += periods * t->interval_ns;
}

static void expired(struct timer *timer)
{
	struct timer_file *t = container_of(timer, struct timer_file, timer);

	spin_lock(&t->lock);
	count_expired(t, now_of(t));
	arm(t, clock_monotonic_ns() + SHORTEST_NS);
	bool ready = t->missed != 0;
	spin_unlock(&t->lock);
	if (ready)
		wait_wake_all(&t->wait);
}

static uint64_t take(struct timer_file *t, bool *canceled)
{
	spin_lock(&t->lock);
	count_expired(t, now_of(t));
	uint64_t n = t->missed;
	t->missed = 0;
	*canceled = t->canceled;
	t->canceled = false;
	spin_unlock(&t->lock);
	return *canceled ? 0 : n;
}

static long timer_file_read(struct file *f, struct io_buffer *buf, size_t n, uint64_t *)
{
	struct timer_file *t = f->private_data;
	uint64_t count = 0;
	bool canceled = false;

	if (n < sizeof(count))
		return -EINVAL;
	if (f->flags & O_NONBLOCK) {
		count = take(t, &canceled);
		if (count == 0 && !canceled)
			return -EAGAIN;
	} else {
		int error = wait_event_interruptible(&t->wait, (count = take(t, &canceled)) != 0 || canceled);
		if (error != 0)
			return error;
	}
	if (canceled)
		return -ECANCELED;
	return io_copy_out(buf, 0, &count, sizeof(count)) == sizeof(count) ? (long)sizeof(count) : -EFAULT;
}

static uint32_t timer_file_poll(struct file *f, struct poll_table *table)
{
	struct timer_file *t = f->private_data;

	poll_watch(table, &t->wait);
	spin_lock(&t->lock);
	count_expired(t, now_of(t));
	bool ready = t->missed != 0 || t->canceled;
	spin_unlock(&t->lock);
	return ready ? POLLIN | POLLRDNORM : 0;
}

static void timer_file_release(struct file *f)
{
	struct timer_file *t = f->private_data;

	spin_lock(&realtime_lock);
	list_remove(&t->link);
	spin_unlock(&realtime_lock);
	spin_lock(&t->lock);
	t->deadline_ns = 0;
	spin_unlock(&t->lock);
	(void)timer_cancel(&t->timer);
	kfree(t);
}

static const struct file_ops timer_file_ops = {
	.component = &component_process,
	.read = timer_file_read,
	.seek = file_seek_nowhere,
	.poll = timer_file_poll,
	.release = timer_file_release,
};

void timer_files_clock_was_set(bool stepped)
{
	struct timer_file *t;

	spin_lock(&realtime_lock);
	list_for_each(t, &realtime_files, link) {
		/* Equal ranks: a file's lock is only ever taken inside this one. */
		spin_lock(&t->lock);
		t->canceled |= t->cancel_on_set && stepped;
		if (clock_is_realtime(t->follows))
			arm(t, 0);
		spin_unlock(&t->lock);
		wait_wake_all(&t->wait);
	}
	spin_unlock(&realtime_lock);
}

static long sys_timerfd_create(int clock, uint32_t flags)
{
	struct file *f;

	if (flags & ~(uint32_t)(O_CLOEXEC | O_NONBLOCK))
		return syscall_refuse_flags(NR_timerfd_create, flags);
	if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC && clock != CLOCK_BOOTTIME &&
	    clock != CLOCK_REALTIME_ALARM && clock != CLOCK_BOOTTIME_ALARM)
		return -EINVAL;
	if (clock_check_timer(clock) != 0)
		return clock_check_timer(clock);
	struct timer_file *t = kmalloc(sizeof(*t));
	if (t == nullptr)
		return -ENOMEM;
	t->clock = t->follows = clock;
	spin_init(&t->lock, RANK_SIGNAL + 1);
	wait_queue_init(&t->wait);
	timer_init(&t->timer, expired);
	list_init(&t->link);
	int error = file_create(&timer_file_ops, t, O_RDWR | (flags & O_NONBLOCK), "anon_inode:[timerfd]", &f);
	if (error != 0) {
		kfree(t);
		return error;
	}
	if (clock_is_realtime(clock)) {
		spin_lock(&realtime_lock);
		list_push_back(&realtime_files, &t->link);
		spin_unlock(&realtime_lock);
	}
	int fd = file_install(f, flags & O_CLOEXEC);
	if (fd < 0)
		file_put(f);
	return fd;
}
SYSCALL(timerfd_create);

static struct abi_itimerspec state_of(struct timer_file *t, uint64_t now) REQUIRES(t -> lock)
{
	count_expired(t, now);
	return (struct abi_itimerspec){timespec_from_ns(t->interval_ns),
				       timespec_from_ns(t->deadline_ns != 0 ? t->deadline_ns - now : 0)};
}

static int timer_file_of(int fd, struct file **f, struct timer_file **t)
{
	int error = file_lookup(fd, f);

	if (error != 0)
		return error;
	if ((*f)->ops != &timer_file_ops) {
		file_put(*f);
		return -EINVAL;
	}
	*t = (*f)->private_data;
	return 0;
}

static long sys_timerfd_settime(int fd, uint32_t flags, user_addr new_at, user_addr old_at)
{
	struct abi_itimerspec spec, old;
	struct timer_file *t;
	struct file *f;
	uint64_t value, interval;

	if (get_user(spec, new_at) != 0)
		return -EFAULT;
	if (flags & ~(uint32_t)(TFD_ABSTIME | TFD_CANCEL_ON_SET))
		return syscall_refuse_flags(NR_timerfd_settime, flags);
	if (timespec_to_ns(&spec.value, &value) != 0 || timespec_to_ns(&spec.interval, &interval) != 0)
		return -EINVAL;
	int error = timer_file_of(fd, &f, &t);
	if (error != 0)
		return error;
	bool absolute = flags & TFD_ABSTIME, canceled;
	spin_lock(&t->lock);
	old = state_of(t, now_of(t));
	t->follows = clock_followed(t->clock, absolute);
	uint64_t now = now_of(t);
	t->deadline_ns = value == 0 ? 0 : absolute ? value : value > INT64_MAX - now ? INT64_MAX : now + value;
	t->interval_ns = interval;
	t->missed = 0;
	/* A date that was computed before the clock was set is not to be relied on: the timer runs, but it is said. */
	t->cancel_on_set = (flags & TFD_CANCEL_ON_SET) && absolute && clock_is_realtime(t->clock);
	canceled = t->canceled && t->cancel_on_set && value != 0;
	t->canceled = false;
	arm(t, 0);
	spin_unlock(&t->lock);
	file_put(f);
	if (canceled)
		return -ECANCELED;
	return old_at.value != 0 ? put_user(old_at, old) : 0;
}
SYSCALL(timerfd_settime);

static long sys_timerfd_gettime(int fd, user_addr at)
{
	struct abi_itimerspec spec;
	struct timer_file *t;
	struct file *f;
	int error = timer_file_of(fd, &f, &t);

	if (error != 0)
		return error;
	spin_lock(&t->lock);
	spec = state_of(t, now_of(t));
	spin_unlock(&t->lock);
	file_put(f);
	return put_user(at, spec);
}
SYSCALL(timerfd_gettime);
