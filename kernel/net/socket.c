/* SPDX-License-Identifier: MIT */
/* Sockets (kernel/net/socket.h): what all families have, and their files. */
#include "internal.h"

#include <abi/poll.h>
#include <abi/signal.h>
#include <kernel/base/node.h>
#include <kernel/base/subject.h>
#include <kernel/file/poll.h>
#include <kernel/vfs/vfs.h>

enum : uint32_t { FIONREAD = 0x541b, TIOCOUTQ = 0x5411, SIOCATMARK = 0x8905 };
enum : int32_t { BUFFER_DEFAULT = 212992, BUFFER_LEAST = 4608, BUFFER_MOST = 1 << 28 };

DEFINE_COMPONENT(
	net, .stage = STAGE_FS,
	.users =
		"the call is EFAULT, or its process ends; other sockets go on, and what its thread had to do it does a pause later");

int32_t socket_send_default = BUFFER_DEFAULT, socket_receive_default = BUFFER_DEFAULT;
int32_t socket_send_max = BUFFER_DEFAULT, socket_receive_max = BUFFER_DEFAULT;
int32_t socket_backlog_max = 4096;
PROC_KNOB(wmem_default, component_net, "sys/net/core/wmem_default", 0644, &socket_send_default, BUFFER_LEAST,
	  BUFFER_MOST, 0);
PROC_KNOB(rmem_default, component_net, "sys/net/core/rmem_default", 0644, &socket_receive_default, BUFFER_LEAST,
	  BUFFER_MOST, 0);
PROC_KNOB(wmem_max, component_net, "sys/net/core/wmem_max", 0644, &socket_send_max, BUFFER_LEAST, BUFFER_MOST, 0);
PROC_KNOB(rmem_max, component_net, "sys/net/core/rmem_max", 0644, &socket_receive_max, BUFFER_LEAST, BUFFER_MOST, 0);
PROC_KNOB(somaxconn, component_net, "sys/net/core/somaxconn", 0644, &socket_backlog_max, 0, INT32_MAX, 0);

static uint64_t last_cookie; /* atomic */

void socket_init(struct socket *s, const struct socket_ops *ops, int family, uint32_t type, uint32_t protocol)
{
	s->refs = 1;
	s->ops = ops;
	s->family = (uint16_t)family;
	s->type = type;
	s->protocol = (uint16_t)protocol;
	s->cookie = __atomic_add_fetch(&last_cookie, 1, __ATOMIC_RELAXED);
	mutex_init(&s->lock, RANK_SOCKET);
	wait_queue_init(&s->readable);
	wait_queue_init(&s->writable);
	async_list_init(&s->async);
	s->send_limit = (uint32_t)__atomic_load_n(&socket_send_default, __ATOMIC_RELAXED);
	s->receive_limit = (uint32_t)__atomic_load_n(&socket_receive_default, __ATOMIC_RELAXED);
	s->receive_least = 1;
	s->peek_offset = -1;
}

void socket_get(struct socket *s)
{
	__atomic_fetch_add(&s->refs, 1, __ATOMIC_RELAXED);
}

void socket_put(struct socket *s)
{
	if (s != nullptr && __atomic_fetch_sub(&s->refs, 1, __ATOMIC_ACQ_REL) == 1)
		s->ops->free(s);
}

int socket_take_error(struct socket *s)
{
	if (__atomic_load_n(&s->error, __ATOMIC_RELAXED) == 0)
		return 0;
	return __atomic_exchange_n(&s->error, 0, __ATOMIC_ACQ_REL);
}

void socket_set_error(struct socket *s, int error)
{
	__atomic_store_n(&s->error, error, __ATOMIC_RELEASE);
}

size_t socket_peek_begin(const struct socket *s, uint32_t flags)
{
	int32_t offset = __atomic_load_n(&s->peek_offset, __ATOMIC_RELAXED);

	return flags & MSG_PEEK && offset > 0 ? (size_t)offset : 0;
}

void socket_peek_move(struct socket *s, uint32_t flags, size_t n)
{
	if (__atomic_load_n(&s->peek_offset, __ATOMIC_RELAXED) < 0)
		return;
	mutex_lock(&s->lock);
	int64_t offset = s->peek_offset;
	if (offset >= 0) {
		offset += flags & MSG_PEEK ? (int64_t)n : -(int64_t)n;
		offset = offset < 0 ? 0 : MIN(offset, (int64_t)INT32_MAX);
		__atomic_store_n(&s->peek_offset, (int32_t)offset, __ATOMIC_RELAXED);
	}
	mutex_unlock(&s->lock);
}

uint64_t socket_deadline(uint64_t timeout_ns)
{
	uint64_t now = clock_monotonic_ns();

	return timeout_ns == 0 || timeout_ns > UINT64_MAX - now ? 0 : now + timeout_ns;
}

/* A call that has a time limit is not begun again after a signal: it would have all its time once more (signal(7)). */
int socket_wait_error(int error, uint64_t timeout_ns)
{
	if (error == -ETIMEDOUT)
		return -EAGAIN;
	return error == -ERESTARTSYS && timeout_ns != 0 ? -EINTR : error;
}

