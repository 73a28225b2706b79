/* SPDX-License-Identifier: MIT */
/* The disk in memory of the tests of the block floor (ramdisk.h). */
#include "ramdisk.h"

#include <abi/errno.h>
#include <kernel/block/blkdev.h>
#include <kernel/mem/slab.h>
#include <kernel/vfs/open.h>
#include <lib/string.h>

/* No constant, so that the compiler does not see what comes. */
static volatile uint64_t nowhere = 0x18;

/* The one that registers, and a second one, which its unit tells from it: submit has no other way to them than their
 * device, and there is none. */
static struct ramdisk *only, *second;
enum : uint32_t { UNIT = 7 };

static bool obeys_rules(const struct ramdisk *r, const struct bio *b)
{
	uint64_t bytes = 0;

	if (b->unit != r->geometry.unit)
		return false;
	if (b->kind == BIO_FLUSH)
		return b->blocks == 0;
	if (b->blocks == 0 || b->block + b->blocks > r->geometry.blocks)
		return false;
	if (b->kind == BIO_DISCARD || b->kind == BIO_ZERO) {
		uint32_t most = b->kind == BIO_ZERO ? r->geometry.zero_blocks_max : r->geometry.discard_blocks_max;

		return b->piece_count == 0 && (most == 0 || b->blocks <= most);
	}
	for (uint32_t n = 0; n < b->piece_count; n++) {
		const struct bio_piece *p = &b->pieces[n];

		if (p->length == 0 || p->length % r->block_bytes != 0 || p->offset + p->length > PAGE_SIZE ||
		    (n > 0 && p->offset != 0) || (n + 1 < b->piece_count && p->offset + p->length != PAGE_SIZE))
			return false;
		bytes += p->length;
	}
	if ((r->geometry.pieces_max != 0 && b->piece_count > r->geometry.pieces_max) ||
	    (r->geometry.bytes_max != 0 && bytes > r->geometry.bytes_max))
		return false;
	return bytes == (uint64_t)b->blocks * r->block_bytes;
}

static void transfer(struct ramdisk *r, const struct bio *b)
{
	unsigned char *at = r->data + b->block * r->block_bytes;

	if (b->kind == BIO_DISCARD || b->kind == BIO_ZERO)
		memset(at, 0, (size_t)b->blocks * r->block_bytes);
	for (uint32_t n = 0; n < b->piece_count; n++) {
		const struct bio_piece *p = &b->pieces[n];
		unsigned char *memory = (unsigned char *)page_address(p->page) + p->offset;

		if (b->kind == BIO_READ)
			memcpy(memory, at, p->length);
		else
			memcpy(at, memory, p->length);
		at += p->length;
	}
}

static void finish(struct ramdisk *r, struct bio *b, int error)
{
	if (error == 0 && b->kind != BIO_FLUSH && r->bad_block - b->block < b->blocks)
		error = r->bad_error;
	if (error == 0)
		transfer(r, b);
	disk_done(r->disk, b, error);
}

/* `error`: as which the request is to end at once. */
static int note(struct ramdisk *r, struct bio *b, bool *hold, int *error)
{
	spin_lock(&r->lock);
	*hold = r->hold || r->taken + 1 == r->slow_nth;
	*error = r->taken + 1 == r->fail_nth || (r->fail_from != 0 && r->taken + 1 >= r->fail_from) ? r->bad_error : 0;
	r->submits++;
	int result = r->refuse;
	if (result == 0 && r->held_count >= MIN(r->room, (uint32_t)RAM_HELD_MAX))
		result = -EBUSY;
	if (result == 0) {
		r->taken++;
		r->flushes += b->kind == BIO_FLUSH;
		r->discards += b->kind == BIO_DISCARD;
		r->zeros += b->kind == BIO_ZERO;
		r->most_blocks = MAX(r->most_blocks, b->blocks);
		r->broke_rules |= !obeys_rules(r, b);
		if (*hold)
			r->held[r->held_count++] = b;
	}
	spin_unlock(&r->lock);
	return result;
}

static bool is_due(struct ramdisk *r, enum ram_stray when)
{
	spin_lock(&r->lock);
	bool due = r->stray == when && r->strays > 0;
	if (due)
		r->strays--;
	spin_unlock(&r->lock);
	return due;
}

