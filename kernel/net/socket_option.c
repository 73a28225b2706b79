/* SPDX-License-Identifier: MIT */
/* setsockopt(2), getsockopt(2): the level of sockets (socket(7)); others are their family's. */
#include "internal.h"

#include <abi/netdevice_ioctl.h>
#include <kernel/base/subject.h>
#include <kernel/base/syscall.h>

enum : int64_t { NS_PER_S = 1000000000, NS_PER_US = 1000 };
enum : uint32_t { BUFFER_OVERHEAD = 2, SEND_LEAST = 4608, RECEIVE_LEAST = 2304, BUFFER_MOST = 1u << 30 };

/* What is only kept, or acted upon by who reads the switch. */
constexpr uint64_t SWITCHES = SOCKET_SWITCH(SO_DEBUG) | SOCKET_SWITCH(SO_REUSEADDR) | SOCKET_SWITCH(SO_DONTROUTE) |
			      SOCKET_SWITCH(SO_BROADCAST) | SOCKET_SWITCH(SO_KEEPALIVE) | SOCKET_SWITCH(SO_OOBINLINE) |
			      SOCKET_SWITCH(SO_PASSCRED) | SOCKET_SWITCH(SO_REUSEPORT);

static bool is_switch(int option)
{
	return option >= 0 && option < 64 && SWITCHES & SOCKET_SWITCH(option);
}

static void set_switch(struct socket *s, int option, bool on)
{
	if (on)
		__atomic_fetch_or(&s->switches, SOCKET_SWITCH(option), __ATOMIC_RELAXED);
	else
		__atomic_fetch_and(&s->switches, ~SOCKET_SWITCH(option), __ATOMIC_RELAXED);
}

/* Twice what is asked for, for what the kernel needs besides the bytes (socket(7)). */
static void set_limit(uint32_t *limit, uint32_t value, uint32_t most, uint32_t least)
{
	value = MIN(value, most) * BUFFER_OVERHEAD;
	__atomic_store_n(limit, value < least ? least : value, __ATOMIC_RELAXED);
}

/* Who waits for room has it now, perhaps, and nobody tells it later: nothing becomes writable that is so already. */
static int set_send_limit(struct socket *s, int error)
{
	if (error == 0)
		socket_wake_writers(s);
	return error;
}

static int set_limit_forced(uint32_t *limit, uint32_t value, uint32_t least)
{
	if (!capable(CAP_NET_ADMIN))
		return -EPERM;
	set_limit(limit, (int32_t)value < 0 ? 0 : value, BUFFER_MOST / BUFFER_OVERHEAD, least);
	return 0;
}

static int set_number(struct socket *s, int option, int value)
{
	switch (option) {
	case SO_SNDBUF:
		set_limit(&s->send_limit, (uint32_t)value,
			  (uint32_t)__atomic_load_n(&socket_send_max, __ATOMIC_RELAXED), SEND_LEAST);
		return set_send_limit(s, 0);
	case SO_RCVBUF:
		set_limit(&s->receive_limit, (uint32_t)value,
			  (uint32_t)__atomic_load_n(&socket_receive_max, __ATOMIC_RELAXED), RECEIVE_LEAST);
		return 0;
	case SO_SNDBUFFORCE: return set_send_limit(s, set_limit_forced(&s->send_limit, (uint32_t)value, SEND_LEAST));
	case SO_RCVBUFFORCE: return set_limit_forced(&s->receive_limit, (uint32_t)value, RECEIVE_LEAST);
	case SO_PRIORITY:
		if ((value < 0 || value > 6) && !capable(CAP_NET_ADMIN) && !capable(CAP_NET_RAW))
			return -EPERM;
		__atomic_store_n(&s->priority, (uint32_t)value, __ATOMIC_RELAXED);
		return 0;
	case SO_RCVLOWAT:
		__atomic_store_n(&s->receive_least,
				 value < 0    ? INT32_MAX
				 : value == 0 ? 1
					      : (uint32_t)value,
				 __ATOMIC_RELAXED);
		return 0;
	case SO_PEEK_OFF:
		if (!s->ops->peeks_at)
			return -EOPNOTSUPP;
		mutex_lock(&s->lock);
		__atomic_store_n(&s->peek_offset, value, __ATOMIC_RELAXED);
		mutex_unlock(&s->lock);
		return 0;
	case SO_TYPE:
	case SO_PROTOCOL:
	case SO_DOMAIN:
	case SO_ERROR:
	case SO_SNDLOWAT:
	case SO_ACCEPTCONN:
	default: return -ENOPROTOOPT;
	}
}

