/* SPDX-License-Identifier: MIT */
/*
 * What the files of the AHCI driver share: ahci.c (the device's rounds), port.c (disks that come and go), command.c
 * (slots, and commands that are waited for), recover.c (after errors), disk.c (disks and their requests).
 *
 * One consumer finishes what any port has done: the device's thread. Commands are put into a port's slots by any
 * thread, under the port's lock. They are issued in that order, and one that is not queued (SATA 13.6) alone: it waits
 * until the disk has nothing else, and what comes after waits for it.
 */
#ifndef AHCI_AHCI_H
#define AHCI_AHCI_H

#include <kernel/base/lock.h>
#include <kernel/block/disk.h>
#include <kernel/device/dma.h>
#include <kernel/device/irq.h>
#include <kernel/device/mmio.h>
#include <kernel/thread/component.h>
#include <lib/ahci.h>

DECLARE_COMPONENT(ahci);

/* A command's table: the command, its regions, and what a TRIM tells. */
struct table {
	unsigned char command[AHCI_TABLE_REGIONS];
	struct ahci_region regions[DISK_PIECES_MAX];
	unsigned char ranges[ATA_SECTOR];
};
static_assert(sizeof(struct table) % 128 == 0); /* 4.2.2: where one begins */

enum port_state : uint8_t {
	PORT_EMPTY,
	PORT_COMING, /* something is there, and not ready */
	PORT_LEFT,   /* what is there is no disk, or none that can be driven */
	PORT_UP,
};

/* A command of a disk, by its slot, which is also its tag. */
struct slot {
	struct bio *bio;
	struct ata_command command;
	uint16_t regions;
	uint8_t attempts; /* how often it was issued again for what was not its fault */
	uint32_t bytes;	  /* that a command that is not queued moves; 0: none */
};

struct port {
	struct ahci *ahci;
	uint32_t number;
	struct dma_buffer shared; /* the headers, what the disk tells, and a page for commands that are waited for */
	struct dma_buffer tables; /* one of each slot, and one of those that are waited for */
	struct dma_table *lent;
	struct ata_disk facts;
	struct disk *disk;
	uint32_t slot_count;
	struct slot slots[AHCI_SLOTS_MAX];
	struct spinlock lock;
	enum port_state state GUARDED_BY(&lock);
	bool held GUARDED_BY(&lock);				/* nothing is issued: the port recovers */
	bool queues GUARDED_BY(&lock);				/* commands to come may be queued */
	uint32_t free GUARDED_BY(&lock), out GUARDED_BY(&lock); /* slots, a bit each */
	uint8_t order[AHCI_SLOTS_MAX] GUARDED_BY(&lock); /* slots that wait to be issued, from `first` on, round */
	uint32_t first GUARDED_BY(&lock), waiting GUARDED_BY(&lock);
	/* the device's thread's */
	uint32_t events;     /* of PxIS, that were not attended to */
	uint64_t coming_ns;  /* until when what is there is to be ready */
	bool was_reset;	     /* for that */
	unsigned attempts;   /* to find out what it is */
	unsigned found_late; /* requests of which that was known, that were done when they were looked for */
	unsigned troubles;   /* queued commands that went wrong without one being to blame */
};

struct ahci {
	struct device *dev;
	struct mmio registers;
	struct ahci_capabilities can;
	uint32_t ports_there; /* a bit each */
	struct irq irq;
	uint32_t came;	  /* interrupts, before the device's thread looked last */
	uint64_t late_ns; /* atomic: what was given up to then is late; 0: nothing is */
	uint64_t looked_for_ns;
	unsigned untold; /* times in a row that something late was done, and no interrupt had come */
	struct port ports[AHCI_PORTS_MAX];
};

static inline uint32_t port_read(const struct port *p, enum ahci_port_register r)
{
	return mmio_read32(&p->ahci->registers, AHCI_PORTS + p->number * AHCI_PORT_BYTES + r);
}
static inline void port_write(const struct port *p, enum ahci_port_register r, uint32_t value)
{
	mmio_write32(&p->ahci->registers, AHCI_PORTS + p->number * AHCI_PORT_BYTES + r, value);
}
/* Until (the register & mask) is value. False: not within limit_ns. */
[[nodiscard]] bool port_wait(const struct port *p, enum ahci_port_register r, uint32_t mask, uint32_t value,
			     uint64_t limit_ns);
