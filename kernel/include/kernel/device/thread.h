/* SPDX-License-Identifier: MIT */
/*
 * Further threads of a device's driver, for example one for each queue, beside the device's own. Such a thread belongs
 * to the driver's component and to the round: when that ends it has to end, before detach is called. A fault in it is
 * contained and fails the device.
 */
#ifndef KERNEL_DEVICE_THREAD_H
#define KERNEL_DEVICE_THREAD_H

#include <kernel/device/device.h>

struct device_thread;

/*
 * Starts fn(dev, arg) in a thread of that name (at most 15 bytes are kept), under a guard. fn returns when
 * device_stopping(dev), and waits by device_wait() or, for an interrupt that it opened itself, irq_wait(). Owned by the
 * device; *out (may be nullptr) is borrowed until the round ends. From attach or serve. -ENOMEM; -ENODEV: no round is
 * under way.
 */
[[nodiscard]] int device_thread_start(struct device *dev, const char *name, void (*fn)(struct device *dev, void *arg),
				      void *arg, struct device_thread **out) NOT_ELEVATED;
/* Unparks it. Any context, spinlocks included; nothing once it has ended. */
void device_thread_wake(struct device_thread *t);

#endif
