/* SPDX-License-Identifier: MIT */
/* Interrupt slots and the calls on them, see irq.h. A handle is slot + 1. */
#include "irq/irq.h"
#include "gate/calls.h"
#include "gate/lock.h"
#include "sched/sched.h"
#include <abi/errno.h>

static struct {
	struct record *thread;
	uint32_t gsi, flags;
	bool masked;
} slots[IRQS_MAX];

void irq_deliver(uint32_t slot)
{
	if (slot >= IRQS_MAX || !slots[slot].thread)
		return;
	if (slots[slot].flags & IRQ_LEVEL) {
		arch_irq_mask(slot, true);
		slots[slot].masked = true;
	}
	sched_wake(slots[slot].thread, 0);
}

static void detach(uint32_t slot)
{
	arch_irq_disconnect(slot);
	slots[slot].thread = nullptr;
}

void irq_forget_thread(struct record *r)
{
	for (uint32_t i = 0; i < IRQS_MAX; i++)
		if (slots[i].thread == r)
			detach(i);
}

long call_irq_attach(uint32_t gsi, uint32_t flags)
{
	uint32_t slot = IRQS_MAX;
	long result;

	if (flags & ~(IRQ_LEVEL | IRQ_ACTIVE_LOW))
		return -EINVAL;
	nucleus_lock_acquire();
	result = 0;
	for (uint32_t i = IRQS_MAX; i-- > 0;) {
		if (!slots[i].thread)
			slot = i;
		else if (slots[i].gsi == gsi)
			result = -EBUSY;
	}
	if (!result && slot == IRQS_MAX)
		result = -ENOSPC;
	if (!result)
		result = arch_irq_connect(slot, gsi, &flags, cpu_this()->id);
	if (!result) {
		slots[slot].thread = cpu_this()->current;
		slots[slot].gsi = gsi;
		slots[slot].flags = flags;
		slots[slot].masked = false;
		arch_irq_mask(slot, false);
		result = slot + 1;
	}
	nucleus_lock_release();
	return result;
}

/* The slot of a handle if it is the caller's, or -1. */
static int own_slot(uint32_t handle)
{
	if (!handle || handle > IRQS_MAX || slots[handle - 1].thread != cpu_this()->current)
		return -1;
	return (int)handle - 1;
}

long call_irq_done(uint32_t handle)
{
	long result = -EBADF;
	int slot;

	nucleus_lock_acquire();
	slot = own_slot(handle);
	if (slot >= 0) {
		if (slots[slot].masked)
			arch_irq_mask((uint32_t)slot, false);
		slots[slot].masked = false;
		result = 0;
	}
	nucleus_lock_release();
	return result;
}

long call_irq_detach(uint32_t handle)
{
	long result = -EBADF;
	int slot;

	nucleus_lock_acquire();
	slot = own_slot(handle);
	if (slot >= 0) {
		detach((uint32_t)slot);
		result = 0;
	}
	nucleus_lock_release();
	return result;
}
