/* SPDX-License-Identifier: MIT */
/*
 * The block floor over a disk in memory whose driver does as it is told: how bios become requests (neighbours, limits),
 * how each ends (errors in every position, orders), and what a driver that is confused cannot do.
 */
#include "ramdisk.h"

#include <abi/errno.h>
#include <kernel/base/lock.h>
#include <lib/string.h>

enum : uint32_t { COUNT = 8 };

static struct ramdisk ram;
static struct ram_io ios[COUNT];
static uint64_t allocations;

static bool begin(uint32_t block_bytes, uint64_t blocks)
{
	allocations = component_ktest.allocations;
	memset(ios, 0, sizeof(ios));
	return ram_create(&ram, block_bytes, blocks);
}

/* All bios ended once, nothing leaked. */
static void end(uint32_t bios)
{
	ram_ios_destroy(ios, COUNT, bios, &ram);
	EXPECT_EQ(component_ktest.allocations, allocations);
}

static bool submit(uint32_t n, enum bio_kind kind, uint64_t block, uint32_t blocks)
{
	return ram_submit(&ios[n], &ram, kind, block, blocks);
}

/* The first request goes out, the others wait behind it: the driver has room for one. */
static bool begin_crowded(void)
{
	if (!begin(RAM_BLOCK, 512))
		return false;
	ram.geometry.depth = 1;
	ram.hold = true;
	return EXPECT_EQ(ram_register(&ram), 0) && submit(0, BIO_WRITE, 500, 1);
}

static bool holds_pattern(const unsigned char *bytes, uint64_t block, uint32_t blocks)
{
	static unsigned char wanted[PAGE_SIZE];

	ram_pattern(wanted, block, blocks, ram.block_bytes, 0);
	return memcmp(bytes, wanted, (size_t)blocks * ram.block_bytes) == 0;
}

static void round_trip(void)
{
	if (!begin(RAM_BLOCK, 64) || !EXPECT_EQ(ram_register(&ram), 0))
		return;
	EXPECT(strncmp(disk_name(ram.disk), "ram", 3) == 0);
	EXPECT_EQ(disk_geometry(ram.disk)->blocks, 64);
	(void)submit(0, BIO_WRITE, 3, 8);
	(void)submit(1, BIO_READ, 4, 2);
	EXPECT_EQ(ios[0].bio.error, 0);
	EXPECT(holds_pattern(ram.data + 3 * RAM_BLOCK, 3, 8));
	EXPECT(holds_pattern(ios[1].bytes, 4, 2));
	EXPECT_EQ(disk_flush(ram.disk), 0);
	EXPECT_EQ(ram.flushes, 1);
	(void)submit(2, BIO_DISCARD, 3, 8);
	EXPECT_EQ(ios[2].bio.error, 0);
	EXPECT_EQ(ram.data[3 * RAM_BLOCK + 1], 0);
	end(3);
}

static void waits(void)
{
	if (!begin(RAM_BLOCK, 64) || !EXPECT_EQ(ram_register(&ram), 0))
		return;
	for (uint32_t n = 0; n < COUNT && ram_io_create(&ios[n], &ram, BIO_WRITE, n, 1); n++) {
		ios[n].bio.done = nullptr;
		bio_submit(ram.disk, &ios[n].bio);
		EXPECT_EQ(bio_wait(&ios[n].bio), 0);
	}
	end(0);
}

/* Bios that wait become one request with their neighbours, whatever the order they came in. */
static void neighbours(void)
{
	static const uint64_t places[] = {24, 16, 32, 8, 40, 104, 96};

	if (!begin_crowded())
		return;
	for (uint32_t n = 0; n < ARRAY_LEN(places); n++)
		(void)submit(n + 1, BIO_WRITE, places[n], 8);
	EXPECT_EQ(ram.taken, 1);
	ram_finish(&ram, 0, 0);
	EXPECT_EQ(ram.taken, 2);
	EXPECT_EQ(ram.held[0]->block, 8);
	EXPECT_EQ(ram.held[0]->blocks, 40);
	EXPECT_EQ(ram.held[0]->piece_count, 5);
	ram_finish(&ram, 0, 0);
	EXPECT_EQ(ram.held[0]->block, 96);
	EXPECT_EQ(ram.held[0]->blocks, 16);
	ram_finish(&ram, 0, 0);
	EXPECT_EQ(ram.held_count, 0);
	for (uint32_t n = 0; n < ARRAY_LEN(places); n++)
		EXPECT(holds_pattern(ram.data + places[n] * RAM_BLOCK, places[n], 8));
	end(8);
}

