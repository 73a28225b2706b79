/* SPDX-License-Identifier: MIT */
/* Slots and their commands (AHCI 1.3.1, 5.3, 5.5, 5.6), and commands that the device's thread waits for. */
#include "ahci.h"

#include <abi/errno.h>
#include <arch/dma.h>
#include <kernel/base/clock.h>
#include <kernel/base/log.h>
#include <lib/string.h>
#include <lib/types.h>

constexpr uint64_t ANSWER_NS = 10'000'000'000;
constexpr uint64_t LOOK_NS = 100'000'000; /* how often a port that is waited for is asked, if it does not tell */

void slots_open(struct port *p, uint32_t count)
{
	spin_lock(&p->lock);
	p->slot_count = count;
	p->free = (uint32_t)((1ull << count) - 1);
	p->out = 0;
	p->first = p->waiting = 0;
	p->held = false;
	p->queues = p->facts.tags != 0 && p->ahci->can.has_queued;
	spin_unlock(&p->lock);
}

bool slots_are_queued(struct port *p)
{
	spin_lock(&p->lock);
	bool queued = p->queues;
	spin_unlock(&p->lock);
	return queued;
}

void slots_queue_no_more(struct port *p)
{
	spin_lock(&p->lock);
	p->queues = false;
	spin_unlock(&p->lock);
}

uint32_t slot_take(struct port *p)
{
	uint32_t slot = AHCI_SLOTS_MAX;

	spin_lock(&p->lock);
	if (p->free != 0) {
		slot = (uint32_t)__builtin_ctz(p->free);
		p->free &= ~(1u << slot);
	}
	spin_unlock(&p->lock);
	return slot;
}

void slot_give(struct port *p, uint32_t slot)
{
	spin_lock(&p->lock);
	p->slots[slot].bio = nullptr;
	p->out &= ~(1u << slot);
	p->free |= 1u << slot;
	spin_unlock(&p->lock);
}

static void write_header(const struct port *p, uint32_t slot, uint32_t table, const struct ata_command *c,
			 unsigned regions)
{
	struct ahci_header h = ahci_header_of(c, port_table_address(p, table), regions);

	ahci_write_fis(port_table(p, table)->command, c);
	memcpy((struct ahci_header *)p->shared.at + slot, &h, sizeof(h));
}

static void issue(struct port *p, uint32_t slot) REQUIRES(&p -> lock)
{
	struct slot *s = &p->slots[slot];

	if (s->command.queued)
		ata_set_tag(&s->command, slot);
	write_header(p, slot, slot, &s->command, s->regions);
	p->out |= 1u << slot;
	dma_barrier();
	if (s->command.queued)
		port_write(p, AHCI_SACT, 1u << slot);
	port_write(p, AHCI_CI, 1u << slot);
}

/* Only queued ones are out together, so any one of those that are tells of all. */
static bool out_are_queued(const struct port *p) REQUIRES(&p -> lock)
{
	return p->out != 0 && p->slots[__builtin_ctz(p->out)].command.queued;
}

static void issue_waiting(struct port *p) REQUIRES(&p -> lock)
{
	while (p->waiting > 0 && !p->held && p->state == PORT_UP) {
		uint32_t slot = p->order[p->first];

		if (p->out != 0 && !(out_are_queued(p) && p->slots[slot].command.queued))
			break;
		p->first = (p->first + 1) % AHCI_SLOTS_MAX;
		p->waiting--;
		issue(p, slot);
	}
}

int slot_put(struct port *p, uint32_t slot)
{
	spin_lock(&p->lock);
	bool up = p->state == PORT_UP;
	if (up) {
		p->order[(p->first + p->waiting++) % AHCI_SLOTS_MAX] = (uint8_t)slot;
		issue_waiting(p);
	}
	spin_unlock(&p->lock);
	return up ? 0 : -ENODEV;
}

void slots_put_again(struct port *p, uint32_t slots)
{
	spin_lock(&p->lock);
	p->out &= ~slots;
	for (uint32_t slot = AHCI_SLOTS_MAX; slot-- > 0;) {
		if ((slots >> slot & 1) == 0)
			continue;
		p->first = (p->first + AHCI_SLOTS_MAX - 1) % AHCI_SLOTS_MAX;
		p->order[p->first] = (uint8_t)slot;
		p->waiting++;
	}
	spin_unlock(&p->lock);
}

uint32_t slots_out(struct port *p)
{
	spin_lock(&p->lock);
	uint32_t out = p->state == PORT_UP && !p->held ? p->out : 0;
	spin_unlock(&p->lock);
	return out;
}

uint32_t slots_put(struct port *p)
{
	spin_lock(&p->lock);
	uint32_t slots = p->out;
	for (uint32_t i = 0; i < p->waiting; i++)
		slots |= 1u << p->order[(p->first + i) % AHCI_SLOTS_MAX];
	spin_unlock(&p->lock);
	return slots;
}