static int submit(struct device *, unsigned, struct bio *b)
{
	struct ramdisk *r = second != nullptr && b->unit == second->geometry.unit ? second : only;

	if (is_due(r, STRAY_BEFORE))
		*(volatile uint64_t *)nowhere = 1;
	bool hold;
	int end, error = note(r, b, &hold, &end);
	if (is_due(r, STRAY_AFTER))
		*(volatile uint64_t *)nowhere = 1;
	if (error == 0 && !hold)
		finish(r, b, end);
	return error;
}

static void late(struct device *, uint64_t given_ns)
{
	struct ramdisk *r = only;

	if (is_due(r, STRAY_LATE))
		*(volatile uint64_t *)nowhere = 1;
	spin_lock(&r->lock);
	for (uint32_t n = 0; n < r->held_count; n++)
		r->late += r->held[n]->began_ns <= given_ns;
	r->told_late++;
	spin_unlock(&r->lock);
}

static const struct disk_ops ram_ops = {.component = &component_ktest, .submit = submit};
static const struct disk_ops ram_ops_late = {.component = &component_ktest, .submit = submit, .late = late};

bool ram_create(struct ramdisk *r, uint32_t block_bytes, uint64_t blocks)
{
	*r = (struct ramdisk){
		.block_bytes = block_bytes, .room = RAM_HELD_MAX, .bad_block = UINT64_MAX, .bad_error = -EIO};
	r->geometry = (struct disk_geometry){.block_bytes = block_bytes,
					     .blocks = blocks,
					     .has_flush = true,
					     .has_discard = true,
					     .has_zero = true,
					     .no_partitions = true,
					     .unit = UNIT,
					     .serial = "ram",
					     .address = "test:0"};
	spin_init(&r->lock, RANK_NONE);
	r->data = kmalloc(blocks * block_bytes);
	only = r;
	return EXPECT(r->data != nullptr);
}

bool ram_create_second(struct ramdisk *r, uint64_t blocks)
{
	struct ramdisk *first = only;
	bool created = ram_create(r, RAM_BLOCK, blocks);

	only = first;
	second = r;
	r->geometry.unit = UNIT + 1;
	strlcpy(r->geometry.address, "test:1", sizeof(r->geometry.address));
	if (created)
		memset(r->data, 0, blocks * RAM_BLOCK);
	return created;
}

bool ram_create_filled(struct ramdisk *r, uint64_t blocks, unsigned char **buffer)
{
	if (!ram_create(r, RAM_BLOCK, blocks))
		return false;
	ram_pattern(r->data, 0, (uint32_t)blocks, RAM_BLOCK, 0);
	*buffer = kmalloc(blocks * RAM_BLOCK);
	return EXPECT(*buffer != nullptr);
}

int ram_register(struct ramdisk *r)
{
	return disk_register(r->device, "ram", r->has_late ? &ram_ops_late : &ram_ops, &r->geometry, &r->disk);
}

void ram_finish(struct ramdisk *r, uint32_t index, int error)
{
	spin_lock(&r->lock);
	struct bio *b = r->held[index];
	r->held_count--;
	for (uint32_t n = index; n < r->held_count; n++)
		r->held[n] = r->held[n + 1];
	spin_unlock(&r->lock);
	finish(r, b, error);
}

void ram_finish_all(struct ramdisk *r)
{
	while (r->held_count > 0)
		ram_finish(r, 0, 0);
}

void ram_reset(struct ramdisk *r)
{
	spin_lock(&r->lock);
	r->held_count = 0;
	r->hold = false;
	r->room = RAM_HELD_MAX;
	r->refuse = 0;
	r->strays = 0;
	spin_unlock(&r->lock);
}

void ram_destroy(struct ramdisk *r)
{
	EXPECT(!r->broke_rules);
	if (r->disk != nullptr)
		disk_gone(r->disk);
	kfree(r->data);
	if (r == second)
		second = nullptr;
	else
		only = nullptr;
}

static void count_end(struct bio *b)
{
	__atomic_fetch_add(&((struct ram_io *)b->owner)->ended, 1, __ATOMIC_RELEASE);
}

