/* SPDX-License-Identifier: MIT */
/*
 * Changes an image by lib/ext4_write.h:
 *
 *	write IMAGE SEED OPERATIONS CUTS	a workload by that seed; what is there then is printed, a name a line
 *	write -m IMAGE				mounts to be written, and unmounts
 *	write -f IMAGE				gives up a file where no block is free, and has its blocks for another
 *one write -n IMAGE DIR FILE			/FILE takes the name of DIR's first file, and DIR moves into a new
 *directory
 *
 * The workload makes, names, writes, cuts, links, renames and deletes, and knows what there must be; each name is
 *looked up by the functions that read. Some operations are stopped in their middle, at one of the blocks that they
 *change. Of the flushes of the disk, CUTS are chosen at which the image is kept as a power cut before would leave it,
 *as IMAGE.cut-N: what was flushed before, and of what was written since some sectors.
 */
#include "disk.h"

#include <lib/ext4_change.h>
#include <lib/ext4_journal.h>
#include <lib/ext4_write.h>

enum { NODES = 400, DIRS_MOST = 40, FILE_MOST = 400000, SECTOR = 512 };

struct node {
	struct ext4_inode inode;
	struct node *dir;
	char name[40];
	unsigned char *bytes;
	uint32_t size, links; /* links: further names that were given */
	bool used, held;      /* held: it has no name any more, and is not deleted yet */
};

static struct disk disk;
static unsigned char *stable;
static bool *pending; /* sectors that were written since the flush */
static struct ext4_fs fs;
static struct node nodes[NODES];
static uint64_t state;
static const char *image;
static unsigned cuts_left, cuts_made, flushes_to_cut;
static uint32_t refused;

static uint32_t draw(uint32_t below)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state >> 33) % below;
}

/* --- the disk --- */

static void note_write(struct disk *d, uint64_t at, uint32_t n)
{
	(void)d;
	for (uint64_t s = at / SECTOR; s < (at + n) / SECTOR; s++)
		pending[s] = true;
}

static void save(const char *path, const unsigned char *bytes)
{
	char fresh[300];

	/* The image itself is what the disk is a private mapping of. */
	snprintf(fresh, sizeof(fresh), "%s.new", path);
	FILE *f = fopen(fresh, "wb");
	if (f == nullptr || fwrite(bytes, 1, disk.size, f) != disk.size || fclose(f) != 0 || rename(fresh, path) != 0)
		abort();
}

static void cut(void)
{
	static unsigned char *copy;
	unsigned likely = draw(4);
	char path[300];

	if (copy == nullptr)
		copy = malloc(disk.size);
	memcpy(copy, stable, disk.size);
	for (uint64_t s = 0; s < disk.size / SECTOR; s++) {
		/* The superblock, of which each ext4 has a single one that is written in its place, is taken as a
		 * whole. */
		uint64_t n = s == 1024 / SECTOR ? 1024 / SECTOR : 1;

		if (pending[s] && draw(4) < likely)
			memcpy(copy + s * SECTOR, disk.bytes + s * SECTOR, n * SECTOR);
		s += n - 1;
	}
	snprintf(path, sizeof(path), "%s.cut-%u", image, cuts_made++);
	save(path, copy);
}

static int flush(void *context)
{
	if (cuts_left > 0 && flushes_to_cut-- == 0) {
		cut();
		cuts_left--;
		flushes_to_cut = draw(7);
	}
	for (uint64_t s = 0; s < disk.size / SECTOR; s++) {
		if (pending[s])
			memcpy(stable + s * SECTOR, disk.bytes + s * SECTOR, SECTOR);
		pending[s] = false;
	}
	return disk_flush(context);
}

