/* SPDX-License-Identifier: MIT */
/* The journal, to be written (lib/ext4_write.h; "Journal (jbd2)"). Recovery is ext4_journal.c. */
#include <abi/errno.h>
#include <lib/crc32c.h>
#include <lib/ext4_change.h>
#include <lib/ext4_layout.h>
#include <lib/jbd2_layout.h>
#include <lib/string.h>
#include <lib/types.h>

static int refuse(struct ext4_fs *fs, int error, const char *why)
{
	strlcpy(fs->trouble, why, sizeof(fs->trouble));
	return error;
}

static bool has_checksums(const struct ext4_log *l)
{
	return l->incompat & (JBD2_CSUM_V2 | JBD2_CSUM_V3);
}

static int place_of(struct ext4_fs *fs, uint32_t number, uint64_t *at)
{
	struct ext4_run run;

	int error = ext4_map(fs, &fs->writer->log.inode, number, &run);
	if (error != 0)
		return error;
	*at = run.physical * fs->block_bytes;
	return run.kind == RUN_DATA ? 0 : -EUCLEAN;
}

static int write_block(struct ext4_fs *fs, uint32_t number, const void *from)
{
	uint64_t at;

	int error = place_of(fs, number, &at);
	return error != 0 ? error : fs->io.write(fs->io.context, at, from, fs->block_bytes);
}

/* At the log's head, which goes on, round the end. */
static int append(struct ext4_fs *fs, const void *from)
{
	struct ext4_log *l = &fs->writer->log;

	int error = write_block(fs, l->head, from);
	if (++l->head == l->blocks)
		l->head = l->first;
	return error;
}

/* start: 0, there is nothing to be recovered. */
static int write_super(struct ext4_fs *fs, uint32_t start)
{
	struct ext4_log *l = &fs->writer->log;

	jbd2_set32(l->super, JSUPER_START, start);
	jbd2_set32(l->super, JSUPER_SEQUENCE, l->sequence);
	jbd2_set32(l->super, JSUPER_INCOMPAT, l->incompat);
	if (has_checksums(l)) {
		l->super[JSUPER_CHECKSUM_TYPE] = 4;
		jbd2_set32(l->super, JSUPER_CHECKSUM, 0);
		jbd2_set32(l->super, JSUPER_CHECKSUM, crc32c_add(~0u, l->super, JBD2_SUPER_BYTES));
	}
	return write_block(fs, 0, l->super);
}

/* --- a transaction --- */

static void begin_block(struct ext4_fs *fs, enum jbd2_type type)
{
	struct ext4_log *l = &fs->writer->log;

	memset(l->block, 0, fs->block_bytes);
	jbd2_set32(l->block, 0, JBD2_MAGIC);
	jbd2_set32(l->block, JBD2_TYPE, type);
	jbd2_set32(l->block, JBD2_SEQUENCE, l->sequence);
}

/* `place`: of its checksum, which counts as zeros. */
static int end_block(struct ext4_fs *fs, uint32_t place)
{
	struct ext4_log *l = &fs->writer->log;

	if (has_checksums(l))
		jbd2_set32(l->block, place, crc32c_add(l->seed, l->block, fs->block_bytes));
	return append(fs, l->block);
}

static bool looks_like_log(const struct ext4_block *b)
{
	return jbd2_get32(b->data, 0) == JBD2_MAGIC;
}

/* The checksum of a block as it stands in the log. */
static uint32_t data_sum(const struct ext4_fs *fs, const struct ext4_block *b)
{
	const struct ext4_log *l = &fs->writer->log;
	uint32_t sequence = __builtin_bswap32(l->sequence), crc = crc32c_add(l->seed, &sequence, 4);

	if (looks_like_log(b))
		crc = crc32c_add(crc, &(uint32_t){0}, 4);
	return crc32c_add(crc, b->data + (looks_like_log(b) ? 4 : 0), fs->block_bytes - (looks_like_log(b) ? 4 : 0));
}

static uint32_t tag_bytes(const struct ext4_log *l)
{
	if (l->incompat & JBD2_CSUM_V3)
		return 16;
	return 8 + (l->incompat & JBD2_64BIT ? 4 : 0) + (l->incompat & JBD2_CSUM_V2 ? 2 : 0);
}

