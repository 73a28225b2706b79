/* SPDX-License-Identifier: MIT */
/* Commands to the controller (xHCI 1.2, 4.6), one at a time, each waited for by whoever gave it. */
#include "xhci.h"

#include <abi/errno.h>
#include <arch/dma.h>
#include <kernel/base/fault_point.h>
#include <kernel/base/log.h>

void xhci_ring_bell(const struct xhci *x, uint8_t slot, uint8_t target)
{
	dma_barrier();
	mmio_write32(&x->registers, x->can.doorbells + 4u * slot, target);
}

/* Whether the caller has the turn now. */
static bool take_turn(struct xhci *x)
{
	spin_lock(&x->lock);
	bool mine = !x->commanding;
	x->commanding = true;
	spin_unlock(&x->lock);
	return mine;
}

static void give_turn(struct xhci *x)
{
	spin_lock(&x->lock);
	x->commanding = false;
	spin_unlock(&x->lock);
	wait_wake_all(&x->wait);
}

static bool is_answered(struct xhci *x)
{
	spin_lock(&x->lock);
	bool answered = x->commanded;
	spin_unlock(&x->lock);
	return answered;
}

int xhci_command(struct xhci *x, const struct xhci_trb *t, uint8_t *slot)
{
	bool mine = false;

	wait_event(&x->wait, is_over(x) || (mine = take_turn(x)));
	if (!mine)
		return -ENODEV;
	spin_lock(&x->lock);
	x->commanded = false;
	x->command_at = x->commands.address + x->commands.enqueue * sizeof(struct xhci_trb);
	(void)xhci_ring_put(&x->commands, t, false);
	xhci_ring_bell(x, 0, 0);
	spin_unlock(&x->lock);
	FAULT_POINT(driver_xhci_command);
	int error = wait_event_patiently(&x->wait, is_answered(x) || is_over(x), COMMAND_NS);
	struct xhci_trb answer = {};
	spin_lock(&x->lock);
	bool answered = x->commanded;
	answer = x->answer;
	spin_unlock(&x->lock);
	if (error < 0)
		device_fail(x->dev, "the controller does not answer a command");
	/* What is not answered leaves the ring in the controller's hands: the turn is nobody's any more. */
	if (!answered)
		return -ENODEV;
	give_turn(x);
	if (slot != nullptr)
		*slot = xhci_slot_of(&answer);
	uint8_t completion = xhci_completion_of(&answer);
	return completion == XHCI_SUCCESS ? 0 : completion != 0 ? completion : UINT8_MAX;
}

void xhci_command_event(struct xhci *x, const struct xhci_trb *e)
{
	spin_lock(&x->lock);
	bool known = x->commanding && !x->commanded && e->parameter == x->command_at;
	if (known) {
		x->answer = *e;
		x->commanded = true;
	}
	spin_unlock(&x->lock);
	if (known)
		wait_wake_all(&x->wait);
	else
		device_fail(x->dev, "the controller answers a command that it was not given");
}

int xhci_command_error(const struct xhci *x, const char *what, int result)
{
	if (result > 0)
		log_error("%s: %s failed: completion %d", device_name(x->dev), what, result);
	return result > 0 ? -EIO : result;
}
