/* SPDX-License-Identifier: MIT */
/* A netlink socket's life (netlink.h): made, given a port and groups, closed; /proc/net/netlink. */
#include "netlink.h"

#include <kernel/base/node.h>
#include <kernel/ipc/letter.h>
#include <kernel/mem/text.h>
#include <kernel/vfs/vfs.h>

/* What a socket holds, with its file and inode. */
enum : size_t { SOCKET_BYTES = sizeof(struct netlink_socket) + sizeof(struct file) + sizeof(struct inode) };

static int start(void)
{
	letter_set_writer(&netlink_letters);
	return 0;
}

DEFINE_COMPONENT(netlink, .stage = STAGE_FS, .start = start,
		 .users = "the call is EFAULT; other sockets go on, and so do the network's settings",
		 .stays = "it has no thread, and its data are the processes' sockets");

const struct netlink_protocol *netlink_route;

void netlink_set_route(const struct netlink_protocol *p)
{
	__atomic_store_n(&netlink_route, p, __ATOMIC_RELEASE);
}

/* --- all of them --- */

static struct mutex all_lock = MUTEX_INIT(all_lock, RANK_SOCKET + 2);
static struct list all GUARDED_BY(&all_lock) = LIST_INIT(all);
static uint32_t last_port GUARDED_BY(&all_lock);

void netlink_each(void (*fn)(struct netlink_socket *n, void *context), void *context)
{
	struct netlink_socket *n;

	mutex_lock(&all_lock);
	list_for_each(n, &all, all)
		fn(n, context);
	mutex_unlock(&all_lock);
}

static bool is_taken(uint32_t port) REQUIRES(&all_lock)
{
	const struct netlink_socket *n;

	list_for_each(n, &all, all) {
		if (n->port == port)
			return true;
	}
	return false;
}

/* Its process's number, for the first of a process; for others one that no process has. */
static uint32_t free_port(void) REQUIRES(&all_lock)
{
	const struct subject *p = subject_current();
	uint32_t port = p != nullptr ? p->pid : 0;

	while (port == 0 || is_taken(port))
		port = UINT32_MAX - 4096 - last_port++ % (1u << 30);
	return port;
}

int netlink_take_port(struct netlink_socket *n, uint32_t wanted)
{
	int error = 0;

	mutex_lock(&all_lock);
	if (n->port != 0)
		error = wanted == 0 || wanted == n->port ? 0 : -EINVAL;
	else if (wanted != 0 && is_taken(wanted))
		error = -EADDRINUSE;
	else
		__atomic_store_n(&n->port, wanted != 0 ? wanted : free_port(), __ATOMIC_RELAXED);
	mutex_unlock(&all_lock);
	return error;
}

/* --- names --- */

