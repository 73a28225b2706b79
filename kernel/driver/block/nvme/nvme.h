/* SPDX-License-Identifier: MIT */
/*
 * What the files of the NVMe driver share: nvme.c (the device's rounds), queue.c (pairs of queues), admin.c (commands
 * that are waited for), namespace.c (disks and their requests).
 *
 * A pair has one consumer: the thread that its interrupt wakes. Commands are put into it by any thread, under its lock.
 * Memory that is shared with the controller is only written before a command is handed over, and read once after.
 */
#ifndef NVME_NVME_H
#define NVME_NVME_H

#include <kernel/base/lock.h>
#include <kernel/block/disk.h>
#include <kernel/device/dma.h>
#include <kernel/device/irq.h>
#include <kernel/device/mmio.h>
#include <kernel/device/thread.h>
#include <kernel/thread/component.h>
#include <lib/nvme.h>

DECLARE_COMPONENT(nvme);

enum : unsigned {
	QUEUE_ENTRIES = 128,
	REQUESTS_MAX = 64, /* of a pair, whichever of its disks they are for */
	ADMIN_REQUESTS = 8,
	NAMESPACES_MAX = 64, /* a bit each in a pair's `starved` */
};
constexpr size_t LIST_BYTES = DISK_PIECES_MAX * sizeof(uint64_t);
static_assert(NVME_PAGE % LIST_BYTES == 0); /* no list crosses a page */

/* To an admin command. */
struct nvme_answer {
	uint32_t result;
	uint16_t status;
};

/* Who waits for the answer to an admin command: a thread, nobody, or whoever hears of events. */
enum asked : uint8_t { ASKED, ASKED_ABORT, ASKED_EVENT };

/* A command, by its place in the pair. */
struct request {
	bool given;	   /* to the controller, which has not answered */
	bool aborted;	   /* which was asked to abort it, once */
	uint16_t sequence; /* in its id, so that no answer is taken for that of another */
	uint32_t next;	   /* free one */
	struct bio *bio;   /* of a disk */
	/* of the admin pair */
	enum asked asked;
	bool answered; /* ASKED: and how */
	struct nvme_answer answer;
};

struct pair {
	struct nvme *nvme;
	uint32_t number, entries, count; /* number 0: of the admin commands */
	struct dma_buffer commands, completions, lists;
	struct dma_table *lent;
	struct device_thread *thread;
	uint32_t opened;  /* atomic: enum pair_opened */
	uint64_t starved; /* atomic: disks that found no room here */
	/* atomic: what was given up to then is late, and to be looked for, or to be aborted; 0: nothing is */
	uint64_t late_ns, abort_ns;
	uint64_t taken; /* atomic: answers that the consumer has taken */
	/* atomic: the device's thread wants to know whether anybody was told of the next answer, when so many less one
	 * were taken; 0: it does not */
	uint64_t asked;
	struct spinlock lock;
	uint32_t tail GUARDED_BY(&lock), free GUARDED_BY(&lock); /* free: a request, or count */
	struct request requests[REQUESTS_MAX];
	/* the consumer's */
	struct irq irq;
	uint32_t head;
	uint16_t phase;
	uint64_t looked_for_ns;	      /* what it looks for now, without an interrupt of its own */
	unsigned found_late;	      /* which it found so, up to now, and when that was judged last */
	unsigned judged_late, untold; /* untold: times in a row that no interrupt had come for them */
	unsigned turn;		      /* whom it calls first of those that found no room */
	/* the device's thread's: the answer that it saw there and nobody had taken, and since when; 0: none */
	uint64_t unseen, unseen_ns;
};
/* Whether the pair's own thread has an interrupt. */
enum pair_opened : uint32_t { PAIR_OPENING, PAIR_HAS_INTERRUPT, PAIR_SHARES };

struct namespace
{
	uint32_t number;
	struct nvme_namespace facts;
	struct disk *disk;
};

struct nvme {
	struct device *dev;
	struct controller *controller;
	struct mmio registers;
	struct nvme_capabilities can;
	struct nvme_controller facts;
	struct dma_buffer data; /* a page of what is identified */
	unsigned pair_count, namespace_count, event_count;
	unsigned abort_count; /* that are not answered; the device's thread's */
	uint32_t came;	      /* interrupts, before the device's thread looked last */
	bool started;	      /* the controller was switched on */
	/* Namespaces of which the controller does not say for now what they are, and when it is asked again. */
	uint32_t unknown[NAMESPACES_MAX];
	unsigned unknown_count, asks;
	uint64_t ask_ns;
	struct namespace namespaces[NAMESPACES_MAX];
	struct pair admin;
	struct pair pairs[DISK_QUEUES_MAX];
};

