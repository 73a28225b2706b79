/* SPDX-License-Identifier: MIT */
/*
 * Addresses of sockets of one machine (unix(7)): a path, whose inode is of type socket and leads to who is bound to it;
 * an abstract name of any bytes; or none. One table has those that are bound: by inode, or by name.
 */
#include "unix.h"

#include <kernel/base/subject.h>
#include <kernel/vfs/open.h>
#include <kernel/vfs/vfs.h>

enum : uint32_t { BUCKETS = 64, AUTOBIND_NAMES = 1 << 20 };

static struct mutex names_lock = MUTEX_INIT(names_lock, RANK_SOCKET + 1);
static struct list names[BUCKETS] GUARDED_BY(&names_lock); /* an all-zero list is empty */
static uint32_t next_autobind;				   /* atomic */

static bool is_abstract(const struct socket_address *a)
{
	return a->un.path[0] == '\0';
}

/* A family and at least a byte of a name, or the family alone, which is no name. */
static int check(const struct socket_address *a)
{
	if (a->length <= UNIX_PATH_AT || a->length > sizeof(a->un) || a->family != AF_UNIX)
		return -EINVAL;
	return 0;
}

static struct list *bucket_of_inode(const struct inode *i) REQUIRES(names_lock)
{
	return &names[((uintptr_t)i / 64) % BUCKETS];
}

static struct list *bucket_of_bytes(const struct socket_address *a) REQUIRES(names_lock)
{
	uint32_t hash = 2166136261; /* FNV-1a */

	for (uint32_t n = 0; n < a->length; n++)
		hash = (hash ^ a->bytes[n]) * 16777619;
	return &names[hash % BUCKETS];
}

/* The name that is bound in the bucket to the inode, or to the bytes if there is none: each type of socket has abstract
 * names of its own. */
static struct unix_name *find_in(struct list *bucket, const struct inode *i, const struct socket_address *a,
				 uint32_t type) REQUIRES(names_lock)
{
	struct unix_name *n;

	if (bucket->next == nullptr)
		list_init(bucket);
	list_for_each(n, bucket, link) {
		if (i != nullptr ? n->path.dentry != nullptr && n->path.dentry->inode == i
				 : n->path.dentry == nullptr && n->owner->socket.type == type &&
					   n->address.length == a->length &&
					   memcmp(n->address.bytes, a->bytes, a->length) == 0)
			return n;
	}
	return nullptr;
}

void unix_name_put(struct unix_name *n)
{
	if (n == nullptr || __atomic_fetch_sub(&n->refs, 1, __ATOMIC_ACQ_REL) != 1)
		return;
	if (n->path.dentry != nullptr)
		path_put(&n->path);
	kfree(n);
}

void unix_name_copy(const struct unix_name *n, struct socket_address *out)
{
	if (n != nullptr)
		*out = n->address;
	else
		*out = (struct socket_address){.length = UNIX_PATH_AT, .family = AF_UNIX};
}

static struct unix_name *name_create(const struct socket_address *a)
{
	struct unix_name *n = kmalloc(sizeof(*n));

	if (n == nullptr)
		return nullptr;
	n->refs = 1;
	list_init(&n->link);
	n->address = *a;
	return n;
}

/* Into the table, as u's. -EADDRINUSE. */
static int enter(struct unix_name *n, struct unix_socket *u)
{
	const struct inode *i = n->path.dentry != nullptr ? n->path.dentry->inode : nullptr;
	int error = 0;

	mutex_lock(&names_lock);
	struct list *bucket = i != nullptr ? bucket_of_inode(i) : bucket_of_bytes(&n->address);
	if (find_in(bucket, i, &n->address, u->socket.type) != nullptr) {
		error = -EADDRINUSE;
	} else {
		n->owner = u;
		list_push_back(bucket, &n->link);
	}
	mutex_unlock(&names_lock);
	return error;
}

/* A socket is bound once; who binds it has it for himself meanwhile. */
static int begin_binding(struct unix_socket *u)
{
	mutex_lock(&u->socket.lock);
	int error = u->name != nullptr || u->binding || u->state == UNIX_CLOSED ? -EINVAL : 0;
	if (error == 0)
		u->binding = true;
	mutex_unlock(&u->socket.lock);
	return error;
}

static void end_binding(struct unix_socket *u, struct unix_name *n)
{
	mutex_lock(&u->socket.lock);
	u->binding = false;
	u->name = n;
	mutex_unlock(&u->socket.lock);
}

