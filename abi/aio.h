/* SPDX-License-Identifier: MIT */
/* Requests and events of native asynchronous I/O (io_submit(2), io_getevents(2)), as in Linux's ABI. */
#ifndef ABI_AIO_H
#define ABI_AIO_H

#include <stdint.h>

enum : uint16_t {
	IOCB_CMD_PREAD = 0,
	IOCB_CMD_PWRITE = 1,
	IOCB_CMD_FSYNC = 2,
	IOCB_CMD_FDSYNC = 3,
	IOCB_CMD_POLL = 5,
	IOCB_CMD_PREADV = 7,
	IOCB_CMD_PWRITEV = 8,
};
enum : uint32_t { IOCB_FLAG_RESFD = 1, IOCB_FLAG_IOPRIO = 2 };

struct iocb {
	uint64_t data;
	uint32_t key, rw_flags;
	uint16_t opcode;
	int16_t priority;
	uint32_t fd;
	uint64_t buffer, bytes;
	int64_t offset;
	uint64_t reserved;
	uint32_t flags, result_fd;
};
static_assert(sizeof(struct iocb) == 64);

struct io_event {
	uint64_t data, object;
	int64_t result, result2;
};
static_assert(sizeof(struct io_event) == 32);

#endif
