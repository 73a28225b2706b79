/* SPDX-License-Identifier: MIT */
/*
 * POSIX timers: timer_create(2), timer_settime(2), timer_gettime(2), timer_getoverrun(2),
 * timer_delete(2) (POSIX.1-2017 timer_*()).
 *
 * Each timer owns one signal entry: while it is pending, further expirations only count (overrun),
 * and the next period is armed when the signal is taken. Lists of timers change under timers_lock,
 * by the process's own threads; expiry runs in the timer thread and touches only its own timer.
 * timer_cancel waits for a running callback, so it is called without the locks that one takes.
 */
#include "internal.h"
#include <kernel/base/clock.h>
#include <kernel/mem/slab.h>
#include <kernel/mem/text.h>
#include <kernel/vm/user.h>

enum : uint32_t { TIMERS_MAX = 1024, DELAY_MAX = INT32_MAX };
/* SIGEV_THREAD is the C library's to do; to the kernel it is a signal. */
enum : int32_t { SIGEV_SIGNAL = 0, SIGEV_NONE = 1, SIGEV_THREAD = 2, SIGEV_THREAD_ID = 4 };

struct posix_timer {
	struct list link; /* in process->posix_timers; timers_lock */
	struct process *process;
	uint32_t id;
	int32_t clock, notify;
	int32_t follows;      /* the clock as it was set, relatively or absolutely; under state_lock */
	struct cpu_clock cpu; /* if it is one of CPU time */
	uint32_t tid;	      /* SIGEV_THREAD_ID */
	struct timer timer;
	uint64_t interval_ns, deadline_ns; /* on the clock it follows; under state_lock */
	bool running;
	int32_t overrun, last_overrun;
	struct spinlock state_lock;
	struct signal_entry entry;
};

/* A periodic timer whose signal is ignored is looked at no more often; what passes meanwhile is counted (Linux: a
 * tick). */
enum : uint64_t { IGNORED_PAUSE_NS = 4'000'000 };

/* Guards all processes' lists: timers are rare and the sections short. Rank: below the locks that
 * senders take, and those on the way to another process's CPU clock. */
static struct mutex timers_lock = MUTEX_INIT(timers_lock, RANK_POSIX_TIMER);

static struct posix_timer *find(struct process *p, uint32_t id) REQUIRES(timers_lock)
{
	struct posix_timer *t;

	list_for_each(t, &p->posix_timers, link) {
		if (t->id == id)
			return t;
	}
	return nullptr;
}

/* On a CPU clock: when to look whether it is time. */
static uint64_t next_look(struct posix_timer *t, uint64_t now)
{
	return clock_is_cpu(t->clock) ? cpu_clock_next_look(&t->cpu, now, t->deadline_ns)
				      : clock_deadline(t->follows, t->deadline_ns);
}

/* An ended thread's clock stands still. */
static uint64_t read_timer_clock(struct posix_timer *t)
{
	uint64_t now = 0;

	if (clock_is_cpu(t->clock))
		(void)!cpu_clock_read(&t->cpu, &now);
	else
		(void)!clock_read(t->follows, &now);
	return now;
}

static void expired(struct timer *timer)
{
	struct posix_timer *t = container_of(timer, struct posix_timer, timer);
	uint64_t now = read_timer_clock(t);

	spin_lock(&t->state_lock);
	bool due = t->running && now >= t->deadline_ns;
	if (t->running && !due)
		timer_arm(timer, next_look(t, now));
	if (due && t->interval_ns == 0)
		t->running = false;
	spin_unlock(&t->state_lock);
	if (!due || t->notify == SIGEV_NONE)
		return;
	/* Ignored or blocked for good: a periodic timer still goes on when its signal is taken; if
	 * it was discarded, here. */
	if (!signal_send_entry(t->process, t->notify == SIGEV_THREAD_ID ? t->tid : 0, &t->entry)) {
		spin_lock(&t->state_lock);
		/* Unless it was set anew meanwhile. */
		if (t->running && t->interval_ns != 0 && !t->entry.queued && t->deadline_ns <= now) {
			uint64_t from = now + MAX(t->interval_ns, (uint64_t)IGNORED_PAUSE_NS) - t->interval_ns;
			t->deadline_ns += ((from - t->deadline_ns) / t->interval_ns + 1) * t->interval_ns;
			timer_arm(timer, next_look(t, now));
		}
		spin_unlock(&t->state_lock);
	}
}

/* Counts the periods that passed unnoticed and arms the next. */
static void advance(struct posix_timer *t, uint64_t now) REQUIRES(t -> state_lock)
{
	if (!t->running || t->interval_ns == 0)
		return;
	uint64_t periods = now > t->deadline_ns ? (now - t->deadline_ns) / t->interval_ns : 0;
	t->overrun = (int32_t)MIN(periods, (uint64_t)DELAY_MAX);
	t->deadline_ns += (periods + 1) * t->interval_ns;
	timer_arm(&t->timer, next_look(t, now));
}