/* "Descriptor Block": the first tag has the journal's UUID behind it, the others are of the same. */
static uint32_t put_tag(struct ext4_fs *fs, uint32_t at, const struct ext4_block *b, bool last)
{
	const struct ext4_log *l = &fs->writer->log;
	bool first = at == JBD2_HEADER;
	uint32_t sum = has_checksums(l) ? data_sum(fs, b) : 0;
	uint32_t flags =
		(looks_like_log(b) ? JBD2_ESCAPED : 0u) | (first ? 0u : JBD2_SAME_UUID) | (last ? JBD2_LAST_TAG : 0u);

	jbd2_set32(l->block, at, (uint32_t)b->number);
	if (l->incompat & JBD2_CSUM_V3) {
		jbd2_set32(l->block, at + 4, flags);
		jbd2_set32(l->block, at + 12, sum);
	} else {
		ext4_set16(l->block, at + 4, __builtin_bswap16((uint16_t)sum));
		ext4_set16(l->block, at + 6, __builtin_bswap16((uint16_t)flags));
	}
	if (l->incompat & JBD2_64BIT)
		jbd2_set32(l->block, at + 8, (uint32_t)(b->number >> 32));
	at += tag_bytes(l);
	if (!first)
		return at;
	memcpy(l->block + at, l->super + JSUPER_UUID, 16);
	return at + 16;
}

/* The changed block from slot *n on; nullptr: there is none. */
static struct ext4_block *next_changed(struct ext4_fs *fs, uint32_t *n)
{
	while (*n < EXT4_CACHE_BLOCKS && !fs->cache[*n].changed)
		++*n;
	return *n < EXT4_CACHE_BLOCKS ? &fs->cache[(*n)++] : nullptr;
}

static int append_data(struct ext4_fs *fs, const struct ext4_block *b)
{
	struct ext4_log *l = &fs->writer->log;

	if (!looks_like_log(b))
		return append(fs, b->data);
	memcpy(l->block, b->data, fs->block_bytes);
	ext4_set32(l->block, 0, 0);
	return append(fs, l->block);
}

/* A descriptor with as many blocks as it has tags for. */
static int write_some(struct ext4_fs *fs, uint32_t *slot)
{
	const struct ext4_log *l = &fs->writer->log;
	uint32_t at = JBD2_HEADER, n = *slot, end = fs->block_bytes - 4, ahead;
	const struct ext4_block *b;

	begin_block(fs, JBD2_DESCRIPTOR);
	while (at + tag_bytes(l) + (at == JBD2_HEADER ? 16 : 0) <= end && (b = next_changed(fs, &n)) != nullptr) {
		ahead = n;
		bool more = next_changed(fs, &ahead) != nullptr;
		bool room = at + tag_bytes(l) * 2 + (at == JBD2_HEADER ? 16 : 0) <= end;

		at = put_tag(fs, at, b, !more || !room);
	}
	int error = end_block(fs, end);
	while (error == 0 && *slot < n && (b = next_changed(fs, slot)) != nullptr)
		error = append_data(fs, b);
	return error;
}

int ext4_log_write(struct ext4_fs *fs)
{
	struct ext4_log *l = &fs->writer->log;
	uint32_t slot = 0, ahead;

	if (!fs->writer->journal)
		return 0;
	/* All that earlier transactions wrote, and the bytes of files, are kept from here on. */
	int error = fs->io.flush(fs->io.context);
	if (error == 0)
		error = write_super(fs, l->head);
	while (error == 0 && (ahead = slot, next_changed(fs, &ahead)) != nullptr)
		error = write_some(fs, &slot);
	if (error == 0)
		error = fs->io.flush(fs->io.context);
	if (error != 0)
		return error;
	begin_block(fs, JBD2_COMMIT);
	error = end_block(fs, JCOMMIT_CHECKSUM);
	if (error == 0)
		error = fs->io.flush(fs->io.context);
	l->sequence++;
	return error;
}

