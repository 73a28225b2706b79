/* SPDX-License-Identifier: MIT */
/*
 * Pulling a device out, in debug builds: from the n-th access of its driver on nobody is there any more. Registers and
 * configuration read all ones and what is written is lost, the bus finds nothing, and its slot is taken for empty. By
 * the kernel's tests, of one device at a time, which need not be there yet. What it masters and interrupts the nucleus
 * stops as ever. A release build has none of it.
 */
#ifndef KERNEL_DEVICE_PULL_H
#define KERNEL_DEVICE_PULL_H

#include <lib/annotate.h>
#include <stdint.h>

struct device;

#if STELLUX_DEBUG

extern bool device_pull_armed; /* atomic */
/* Of the access that is being made, which counts. */
bool device_pull_due(const struct device *dev);
/* Whether the device of that name was pulled out. */
bool device_pull_was(const char *name);

/* The device of that name goes with the n-th access from now on; nullptr: none does, and the one that went is there. */
void device_pull_arm(const char *name, uint32_t n);
/* How many accesses there were since then. */
uint32_t device_pull_passes(void);

#define DEVICE_PULLED(dev) (unlikely(__atomic_load_n(&device_pull_armed, __ATOMIC_RELAXED)) && device_pull_due(dev))
#define DEVICE_PULLED_NAMED(name)                                                                                      \
	(unlikely(__atomic_load_n(&device_pull_armed, __ATOMIC_RELAXED)) && device_pull_was(name))

#else
/* Nowhere: a name is not made, either. */
bool device_pull_was(const char *name);
#define DEVICE_PULLED(dev)	  ((void)(dev), false)
#define DEVICE_PULLED_NAMED(name) (false && device_pull_was(name))
#endif

#endif
