/* SPDX-License-Identifier: MIT */
/* What arm64's Linux ABI has of its own in files: some open flags (asm/fcntl.h of linux-libc-dev), struct stat
 * (asm-generic/stat.h); struct epoll_event is not packed. */
#ifndef ARCH_FILE_ABI_H
#define ARCH_FILE_ABI_H

#include <stdint.h>

enum : uint32_t {
	O_DIRECTORY = 040000,
	O_NOFOLLOW = 0100000,
	O_DIRECT = 0200000,
	O_LARGEFILE = 0400000,
};

struct stat {
	uint64_t st_dev, st_ino;
	uint32_t st_mode, st_nlink, st_uid, st_gid;
	uint64_t st_rdev, pad0;
	int64_t st_size;
	int32_t st_blksize, pad1;
	int64_t st_blocks;
	int64_t st_atime_s;
	uint64_t st_atime_ns;
	int64_t st_mtime_s;
	uint64_t st_mtime_ns;
	int64_t st_ctime_s;
	uint64_t st_ctime_ns;
	uint32_t unused[2];
};
static_assert(sizeof(struct stat) == 128);

#define EPOLL_EVENT_PACKED

#endif