static void start(const char *path)
{
	struct ext4_recovery r;

	if (!disk_load(&disk, path))
		abort();
	stable = malloc(disk.size);
	memcpy(stable, disk.bytes, disk.size);
	pending = calloc(disk.size / SECTOR, 1);
	disk.written = note_write;
	struct ext4_io io = disk_io(&disk);
	io.flush = flush;
	int error = ext4_open(&fs, &io);
	if (error == 0)
		error = ext4_recover(&fs, &r);
	if (error == 0)
		error = ext4_write_open(&fs, 1700000000);
	uint32_t deleted = 0;
	if (error == 0)
		error = ext4_orphans(&fs, 1700000000, &deleted);
	if (error != 0) {
		printf("refused: %d %s\n", error, fs.trouble);
		/* As the kernel leaves it. */
		if (fs.writer != nullptr && ext4_write_close(&fs) == 0)
			save(path, disk.bytes);
		exit(1);
	}
}

static void stop(void)
{
	int error = ext4_write_close(&fs);

	if (error != 0) {
		printf("close: %d\n", error);
		exit(1);
	}
	for (unsigned n = 0; n < EXT4_CACHE_BLOCKS; n++)
		assert(fs.cache[n].users == 0);
	ext4_close(&fs);
	save(image, disk.bytes);
}

/* --- the workload --- */

static int is_dir(const struct node *n)
{
	return (n->inode.mode & 0xf000) == 0x4000;
}

static bool is_empty(const struct node *dir)
{
	for (unsigned n = 1; n < NODES; n++)
		if (nodes[n].used && !nodes[n].held && nodes[n].dir == dir)
			return false;
	return true;
}

static struct node *pick(bool dir)
{
	for (unsigned tries = 0; tries < 60; tries++) {
		struct node *n = &nodes[draw(dir ? DIRS_MOST : NODES)];

		if (n->used && !n->held && is_dir(n) == dir)
			return n;
	}
	return dir ? &nodes[0] : nullptr;
}

/* The next operation is perhaps one that ends in its middle. */
static void meddle(void)
{
	fs.writer->operation_most = draw(5) == 0 ? 1 + draw(6) : OPERATION_BLOCKS;
}

/* 0, or -ENOSPC, after which nothing has changed. */
static bool went(int error, const char *what)
{
	fs.writer->operation_most = OPERATION_BLOCKS;
	if (error == 0)
		return true;
	if (error != -ENOSPC) {
		printf("%s: %d\n", what, error);
		abort();
	}
	refused++;
	return false;
}

static void new_name(char *name)
{
	static unsigned count;

	snprintf(name, 40, "%.*s%u", (int)draw(28), "a-name-that-may-be-a-long-one", count++);
}

static void make(void)
{
	bool dir = draw(5) == 0, link = !dir && draw(6) == 0, unnamed = !dir && draw(15) == 0;
	struct node *n = nullptr, *parent = pick(true);
	char target[900];

	for (unsigned k = dir ? 1 : DIRS_MOST; k < (dir ? DIRS_MOST : NODES) && n == nullptr; k++)
		n = nodes[k].used ? nullptr : &nodes[k];
	if (n == nullptr)
		return;
	*n = (struct node){.dir = parent};
	new_name(n->name);
	memset(target, 'x', sizeof(target));
	target[draw(8) == 0 ? 899 : 1 + draw(80)] = '\0';
	struct ext4_new what = {.mode = dir    ? 0x41ed
					: link ? 0xa1ff
					       : 0x81a4,
				.uid = 70000,
				.gid = 3,
				.generation = draw(1u << 30),
				.now_ns = -5'000'000'007,
				.target = target};
	meddle();
	n->used = went(ext4_make(&fs, &parent->inode, unnamed ? nullptr : n->name, strlen(n->name), &what, &n->inode),
		       "make");
	n->held = unnamed && n->used;
	if (n->used && link) {
		n->size = (uint32_t)strlen(target);
		n->bytes = malloc(n->size);
		memcpy(n->bytes, target, n->size);
	}
}

static bool is_file(const struct node *n)
{
	return n != nullptr && (n->inode.mode & 0xf000) == 0x8000;
}

