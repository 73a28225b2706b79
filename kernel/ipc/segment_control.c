/* SPDX-License-Identifier: MIT */
/* shmctl(2), /proc/sysvipc/shm and the limits in /proc/sys/kernel. */
#include "segment.h"

#include <kernel/base/component.h>
#include <kernel/base/subject.h>
#include <kernel/mem/page.h>

/* The segment itself has a reference until it is removed. */
static uint64_t attaches(const struct segment *s)
{
	return __atomic_load_n(&s->memory.refs, __ATOMIC_RELAXED) - (s->removed ? 0 : 1);
}

static uint64_t resident_pages(const struct segment *s)
{
	return __atomic_load_n(&s->file->inode->blocks, __ATOMIC_RELAXED) / (PAGE_SIZE / 512);
}

static long segment_status(int32_t id, int32_t command, user_addr at)
{
	struct ipc_object *o;
	struct abi_shmid out;

	int error = ipc_find_to_tell(&segments, id, command != IPC_STAT, command == SHM_STAT_ANY, &o);
	if (error != 0)
		return error;
	const struct segment *s = segment_of(o);
	out = (struct abi_shmid){
		.segsz = s->size,
		.atime = s->attached_s,
		.dtime = s->detached_s,
		.ctime = o->changed_s,
		.cpid = s->creator,
		.lpid = s->last,
		.nattch = attaches(s),
	};
	ipc_tell(o, &out.perm);
	long result = command == IPC_STAT ? 0 : o->id;
	ipc_leave(o);
	return put_user(at, out) == 0 ? result : -EFAULT;
}

static long segment_set(int32_t id, user_addr at)
{
	struct abi_shmid in;

	if (get_user(in, at) != 0)
		return -EFAULT;
	struct ipc_object *o;
	int error = ipc_find_owned(&segments, id, &o);
	if (error != 0)
		return error;
	ipc_set(o, &in.perm);
	ipc_leave(o);
	return 0;
}

/* The id stays until the last attach ends; the key is free at once. */
static long segment_remove(int32_t id)
{
	struct ipc_object *o = ipc_find(&segments, id);

	if (o == nullptr)
		return -EINVAL;
	struct segment *s = segment_of(o);
	int error = ipc_owned(o);
	bool first = error == 0 && !s->removed;
	if (first) {
		s->removed = true;
		o->mode |= SHM_DEST;
	}
	ipc_unlock(o);
	if (first) {
		ipc_forget_key(o);
		vm_object_put(&s->memory);
	}
	ipc_object_put(o);
	return error;
}

/* Nothing is ever swapped out, so that this is only told (SHM_LOCKED). */
static long segment_lock(int32_t id, bool lock)
{
	struct ipc_object *o = ipc_find(&segments, id);

	if (o == nullptr)
		return -EINVAL;
	int error = capable(CAP_IPC_LOCK) ? 0 : ipc_owned(o);
	if (error == 0 && lock && process_rlimit(RLIMIT_MEMLOCK) == 0 && !capable(CAP_IPC_LOCK))
		error = -EPERM;
	if (error == 0)
		o->mode = lock ? o->mode | SHM_LOCKED : o->mode & ~SHM_LOCKED;
	ipc_leave(o);
	return error;
}

static long segments_limits(user_addr at)
{
	struct abi_shminfo out = {
		.max = SEGMENT_MOST,
		.min = 1,
		.mni = (uint64_t)segments.limit,
		.seg = (uint64_t)segments.limit,
		.all = SEGMENT_MOST,
	};

	return put_user(at, out) == 0 ? ipc_last_place(&segments) : -EFAULT;
}

static long segments_use(user_addr at)
{
	struct abi_shm_info out = {.used_ids = (int32_t)ipc_count(&segments), .total = segments_pages()};

	for (int32_t n = 0, last = ipc_last_place(&segments); n <= last; n++) {
		struct ipc_object *o = ipc_at(&segments, n);

		if (o == nullptr)
			continue;
		out.resident += resident_pages(segment_of(o));
		ipc_leave(o);
	}
	return put_user(at, out) == 0 ? ipc_last_place(&segments) : -EFAULT;
}

static long sys_shmctl(int32_t id, int32_t command, user_addr at)
{
	if (id < 0 || command < 0)
		return -EINVAL;
	switch (command) {
	case IPC_INFO: return segments_limits(at);
	case SHM_INFO: return segments_use(at);
	case IPC_STAT:
	case SHM_STAT:
	case SHM_STAT_ANY: return segment_status(id, command, at);
	case IPC_SET: return segment_set(id, at);
	case IPC_RMID: return segment_remove(id);
	case SHM_LOCK:
	case SHM_UNLOCK: return segment_lock(id, command == SHM_LOCK);
	default: return -EINVAL;
	}
}
SYSCALL(shmctl);

static void show_line(const struct ipc_object *o, struct text_buffer *b)
{
	const struct segment *s = container_of(o, const struct segment, object);

	text_printf(b, "%10d %10d  %4o %21llu %5d %5d  %5llu %5u %5u %5u %5u %10lld %10lld %10lld %21llu %21u\n",
		    o->key, o->id, o->mode, (unsigned long long)s->size, s->creator, s->last,
		    (unsigned long long)attaches(s), o->uid, o->gid, o->cuid, o->cgid, (long long)s->attached_s,
		    (long long)s->detached_s, (long long)o->changed_s,
		    (unsigned long long)(resident_pages(s) * PAGE_SIZE), 0);
}

static int show(struct text_buffer *b, void *)
{
	text_printf(b, "%10s %10s %5s %21s %5s %5s %6s %5s %5s %5s %5s %10s %10s %10s %21s %21s\n", "key", "shmid",
		    "perms", "size", "cpid", "lpid", "nattch", "uid", "gid", "cuid", "cgid", "atime", "dtime", "ctime",
		    "rss", "swap");
	ipc_show(&segments, b, show_line);
	return 0;
}
PROC_FILE(sysvipc_shm, .component = &component_ipc, .name = "sysvipc/shm", .mode = 0444, .show = show);

static int show_most(struct text_buffer *b, void *)
{
	text_printf(b, "%llu\n", (unsigned long long)SEGMENT_MOST);
	return 0;
}
PROC_FILE(shmmax, .component = &component_ipc, .name = "sys/kernel/shmmax", .mode = 0444, .show = show_most);
PROC_FILE(shmall, .component = &component_ipc, .name = "sys/kernel/shmall", .mode = 0444, .show = show_most);