void posix_timer_delivered(struct process *p, struct signal_info *info)
{
	mutex_lock(&timers_lock);
	struct posix_timer *t = find(p, (uint32_t)info->timer.timer);
	if (t != nullptr) {
		uint64_t now = read_timer_clock(t);
		spin_lock(&t->state_lock);
		t->overrun = 0;
		advance(t, now);
		t->last_overrun = t->overrun;
		info->timer.overrun = t->overrun;
		spin_unlock(&t->state_lock);
	}
	mutex_unlock(&timers_lock);
}

static void destroy(struct posix_timer *t)
{
	spin_lock(&t->state_lock);
	t->running = false;
	spin_unlock(&t->state_lock);
	(void)timer_cancel(&t->timer);
	signal_entry_cancel(t->process, &t->entry);
	cpu_clock_close(&t->cpu);
	kfree(t);
}

void posix_timers_destroy(struct process *p)
{
	for (;;) {
		struct posix_timer *t = nullptr;
		mutex_lock(&timers_lock);
		if (!list_empty(&p->posix_timers)) {
			t = list_first(&p->posix_timers, struct posix_timer, link);
			list_remove(&t->link);
		}
		mutex_unlock(&timers_lock);
		if (t == nullptr)
			return;
		destroy(t);
	}
}

static int rearm_after_set(void *, struct process *p)
{
	struct posix_timer *t;

	mutex_lock(&timers_lock);
	list_for_each(t, &p->posix_timers, link) {
		spin_lock(&t->state_lock);
		if (t->running && clock_is_realtime(t->follows))
			timer_arm(&t->timer, clock_deadline(t->follows, t->deadline_ns));
		spin_unlock(&t->state_lock);
	}
	mutex_unlock(&timers_lock);
	return 0;
}

void posix_timers_clock_was_set(void)
{
	(void)process_for_each(rearm_after_set, nullptr);
}

struct abi_sigevent {
	uint64_t value;
	int32_t signo, notify;
	int32_t tid, padding[11];
};
static_assert(sizeof(struct abi_sigevent) == 64);

static long check_event(const struct abi_sigevent *e)
{
	if (e->notify == SIGEV_NONE)
		return 0;
	if (e->notify != SIGEV_SIGNAL && e->notify != SIGEV_THREAD && e->notify != SIGEV_THREAD_ID)
		return syscall_refuse_flags(NR_timer_create, (uint64_t)e->notify);
	if (e->signo < 1 || e->signo > SIGNAL_MAX)
		return -EINVAL;
	if (e->notify == SIGEV_THREAD_ID) {
		struct process_thread_info info;
		return process_thread_info(process_current(), (uint32_t)e->tid, &info) == 0 ? 0 : -EINVAL;
	}
	return 0;
}

static void fill_in(struct posix_timer *t, const struct abi_sigevent *event, bool has_value)
{
	t->notify = event->notify;
	t->tid = (uint32_t)event->tid;
	spin_init(&t->state_lock, RANK_SIGNAL - 1);
	timer_init(&t->timer, expired);
	list_init(&t->entry.link);
	t->entry.timer = t;
	t->entry.info = (struct signal_info){
		.signo = event->signo,
		.code = SI_TIMER,
		.timer = {.timer = (int32_t)t->id, .value = has_value ? event->value : t->id},
	};
}

/* -EAGAIN: it has too many. */
static int add_to_process(struct process *p, struct posix_timer *t)
{
	struct posix_timer *other;
	uint32_t count = 0;

	mutex_lock(&timers_lock);
	list_for_each(other, &p->posix_timers, link)
		count++;
	if (count < TIMERS_MAX)
		list_push_front(&p->posix_timers, &t->link);
	mutex_unlock(&timers_lock);
	return count < TIMERS_MAX ? 0 : -EAGAIN;
}

static long sys_timer_create(int clock, user_addr event_at, user_addr id_at)
{
	struct process *p = process_current();
	struct abi_sigevent event = {.signo = SIGALRM, .notify = SIGEV_SIGNAL};

	if (event_at.value != 0 && get_user(event, event_at) != 0)
		return -EFAULT;
	long error = clock_check_timer(clock);
	/* The right to wake the machine is asked for last. */
	if (error == 0 || error == -EPERM) {
		long wrong = check_event(&event);
		error = wrong != 0 ? wrong : error;
	}
	if (error != 0)
		return error;
	struct posix_timer *t = kmalloc(sizeof(*t));
	if (t == nullptr)
		return -EAGAIN;
	mutex_lock(&timers_lock);
	t->id = p->next_timer_id++;
	mutex_unlock(&timers_lock);
	t->process = p;
	t->clock = t->follows = clock;
	fill_in(t, &event, event_at.value != 0);
	uint32_t id = t->id;
	error = put_user(id_at, id);
	if (error == 0 && clock_is_cpu(clock))
		error = cpu_clock_open(clock, false, &t->cpu);
	if (error == 0)
		error = add_to_process(p, t);
	if (error != 0) {
		cpu_clock_close(&t->cpu);
		kfree(t);
	}
	return error;
}
SYSCALL(timer_create);