/* As the page cache does it: places first, then the inode says that there are bytes, then the bytes come. */
static void write_file(struct node *n)
{
	uint32_t at = draw(3) == 0 ? n->size : draw(FILE_MOST), length = 1 + draw(20000), block = fs.block_bytes;

	if (at + length > FILE_MOST)
		return;
	uint32_t first = at / block, count = (at + length - 1) / block - first + 1;
	if (!went(ext4_allocate(&fs, &n->inode, first, count), "allocate"))
		return;
	if (n->bytes == nullptr)
		n->bytes = calloc(1, FILE_MOST + 8192);
	for (uint32_t k = 0; k < length; k++)
		n->bytes[at + k] = (unsigned char)draw(256);
	uint32_t before = n->size;
	n->size = n->size > at + length ? n->size : at + length;
	/* The last block of what was there may have become longer by zeros. */
	(void)before;
	if (!went(ext4_written(&fs, &n->inode, first, count, n->size), "written"))
		abort();
	for (uint32_t k = first; k < first + count; k++) {
		struct ext4_run r;

		assert(ext4_map(&fs, &n->inode, k, &r) == 0 && r.kind == RUN_DATA);
		assert(disk_write(&disk, r.physical * block, n->bytes + (size_t)k * block, block) == 0);
	}
}

static void cut_file(struct node *n)
{
	uint32_t size = n->size > 0 ? draw(n->size) : 0, block = fs.block_bytes;

	if (n->bytes == nullptr)
		return;
	memset(n->bytes + size, 0, FILE_MOST + 8192 - size);
	n->size = size;
	/* The rest of the block becomes zeros first. */
	struct ext4_run r;
	if (size % block != 0 && ext4_map(&fs, &n->inode, size / block, &r) == 0 && r.kind == RUN_DATA)
		assert(disk_write(&disk, r.physical * block, n->bytes + (size_t)(size / block) * block, block) == 0);
	assert(went(ext4_cut(&fs, &n->inode, size), "cut"));
}

static void punch_file(struct node *n)
{
	uint32_t block = fs.block_bytes, first = draw(FILE_MOST / block), count = 1 + draw(20);

	if (n->bytes == nullptr || (first + count) * block > n->size)
		return;
	if (!went(ext4_punch(&fs, &n->inode, first, first + count), "punch"))
		return;
	memset(n->bytes + (size_t)first * block, 0, (size_t)count * block);
}

static void forget(struct node *n)
{
	free(n->bytes);
	*n = (struct node){};
}

static void remove_one(void)
{
	struct node *n = draw(4) == 0 ? pick(true) : pick(false);

	if (n == nullptr || n == &nodes[0] || (is_dir(n) && !is_empty(n)) || n->links > 0)
		return;
	assert(went(ext4_unlink(&fs, &n->dir->inode, n->name, strlen(n->name), &n->inode), "unlink"));
	n->held = true;
}

static void delete_held(void)
{
	unsigned from = draw(NODES);

	for (unsigned k = 0; k < NODES; k++) {
		struct node *n = &nodes[(from + k) % NODES];

		if (n->held) {
			assert(went(ext4_delete(&fs, &n->inode, 1700000001), "delete"));
			forget(n);
			return;
		}
	}
}

/* The next name takes the place of the first: a further one is given, and the first goes. */
static void link_one(void)
{
	struct node *n = pick(false), *dir = pick(true);
	char name[40];

	if (n == nullptr)
		return;
	new_name(name);
	meddle();
	if (!went(ext4_link(&fs, &dir->inode, name, strlen(name), &n->inode), "link"))
		return;
	assert(went(ext4_unlink(&fs, &n->dir->inode, n->name, strlen(n->name), &n->inode), "unlink"));
	n->dir = dir;
	strcpy(n->name, name);
}

static bool is_below(const struct node *n, const struct node *above)
{
	for (; n != nullptr; n = n->dir)
		if (n == above)
			return true;
	return false;
}

