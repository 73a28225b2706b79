/* SPDX-License-Identifier: MIT */
/*
 * Ports: on and off, and what comes and goes at them (AHCI 1.3.1, 10.1.2, 10.3, 10.4, 10.8). Whatever is there is
 * waited for by the device's thread, a step at a time, so that others go on meanwhile.
 */
#include "ahci.h"

#include <abi/errno.h>
#include <kernel/base/clock.h>
#include <kernel/base/log.h>
#include <lib/types.h>

constexpr uint64_t STOP_NS = 500'000'000;      /* 10.1.2, 10.3.2 */
constexpr uint64_t LINK_RESET_NS = 2'000'000;  /* 10.4.2: at least 1 ms */
constexpr uint64_t LINK_NS = 1'000'000'000;    /* until it is there after a reset, or once more after it was lost */
constexpr uint64_t READY_NS = 10'000'000'000;  /* until a disk that turned is ready after a reset */
constexpr uint64_t COMING_NS = 30'000'000'000; /* until one that did not turn is */
constexpr unsigned ASKS_MAX = 3;

bool port_wait(const struct port *p, enum ahci_port_register r, uint32_t mask, uint32_t value, uint64_t limit_ns)
{
	return mmio_wait32(&p->ahci->registers, AHCI_PORTS + p->number * AHCI_PORT_BYTES + r, mask, value,
			   clock_monotonic_ns() + limit_ns);
}

enum port_state port_state(struct port *p)
{
	spin_lock(&p->lock);
	enum port_state state = p->state;
	spin_unlock(&p->lock);
	return state;
}

void port_set_state(struct port *p, enum port_state state)
{
	spin_lock(&p->lock);
	p->state = state;
	spin_unlock(&p->lock);
}

static uint32_t connected(const struct port *p)
{
	return port_read(p, AHCI_SSTS) & AHCI_DET;
}

/* What it told of up to now is over. */
static void forget(struct port *p)
{
	port_write(p, AHCI_SERR, UINT32_MAX);
	port_write(p, AHCI_PXIS, UINT32_MAX);
	p->events = 0;
}

int port_stop(const struct port *p)
{
	port_write(p, AHCI_CMD, port_read(p, AHCI_CMD) & ~AHCI_CMD_START);
	return port_wait(p, AHCI_CMD, AHCI_CMD_RUNS, 0, STOP_NS) ? 0 : -EIO;
}

void port_start(const struct port *p)
{
	port_write(p, AHCI_CMD, port_read(p, AHCI_CMD) | AHCI_CMD_START);
}

int port_open(struct port *p)
{
	struct ahci *a = p->ahci;
	uint32_t on = AHCI_CMD_SPIN_UP | AHCI_CMD_POWER | AHCI_CMD_ICC_ACTIVE;
	int error = port_stop(p);

	port_write(p, AHCI_CMD, port_read(p, AHCI_CMD) & ~AHCI_CMD_FIS_RECEIVE);
	if (error < 0 || !port_wait(p, AHCI_CMD, AHCI_CMD_FIS_RUNS, 0, STOP_NS))
		return -EIO;
	error = dma_alloc(a->dev, SHARED_ANSWER + ATA_SECTOR, &p->shared);
	if (error < 0)
		return error;
	port_write(p, AHCI_CLB, (uint32_t)p->shared.address);
	port_write(p, AHCI_CLBU, (uint32_t)(p->shared.address >> 32));
	port_write(p, AHCI_FB, (uint32_t)(p->shared.address + SHARED_RECEIVED));
	port_write(p, AHCI_FBU, (uint32_t)((p->shared.address + SHARED_RECEIVED) >> 32));
	port_write(p, AHCI_SCTL, AHCI_SCTL_AWAKE);
	forget(p);
	/* What is not there of power and staggered spin-up ignores it (3.3.7). */
	port_write(p, AHCI_CMD, (port_read(p, AHCI_CMD) & ~AHCI_CMD_ICC) | on | AHCI_CMD_FIS_RECEIVE);
	port_write(p, AHCI_PXIE, AHCI_INT_ALL);
	return 0;
}

int port_reset_link(struct port *p)
{
	port_write(p, AHCI_SCTL, AHCI_SCTL_AWAKE | AHCI_SCTL_RESET);
	/* Nothing is awaited but time. */
	(void)port_wait(p, AHCI_SCTL, 0, 1, LINK_RESET_NS);
	port_write(p, AHCI_SCTL, AHCI_SCTL_AWAKE);
	if (!port_wait(p, AHCI_SSTS, AHCI_DET, AHCI_DET_READY, LINK_NS))
		return -EIO;
	port_write(p, AHCI_SERR, UINT32_MAX);
	/* QEMU's controller takes what the disk tells first only when it sees this. */
	port_write(p, AHCI_CMD, port_read(p, AHCI_CMD));
	if (!port_wait(p, AHCI_TFD, ATA_STATUS_BUSY | ATA_STATUS_DATA, 0, READY_NS))
		return -EIO;
	forget(p);
	return 0;
}