/* Reads, writes, and what does not touch are no neighbours; nor is memory whose pages have gaps between them. */
static void strangers(void)
{
	if (!begin_crowded())
		return;
	(void)submit(1, BIO_WRITE, 8, 8);
	(void)submit(2, BIO_READ, 16, 8);
	(void)submit(3, BIO_WRITE, 17, 4);
	(void)submit(4, BIO_WRITE, 21, 4);
	ram_finish(&ram, 0, 0);
	EXPECT_EQ(ram.held[0]->blocks, 8);
	ram_finish(&ram, 0, 0);
	EXPECT_EQ(ram.held[0]->kind, BIO_READ);
	ram_finish(&ram, 0, 0);
	EXPECT_EQ(ram.held[0]->blocks, 4);
	ram_finish(&ram, 0, 0);
	EXPECT_EQ(ram.held[0]->blocks, 4);
	ram_finish(&ram, 0, 0);
	end(5);
}

static unsigned char *pages[3];
static struct bio_piece pieces[3];

/* Writes three pages that begin in the middle of one and end in the middle of one, and reads the disk's memory. */
static void write_pieces(uint32_t requests)
{
	uint32_t half = PAGE_SIZE / 2, blocks = 0;

	if (!EXPECT_EQ(ram_register(&ram), 0))
		return;
	for (uint32_t n = 0; n < 3; n++) {
		pages[n] = page_alloc_kernel(0);
		if (!EXPECT(pages[n] != nullptr))
			return;
		uint32_t length = n == 1 ? (uint32_t)PAGE_SIZE : half;
		pieces[n] = (struct bio_piece){page_of(page_window_pfn(pages[n])), n == 0 ? half : 0, length};
		ram_pattern(pages[n] + pieces[n].offset, 5 + blocks, length / ram.block_bytes, ram.block_bytes, 0);
		blocks += length / ram.block_bytes;
	}
	struct bio b = {.kind = BIO_WRITE, .block = 5, .blocks = blocks, .pieces = pieces, .piece_count = 3};
	bio_submit(ram.disk, &b);
	EXPECT_EQ(bio_wait(&b), 0);
	EXPECT_EQ(ram.taken, requests);
	for (uint32_t n = 0; n < blocks; n++)
		EXPECT(holds_pattern(ram.data + (5 + n) * ram.block_bytes, 5 + n, 1));
	for (uint32_t n = 0; n < 3; n++)
		page_free_kernel(pages[n], 0);
	end(0);
}

static void limit_none(void)
{
	if (begin(RAM_BLOCK, 64))
		write_pieces(1);
}

/* 8 KiB in parts of 1.5 KiB, which pieces do not respect. */
static void limit_bytes(void)
{
	if (!begin(RAM_BLOCK, 64))
		return;
	ram.geometry.bytes_max = 3 * RAM_BLOCK + 100;
	write_pieces(6);
}

static void limit_pieces(void)
{
	if (!begin(RAM_BLOCK, 64))
		return;
	ram.geometry.pieces_max = 1;
	write_pieces(3);
}

static void limit_discard(void)
{
	if (!begin(RAM_BLOCK, 64))
		return;
	ram.geometry.discard_blocks_max = 10;
	if (!EXPECT_EQ(ram_register(&ram), 0))
		return;
	(void)submit(0, BIO_DISCARD, 1, 0);
	EXPECT_EQ(ios[0].bio.error, -EINVAL);
	ios[1].bio = (struct bio){.kind = BIO_DISCARD, .block = 1, .blocks = 60};
	bio_submit(ram.disk, &ios[1].bio);
	EXPECT_EQ(bio_wait(&ios[1].bio), 0);
	EXPECT_EQ(ram.discards, 6);
	end(1);
}

