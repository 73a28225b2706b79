/* SPDX-License-Identifier: MIT */
/*
 * A machine for the NVMe driver on the host: a controller behind its registers and queues, and of the kernel what the
 * driver calls. The driver's threads take turns: each runs until it waits, and only when the test lets it. Time stands
 * still but for waits that nothing ends. So what happens, and in which order, is what the test says.
 */
#ifndef NVME_MODEL_H
#define NVME_MODEL_H

#include <kernel/block/disk.h>
#include <kernel/device/device.h>
#include <kernel/driver/block/nvme/nvme.h>

enum : unsigned { MODEL_BLOCK = 512, MODEL_BLOCKS = 64, MODEL_NAMESPACES = 4, MODEL_ACTORS = 3, MODEL_HELD = 16 };
constexpr uint16_t MODEL_REFUSED = 0x0b << 1, MODEL_FINAL = 1 << 15, MODEL_ABORTED = 7 << 1;
constexpr uint64_t MODEL_SECOND = 1'000'000'000;

/* A disk that the driver registered. */
struct disk {
	char name[32];
	struct disk_geometry geometry;
	const struct disk_ops *ops;
	unsigned rooms;
};

struct model_command {
	unsigned queue;
	struct nvme_command c;
};

struct model {
	/* What the machine is; set between model_reset() and model_attach(). */
	unsigned cpus, messages, namespaces;
	uint32_t refuses; /* to say what this namespace is, */
	uint16_t refusal; /* with this status; 0: it does not answer at all */
	uint8_t aborts;	  /* ACL */
	bool does_not_start, does_not_shut_down;
	/* How the controller behaves; at any time. */
	bool holds;	   /* it does not finish commands of disks, but keeps them */
	bool holds_admin;  /* it does not answer admin commands */
	bool silent;	   /* it sends no interrupts */
	bool aborts_none;  /* what is to be aborted goes on */
	bool gone, failed; /* it is not there any more; it sets CSTS.CFS */
	struct model_command held[MODEL_HELD];
	unsigned held_count;
	/* What it was asked. */
	unsigned count[256]; /* commands of disks, by opcode */
	uint32_t aborted[MODEL_HELD];
	unsigned abort_count, event_count, shutdowns;
	bool answers_abort_late; /* the answer to Abort waits for model_answer_aborts() */
	unsigned char media[MODEL_NAMESPACES][MODEL_BLOCKS * MODEL_BLOCK];
	/* What the driver made of it. */
	struct disk disks[MODEL_NAMESPACES];
	unsigned disk_count;
	bool dropped;	     /* disk_drop_missing was called */
	int attached;	     /* what attach returned; 1: it did not yet */
	const char *failing; /* why device_fail was called; nullptr: it was not */
	unsigned restarts;   /* asked for */
	bool ends;	     /* device_ends() */
	uint64_t now_ns;
	char log[8192];
};
extern struct model model;

/* A machine as most are: two CPUs, a message for each queue, three namespaces. */
void model_reset(void);
/* Begins a round, and runs it until all wait. */
void model_attach(void);
/* Ends it: detach, and all memory is given back. */
void model_detach(void);
/* The controller sees to its commands, and each thread that has a reason to runs, until nobody has one. */
void model_run(void);
/* The same, but the threads of queues do not run. */
void model_run_device(void);
/* Time passes, for waits with an end too. */
void model_pass(uint64_t ns);
/* The block floor says that what was given until now is late. */
void model_late(void);
/* The oldest command that is held is finished. */
void model_finish_held(void);
void model_answer_aborts(void);
/* An answer in completion queue `queue`, to a command that was or was not given. */
void model_answer(unsigned queue, uint16_t id, uint16_t status, uint32_t result);
/* The controller answers an Asynchronous Event Request. False: it has none. */
bool model_event(uint32_t event);
/* Gives a request of a disk to the driver, by queue. */
int model_submit(unsigned disk, unsigned queue, struct bio *b);
/* A page of memory that devices can be lent. */
struct page *model_page(unsigned char *memory);

#endif
