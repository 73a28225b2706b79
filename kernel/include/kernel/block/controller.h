/* SPDX-License-Identifier: MIT */
/*
 * Controllers of NVMe disks as programs see them: /sys/class/nvme/nvmeN with what the controller says of itself (Linux,
 * drivers/nvme/host/sysfs.c; nvme-cli and lsblk read it). A controller is an object of this floor and outlives the
 * rounds of its device, as its disks do, which are shown below it.
 */
#ifndef KERNEL_BLOCK_CONTROLLER_H
#define KERNEL_BLOCK_CONTROLLER_H

#include <stdint.h>

struct controller;
struct device;

struct controller_facts {
	char model[41], serial[21], firmware[9];
	char name[257]; /* NVMe qualified; empty: none */
	uint32_t id, queues, depth;
};

/* By a driver's attach, before its disks. In a later round the device has the same one, with new facts. *out is
 * borrowed until the device has no next round. -ENOMEM; -ENODEV: no round is under way. May sleep. */
[[nodiscard]] int controller_register(struct device *dev, const struct controller_facts *facts,
				      struct controller **out);
/* N: no other controller that is there has it. */
uint32_t controller_number(const struct controller *c);

#endif