static void rename_one(void)
{
	struct node *n = draw(3) == 0 ? pick(true) : pick(false), *dir = pick(true), *other = pick(n && is_dir(n));
	bool exchange = draw(4) == 0, replace = !exchange && draw(3) == 0;
	char name[40];

	if (n == nullptr || n == &nodes[0] || is_below(dir, n) || other == nullptr)
		return;
	if ((exchange || replace) &&
	    (other == n || other == &nodes[0] || is_below(other, n) || is_below(n, other) || is_below(n->dir, other)))
		return;
	if (replace && is_dir(other) && !is_empty(other))
		return;
	struct ext4_renaming r = {.old_dir = &n->dir->inode,
				  .i = &n->inode,
				  .new_dir = exchange || replace ? &other->dir->inode : &dir->inode,
				  .replaced = exchange || replace ? &other->inode : nullptr,
				  .old_name = n->name,
				  .old_length = strlen(n->name),
				  .exchange = exchange};
	new_name(name);
	if (exchange || replace)
		strcpy(name, other->name);
	r.new_name = name;
	r.new_length = strlen(name);
	meddle();
	if (!went(ext4_rename(&fs, &r), "rename"))
		return;
	struct node *before = n->dir;
	char old[40];
	strcpy(old, n->name);
	n->dir = exchange || replace ? other->dir : dir;
	strcpy(n->name, name);
	if (exchange) {
		other->dir = before;
		strcpy(other->name, old);
	} else if (replace) {
		other->held = true;
	}
}

static void step(void)
{
	uint32_t what = draw(100);
	struct node *n = pick(false);

	if (what < 30)
		make();
	else if (what < 55 && is_file(n))
		write_file(n);
	else if (what < 62 && is_file(n))
		cut_file(n);
	else if (what < 66 && is_file(n))
		punch_file(n);
	else if (what < 76)
		remove_one();
	else if (what < 86)
		delete_held();
	else if (what < 90)
		link_one();
	else if (what < 97)
		rename_one();
	else
		assert(ext4_commit(&fs) == 0);
}

static void check(const struct node *n)
{
	static unsigned char bytes[FILE_MOST];
	struct ext4_inode *there = malloc(sizeof(*there));
	uint32_t number = 0;

	assert(ext4_dir_find(&fs, &n->dir->inode, n->name, strlen(n->name), &number) == 0);
	assert(number == n->inode.number && ext4_read_inode(&fs, number, there) == 0);
	assert(there->links == n->inode.links && there->mode == n->inode.mode && there->blocks == n->inode.blocks);
	if (is_file(n) && n->bytes != nullptr) {
		assert(there->size == n->size);
		for (uint32_t at = 0; at < n->size;) {
			long got = ext4_read(&fs, there, at, bytes + at, n->size - at);
			assert(got > 0);
			at += (uint32_t)got;
		}
		assert(memcmp(bytes, n->bytes, n->size) == 0);
	}
	free(there);
}

static void show(const struct node *n)
{
	const struct node *chain[NODES];
	unsigned depth = 0;

	for (const struct node *at = n; at != &nodes[0]; at = at->dir)
		chain[depth++] = at;
	while (depth-- > 0)
		printf("/%s", chain[depth]->name);
	printf(" %o %u\n", n->inode.mode, is_file(n) ? n->size : 0);
}

/* --- what is asked for by name --- */

static struct ext4_inode root, old, young, place;

static struct ext4_new kind(uint16_t mode)
{
	return (struct ext4_new){.mode = mode, .now_ns = 1'700'000'000'000'000'000};
}

static void make_in_root(const char *name, uint16_t mode, struct ext4_inode *out)
{
	struct ext4_new what = kind(mode);

	assert(ext4_make(&fs, &root, name, strlen(name), &what, out) == 0);
}

static void look_up(struct ext4_inode *dir, const char *name, struct ext4_inode *out)
{
	uint32_t number;

	assert(ext4_dir_find(&fs, dir, name, strlen(name), &number) == 0 && ext4_read_inode(&fs, number, out) == 0);
}

