/* SPDX-License-Identifier: MIT */
/*
 * Message queues of System V: msgget(2), msgop(2), msgctl(2). A queue has limits of its own (msg_qbytes); together
 * they may hold a share of memory, since empty messages cost something, too: beyond it sending fails with ENOMEM.
 */
#include "internal.h"

#include <kernel/base/component.h>
#include <kernel/base/log.h>
#include <kernel/base/subject.h>
#include <kernel/mem/page.h>

enum : int32_t { MAX_DEFAULT = 8192, QUEUE_DEFAULT = 16384, QUEUES_LEAST = 16, QUEUES_MOST = 32000, MOST = 1 << 20 };
/* Of memory: all queues, filled; all messages with what they cost. */
enum : uint64_t { QUEUES_SHARE = 32, ALL_SHARE = 8 };
enum : uint64_t { READ_RIGHT = 0444, WRITE_RIGHT = 0222 };

struct message {
	struct list link;
	int64_t type;
	size_t bytes;
	uint8_t text[];
};
struct queue {
	struct ipc_object object; /* first */
	struct list messages;	  /* the oldest first */
	uint64_t bytes, count, most_bytes;
	int64_t sent_s, received_s;
	int32_t last_sender, last_receiver;
	struct wait_queue changed; /* a message came or went, or the queue */
	uint64_t changes;	   /* atomic: how often that was */
};

static int32_t message_max = MAX_DEFAULT, queue_max = QUEUE_DEFAULT; /* atomic */
static uint64_t all_bytes, all_most;				     /* atomic */

static void queue_free(struct ipc_object *o);
static IPC_KIND(queues, "queues", queue_free);

PROC_KNOB(msgmax, component_ipc, "sys/kernel/msgmax", 0644, &message_max, 0, MOST - (int32_t)sizeof(struct message), 0);
PROC_KNOB(msgmnb, component_ipc, "sys/kernel/msgmnb", 0644, &queue_max, 0, INT32_MAX, 0);
PROC_KNOB(msgmni, component_ipc, "sys/kernel/msgmni", 0644, &queues.limit, 0, (int32_t)IPC_PLACES - 1, 0);

void message_start(void)
{
	struct memory_stats memory;

	page_stats(&memory);
	uint64_t bytes = memory.total_pages * PAGE_SIZE;
	queues.limit =
		(int32_t)MAX(MIN(bytes / QUEUES_SHARE / QUEUE_DEFAULT, (uint64_t)QUEUES_MOST), (uint64_t)QUEUES_LEAST);
	all_most = bytes / ALL_SHARE;
}

static struct queue *queue_of(struct ipc_object *o)
{
	return container_of(o, struct queue, object);
}

static void message_free(struct message *m)
{
	__atomic_fetch_sub(&all_bytes, sizeof(*m) + m->bytes, __ATOMIC_RELAXED);
	kfree(m);
}

static void messages_free(struct list *messages)
{
	struct message *m, *next;

	list_for_each_safe(m, next, messages, link) {
		list_remove(&m->link);
		message_free(m);
	}
}

static void queue_free(struct ipc_object *o)
{
	messages_free(&queue_of(o)->messages);
	kfree(queue_of(o));
}

static int queue_make(const struct ipc_get *g, struct ipc_object **out)
{
	struct queue *q = kmalloc(sizeof(*q));

	if (q == nullptr)
		return -ENOMEM;
	ipc_object_init(&q->object, g);
	list_init(&q->messages);
	wait_queue_init(&q->changed);
	q->most_bytes = (uint64_t)__atomic_load_n(&queue_max, __ATOMIC_RELAXED);
	*out = &q->object;
	return 0;
}

static long sys_msgget(int32_t key, uint32_t flags)
{
	struct ipc_get g = {.kind = &queues, .key = key, .flags = flags, .make = queue_make};

	return ipc_get(&g);
}
SYSCALL(msgget);

