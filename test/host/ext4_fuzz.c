/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target for lib/ext4.h: images that mke2fs made, with bytes of them changed, are opened, recovered, and walked as
 * far as it goes. Nothing outside the disk is read, nothing outside memory is touched, everything ends, and no block of
 * the cache stays taken.
 *
 * The input is what is changed. Its first byte chooses the image; then come pieces of three bytes: where, among the
 * blocks that mean something, and which value. Half of the images have no checksums, or what is behind them would never
 * be tried.
 */
#include "ext4/disk.h"

#include <lib/ext4_journal.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { IMAGES = 6, BLOCK = 1024, READ_MOST = 40, INODES_MOST = 30 };

static const char *const options[IMAGES] = {
	"-t ext4 -O ^metadata_csum,^64bit",
	"-t ext4",
	"-t ext2",
	"-t ext3 -O ^resize_inode",
	"-t ext4 -O ^metadata_csum,64bit",
	"-t ext4 -O ^metadata_csum,uninit_bg",
};
static struct image {
	struct disk disk;
	unsigned char *pristine;
	uint32_t *used, used_count; /* blocks that are not zeros */
	bool *changed;
} images[IMAGES];
static struct image *now;
static struct ext4_fs fs;
static unsigned inodes_left;

/* --- the images --- */

static void run(const char *command)
{
	if (system(command) != 0) {
		fprintf(stderr, "%s failed\n", command);
		abort();
	}
}

static void note_change(struct disk *d, uint64_t at, uint32_t n)
{
	(void)d;
	for (uint64_t b = at / BLOCK; b <= (at + n - 1) / BLOCK; b++)
		now->changed[b] = true;
}

static void load(struct image *i, const char *path)
{
	if (!disk_load(&i->disk, path))
		abort();
	i->disk.written = note_change;
	i->pristine = malloc(i->disk.size);
	memcpy(i->pristine, i->disk.bytes, i->disk.size);
	i->used = calloc(i->disk.size / BLOCK, sizeof(*i->used));
	i->changed = calloc(i->disk.size / BLOCK + 1, sizeof(*i->changed));
	for (uint32_t b = 0; b < i->disk.size / BLOCK; b++) {
		static const unsigned char zeros[BLOCK];

		if (memcmp(i->pristine + (size_t)b * BLOCK, zeros, BLOCK) != 0)
			i->used[i->used_count++] = b;
	}
}

int LLVMFuzzerInitialize(int *, char ***)
{
	char folder[] = "/tmp/ext4_fuzz.XXXXXX", command[2048];

	if (mkdtemp(folder) == nullptr)
		abort();
	snprintf(
		command, sizeof(command),
		"cd %s && mkdir -p tree/sub tree/many && cp /etc/passwd tree/sub && ln -s sub/passwd tree/link && "
		"ln -s %080d tree/long && for n in $(seq 200); do : >tree/many/a-name-of-some-length-$n; done && "
		"for n in $(seq 20); do printf x | dd of=tree/holes bs=1 seek=$((n * 5000)) conv=notrunc 2>/dev/null; done && "
		"head -c 30000 /dev/zero | tr '\\0' y >tree/large",
		folder, 7);
	run(command);
	for (int n = 0; n < IMAGES; n++) {
		/* A hashed directory, attributes, and a journal that is not empty where there is one. */
		snprintf(
			command, sizeof(command),
			"export PATH=$PATH:/sbin:/usr/sbin; cd %s && rm -f i && truncate -s 2M i && mke2fs -q -F -N 256 -b 1024 %s "
			"-d tree i && { e2fsck -fyD i >/dev/null 2>&1; [ $? -le 1 ]; } && "
			"printf 'ea_set large user.x y\\nea_set large user.y %0300d\\n' >c && case '%s' in *ext2*) ;; *) "
			"printf 'jo\\njw -b 300,301 tree/large\\njw -r 300\\njc\\n' >>c;; esac && debugfs -w -f c i >/dev/null 2>&1",
			folder, options[n], 3, options[n]);
		run(command);
		snprintf(command, sizeof(command), "%s/i", folder);
		load(&images[n], command);
	}
	snprintf(command, sizeof(command), "rm -r %s", folder);
	run(command);
	return 0;
}

