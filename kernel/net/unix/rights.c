/* SPDX-License-Identifier: MIT */
/*
 * Files in flight (unix(7), SCM_RIGHTS), and those that nobody can receive any more.
 *
 * A socket whose file only messages have, which stand in queues of such sockets, is garbage: closing descriptors does
 * not end it. While sockets are in flight the net's service looks for that, at once when one is closed. A socket is a
 * candidate if all references to its file are in messages. A candidate of which some are in queues of others than
 * candidates can be received, and so can all in its own queue, and so on; the rest is garbage, and loses the files in
 * its queues, which closes it.
 *
 * The service also closes files that were in a message which nobody received: closing a socket drops its messages, so
 * done in place it would nest as deep as somebody has put sockets into sockets.
 */
#include "unix.h"

#include <kernel/base/subject.h>

#include "../../thread/service.h"

static struct mutex rights_lock = MUTEX_INIT(rights_lock, RANK_SOCKET - 1);
static struct list in_flight GUARDED_BY(&rights_lock) = LIST_INIT(in_flight); /* sockets */
/* Those reached of which the queues have yet to be looked at; of no thread's stack, which a fault may end. */
static struct list to_visit GUARDED_BY(&rights_lock) = LIST_INIT(to_visit);
/* Connections that a listener has yet to accept, while they are looked at: they have no file, so that flight_link is
 * free. */
static struct list waiting GUARDED_BY(&rights_lock) = LIST_INIT(waiting);
static struct spinlock doomed_lock = SPINLOCK_INIT(RANK_WAIT - 1);
static struct list doomed GUARDED_BY(&doomed_lock) = LIST_INIT(doomed); /* rights to be closed */
enum : uint64_t { LOOK_FIRST_NS = 10000000, LOOK_MOST_NS = 1000000000 };
static uint32_t look_wanted, files_in_flight; /* atomic */

static void loop(void);
static struct service closer = {.name = "net_closer", .component = &component_net, .loop = loop};

struct flyer { /* a user with files in flight */
	struct list link;
	uint32_t uid;
	uint64_t count;
};
static struct list flyers GUARDED_BY(&rights_lock) = LIST_INIT(flyers);

static struct flyer *flyer_of(uint32_t uid) REQUIRES(rights_lock)
{
	struct flyer *f;

	list_for_each(f, &flyers, link)
		if (f->uid == uid)
			return f;
	return nullptr;
}

static struct unix_socket *unix_of_file(const struct file *f)
{
	struct socket *s = socket_of_file(f);

	return s != nullptr && s->family == AF_UNIX ? unix_of(s) : nullptr;
}

static void count(struct socket_rights *r, int delta) REQUIRES(rights_lock)
{
	for (uint32_t n = 0; n < r->count; n++) {
		struct unix_socket *u = unix_of_file(r->files[n]);

		if (u == nullptr)
			continue;
		u->in_flight += (uint32_t)delta;
		if (u->in_flight == 0)
			list_remove(&u->flight_link);
		else if (list_empty(&u->flight_link))
			list_push_back(&in_flight, &u->flight_link);
	}
	__atomic_fetch_add(&files_in_flight, (uint32_t)(delta * (int)r->count), __ATOMIC_RELAXED);
}

int unix_rights_send(struct socket_rights *r)
{
	const struct subject *p = subject_current();
	struct flyer *made = kmalloc(sizeof(*made));
	int error = 0;

	if (made == nullptr)
		return -ENOMEM;
	r->uid = p != nullptr ? p->cred.uid : 0;
	mutex_lock(&rights_lock);
	struct flyer *f = flyer_of(r->uid);
	if (f == nullptr) {
		*made = (struct flyer){.uid = r->uid};
		list_push_back(&flyers, &made->link);
		f = made;
		made = nullptr;
	}
	if (f->count > process_rlimit(RLIMIT_NOFILE) && !capable(CAP_SYS_RESOURCE) && !capable(CAP_SYS_ADMIN)) {
		error = -ETOOMANYREFS;
	} else {
		f->count += r->count;
		count(r, 1);
	}
	mutex_unlock(&rights_lock);
	kfree(made);
	if (error != 0)
		socket_limit_tell("files in flight", r->uid);
	return error;
}