static void queue_changed(struct queue *q)
{
	__atomic_fetch_add(&q->changes, 1, __ATOMIC_RELEASE);
	wait_wake_all(&q->changed);
}

/* Until something else is so of the queue, whose lock is dropped meanwhile. 0; -EIDRM, -EINTR: it is not locked then,
 * but still the caller's. */
static int queue_wait(struct queue *q)
{
	uint64_t seen = __atomic_load_n(&q->changes, __ATOMIC_ACQUIRE);

	ipc_unlock(&q->object);
	if (wait_event_interruptible(&q->changed, __atomic_load_n(&q->changes, __ATOMIC_ACQUIRE) != seen) != 0) {
		ipc_lock(&q->object);
		return q->object.gone ? -EIDRM : -EINTR;
	}
	ipc_lock(&q->object);
	return q->object.gone ? -EIDRM : 0;
}

static int message_make(user_addr text, size_t bytes, int64_t type, struct message **out)
{
	uint64_t all = __atomic_add_fetch(&all_bytes, sizeof(**out) + bytes, __ATOMIC_RELAXED);
	struct message *m = nullptr;

	if (all <= __atomic_load_n(&all_most, __ATOMIC_RELAXED) || capable(CAP_SYS_RESOURCE))
		m = kmalloc(sizeof(*m) + bytes);
	else if (ipc_may_tell())
		log_warn("ipc: messages of all queues hold %llu bytes: no more for user %u", (unsigned long long)all,
			 subject_current()->cred.uid);
	if (m == nullptr) {
		__atomic_fetch_sub(&all_bytes, sizeof(*m) + bytes, __ATOMIC_RELAXED);
		return -ENOMEM;
	}
	list_init(&m->link);
	m->type = type;
	m->bytes = bytes;
	if (copy_from_user(m->text, text, bytes) != 0) {
		message_free(m);
		return -EFAULT;
	}
	*out = m;
	return 0;
}

/* An empty message counts as one byte: else any number would fit. */
static bool has_room(const struct queue *q, const struct message *m)
{
	return q->bytes + m->bytes <= q->most_bytes && q->count + 1 <= q->most_bytes;
}

static int put_message(struct queue *q, struct message *m, uint32_t flags)
{
	int error;

	while ((error = ipc_permitted(&q->object, WRITE_RIGHT)) == 0 && !has_room(q, m)) {
		if (flags & IPC_NOWAIT)
			return -EAGAIN;
		error = queue_wait(q);
		if (error != 0)
			return error;
	}
	if (error != 0)
		return error;
	list_push_back(&q->messages, &m->link);
	q->bytes += m->bytes;
	q->count++;
	q->sent_s = ipc_seconds();
	q->last_sender = ipc_pid();
	queue_changed(q);
	return 0;
}

static long sys_msgsnd(int32_t id, user_addr at, uint64_t bytes, uint32_t flags)
{
	struct message *m;
	int64_t type;

	if (get_user(type, at) != 0)
		return -EFAULT;
	if (id < 0 || bytes > (uint64_t)__atomic_load_n(&message_max, __ATOMIC_RELAXED) || type < 1)
		return -EINVAL;
	int error = message_make(USER_ADDR(at.value + sizeof(type)), bytes, type, &m);
	if (error != 0)
		return error;
	struct ipc_object *o = ipc_find(&queues, id);
	error = o != nullptr ? put_message(queue_of(o), m, flags) : -EINVAL;
	if (o != nullptr)
		ipc_leave(o);
	if (error != 0)
		message_free(m);
	return error;
}
SYSCALL(msgsnd);

/* msgop(2): 0: the oldest of all; positive: the oldest of that type (MSG_EXCEPT: of any other); negative: of the lowest
 * type that is not above its magnitude. MSG_COPY: the one at that place. */
static struct message *wanted(struct queue *q, int64_t type, uint32_t flags)
{
	struct message *m, *best = nullptr;
	int64_t at = 0, most = type == INT64_MIN ? INT64_MAX : -type;

