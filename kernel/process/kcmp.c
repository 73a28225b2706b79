/* SPDX-License-Identifier: MIT */
/*
 * kcmp(2): whether two threads share something. What is not the same is ordered, so that programs can sort; the order
 * is by addresses that are made unrecognisable by two numbers of each boot and kind, and tells nothing else.
 */
#include "internal.h"

#include <kernel/base/random.h>
#include <kernel/file/file.h>
#include <lib/string.h>

enum kcmp_kind : int {
	KCMP_FILE = 0,
	KCMP_VM = 1,
	KCMP_FILES = 2,
	KCMP_FS = 3,
	KCMP_SIGHAND = 4,
	KCMP_IO = 5,
	KCMP_SYSVSEM = 6,
	KCMP_EPOLL_TFD = 7,
	KINDS
};
enum : int { EQUAL = 0, LESS = 1, GREATER = 2 };

static struct mutex mask_lock = MUTEX_INIT(mask_lock, RANK_PROCESS);
static uint64_t masks[KINDS][2] GUARDED_BY(&mask_lock);

/* One to one: a multiplication by an odd number is. */
static uint64_t disguise(const void *p, int kind)
{
	uint64_t mask[2];

	mutex_lock(&mask_lock);
	if (masks[kind][1] == 0) {
		random_bytes(masks[kind], sizeof(masks[kind]));
		masks[kind][1] |= 1;
	}
	memcpy(mask, masks[kind], sizeof(mask));
	mutex_unlock(&mask_lock);
	return ((uint64_t)(uintptr_t)p ^ mask[0]) * mask[1];
}

static int compare(const void *a, const void *b, int kind)
{
	uint64_t x = disguise(a, kind), y = disguise(b, kind);

	return x == y ? EQUAL : x < y ? LESS : GREATER;
}

/* With a reference, so that it and another are there at once; nullptr: there is none. */
static struct file *file_of(struct process *p, uint64_t fd)
{
	struct file_table *t = process_get_files(p);
	struct file *f = t != nullptr && fd <= INT32_MAX ? file_table_at(t, (int)fd) : nullptr;

	file_table_put(t);
	return f;
}

static long compare_files(struct process *p, struct process *q, uint64_t fd1, uint64_t fd2)
{
	struct file *a = file_of(p, fd1), *b = file_of(q, fd2);
	long result = a != nullptr && b != nullptr ? compare(a, b, KCMP_FILE) : -EBADF;

	file_put(a);
	file_put(b);
	return result;
}

static const void *thing_of(struct process *p, int kind)
{
	const void *thing;

	mutex_lock(&p->lock);
	switch (kind) {
	case KCMP_VM: thing = p->space; break;
	case KCMP_FILES: thing = p->files; break;
	case KCMP_FS: thing = p->fs; break;
	default: thing = p->signals; break;
	}
	mutex_unlock(&p->lock);
	return thing;
}

static long comparison(struct process *p, struct process *q, int kind, const uint64_t fds[2])
{
	switch (kind) {
	case KCMP_FILE: return compare_files(p, q, fds[0], fds[1]);
	case KCMP_VM:
	case KCMP_FILES:
	case KCMP_FS:
	case KCMP_SIGHAND: return compare(thing_of(p, kind), thing_of(q, kind), kind);
	case KCMP_IO: return EQUAL; /* nobody has a context of I/O */
	case KCMP_SYSVSEM:	    /* known to floors above, and to epoll */
	case KCMP_EPOLL_TFD: return -EOPNOTSUPP;
	default: return syscall_refuse_flags(NR_kcmp, (uint64_t)kind);
	}
}

static bool may_look(struct process *p, struct process *q)
{
	return process_may_inspect_really(p) && process_may_inspect_really(q);
}

static long answer(struct process *p, struct process *q, int kind, const uint64_t fds[2])
{
	if (!may_look(p, q))
		return -EPERM;
	long result = comparison(p, q, kind, fds);
	/* A set-id program may have been executed in between, and what was seen be its. */
	return may_look(p, q) ? result : -EPERM;
}

static long sys_kcmp(int pid1, int pid2, int kind, uint64_t fd1, uint64_t fd2)
{
	struct process *p = pid1 > 0 ? process_find_by_tid((uint32_t)pid1) : nullptr;
	struct process *q = pid2 > 0 ? process_find_by_tid((uint32_t)pid2) : nullptr;
	long result = p != nullptr && q != nullptr ? answer(p, q, kind, (const uint64_t[]){fd1, fd2}) : -ESRCH;

	if (p != nullptr)
		process_put(p);
	if (q != nullptr)
		process_put(q);
	return result;
}
SYSCALL(kcmp);
