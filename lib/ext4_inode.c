/* SPDX-License-Identifier: MIT */
/* Inodes (lib/ext4.h; "Index Nodes"), reading files, and symbolic links. */
#include <abi/errno.h>
#include <lib/crc32c.h>
#include <lib/ext4.h>
#include <lib/ext4_layout.h>
#include <lib/string.h>
#include <lib/types.h>

constexpr int64_t NS_PER_S = 1'000'000'000;

/* "Inode Timestamps": 32 bits with a sign, two more above them, and nanoseconds. What has more of those than a second
 * has none. */
static int64_t time_of(const unsigned char *d, uint32_t seconds_at, uint32_t extra_at, uint32_t end)
{
	int64_t seconds = (int32_t)ext4_get32(d, seconds_at), ns = 0;

	if (extra_at + 4 <= end) {
		uint32_t extra = ext4_get32(d, extra_at);

		seconds += (int64_t)(extra & 3) << 32;
		ns = extra >> 2;
	}
	/* The year 2446, the last that can be written, is beyond what 64 bits of nanoseconds have. */
	if (seconds > INT64_MAX / NS_PER_S - 1)
		return INT64_MAX;
	return seconds * NS_PER_S + (ns < NS_PER_S ? ns : 0);
}

/* Up to where the inode has fields; beyond it there are attributes. */
static uint32_t fields_end(const struct ext4_fs *fs, const unsigned char *d)
{
	return fs->inode_bytes > EXT4_INODE_SMALL ? EXT4_INODE_SMALL + ext4_get16(d, INODE_EXTRA_SIZE)
						  : EXT4_INODE_SMALL;
}

static uint32_t seed_of(const struct ext4_fs *fs, uint32_t number, uint32_t generation)
{
	uint32_t crc = crc32c_add(fs->checksum_seed, &number, sizeof(number));

	return crc32c_add(crc, &generation, sizeof(generation));
}

static bool checksum_right(const struct ext4_fs *fs, const struct ext4_inode *i, const unsigned char *d)
{
	bool high = fields_end(fs, d) >= INODE_CHECKSUM_HIGH + 2;
	uint32_t there = ext4_get16(d, INODE_CHECKSUM_LOW), crc = crc32c_add(i->checksum_seed, d, INODE_CHECKSUM_LOW);
	static const uint16_t zero;

	crc = crc32c_add(crc, &zero, 2);
	crc = crc32c_add(crc, d + INODE_CHECKSUM_LOW + 2, EXT4_INODE_SMALL - INODE_CHECKSUM_LOW - 2);
	if (fs->inode_bytes == EXT4_INODE_SMALL)
		return (uint16_t)crc == there;
	crc = crc32c_add(crc, d + EXT4_INODE_SMALL, INODE_CHECKSUM_HIGH - EXT4_INODE_SMALL);
	crc = crc32c_add(crc, high ? (const void *)&zero : d + INODE_CHECKSUM_HIGH, 2);
	crc = crc32c_add(crc, d + INODE_CHECKSUM_HIGH + 2, fs->inode_bytes - INODE_CHECKSUM_HIGH - 2);
	if (!high)
		return (uint16_t)crc == there;
	return crc == (there | (uint32_t)ext4_get16(d, INODE_CHECKSUM_HIGH) << 16);
}

/* Device numbers are in the map: the old form in the first word, else the new one in the second. */
static void parse_device(struct ext4_inode *i)
{
	uint32_t old = ext4_get32(i->map, 0), new = ext4_get32(i->map, 4);

	if (old != 0) {
		i->rdev_major = old >> 8 & 0xff;
		i->rdev_minor = old & 0xff;
	} else {
		i->rdev_major = new >> 8 & 0xfff;
		i->rdev_minor = (new & 0xff) | (new >> 12 & 0xfff00);
	}
}

static void parse_times(struct ext4_inode *i, const unsigned char *d, uint32_t end)
{
	i->atime_ns = time_of(d, INODE_ATIME, INODE_ATIME_EXTRA, end);
	i->mtime_ns = time_of(d, INODE_MTIME, INODE_MTIME_EXTRA, end);
	i->ctime_ns = time_of(d, INODE_CTIME, INODE_CTIME_EXTRA, end);
	i->has_btime = end >= INODE_CRTIME + 4;
	if (i->has_btime)
		i->btime_ns = time_of(d, INODE_CRTIME, INODE_CRTIME_EXTRA, end);
	i->dtime = ext4_get32(d, INODE_DTIME);
}

