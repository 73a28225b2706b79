/* SPDX-License-Identifier: MIT */
/*
 * The order in which the lowest floors come up (kernel/base/init.h), and its component.
 * Runs once, in the boot thread.
 */
#include "core.h"

static int start_core(void);

DEFINE_COMPONENT(core, .stage = STAGE_CORE, .start = start_core);

static const struct boot_info *boot;

const struct boot_info *boot_info(void)
{
	return boot;
}

void core_init_early(const struct boot_info *info)
{
	boot = info;
	thread_init_boot();
	clock_init(info);
	log_init();
}

void core_init(void)
{
	component_init();
	syscall_init();
	thread_init();
	timer_start();
	log_start();
	cmdline_check();
	random_init(boot);
	privilege_init();
}

/* What needs the filesystems. */
static int start_core(void)
{
	return log_file_init();
}
