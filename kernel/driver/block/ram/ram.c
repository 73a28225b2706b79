/* SPDX-License-Identifier: MIT */
/*
 * Disks of memory: `ramdisk=SIZE` on the kernel's command line (K, M and G are 2^10, 2^20 and 2^30 bytes; as often as
 * there are to be disks) makes /dev/ram0 and so on. All of the memory is taken at boot, so that nothing later fails for
 * want of it. It belongs to the device, not to a round of its driver: what is on such a disk outlives a fault of this
 * driver, and ends with the machine.
 *
 * A request is done within submit, by whoever hands it over.
 */
#include <abi/errno.h>
#include <kernel/base/cmdline.h>
#include <kernel/base/fault_point.h>
#include <kernel/base/log.h>
#include <kernel/block/disk.h>
#include <kernel/device/device.h>
#include <kernel/mem/slab.h>
#include <kernel/thread/component.h>
#include <lib/string.h>
#include <lib/types.h>

DEFINE_COMPONENT(
	ram, .asks_devices = true, .stage = STAGE_DRIVER,
	.users =
		"open disks and what is on them stay; requests wait and are given again, each as a whole, or are EIO after several attempts");

enum : unsigned { DISKS_MAX = 16, GROUP = 512 }; /* pages in a group */
constexpr uint64_t BYTES_MAX = 1ull << 36;
constexpr uint32_t BLOCK = DISK_BLOCK_MIN;

struct ram_memory {
	uint64_t pages, groups;
	struct page ***group;
};

/* --- requests --- */

static void *memory_at(const struct ram_memory *m, uint64_t byte)
{
	uint64_t page = byte / PAGE_SIZE;

	return (char *)page_address(m->group[page / GROUP][page % GROUP]) + byte % PAGE_SIZE;
}

/* Between n bytes of memory (nullptr: zeros) and the disk from byte `at` on. */
static void move(const struct ram_memory *m, uint64_t at, char *memory, uint64_t n, bool from_disk)
{
	while (n > 0) {
		uint64_t part = MIN(n, PAGE_SIZE - at % PAGE_SIZE);
		void *there = memory_at(m, at);

		if (memory == nullptr)
			memset(there, 0, part);
		else if (from_disk)
			memcpy(memory, there, part);
		else
			memcpy(there, memory, part);
		memory = memory == nullptr ? nullptr : memory + part;
		at += part;
		n -= part;
	}
}

static int submit(struct device *dev, unsigned, struct bio *b)
{
	struct disk **d = device_private(dev);
	const struct ram_memory *m = device_bus_data(dev);
	uint64_t at = b->block * BLOCK;

	FAULT_POINT(driver_ram_submit);
	if (b->kind == BIO_ZERO)
		move(m, at, nullptr, (uint64_t)b->blocks * BLOCK, false);
	for (uint32_t i = 0; b->kind <= BIO_WRITE && i < b->piece_count; i++) {
		const struct bio_piece *p = &b->pieces[i];

		move(m, at, (char *)page_address(p->page) + p->offset, p->length, b->kind == BIO_READ);
		at += p->length;
	}
	disk_done(*d, b, 0);
	return 0;
}

static const struct disk_ops ops = {.component = &component_ram, .submit = submit};

static int attach(struct device *dev)
{
	const struct ram_memory *m = device_bus_data(dev);
	struct disk_geometry g = {.block_bytes = BLOCK,
				  .physical_bytes = PAGE_SIZE,
				  .blocks = m->pages * (PAGE_SIZE / BLOCK),
				  .has_zero = true};

	return disk_register(dev, device_name(dev), &ops, &g, device_private(dev));
}

/* --- the disks --- */

static bool matches(const struct device *, const struct driver *)
{
	return true;
}

static void give_memory(struct ram_memory *m)
{
	for (uint64_t i = 0; m->group != nullptr && i < m->pages; i++)
		if (m->group[i / GROUP] != nullptr && m->group[i / GROUP][i % GROUP] != nullptr)
			page_put(m->group[i / GROUP][i % GROUP]);
	for (uint64_t i = 0; m->group != nullptr && i < m->groups; i++)
		kfree(m->group[i]);
	kfree(m->group);
	kfree(m);
}

static void release(struct device *, void *bus_data)
{
	give_memory(bus_data);
}

static const struct bus ram_bus = {
	.name = "ram", .component = &component_ram, .matches = matches, .release = release, .root = "ram"};

DRIVER(ram, .component = &component_ram, .bus = &ram_bus, .private_bytes = sizeof(struct disk *), .attach = attach);

/* Zeroed pages for a group. False: there are not so many. */
static bool fill_group(struct page **group, uint64_t pages)
{
	unsigned have = 0, got = 1;

	while (have < pages && got > 0)
		have += got = page_alloc_user_batch(group + have, (unsigned)pages - have, true);
	return have == pages;
}

static struct ram_memory *take_memory(uint64_t bytes)
{
	struct ram_memory *m = kmalloc(sizeof(*m));

	if (m == nullptr)
		return nullptr;
	*m = (struct ram_memory){.pages = bytes / PAGE_SIZE, .groups = (bytes / PAGE_SIZE + GROUP - 1) / GROUP};
	m->group = kmalloc(m->groups * sizeof(*m->group));
	bool good = m->group != nullptr;
	for (uint64_t i = 0; good && i < m->groups; i++) {
		m->group[i] = kmalloc(GROUP * sizeof(**m->group));
		good = m->group[i] != nullptr && fill_group(m->group[i], MIN(m->pages - i * GROUP, (uint64_t)GROUP));
	}
	if (good)
		return m;
	give_memory(m);
	return nullptr;
}

/* Bytes, or 0: it is no size of a disk. */
static uint64_t read_size(const char *text)
{
	uint64_t n = 0;

	for (; *text >= '0' && *text <= '9' && n <= BYTES_MAX; text++)
		n = 10 * n + (uint64_t)(*text - '0');
	unsigned shift = *text == 'K' ? 10 : *text == 'M' ? 20 : *text == 'G' ? 30 : 0;
	if (n > BYTES_MAX >> shift || text[shift != 0] != '\0' || (n << shift) % PAGE_SIZE != 0)
		return 0;
	return n << shift;
}

static void add_disk(const char *name, const char *size)
{
	uint64_t bytes = read_size(size);
	struct memory_stats memory;

	if (bytes == 0) {
		log_error("%s: ramdisk=%s is not a size in whole pages of %lu bytes", name, size,
			  (unsigned long)PAGE_SIZE);
		return;
	}
	/* More would leave programs nothing. */
	page_stats(&memory);
	struct ram_memory *m = bytes / PAGE_SIZE <= memory.free_pages / 2 ? take_memory(bytes) : nullptr;
	if (m == nullptr) {
		log_error(
			"%s: there is no memory for a disk of %s: of the %lu KiB that are free it may have half; a smaller ramdisk=, fewer of them, or a machine with more memory",
			name, size, (unsigned long)(memory.free_pages * (PAGE_SIZE / 1024)));
		return;
	}
	int error = device_add(nullptr, &ram_bus, name, m, nullptr);
	if (error < 0) {
		log_error("%s: cannot be added: %d", name, error);
		give_memory(m);
	}
}

static int start(void)
{
	char size[24], name[8];

	for (unsigned i = 0; i < DISKS_MAX && cmdline_get_nth("ramdisk", i, size, sizeof(size)) != nullptr; i++) {
		snprintf(name, sizeof(name), "ram%u", i);
		add_disk(name, size);
	}
	return 0;
}
COMPONENT_START(ram, start);
