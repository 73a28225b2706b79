/* SPDX-License-Identifier: MIT */
/* Inodes of a disk's filesystem by their numbers (inode_table.h). */
#include <kernel/vfs/inode_table.h>

static struct inode_link **chain_of(struct inode_table *t, uint64_t ino) REQUIRES(t -> lock)
{
	return &t->chains[ino % INODE_TABLE_CHAINS];
}

/* False: the last reference has gone, and whoever put it is ending the inode. */
static bool get_unless_ending(struct inode *i)
{
	uint32_t refs = __atomic_load_n(&i->refs, __ATOMIC_RELAXED);

	do {
		if (refs == 0)
			return false;
	} while (!__atomic_compare_exchange_n(&i->refs, &refs, refs + 1, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
	return true;
}

struct inode *inode_table_find(struct inode_table *t, uint64_t ino)
{
	struct inode *found = nullptr;

	spin_lock(&t->lock);
	for (const struct inode_link *l = *chain_of(t, ino); l != nullptr && found == nullptr; l = l->next)
		if (l->inode->ino == ino && get_unless_ending(l->inode))
			found = l->inode;
	spin_unlock(&t->lock);
	return found;
}

void inode_table_add(struct inode_table *t, struct inode_link *link, struct inode *i)
{
	spin_lock(&t->lock);
	struct inode_link **chain = chain_of(t, i->ino);
	link->inode = i;
	link->next = *chain;
	*chain = link;
	spin_unlock(&t->lock);
}

bool inode_table_has(struct inode_table *t, uint64_t ino)
{
	bool found = false;

	spin_lock(&t->lock);
	for (const struct inode_link *l = *chain_of(t, ino); l != nullptr && !found; l = l->next)
		found = l->inode->ino == ino;
	spin_unlock(&t->lock);
	return found;
}

struct inode *inode_table_next(struct inode_table *t, const struct inode_link *after)
{
	struct inode *found = nullptr;

	spin_lock(&t->lock);
	uint64_t chain = after != nullptr ? after->inode->ino % INODE_TABLE_CHAINS : 0;
	const struct inode_link *l = after != nullptr ? after->next : t->chains[0];
	while (found == nullptr) {
		for (; l != nullptr && found == nullptr; l = l->next)
			if (get_unless_ending(l->inode))
				found = l->inode;
		if (found != nullptr || ++chain == INODE_TABLE_CHAINS)
			break;
		l = t->chains[chain];
	}
	spin_unlock(&t->lock);
	return found;
}

void inode_table_remove(struct inode_table *t, struct inode_link *link)
{
	spin_lock(&t->lock);
	if (link->inode != nullptr) {
		struct inode_link **at = chain_of(t, link->inode->ino);

		while (*at != nullptr && *at != link)
			at = &(*at)->next;
		if (*at == link)
			*at = link->next;
		link->inode = nullptr;
	}
	spin_unlock(&t->lock);
}
