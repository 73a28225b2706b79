/* SPDX-License-Identifier: MIT */
/* Inodes are made, named, renamed and deleted (lib/ext4_write.h). */
#include <abi/errno.h>
#include <lib/crc32c.h>
#include <lib/ext4_change.h>
#include <lib/ext4_layout.h>
#include <lib/string.h>
#include <lib/types.h>

constexpr uint32_t LINKS_MAX = 65000; /* "Index Nodes", i_links_count */

static bool is_dir(const struct ext4_inode *i)
{
	return (i->mode & MODE_TYPE) == MODE_DIR;
}

/* A directory below it comes. One with more of them than can be counted has a count of 1 (dir_nlink). */
static int gain_link(const struct ext4_fs *fs, struct ext4_inode *i)
{
	if (is_dir(i) && i->links == 1)
		return 0;
	if (i->links < LINKS_MAX - 1) {
		i->links++;
		return 0;
	}
	if (!is_dir(i) || !(fs->ro_compat & RO_DIR_NLINK))
		return -EMLINK;
	i->links = 1;
	return 0;
}

static void lose_link(struct ext4_inode *i)
{
	if (i->links > (is_dir(i) ? 2u : 0u))
		i->links--;
}

/* --- making --- */

static uint32_t extra_of(const struct ext4_fs *fs)
{
	uint32_t room = fs->inode_bytes - EXT4_INODE_SMALL;

	/* At least up to the creation time, where there is room. */
	return room == 0 ? 0 : MIN(MAX(align_down(fs->extra_wanted, 4), 32u), room);
}

static int put_target(struct ext4_fs *fs, struct ext4_inode *i, const char *target)
{
	size_t length = strlen(target);
	uint64_t place;
	struct ext4_block *b;
	uint32_t one;

	if (length == 0 || length >= fs->block_bytes)
		return length == 0 ? -ENOENT : -ENAMETOOLONG;
	i->size = length;
	if (length < sizeof(i->map)) {
		i->flags &= ~(uint32_t)INODE_EXTENTS;
		memset(i->map, 0, sizeof(i->map));
		memcpy(i->map, target, length);
		return 0;
	}
	int error = ext4_take_blocks(fs, ext4_goal_of(fs, i), 1, &place, &one);
	if (error == 0)
		error = ext4_extent_add(fs, i, &(struct ext4_extent){0, 1, place, false});
	if (error == 0)
		error = ext4_block_new(fs, place, &b);
	if (error != 0)
		return error;
	memcpy(b->data, target, length);
	ext4_block_put(b);
	i->blocks = fs->block_bytes / 512;
	return 0;
}

static void put_device(struct ext4_inode *i, const struct ext4_new *what)
{
	uint32_t major = what->rdev_major, minor = what->rdev_minor;

	i->flags &= ~(uint32_t)INODE_EXTENTS;
	memset(i->map, 0, sizeof(i->map));
	if (major < 256 && minor < 256)
		ext4_set32(i->map, 0, major << 8 | minor);
	else
		ext4_set32(i->map, 4, (minor & 0xff) | major << 8 | (minor & ~0xffu) << 12);
	i->rdev_major = major;
	i->rdev_minor = minor;
}

static int make_inode(struct ext4_fs *fs, struct ext4_inode *dir, const struct ext4_new *what, struct ext4_inode *i)
{
	uint16_t type = what->mode & MODE_TYPE;

	memset(i, 0, offsetof(struct ext4_inode, extra));
	int error = ext4_take_inode(fs, dir->number, type == MODE_DIR, &i->number);
	if (error != 0)
		return error;
	i->mode = what->mode;
	i->uid = what->uid;
	i->gid = what->gid;
	i->generation = what->generation;
	i->links = type == MODE_DIR ? 2 : 1;
	i->atime_ns = i->mtime_ns = i->ctime_ns = i->btime_ns = what->now_ns;
	i->has_btime = fs->inode_bytes > EXT4_INODE_SMALL;
	i->extra_bytes = (uint16_t)(fs->inode_bytes - EXT4_INODE_SMALL - extra_of(fs));
	memset(i->extra, 0, i->extra_bytes);
	uint32_t crc = crc32c_add(fs->checksum_seed, &i->number, sizeof(i->number));
	i->checksum_seed = crc32c_add(crc, &i->generation, sizeof(i->generation));
	i->flags = INODE_EXTENTS;
	ext4_extent_init(i);
	if (type == MODE_DIR)
		return ext4_entries_init(fs, i, dir->number);
	if (type == MODE_LINK)
		return put_target(fs, i, what->target);
	if (type != MODE_FILE)
		put_device(i, what);
	return 0;
}