void process_show_timers(struct process *p, struct text_buffer *b)
{
	static const char *const names[] = {"signal", "none", "thread"};
	struct posix_timer *t;

	mutex_lock(&timers_lock);
	list_for_each(t, &p->posix_timers, link) {
		bool one_thread = t->notify == SIGEV_THREAD_ID;

		text_printf(b, "ID: %u\nsignal: %d/%016llx\nnotify: %s/%s.%u\nClockID: %d\n", t->id,
			    t->entry.info.signo, (unsigned long long)t->entry.info.timer.value,
			    names[one_thread ? SIGEV_SIGNAL : t->notify], one_thread ? "tid" : "pid",
			    one_thread ? t->tid : p->pid, t->clock);
	}
	mutex_unlock(&timers_lock);
}

static struct abi_itimerspec state_of(struct posix_timer *t, uint64_t now) REQUIRES(t -> state_lock)
{
	uint64_t left = 0, deadline = t->deadline_ns;

	if (t->running) {
		if (now > deadline && t->interval_ns != 0)
			deadline += ((now - deadline) / t->interval_ns + 1) * t->interval_ns;
		left = deadline > now ? deadline - now : t->interval_ns == 0 && t->notify == SIGEV_NONE ? 0 : 1;
	}
	return (struct abi_itimerspec){timespec_from_ns(t->interval_ns), timespec_from_ns(left)};
}

static long sys_timer_settime(int id, int flags, user_addr new_at, user_addr old_at)
{
	struct abi_itimerspec spec, old;
	uint64_t value, interval;

	if (new_at.value == 0)
		return -EINVAL;
	if (get_user(spec, new_at) != 0)
		return -EFAULT;
	if (flags & ~TIMER_ABSTIME)
		return syscall_refuse_flags(NR_timer_settime, (uint64_t)flags);
	if (timespec_to_ns(&spec.value, &value) != 0 || timespec_to_ns(&spec.interval, &interval) != 0)
		return -EINVAL;
	mutex_lock(&timers_lock);
	struct posix_timer *t = find(process_current(), (uint32_t)id);
	if (t == nullptr) {
		mutex_unlock(&timers_lock);
		return -EINVAL;
	}
	uint64_t now = read_timer_clock(t);
	spin_lock(&t->state_lock);
	old = state_of(t, now);
	t->running = false;
	spin_unlock(&t->state_lock);
	(void)timer_cancel(&t->timer);
	signal_entry_cancel(t->process, &t->entry);
	spin_lock(&t->state_lock);
	t->interval_ns = interval;
	t->overrun = t->last_overrun = 0;
	t->follows = clock_followed(t->clock, flags & TIMER_ABSTIME);
	now = read_timer_clock(t);
	if (value != 0) {
		t->deadline_ns = flags & TIMER_ABSTIME ? value : value > INT64_MAX - now ? INT64_MAX : now + value;
		t->running = true;
		timer_arm(&t->timer, next_look(t, now));
	}
	spin_unlock(&t->state_lock);
	mutex_unlock(&timers_lock);
	return old_at.value != 0 ? put_user(old_at, old) : 0;
}
SYSCALL(timer_settime);

static long sys_timer_gettime(int id, user_addr at)
{
	struct abi_itimerspec spec;

	mutex_lock(&timers_lock);
	struct posix_timer *t = find(process_current(), (uint32_t)id);
	if (t != nullptr) {
		uint64_t now = read_timer_clock(t);
		spin_lock(&t->state_lock);
		spec = state_of(t, now);
		spin_unlock(&t->state_lock);
	}
	mutex_unlock(&timers_lock);
	return t == nullptr ? -EINVAL : put_user(at, spec);
}
SYSCALL(timer_gettime);

static long sys_timer_getoverrun(int id)
{
	mutex_lock(&timers_lock);
	struct posix_timer *t = find(process_current(), (uint32_t)id);
	long result = t != nullptr ? t->last_overrun : -EINVAL;
	mutex_unlock(&timers_lock);
	return result;
}
SYSCALL(timer_getoverrun);

static long sys_timer_delete(int id)
{
	mutex_lock(&timers_lock);
	struct posix_timer *t = find(process_current(), (uint32_t)id);
	if (t != nullptr)
		list_remove(&t->link);
	mutex_unlock(&timers_lock);
	if (t == nullptr)
		return -EINVAL;
	destroy(t);
	return 0;
}
SYSCALL(timer_delete);
