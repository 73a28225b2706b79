/* SPDX-License-Identifier: MIT */
/* All sockets of packets (packet.h), and /proc/net/packet. */
#include "packet.h"

#include <kernel/base/node.h>
#include <kernel/mem/text.h>
#include <kernel/vfs/vfs.h>

static struct mutex all_lock = MUTEX_INIT(all_lock, RANK_SOCKET + 2);
static struct list all GUARDED_BY(&all_lock) = LIST_INIT(all);

void packet_list_add(struct packet_socket *p)
{
	mutex_lock(&all_lock);
	list_push_back(&all, &p->all);
	mutex_unlock(&all_lock);
}

void packet_list_remove(struct packet_socket *p)
{
	mutex_lock(&all_lock);
	list_remove(&p->all);
	mutex_unlock(&all_lock);
}

void packet_each(void (*fn)(struct packet_socket *p, void *context), void *context)
{
	struct packet_socket *p;

	mutex_lock(&all_lock);
	list_for_each(p, &all, all)
		fn(p, context);
	mutex_unlock(&all_lock);
}

static void show_one(struct packet_socket *p, void *text)
{
	bool open = __atomic_load_n(&p->socket.file, __ATOMIC_ACQUIRE) != nullptr;

	text_printf(text, "%016lx %-6u %-4u %04x   %-5u %-1u %-6u %-6u %-6lu\n", 0ul, p->socket.refs, p->socket.type,
		    __builtin_bswap16(p->protocol), p->index, p->protocol != 0, p->charged, open ? p->socket.uid : 0,
		    open ? p->socket.ino : 0ul);
}

static int show(struct text_buffer *b, void *)
{
	text_printf(b, "sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n");
	packet_each(show_one, b);
	return 0;
}
PROC_FILE(net_packet, .component = &component_packet, .name = "net/packet", .mode = 0444, .show = show);
