/* SPDX-License-Identifier: MIT */
/*
 * Doubly linked circular lists of embedded nodes. A head is a node that points to itself when empty;
 * a node that is in no list points to itself too (list_init), so list_remove is idempotent.
 */
#ifndef LIB_LIST_H
#define LIB_LIST_H

#include <lib/annotate.h>
#include <stddef.h>

struct list {
	struct list *next, *prev;
};

#define LIST_INIT(name) {&(name), &(name)}

static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}
static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}
static inline void list_insert_after(struct list *at, struct list *node)
{
	node->next = at->next;
	node->prev = at;
	at->next->prev = node;
	at->next = node;
}
static inline void list_push_front(struct list *head, struct list *node)
{
	list_insert_after(head, node);
}
static inline void list_push_back(struct list *head, struct list *node)
{
	/* Nothing is read of what stands before it: that may be lost (kernel/thread/thread_note.c). */
	node->next = head;
	node->prev = head->prev;
	head->prev->next = node;
	head->prev = node;
}
static inline void list_remove(struct list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

#define list_entry(node, type, member) container_of(node, type, member)
#define list_first(head, type, member) list_entry((head)->next, type, member)
#define list_for_each(pos, head, member)                                                                               \
	for (pos = list_entry((head)->next, typeof(*pos), member); &pos->member != (head);                             \
	     pos = list_entry(pos->member.next, typeof(*pos), member))
/* Survives removal of pos. */
#define list_for_each_safe(pos, tmp, head, member)                                                                     \
	for (pos = list_entry((head)->next, typeof(*pos), member),                                                     \
	    tmp = list_entry(pos->member.next, typeof(*pos), member);                                                  \
	     &pos->member != (head); pos = tmp, tmp = list_entry(tmp->member.next, typeof(*tmp), member))

#endif