/* --- what comes --- */

/* Tables for its commands, once in a round. */
static int take_tables(struct port *p)
{
	int error = 0;

	if (p->tables.at == nullptr)
		error = dma_alloc(p->ahci->dev, (AHCI_SLOTS_MAX + 1) * sizeof(struct table), &p->tables);
	if (error == 0 && p->lent == nullptr)
		error = dma_table_open(p->ahci->dev, AHCI_SLOTS_MAX, DISK_PIECES_MAX, &p->lent);
	return error;
}

/* It is ready: what is it? */
static int come(struct port *p)
{
	uint32_t signature = port_read(p, AHCI_SIG);

	forget(p);
	if (signature != AHCI_SIGNATURE_DISK) {
		log_info("%s: port %u: %s is left alone", device_name(p->ahci->dev), p->number,
			 signature == AHCI_SIGNATURE_PACKET  ? "a drive of removable media"
			 : signature == AHCI_SIGNATURE_PORTS ? "a port multiplier"
							     : "what is no disk");
		port_set_state(p, PORT_LEFT);
		return 0;
	}
	int error = take_tables(p);
	if (error < 0)
		return error;
	port_start(p);
	error = disk_of_port(p);
	if (error == 0)
		return 0;
	bool stopped = port_stop(p) == 0;
	if (error == -EIO || error == -ETIMEDOUT) {
		if (++p->attempts < ASKS_MAX && stopped) {
			/* How long that takes is part of the next step. */
			(void)port_reset_link(p);
			return 0;
		}
		log_error("%s: port %u: a disk is left out: it does not say what it is", device_name(p->ahci->dev),
			  p->number);
		error = -ENODEV;
	}
	port_set_state(p, PORT_LEFT);
	return error == -ENODEV ? 0 : error;
}

static void begin_coming(struct port *p)
{
	p->coming_ns = clock_monotonic_ns() + COMING_NS;
	p->was_reset = false;
	p->attempts = 0;
	port_set_state(p, PORT_COMING);
}

int port_step(struct port *p)
{
	uint32_t there = connected(p);
	uint64_t now = clock_monotonic_ns();

	if (port_state(p) == PORT_EMPTY && there != AHCI_DET_NOTHING)
		begin_coming(p);
	if (port_state(p) != PORT_COMING)
		return 0;
	if (there == AHCI_DET_NOTHING) {
		port_set_state(p, PORT_EMPTY);
		return 0;
	}
	if (there == AHCI_DET_READY && (port_read(p, AHCI_TFD) & (ATA_STATUS_BUSY | ATA_STATUS_DATA)) == 0)
		return come(p);
	if (now >= p->coming_ns) {
		log_error("%s: port %u: what is there does not get ready: %#x, %#x", device_name(p->ahci->dev),
			  p->number, port_read(p, AHCI_SSTS), port_read(p, AHCI_TFD));
		port_set_state(p, PORT_LEFT);
	} else if (!p->was_reset && now >= p->coming_ns - COMING_NS / 2) {
		p->was_reset = true;
		(void)port_reset_link(p);
	}
	return 0;
}

/* --- what goes --- */

void port_plugged(struct port *p)
{
	bool was_up = port_state(p) == PORT_UP, stopped = true;

	/* First: once that it was plugged is forgotten (SERR.DIAG.X) the port goes on with its commands, which are not
	 * for another disk that is there now. */
	if (was_up) {
		(void)port_hold(p);
		stopped = port_stop(p) == 0;
	}
	forget(p);
	if (was_up && port_wait(p, AHCI_SSTS, AHCI_DET, AHCI_DET_READY, LINK_NS)) {
		/* Lost for a moment, or another disk is there already. */
		port_recover(p, 0, true);
		return;
	}
	if (was_up) {
		log_info("%s: port %u: its disk is not there any more", device_name(p->ahci->dev), p->number);
		/* What cannot be stopped could still write. */
		if (!stopped && port_stop(p) < 0) {
			device_fail(p->ahci->dev, "a port without a disk does not stop");
			return;
		}
		port_set_state(p, PORT_EMPTY);
		disk_leaves(p);
		return;
	}
	/* The next step sees what is there now. */
	port_set_state(p, PORT_EMPTY);
}
