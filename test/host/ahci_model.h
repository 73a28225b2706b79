/* SPDX-License-Identifier: MIT */
/*
 * A machine for the AHCI driver on the host: a controller behind its registers with disks at its ports, and of the
 * kernel what the driver calls. There is one thread: when the driver waits and nothing ends that wait, time passes to
 * its end, or, where it has none, the test's next step is taken; after the last one the round ends. So what happens,
 * and in which order, is what the test says.
 */
#ifndef AHCI_MODEL_H
#define AHCI_MODEL_H

#include <kernel/block/disk.h>
#include <kernel/device/device.h>
#include <kernel/driver/block/ahci/ahci.h>

enum : unsigned { MODEL_PORTS = 3, MODEL_BLOCKS = 64, MODEL_BLOCK_MAX = 4096 };
constexpr uint64_t MODEL_SECOND = 1'000'000'000;

/* A disk that the driver registered. */
struct disk {
	struct disk_geometry geometry;
	const struct disk_ops *ops;
	bool there;
};

/* What is at a port. */
struct model_port {
	/* What it is; at any time, but for `there`, which model_plug() changes. */
	bool there;
	uint32_t signature;
	bool silent;		    /* it does not say that it is ready */
	bool refuses;		    /* it fails IDENTIFY */
	bool swaps;		    /* another one takes its place when it is reset */
	bool no_queue, no_log, old; /* no queued commands, no log of errors, no addresses of 48 bits */
	uint32_t block_bytes;
	char serial[ATA_SERIAL_BYTES + 1];
	bool holds;	      /* it does not finish commands of disks */
	bool holds_first;     /* it does not finish the queued command that it was given first */
	bool sends_nothing;   /* it finishes commands, and moves no data */
	bool keeps_cache;     /* it fails what empties its cache */
	bool clears;	      /* of a command that is not queued and fails, as QEMU's does, the bit in CI */
	unsigned link_errors; /* so many times the link breaks in a command */
	uint64_t link_takes;  /* nanoseconds, until it is there after its next reset */
	uint32_t bad;	      /* a block that cannot be read or written; 0: none */
	bool does_not_stop;
	uint64_t flaps_until_ns; /* its link is lost, and there again, every hundredth of a second */
	uint64_t standby_takes;	 /* nanoseconds, until it has done what it is told at the end of power */
	/* What it was asked. */
	unsigned count[256], resets, most_out; /* commands; resets of the link */
	bool mixed;			       /* a command that is not queued was given beside others */
	unsigned char media[MODEL_BLOCKS * MODEL_BLOCK_MAX];
	/* Its registers, and whether an error has stopped it. */
	uint32_t clb, clbu, is, ie, cmd, tfd, sctl, serr, sact, ci;
	bool stopped, log_wanted;
	uint64_t link_at_ns, flap_at_ns, standby_at_ns;
	unsigned bad_tag;
	uint32_t given; /* slots, that were looked at */
};

struct model {
	uint32_t cap, pi;
	struct model_port ports[MODEL_PORTS];
	bool gone;	    /* the controller is not there any more */
	bool tells_nothing; /* it sends no interrupts */
	bool does_not_reset;
	bool firmware_has_it; /* until it is told that the system wants it */
	uint32_t ghc, bohc;
	unsigned limit_bits;
	/* What the driver made of it. */
	struct disk disks[MODEL_PORTS];
	unsigned registered, dropped_missing;
	int attached; /* what attach returned, and when */
	uint64_t attached_ns;
	const char *failing;
	unsigned restarts, lent;
	void (*while_lending)(void); /* once, when the next piece was lent */
	bool ends;
	uint64_t now_ns;
	char log[16384];
};
extern struct model model;

/* A machine as most are: a disk at port 0, another at port 2, and nothing at port 1. */
void model_reset(void);
/* One round, in which the driver takes these steps. */
void model_round(void (*const *steps)(void), unsigned count);
#define ROUND(...)                                                                                                     \
	model_round((void (*const[])(void)){__VA_ARGS__}, sizeof((void (*const[])(void)){__VA_ARGS__}) / sizeof(void *))
/* What was there is pulled out, or is put in. */
void model_plug(unsigned port, bool there);
/* Gives a request of the disk at a port to the driver. */
int model_submit(unsigned port, struct bio *b);
/* The block floor says that what was given until now is late. */
void model_late(void);
/* A page of memory that devices can be lent. */
struct page *model_page(unsigned char *memory);

#endif
