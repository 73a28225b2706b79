/* SPDX-License-Identifier: MIT */
/* Calls that newer ones have replaced, which C libraries for x86_64 may still make, with pointers that lead nowhere.
 * What they do is tested wherever the C library uses them. */
#include "bad_calls.h"

#include <sys/stat.h>

static void paths(void)
{
	char buffer[256];

	prepare();
	FAULTS(SYS_open, P, O_RDONLY);
	FAULTS(SYS_creat, P, 0600);
	FAULTS(SYS_stat, P, buffer);
	FAULTS(SYS_lstat, P, buffer);
	FAULTS(SYS_access, P, 0);
	FAULTS(SYS_mkdir, P, 0700);
	FAULTS(SYS_rmdir, P);
	FAULTS(SYS_unlink, P);
	FAULTS(SYS_rename, P, "x");
	FAULTS(SYS_rename, "file", P);
	FAULTS(SYS_link, "file", P);
	FAULTS(SYS_symlink, P, "x");
	FAULTS(SYS_symlink, "x", P);
	FAULTS(SYS_readlink, P, buffer, 64);
	FAULTS(SYS_chmod, P, 0600);
	FAULTS(SYS_chown, P, 0, 0);
	FAULTS(SYS_lchown, P, 0, 0);
	FAULTS(SYS_mknod, P, S_IFIFO | 0600, 0);
}

static void data(void)
{
	prepare();
	FAULTS(SYS_poll, P, 1, 0);
	FAULTS(SYS_select, 64, P, 0, 0, 0);
	FAULTS(SYS_select, 0, 0, 0, 0, P);
	FAULTS(SYS_stat, "file", P);
	FAULTS(SYS_lstat, "file", P);
	FAULTS(SYS_readlink, "/proc/self/exe", P, 64);
	FAULTS(SYS_pipe, P);
	FAULTS(SYS_utime, "file", P);
	FAULTS(SYS_utimes, "file", P);
	FAULTS(SYS_time, P);
	FAILS(EINVAL, syscall(SYS_access, "file", 0x10));
}

static void vfork_shares_memory_and_waits(void)
{
	static volatile int value;

	value = 1;
	pid_t child = vfork();
	if (child == 0) {
		value = 2;
		_exit(5);
	}
	CHECK(child > 0);
	EQUAL(value, 2);
	EXITS(child, 5);
}

KTAP_MAIN(CASE(vfork_shares_memory_and_waits), CASE(paths), CASE(data))
