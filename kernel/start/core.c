/* SPDX-License-Identifier: MIT */
/* The order in which the lowest floors come up (kernel/base/init.h). Runs once, in the boot thread. */
#include "kernel/base/core.h"
#include "kernel/base/perturb.h"
#include "kernel/process/dispatch.h"
#include "kernel/thread/core.h"
#include "start.h"

#include <kernel/base/log.h>
#include <kernel/base/random.h>

void core_init_early(const struct boot_info *info)
{
	boot_info_set(info);
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
	perturb_init();
	cmdline_check();
	random_init(boot_info());
	if (!random_seeded() && random_gather() < 0)
		log_error("random: no thread to gather timing jitter");
	privilege_init();
}
