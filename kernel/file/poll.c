/* SPDX-License-Identifier: MIT */
/*
 * poll(2), ppoll(2), select(2), pselect6(2).
 *
 * The first pass over the files registers the thread with each one's queues until something is ready; further passes
 * only look. The files are referenced until the thread has left their queues.
 */
#include "internal.h"

#include <kernel/base/clock.h>
#include <kernel/base/subject.h>
#include <kernel/base/syscall.h>
#include <kernel/file/io_vector.h>
#include <kernel/file/poll.h>
#include <kernel/mem/shared_wait.h>

enum : uint32_t { WAITERS_INLINE = 4, WAITERS_MORE = 32, ITEMS_INLINE = 4 };
enum : int64_t { NS_PER_S = 1000000000 };

struct poll_waiter {
	struct waiter waiter;
	struct shared_wait *owner; /* with a reference, of a queue that may go before the file */
};
struct more_waiters {
	struct more_waiters *next;
	uint32_t count;
	struct poll_waiter waiters[WAITERS_MORE];
};
struct poll_wait {
	struct poll_table table;
	uint32_t count;
	bool failed; /* no memory to watch a queue */
	struct more_waiters *more;
	struct poll_waiter waiters[WAITERS_INLINE];
};

struct poll_item {
	int fd;
	uint32_t events, revents;
	bool open;
	struct file_ref ref;
};

void poll_watch(struct poll_table *table, struct wait_queue *q)
{
	if (table != nullptr)
		table->watch(table, q);
}

void poll_watch_shared(struct poll_table *table, struct shared_wait *w)
{
	if (table == nullptr)
		return;
	table->owner = w;
	table->watch(table, &w->queue);
	table->owner = nullptr;
}

static void enter(struct poll_waiter *w, struct poll_table *table, struct wait_queue *q)
{
	w->owner = table->owner;
	if (w->owner != nullptr)
		shared_wait_get(w->owner);
	wait_add(q, &w->waiter);
}

static void leave(struct poll_waiter *w)
{
	wait_remove(&w->waiter);
	if (w->owner != nullptr)
		shared_wait_put(w->owner);
}

static void watch_with_thread(struct poll_table *table, struct wait_queue *q)
{
	struct poll_wait *w = container_of(table, struct poll_wait, table);

	if (w->count < WAITERS_INLINE) {
		enter(&w->waiters[w->count++], table, q);
		return;
	}
	if (w->more == nullptr || w->more->count == WAITERS_MORE) {
		struct more_waiters *more = kmalloc(sizeof(*more));
		if (more == nullptr) {
			w->failed = true;
			return;
		}
		more->next = w->more;
		w->more = more;
	}
	enter(&w->more->waiters[w->more->count++], table, q);
}

static void leave_queues(struct poll_wait *w)
{
	for (uint32_t n = 0; n < w->count; n++)
		leave(&w->waiters[n]);
	while (w->more != nullptr) {
		struct more_waiters *more = w->more;

		for (uint32_t n = 0; n < more->count; n++)
			leave(&more->waiters[n]);
		w->more = more->next;
		kfree(more);
	}
}

/* One look at all files. Result: how many are ready. */
static int look(struct poll_item *items, uint32_t count, struct poll_table *table)
{
	int ready = 0;

	for (uint32_t n = 0; n < count; n++) {
		struct poll_item *item = &items[n];

		if (item->fd < 0)
			continue;
		item->revents = POLLNVAL;
		if (item->open)
			item->revents = file_poll(item->ref.file, ready == 0 ? table : nullptr) &
					(item->events | POLLERR | POLLHUP);
		ready += item->revents != 0;
	}
	return ready;
}

static int wait_for_items(struct poll_item *items, uint32_t count, uint64_t deadline_ns, struct poll_wait *w)
{
	while (true) {
		if (signal_pending_current())
			return -EINTR;
		int parked = thread_park_interruptible(process_slacken(deadline_ns));
		int ready = look(items, count, nullptr);
		if (ready != 0 || parked == -ETIMEDOUT)
			return ready;
		if (w->failed)
			return -ENOMEM;
	}
}

