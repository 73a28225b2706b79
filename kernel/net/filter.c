/* SPDX-License-Identifier: MIT */
/* Filters of packets that a process attaches to its socket (socket(7)). */
#include "internal.h"

#include <kernel/base/subject.h>
#include <lib/bpf.h>

struct socket_filter {
	uint32_t refs; /* atomic */
	uint32_t count;
	struct sock_filter program[];
};

uint32_t socket_filter_run(const struct socket_filter *f, const struct bpf_packet *p)
{
	return bpf_run(f->program, f->count, p);
}

size_t socket_filter_bytes(const struct socket_filter *f)
{
	return f != nullptr ? sizeof(*f) + f->count * sizeof(f->program[0]) : 0;
}

void socket_filter_get(struct socket_filter *f)
{
	__atomic_fetch_add(&f->refs, 1, __ATOMIC_RELAXED);
}

void socket_filter_put(struct socket_filter *f)
{
	if (f != nullptr && __atomic_fetch_sub(&f->refs, 1, __ATOMIC_ACQ_REL) == 1)
		kfree(f);
}

/* The process's program, checked, with one reference. */
static int from_user(user_addr at, uint32_t length, struct socket_filter **out)
{
	struct sock_fprog p;

	if (length != sizeof(p))
		return -EINVAL;
	if (get_user(p, at) != 0)
		return -EFAULT;
	if (p.count == 0 || p.count > FILTER_MAX)
		return -EINVAL;
	struct socket_filter *f = kmalloc(sizeof(*f) + p.count * sizeof(f->program[0]));
	uint16_t *scratch = kmalloc(p.count * sizeof(*scratch));
	int error = f == nullptr || scratch == nullptr ? -ENOMEM : 0;
	if (error == 0 && copy_from_user(f->program, USER_ADDR(p.at), p.count * sizeof(f->program[0])) != 0)
		error = -EFAULT;
	if (error == 0 && !bpf_check(f->program, p.count, scratch))
		error = -EINVAL;
	kfree(scratch);
	if (error != 0) {
		kfree(f);
		return error;
	}
	f->refs = 1;
	f->count = p.count;
	*out = f;
	return 0;
}

/* Locked it stays so, as does the filter. */
static int lock(struct socket *s, user_addr at, uint32_t length)
{
	int32_t value;

	if (length < sizeof(value))
		return -EINVAL;
	if (get_user(value, at) != 0)
		return -EFAULT;
	if (value == 0)
		return socket_switch(s, SO_LOCK_FILTER) ? -EPERM : 0;
	__atomic_fetch_or(&s->switches, SOCKET_SWITCH(SO_LOCK_FILTER), __ATOMIC_RELAXED);
	return 0;
}

int filter_option(struct socket *s, int option, user_addr at, uint32_t length)
{
	struct socket_filter *f = nullptr;

	if (s->ops->filter == nullptr)
		return -ENOPROTOOPT;
	if (option == SO_LOCK_FILTER)
		return lock(s, at, length);
	int error = option == SO_ATTACH_FILTER ? from_user(at, length, &f) : 0;
	if (error == 0)
		error = socket_switch(s, SO_LOCK_FILTER) ? -EPERM : s->ops->filter(s, f);
	if (error != 0)
		socket_filter_put(f);
	return error;
}