/* A time of seconds and microseconds; 0: for ever; less than 0: at once. */
static int set_timeout(uint64_t *timeout, user_addr at, uint32_t length)
{
	int64_t t[2];
	uint64_t ns;

	if (length < sizeof(t))
		return -EINVAL;
	if (get_user(t, at) != 0)
		return -EFAULT;
	if (t[1] < 0 || t[1] >= NS_PER_S / NS_PER_US)
		return -EDOM;
	if (t[0] < 0)
		ns = 1;
	else if (t[0] > INT64_MAX / NS_PER_S - 1)
		ns = 0;
	else
		ns = (uint64_t)(t[0] * NS_PER_S + t[1] * NS_PER_US);
	__atomic_store_n(timeout, ns, __ATOMIC_RELAXED);
	return 0;
}

static int set_linger(struct socket *s, user_addr at, uint32_t length)
{
	struct linger l;

	if (length < sizeof(l))
		return -EINVAL;
	if (get_user(l, at) != 0)
		return -EFAULT;
	mutex_lock(&s->lock);
	s->linger = (struct linger){.on = l.on != 0, .seconds = l.seconds};
	mutex_unlock(&s->lock);
	return 0;
}

/* A name, ended or not. */
static int bind_device(struct socket *s, user_addr at, uint32_t length)
{
	char name[IFNAMSIZ] = {};

	if (s->ops->bind_device == nullptr)
		return -ENOPROTOOPT;
	if (copy_from_user(name, at, MIN(length, (uint32_t)sizeof(name) - 1)) != 0)
		return -EFAULT;
	return s->ops->bind_device(s, name);
}

static int set_option(struct socket *s, int option, user_addr at, uint32_t length)
{
	int32_t value;

	switch (option) {
	case SO_RCVTIMEO:
	case SO_RCVTIMEO_NEW: return set_timeout(&s->receive_timeout_ns, at, length);
	case SO_SNDTIMEO:
	case SO_SNDTIMEO_NEW: return set_timeout(&s->send_timeout_ns, at, length);
	case SO_BINDTODEVICE: return bind_device(s, at, length);
	case SO_ATTACH_FILTER:
	case SO_DETACH_FILTER:
	case SO_LOCK_FILTER: return filter_option(s, option, at, length);
	default: break;
	}
	if (length < sizeof(value))
		return -EINVAL;
	if (get_user(value, at) != 0)
		return -EFAULT;
	if (option == SO_LINGER)
		return set_linger(s, at, length);
	if (!is_switch(option))
		return set_number(s, option, value);
	if (option == SO_DEBUG && value != 0 && !capable(CAP_NET_ADMIN))
		return -EACCES;
	if (option == SO_REUSEPORT && value != 0 && !s->ops->has_ports)
		return -EOPNOTSUPP;
	set_switch(s, option, value != 0);
	if (s->ops->switched != nullptr)
		s->ops->switched(s, option, value != 0);
	return 0;
}

static long sys_setsockopt(int fd, int level, int option, user_addr at, int length)
{
	struct file_ref r;
	struct socket *s;

	if (length < 0)
		return -EINVAL;
	int error = socket_ref_get(fd, &r, &s);
	if (error != 0)
		return error;
	if (level == SOL_SOCKET)
		error = set_option(s, option, at, (uint32_t)length);
	else if (s->ops->option_set != nullptr)
		error = s->ops->option_set(s, level, option, at, (uint32_t)length);
	else
		error = s->family == AF_UNIX ? -EOPNOTSUPP : -ENOPROTOOPT;
	file_ref_put(r);
	if (error == -ENOPROTOOPT)
		(void)syscall_refuse_flags(NR_setsockopt, (uint32_t)option);
	return error;
}
SYSCALL(setsockopt);

/* --- asking --- */

struct answer {
	uint32_t length;
	union {
		int32_t number;
		int64_t time[2];
		uint64_t cookie;
		struct ucred cred;
		struct linger linger;
	};
};

static void number(struct answer *a, uint32_t value)
{
	a->length = sizeof(a->number);
	a->number = (int32_t)value;
}

static void show_timeout(struct answer *a, const uint64_t *timeout)
{
	uint64_t ns = __atomic_load_n(timeout, __ATOMIC_RELAXED);

	a->length = sizeof(a->time);
	a->time[0] = ns == 1 ? 0 : (int64_t)(ns / NS_PER_S);
	a->time[1] = (int64_t)(ns % NS_PER_S / NS_PER_US);
}