static int make(struct ext4_fs *fs, struct ext4_inode *dir, const char *name, size_t length,
		const struct ext4_new *what, struct ext4_inode *i)
{
	int error = make_inode(fs, dir, what, i);

	if (error == 0 && name == nullptr)
		i->links = 0;
	if (error == 0)
		error = ext4_put_inode(fs, i, true);
	if (error != 0)
		return error;
	if (name == nullptr)
		return ext4_orphan_add(fs, i);
	if (is_dir(i))
		error = gain_link(fs, dir);
	if (error == 0)
		error = ext4_entry_add(fs, dir, name, length, i->number, i->mode);
	return error != 0 ? error : ext4_put_inode(fs, dir, false);
}

int ext4_make(struct ext4_fs *fs, struct ext4_inode *dir, const char *name, size_t length, const struct ext4_new *what,
	      struct ext4_inode *out)
{
	int error;

	do {
		error = ext4_begin(fs);
		if (error != 0)
			return error;
		ext4_remember(fs, dir);
		error = ext4_end(fs, make(fs, dir, name, length, what, out));
	} while (ext4_try_again(fs, &error));
	return error;
}

/* --- names --- */

static int add_name(struct ext4_fs *fs, struct ext4_inode *dir, const char *name, size_t length, struct ext4_inode *i)
{
	bool orphan = i->links == 0;

	int error = gain_link(fs, i);
	if (error == 0 && orphan)
		error = ext4_orphan_remove(fs, i);
	if (error == 0)
		error = ext4_entry_add(fs, dir, name, length, i->number, i->mode);
	if (error == 0)
		error = ext4_put_inode(fs, i, false);
	return error != 0 ? error : ext4_put_inode(fs, dir, false);
}

int ext4_link(struct ext4_fs *fs, struct ext4_inode *dir, const char *name, size_t length, struct ext4_inode *i)
{
	int error;

	do {
		error = ext4_begin(fs);
		if (error != 0)
			return error;
		ext4_remember(fs, dir);
		ext4_remember(fs, i);
		error = ext4_end(fs, add_name(fs, dir, name, length, i));
	} while (ext4_try_again(fs, &error));
	return error;
}

/* One name less: of a directory, its only one. */
static int lose_name(struct ext4_fs *fs, struct ext4_inode *dir, struct ext4_inode *i)
{
	int error = is_dir(i) ? ext4_entries_none(fs, i) : 0;

	if (error != 0)
		return error;
	if (is_dir(i)) {
		i->links = 0;
		lose_link(dir);
	} else {
		lose_link(i);
	}
	return i->links == 0 ? ext4_orphan_add(fs, i) : ext4_put_inode(fs, i, false);
}

static int remove_name(struct ext4_fs *fs, struct ext4_inode *dir, const char *name, size_t length,
		       struct ext4_inode *i)
{
	int error = lose_name(fs, dir, i);

	if (error == 0)
		error = ext4_entry_remove(fs, dir, name, length);
	return error != 0 ? error : ext4_put_inode(fs, dir, false);
}

int ext4_unlink(struct ext4_fs *fs, struct ext4_inode *dir, const char *name, size_t length, struct ext4_inode *i)
{
	int error = ext4_begin(fs);

	if (error != 0)
		return error;
	ext4_remember(fs, dir);
	ext4_remember(fs, i);
	return ext4_end(fs, remove_name(fs, dir, name, length, i));
}

/* --- renaming --- */

/* A directory that moved says where it is, and counts there. */
static int move_dir(struct ext4_fs *fs, struct ext4_inode *from, struct ext4_inode *to, struct ext4_inode *i)
{
	if (!is_dir(i) || from == to)
		return 0;
	lose_link(from);
	int error = gain_link(fs, to);
	return error != 0 ? error : ext4_entry_set(fs, i, "..", 2, to->number, MODE_DIR);
}

static int exchange(struct ext4_fs *fs, const struct ext4_renaming *r)
{
	int error = ext4_entry_set(fs, r->old_dir, r->old_name, r->old_length, r->replaced->number, r->replaced->mode);

	if (error == 0)
		error = ext4_entry_set(fs, r->new_dir, r->new_name, r->new_length, r->i->number, r->i->mode);
	if (error == 0)
		error = move_dir(fs, r->old_dir, r->new_dir, r->i);
	if (error == 0)
		error = move_dir(fs, r->new_dir, r->old_dir, r->replaced);
	return error != 0 ? error : ext4_put_inode(fs, r->replaced, false);
}

