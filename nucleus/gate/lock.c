/* SPDX-License-Identifier: MIT */
/* The nucleus lock, see lock.h. */
#include "gate/lock.h"
#include "mmu/mmu.h"
#include "regs.h"

struct nucleus_lock nucleus_lock;

void nucleus_lock_acquire(void) NO_THREAD_SAFETY
{
	uint32_t ticket = __atomic_fetch_add(&nucleus_lock.next, 1, __ATOMIC_RELAXED);

	while (__atomic_load_n(&nucleus_lock.serving, __ATOMIC_ACQUIRE) != ticket) {
		shootdown_serve();
		cpu_relax();
	}
}

void nucleus_lock_release(void) NO_THREAD_SAFETY
{
	__atomic_store_n(&nucleus_lock.serving, nucleus_lock.serving + 1, __ATOMIC_RELEASE);
}
