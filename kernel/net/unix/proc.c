/* SPDX-License-Identifier: MIT */
/* /proc/net/unix: all sockets of one machine, as Linux lists them. */
#include "unix.h"

#include <kernel/base/node.h>
#include <kernel/mem/text.h>
#include <kernel/vfs/vfs.h>

enum : uint32_t { FLAG_LISTENS = 0x10000 };

static struct mutex all_lock = MUTEX_INIT(all_lock, RANK_SOCKET + 1);
static struct list all GUARDED_BY(&all_lock) = LIST_INIT(all);
static uint32_t all_count GUARDED_BY(&all_lock);

void unix_list_add(struct unix_socket *u)
{
	mutex_lock(&all_lock);
	list_push_back(&all, &u->all);
	all_count++;
	mutex_unlock(&all_lock);
}

void unix_list_remove(struct unix_socket *u)
{
	mutex_lock(&all_lock);
	list_remove(&u->all);
	all_count--;
	mutex_unlock(&all_lock);
}

/* In the list they live, if not for long. The peer is only compared: who has yet to connect polls afterwards. */
void unix_wake_senders(const struct unix_socket *to)
{
	struct unix_socket *u;

	mutex_lock(&all_lock);
	list_for_each(u, &all, all) {
		if (__atomic_load_n(&u->peer, __ATOMIC_ACQUIRE) == to)
			socket_wake_writers(&u->socket);
	}
	mutex_unlock(&all_lock);
}

/* A reference, unless the last one is gone already. */
static bool get_living(struct unix_socket *u)
{
	uint32_t refs = __atomic_load_n(&u->socket.refs, __ATOMIC_RELAXED);

	while (refs > 0)
		if (__atomic_compare_exchange_n(&u->socket.refs, &refs, refs + 1, false, __ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED))
			return true;
	return false;
}

/* All that live, with a reference to each; nullptr: out of memory. */
static struct unix_socket **gather(uint32_t *count)
{
	struct unix_socket *u, **list;
	uint32_t room;

	mutex_lock(&all_lock);
	room = all_count + 1;
	mutex_unlock(&all_lock);
	*count = 0;
	list = kmalloc(room * sizeof(*list));
	if (list == nullptr)
		return nullptr;
	mutex_lock(&all_lock);
	list_for_each(u, &all, all) {
		if (*count < room && get_living(u))
			list[(*count)++] = u;
	}
	mutex_unlock(&all_lock);
	return list;
}

/* The address as it is written there: zero bytes as '@', and nothing that would end the line. */
static void show_name(struct text_buffer *b, const struct unix_name *n)
{
	char text[UNIX_PATH_MAX + 1];
	uint32_t length = n->address.length - UNIX_PATH_AT;

	for (uint32_t at = 0; at < length; at++)
		text[at] = n->address.un.path[at] != '\0' ? n->address.un.path[at] : '@';
	if (n->path.dentry != nullptr) /* its terminator */
		length = (uint32_t)strlen(n->address.un.path);
	text[length] = '\0';
	text_append(b, " ", 1);
	text_escape(b, text, " \t\n\\");
}

static void show_socket(struct text_buffer *b, struct unix_socket *u)
{
	mutex_lock(&u->socket.lock);
	struct unix_name *n = unix_name_get(u->name);
	enum unix_state state = u->state;
	uint64_t ino = u->socket.file != nullptr ? u->socket.ino : 0;
	mutex_unlock(&u->socket.lock);
	text_printf(b, "%016lx: %08X 00000000 %08X %04X %02X %5lu", u->socket.cookie,
		    __atomic_load_n(&u->socket.refs, __ATOMIC_RELAXED) - 1, state == UNIX_LISTENING ? FLAG_LISTENS : 0,
		    u->socket.type, state == UNIX_CONNECTED ? 3 : 1, ino);
	if (n != nullptr)
		show_name(b, n);
	text_append(b, "\n", 1);
	unix_name_put(n);
}

static int show_all(struct text_buffer *b, void *)
{
	uint32_t count;
	struct unix_socket **list = gather(&count);

	if (list == nullptr)
		return -ENOMEM;
	text_printf(b, "Num       RefCount Protocol Flags    Type St Inode Path\n");
	for (uint32_t n = 0; n < count; n++) {
		show_socket(b, list[n]);
		unix_put(list[n]);
	}
	kfree(list);
	return 0;
}

PROC_FILE(net_unix, .component = &component_net, .name = "net/unix", .mode = 0444, .show = show_all);
PROC_KNOB(unix_queue_max, component_net, "sys/net/unix/max_dgram_qlen", 0644, &unix_queue_max, 0, INT32_MAX, 0);
