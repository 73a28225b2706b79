/* SPDX-License-Identifier: MIT */
/* Recovery from the journal (lib/ext4_journal.h). */
#include <abi/errno.h>
#include <lib/crc32c.h>
#include <lib/ext4_journal.h>
#include <lib/ext4_layout.h>
#include <lib/jbd2_layout.h>
#include <lib/string.h>
#include <lib/types.h>

enum pass { FIND_END, CHECK, REPLAY };

/* How many of them stand in one piece of memory, a page: large ones are not to be had. */
constexpr uint32_t PIECE = 256;
struct revoked { /* block + 1, since 0 means that the place is free */
	uint64_t block;
	uint32_t sequence;
};

struct log {
	struct ext4_fs *fs;
	struct ext4_recovery *result;
	struct ext4_inode inode;
	uint32_t first, blocks;	       /* the log is blocks first … blocks - 1 of the journal */
	uint32_t start, sequence, end; /* end: the first sequence that is not committed */
	uint32_t incompat, seed;
	unsigned char *block, *data;
	struct revoked **table; /* open addressing; PIECE places each */
	uint32_t capacity, used;
	/* of a pass */
	uint32_t at, left, now;
};

/* --- the journal's blocks --- */

static int journal_place(struct log *l, uint32_t number, uint64_t *byte)
{
	struct ext4_run run;

	int error = ext4_map(l->fs, &l->inode, number, &run);
	if (error != 0)
		return error;
	*byte = run.physical * l->fs->block_bytes;
	return run.kind == RUN_DATA ? 0 : -EUCLEAN;
}

static int journal_read(struct log *l, uint32_t number, void *to)
{
	const struct ext4_io *io = &l->fs->io;
	uint64_t at;

	int error = journal_place(l, number, &at);
	return error != 0 ? error : io->read(io->context, at, to, l->fs->block_bytes);
}

/* The next block of the log into `to`. 1: all of it was read. */
static int next_block(struct log *l, void *to)
{
	if (l->left == 0)
		return 1;
	int error = journal_read(l, l->at, to);
	l->left--;
	if (++l->at == l->blocks)
		l->at = l->first;
	return error;
}

static bool has_checksums(const struct log *l)
{
	return l->incompat & (JBD2_CSUM_V2 | JBD2_CSUM_V3);
}

/* Of a block in whose own place for it the checksum counts as zeros. */
static bool checksum_right(const struct log *l, const unsigned char *d, uint32_t place)
{
	static const uint32_t zero;
	uint32_t crc = crc32c_add(l->seed, d, place);

	crc = crc32c_add(crc, &zero, 4);
	crc = crc32c_add(crc, d + place + 4, l->fs->block_bytes - place - 4);
	return !has_checksums(l) || crc == jbd2_get32(d, place);
}

/* --- what is revoked --- */

static struct revoked *place_of(const struct log *l, uint64_t block)
{
	uint32_t at = (uint32_t)((block * 0x9e3779b97f4a7c15) >> 32) & (l->capacity - 1);

	while (true) {
		struct revoked *r = &l->table[at / PIECE][at % PIECE];

		if (r->block == 0 || r->block == block + 1)
			return r;
		at = (at + 1) & (l->capacity - 1);
	}
}

static void free_table(const struct ext4_io *io, struct revoked **table, uint32_t capacity)
{
	for (uint32_t n = 0; table != nullptr && n < capacity / PIECE; n++)
		io->free(table[n]);
	io->free(table);
}

static struct revoked **make_table(const struct ext4_io *io, uint32_t capacity)
{
	struct revoked **table = io->alloc(capacity / PIECE * sizeof(*table));

	for (uint32_t n = 0; table != nullptr && n < capacity / PIECE; n++) {
		table[n] = io->alloc(PIECE * sizeof(*table[n]));
		if (table[n] == nullptr) {
			free_table(io, table, capacity);
			return nullptr;
		}
	}
	return table;
}

static int grow(struct log *l)
{
	const struct ext4_io *io = &l->fs->io;
	struct revoked **before = l->table;
	uint32_t count = l->capacity, more = count == 0 ? PIECE : count * 2;
	struct revoked **table = make_table(io, more);

	if (table == nullptr)
		return -ENOMEM;
	l->table = table;
	l->capacity = more;
	for (uint32_t n = 0; n < count; n++) {
		const struct revoked *r = &before[n / PIECE][n % PIECE];

		if (r->block != 0)
			*place_of(l, r->block - 1) = *r;
	}
	free_table(io, before, count);
	return 0;
}