static void parse_size(const struct ext4_fs *fs, struct ext4_inode *i, const unsigned char *d)
{
	uint16_t type = i->mode & MODE_TYPE;

	i->size = ext4_get32(d, INODE_SIZE_LOW);
	if (type == MODE_FILE || (type == MODE_DIR && fs->incompat & INCOMPAT_LARGEDIR))
		i->size |= (uint64_t)ext4_get32(d, INODE_SIZE_HIGH) << 32;
	i->blocks = ext4_get32(d, INODE_BLOCKS_LOW);
	if (fs->ro_compat & RO_HUGE_FILE) {
		i->blocks |= (uint64_t)ext4_get16(d, INODE_BLOCKS_HIGH) << 32;
		if (i->flags & INODE_HUGE_FILE)
			i->blocks *= fs->block_bytes / 512;
	}
}

static int check(const struct ext4_fs *fs, const struct ext4_inode *i)
{
	uint64_t blocks = (i->size + fs->block_bytes - 1) / fs->block_bytes;

	switch (i->mode & MODE_TYPE) {
	case MODE_DIR:
		/* Positions in a directory are of 32 bits where directories are not large ones. */
		if (i->size % fs->block_bytes != 0 || i->size > (uint64_t)INT32_MAX * fs->block_bytes)
			return -EUCLEAN;
		[[fallthrough]];
	case MODE_FILE:
	case MODE_LINK:
		if (blocks > UINT32_MAX)
			return -EUCLEAN;
		[[fallthrough]];
	case MODE_CHAR:
	case MODE_BLOCK:
	case MODE_FIFO:
	case MODE_SOCKET: break;
	default: return -EUCLEAN;
	}
	return i->flags & (INODE_ENCRYPT | INODE_VERITY | INODE_INLINE_DATA | INODE_CASEFOLD) ? -EOPNOTSUPP : 0;
}

static int parse(const struct ext4_fs *fs, struct ext4_inode *i, const unsigned char *d, bool orphan)
{
	uint32_t end = fields_end(fs, d);

	if (end > fs->inode_bytes || end % 4 != 0)
		return -EUCLEAN;
	i->generation = ext4_get32(d, INODE_GENERATION);
	i->checksum_seed = seed_of(fs, i->number, i->generation);
	if (ext4_has_checksums(fs) && !checksum_right(fs, i, d))
		return -EBADMSG;
	i->mode = ext4_get16(d, INODE_MODE);
	i->links = ext4_get16(d, INODE_LINKS);
	if (i->mode == 0 || (i->links == 0 && !orphan && ext4_get32(d, INODE_DTIME) != 0))
		return -ENOENT;
	i->flags = ext4_get32(d, INODE_FLAGS);
	i->uid = ext4_get16(d, INODE_UID) | (uint32_t)ext4_get16(d, INODE_UID_HIGH) << 16;
	i->gid = ext4_get16(d, INODE_GID) | (uint32_t)ext4_get16(d, INODE_GID_HIGH) << 16;
	i->xattr_block = ext4_get32(d, INODE_FILE_ACL_LOW);
	if (fs->incompat & INCOMPAT_64BIT)
		i->xattr_block |= (uint64_t)ext4_get16(d, INODE_FILE_ACL_HIGH) << 32;
	memcpy(i->map, d + INODE_BLOCK_MAP, sizeof(i->map));
	parse_size(fs, i, d);
	parse_times(i, d, end);
	if ((i->mode & MODE_TYPE) == MODE_CHAR || (i->mode & MODE_TYPE) == MODE_BLOCK)
		parse_device(i);
	i->extra_bytes = (uint16_t)(fs->inode_bytes - end);
	memcpy(i->extra, d + end, i->extra_bytes);
	return check(fs, i);
}