bool ram_io_create(struct ram_io *io, const struct ramdisk *r, enum bio_kind kind, uint64_t block, uint32_t blocks)
{
	*io = (struct ram_io){.bytes = page_alloc_kernel(0)};
	if (!EXPECT(io->bytes != nullptr))
		return false;
	memset(io->bytes, 0, PAGE_SIZE);
	io->piece = (struct bio_piece){page_of(page_window_pfn(io->bytes)), 0, blocks * r->block_bytes};
	io->bio = (struct bio){.kind = kind,
			       .block = block,
			       .blocks = blocks,
			       .pieces = &io->piece,
			       .piece_count = 1,
			       .done = count_end};
	io->bio.owner = io;
	if (kind == BIO_WRITE)
		ram_pattern(io->bytes, block, blocks, r->block_bytes, 0);
	return true;
}

void ram_io_destroy(struct ram_io *io)
{
	if (io->bytes != nullptr)
		page_free_kernel(io->bytes, 0);
}

bool ram_submit(struct ram_io *io, struct ramdisk *r, enum bio_kind kind, uint64_t block, uint32_t blocks)
{
	if (!ram_io_create(io, r, kind, block, blocks))
		return false;
	bio_submit(r->disk, &io->bio);
	return true;
}

void ram_ios_destroy(struct ram_io *ios, uint32_t count, uint32_t ended, struct ramdisk *r)
{
	for (uint32_t n = 0; n < ended; n++)
		EXPECT_EQ(ios[n].ended, 1);
	for (uint32_t n = 0; n < count; n++)
		ram_io_destroy(&ios[n]);
	ram_destroy(r);
}

struct file *ram_open(const char *path, uint32_t flags)
{
	struct file *f = nullptr;

	return EXPECT_EQ(file_open_path(path, flags, 0, &f), 0) ? f : nullptr;
}

static void read_bytes(void *arg)
{
	struct ram_reader *r = arg;

	r->result = file_read_at(r->file, r->to, r->bytes, 0);
	__atomic_store_n(&r->reading, 0, __ATOMIC_RELEASE);
}

bool ram_reader_start(struct ram_reader *r, const struct ramdisk *ram, struct file *f, void *to, uint64_t bytes)
{
	*r = (struct ram_reader){.file = f, .to = to, .bytes = bytes, .reading = 1};
	return start_thread(read_bytes, r, -1) != nullptr &&
	       EXPECT(WAIT_UNTIL(__atomic_load_n(&ram->held_count, __ATOMIC_ACQUIRE) > 0));
}

bool ram_reader_ends(struct ram_reader *r)
{
	return EXPECT(WAIT_UNTIL(__atomic_load_n(&r->reading, __ATOMIC_ACQUIRE) == 0));
}

void ram_pattern(unsigned char *bytes, uint64_t block, uint32_t blocks, uint32_t block_bytes, unsigned char salt)
{
	for (size_t n = 0; n < (size_t)blocks * block_bytes; n++)
		bytes[n] = (unsigned char)(n * 7 + (block + n / block_bytes) * 31 + salt);
}

static void put32(unsigned char *at, uint32_t v)
{
	for (unsigned n = 0; n < 4; n++)
		at[n] = (unsigned char)(v >> 8 * n);
}

void ram_put_entry(struct ramdisk *r, uint64_t block, unsigned slot, unsigned char type, uint32_t first,
		   uint32_t blocks)
{
	unsigned char *table = r->data + block * RAM_BLOCK, *at = table + 446 + 16 * slot;

	memset(at, 0, 16);
	at[4] = type;
	put32(at + 8, first);
	put32(at + 12, blocks);
	table[510] = 0x55;
	table[511] = 0xaa;
}

void ram_make_table(struct ramdisk *r)
{
	memset(r->data, 0, RAM_BLOCK);
	ram_put_entry(r, 0, 0, 0x83, 8, 64);
	ram_put_entry(r, 0, 1, 0x05, 100, 100);
	memset(r->data + 100 * RAM_BLOCK, 0, RAM_BLOCK);
	ram_put_entry(r, 100, 0, 0x83, 4, 32);
}

bool blkdev_find(const char *name, struct blkdev_info *out)
{
	for (uint32_t n = 0; blkdev_at(n, out); n++) {
		if (strcmp(out->name, name) == 0)
			return true;
	}
	return false;
}