static int revoke(struct log *l, uint64_t block)
{
	int error = l->used >= l->capacity / 2 ? grow(l) : 0;

	if (error != 0)
		return error;
	struct revoked *r = place_of(l, block);
	if (r->block == 0)
		l->used++;
	r->block = block + 1;
	r->sequence = l->now; /* the newest counts, and they come in order */
	return 0;
}

/* Whether the block of transaction l->now is not to be written: that one, or a later one, revoked it. */
static bool is_revoked(const struct log *l, uint64_t block)
{
	if (l->capacity == 0)
		return false;
	const struct revoked *r = place_of(l, block);
	return r->block != 0 && (int32_t)(r->sequence - l->now) >= 0;
}

static int read_revokes(struct log *l)
{
	uint32_t bytes = jbd2_get32(l->block, JREVOKE_BYTES), each = l->incompat & JBD2_64BIT ? 8 : 4;
	uint32_t room = l->fs->block_bytes - (has_checksums(l) ? 4 : 0);

	if (bytes < JREVOKE_FIRST || bytes > room)
		return -EUCLEAN;
	for (uint32_t at = JREVOKE_FIRST; bytes - at >= each; at += each) {
		uint64_t block = jbd2_get32(l->block, at);
		if (each == 8)
			block = block << 32 | jbd2_get32(l->block, at + 4);
		/* What is not on the disk is not written, either. */
		int error = block < l->fs->blocks ? revoke(l, block) : 0;
		if (error != 0)
			return error;
	}
	return 0;
}

/* --- what is written --- */

struct tag {
	uint64_t block;
	uint32_t flags, checksum, bytes;
};

/* "Descriptor Block": two forms, of which the second has parts as the journal's features say. False: it does not end in
 * the block. */
static bool parse_tag(const struct log *l, uint32_t at, struct tag *t)
{
	const unsigned char *d = l->block;
	uint32_t room = l->fs->block_bytes - (has_checksums(l) ? 4 : 0) - at;
	bool large = l->incompat & JBD2_64BIT, third = l->incompat & JBD2_CSUM_V3;

	t->bytes = third ? 16 : 8 + (large ? 4 : 0) + (l->incompat & JBD2_CSUM_V2 ? 2 : 0);
	if (t->bytes > room)
		return false;
	t->block = jbd2_get32(d, at);
	if (third) {
		t->flags = jbd2_get32(d, at + 4);
		t->checksum = jbd2_get32(d, at + 12);
	} else {
		t->checksum = __builtin_bswap16(ext4_get16(d, at + 4));
		t->flags = __builtin_bswap16(ext4_get16(d, at + 6));
	}
	if (large)
		t->block |= (uint64_t)jbd2_get32(d, at + 8) << 32;
	if (!(t->flags & JBD2_SAME_UUID))
		t->bytes += 16;
	return t->bytes <= room;
}

static bool data_right(const struct log *l, const struct tag *t)
{
	uint32_t sequence = __builtin_bswap32(l->now);
	uint32_t crc = crc32c_add(crc32c_add(l->seed, &sequence, 4), l->data, l->fs->block_bytes);

	if (l->incompat & JBD2_CSUM_V3)
		return crc == t->checksum;
	return !(l->incompat & JBD2_CSUM_V2) || (uint16_t)crc == t->checksum;
}

static int replay(struct log *l, const struct tag *t)
{
	const struct ext4_io *io = &l->fs->io;

	if (is_revoked(l, t->block)) {
		l->result->revoked++;
		return 0;
	}
	/* It would have been taken for one of the journal's own. */
	if (t->flags & JBD2_ESCAPED)
		jbd2_set32(l->data, 0, JBD2_MAGIC);
	l->result->blocks++;
	return io->write(io->context, t->block * l->fs->block_bytes, l->data, l->fs->block_bytes);
}

/* The blocks behind a descriptor. 1: the log ended before they did. */
static int read_tags(struct log *l, enum pass pass)
{
	struct tag t = {};

	for (uint32_t at = JBD2_HEADER; !(t.flags & JBD2_LAST_TAG); at += t.bytes) {
		if (!parse_tag(l, at, &t))
			return at == JBD2_HEADER ? -EUCLEAN : 0;
		if (pass == FIND_END) {
			if (l->left == 0)
				return 1;
			l->left--;
			if (++l->at == l->blocks)
				l->at = l->first;
			continue;
		}
		if (t.flags & JBD2_DELETED || t.block >= l->fs->blocks)
			return -EUCLEAN;
		int error = next_block(l, l->data);
		if (error == 0 && !data_right(l, &t))
			error = -EBADMSG;
		if (error == 0 && pass == REPLAY)
			error = replay(l, &t);
		if (error != 0)
			return error;
	}
	return 0;
}

