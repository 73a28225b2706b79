/* SPDX-License-Identifier: MIT */
/*
 * /dev/hwrng: bytes as a device gives them, for programs that judge them by themselves. The kernel's own generator is
 * fed by the same drivers (random_mix).
 *
 * A source outlives its driver's rounds: readers wait while it is attached anew, and get ENODEV when it is gone.
 */
#ifndef RANDOM_HWRNG_H
#define RANDOM_HWRNG_H

#include <kernel/device/device.h>

constexpr size_t HWRNG_BYTES = 64; /* given and taken at a time, at most */

/* By attach: the device is a source from here on. Readers wake its thread (device_wake). -ENOMEM, -EBUSY: another
 * device is the source. May sleep. */
[[nodiscard]] int hwrng_register(struct device *dev) NOT_ELEVATED;
/* Whether a reader found none: so until some are given, whether he waits or comes again. Any context. */
bool hwrng_wanted(void);
/* Bytes for the next readers, in place of what is left of the last; beyond HWRNG_BYTES they are dropped. Any context.
 */
void hwrng_give(const void *bytes, size_t n);

#endif
