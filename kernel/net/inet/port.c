/* SPDX-License-Identifier: MIT */
/*
 * What lwIP asks of the kernel (lwip/arch/cc.h): memory within a budget, time, random numbers, and the short lock that
 * counts of packet buffers change under. The budget is an eighth of the machine's memory: what comes from outside, or
 * what processes have under way, ends there, and not with the machine's last page.
 */
#include "inet.h"

#include <kernel/base/random.h>
#include <kernel/mem/page.h>
#include <lwip/sys.h>

/* Before each piece, aligned as the heap is. In the list: lwIP's, or in a thread's hands; in none: a socket's. */
struct piece {
	struct list link;
	size_t bytes;
	const void *keeper; /* the thread in whose hands it is; nullptr: none's */
};
enum : size_t { HEADER = sizeof(struct piece) };
static_assert(HEADER % 16 == 0);
enum : size_t { SMALL_MAX = 2048 };
enum : uint64_t { NS_PER_MS = 1000000, SAY_AGAIN_NS = 60 * UINT64_C(1000000000) };

uint64_t inet_memory_used, inet_memory_max = 16 << 20;
static uint64_t said_at_ns; /* atomic; 0: never */

static void say_full(void)
{
	uint64_t now = clock_monotonic_ns(), said = __atomic_load_n(&said_at_ns, __ATOMIC_RELAXED);

	if (said != 0 && now - said < SAY_AGAIN_NS)
		return;
	if (__atomic_compare_exchange_n(&said_at_ns, &said, now, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		log_warn("inet: the network's memory (%lu KiB) is used up: packets are dropped, calls get ENOBUFS",
			 inet_memory_max >> 10);
}

bool inet_memory_take(size_t bytes)
{
	if (__atomic_add_fetch(&inet_memory_used, bytes, __ATOMIC_RELAXED) <= inet_memory_max)
		return true;
	inet_memory_give(bytes);
	say_full();
	return false;
}

void inet_memory_give(size_t bytes)
{
	__atomic_fetch_sub(&inet_memory_used, bytes, __ATOMIC_RELAXED);
}

static struct spinlock pieces_lock = SPINLOCK_INIT(RANK_NONE);
static struct list pieces GUARDED_BY(pieces_lock) = LIST_INIT(pieces);

static struct piece *piece_of(const void *p)
{
	return (struct piece *)((unsigned char *)p - HEADER);
}

static void put_into_list(struct piece *piece, const void *keeper)
{
	spin_lock(&pieces_lock);
	piece->keeper = keeper;
	if (list_empty(&piece->link))
		list_push_back(&pieces, &piece->link);
	spin_unlock(&pieces_lock);
}

static void take_out_of_list(struct piece *piece)
{
	spin_lock(&pieces_lock);
	if (!list_empty(&piece->link)) {
		list_remove(&piece->link);
		list_init(&piece->link);
	}
	spin_unlock(&pieces_lock);
}

void inet_lwip_keep(const void *p)
{
	take_out_of_list(piece_of(p));
}

void inet_lwip_unkeep(const void *p)
{
	put_into_list(piece_of(p), nullptr);
}

void inet_packet_hold(const struct pbuf *p)
{
	for (; p != nullptr; p = p->next)
		put_into_list(piece_of(p), thread_current());
}

void inet_packet_keep(const struct pbuf *p)
{
	for (; p != nullptr; p = p->next)
		inet_lwip_keep(p);
}

void inet_packet_put(struct pbuf *p)
{
	for (const struct pbuf *q = p; q != nullptr; q = q->next)
		inet_lwip_unkeep(q);
	pbuf_free(p);
}

/* The oldest that is nobody's any more: lwIP's, or the thread's; its place in the list is lost. */
static struct piece *next_swept(const void *who, struct list *others)
{
	struct piece *piece = nullptr;

	spin_lock(&pieces_lock);
	while (piece == nullptr && !list_empty(&pieces)) {
		struct piece *first = list_first(&pieces, struct piece, link);

		list_remove(&first->link);
		list_init(&first->link);
		if (first->keeper == nullptr || first->keeper == who)
			piece = first;
		else
			list_push_back(others, &first->link);
	}
	spin_unlock(&pieces_lock);
	return piece;
}

void inet_lwip_sweep(const void *who)
{
	struct list others = LIST_INIT(others);
	struct piece *piece;

	while ((piece = next_swept(who, &others)) != nullptr)
		inet_lwip_free((unsigned char *)piece + HEADER);
	spin_lock(&pieces_lock);
	while (!list_empty(&others)) {
		struct list *first = others.next;

		list_remove(first);
		list_push_back(&pieces, first);
	}
	spin_unlock(&pieces_lock);
}

static unsigned order_of(size_t bytes)
{
	unsigned order = 0;

	while ((size_t)PAGE_SIZE << order < bytes)
		order++;
	return order;
}

/* Packets are whole pages, which nobody clears first. */
void *inet_lwip_alloc(size_t bytes)
{
	bytes += HEADER;
	if (!inet_memory_take(bytes))
		return nullptr;
	unsigned char *p = bytes > SMALL_MAX ? page_alloc_kernel(order_of(bytes)) : kmalloc(bytes);
	if (p == nullptr) {
		inet_memory_give(bytes);
		return nullptr;
	}
	struct piece *piece = (struct piece *)p;
	*piece = (struct piece){.bytes = bytes};
	list_init(&piece->link);
	/* Who has not the core may be swept beside at any time. */
	put_into_list(piece, inet_core_is_mine() ? nullptr : thread_current());
	return p + HEADER;
}

void *inet_lwip_calloc(size_t count, size_t bytes)
{
	void *p = inet_lwip_alloc(count * bytes); /* lwIP's own sizes */

	if (p != nullptr)
		memset(p, 0, count * bytes);
	return p;
}

void inet_lwip_free(void *p)
{
	unsigned char *begin = (unsigned char *)p - HEADER;
	size_t bytes = piece_of(p)->bytes;

	take_out_of_list(piece_of(p));

	inet_memory_give(bytes);
	if (bytes > SMALL_MAX)
		page_free_kernel(begin, order_of(bytes));
	else
		kfree(begin);
}

uint32_t inet_lwip_random(void)
{
	uint32_t n;

	random_bytes(&n, sizeof(n));
	return n;
}

void inet_lwip_bug(const char *what)
{
	kernel_bug("lwip", 0, what);
}

u32_t sys_now(void)
{
	return (u32_t)(clock_monotonic_ns() / NS_PER_MS);
}

void sys_init(void)
{
}

static struct spinlock counts_lock = SPINLOCK_INIT(RANK_NONE);

sys_prot_t sys_arch_protect(void) NO_THREAD_SAFETY
{
	spin_lock(&counts_lock);
	return 0;
}

void sys_arch_unprotect(sys_prot_t) NO_THREAD_SAFETY
{
	spin_unlock(&counts_lock);
}