static int get_option(struct socket *s, int option, struct answer *a)
{
	if (is_switch(option)) {
		number(a, socket_switch(s, option));
		return 0;
	}
	switch (option) {
	case SO_TYPE: number(a, s->type); return 0;
	case SO_DOMAIN: number(a, s->family); return 0;
	case SO_PROTOCOL: number(a, s->protocol); return 0;
	case SO_ERROR: number(a, (uint32_t)-socket_take_error(s)); return 0;
	case SO_ACCEPTCONN: number(a, s->ops->listens(s)); return 0;
	case SO_SNDBUF: number(a, __atomic_load_n(&s->send_limit, __ATOMIC_RELAXED)); return 0;
	case SO_RCVBUF: number(a, __atomic_load_n(&s->receive_limit, __ATOMIC_RELAXED)); return 0;
	case SO_PRIORITY: number(a, __atomic_load_n(&s->priority, __ATOMIC_RELAXED)); return 0;
	case SO_RCVLOWAT: number(a, __atomic_load_n(&s->receive_least, __ATOMIC_RELAXED)); return 0;
	case SO_SNDLOWAT: number(a, 1); return 0;
	case SO_LOCK_FILTER: number(a, socket_switch(s, SO_LOCK_FILTER)); return 0;
	case SO_PEEK_OFF:
		number(a, (uint32_t)__atomic_load_n(&s->peek_offset, __ATOMIC_RELAXED));
		return s->ops->peeks_at ? 0 : -EOPNOTSUPP;
	case SO_RCVTIMEO:
	case SO_RCVTIMEO_NEW: show_timeout(a, &s->receive_timeout_ns); return 0;
	case SO_SNDTIMEO:
	case SO_SNDTIMEO_NEW: show_timeout(a, &s->send_timeout_ns); return 0;
	case SO_COOKIE:
		a->length = sizeof(a->cookie);
		a->cookie = s->cookie;
		return 0;
	case SO_LINGER:
		a->length = sizeof(a->linger);
		mutex_lock(&s->lock);
		a->linger = s->linger;
		mutex_unlock(&s->lock);
		return 0;
	case SO_PEERCRED: a->length = sizeof(a->cred); return s->ops->peer_cred(s, &a->cred);
	default: return -ENOPROTOOPT;
	}
}

/* Of another level: the family writes what it has. */
static int get_elsewhere(struct socket *s, int level, int option, user_addr at, uint32_t room, user_addr length_at)
{
	int error = s->ops->option_get(s, level, option, at, &room);
	int32_t length = (int32_t)room;

	return error == 0 && put_user(length_at, length) != 0 ? -EFAULT : error;
}

static int get_device(struct socket *s, user_addr at, uint32_t room, user_addr length_at)
{
	char name[IFNAMSIZ] = {};

	if (s->ops->bound_device == nullptr)
		return -ENOPROTOOPT;
	s->ops->bound_device(s, name);
	int32_t length = name[0] == '\0' ? 0 : (int32_t)strlen(name) + 1;
	if (length > 0 && room < IFNAMSIZ)
		return -EINVAL;
	return copy_to_user(at, name, (size_t)length) != 0 || put_user(length_at, length) != 0 ? -EFAULT : 0;
}

static long sys_getsockopt(int fd, int level, int option, user_addr at, user_addr length_at)
{
	struct answer a = {};
	struct file_ref r;
	struct socket *s;
	int32_t room;

	int error = socket_ref_get(fd, &r, &s);
	if (error != 0)
		return error;
	if (level != SOL_SOCKET && s->ops->option_get == nullptr)
		error = s->family == AF_UNIX ? -EOPNOTSUPP : -ENOPROTOOPT;
	else if (get_user(room, length_at) != 0)
		error = -EFAULT;
	else if (room < 0)
		error = -EINVAL;
	else if (level == SOL_SOCKET && option == SO_BINDTODEVICE)
		error = get_device(s, at, (uint32_t)room, length_at);
	else if (level != SOL_SOCKET)
		error = get_elsewhere(s, level, option, at, (uint32_t)room, length_at);
	else
		error = get_option(s, option, &a);
	file_ref_put(r);
	if (error == -ENOPROTOOPT)
		(void)syscall_refuse_flags(NR_getsockopt, (uint32_t)option);
	if (error != 0)
		return error;
	if (level != SOL_SOCKET || option == SO_BINDTODEVICE)
		return 0;
	if (option == SO_COOKIE && (uint32_t)room < a.length)
		return -EINVAL;
	room = MIN(room, (int32_t)a.length);
	return copy_to_user(at, &a.number, (size_t)room) != 0 || put_user(length_at, room) != 0 ? -EFAULT : 0;
}
SYSCALL(getsockopt);
