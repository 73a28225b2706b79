/* SPDX-License-Identifier: MIT */
/* For whoever has asked for device_restart() and waits for it. */
#ifndef KERNEL_DEVICE_RESTART_H
#define KERNEL_DEVICE_RESTART_H

struct device;

/* What was asked for is not over. */
bool device_restarting(const struct device *dev);

#endif
