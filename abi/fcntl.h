/* SPDX-License-Identifier: MIT */
/* Numbers of open(2), fcntl(2), the *at() calls and their relatives, as in Linux's ABI. Those that differ by
 * architecture (O_DIRECTORY, O_NOFOLLOW, O_DIRECT, O_LARGEFILE) come from arch/file_abi.h. */
#ifndef ABI_FCNTL_H
#define ABI_FCNTL_H

#include <arch/file_abi.h>
#include <stdint.h>

enum : uint32_t {
	O_RDONLY = 0,
	O_WRONLY = 1,
	O_RDWR = 2,
	O_ACCMODE = 3,
	O_CREAT = 0100,
	O_EXCL = 0200,
	O_NOCTTY = 0400,
	O_TRUNC = 01000,
	O_APPEND = 02000,
	O_NONBLOCK = 04000,
	O_DSYNC = 010000,
	O_ASYNC = 020000,
	O_NOATIME = 01000000,
	O_CLOEXEC = 02000000,
	O_SYNC = 04010000,
	O_PATH = 010000000,
	O_TMPFILE_BIT = 020000000, /* O_TMPFILE is this and O_DIRECTORY */
};

enum : int32_t { AT_FDCWD = -100 };
enum : uint32_t {
	AT_SYMLINK_NOFOLLOW = 0x100,
	AT_EACCESS = 0x200,   /* faccessat2 */
	AT_REMOVEDIR = 0x200, /* unlinkat */
	AT_SYMLINK_FOLLOW = 0x400,
	AT_NO_AUTOMOUNT = 0x800,
	AT_EMPTY_PATH = 0x1000,
	AT_STATX_SYNC_TYPE = 0x6000,
};

enum : uint32_t {
	F_DUPFD = 0,
	F_GETFD = 1,
	F_SETFD = 2,
	F_GETFL = 3,
	F_SETFL = 4,
	F_GETLK = 5,
	F_SETLK = 6,
	F_SETLKW = 7,
	F_SETOWN = 8,
	F_GETOWN = 9,
	F_SETSIG = 10,
	F_GETSIG = 11,
	F_SETOWN_EX = 15,
	F_GETOWN_EX = 16,
	F_OFD_GETLK = 36,
	F_OFD_SETLK = 37,
	F_OFD_SETLKW = 38,
	F_GETLEASE = 1025,
	F_DUPFD_CLOEXEC = 1030,
	F_SETPIPE_SZ = 1031,
	F_GETPIPE_SZ = 1032,
	F_ADD_SEALS = 1033,
	F_GET_SEALS = 1034,
};
enum : uint32_t { FD_CLOEXEC = 1 };
enum : uint32_t {
	F_SEAL_SEAL = 1,
	F_SEAL_SHRINK = 2,
	F_SEAL_GROW = 4,
	F_SEAL_WRITE = 8,
	F_SEAL_FUTURE_WRITE = 16,
	F_SEAL_EXEC = 32
};
enum : int16_t { F_RDLCK = 0, F_WRLCK = 1, F_UNLCK = 2 };
enum : uint32_t { LOCK_SH = 1, LOCK_EX = 2, LOCK_NB = 4, LOCK_UN = 8 };

struct flock {
	int16_t l_type, l_whence;
	int64_t l_start, l_len;
	int32_t l_pid;
};
static_assert(sizeof(struct flock) == 32);

enum : int { SEEK_SET = 0, SEEK_CUR = 1, SEEK_END = 2, SEEK_DATA = 3, SEEK_HOLE = 4 };
enum : uint32_t { R_OK = 4, W_OK = 2, X_OK = 1, F_OK = 0 };
enum : uint32_t { RENAME_NOREPLACE = 1, RENAME_EXCHANGE = 2, RENAME_WHITEOUT = 4 };
enum : uint32_t {
	FALLOC_FL_KEEP_SIZE = 1,
	FALLOC_FL_PUNCH_HOLE = 2,
	FALLOC_FL_COLLAPSE_RANGE = 8,
	FALLOC_FL_ZERO_RANGE = 16,
	FALLOC_FL_INSERT_RANGE = 32,
	FALLOC_FL_UNSHARE_RANGE = 64
};
enum : uint32_t { MFD_CLOEXEC = 1, MFD_ALLOW_SEALING = 2, MFD_NOEXEC_SEAL = 8, MFD_EXEC = 16 };
enum : uint32_t { CLOSE_RANGE_UNSHARE = 2, CLOSE_RANGE_CLOEXEC = 4 };

enum : uint32_t { PATH_MAX = 4096, NAME_MAX = 255 };

#endif