uint32_t port_hold(struct port *p)
{
	spin_lock(&p->lock);
	p->held = true;
	uint32_t out = p->out;
	spin_unlock(&p->lock);
	return out;
}

void port_go_on(struct port *p)
{
	spin_lock(&p->lock);
	p->held = false;
	issue_waiting(p);
	spin_unlock(&p->lock);
}

/* --- what was done --- */

/*
 * Slots whose commands have ended well. One that is not queued ends with a status, which is read after it was seen to
 * have ended: it may have failed, which the port tells, too, in its own time; then it stays out for port_recover(). So
 * does one that moved less than it had to.
 */
static uint32_t take_done(struct port *p) REQUIRES(&p -> lock)
{
	bool queued = out_are_queued(p);
	uint32_t busy = port_read(p, AHCI_CI);

	if (queued)
		busy |= port_read(p, AHCI_SACT);
	uint32_t done = p->out & ~busy;
	/* What a disk has written is read after this. */
	dma_barrier();
	if (done != 0 && !queued) {
		const struct slot *s = &p->slots[__builtin_ctz(done)];
		const struct ahci_header *h = (const struct ahci_header *)p->shared.at + __builtin_ctz(done);

		if (ata_failed((uint8_t)port_read(p, AHCI_TFD)) || h->moved < s->bytes) {
			p->events |= AHCI_INT_TASK;
			done = 0;
		}
	}
	p->out &= ~done;
	return done;
}

void port_look(struct port *p)
{
	uint32_t done = 0, events = port_read(p, AHCI_PXIS);

	/* Before what is looked at: what comes after that tells of itself again. */
	if (events != 0)
		port_write(p, AHCI_PXIS, events);
	p->events |= events;
	spin_lock(&p->lock);
	if (p->state == PORT_UP && !p->held && p->out != 0)
		done = take_done(p);
	spin_unlock(&p->lock);
	for (uint32_t left = done; left != 0; left &= left - 1)
		slot_finish(p, (uint32_t)__builtin_ctz(left), 0);
	if (done == 0)
		return;
	spin_lock(&p->lock);
	issue_waiting(p);
	spin_unlock(&p->lock);
}

/* --- commands that are waited for --- */

/* Until the command in the first slot has ended. */
static int wait_asked(struct port *p)
{
	struct ahci *a = p->ahci;
	uint64_t deadline = clock_monotonic_ns() + ANSWER_NS;

	for (;;) {
		/* First: with an error it may stay. */
		ahci_look(a);
		bool busy = (port_read(p, AHCI_CI) & 1) != 0;
		uint8_t status = (uint8_t)port_read(p, AHCI_TFD);

		if (p->events & (AHCI_INT_ERRORS | AHCI_INT_PLUG))
			return -EIO;
		if (!busy)
			return ata_failed(status) ? -EIO : 0;
		(void)irq_done(&a->irq);
		uint64_t now = clock_monotonic_ns();
		int error = now >= deadline ? -ETIMEDOUT : irq_wait(&a->irq, MIN(now + LOOK_NS, deadline));
		if (error < 0 && !(error == -ETIMEDOUT && now < deadline))
			return error;
		if (error < 0 && !ahci_is_well(a))
			return -EIO;
	}
}

int port_ask(struct port *p, const struct ata_command *c)
{
	const struct ahci_header *h = (const struct ahci_header *)p->shared.at;
	bool fits =
		ahci_write_region(port_table(p, TABLE_ASKED)->regions, p->shared.address + SHARED_ANSWER, ATA_SECTOR);

	memset((char *)p->shared.at + SHARED_ANSWER, 0, ATA_SECTOR);
	write_header(p, 0, TABLE_ASKED, c, 1);
	dma_barrier();
	p->events &= AHCI_INT_PLUG;
	port_write(p, AHCI_CI, 1);
	int error = fits ? wait_asked(p) : -EINVAL;
	dma_barrier();
	return error == 0 && h->moved < ATA_SECTOR ? -EIO : error;
}

bool port_sleep(struct port *p)
{
	struct ata_command c = ata_standby();

	/* What is out is given up: nobody waits for it any more. */
	if (port_state(p) != PORT_UP || port_stop(p) < 0)
		return false;
	write_header(p, 0, TABLE_ASKED, &c, 0);
	port_start(p);
	dma_barrier();
	port_write(p, AHCI_CI, 1);
	return true;
}

void port_await_sleep(const struct port *p, uint64_t deadline_ns)
{
	uint64_t now = clock_monotonic_ns();

	if (!port_wait(p, AHCI_CI, 1, 0, now < deadline_ns ? deadline_ns - now : 0))
		log_error("%s: port %u: the disk does not get ready for the end of power", device_name(p->ahci->dev),
			  p->number);
}