/* Zeros without memory for them, in as many parts as the device wants; counted as what is written. */
static void limit_zeros(void)
{
	if (!begin(RAM_BLOCK, 64))
		return;
	ram.geometry.zero_blocks_max = 7;
	memset(ram.data, 0xaa, 64 * RAM_BLOCK);
	if (!EXPECT_EQ(ram_register(&ram), 0))
		return;
	(void)submit(0, BIO_ZERO, 1, 0);
	EXPECT_EQ(ios[0].bio.error, -EINVAL);
	ios[1].bio = (struct bio){.kind = BIO_ZERO, .block = 2, .blocks = 60};
	bio_submit(ram.disk, &ios[1].bio);
	EXPECT_EQ(bio_wait(&ios[1].bio), 0);
	EXPECT_EQ(ram.zeros, 9);
	for (uint32_t n = 0; n < 64 * RAM_BLOCK; n++) {
		if (!EXPECT_EQ(ram.data[n], n / RAM_BLOCK < 2 || n / RAM_BLOCK >= 62 ? 0xaa : 0))
			break;
	}
	end(1);
}

/* Bios behind each other go out as one request; the disk cannot do one block. Only the bio that has it fails. */
static void error_at(uint32_t bad)
{
	if (!begin_crowded())
		return;
	for (uint32_t n = 1; n < COUNT; n++)
		(void)submit(n, BIO_READ, n * 8, 8);
	ram.bad_block = bad * 8 + 3;
	ram.bad_error = -EIO;
	while (ram.held_count > 0)
		ram_finish(&ram, 0, 0);
	EXPECT_EQ(ram.most_blocks, 8 * (COUNT - 1));
	for (uint32_t n = 1; n < COUNT; n++)
		EXPECT_EQ(ios[n].bio.error, n == bad ? -EIO : 0);
	end(COUNT);
}

static void errors(void)
{
	for (uint32_t bad = 1; bad < COUNT; bad++)
		error_at(bad);
}

/* A bio in several requests, of which one fails: in whatever order they end, it ends once, when all have. */
static void error_in_part(uint32_t bad, bool backwards)
{
	if (!begin(RAM_BLOCK, 64))
		return;
	ram.geometry.bytes_max = 2 * RAM_BLOCK;
	ram.hold = true;
	if (!EXPECT_EQ(ram_register(&ram), 0) || !submit(0, BIO_WRITE, 8, 8))
		return;
	EXPECT_EQ(ram.held_count, 4);
	ram.bad_block = 8 + 2 * bad;
	ram.bad_error = -ENOSPC;
	for (uint32_t left = 4; left > 0; left--) {
		EXPECT_EQ(ios[0].ended, 0);
		ram_finish(&ram, backwards ? left - 1 : 0, 0);
	}
	EXPECT_EQ(ios[0].bio.error, -ENOSPC);
	end(1);
}

static void errors_in_parts(void)
{
	for (uint32_t bad = 0; bad < 4; bad++) {
		error_in_part(bad, false);
		error_in_part(bad, true);
	}
}

/* Requests that go out together end in any order. */
static void orders(void)
{
	static const uint32_t order[] = {4, 1, 5, 0, 2, 1, 1, 0};

	if (!begin(RAM_BLOCK, 512))
		return;
	ram.hold = true;
	if (!EXPECT_EQ(ram_register(&ram), 0))
		return;
	for (uint32_t n = 0; n < COUNT; n++)
		(void)submit(n, BIO_WRITE, n * 20, 1);
	EXPECT_EQ(ram.held_count, COUNT);
	for (uint32_t n = 0; n < COUNT; n++)
		ram_finish(&ram, order[n], 0);
	for (uint32_t n = 0; n < COUNT; n++)
		EXPECT(holds_pattern(ram.data + n * 20 * RAM_BLOCK, n * 20, 1));
	end(COUNT);
}