/* --- the passes --- */

/* Looks at the block in l->block. *sound: nothing of the transaction was broken so far. 1: the log ends before it. */
static int read_block(struct log *l, enum pass pass, bool *sound)
{
	uint32_t tail = l->fs->block_bytes - 4;
	int error = 0;

	if (jbd2_get32(l->block, 0) != JBD2_MAGIC || jbd2_get32(l->block, JBD2_SEQUENCE) != l->now)
		return 1;
	switch (jbd2_get32(l->block, JBD2_TYPE)) {
	case JBD2_DESCRIPTOR: *sound &= checksum_right(l, l->block, tail); return read_tags(l, pass);
	case JBD2_REVOKE: *sound &= checksum_right(l, l->block, tail); return pass == CHECK ? read_revokes(l) : 0;
	case JBD2_COMMIT:
		/* One that was not written as a whole commits nothing. If it was, so was all before it. */
		if (!checksum_right(l, l->block, JCOMMIT_CHECKSUM))
			return 1;
		error = *sound ? 0 : -EBADMSG;
		*sound = true;
		l->now++;
		return error;
	default: return 1;
	}
}

static int run_pass(struct log *l, enum pass pass)
{
	bool sound = true;
	int error = 0;

	l->at = l->start;
	l->left = l->blocks - l->first;
	l->now = l->sequence;
	while (error == 0 && (pass == FIND_END || l->now != l->end)) {
		error = next_block(l, l->block);
		if (error == 0)
			error = read_block(l, pass, &sound);
		/* Of a descriptor that was not written as a whole nothing has to make sense. */
		if (pass == FIND_END && error == -EUCLEAN && !sound)
			error = 1;
	}
	if (pass == FIND_END) {
		l->end = l->now;
		return MIN(error, 0);
	}
	return error > 0 ? -EUCLEAN : error;
}

/* --- beginning and end --- */

static int refuse(struct ext4_fs *fs, int error, const char *why)
{
	strlcpy(fs->trouble, why, sizeof(fs->trouble));
	return error;
}

static int check_features(struct log *l, const unsigned char *s)
{
	constexpr uint32_t KNOWN = JBD2_REVOKES | JBD2_64BIT | JBD2_CSUM_V2 | JBD2_CSUM_V3;

	if (jbd2_get32(s, JBD2_TYPE) == JBD2_SUPER_V1)
		return 0;
	l->incompat = jbd2_get32(s, JSUPER_INCOMPAT);
	if (l->incompat & JBD2_FAST_COMMIT)
		return refuse(l->fs, -EINVAL, "the journal's feature fast_commit is not supported");
	if (l->incompat & JBD2_ASYNC_COMMIT)
		return refuse(l->fs, -EINVAL, "the journal's feature journal_async_commit is not supported");
	if (l->incompat & ~KNOWN)
		return refuse(l->fs, -EINVAL, "the journal has an incompatible feature that is not known");
	if ((l->incompat & JBD2_CSUM_V2) && (l->incompat & JBD2_CSUM_V3))
		return refuse(l->fs, -EUCLEAN, "the journal has two kinds of checksums");
	if (!has_checksums(l))
		return 0;
	l->seed = crc32c_add(~0u, s + JSUPER_UUID, 16);
	uint32_t crc = crc32c_add(~0u, s, JSUPER_CHECKSUM);
	crc = crc32c_add(crc, &(uint32_t){0}, 4);
	crc = crc32c_add(crc, s + JSUPER_CHECKSUM + 4, JBD2_SUPER_BYTES - JSUPER_CHECKSUM - 4);
	if (s[JSUPER_CHECKSUM_TYPE] != 4 || crc != jbd2_get32(s, JSUPER_CHECKSUM))
		return refuse(l->fs, -EBADMSG, "the checksum of the journal's superblock is wrong");
	return 0;
}

