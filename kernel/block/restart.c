/* SPDX-License-Identifier: MIT */
/*
 * How the block floor begins anew when somebody asks for it: it has no thread that lasts, and its data are the disks,
 * which programs have open. So each disk does: it is suspended, and its driver, which is attached anew, resumes it and
 * gets once more what it had.
 */
#include "block.h"

#include <kernel/device/restart.h>
#include <kernel/thread/component_part.h>

static uint32_t restart_disks(void)
{
	uint32_t asked = 0;

	for (struct disk *d = disk_each(nullptr); d != nullptr; d = disk_each(d))
		asked += d->dev != nullptr && device_restart(d->dev) == 0;
	return asked;
}

static bool disks_restarting(void)
{
	bool some = false;

	for (struct disk *d = disk_each(nullptr); d != nullptr; d = disk_each(d))
		some = some || (d->dev != nullptr && device_restarting(d->dev));
	return some;
}

COMPONENT_PART(block, .what = "its disks, with their drivers", .restart = restart_disks,
	       .restarting = disks_restarting);
