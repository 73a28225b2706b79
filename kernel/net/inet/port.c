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

enum : size_t { HEADER = 16 }; /* before each piece: its size; aligned as the heap is */
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
	*(size_t *)p = bytes;
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
	size_t bytes = *(size_t *)begin;

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
