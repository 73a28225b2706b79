/* SPDX-License-Identifier: MIT */
/* The nucleus lock, see lock.h. */
#include "gate/lock.h"
#include "mmu/mmu.h"
#include "regs.h"

struct nucleus_lock nucleus_lock;

void nucleus_lock_acquire(void) NO_THREAD_SAFETY
{
	while (__atomic_exchange_n(&nucleus_lock.held, 1, __ATOMIC_ACQUIRE)) {
		do {
			shootdown_serve();
			cpu_relax();
		} while (__atomic_load_n(&nucleus_lock.held, __ATOMIC_RELAXED));
	}
}

void nucleus_lock_release(void) NO_THREAD_SAFETY
{
	__atomic_store_n(&nucleus_lock.held, 0, __ATOMIC_RELEASE);
}
