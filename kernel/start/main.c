/* SPDX-License-Identifier: MIT */
/*
 * The first lowered thread: brings up the kernel's parts in the order they need each other, starts the first process
 * and ends. Every part says itself what it does; a failure here means that the machine cannot be used and is said in
 * plain words.
 */
#include <kernel/base/clock.h>
#include <kernel/base/cmdline.h>
#include <kernel/base/init.h>
#include <kernel/base/log.h>
#include <kernel/block/blkdev.h>
#include <kernel/mem/page.h>
#include <kernel/process/process.h>
#include <kernel/thread/component.h>
#include <kernel/tty/tty.h>
#include <kernel/vfs/vfs.h>
#include <kernel/vm/vm.h>
#include <nucleus/calls.h>

/* How long a disk that does not answer holds boot up. */
constexpr uint64_t PARTITIONS_NS = 10'000'000'000;

[[noreturn]] void kernel_main(const struct boot_info *boot);

[[noreturn]] static void give_up(const char *what, int error)
{
	log_error("kernel: %s (error %d); the machine is switched off", what, -error);
	log_settle();
	nucleus_power(POWER_OFF);
	thread_exit();
}

[[noreturn]] void kernel_main(const struct boot_info *boot)
{
	char buffer[128];
	const char *path;
	int error;

	core_init_early(boot);
	error = vm_init(boot);
	if (error)
		give_up("no memory for the kernel", error);
	core_init();
	error = vfs_init();
	if (error)
		give_up("the root filesystem cannot be made", error);
	components_start();
	/* The first process finds the partitions of what disks there are. */
	blkdev_settle(clock_monotonic_ns() + PARTITIONS_NS);
	path = cmdline_get("init", buffer, sizeof(buffer));
	if (!path)
		path = "/sbin/init";
	tty_require_console();
	error = process_start_init(path);
	if (error) {
		log_error("kernel: cannot start %s", path);
		give_up("no first process: name one with init= on the kernel command line", error);
	}
	thread_exit();
}
