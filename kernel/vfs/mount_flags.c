/* SPDX-License-Identifier: MIT */
/*
 * What may be done through a mount, and the changes of that: remounting (mount(2), MS_REMOUNT) and mount_setattr(2).
 *
 * Nothing becomes read-only under a file that is open for writing (EBUSY): mount and superblock count these. A writer
 * counts itself before it asks whether it may; who makes something read-only has writers wait (`held`) while he looks
 * at the count and sets the flag, which takes no longer than that. Changes are made under mount_change.
 */
#include "internal.h"
#include "mount.h"
#include "mount_table.h"

#include <kernel/base/subject.h>
#include <kernel/base/syscall.h>
#include <kernel/thread/guard.h>
#include <kernel/thread/thread.h>

static bool held(const bool *flag)
{
	return __atomic_load_n(flag, __ATOMIC_SEQ_CST);
}

int mount_writer_get(struct mount *m)
{
	__atomic_fetch_add(&m->writers, 1, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&m->sb->writers, 1, __ATOMIC_SEQ_CST);
	while (held(&m->held) || held(&m->sb->held))
		thread_yield();
	return mount_check_write(m);
}

void mount_writer_put(struct mount *m)
{
	__atomic_fetch_sub(&m->sb->writers, 1, __ATOMIC_RELEASE);
	__atomic_fetch_sub(&m->writers, 1, __ATOMIC_RELEASE);
}

/* -EBUSY: somebody has a file open for writing. */
static int make_read_only(uint32_t *flags, const uint32_t *writers, bool *hold)
{
	__atomic_store_n(hold, true, __ATOMIC_SEQ_CST);
	int error = __atomic_load_n(writers, __ATOMIC_SEQ_CST) > 0 ? -EBUSY : 0;
	if (error == 0)
		__atomic_fetch_or(flags, MS_RDONLY, __ATOMIC_SEQ_CST);
	__atomic_store_n(hold, false, __ATOMIC_SEQ_CST);
	return error;
}

static int mount_make_read_only(struct mount *m) REQUIRES(mount_change)
{
	return m->flags & MS_RDONLY ? 0 : make_read_only(&m->flags, &m->writers, &m->held);
}

/* The superblock's flags, and what its filesystem makes of the text; undone as a whole. */
static int remount_super(struct superblock *sb, const struct mount_options *o) REQUIRES(mount_change)
{
	uint32_t before = sb->flags;
	int error = 0;

	if ((o->flags & MS_RDONLY) && !(before & MS_RDONLY))
		error = make_read_only(&sb->flags, &sb->writers, &sb->held);
	if (error == 0 && sb->ops->remount != nullptr)
		error = guard_run(sb->type->component, sb->ops->remount(sb, o));
	sb->flags = error == 0 ? o->flags : before;
	return error;
}

int mount_remount(struct path *at, uint32_t flags, bool bind, const char *data)
{
	struct mount *m = at->mount;

	if (at->dentry != m->root)
		return -EINVAL;
	struct mount_options o = {.source = m->source, .data = data, .flags = flags & SUPER_FLAGS};
	mutex_lock(&mount_change);
	int error = bind ? 0 : remount_super(m->sb, &o);
	/* Where the superblock is read-only nobody writes through its mounts either; who is about to be told so counts
	 * himself for a moment, which is nothing to fail for. */
	if (error == 0 && bind && (flags & MS_RDONLY))
		error = mount_make_read_only(m);
	if (error == 0) {
		uint32_t atime =
			flags & (MS_NOATIME | MS_RELATIME | MS_STRICTATIME) ? 0 : m->flags & (MS_NOATIME | MS_RELATIME);
		m->flags = (flags & MOUNT_FLAGS) | atime;
	}
	mutex_unlock(&mount_change);
	if (error == 0)
		mount_note_change();
	return error;
}

/* --- mount_setattr --- */

struct abi_mount_attr {
	uint64_t set, clear, propagation, userns;
};
enum : uint64_t {
	MOUNT_ATTR_RDONLY = 1,
	MOUNT_ATTR_NOSUID = 2,
	MOUNT_ATTR_NODEV = 4,
	MOUNT_ATTR_NOEXEC = 8,
	MOUNT_ATTR_ATIME = 0x70, /* a choice, not bits */
	MOUNT_ATTR_NOATIME = 0x10,
	MOUNT_ATTR_STRICTATIME = 0x20,
	MOUNT_ATTR_NODIRATIME = 0x80,
	MOUNT_ATTR_NOSYMFOLLOW = 0x200000,
	MOUNT_ATTR_KNOWN = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC |
			   MOUNT_ATTR_ATIME | MOUNT_ATTR_NODIRATIME | MOUNT_ATTR_NOSYMFOLLOW,
};
enum : uint32_t { AT_RECURSIVE = 0x8000 };

struct flag_change {
	uint32_t set, clear; /* MS_* */
};