/* --- queue.c --- */
/* Memory for a pair and its requests; pieces 0: they have no data. */
[[nodiscard]] int pair_open(struct nvme *n, struct pair *p, uint32_t number, uint32_t entries, uint32_t requests,
			    unsigned pieces);
/* A free request, or p->count. */
uint32_t request_take(struct pair *p);
void request_give(struct pair *p, uint32_t number);
/* Hands the command to the controller, as request `number`. Any thread. */
void pair_put(struct pair *p, uint32_t number, struct nvme_command *c);
/* By the consumer: finishes what the controller has answered; how many. Fails the device if an answer is none. */
unsigned pair_look(struct pair *p);
/* The same; of a pair without an interrupt of its own also what is late is looked for, and aborted if it is not there.
 */
void pair_serve(struct pair *p);
/* By the device's thread: looks into pairs with interrupts of their own, where something is late, whether its answer is
 * there and nobody has taken it, of which its thread has to say whether it was told; or else it is to be aborted. When
 * to look once more; 0: not. */
uint64_t pairs_look_late(struct nvme *n);
/* By the thread of a pair, before it looks: false if an answer is there, nobody was told, and so the device fails. */
bool pair_was_told(struct pair *p);
/* By the device's thread, when it has looked at pairs that share its interrupt, which came so often since it did so
 * before: fails the device if that found late answers twice, and none came meanwhile. */
void pairs_judge_late(struct nvme *n, uint32_t came);
/* The id of a command that was given up to then, is not answered, and was not found so before. False: there is none.
 * Any thread. */
bool pair_find_late(struct pair *p, uint64_t given_ns, uint16_t *id);

/* --- admin.c --- */
/* Whether the controller can answer at all; else the device fails. */
bool nvme_is_well(struct nvme *n);
/* Tells the controller that power will go, and waits until it has seen to that. Registers only. */
void nvme_shut_down(struct nvme *n);
/* The controller is switched off, and reaches no memory any more. -EIO: it does not say so. */
[[nodiscard]] int nvme_stop(struct nvme *n);
/* Switched on, with the admin pair, which is open. -EIO: it does not come up. */
[[nodiscard]] int nvme_start(struct nvme *n);
/* Gives a command and waits for the answer; in the device's thread. A negative errno: of the answer, or -ETIMEDOUT.
 * *out (may be nullptr): what was answered; zeros, if nothing was. */
[[nodiscard]] int nvme_ask(struct nvme *n, struct nvme_command *c, struct nvme_answer *out);
/* Fills n->data. Errors: as nvme_ask(), after which the controller may still write there. */
[[nodiscard]] int nvme_identify(struct nvme *n, enum nvme_cns what, uint32_t number, struct nvme_answer *out);
/* How many pairs the controller allots. */
[[nodiscard]] int nvme_ask_for_pairs(struct nvme *n, unsigned wanted, unsigned *allotted);
/* Makes an open pair known to the controller. */
[[nodiscard]] int nvme_create_pair(struct nvme *n, const struct pair *p, unsigned vector);

/* Asks to be told when namespaces change. A controller that does not tell is fine. */
[[nodiscard]] int nvme_ask_for_events(struct nvme *n);
/* Has the controller abort what pairs found to be late, as many at a time as it takes; in the device's thread. */
void nvme_abort_late(struct nvme *n);
/* An admin command has been answered; in the device's thread. */
void nvme_answered(struct nvme *n, uint32_t number, const struct nvme_completion *c);

/* --- namespace.c --- */
/* Makes a disk of each namespace that can be one. */
[[nodiscard]] int namespaces_register(struct nvme *n);
/* In serve: asks again for those that the controller would not describe. When to do so once more; 0: not. */
uint64_t namespaces_ask_again(struct nvme *n);
/* By the consumer: disks that found no room in the pair may find some now. */
void namespaces_call_starved(struct pair *p);
/* The answer to a disk's request. */
void namespace_finish(struct pair *p, uint32_t number, int error);
/* nvme.c: the consumer looks at the pair. Any thread. */
void pair_wake(struct pair *p);
/* nvme.c: requests that were given up to then are late (struct disk_ops). */
void nvme_late(struct device *dev, uint64_t given_ns);

static inline enum pair_opened pair_opened(const struct pair *p)
{
	return (enum pair_opened)__atomic_load_n(&p->opened, __ATOMIC_ACQUIRE);
}
static inline uint64_t pair_list_address(const struct pair *p, uint32_t number)
{
	return p->lists.address + number * LIST_BYTES;
}
static inline void *pair_list(const struct pair *p, uint32_t number)
{
	return (char *)p->lists.at + number * LIST_BYTES;
}

#endif
