/* SPDX-License-Identifier: MIT */
/* Devices that are pulled out (kernel/device/pull.h). Atomics only: accesses are made under any lock. */
#include <kernel/device/pull.h>

#if STELLUX_DEBUG

#include <kernel/device/device.h>
#include <lib/string.h>

bool device_pull_armed;
static char name_pulled[DEVICE_NAME_MAX];
static uint32_t due, passes;

void device_pull_arm(const char *name, uint32_t n)
{
	__atomic_store_n(&device_pull_armed, false, __ATOMIC_SEQ_CST);
	if (name == nullptr)
		return;
	strlcpy(name_pulled, name, sizeof(name_pulled));
	due = n;
	__atomic_store_n(&passes, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&device_pull_armed, true, __ATOMIC_SEQ_CST);
}

bool device_pull_due(const struct device *dev)
{
	return dev != nullptr && strcmp(device_name(dev), name_pulled) == 0 &&
	       __atomic_add_fetch(&passes, 1, __ATOMIC_SEQ_CST) >= due;
}

bool device_pull_was(const char *name)
{
	return __atomic_load_n(&passes, __ATOMIC_SEQ_CST) >= due && strcmp(name, name_pulled) == 0;
}

uint32_t device_pull_passes(void)
{
	return __atomic_load_n(&passes, __ATOMIC_SEQ_CST);
}

#endif
