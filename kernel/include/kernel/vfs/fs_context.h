/* SPDX-License-Identifier: MIT */
/* Where a process is: root, working directory, umask; shared with CLONE_FS. */
#ifndef KERNEL_FS_CONTEXT_H
#define KERNEL_FS_CONTEXT_H

#include <kernel/file/file.h>

struct fs_context;
[[nodiscard]] int fs_context_create(struct fs_context **out); /* cwd and root: the root filesystem */
[[nodiscard]] int fs_context_clone(struct fs_context *src, struct fs_context **out);
void fs_context_get(struct fs_context *c);
void fs_context_put(struct fs_context *c);
/* One more process has it (CLONE_FS), or one less; create and clone count their process. Each brings a reference.
 * -EAGAIN: who holds it wants to be alone with it. */
[[nodiscard]] int fs_context_join(struct fs_context *c);
void fs_context_leave(struct fs_context *c);
/* True: one process has it, and none joins until the release; with a reference, until then too. */
[[nodiscard]] bool fs_context_hold(struct fs_context *c);
void fs_context_release(struct fs_context *c);
/* With references. */
void fs_context_paths(struct fs_context *c, struct path *root, struct path *cwd);
uint32_t fs_context_umask(struct fs_context *c);

#endif