/* A driver that is full is asked again when it finished something, or says that there is room; one that refuses fails
 * the request. */
static void full(void)
{
	if (!begin(RAM_BLOCK, 512))
		return;
	ram.hold = true;
	ram.room = 1;
	if (!EXPECT_EQ(ram_register(&ram), 0))
		return;
	for (uint32_t n = 0; n < 4; n++)
		(void)submit(n, BIO_WRITE, n * 20, 1);
	EXPECT_EQ(ram.taken, 1);
	EXPECT_EQ(ram.submits, 2);
	ram_finish(&ram, 0, 0);
	EXPECT_EQ(ram.taken, 2);
	ram.room = 2;
	disk_room(ram.disk, 0);
	EXPECT_EQ(ram.taken, 3);
	disk_room(ram.disk, 1000); /* no queue of this disk */
	ram_finish_all(&ram);
	ram.room = 0;
	(void)submit(4, BIO_WRITE, 0, 8);
	EXPECT_EQ(ios[4].ended, 0);
	ram.room = 1;
	disk_room(ram.disk, 0);
	/* Perhaps it was just being asked again by itself. */
	EXPECT(WAIT_UNTIL(__atomic_load_n(&ram.held_count, __ATOMIC_ACQUIRE) == 1));
	ram_finish_all(&ram);
	EXPECT_EQ(ios[4].bio.error, 0);
	ram.refuse = -ENOMEDIUM;
	(void)submit(5, BIO_WRITE, 0, 8);
	EXPECT(WAIT_UNTIL(__atomic_load_n(&ios[5].ended, __ATOMIC_ACQUIRE) == 1));
	EXPECT_EQ(ios[5].bio.error, -ENOMEDIUM);
	end(6);
}

/* One that has no room although it has nothing, as without memory, tells of none later; it is asked until it has. */
static void asked_again(void)
{
	if (!begin(RAM_BLOCK, 512))
		return;
	ram.room = 0;
	if (!EXPECT_EQ(ram_register(&ram), 0))
		return;
	(void)submit(0, BIO_WRITE, 0, 8);
	EXPECT(WAIT_UNTIL(__atomic_load_n(&ram.submits, __ATOMIC_ACQUIRE) > 2));
	EXPECT_EQ(ios[0].ended, 0);
	__atomic_store_n(&ram.room, RAM_HELD_MAX, __ATOMIC_RELEASE);
	EXPECT(WAIT_UNTIL(__atomic_load_n(&ios[0].ended, __ATOMIC_ACQUIRE) == 1));
	EXPECT_EQ(ios[0].bio.error, 0);
	end(1);
}

/* What is wrong in itself never reaches the driver. */
static void refused(void)
{
	if (!begin(RAM_BLOCK, 64))
		return;
	ram.geometry.has_discard = ram.geometry.has_zero = false;
	ram.geometry.has_flush = false;
	if (!EXPECT_EQ(ram_register(&ram), 0))
		return;
	(void)submit(0, BIO_READ, 64, 1);
	EXPECT_EQ(ios[0].bio.error, -EINVAL);
	(void)submit(1, BIO_READ, 60, 5);
	EXPECT_EQ(ios[1].bio.error, -EINVAL);
	(void)submit(2, BIO_READ, UINT64_MAX, 2);
	EXPECT_EQ(ios[2].bio.error, -EINVAL);
	(void)submit(3, BIO_READ, 0, 0);
	EXPECT_EQ(ios[3].bio.error, -EINVAL);
	(void)submit(4, BIO_DISCARD, 0, 1);
	EXPECT_EQ(ios[4].bio.error, -EOPNOTSUPP);
	(void)submit(6, BIO_ZERO, 0, 1);
	EXPECT_EQ(ios[6].bio.error, -EOPNOTSUPP);
	if (ram_io_create(&ios[5], &ram, BIO_READ, 0, 2)) {
		ios[5].piece.length -= 1;
		bio_submit(ram.disk, &ios[5].bio);
		EXPECT_EQ(ios[5].bio.error, -EINVAL);
	}
	if (ram_io_create(&ios[6], &ram, BIO_READ, 0, 2)) {
		ios[6].piece.offset = PAGE_SIZE - RAM_BLOCK;
		bio_submit(ram.disk, &ios[6].bio);
		EXPECT_EQ(ios[6].bio.error, -EINVAL);
	}
	EXPECT_EQ(disk_flush(ram.disk), 0);
	EXPECT_EQ(ram.submits, 0);
	end(7);
}

