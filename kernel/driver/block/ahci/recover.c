/* SPDX-License-Identifier: MIT */
/*
 * After errors (AHCI 1.3.1, 6.2; SATA 3.2, 13.7.4). The port is stopped and started; if that does not do, the link and
 * the disk are reset. Of several queued commands the disk's log says which one failed: that one ends with an error, the
 * others are issued again. If it does not say, each is given again as one that is not queued, and so alone.
 */
#include "ahci.h"

#include <abi/errno.h>
#include <kernel/base/log.h>

constexpr unsigned ATTEMPTS_MAX = 5;
constexpr unsigned TROUBLES_MAX = 4; /* after which nothing is queued any more */

struct trouble {
	uint32_t out; /* commands that have no end */
	uint32_t events, errors, status;
	bool queued;
	bool was_reset;
	uint32_t guilty; /* which of them failed */
	uint32_t late;	 /* which are given again by the block floor, which counts how often */
};

static bool is_single(uint32_t bits)
{
	return bits != 0 && (bits & (bits - 1)) == 0;
}

static int reset_link(struct port *p, struct trouble *t)
{
	t->was_reset = true;
	return port_reset_link(p);
}

/* Stopped and started again, with the link reset if need be. */
static int restart(struct port *p, struct trouble *t)
{
	int error = port_stop(p);

	port_write(p, AHCI_SERR, UINT32_MAX);
	port_write(p, AHCI_PXIS, UINT32_MAX);
	p->events &= AHCI_INT_PLUG;
	if (error < 0 || t->was_reset || (port_read(p, AHCI_TFD) & (ATA_STATUS_BUSY | ATA_STATUS_DATA)) != 0) {
		error = reset_link(p, t);
		/* That stops what went on without an end (10.4.2). */
		if (error == 0)
			error = port_stop(p);
	}
	if (error == 0)
		port_start(p);
	return error;
}

/* By the disk's log, which also has it take queued commands again. */
static int find_guilty(struct port *p, struct trouble *t)
{
	struct ata_command c = ata_read_log(ATA_LOG_NCQ_ERROR, 0);
	struct ata_queued_error e;
	int error = p->facts.has_log ? port_ask(p, &c) : -EIO;
	const char *wrong = error == 0 ? ata_read_queued_error(port_answer(p), &e) : "it cannot be read";

	if (wrong == nullptr && (t->out >> e.tag & 1) != 0) {
		t->guilty = 1u << e.tag;
		log_warn("%s: port %u: command %u failed: status %#x, error %#x", device_name(p->ahci->dev), p->number,
			 e.tag, e.status, e.error);
		return 0;
	}
	/* Of one it need not be said. */
	if (is_single(t->out))
		t->guilty = t->out;
	else
		log_warn("%s: port %u: the disk does not say which command failed: %s", device_name(p->ahci->dev),
			 p->number, wrong != nullptr ? wrong : "it names none that it was given");
	/* What it was given may still go on, until it is reset. */
	t->was_reset = true;
	return restart(p, t);
}

/* Ends those that failed, and has the others issued again. */
static void give_again(struct port *p, const struct trouble *t)
{
	bool alone = t->queued && t->guilty == 0 && (t->events & AHCI_INT_TASK) != 0;
	uint32_t again = 0;

	if (t->queued && t->guilty == 0 && ++p->troubles == TROUBLES_MAX) {
		log_warn("%s: port %u: commands are not queued any more", device_name(p->ahci->dev), p->number);
		slots_queue_no_more(p);
	}
	for (uint32_t left = t->out; left != 0; left &= left - 1) {
		uint32_t slot = (uint32_t)__builtin_ctz(left);
		struct slot *s = &p->slots[slot];

		if ((t->late >> slot & 1) != 0) {
			slot_finish(p, slot, -EAGAIN);
			continue;
		}
		if ((t->guilty >> slot & 1) != 0 || ++s->attempts > ATTEMPTS_MAX) {
			slot_finish(p, slot, -EIO);
			continue;
		}
		if (alone)
			slot_fill_transfer(p, slot, false);
		again |= 1u << slot;
	}
	slots_put_again(p, again);
	port_go_on(p);
}

/* After a reset. False: another disk is there, and the next round finds out what it is. */
static bool is_same(struct port *p)
{
	struct ahci *a = p->ahci;

	if (disk_is_same(p))
		return true;
	if (!device_stopping(a->dev))
		log_warn("%s: port %u: another disk is there", device_name(a->dev), p->number);
	(void)device_restart(a->dev);
	return false;
}

static void recover(struct port *p, struct trouble *t)
{
	struct ahci *a = p->ahci;
	int error = restart(p, t);

	if (error == 0 && t->was_reset && !is_same(p))
		return;
	if (error == 0 && t->queued && !t->was_reset && (t->events & AHCI_INT_TASK) != 0) {
		error = find_guilty(p, t);
		/* It may have been reset to find out. */
		if (error == 0 && t->was_reset && !is_same(p))
			return;
	} else if ((t->events & AHCI_INT_TASK) != 0 && !t->queued) {
		t->guilty = t->out;
	}
	if (error < 0 && (port_read(p, AHCI_SSTS) & AHCI_DET) != AHCI_DET_READY) {
		/* It is not there any more, which is seen to next. */
		p->events |= AHCI_INT_PHY;
		return;
	}
	if (error < 0) {
		device_fail(a->dev, "a port does not come back from a reset");
		return;
	}
	give_again(p, t);
}

void port_recover(struct port *p, uint32_t events, bool with_link)
{
	struct trouble t = {.events = events, .was_reset = with_link};

	if (port_state(p) != PORT_UP)
		return;
	t.errors = port_read(p, AHCI_SERR);
	t.status = port_read(p, AHCI_TFD);
	t.out = port_hold(p);
	t.queued = t.out != 0 && p->slots[__builtin_ctz(t.out)].command.queued;
	log_warn("%s: port %u: an error: interrupt %#x, link %#x, disk %#x", device_name(p->ahci->dev), p->number,
		 t.events, t.errors, t.status);
	recover(p, &t);
}

void port_recover_late(struct port *p, uint64_t given_ns)
{
	struct trouble t = {.was_reset = true};

	/* More may be issued meanwhile; only this thread takes some out. */
	for (uint32_t left = slots_out(p); left != 0; left &= left - 1) {
		uint32_t slot = (uint32_t)__builtin_ctz(left);

		if (p->slots[slot].bio->began_ns <= given_ns)
			t.late |= 1u << slot;
	}
	if (t.late == 0)
		return;
	log_warn("%s: port %u: commands %#x are late, and the disk is reset", device_name(p->ahci->dev), p->number,
		 t.late);
	t.out = port_hold(p);
	recover(p, &t);
}