	list_for_each(m, &q->messages, link) {
		bool fits = flags & MSG_COPY	 ? at++ == type
			    : type == 0		 ? true
			    : type < 0		 ? m->type <= most && (best == nullptr || m->type < best->type)
			    : flags & MSG_EXCEPT ? m->type != type
						 : m->type == type;
		if (!fits)
			continue;
		best = m;
		if (type >= 0)
			break;
	}
	return best;
}

/* The message, out of the queue; with MSG_COPY another like it. */
static int take_message(struct queue *q, uint64_t bytes, int64_t type, uint32_t flags, struct message **out)
{
	struct message *m;
	int error;

	while ((error = ipc_permitted(&q->object, READ_RIGHT)) == 0 && (m = wanted(q, type, flags)) == nullptr) {
		if (flags & IPC_NOWAIT)
			return -ENOMSG;
		error = queue_wait(q);
		if (error != 0)
			return error;
	}
	if (error != 0)
		return error;
	if (m->bytes > bytes && !(flags & MSG_NOERROR))
		return -E2BIG;
	if (flags & MSG_COPY) {
		struct message *copy = kmalloc(sizeof(*m) + m->bytes);
		if (copy == nullptr)
			return -ENOMEM;
		memcpy(copy, m, sizeof(*m) + m->bytes);
		list_init(&copy->link);
		__atomic_fetch_add(&all_bytes, sizeof(*m) + m->bytes, __ATOMIC_RELAXED);
		*out = copy;
		return 0;
	}
	list_remove(&m->link);
	q->bytes -= m->bytes;
	q->count--;
	q->received_s = ipc_seconds();
	q->last_receiver = ipc_pid();
	queue_changed(q);
	*out = m;
	return 0;
}

static long sys_msgrcv(int32_t id, user_addr at, uint64_t bytes, int64_t type, uint32_t flags)
{
	struct message *m;

	if (id < 0 || bytes > INT64_MAX)
		return -EINVAL;
	if ((flags & MSG_COPY) && ((flags & MSG_EXCEPT) || !(flags & IPC_NOWAIT)))
		return -EINVAL;
	struct ipc_object *o = ipc_find(&queues, id);
	if (o == nullptr)
		return -EINVAL;
	int error = take_message(queue_of(o), bytes, type, flags, &m);
	ipc_leave(o);
	if (error != 0)
		return error;
	size_t n = MIN(m->bytes, bytes);
	if (put_user(at, m->type) != 0 || copy_to_user(USER_ADDR(at.value + sizeof(m->type)), m->text, n) != 0)
		error = -EFAULT;
	message_free(m);
	return error != 0 ? error : (long)n;
}
SYSCALL(msgrcv);

static long queue_status(int32_t id, int32_t command, user_addr at)
{
	struct ipc_object *o;
	struct abi_msqid out;

	int error = ipc_find_to_tell(&queues, id, command != IPC_STAT, command == MSG_STAT_ANY, &o);
	if (error != 0)
		return error;
	const struct queue *q = queue_of(o);
	out = (struct abi_msqid){
		.stime = q->sent_s,
		.rtime = q->received_s,
		.ctime = o->changed_s,
		.cbytes = q->bytes,
		.qnum = q->count,
		.qbytes = q->most_bytes,
		.lspid = q->last_sender,
		.lrpid = q->last_receiver,
	};
	ipc_tell(o, &out.perm);
	long result = command == IPC_STAT ? 0 : o->id;
	ipc_leave(o);
	return put_user(at, out) == 0 ? result : -EFAULT;
}

/* More than the default takes a privilege. */
static int set_most_bytes(struct queue *q, uint64_t bytes)
{
	if (bytes > (uint64_t)__atomic_load_n(&queue_max, __ATOMIC_RELAXED) && !capable(CAP_SYS_RESOURCE))
		return -EPERM;
	q->most_bytes = bytes;
	return 0;
}

