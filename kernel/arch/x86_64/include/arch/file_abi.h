/* SPDX-License-Identifier: MIT */
/* What x86_64's Linux ABI has of its own in files: some open flags, struct stat, the packing of struct epoll_event. */
#ifndef ARCH_FILE_ABI_H
#define ARCH_FILE_ABI_H

#include <stdint.h>

enum : uint32_t {
	O_DIRECT = 040000,
	O_LARGEFILE = 0100000,
	O_DIRECTORY = 0200000,
	O_NOFOLLOW = 0400000,
};

struct stat {
	uint64_t st_dev, st_ino, st_nlink;
	uint32_t st_mode, st_uid, st_gid, pad0;
	uint64_t st_rdev;
	int64_t st_size, st_blksize, st_blocks;
	int64_t st_atime_s;
	uint64_t st_atime_ns;
	int64_t st_mtime_s;
	uint64_t st_mtime_ns;
	int64_t st_ctime_s;
	uint64_t st_ctime_ns;
	int64_t unused[3];
};
static_assert(sizeof(struct stat) == 144);

#define EPOLL_EVENT_PACKED __attribute__((packed))

#endif