static int netlink_bind(struct socket *s, const struct socket_address *a)
{
	struct netlink_socket *n = netlink_of(s);
	struct sockaddr_nl own;

	if (a->length < sizeof(own) || a->family != AF_NETLINK)
		return -EINVAL;
	memcpy(&own, a->bytes, sizeof(own));
	int error = netlink_take_port(n, own.port);
	if (error != 0)
		return error;
	/* The first 32; those beyond are joined one by one. */
	uint64_t groups = __atomic_load_n(&n->groups, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&n->groups, &groups, (groups & ~(uint64_t)UINT32_MAX) | own.groups, false,
					    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
	return 0;
}

/* It has one other side in any case. */
static int netlink_connect(struct socket *s, const struct socket_address *a, bool)
{
	struct sockaddr_nl to;

	if (a->length < sizeof(a->family))
		return -EINVAL;
	if (a->family == AF_UNSPEC)
		return 0;
	if (a->length < sizeof(to) || a->family != AF_NETLINK)
		return -EINVAL;
	memcpy(&to, a->bytes, sizeof(to));
	if (to.port != 0 || to.groups != 0)
		return capable(CAP_NET_ADMIN) ? -ECONNREFUSED : -EPERM;
	return netlink_take_port(netlink_of(s), 0);
}

static int netlink_name(struct socket *s, bool peers, struct socket_address *out)
{
	struct netlink_socket *n = netlink_of(s);
	struct sockaddr_nl a = {.family = AF_NETLINK};

	if (!peers) {
		a.port = __atomic_load_n(&n->port, __ATOMIC_RELAXED);
		a.groups = (uint32_t)__atomic_load_n(&n->groups, __ATOMIC_RELAXED);
	}
	out->length = sizeof(a);
	memcpy(out->bytes, &a, sizeof(a));
	return 0;
}

/* --- what it has not --- */

static int no_listen(struct socket *, uint32_t)
{
	return -EOPNOTSUPP;
}

static int no_accept(struct socket *, bool, struct socket **)
{
	return -EOPNOTSUPP;
}

static int no_shutdown(struct socket *, uint32_t)
{
	return -EOPNOTSUPP;
}

static bool listens_not(struct socket *)
{
	return false;
}

static int no_peer_cred(struct socket *, struct ucred *out)
{
	*out = (struct ucred){.uid = UINT32_MAX, .gid = UINT32_MAX};
	return 0;
}

/* --- its life --- */

static void netlink_release(struct socket *s)
{
	struct netlink_socket *n = netlink_of(s);

	mutex_lock(&all_lock);
	list_remove(&n->all);
	mutex_unlock(&all_lock);
	mutex_lock(&s->lock);
	s->file = nullptr;
	mutex_unlock(&s->lock);
	netlink_purge(n);
}

static void netlink_free(struct socket *s)
{
	struct netlink_socket *n = netlink_of(s);

	netlink_purge(n); /* a letter may have come after its file went */
	socket_uncharge(n->account, SOCKET_BYTES);
	socket_account_put(n->account);
	kfree(n);
}

static const struct socket_ops netlink_ops = {
	.bind = netlink_bind,
	.connect = netlink_connect,
	.listen = no_listen,
	.accept = no_accept,
	.name = netlink_name,
	.send = netlink_send,
	.receive = netlink_receive,
	.shutdown = no_shutdown,
	.poll = netlink_poll,
	.bytes = netlink_pending,
	.listens = listens_not,
	.peer_cred = no_peer_cred,
	.option_set = netlink_option_set,
	.option_get = netlink_option_get,
	.release = netlink_release,
	.free = netlink_free,
};

static int create(uint32_t type, int protocol, struct socket **out)
{
	if (type != SOCK_RAW && type != SOCK_DGRAM)
		return -ESOCKTNOSUPPORT;
	if (protocol != NETLINK_ROUTE || __atomic_load_n(&netlink_route, __ATOMIC_ACQUIRE) == nullptr)
		return -EPROTONOSUPPORT;
	struct socket_account *account = socket_account_get();
	if (account == nullptr)
		return -ENOMEM;
	int error = socket_charge(account, SOCKET_BYTES);
	struct netlink_socket *n = error == 0 ? kmalloc(sizeof(*n)) : nullptr;
	if (n == nullptr) {
		if (error == 0)
			socket_uncharge(account, SOCKET_BYTES);
		socket_account_put(account);
		return error != 0 ? error : -ENOMEM;
	}
	socket_init(&n->socket, &netlink_ops, AF_NETLINK, type, (uint32_t)protocol);
	list_init(&n->queue);
	list_init(&n->all);
	spin_init(&n->queue_lock, RANK_WAIT - 1);
	n->account = account;
	n->admin = capable(CAP_NET_ADMIN);
	mutex_lock(&all_lock);
	list_push_back(&all, &n->all);
	mutex_unlock(&all_lock);
	*out = &n->socket;
	return 0;
}
SOCKET_FAMILY(netlink, .family = AF_NETLINK, .create = create);

/* --- /proc/net/netlink --- */

static void show_one(struct netlink_socket *n, void *text)
{
	bool open = __atomic_load_n(&n->socket.file, __ATOMIC_ACQUIRE) != nullptr;

	text_printf(text, "%016lx %-3d %-10u %08x %-8u %-8u %-5u %-8u %-8u %-8lu\n", 0ul, NETLINK_ROUTE, n->port,
		    (uint32_t)n->groups, n->charged, 0u, 0u, n->socket.refs, n->drops, open ? n->socket.ino : 0ul);
}

static int show(struct text_buffer *b, void *)
{
	text_printf(b, "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n");
	netlink_each(show_one, b);
	return 0;
}
PROC_FILE(net_netlink, .component = &component_netlink, .name = "net/netlink", .mode = 0444, .show = show);
