/* SPDX-License-Identifier: MIT */
/* /sys as the kernel's tests look at it (sys_view.h). */
#include "sys_view.h"

#include "ktest.h"

#include <abi/errno.h>
#include <abi/fcntl.h>
#include <lib/string.h>

#include "../../kernel/vfs/internal.h"
#include "../../kernel/vfs/mount.h"

bool sys_mounted(void)
{
	static bool done;

	if (!done)
		done = EXPECT_EQ(vfs_make_at(SYS, S_IFDIR | 0755, 0, nullptr), 0) &&
		       EXPECT_EQ(mount_filesystem("sysfs", "none", SYS, 0, ""), 0);
	return done;
}

int sys_found(const char *path)
{
	struct path p;

	int error = path_lookup(AT_FDCWD, path, 0, &p);
	if (error == 0)
		path_put(&p);
	return error;
}

struct file *sys_open(const char *path, uint32_t flags)
{
	struct file *f = nullptr;

	if (file_open_path(path, flags, 0, &f) != 0)
		ktest_fail(__FILE_NAME__, __LINE__, path, 0, 0, false);
	return f;
}

bool sys_says(const char *path, const char *wanted)
{
	struct file *f = sys_open(path, O_RDONLY);
	char text[256] = "";

	if (f == nullptr)
		return false;
	long n = file_read_at(f, text, sizeof(text) - 1, 0);
	file_put(f);
	if (n >= 0 && strcmp(text, wanted) == 0)
		return true;
	ktest_fail(__FILE_NAME__, __LINE__, path, 0, 0, false);
	ktest_fail(__FILE_NAME__, __LINE__, text, 0, 0, false);
	return false;
}