void unix_rights_received(struct socket_rights *r)
{
	mutex_lock(&rights_lock);
	count(r, -1);
	struct flyer *f = flyer_of(r->uid);
	if (f != nullptr) {
		f->count -= MIN(f->count, (uint64_t)r->count);
		if (f->count == 0)
			list_remove(&f->link);
		else
			f = nullptr;
	}
	mutex_unlock(&rights_lock);
	kfree(f);
}

struct socket_rights *unix_rights_copy(const struct socket_rights *r)
{
	struct socket_rights *copy = kmalloc(sizeof(*copy) + r->count * sizeof(copy->files[0]));

	if (copy == nullptr)
		return nullptr;
	copy->count = r->count;
	for (uint32_t n = 0; n < r->count; n++) {
		copy->files[n] = r->files[n];
		file_get(copy->files[n]);
	}
	return copy;
}

void unix_rights_copied(void)
{
	mutex_lock(&rights_lock);
	mutex_unlock(&rights_lock);
}

void unix_rights_drop(struct socket_rights *r)
{
	spin_lock(&doomed_lock);
	list_push_back(&doomed, &r->link);
	spin_unlock(&doomed_lock);
	service_wake(&closer);
}

void unix_rights_look(void)
{
	if (__atomic_load_n(&files_in_flight, __ATOMIC_ACQUIRE) == 0)
		return;
	__atomic_store_n(&look_wanted, 1, __ATOMIC_RELEASE);
	service_wake(&closer);
}

/* --- garbage --- */

typedef void visit_fn(struct unix_socket *in);

/* For each socket among the files that wait in u's queue. */
static void each_in_queue(struct unix_socket *u, visit_fn *visit) REQUIRES(rights_lock)
{
	struct unix_message *msg;

	mutex_lock(&u->socket.lock);
	list_for_each(msg, &u->queue, link) {
		for (uint32_t n = 0; msg->rights != nullptr && n < msg->rights->count; n++) {
			struct unix_socket *in = unix_of_file(msg->rights->files[n]);

			if (in != nullptr)
				visit(in);
		}
	}
	mutex_unlock(&u->socket.lock);
}

/* The connections that u has yet to accept, with a reference to each, into `waiting`. */
static void gather_waiting(struct unix_socket *u) REQUIRES(rights_lock)
{
	struct unix_socket *w;

	mutex_lock(&u->socket.lock);
	list_for_each(w, &u->backlog, backlog_link) {
		unix_get(w);
		list_push_back(&waiting, &w->flight_link);
	}
	mutex_unlock(&u->socket.lock);
}

/* One of them, whose reference is the caller's now; nullptr: that was the last. */
static struct unix_socket *next_waiting(void) REQUIRES(rights_lock)
{
	if (list_empty(&waiting))
		return nullptr;
	struct unix_socket *w = list_first(&waiting, struct unix_socket, flight_link);
	list_remove(&w->flight_link);
	if (w->in_flight > 0) /* a fault had left it there, and it was accepted since */
		list_push_back(&in_flight, &w->flight_link);
	return w;
}

/* The same for all that is received through u: a listener's connections are. */
static void each_behind(struct unix_socket *u, visit_fn *visit) REQUIRES(rights_lock)
{
	struct unix_socket *w;

	each_in_queue(u, visit);
	gather_waiting(u);
	while ((w = next_waiting()) != nullptr) {
		each_in_queue(w, visit);
		unix_put(w);
	}
}

static void find_one(struct unix_socket *in)
{
	in->found++;
}