/* Number of ready items, 0 after the deadline, -EINTR. */
static int poll_items(struct poll_item *items, uint32_t count, uint64_t deadline_ns, bool dont_wait)
{
	struct poll_wait w = {.table.watch = watch_with_thread};

	for (uint32_t n = 0; n < count; n++)
		items[n].open = items[n].fd >= 0 && file_ref_get(items[n].fd, &items[n].ref) == 0;
	int ready = look(items, count, dont_wait ? nullptr : &w.table);
	if (ready == 0 && !dont_wait)
		ready = wait_for_items(items, count, deadline_ns, &w);
	leave_queues(&w);
	for (uint32_t n = 0; n < count; n++) {
		if (items[n].open)
			file_ref_put(items[n].ref);
	}
	return ready;
}

int poll_deadline_of(int64_t seconds, int64_t ns, uint64_t *deadline_ns)
{
	if (seconds < 0 || ns < 0 || ns >= NS_PER_S)
		return -EINVAL;
	uint64_t now = clock_monotonic_ns(), span = UINT64_MAX - now;
	if ((uint64_t)seconds < span / (uint64_t)NS_PER_S - 1)
		span = (uint64_t)seconds * (uint64_t)NS_PER_S + (uint64_t)ns;
	*deadline_ns = now + span;
	return 0;
}

int poll_deadline(user_addr at, uint64_t *deadline_ns, bool *zero)
{
	struct user_timespec t;

	*deadline_ns = 0;
	*zero = false;
	if (at.value == 0)
		return 0;
	if (get_user(t, at) != 0)
		return -EFAULT;
	*zero = t.seconds == 0 && t.ns == 0;
	return poll_deadline_of(t.seconds, t.ns, deadline_ns);
}

int poll_mask_set(user_addr mask, size_t size)
{
	uint64_t value;

	if (mask.value == 0)
		return 0;
	if (size != sizeof(value))
		return -EINVAL;
	if (get_user(value, mask) != 0)
		return -EFAULT;
	subject_mask_set_temporary(value);
	return 0;
}

/* An interrupted call leaves the mask to the delivery of the signal, which restores it after the handler. */
void poll_mask_restore(user_addr mask, long result)
{
	if (mask.value != 0 && result != -EINTR && result != -ERESTARTNOHAND && result != -ERESTARTSYS)
		subject_mask_restore();
}

static void remaining_time(uint64_t deadline_ns, struct user_timespec *t)
{
	uint64_t now = clock_monotonic_ns(), left = deadline_ns > now ? deadline_ns - now : 0;

	t->seconds = (int64_t)(left / (uint64_t)NS_PER_S);
	t->ns = (int64_t)(left % (uint64_t)NS_PER_S);
}

/* --- poll --- */

static int items_from_user(user_addr fds, uint32_t count, struct poll_item *items)
{
	for (uint32_t n = 0; n < count; n++) {
		struct pollfd p;

		if (copy_from_user(&p, user_addr_add(fds, n * sizeof(p)), sizeof(p)) != 0)
			return -EFAULT;
		items[n] = (struct poll_item){.fd = p.fd, .events = (uint16_t)p.events};
	}
	return 0;
}

static int items_to_user(user_addr fds, uint32_t count, const struct poll_item *items)
{
	for (uint32_t n = 0; n < count; n++) {
		int16_t revents = (int16_t)items[n].revents;

		if (copy_to_user(user_addr_add(fds, n * sizeof(struct pollfd) + offsetof(struct pollfd, revents)),
				 &revents, sizeof(revents)) != 0)
			return -EFAULT;
	}
	return 0;
}

static long poll_user(user_addr fds, uint32_t count, uint64_t deadline_ns, bool dont_wait)
{
	struct poll_item few[ITEMS_INLINE];
	struct poll_item *items = few;

	if (count > process_rlimit(RLIMIT_NOFILE) || count > 16384)
		return -EINVAL;
	if (count > ITEMS_INLINE) {
		items = kmalloc(count * sizeof(*items));
		if (items == nullptr)
			return -ENOMEM;
	}
	long result = items_from_user(fds, count, items);
	if (result == 0)
		result = poll_items(items, count, deadline_ns, dont_wait);
	if (result >= 0) {
		int error =
			io_user_range(fds, count * sizeof(struct pollfd)) ? items_to_user(fds, count, items) : -EFAULT;
		result = error != 0 ? error : result;
	}
	if (items != few)
		kfree(items);
	return result;
}