void socket_wake_readers(struct socket *s)
{
	wait_wake_all(&s->readable);
	async_notify(&s->async, POLL_IN, FILE_READ);
}

void socket_wake_writers(struct socket *s)
{
	wait_wake_all(&s->writable);
	async_notify(&s->async, POLL_OUT, FILE_WRITE);
}

void socket_rights_free(struct socket_rights *r)
{
	for (uint32_t n = 0; r != nullptr && n < r->count; n++)
		file_put(r->files[n]);
	kfree(r);
}

/* --- files --- */

static struct mount *socket_mount; /* set at boot */
static const struct inode_ops no_inode_ops = {};

static int sockfs_statfs(struct superblock *, struct statfs *out)
{
	out->type = 0x534f434b;
	return 0;
}

static const struct super_ops sockfs_super_ops = {.statfs = sockfs_statfs};

static int sockfs_fill(struct superblock *sb, const struct mount_options *)
{
	return superblock_fill_nameless(sb, &sockfs_super_ops);
}

static struct filesystem sockfs = {.name = "sockfs", .component = &component_net, .fill = sockfs_fill, .single = true};

static int start(void)
{
	if (socket_mount == nullptr)
		socket_mount = mount_internal(&sockfs);
	return socket_mount != nullptr ? unix_start() : -ENOMEM;
}
COMPONENT_START(net, start);

static uint32_t transfer_flags(const struct file *f, const struct io_buffer *buf)
{
	return io_may_wait(f, buf) ? 0 : MSG_DONTWAIT;
}

static long socket_read(struct file *f, struct io_buffer *buf, size_t n, uint64_t *)
{
	struct socket *s = f->private_data;
	struct socket_message m = {.buffer = buf, .length = n, .flags = transfer_flags(f, buf)};

	if (n == 0) /* as read(2) of any file; recv(2) of no bytes looks for a message */
		return 0;
	long done = s->ops->receive(s, &m);
	socket_rights_free(m.rights); /* who reads does not get them */
	return done;
}

static long socket_write(struct file *f, struct io_buffer *buf, size_t n, uint64_t *)
{
	struct socket *s = f->private_data;
	struct socket_message m = {.buffer = buf, .length = n, .flags = transfer_flags(f, buf)};

	if (s->type == SOCK_SEQPACKET)
		m.flags |= MSG_EOR;
	return s->ops->send(s, &m);
}

static uint32_t socket_poll(struct file *f, struct poll_table *table)
{
	struct socket *s = f->private_data;

	return s->ops->poll(s, table);
}

static long (*device_ioctl)(uint32_t command, user_addr at); /* set at boot */

void socket_set_ioctl(long (*ioctl)(uint32_t command, user_addr at))
{
	device_ioctl = ioctl;
}

static long socket_ioctl(struct file *f, uint32_t command, uint64_t arg)
{
	struct socket *s = f->private_data;

	long number;

	switch (command) {
	case FIONREAD:
	case TIOCOUTQ: number = s->ops->bytes(s, command == TIOCOUTQ); break;
	case SIOCATMARK: number = s->ops->at_mark != nullptr ? s->ops->at_mark(s) : -EOPNOTSUPP; break;
	default: return device_ioctl != nullptr ? device_ioctl(command, USER_ADDR(arg)) : -ENOTTY;
	}
	int32_t value = (int32_t)MIN(number, (long)INT32_MAX);
	return number < 0 ? number : put_user(USER_ADDR(arg), value);
}

static struct async_list *socket_async(struct file *f)
{
	struct socket *s = f->private_data;

	return &s->async;
}

static void socket_release(struct file *f)
{
	struct socket *s = f->private_data;

	s->ops->release(s);
	socket_put(s);
}

static const struct file_ops socket_ops = {
	.component = &component_net,
	.read = socket_read,
	.write = socket_write,
	.poll = socket_poll,
	.ioctl = socket_ioctl,
	.release = socket_release,
	.async = socket_async,
};

int socket_file(struct socket *s, uint32_t flags, struct file **out)
{
	struct subject *p = subject_current();
	struct inode *i = inode_create(socket_mount->sb, S_IFSOCK | 0777, &no_inode_ops, nullptr);

	if (i == nullptr)
		return -ENOMEM;
	i->uid = p != nullptr ? p->cred.fsuid : 0;
	i->gid = p != nullptr ? p->cred.fsgid : 0;
	int error = file_create(&socket_ops, s, O_RDWR | (flags & O_NONBLOCK), "socket", out);
	if (error != 0) {
		inode_put(i);
		return error;
	}
	(*out)->inode = i;
	mutex_lock(&s->lock);
	s->ino = i->ino;
	s->uid = i->uid;
	s->file = *out;
	mutex_unlock(&s->lock);
	return 0;
}

struct socket *socket_of_file(const struct file *f)
{
	return f->ops == &socket_ops ? f->private_data : nullptr;
}

int socket_ref_get(int fd, struct file_ref *r, struct socket **out)
{
	int error = file_ref_get(fd, r);

	if (error != 0)
		return error;
	*out = socket_of_file(r->file);
	if (*out != nullptr)
		return 0;
	file_ref_put(*r);
	return -ENOTSOCK;
}