static int read_super(struct log *l)
{
	const unsigned char *s = l->block;

	int error = journal_read(l, 0, l->block);
	if (error != 0)
		return refuse(l->fs, error, "the journal cannot be read");
	uint32_t type = jbd2_get32(s, JBD2_TYPE);
	if (jbd2_get32(s, 0) != JBD2_MAGIC || (type != JBD2_SUPER_V1 && type != JBD2_SUPER_V2))
		return refuse(l->fs, -EUCLEAN, "the journal has no superblock");
	error = check_features(l, s);
	if (error != 0)
		return error;
	l->blocks = jbd2_get32(s, JSUPER_BLOCKS);
	l->first = jbd2_get32(s, JSUPER_FIRST);
	l->start = jbd2_get32(s, JSUPER_START);
	l->sequence = jbd2_get32(s, JSUPER_SEQUENCE);
	if (jbd2_get32(s, JSUPER_BLOCK_BYTES) != l->fs->block_bytes || l->first == 0 || l->first >= l->blocks ||
	    l->blocks > l->inode.size / l->fs->block_bytes ||
	    (l->start != 0 && (l->start < l->first || l->start >= l->blocks)))
		return refuse(l->fs, -EUCLEAN, "the journal has an impossible size");
	return 0;
}

/* All is in its place, and kept there: the log is empty, from the next sequence on. */
static int empty_log(struct log *l)
{
	const struct ext4_io *io = &l->fs->io;
	uint64_t at;

	int error = io->flush(io->context);
	if (error == 0)
		error = journal_read(l, 0, l->block);
	if (error == 0)
		error = journal_place(l, 0, &at);
	if (error != 0)
		return error;
	jbd2_set32(l->block, JSUPER_START, 0);
	jbd2_set32(l->block, JSUPER_SEQUENCE, l->end + 1);
	if (has_checksums(l)) {
		jbd2_set32(l->block, JSUPER_CHECKSUM, 0);
		jbd2_set32(l->block, JSUPER_CHECKSUM, crc32c_add(~0u, l->block, JBD2_SUPER_BYTES));
	}
	error = io->write(io->context, at, l->block, l->fs->block_bytes);
	return error != 0 ? error : io->flush(io->context);
}

/* The superblock, which may have been in the log, needs no recovery. */
static int clear_need(struct ext4_fs *fs)
{
	const struct ext4_io *io = &fs->io;
	unsigned char s[EXT4_SUPER_BYTES];

	int error = io->read(io->context, EXT4_SUPER_AT, s, sizeof(s));
	if (error != 0)
		return error;
	ext4_set32(s, SUPER_INCOMPAT, ext4_get32(s, SUPER_INCOMPAT) & ~(uint32_t)INCOMPAT_RECOVER);
	if (ext4_get32(s, SUPER_RO_COMPAT) & RO_METADATA_CSUM)
		ext4_set32(s, SUPER_CHECKSUM, crc32c_add(~0u, s, SUPER_CHECKSUM));
	error = io->write(io->context, EXT4_SUPER_AT, s, sizeof(s));
	return error != 0 ? error : io->flush(io->context);
}

static int recover_from(struct log *l)
{
	int error = read_super(l);

	if (error != 0)
		return error;
	if (l->start != 0) {
		for (enum pass pass = FIND_END; pass <= REPLAY && error == 0; pass++)
			error = run_pass(l, pass);
		if (error != 0)
			return refuse(l->fs, error,
				      error == -ENOMEM ? "there is not enough memory for its journal"
						       : "the journal is broken");
		l->result->transactions = l->end - l->sequence;
		error = empty_log(l);
	}
	return error != 0 ? error : clear_need(l->fs);
}

int ext4_recover(struct ext4_fs *fs, struct ext4_recovery *out)
{
	const struct ext4_io io = fs->io;
	struct log l = {.fs = fs, .result = out};

	*out = (struct ext4_recovery){.needed = fs->incompat & INCOMPAT_RECOVER};
	if (!out->needed)
		return 0;
	if (io.write == nullptr)
		return refuse(fs, -EROFS, "it has to be recovered from its journal, and cannot be written");
	if (!(fs->compat & COMPAT_HAS_JOURNAL) || fs->journal_inode == 0)
		return refuse(fs, -EINVAL, "its journal is on another device, which is not supported");
	int error = ext4_read_inode(fs, fs->journal_inode, &l.inode);
	if (error == 0 && (l.inode.mode & MODE_TYPE) != MODE_FILE)
		error = -EUCLEAN;
	if (error != 0)
		return refuse(fs, error == -ENOENT ? -EUCLEAN : error, "its journal's inode is broken");
	l.block = io.alloc(fs->block_bytes);
	l.data = io.alloc(fs->block_bytes);
	error = l.block != nullptr && l.data != nullptr ? recover_from(&l) : -ENOMEM;
	io.free(l.block);
	io.free(l.data);
	free_table(&io, l.table, l.capacity);
	if (error != 0)
		return error;
	/* All that is known of it may have changed. */
	ext4_reset(fs);
	return ext4_open(fs, &io);
}
