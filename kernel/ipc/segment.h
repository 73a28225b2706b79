/* SPDX-License-Identifier: MIT */
/* Segments of shared memory (segment.c) and what is told of them (segment_control.c). */
#ifndef KERNEL_IPC_SEGMENT_H
#define KERNEL_IPC_SEGMENT_H

#include "internal.h"

#include <kernel/vfs/vfs.h>
#include <kernel/vm/object.h>
#include <kernel/vm/vm.h>

enum : uint64_t { SEGMENT_MOST = (UINT64_MAX >> 1) - (1 << 24) }; /* /proc/sys/kernel/shmmax */

struct segment {
	struct ipc_object object; /* first */
	struct vm_object memory;
	struct file *file;
	uint64_t size, bytes; /* as asked for; whole pages */
	int64_t attached_s, detached_s;
	int32_t creator, last;
	bool removed; /* object.lock */
};

extern struct ipc_kind segments;

static inline struct segment *segment_of(struct ipc_object *o)
{
	return container_of(o, struct segment, object);
}
uint64_t segments_pages(void); /* of all segments */

#endif