static long poll_restartable(user_addr fds, uint32_t count, uint64_t deadline_ns, bool dont_wait);

static long poll_again(struct restart_block *r)
{
	return poll_restartable(USER_ADDR(r->words[0]), (uint32_t)r->words[1], r->words[2], false);
}

static long poll_restartable(user_addr fds, uint32_t count, uint64_t deadline_ns, bool dont_wait)
{
	long result = poll_user(fds, count, deadline_ns, dont_wait);

	if (result != -EINTR)
		return result;
	subject_thread_current()->restart =
		(struct restart_block){.again = poll_again, .words = {fds.value, count, deadline_ns}};
	return -ERESTART_RESTARTBLOCK;
}

static long sys_poll(user_addr fds, uint32_t count, int timeout_ms)
{
	uint64_t deadline_ns = 0;

	if (timeout_ms > 0)
		deadline_ns = clock_monotonic_ns() + (uint64_t)timeout_ms * 1000000;
	return poll_restartable(fds, count, deadline_ns, timeout_ms == 0);
}
SYSCALL_LEGACY(poll);

static long sys_ppoll(user_addr fds, uint32_t count, user_addr timeout, user_addr mask, size_t mask_size)
{
	uint64_t deadline_ns;
	bool zero;

	int error = poll_deadline(timeout, &deadline_ns, &zero);
	if (error == 0)
		error = poll_mask_set(mask, mask_size);
	if (error != 0)
		return error;
	long result = poll_user(fds, count, deadline_ns, zero);
	if (result == -EINTR)
		result = -ERESTARTNOHAND;
	poll_mask_restore(mask, result);
	if (timeout.value != 0) {
		struct user_timespec left;
		remaining_time(deadline_ns, &left);
		(void)put_user(timeout, left);
	}
	return result;
}
SYSCALL(ppoll);

/* --- select --- */

enum : uint32_t {
	SELECT_IN = POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR,
	SELECT_OUT = POLLOUT | POLLWRNORM | POLLWRBAND | POLLERR,
	SELECT_EXCEPT = POLLPRI,
};
static const uint32_t select_masks[3] = {SELECT_IN, SELECT_OUT, SELECT_EXCEPT};

struct select_sets {
	user_addr at[3];
	uint32_t words;
	uint64_t *bits[3]; /* in one allocation; nullptr: not given */
};

static int sets_get(struct select_sets *s, uint32_t words)
{
	s->words = words;
	s->bits[0] = kmalloc(MAX(3 * words, 1u) * sizeof(uint64_t));
	if (s->bits[0] == nullptr)
		return -ENOMEM;
	for (int n = 0; n < 3; n++) {
		s->bits[n] = s->bits[0] + (size_t)n * words;
		if (s->at[n].value != 0 && copy_from_user(s->bits[n], s->at[n], words * sizeof(uint64_t)) != 0)
			return -EFAULT;
	}
	return 0;
}

static uint32_t events_of(const struct select_sets *s, uint32_t fd)
{
	uint32_t events = 0;

	for (int n = 0; n < 3; n++) {
		if (s->bits[n][fd / 64] >> (fd % 64) & 1)
			events |= select_masks[n];
	}
	return events;
}

/* Writes the sets of what is ready; the count of bits, or an error. */
static long sets_put(struct select_sets *s, const struct poll_item *items, uint32_t count)
{
	long bits = 0;

	for (int n = 0; n < 3; n++) {
		uint64_t *set = s->bits[n];

		for (uint32_t k = 0; k < count; k++) {
			uint32_t fd = (uint32_t)items[k].fd;
			uint64_t bit = UINT64_C(1) << (fd % 64);

			if (!(set[fd / 64] & bit))
				continue;
			if (items[k].revents & POLLNVAL)
				return -EBADF;
			if (items[k].revents & select_masks[n])
				bits++;
			else
				set[fd / 64] &= ~bit;
		}
		if (s->at[n].value != 0 && copy_to_user(s->at[n], set, s->words * sizeof(uint64_t)) != 0)
			return -EFAULT;
	}
	return bits;
}