/* --- the walk --- */

static int see_attribute(void *, const struct ext4_xattr *x)
{
	unsigned char out[128];
	volatile unsigned char sum = 0;

	assert(strlen(x->name) == x->name_length);
	for (uint32_t n = 0; n < x->size; n++)
		sum += ((const unsigned char *)x->value)[n];
	if (x->is_acl)
		(void)!ext4_acl_export(x->value, x->size, out, sizeof(out));
	return 0;
}

static void visit(uint32_t number, unsigned depth);

struct folder {
	const struct ext4_inode *inode;
	unsigned depth, count;
};

static bool see_entry(void *context, const struct ext4_entry *e)
{
	struct folder *f = context;
	uint32_t found;

	assert(e->length > 0 && memchr(e->name, '/', e->length) == nullptr && memchr(e->name, 0, e->length) == nullptr);
	if (f->count++ % 16 == 0)
		(void)!ext4_dir_find(&fs, f->inode, e->name, e->length, &found);
	if (!(e->length <= 2 && e->name[0] == '.') && f->depth < 4)
		visit(e->inode, f->depth + 1);
	return f->count < 400;
}

static void visit(uint32_t number, unsigned depth)
{
	char buffer[5000];
	struct ext4_run r;

	if (inodes_left == 0)
		return;
	inodes_left--;
	struct ext4_inode *i = malloc(sizeof(*i));
	if (ext4_read_inode(&fs, number, i) == 0) {
		struct folder f = {i, depth, 0};
		uint64_t position = 0;
		uint32_t found;

		(void)!ext4_xattr_each(&fs, i, see_attribute, nullptr);
		(void)!ext4_readlink(&fs, i, buffer, sizeof(buffer));
		for (uint32_t n = 0; n < READ_MOST; n++)
			(void)!ext4_read(&fs, i, (uint64_t)n * (n < 20 ? 3000 : 70007), buffer, sizeof(buffer));
		for (uint32_t n = 1; n != 0; n <<= 1)
			if (ext4_map(&fs, i, n - 1, &r) == 0)
				assert(r.count > 0 &&
				       (r.kind == RUN_HOLE || ext4_blocks_exist(&fs, r.physical, r.count)));
		if ((i->mode & 0xf000) == 0x4000) {
			(void)!ext4_dir_find(&fs, i, "absent", 6, &found);
			(void)!ext4_dir_list(&fs, i, &position, see_entry, &f);
		}
	}
	free(i);
}

static void try_image(void)
{
	struct ext4_io io = disk_io(&now->disk);
	struct ext4_recovery r;
	struct ext4_counts c;

	if (ext4_open(&fs, &io) != 0)
		return;
	inodes_left = INODES_MOST;
	if (ext4_recover(&fs, &r) == 0) {
		(void)!ext4_count(&fs, &c);
		visit(2, 0);
	}
	for (unsigned n = 0; n < EXT4_CACHE_BLOCKS; n++)
		assert(fs.cache[n].users == 0);
	ext4_close(&fs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	now = &images[data[0] % IMAGES];
	for (size_t at = 1; at + 4 <= size && at < 200; at += 4) {
		uint32_t block = now->used[(data[at] + data[at + 1] * 7u) % now->used_count];
		uint64_t place = (uint64_t)block * BLOCK + (data[at + 1] | (data[at + 2] & 3u) << 8);

		note_change(nullptr, place, 1);
		now->disk.bytes[place] =
			(data[at + 2] & 4) != 0 ? data[at + 3] : now->disk.bytes[place] ^ (1u << (data[at + 3] & 7));
	}
	try_image();
	for (uint64_t b = 0; b < now->disk.size / BLOCK; b++) {
		if (now->changed[b])
			memcpy(now->disk.bytes + b * BLOCK, now->pristine + b * BLOCK, BLOCK);
		now->changed[b] = false;
	}
	return 0;
}