static void read_only(void)
{
	if (!begin(RAM_BLOCK, 64))
		return;
	ram.geometry.read_only = true;
	if (!EXPECT_EQ(ram_register(&ram), 0))
		return;
	(void)submit(0, BIO_WRITE, 0, 1);
	EXPECT_EQ(ios[0].bio.error, -EROFS);
	(void)submit(1, BIO_READ, 0, 1);
	EXPECT_EQ(ios[1].bio.error, 0);
	end(2);
}

/* Finishing twice, what it does not have, or what is no request at all: left alone. */
static void confused(void)
{
	static struct bio foreign;

	if (!begin(RAM_BLOCK, 64))
		return;
	ram.hold = true;
	if (!EXPECT_EQ(ram_register(&ram), 0) || !submit(0, BIO_WRITE, 0, 8) || !submit(1, BIO_WRITE, 20, 8))
		return;
	struct bio *first = ram.held[0];
	ram_finish(&ram, 0, 0);
	disk_done(ram.disk, first, 0);
	disk_done(ram.disk, first, -EIO);
	disk_done(ram.disk, (struct bio *)((char *)ram.held[0] + 8), 0);
	disk_done(ram.disk, &foreign, 0);
	disk_done(ram.disk, nullptr, 0);
	EXPECT_EQ(ios[0].ended, 1);
	EXPECT_EQ(ios[1].ended, 0);
	ram_finish(&ram, 0, 0);
	end(2);
}

static void no_disk(void)
{
	static const struct disk_geometry wrong[] = {
		{.block_bytes = 0, .blocks = 8},
		{.block_bytes = 256, .blocks = 8},
		{.block_bytes = 1000, .blocks = 8},
		{.block_bytes = 8192, .blocks = 8},
		{.block_bytes = 512, .blocks = 0},
		{.block_bytes = 512, .blocks = UINT64_MAX},
		{.block_bytes = 512, .blocks = 8, .bytes_max = 511},
	};

	if (!begin(RAM_BLOCK, 64))
		return;
	struct disk_geometry good = ram.geometry;
	for (uint32_t n = 0; n < ARRAY_LEN(wrong); n++) {
		ram.geometry = wrong[n];
		EXPECT_EQ(ram_register(&ram), -EINVAL);
	}
	ram.geometry = good;
	EXPECT_EQ(ram_register(&ram), 0);
	EXPECT_EQ(ram_register(&ram), -EEXIST);
	end(0);
}

KTEST_SUITE(block, KTEST("what is written is read", round_trip), KTEST("bios are waited for", waits),
	    KTEST("neighbours become one request", neighbours), KTEST("strangers do not", strangers),
	    KTEST("a request of many pieces", limit_none), KTEST("no more bytes than the device can", limit_bytes),
	    KTEST("no more pieces than the device can", limit_pieces), KTEST("discards have a limit", limit_discard),
	    KTEST("zeros need no memory, and have a limit", limit_zeros),
	    KTEST("an error is its bio's alone, in every position", errors),
	    KTEST("an error in one part of a bio", errors_in_parts), KTEST("any order", orders),
	    KTEST("a driver that is full, or refuses", full),
	    KTEST("a driver that had no room and tells of none is asked again", asked_again),
	    KTEST("what no driver sees", refused), KTEST("a disk that cannot be written", read_only),
	    KTEST("a confused driver is left alone", confused), KTEST("what is no disk", no_disk));