static inline struct table *port_table(const struct port *p, uint32_t slot)
{
	return (struct table *)p->tables.at + slot;
}
static inline uint64_t port_table_address(const struct port *p, uint32_t slot)
{
	return p->tables.address + slot * sizeof(struct table);
}
constexpr uint32_t TABLE_ASKED = AHCI_SLOTS_MAX; /* of commands that are waited for */
constexpr size_t SHARED_RECEIVED = AHCI_LIST_BYTES, SHARED_ANSWER = 2048;
static inline const unsigned char *port_answer(const struct port *p)
{
	return (const unsigned char *)p->shared.at + SHARED_ANSWER;
}

/* --- ahci.c --- */
/* Whether the controller can answer at all; else the device fails. */
bool ahci_is_well(struct ahci *a);
/* By the device's thread: notes what ports tell, and finishes what their disks have done. */
void ahci_look(struct ahci *a);

/* --- port.c --- */
/* Memory and registers of a port: from here on it tells what is there. -EIO: it does not stop. */
[[nodiscard]] int port_open(struct port *p);
/* Takes the next step with what is at a port, if there is one: a disk that is ready is registered. */
[[nodiscard]] int port_step(struct port *p);
/* What is there has changed. */
void port_plugged(struct port *p);
/* Commands are processed; or not any more. -EIO: it does not stop. */
void port_start(const struct port *p);
[[nodiscard]] int port_stop(const struct port *p);
/* Resets the link and the disk. -EIO: nothing is ready after it. The port is stopped. */
[[nodiscard]] int port_reset_link(struct port *p);
enum port_state port_state(struct port *p);
void port_set_state(struct port *p, enum port_state state);

/* --- command.c --- */
/* All slots are free. */
void slots_open(struct port *p, uint32_t count);
/* Whether commands to come are queued. */
bool slots_are_queued(struct port *p);
/* From here on they are not. */
void slots_queue_no_more(struct port *p);
/* A free slot, or AHCI_SLOTS_MAX. Any thread. */
uint32_t slot_take(struct port *p);
void slot_give(struct port *p, uint32_t slot);
/* Has the command issued, as soon as others allow. -ENODEV: there is no disk any more, and the slot is the caller's. */
[[nodiscard]] int slot_put(struct port *p, uint32_t slot);
/* The same for commands that were out, in front of those that wait. */
void slots_put_again(struct port *p, uint32_t slots);
/* By the device's thread: notes what the port tells, finishes what its disk has done. */
void port_look(struct port *p);
/* Slots whose commands are out; none if there is no disk, or it recovers. */
uint32_t slots_out(struct port *p);
/* Slots that slot_put() took: out, or waiting. Others that are not free are still those of who fills them. */
uint32_t slots_put(struct port *p);
/* The port issues nothing more; slots whose commands are out, and stay so, however often this is asked, until they are
 * given back or put again. */
uint32_t port_hold(struct port *p);
void port_go_on(struct port *p);
/* By the device's thread: gives a command, and waits for its answer, of a sector, in port_answer(). The port runs and
 * has no other command. -EIO: it failed, or the port tells of an error; -ETIMEDOUT; -ECANCELED. */
[[nodiscard]] int port_ask(struct port *p, const struct ata_command *c);
/* In detach: power may go, and the disk is told, by registers and the memory that it shares. False: there is none, or
 * it cannot be told. */
[[nodiscard]] bool port_sleep(struct port *p);
/* Until the disk of one that was told is ready for that; one that is not by then is said. */
void port_await_sleep(const struct port *p, uint64_t deadline_ns);

/* --- recover.c --- */
/* By the device's thread, after an error that the port told of; with_link: the link is reset, too. */
void port_recover(struct port *p, uint32_t events, bool with_link);
/* By the device's thread: what was given up to then and is not done is late. */
void port_recover_late(struct port *p, uint64_t given_ns);

/* --- disk.c --- */
/* Makes a disk of what is at a port, which runs. -EIO, -ETIMEDOUT: it does not say what it is; -ENODEV: it is none. */
[[nodiscard]] int disk_of_port(struct port *p);
/* Whether the disk that is there is still that one. */
bool disk_is_same(struct port *p);
/* A read or write of the slot's request. */
void slot_fill_transfer(struct port *p, uint32_t slot, bool queued);
/* The answer to a request. The slot's command is not out. */
void slot_finish(struct port *p, uint32_t slot, int error);
/* The disk is not there any more, and neither are its requests. The port is stopped, and takes no more. */
void disk_leaves(struct port *p);
/* Requests that were given up to then are late (struct disk_ops). */
void ahci_late(struct device *dev, uint64_t given_ns);

#endif
