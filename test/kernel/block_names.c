/* SPDX-License-Identifier: MIT */
/*
 * Devices of a disk that come and go while others look: a name that is given up and taken, a fault of who keeps nodes,
 * two partitions of the same blocks, an opening and a removal.
 */
#include "ramdisk.h"

#include <abi/errno.h>
#include <abi/fcntl.h>
#include <lib/string.h>

#include "../../kernel/block/block.h"

enum : uint32_t { BLOCKS = 8 * 64, ROUNDS = 200 };

static struct ramdisk ram;
static volatile uint64_t nowhere = 0x18;

static bool begin(void)
{
	return ram_create(&ram, RAM_BLOCK, BLOCKS) && EXPECT_EQ(ram_register(&ram), 0);
}

/* A thread that does one thing. */
static uint32_t worked;
static long work_result;
static long (*work_at)(void);

static void work(void *)
{
	work_result = work_at();
	__atomic_store_n(&worked, 1, __ATOMIC_RELEASE);
}

static bool start_work(long (*what)(void))
{
	worked = 0;
	work_at = what;
	return start_thread(work, nullptr, -1) != nullptr;
}

static bool work_ends(void)
{
	return EXPECT(WAIT_UNTIL(__atomic_load_n(&worked, __ATOMIC_ACQUIRE)));
}

/* --- names and numbers --- */

static blkdev_change *real_nodes;
static struct disk *second;
static int second_result;
static char second_name[32];
static bool fault_in_node;

static int no_submit(struct device *, unsigned, struct bio *)
{
	return -EIO;
}

/* While the first disk's node is not yet gone, another disk comes. */
static int other_comes(const struct blkdev_info *d, bool there)
{
	static const struct disk_ops ops = {.component = &component_ktest, .submit = no_submit};
	struct disk_geometry g = ram.geometry;

	if (!there && strcmp(d->name, "rama") == 0 && second == nullptr) {
		strlcpy(g.address, "test:1", sizeof(g.address));
		second_result = disk_register(nullptr, "ram", &ops, &g, &second);
		if (second_result == 0)
			strlcpy(second_name, disk_name(second), sizeof(second_name));
	}
	return real_nodes(d, there);
}

static void name_taken_until_node_gone(void)
{
	struct file *f;

	if (!begin())
		return;
	second = nullptr;
	real_nodes = blkdev_set_nodes(other_comes);
	disk_gone(ram.disk);
	(void)blkdev_set_nodes(real_nodes);
	ram.disk = nullptr;
	EXPECT_EQ(second_result, 0);
	EXPECT(strcmp(second_name, "ramb") == 0);
	EXPECT_EQ(file_open_path("/dev/rama", O_RDONLY, 0, &f), -ENOENT);
	if (EXPECT_EQ(file_open_path("/dev/ramb", O_RDONLY, 0, &f), 0))
		file_put(f);
	if (second != nullptr)
		disk_gone(second);
	ram_destroy(&ram);
}

static int node_faults(const struct blkdev_info *d, bool there)
{
	if (fault_in_node)
		*(volatile uint64_t *)nowhere = 1;
	return real_nodes(d, there);
}

/* The disk is there without a node, and can go. */
static void fault_while_shown(void)
{
	struct blkdev_info info;
	struct file *f;

	if (!ram_create(&ram, RAM_BLOCK, BLOCKS))
		return;
	real_nodes = blkdev_set_nodes(node_faults);
	for (unsigned gone = 0; gone < 2; gone++) {
		fault_in_node = true;
		sleep_ns(FAULT_PAUSE_NS);
		EXPECT_EQ(ram_register(&ram), 0);
		EXPECT(blkdev_find("rama", &info));
		EXPECT_EQ(file_open_path("/dev/rama", O_RDONLY, 0, &f), -ENOENT);
		fault_in_node = gone != 0;
		sleep_ns(FAULT_PAUSE_NS);
		disk_gone(ram.disk);
		EXPECT(!blkdev_find("rama", &info));
	}
	(void)blkdev_set_nodes(real_nodes);
	ram.disk = nullptr;
	ram_destroy(&ram);
}

/* --- partitions that two want --- */

static uint32_t turn, added;

static void meet(uint32_t round)
{
	__atomic_fetch_add(&turn, 1, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) < 2 * round)
		thread_yield();
}

static void add_one(uint32_t number)
{
	if (blkdev_add(ram.disk, number, 8 + number, 16, BLKDEV_APART) == 0)
		__atomic_fetch_add(&added, 1, __ATOMIC_RELAXED);
}

static long add_partitions(void)
{
	for (uint32_t round = 0; round < ROUNDS; round++) {
		meet(2 * round + 1);
		add_one(2);
		meet(2 * round + 2);
	}
	return 0;
}

/* Each time one of the two gets the blocks. */
static void two_of_the_same_blocks(void)
{
	turn = added = 0;
	if (!begin() || !start_work(add_partitions))
		return;
	for (uint32_t round = 0; round < ROUNDS; round++) {
		meet(2 * round + 1);
		add_one(1);
		meet(2 * round + 2);
		if (!EXPECT_EQ(__atomic_load_n(&added, __ATOMIC_RELAXED), round + 1))
			break;
		EXPECT_EQ(blkdev_remove_partitions(ram.disk, 0), 0);
	}
	/* Whoever is left at a meeting does not wait for ever. */
	__atomic_store_n(&turn, UINT32_MAX / 2, __ATOMIC_RELEASE);
	(void)work_ends();
	(void)blkdev_remove_partitions(ram.disk, 0);
	ram_destroy(&ram);
}

static bool opening_ends;

static long open_partition(void)
{
	long orphans = 0;

	while (!__atomic_load_n(&opening_ends, __ATOMIC_ACQUIRE)) {
		struct file *f;

		if (file_open_path("/dev/rama1", O_RDONLY, 0, &f) != 0)
			continue;
		/* What is open is not removed. */
		orphans += blkdev_of(f)->leaving;
		orphans += blkdev_remove_partitions(ram.disk, 1) != -EBUSY;
		file_put(f);
	}
	return orphans;
}

static void opened_while_removed(void)
{
	if (!begin())
		return;
	opening_ends = false;
	if (!start_work(open_partition))
		return;
	for (uint32_t round = 0; round < ROUNDS; round++) {
		EXPECT_EQ(blkdev_add(ram.disk, 1, 8, 16, 0), 0);
		/* Once it is seen that it is not open, it goes. */
		while (blkdev_remove_partitions(ram.disk, 1) == -EBUSY)
			thread_yield();
	}
	__atomic_store_n(&opening_ends, true, __ATOMIC_RELEASE);
	if (!work_ends())
		return;
	EXPECT_EQ(work_result, 0);
	ram_destroy(&ram);
}

KTEST_SUITE(block_names, KTEST("a name is taken until its node is gone", name_taken_until_node_gone),
	    KTEST("a fault while a disk is shown", fault_while_shown),
	    KTEST("two partitions of the same blocks", two_of_the_same_blocks),
	    KTEST("opened while it is removed", opened_while_removed));