static uint32_t flags_of(uint64_t attributes)
{
	static const struct {
		uint64_t attribute;
		uint32_t flag;
	} map[] = {
		{MOUNT_ATTR_RDONLY, MS_RDONLY},		{MOUNT_ATTR_NOSUID, MS_NOSUID},
		{MOUNT_ATTR_NODEV, MS_NODEV},		{MOUNT_ATTR_NOEXEC, MS_NOEXEC},
		{MOUNT_ATTR_NODIRATIME, MS_NODIRATIME}, {MOUNT_ATTR_NOSYMFOLLOW, MS_NOSYMFOLLOW},
	};
	uint32_t flags = 0;

	for (size_t n = 0; n < ARRAY_LEN(map); n++) {
		if (attributes & map[n].attribute)
			flags |= map[n].flag;
	}
	return flags;
}

static int decode(const struct abi_mount_attr *a, struct flag_change *out)
{
	constexpr uint64_t propagation = MS_PRIVATE | MS_SLAVE | MS_SHARED | MS_UNBINDABLE;

	/* Mounts propagate nowhere: private is what they are. */
	if ((a->propagation & ~propagation) || __builtin_popcountll(a->propagation) > 1 ||
	    (a->propagation & (MS_SHARED | MS_UNBINDABLE)))
		return syscall_refuse_flags(NR_mount_setattr, a->propagation);
	if ((a->set | a->clear) & ~(uint64_t)MOUNT_ATTR_KNOWN)
		return syscall_refuse_flags(NR_mount_setattr, a->set | a->clear);
	*out = (struct flag_change){flags_of(a->set), flags_of(a->clear)};
	if (!(a->clear & MOUNT_ATTR_ATIME))
		return a->set & MOUNT_ATTR_ATIME ? -EINVAL : 0;
	if ((a->clear & MOUNT_ATTR_ATIME) != MOUNT_ATTR_ATIME)
		return -EINVAL;
	out->clear |= MS_RELATIME | MS_NOATIME;
	switch (a->set & MOUNT_ATTR_ATIME) {
	case 0: out->set |= MS_RELATIME; break;
	case MOUNT_ATTR_NOATIME: out->set |= MS_NOATIME; break;
	case MOUNT_ATTR_STRICTATIME: break;
	default: return -EINVAL;
	}
	return 0;
}

/* Calls fn for m and, if asked, everything below it, until one fails. */
static int for_tree(struct mount *m, bool recursive, int (*fn)(struct mount *m, const struct flag_change *c),
		    const struct flag_change *c) REQUIRES(mount_change)
{
	struct mount *at = m;
	int error = fn(m, c);
	uint32_t id = 0;

	/* Without recursion: mounts may lie deeper in each other than the stack is. */
	while (recursive && error == 0) {
		struct mount *child = mount_child_after(at, id);

		if (child != nullptr) {
			at = child;
			id = 0;
			error = fn(child, c);
		} else if (at == m) {
			break;
		} else {
			id = at->id;
			at = at->parent;
		}
	}
	return error;
}

static int check_change(struct mount *m, const struct flag_change *c)
{
	bool becomes = (c->set & MS_RDONLY) && !(m->flags & MS_RDONLY);

	return becomes && __atomic_load_n(&m->writers, __ATOMIC_SEQ_CST) > 0 ? -EBUSY : 0;
}

static int apply_change(struct mount *m, const struct flag_change *c) REQUIRES(mount_change)
{
	int error = c->set & MS_RDONLY ? mount_make_read_only(m) : 0;

	if (error == 0)
		m->flags = (m->flags & ~c->clear) | c->set;
	return error;
}

/* A writer who comes between the check of all and the change of one ends it there, as he would a recursive remount. */
static int change_tree(const struct path *at, bool recursive, const struct flag_change *c)
{
	if (at->dentry != at->mount->root)
		return -EINVAL;
	mutex_lock(&mount_change);
	int error = for_tree(at->mount, recursive, check_change, c);
	if (error == 0)
		error = for_tree(at->mount, recursive, apply_change, c);
	mutex_unlock(&mount_change);
	mount_note_change();
	return error;
}

static long sys_mount_setattr(int dirfd, user_addr text, uint32_t flags, user_addr attr_at, size_t size)
{
	struct abi_mount_attr a;
	struct flag_change change;
	struct path at;

	if (flags & ~(uint32_t)(AT_EMPTY_PATH | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT))
		return syscall_refuse_flags(NR_mount_setattr, flags);
	if (size >= sizeof(a) && size <= PATH_MAX && !capable(CAP_SYS_ADMIN))
		return -EPERM;
	int error = copy_struct_from_user(&a, sizeof(a), sizeof(a), attr_at, size);
	if (error != 0 || (a.set == 0 && a.clear == 0 && a.propagation == 0))
		return error;
	error = decode(&a, &change);
	if (error == 0)
		error = path_lookup_user(dirfd, text,
					 (flags & AT_SYMLINK_NOFOLLOW ? 0 : (uint32_t)WALK_FOLLOW) |
						 (flags & AT_EMPTY_PATH ? (uint32_t)WALK_EMPTY : 0),
					 &at);
	if (error != 0)
		return error;
	error = change_tree(&at, flags & AT_RECURSIVE, &change);
	path_put(&at);
	return error;
}
SYSCALL(mount_setattr);