static void reach(struct unix_socket *in) REQUIRES(rights_lock)
{
	if (!in->candidate || in->reached)
		return;
	in->reached = true;
	list_remove(&in->flight_link);
	list_push_back(&to_visit, &in->flight_link);
}

static struct unix_socket *next_to_visit(void) REQUIRES(rights_lock)
{
	if (list_empty(&to_visit))
		return nullptr;
	struct unix_socket *u = list_first(&to_visit, struct unix_socket, flight_link);
	list_remove(&u->flight_link);
	list_push_back(&in_flight, &u->flight_link);
	return u;
}

/* Marks what can be received by somebody. */
static void mark(void) REQUIRES(rights_lock)
{
	struct unix_socket *u, *next;

	while (next_to_visit() != nullptr) /* what a fault left */
		;
	while ((u = next_waiting()) != nullptr)
		unix_put(u);
	list_for_each(u, &in_flight, flight_link) {
		/* Not closed: the messages have its file. */
		u->candidate = __atomic_load_n(&u->socket.file->object.refs, __ATOMIC_ACQUIRE) == u->in_flight;
		u->reached = false;
		u->found = 0;
	}
	list_for_each(u, &in_flight, flight_link)
		if (u->candidate)
			each_behind(u, find_one);
	list_for_each_safe(u, next, &in_flight, flight_link)
		if (u->found < u->in_flight)
			reach(u);
	while ((u = next_to_visit()) != nullptr)
		each_behind(u, reach);
}

/* The files in u's queue are nobody's. */
static void take_rights(struct unix_socket *u, struct list *out) REQUIRES(rights_lock)
{
	struct unix_message *msg;

	mutex_lock(&u->socket.lock);
	list_for_each(msg, &u->queue, link) {
		if (msg->rights == nullptr)
			continue;
		list_push_back(out, &msg->rights->link);
		msg->rights = nullptr;
	}
	mutex_unlock(&u->socket.lock);
}

static void close_all(struct list *rights)
{
	while (!list_empty(rights)) {
		struct socket_rights *r = list_first(rights, struct socket_rights, link);

		list_remove(&r->link);
		unix_rights_received(r);
		socket_rights_free(r);
	}
}

static void collect(void)
{
	struct list garbage = LIST_INIT(garbage);
	struct unix_socket *u, *w;

	mutex_lock(&rights_lock);
	mark();
	list_for_each(u, &in_flight, flight_link) {
		if (!u->candidate || u->reached)
			continue;
		take_rights(u, &garbage);
		gather_waiting(u);
		while ((w = next_waiting()) != nullptr) {
			take_rights(w, &garbage);
			unix_put(w);
		}
	}
	mutex_unlock(&rights_lock);
	close_all(&garbage);
}

static void close_doomed(void)
{
	struct list taken = LIST_INIT(taken);

	spin_lock(&doomed_lock);
	while (!list_empty(&doomed)) {
		struct list *first = doomed.next;

		list_remove(first);
		list_push_back(&taken, first);
	}
	spin_unlock(&doomed_lock);
	close_all(&taken);
}

/* When to look next: nobody tells when a descriptor of a socket in flight is closed that was not the last reference. */
static uint64_t next_look(uint64_t *pause_ns)
{
	mutex_lock(&rights_lock);
	bool any = !list_empty(&in_flight);
	mutex_unlock(&rights_lock);
	if (!any)
		return 0;
	*pause_ns = MIN(*pause_ns * 2, LOOK_MOST_NS);
	return clock_monotonic_ns() + *pause_ns;
}

static void loop(void)
{
	uint64_t pause_ns = LOOK_FIRST_NS, deadline_ns = 0;

	do {
		close_doomed();
		if (__atomic_exchange_n(&look_wanted, 0, __ATOMIC_ACQ_REL))
			pause_ns = LOOK_FIRST_NS;
		collect();
		deadline_ns = next_look(&pause_ns);
	} while (!service_park(deadline_ns));
}

int unix_start(void)
{
	socket_account_start();
	return service_start(&closer);
}