/* A file has all blocks but one hundred, and ends: the next one is longer than these hundred are. */
static void fill_again(void)
{
	struct ext4_run run;
	uint32_t most = 0;

	make_in_root("old", 0x81a4, &old);
	make_in_root("young", 0x81a4, &young);
	while (ext4_free_now(&fs).blocks > 100 + fs.reserved_blocks)
		assert(ext4_allocate(&fs, &old, most++, 1) == 0);
	assert(ext4_unlink(&fs, &root, "old", 3, &old) == 0 && ext4_commit(&fs) == 0);
	assert(ext4_delete(&fs, &old, 1'700'000'000) == 0);
	assert(ext4_allocate(&fs, &young, 0, 400) == 0);
	for (uint32_t n = 0; n < 400; n++)
		assert(ext4_map(&fs, &young, n, &run) == 0 && run.kind == RUN_UNWRITTEN);
	assert(ext4_written(&fs, &young, 0, 400, 400u * fs.block_bytes) == 0);
	/* So are those that a directory needs. */
	most = 400;
	while (ext4_free_now(&fs).blocks > fs.reserved_blocks)
		assert(ext4_allocate(&fs, &young, most++, 1) == 0);
	assert(ext4_commit(&fs) == 0 && ext4_cut(&fs, &young, 0) == 0);
	make_in_root("place", 0x41ed, &place);
}

static bool first_file(void *name, const struct ext4_entry *e)
{
	if (e->type != 1)
		return true;
	memcpy(name, e->name, e->length);
	return false;
}

static void rename_hashed(const char *dir_name, const char *file_name)
{
	char name[255 + 1] = {};
	uint64_t position = 0;

	look_up(&root, dir_name, &place);
	assert(place.flags & 0x1000);
	assert(ext4_dir_list(&fs, &place, &position, first_file, name) == 0 && name[0] != '\0');
	look_up(&root, file_name, &young);
	look_up(&place, name, &old);
	struct ext4_renaming r = {&root, &young, &place, &old, file_name, name, strlen(file_name), strlen(name), false};
	assert(ext4_rename(&fs, &r) == 0 && ext4_delete(&fs, &old, 1'700'000'000) == 0);
	make_in_root("above", 0x41ed, &old);
	r = (struct ext4_renaming){&root, &place, &old, nullptr, dir_name, dir_name, strlen(dir_name), strlen(dir_name),
				   false};
	assert(ext4_rename(&fs, &r) == 0);
}

int main(int argc, char **argv)
{
	bool fills = argc == 3 && strcmp(argv[1], "-f") == 0, names = argc == 5 && strcmp(argv[1], "-n") == 0;

	if (fills || names) {
		image = argv[2];
		start(image);
		assert(ext4_read_inode(&fs, 2, &root) == 0);
		if (fills)
			fill_again();
		else
			rename_hashed(argv[3], argv[4]);
		stop();
		return 0;
	}
	if (argc == 3 && strcmp(argv[1], "-m") == 0) {
		image = argv[2];
		start(image);
		stop();
		return 0;
	}
	if (argc != 5)
		return 2;
	image = argv[1];
	state = strtoull(argv[2], nullptr, 0) * 2 + 1;
	cuts_left = (unsigned)atoi(argv[4]);
	start(image);
	nodes[0].used = true;
	assert(ext4_read_inode(&fs, 2, &nodes[0].inode) == 0);
	for (long n = atol(argv[3]); n > 0; n--)
		step();
	for (unsigned n = 1; n < NODES; n++)
		if (nodes[n].used && !nodes[n].held)
			check(&nodes[n]);
	/* Half of those without a name stay, for the next mount. */
	stop();
	for (unsigned n = 1; n < NODES; n++) {
		if (nodes[n].used && !nodes[n].held)
			show(&nodes[n]);
		free(nodes[n].bytes);
	}
	printf("# flushes %llu writes %llu refused %u cuts %u\n", (unsigned long long)disk.flushes,
	       (unsigned long long)disk.writes, refused, cuts_made);
	free(stable);
	free(pending);
	return 0;
}