int ext4_log_empty(struct ext4_fs *fs)
{
	if (!fs->writer->journal)
		return fs->io.flush(fs->io.context);
	int error = fs->io.flush(fs->io.context);
	if (error == 0)
		error = write_super(fs, 0);
	return error != 0 ? error : fs->io.flush(fs->io.context);
}

/* --- beginning and end --- */

static int check_super(struct ext4_fs *fs, const unsigned char *s)
{
	struct ext4_log *l = &fs->writer->log;

	if (jbd2_get32(s, 0) != JBD2_MAGIC || jbd2_get32(s, JBD2_TYPE) != JBD2_SUPER_V2)
		return refuse(fs, -EINVAL, "its journal is of the first version, which is not written");
	l->incompat = jbd2_get32(s, JSUPER_INCOMPAT);
	if (l->incompat & ~(JBD2_REVOKES | JBD2_64BIT | JBD2_CSUM_V2 | JBD2_CSUM_V3))
		return refuse(fs, -EINVAL, "its journal has a feature that is not written");
	l->first = jbd2_get32(s, JSUPER_FIRST);
	l->blocks = jbd2_get32(s, JSUPER_BLOCKS);
	l->sequence = jbd2_get32(s, JSUPER_SEQUENCE);
	if (jbd2_get32(s, JSUPER_BLOCK_BYTES) != fs->block_bytes || l->first == 0 || l->first >= l->blocks ||
	    l->blocks > l->inode.size / fs->block_bytes)
		return refuse(fs, -EUCLEAN, "the journal has an impossible size");
	/* Two transactions fit. */
	uint32_t most = (l->blocks - l->first) / 2;
	if (most < OPERATION_BLOCKS * 2)
		return refuse(fs, -EINVAL, "its journal is too small to be written (mke2fs -J size=)");
	fs->writer->most = MIN(TRANSACTION_BLOCKS, most - 8);
	if (jbd2_get32(s, JSUPER_START) != 0)
		return refuse(fs, -EUCLEAN, "its journal is not empty: e2fsck is advised");
	return 0;
}

/* As Linux does at the first mount: checksums of the third kind where the filesystem has them, numbers of 64 bits. */
static void choose_features(struct ext4_fs *fs)
{
	struct ext4_log *l = &fs->writer->log;

	l->incompat &= ~(uint32_t)(JBD2_CSUM_V2 | JBD2_CSUM_V3);
	if (ext4_has_checksums(fs))
		l->incompat |= JBD2_CSUM_V3;
	if (fs->incompat & INCOMPAT_64BIT)
		l->incompat |= JBD2_64BIT;
	jbd2_set32(l->super, JSUPER_COMPAT, jbd2_get32(l->super, JSUPER_COMPAT) & ~(uint32_t)JBD2_COMPAT_CHECKSUM);
	l->super[JSUPER_CHECKSUM_TYPE] = 0;
	l->seed = crc32c_add(~0u, l->super + JSUPER_UUID, 16);
}

int ext4_log_open(struct ext4_fs *fs)
{
	struct ext4_log *l = &fs->writer->log;
	uint64_t at;

	int error = ext4_read_inode(fs, fs->journal_inode, &l->inode);
	if (error != 0 || (l->inode.mode & MODE_TYPE) != MODE_FILE)
		return refuse(fs, error == 0 || error == -ENOENT ? -EUCLEAN : error, "its journal's inode is broken");
	l->super = fs->io.alloc(fs->block_bytes);
	l->block = fs->io.alloc(fs->block_bytes);
	if (l->super == nullptr || l->block == nullptr)
		return -ENOMEM;
	error = place_of(fs, 0, &at);
	if (error == 0)
		error = fs->io.read(fs->io.context, at, l->super, fs->block_bytes);
	if (error == 0)
		error = check_super(fs, l->super);
	/* Where each block of the log is, is known to be sound before anything depends on it. */
	for (uint32_t n = 0; error == 0 && n < l->blocks; n++)
		error = place_of(fs, n, &at);
	if (error != 0)
		return error;
	choose_features(fs);
	l->head = l->first;
	return 0;
}

void ext4_log_close(struct ext4_fs *fs)
{
	struct ext4_log *l = &fs->writer->log;

	fs->io.free(l->super);
	fs->io.free(l->block);
	*l = (struct ext4_log){};
}
