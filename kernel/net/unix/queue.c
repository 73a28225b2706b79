/* SPDX-License-Identifier: MIT */
/*
 * Messages of sockets of one machine (unix.h). A few bytes stand in the message itself, more in pages of their own.
 * Reading claims bytes under the receiver's lock and copies afterwards, as of pipes.
 */
#include "unix.h"

enum : size_t { INLINE_MAX = 1024 };
enum : uint32_t { OVERHEAD = 256 }; /* what a message is charged for besides its bytes */

static void free_pages(struct unix_message *msg)
{
	if (msg->page_count > 0)
		page_put_batch(msg->pages, msg->page_count);
}

/* Pages for all of it; -ENOMEM, and none. */
static int take_pages(struct unix_message *msg, uint32_t count)
{
	while (msg->page_count < count) {
		unsigned got = page_alloc_user_batch(msg->pages + msg->page_count, count - msg->page_count, false);

		if (got == 0) {
			free_pages(msg);
			return -ENOMEM;
		}
		msg->page_count += got;
	}
	return 0;
}

int unix_message_create(struct unix_socket *u, const struct socket_message *m, size_t offset, size_t n,
			struct unix_message **out)
{
	uint32_t pages = n <= INLINE_MAX ? 0 : (uint32_t)((n + PAGE_SIZE - 1) / PAGE_SIZE);
	size_t bytes = sizeof(struct unix_message) + (pages > 0 ? pages * sizeof(struct page *) : n);
	size_t held = bytes + pages * PAGE_SIZE;

	int error = socket_charge(u->account, held);
	if (error != 0)
		return error;
	struct unix_message *msg = kmalloc(bytes);
	if (msg == nullptr) {
		error = -ENOMEM;
		goto uncharge;
	}
	list_init(&msg->link);
	msg->refs = 1;
	error = take_pages(msg, pages);
	if (error != 0)
		goto free;
	msg->length = (uint32_t)n;
	msg->charge = (uint32_t)n + OVERHEAD;
	msg->held = (uint32_t)held;
	size_t got = pages > 0 ? io_copy_in_pages(msg->pages, 0, m->buffer, offset, n)
			       : io_copy_in(msg->bytes, m->buffer, offset, n);
	if (got != n) {
		free_pages(msg);
		error = -EFAULT;
		goto free;
	}
	unix_get(u);
	msg->from = u;
	__atomic_fetch_add(&u->sent, msg->charge, __ATOMIC_RELAXED);
	*out = msg;
	return 0;
free:
	kfree(msg);
uncharge:
	socket_uncharge(u->account, held);
	return error;
}

bool unix_may_send(const struct unix_socket *u)
{
	return __atomic_load_n(&u->sent, __ATOMIC_ACQUIRE) < __atomic_load_n(&u->socket.send_limit, __ATOMIC_RELAXED);
}

/* poll(2) says so while most of the buffer is free, so that who is woken can send something worth it. */
bool unix_is_writable(const struct unix_socket *u)
{
	return (uint64_t)__atomic_load_n(&u->sent, __ATOMIC_ACQUIRE) * 4 <=
	       __atomic_load_n(&u->socket.send_limit, __ATOMIC_RELAXED);
}

void unix_message_put(struct unix_message *msg)
{
	if (__atomic_fetch_sub(&msg->refs, 1, __ATOMIC_ACQ_REL) != 1)
		return;
	struct unix_socket *from = msg->from;
	bool before = unix_is_writable(from);

	__atomic_fetch_sub(&from->sent, msg->charge, __ATOMIC_ACQ_REL);
	if (!before && unix_is_writable(from))
		socket_wake_writers(&from->socket);
	if (msg->rights != nullptr)
		unix_rights_drop(msg->rights);
	unix_name_put(msg->name);
	free_pages(msg);
	socket_uncharge(from->account, msg->held);
	kfree(msg);
	unix_put(from);
}

void unix_queue_push(struct unix_socket *u, struct unix_message *msg)
{
	msg->queued = true;
	list_push_back(&u->queue, &msg->link);
	__atomic_store_n(&u->queued, u->queued + 1, __ATOMIC_RELAXED);
}

/* The queue's reference is the caller's. */
void unix_queue_remove(struct unix_socket *u, struct unix_message *msg)
{
	msg->queued = false;
	if (u->urgent == msg)
		u->urgent = nullptr;
	list_remove(&msg->link);
	__atomic_store_n(&u->queued, u->queued - 1, __ATOMIC_RELAXED);
}

struct unix_message *unix_queue_first(const struct unix_socket *u)
{
	return list_empty(&u->queue) ? nullptr : list_first(&u->queue, struct unix_message, link);
}

void unix_queue_take(struct unix_socket *u, struct list *out)
{
	struct unix_message *msg;

	while ((msg = unix_queue_first(u)) != nullptr) {
		unix_queue_remove(u, msg);
		list_push_back(out, &msg->link);
	}
}

void unix_messages_put(struct list *messages)
{
	while (!list_empty(messages)) {
		struct unix_message *msg = list_first(messages, struct unix_message, link);

		list_remove(&msg->link);
		unix_message_put(msg);
	}
}

size_t unix_message_copy(const struct unix_message *msg, uint32_t begin, const struct socket_message *m, size_t offset,
			 size_t n)
{
	if (msg->page_count > 0)
		return io_copy_out_pages(m->buffer, offset, msg->pages, begin, n);
	return io_copy_out(m->buffer, offset, msg->bytes + begin, n);
}