/* The inode of a path, made now. The address's length then counts the terminator. */
static int make_node(struct unix_name *n)
{
	char path[UNIX_PATH_MAX + 1];
	uint32_t length = n->address.length - UNIX_PATH_AT;

	memcpy(path, n->address.un.path, length);
	path[length] = '\0';
	n->address.length = UNIX_PATH_AT + (uint32_t)strlen(path) + 1;
	int error = path_make_node(path, S_IFSOCK | S_IRWXUGO, &n->path);
	return error == -EEXIST ? -EADDRINUSE : error;
}

int unix_bind(struct socket *s, const struct socket_address *a)
{
	struct unix_socket *u = unix_of(s);

	if (a->length == UNIX_PATH_AT && a->family == AF_UNIX)
		return unix_autobind(u);
	int error = check(a);
	if (error != 0)
		return error;
	struct unix_name *n = name_create(a);
	if (n == nullptr)
		return -ENOMEM;
	error = begin_binding(u);
	if (error != 0) {
		unix_name_put(n);
		return error;
	}
	if (!is_abstract(a))
		error = make_node(n);
	if (error == 0)
		error = enter(n, u);
	end_binding(u, error == 0 ? n : nullptr);
	if (error != 0)
		unix_name_put(n);
	return error;
}

/* Five hexadecimal digits behind the zero byte. */
static void number_name(struct socket_address *a, uint32_t number)
{
	*a = (struct socket_address){.length = UNIX_PATH_AT + 6, .family = AF_UNIX};
	for (unsigned n = 0; n < 5; n++)
		a->un.path[1 + n] = "0123456789abcdef"[number >> (16 - 4 * n) & 15];
}

int unix_autobind(struct unix_socket *u)
{
	struct socket_address a = {};
	int error = begin_binding(u);

	if (error != 0) /* it has a name, or gets one just now */
		return 0;
	struct unix_name *n = name_create(&a);
	error = n == nullptr ? -ENOMEM : -EADDRINUSE;
	for (uint32_t tries = 0; error == -EADDRINUSE && tries < AUTOBIND_NAMES && !signal_fatal_current(); tries++) {
		number_name(&n->address, __atomic_fetch_add(&next_autobind, 1, __ATOMIC_RELAXED) % AUTOBIND_NAMES);
		error = enter(n, u);
	}
	end_binding(u, error == 0 ? n : nullptr);
	if (error != 0)
		unix_name_put(n);
	return error == -EADDRINUSE ? -ENOSPC : error;
}

struct unix_name *unix_unbind(struct unix_socket *u)
{
	mutex_lock(&u->socket.lock);
	struct unix_name *n = u->name;
	u->name = nullptr;
	bool owned = n != nullptr && n->owner == u; /* else it is its listener's */
	mutex_unlock(&u->socket.lock);
	if (owned) {
		mutex_lock(&names_lock);
		list_remove(&n->link);
		n->owner = nullptr;
		mutex_unlock(&names_lock);
	}
	return n;
}

static int find(const struct inode *i, const struct socket_address *a, uint32_t type, struct unix_socket **out)
{
	mutex_lock(&names_lock);
	struct unix_name *n = find_in(i != nullptr ? bucket_of_inode(i) : bucket_of_bytes(a), i, a, type);
	*out = n != nullptr ? n->owner : nullptr;
	if (*out != nullptr)
		unix_get(*out);
	mutex_unlock(&names_lock);
	return *out != nullptr ? 0 : -ECONNREFUSED;
}

static int find_path(const struct socket_address *a, struct unix_socket **out)
{
	char text[UNIX_PATH_MAX + 1];
	uint32_t length = a->length - UNIX_PATH_AT;
	struct path p;

	memcpy(text, a->un.path, length);
	text[length] = '\0';
	int error = path_lookup(AT_FDCWD, text, WALK_FOLLOW, &p);
	if (error != 0)
		return error;
	error = inode_permission(p.dentry->inode, W_OK, false);
	if (error == 0)
		error = S_ISSOCK(p.dentry->inode->mode) ? find(p.dentry->inode, a, 0, out) : -ECONNREFUSED;
	path_put(&p);
	return error;
}

int unix_find(const struct socket_address *a, uint32_t type, struct unix_socket **out)
{
	int error = check(a);

	if (error != 0)
		return error;
	return is_abstract(a) ? find(nullptr, a, type, out) : find_path(a, out);
}
