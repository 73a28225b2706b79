/* SPDX-License-Identifier: MIT */
/* Lines, their handlers and the calls on them, see irq.h. A handle is the handler's number + 1. */
#include "irq/irq.h"
#include "device/pci.h"
#include "gate/calls.h"
#include "gate/lock.h"
#include "gate/policy.h"
#include "report/report.h"
#include "sched/sched.h"
#include <abi/errno.h>

enum : uint32_t { NO_FUNCTION = UINT32_MAX };

static struct {
	uint32_t handlers; /* 0: free */
	uint32_t waiting;  /* handlers that are not done; masked while there are any */
	uint32_t gsi, flags;
	uint32_t function; /* NO_FUNCTION: a wire; else gsi is the message's index */
} lines[IRQS_MAX];
static struct {
	struct record *thread;
	uint32_t line;
	bool waiting;
} handlers[IRQS_MAX];

void irq_deliver(uint32_t line)
{
	if (line >= IRQS_MAX || !lines[line].handlers)
		return;
	if (lines[line].flags & IRQ_LEVEL)
		arch_irq_mask(line, true);
	for (uint32_t i = 0, left = lines[line].handlers; left; i++) {
		if (!handlers[i].thread || handlers[i].line != line)
			continue;
		left--;
		if (lines[line].flags & IRQ_LEVEL && !handlers[i].waiting) {
			handlers[i].waiting = true;
			lines[line].waiting++;
		}
		sched_wake(handlers[i].thread, 0);
	}
}

/* The handler has seen to it. */
static void done(uint32_t handler)
{
	uint32_t line = handlers[handler].line;

	if (!handlers[handler].waiting)
		return;
	handlers[handler].waiting = false;
	if (!--lines[line].waiting)
		arch_irq_mask(line, false);
}

static void detach(uint32_t handler)
{
	uint32_t line = handlers[handler].line;
	struct claim *c = lines[line].function == NO_FUNCTION ? nullptr : claim_of_function(lines[line].function);

	if (c)
		pci_message_mask(c, lines[line].gsi);
	/* The last one leaves the line masked. */
	if (--lines[line].handlers)
		done(handler);
	else
		arch_irq_disconnect(line);
	handlers[handler].thread->interrupts--;
	handlers[handler].thread = nullptr;
}

void irq_forget_thread(struct record *r)
{
	for (uint32_t i = 0; r->interrupts && i < IRQS_MAX; i++)
		if (handlers[i].thread == r)
			detach(i);
}

void irq_forget_function(uint32_t function)
{
	for (uint32_t i = 0; i < IRQS_MAX; i++)
		if (handlers[i].thread && lines[handlers[i].line].function == function)
			detach(i);
}

/* The line in use for this wire or message, else a free one; IRQS_MAX: all are in use. */
static uint32_t find_line(uint32_t function, uint32_t gsi)
{
	uint32_t found = IRQS_MAX;

	for (uint32_t i = 0; i < IRQS_MAX; i++) {
		if (!lines[i].handlers)
			found = found == IRQS_MAX ? i : found;
		else if (lines[i].function == function && lines[i].gsi == gsi)
			return i;
	}
	return found;
}

/* The caller becomes a handler of the line; there is room, since lines are as many. */
static long add_handler(uint32_t line)
{
	for (uint32_t i = 0; i < IRQS_MAX; i++) {
		if (handlers[i].thread)
			continue;
		handlers[i].thread = cpu_this()->current;
		handlers[i].line = line;
		handlers[i].waiting = false;
		handlers[i].thread->interrupts++;
		lines[line].handlers++;
		return i + 1;
	}
	return -ENOSPC;
}

static void take_line(uint32_t line, uint32_t function, uint32_t gsi, uint32_t flags)
{
	lines[line].function = function;
	lines[line].gsi = gsi;
	lines[line].flags = flags;
	lines[line].waiting = 0;
}

long call_irq_attach(uint32_t gsi, uint32_t flags)
{
	uint32_t line, asked = flags;
	long result = 0;

	if (flags & ~(IRQ_LEVEL | IRQ_ACTIVE_LOW | IRQ_SHARED))
		return -EINVAL;
	nucleus_lock_acquire();
	line = find_line(NO_FUNCTION, gsi);
	if (!policy_may_claim(cpu_this()->current->component)) {
		report_refused_device(NUCLEUS_CALL_irq_attach, 0, gsi);
		result = -EPERM;
	} else if (line == IRQS_MAX) {
		result = -ENOSPC;
	} else if (lines[line].handlers) {
		result = flags & lines[line].flags & IRQ_SHARED ? add_handler(line) : -EBUSY;
	} else {
		result = arch_irq_connect(line, gsi, &flags, cpu_this()->id);
		if (!result) {
			/* An edge says nothing to the second of two. */
			take_line(line, NO_FUNCTION, gsi,
				  flags & IRQ_LEVEL ? flags | (asked & IRQ_SHARED) : flags & ~IRQ_SHARED);
			result = add_handler(line);
		}
		if (result > 0)
			arch_irq_mask(line, false);
	}
	nucleus_lock_release();
	return result;
}

/* The claim of the function if the caller's component has it and it is in working order. */
static struct claim *own_function(uint32_t function)
{
	struct claim *c = claim_of_function(function);

	return c && c->component == cpu_this()->current->component && !c->ready_ns ? c : nullptr;
}

long call_irq_attach_message(uint32_t function, uint32_t index)
{
	struct claim *c;
	uint64_t address;
	uint32_t line, data;
	long result;

	nucleus_lock_acquire();
	c = own_function(function);
	line = find_line(function, index);
	if (!c)
		result = -EPERM;
	else if (index >= pci_message_count(c) || !(pci_register(function, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY))
		result = -EINVAL;
	else if (line == IRQS_MAX)
		result = -ENOSPC;
	else if (lines[line].handlers)
		result = -EBUSY;
	else
		result = arch_irq_message(line, function, index, cpu_this()->id, &address, &data);
	if (!result) {
		take_line(line, function, index, 0);
		result = add_handler(line);
	}
	if (result > 0)
		pci_message_set(c, index, address, data);
	if (result == -EPERM)
		report_refused_device(NUCLEUS_CALL_irq_attach_message, CLAIM_FUNCTION, function);
	nucleus_lock_release();
	return result;
}

/* The handler of a handle if it is the caller's, or -1. */
static int own_handler(uint32_t handle)
{
	if (!handle || handle > IRQS_MAX || handlers[handle - 1].thread != cpu_this()->current)
		return -1;
	return (int)handle - 1;
}

long call_irq_done(uint32_t handle)
{
	long result = -EBADF;
	int handler;

	nucleus_lock_acquire();
	handler = own_handler(handle);
	if (handler >= 0) {
		done((uint32_t)handler);
		result = 0;
	}
	nucleus_lock_release();
	return result;
}

long call_irq_detach(uint32_t handle)
{
	long result = -EBADF;
	int handler;

	nucleus_lock_acquire();
	handler = own_handler(handle);
	if (handler >= 0) {
		detach((uint32_t)handler);
		result = 0;
	}
	nucleus_lock_release();
	return result;
}
