/* SPDX-License-Identifier: MIT */
/* pivot_root(2): the mounts change places in kernel/vfs/mount.c; here each process that stood at the old root follows.
 */
#include "kernel/vfs/internal.h"
#include "kernel/vfs/mount.h"

#include <abi/fcntl.h>
#include <kernel/base/syscall.h>
#include <kernel/process/process.h>

struct roots {
	struct path old, new;
};

static int move_process(void *ctx, struct process *p)
{
	struct roots *r = ctx;
	struct fs_context *fs = process_get_fs(p);

	if (fs != nullptr) {
		fs_context_replace(fs, &r->old, &r->new);
		fs_context_put(fs);
	}
	return 0;
}

static long sys_pivot_root(user_addr new_root, user_addr put_old)
{
	struct roots r;
	struct path old_place;

	int error = CAP_CHECK(CAP_SYS_ADMIN);
	if (error == 0)
		error = path_lookup_user(AT_FDCWD, new_root, WALK_FOLLOW | WALK_DIRECTORY, &r.new);
	if (error != 0)
		return error;
	error = path_lookup_user(AT_FDCWD, put_old, WALK_FOLLOW | WALK_DIRECTORY, &old_place);
	if (error == 0) {
		fs_context_current_paths(&r.old, nullptr);
		error = mount_pivot(&r.new, &old_place, &r.old);
		if (error == 0)
			(void)process_for_each(move_process, &r);
		path_put(&r.old);
		path_put(&old_place);
	}
	path_put(&r.new);
	return error;
}
SYSCALL(pivot_root);