static int read_inode(struct ext4_fs *fs, uint32_t number, struct ext4_inode *out, bool orphan)
{
	uint32_t per_block = fs->block_bytes / fs->inode_bytes, index = (number - 1) % fs->inodes_per_group;
	struct ext4_group group;
	struct ext4_block *b;

	if (number == 0 || number > fs->inodes)
		return -EUCLEAN;
	int error = ext4_read_group(fs, (number - 1) / fs->inodes_per_group, &group);
	if (error != 0)
		return error;
	/* "Lazy Block Group Initialization": what is there was never written. */
	if (group.flags & GROUP_INODE_UNINIT || index >= fs->inodes_per_group - group.unused_inodes)
		return -ENOENT;
	error = ext4_block_get(fs, group.inode_table + index / per_block, &b);
	if (error != 0)
		return error;
	memset(out, 0, offsetof(struct ext4_inode, extra));
	out->number = number;
	error = parse(fs, out, b->data + index % per_block * fs->inode_bytes, orphan);
	ext4_block_put(b);
	return error;
}

int ext4_read_inode(struct ext4_fs *fs, uint32_t number, struct ext4_inode *out)
{
	return read_inode(fs, number, out, false);
}

int ext4_read_orphan(struct ext4_fs *fs, uint32_t number, struct ext4_inode *out)
{
	return read_inode(fs, number, out, true);
}

int ext4_map(struct ext4_fs *fs, const struct ext4_inode *i, uint32_t logical, struct ext4_run *out)
{
	return i->flags & INODE_EXTENTS ? ext4_map_extents(fs, i, logical, out)
					: ext4_map_indirect(fs, i, logical, out);
}

/* Bytes of one block or, where they are whole sectors, of several in a row. */
static int read_some(struct ext4_fs *fs, uint64_t at, unsigned char *to, uint32_t n)
{
	unsigned char sector[512];
	uint32_t skip = at % sizeof(sector);

	if (skip == 0 && n >= sizeof(sector))
		return fs->io.read(fs->io.context, at, to, (uint32_t)align_down(n, sizeof(sector)));
	int error = fs->io.read(fs->io.context, at - skip, sector, sizeof(sector));
	if (error == 0)
		memcpy(to, sector + skip, MIN(n, (uint32_t)sizeof(sector) - skip));
	return error;
}

static uint32_t taken_of(uint64_t at, uint32_t n)
{
	uint32_t skip = at % 512;

	return skip == 0 && n >= 512 ? (uint32_t)align_down(n, 512) : MIN(n, 512 - skip);
}

long ext4_read(struct ext4_fs *fs, const struct ext4_inode *i, uint64_t at, void *to, uint32_t n)
{
	unsigned char *bytes = to;
	uint32_t done = 0;

	if (at >= i->size)
		return 0;
	n = (uint32_t)MIN((uint64_t)n, i->size - at);
	n = MIN(n, (uint32_t)INT32_MAX);
	while (done < n) {
		uint64_t place = at + done, within = place % fs->block_bytes;
		struct ext4_run run;

		int error = ext4_map(fs, i, (uint32_t)(place / fs->block_bytes), &run);
		if (error != 0)
			return error;
		uint32_t part = (uint32_t)MIN((uint64_t)n - done, (uint64_t)run.count * fs->block_bytes - within);
		if (run.kind == RUN_DATA) {
			uint64_t byte = run.physical * fs->block_bytes + within;

			part = taken_of(byte, part);
			error = read_some(fs, byte, bytes + done, part);
			if (error != 0)
				return error;
		} else {
			memset(bytes + done, 0, part);
		}
		done += part;
	}
	return (long)done;
}

long ext4_readlink(struct ext4_fs *fs, const struct ext4_inode *i, char *out, size_t size)
{
	/* "Symbolic Links": a short one is where the map would be. */
	if ((i->mode & MODE_TYPE) != MODE_LINK)
		return -EINVAL;
	if (i->size == 0 || i->size >= fs->block_bytes)
		return -EUCLEAN;
	size_t n = MIN(size, (size_t)i->size);
	if (i->size < sizeof(i->map) && !(i->flags & INODE_EXTENTS)) {
		memcpy(out, i->map, n);
		return (long)n;
	}
	return ext4_read(fs, i, 0, out, (uint32_t)n);
}