static long queue_set(int32_t id, user_addr at)
{
	struct abi_msqid in;

	if (get_user(in, at) != 0)
		return -EFAULT;
	struct ipc_object *o;
	int error = ipc_find_owned(&queues, id, &o);
	if (error != 0)
		return error;
	error = set_most_bytes(queue_of(o), in.qbytes);
	if (error == 0) {
		ipc_set(o, &in.perm);
		queue_changed(queue_of(o));
	}
	ipc_leave(o);
	return error;
}

static long queue_remove(int32_t id)
{
	struct ipc_object *o = ipc_find(&queues, id);

	if (o == nullptr)
		return -EINVAL;
	int error = ipc_owned(o);
	if (error == 0) {
		o->gone = true;
		queue_changed(queue_of(o));
	}
	ipc_unlock(o);
	if (error == 0)
		ipc_remove(o);
	ipc_object_put(o);
	return error;
}

static void count_messages(struct abi_msginfo *out)
{
	uint64_t count = 0, bytes = 0;

	for (int32_t n = 0, last = ipc_last_place(&queues); n <= last; n++) {
		struct ipc_object *o = ipc_at(&queues, n);

		if (o == nullptr)
			continue;
		count += queue_of(o)->count;
		bytes += queue_of(o)->bytes;
		ipc_leave(o);
	}
	out->pool = (int32_t)ipc_count(&queues);
	out->map = (int32_t)MIN(count, (uint64_t)INT32_MAX);
	out->tql = (int32_t)MIN(bytes, (uint64_t)INT32_MAX);
}

static long queues_info(int32_t command, user_addr at)
{
	int32_t most = __atomic_load_n(&queue_max, __ATOMIC_RELAXED);
	struct abi_msginfo out = {
		.max = __atomic_load_n(&message_max, __ATOMIC_RELAXED),
		.mnb = most,
		.mni = __atomic_load_n(&queues.limit, __ATOMIC_RELAXED),
		/* Of no meaning any more, but told: msgctl(2). */
		.ssz = 16,
		.seg = 0xffff,
		.pool = (int32_t)((int64_t)queues.limit * most / 1024),
		.map = most,
		.tql = most,
	};

	if (command == MSG_INFO)
		count_messages(&out);
	return put_user(at, out) == 0 ? ipc_last_place(&queues) : -EFAULT;
}

static long sys_msgctl(int32_t id, int32_t command, user_addr at)
{
	if (id < 0 || command < 0)
		return -EINVAL;
	switch (command) {
	case IPC_INFO:
	case MSG_INFO: return queues_info(command, at);
	case IPC_STAT:
	case MSG_STAT:
	case MSG_STAT_ANY: return queue_status(id, command, at);
	case IPC_SET: return queue_set(id, at);
	case IPC_RMID: return queue_remove(id);
	default: return -EINVAL;
	}
}
SYSCALL(msgctl);

static void show_line(const struct ipc_object *o, struct text_buffer *b)
{
	const struct queue *q = container_of(o, const struct queue, object);

	text_printf(b, "%10d %10d  %4o  %10llu %10llu %5d %5d %5u %5u %5u %5u %10lld %10lld %10lld\n", o->key, o->id,
		    o->mode, (unsigned long long)q->bytes, (unsigned long long)q->count, q->last_sender,
		    q->last_receiver, o->uid, o->gid, o->cuid, o->cgid, (long long)q->sent_s, (long long)q->received_s,
		    (long long)o->changed_s);
}

static int show(struct text_buffer *b, void *)
{
	text_printf(b, "%10s %10s %5s  %10s %10s %5s %5s %5s %5s %5s %5s %10s %10s %10s\n", "key", "msqid", "perms",
		    "cbytes", "qnum", "lspid", "lrpid", "uid", "gid", "cuid", "cgid", "stime", "rtime", "ctime");
	ipc_show(&queues, b, show_line);
	return 0;
}
PROC_FILE(sysvipc_msg, .component = &component_ipc, .name = "sysvipc/msg", .mode = 0444, .show = show);