static long select_sets(struct select_sets *s, uint32_t nfds, uint64_t deadline_ns, bool dont_wait)
{
	uint32_t count = 0, k = 0;

	for (uint32_t fd = 0; fd < nfds; fd++)
		count += events_of(s, fd) != 0;
	struct poll_item few[ITEMS_INLINE];
	struct poll_item *items = count > ITEMS_INLINE ? kmalloc(count * sizeof(*items)) : few;
	if (items == nullptr)
		return -ENOMEM;
	for (uint32_t fd = 0; fd < nfds; fd++) {
		uint32_t events = events_of(s, fd);
		if (events != 0)
			items[k++] = (struct poll_item){.fd = (int)fd, .events = events};
	}
	long result = poll_items(items, count, deadline_ns, dont_wait);
	if (result >= 0)
		result = sets_put(s, items, count);
	if (items != few)
		kfree(items);
	return result;
}

static long select_user(uint32_t nfds, struct select_sets *s, uint64_t deadline_ns, bool dont_wait)
{
	if ((int32_t)nfds < 0)
		return -EINVAL;
	nfds = MIN(nfds, file_table_capacity(subject_current()->files));
	long result = sets_get(s, (nfds + 63) / 64);
	if (result == 0) {
		/* Bits of the last word beyond nfds are not asked about. */
		for (int n = 0; n < 3 && nfds % 64 != 0; n++)
			s->bits[n][nfds / 64] &= (UINT64_C(1) << (nfds % 64)) - 1;
		result = select_sets(s, nfds, deadline_ns, dont_wait);
	}
	kfree(s->bits[0]);
	return result == -EINTR ? -ERESTARTNOHAND : result;
}

struct user_timeval {
	int64_t seconds, us;
};

static long sys_select(uint32_t nfds, user_addr in, user_addr out, user_addr except, user_addr timeout)
{
	struct select_sets s = {.at = {in, out, except}};
	struct user_timeval t = {};
	uint64_t deadline_ns = 0;

	if (timeout.value != 0) {
		if (get_user(t, timeout) != 0)
			return -EFAULT;
		if (t.seconds < 0 || t.us < 0)
			return -EINVAL;
		int error = poll_deadline_of(t.seconds + t.us / 1000000, t.us % 1000000 * 1000, &deadline_ns);
		if (error != 0)
			return error;
	}
	long result = select_user(nfds, &s, deadline_ns, timeout.value != 0 && t.seconds == 0 && t.us == 0);
	if (timeout.value != 0) {
		struct user_timespec left;
		remaining_time(deadline_ns, &left);
		t = (struct user_timeval){left.seconds, left.ns / 1000};
		(void)put_user(timeout, t);
	}
	return result;
}
SYSCALL_LEGACY(select);

static long sys_pselect6(uint32_t nfds, user_addr in, user_addr out, user_addr except, user_addr timeout,
			 user_addr mask_at)
{
	struct select_sets s = {.at = {in, out, except}};
	uint64_t mask[2] = {}; /* pointer and size */
	uint64_t deadline_ns;
	bool zero;

	if (mask_at.value != 0 && copy_from_user(mask, mask_at, sizeof(mask)) != 0)
		return -EFAULT;
	int error = poll_deadline(timeout, &deadline_ns, &zero);
	if (error == 0)
		error = poll_mask_set(USER_ADDR(mask[0]), mask[1]);
	if (error != 0)
		return error;
	long result = select_user(nfds, &s, deadline_ns, zero);
	poll_mask_restore(USER_ADDR(mask[0]), result);
	if (timeout.value != 0) {
		struct user_timespec left;
		remaining_time(deadline_ns, &left);
		(void)put_user(timeout, left);
	}
	return result;
}
SYSCALL(pselect6);
