/* SPDX-License-Identifier: MIT */
/*
 * A mixed workload, in operations of which each finds out whether what it asked for was done: a shell's (programs,
 * pipes), disks, terminals, and each filesystem and driver that the machine has. Those that a component serves are
 * named by it.
 */
#pragma once

enum { OPERATIONS_MAX = 4 };

/* Does its work once and says whether it was done right; where the machine has not what it takes, that is done. It may
 * be killed at any step and leaves nothing that another one minds. */
typedef bool operation(void);

struct served {
	const char *component;
	operation *operations[OPERATIONS_MAX]; /* up to a nullptr */
	const char *restarts; /* drivers of which a device is to begin anew, apart by spaces; "*": of each */
};

/* For each component those operations that it serves; the end has no name. */
extern const struct served served[];

/* Of each of these drivers (as above) the first device begins anew: whoever uses one waits meanwhile. */
bool workload_restart(const char *drivers);
/* The next number of a row that the seed chooses. */
unsigned workload_random(void);
void workload_seed(unsigned seed);
/* A word of the kernel's command line, `name=NUMBER`; what is given otherwise. */
unsigned workload_option(const char *name, unsigned otherwise);
/* The program that is run by the shell's operation: prints "hello". */
extern const char workload_program[];