static int move(struct ext4_fs *fs, const struct ext4_renaming *r)
{
	int error = ext4_entry_remove(fs, r->old_dir, r->old_name, r->old_length);

	if (error == 0 && r->replaced != nullptr)
		error = lose_name(fs, r->new_dir, r->replaced);
	if (error == 0 && r->replaced != nullptr)
		error = ext4_entry_set(fs, r->new_dir, r->new_name, r->new_length, r->i->number, r->i->mode);
	else if (error == 0)
		error = ext4_entry_add(fs, r->new_dir, r->new_name, r->new_length, r->i->number, r->i->mode);
	return error != 0 ? error : move_dir(fs, r->old_dir, r->new_dir, r->i);
}

static int rename_once(struct ext4_fs *fs, const struct ext4_renaming *r)
{
	int error = ext4_begin(fs);

	if (error != 0)
		return error;
	ext4_remember(fs, r->old_dir);
	ext4_remember(fs, r->new_dir);
	ext4_remember(fs, r->i);
	if (r->replaced != nullptr)
		ext4_remember(fs, r->replaced);
	error = r->exchange ? exchange(fs, r) : move(fs, r);
	if (error == 0)
		error = ext4_put_inode(fs, r->i, false);
	if (error == 0)
		error = ext4_put_inode(fs, r->old_dir, false);
	if (error == 0)
		error = ext4_put_inode(fs, r->new_dir, false);
	return ext4_end(fs, error);
}

int ext4_rename(struct ext4_fs *fs, const struct ext4_renaming *r)
{
	int error;

	do
		error = rename_once(fs, r);
	while (ext4_try_again(fs, &error));
	return error;
}

/* --- deleting --- */

/* "Extended Attributes": several inodes may share the block. */
static int free_attributes(struct ext4_fs *fs, struct ext4_inode *i)
{
	constexpr uint32_t USERS = 4;
	struct ext4_block *b;

	if (i->xattr_block == 0)
		return 0;
	if (!ext4_blocks_exist(fs, i->xattr_block, 1))
		return -EUCLEAN;
	int error = ext4_block_get(fs, i->xattr_block, &b);
	if (error != 0)
		return error;
	uint32_t users = ext4_get32(b->data, USERS);
	if (ext4_get32(b->data, 0) != XATTR_MAGIC || users == 0)
		error = -EUCLEAN;
	else if (users > 1)
		error = ext4_block_change(fs, b);
	if (error == 0 && users > 1) {
		ext4_set32(b->data, USERS, users - 1);
		if (ext4_has_checksums(fs)) {
			uint32_t crc = crc32c_add(fs->checksum_seed, &b->number, sizeof(b->number));

			ext4_set32(b->data, XATTR_CHECKSUM, 0);
			ext4_set32(b->data, XATTR_CHECKSUM, crc32c_add(crc, b->data, fs->block_bytes));
		}
	}
	ext4_block_put(b);
	if (error == 0 && users == 1)
		error = ext4_free_blocks(fs, i->xattr_block, 1);
	i->xattr_block = 0;
	return error;
}

static int free_inode(struct ext4_fs *fs, struct ext4_inode *i, uint32_t now_s)
{
	int error = free_attributes(fs, i);

	i->blocks = 0;
	if (error == 0)
		error = ext4_orphan_remove(fs, i);
	if (error == 0)
		error = ext4_put_inode(fs, i, false);
	if (error == 0)
		error = ext4_put_deletion(fs, i->number, now_s);
	return error != 0 ? error : ext4_free_inode(fs, i->number, is_dir(i));
}

int ext4_delete(struct ext4_fs *fs, struct ext4_inode *i, uint32_t now_s)
{
	/* What has no tree has no blocks either, but for ext2's maps. */
	bool tree = ext4_can_write(i);
	uint16_t type = i->mode & MODE_TYPE;
	int error = 0;

	if (!tree && (type == MODE_FILE || type == MODE_DIR || (type == MODE_LINK && i->size >= sizeof(i->map))))
		return -EOPNOTSUPP;
	if (tree)
		error = ext4_cut(fs, i, 0);
	if (error == 0)
		error = ext4_begin(fs);
	if (error != 0)
		return error;
	ext4_remember(fs, i);
	return ext4_end(fs, free_inode(fs, i, now_s));
}
