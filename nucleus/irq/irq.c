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

static struct line {
	uint32_t handlers; /* 0: free */
	uint32_t waiting;  /* handlers that are not done; masked while there are any */
	uint32_t gsi, flags;
	uint32_t function; /* NO_FUNCTION: a wire; else gsi is the message's index */
} lines[IRQS_MAX];
static struct handler {
	struct record *thread;
	uint32_t line, came; /* came: since irq_done */
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
		handlers[i].came++;
		if (lines[line].flags & IRQ_LEVEL && !handlers[i].waiting) {
			handlers[i].waiting = true;
			lines[line].waiting++;
		}
		sched_wake(handlers[i].thread, 0);
	}
}

/* The handler has seen to it. Result: how often it came. */
static uint32_t done(uint32_t handler)
{
	uint32_t line = handlers[handler].line, came = handlers[handler].came;

	handlers[handler].came = 0;
	if (!handlers[handler].waiting)
		return came;
	handlers[handler].waiting = false;
	if (!--lines[line].waiting)
		arch_irq_mask(line, false);
	return came;
}

static uint32_t detach(uint32_t handler)
{
	uint32_t line = handlers[handler].line;
	struct claim *c = lines[line].function == NO_FUNCTION ? nullptr : claim_of_function(lines[line].function);

	if (c)
		pci_message_mask(c, lines[line].gsi);
	/* The last one leaves the line masked. */
	if (--lines[line].handlers)
		(void)done(handler);
	else
		arch_irq_disconnect(line);
	handlers[handler].thread->interrupts--;
	handlers[handler].thread = nullptr;
	return 0;
}

void irq_forget_thread(struct record *r)
{
	for (uint32_t i = 0; r->interrupts && i < IRQS_MAX; i++)
		if (handlers[i].thread == r)
			(void)detach(i);
}

void irq_forget_function(uint32_t function)
{
	for (uint32_t i = 0; i < IRQS_MAX; i++)
		if (handlers[i].thread && lines[handlers[i].line].function == function)
			(void)detach(i);
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

/* The lowest free handler, since deliveries look from below. -EBUSY: the caller's thread is one of the line already;
 * -ENOSPC: also if there is no line, since they are as many. */
static int free_handler(uint32_t line)
{
	int found = -ENOSPC;

	for (int i = IRQS_MAX; i-- > 0;) {
		if (!handlers[i].thread)
			found = i;
		else if (handlers[i].thread == cpu_this()->current && handlers[i].line == line)
			return -EBUSY;
	}
	return found;
}

static long add_handler(int i, uint32_t line)
{
	handlers[i] = (struct handler){.thread = cpu_this()->current, .line = line};
	handlers[i].thread->interrupts++;
	lines[line].handlers++;
	return i + 1;
}

RARE long call_irq_attach(uint32_t gsi, uint32_t flags)
{
	uint32_t line, asked = flags;
	int handler, result;

	if (flags & ~(IRQ_LEVEL | IRQ_ACTIVE_LOW | IRQ_SHARED))
		return -EINVAL;
	NUCLEUS_LOCKED;
	if (!policy_allows(MAY_CLAIM, cpu_this()->current->component))
		return report_refused_device(NUCLEUS_CALL_irq_attach, 0, gsi);
	line = find_line(NO_FUNCTION, gsi);
	handler = free_handler(line);
	if (handler < 0)
		return handler;
	if (lines[line].handlers)
		return flags & lines[line].flags & IRQ_SHARED ? add_handler(handler, line) : -EBUSY;
	result = arch_irq_connect(line, gsi, &flags, cpu_this()->id);
	if (result)
		return result;
	/* An edge says nothing to the second of two. */
	flags = flags & IRQ_LEVEL ? flags | (asked & IRQ_SHARED) : flags & ~IRQ_SHARED;
	lines[line] = (struct line){.gsi = gsi, .flags = flags, .function = NO_FUNCTION};
	arch_irq_mask(line, false);
	return add_handler(handler, line);
}

/* To the CPU of the caller, whose message it is. */
static long move_message(uint32_t line)
{
	for (int i = 0; i < IRQS_MAX; i++)
		if (handlers[i].thread == cpu_this()->current && handlers[i].line == line)
			return arch_irq_move(line, cpu_this()->id) ? i + 1 : -EBUSY;
	return -EBUSY;
}

RARE long call_irq_attach_message(uint32_t function, uint32_t index)
{
	struct claim *c;
	uint64_t address;
	uint32_t line, data;
	int handler, result;

	NUCLEUS_LOCKED;
	c = claim_own_function(function);
	if (!c)
		return report_refused_device(NUCLEUS_CALL_irq_attach_message, CLAIM_FUNCTION, function);
	if (index >= pci_message_count(c) || !(pci_register(function, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY))
		return -EINVAL;
	line = find_line(function, index);
	if (line < IRQS_MAX && lines[line].handlers)
		return move_message(line);
	handler = free_handler(line);
	if (handler < 0)
		return handler;
	result = arch_irq_message(line, function, index, cpu_this()->id, &address, &data);
	if (result)
		return result;
	lines[line] = (struct line){.gsi = index, .function = function};
	pci_message_set(c, index, address, data);
	return add_handler(handler, line);
}

/* Does it with the handler of a handle, if that is the caller's. */
static long with_own(uint32_t handle, uint32_t (*what)(uint32_t handler))
{
	NUCLEUS_LOCKED;
	if (!handle || handle > IRQS_MAX || handlers[handle - 1].thread != cpu_this()->current)
		return -EBADF;
	return what(handle - 1);
}

long call_irq_done(uint32_t handle)
{
	return with_own(handle, done);
}

long call_irq_detach(uint32_t handle)
{
	return with_own(handle, detach);
}
