/* SPDX-License-Identifier: MIT */
/*
 * Reads all of an image by lib/ext4.h, and says what is there, a line each; each name is looked up again, and one
 * beside it that is not there. test/host/ext4_images_test.py compares it with what the image was made from.
 *
 * usage: walk [-r OUT] [-h VERSION NAME SEED…] IMAGE     -r: recovers it first, and writes the image that came of it
 */
#include "disk.h"

#include <lib/crc32.h>
#include <lib/ext4_journal.h>

static struct ext4_fs fs;
static unsigned long entries;

static void print_text(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i];
		if (c <= ' ' || c == '%' || c >= 0x7f)
			printf("%%%02x", c);
		else
			putchar(c);
	}
}

static int print_attribute(void *, const struct ext4_xattr *x)
{
	unsigned char acl[4096];
	const unsigned char *value = x->value;
	long n = x->size;

	if (x->is_acl) {
		n = ext4_acl_export(x->value, x->size, acl, sizeof(acl));
		assert(n >= 0 && (size_t)n <= sizeof(acl));
		value = acl;
	}
	printf(" %s=", x->name);
	for (long i = 0; i < n; i++)
		printf("%02x", value[i]);
	return 0;
}

static uint32_t content(const struct ext4_inode *i)
{
	static unsigned char buffer[70001]; /* no multiple of anything */
	uint32_t crc = 0;
	long n;

	for (uint64_t at = 0; (n = ext4_read(&fs, i, at, buffer, sizeof(buffer))) != 0; at += (uint64_t)n) {
		if (n < 0) {
			printf("error %ld at %llu of inode %u\n", n, (unsigned long long)at, i->number);
			exit(1);
		}
		crc = crc32_add(crc, buffer, (size_t)n);
	}
	return crc;
}

static void fail(const char *what, const char *path, int error)
{
	printf("%s: %s: error %d\n", path, what, error);
	exit(1);
}

static void print_inode(const struct ext4_inode *i, const char *path)
{
	char target[4096];

	print_text(path, strlen(path));
	printf(" mode=%o uid=%u gid=%u links=%u mtime=%lld btime=%d", i->mode, i->uid, i->gid, i->links,
	       (long long)i->mtime_ns, i->has_btime);
	switch (i->mode & 0xf000) {
	case 0x8000: printf(" size=%llu crc=%08x", (unsigned long long)i->size, content(i)); break;
	case 0xa000: {
		long n = ext4_readlink(&fs, i, target, sizeof(target));
		if (n < 0)
			fail("readlink", path, (int)n);
		printf(" to=");
		print_text(target, (size_t)n);
		break;
	}
	case 0x2000:
	case 0x6000: printf(" device=%u:%u", i->rdev_major, i->rdev_minor); break;
	default: break;
	}
	int error = ext4_xattr_each(&fs, i, print_attribute, nullptr);
	if (error != 0)
		fail("attributes", path, error);
	putchar('\n');
}

struct names {
	struct ext4_entry *list;
	size_t count, room, stop;
};

static bool gather(void *context, const struct ext4_entry *e)
{
	struct names *n = context;

	if (n->count >= n->stop)
		return false;
	if (n->count == n->room) {
		n->room = n->room * 2 + 16;
		n->list = realloc(n->list, n->room * sizeof(*n->list));
	}
	n->list[n->count] = *e;
	n->list[n->count].name = strndup(e->name, e->length);
	n->count++;
	return true;
}

static void visit(uint32_t number, const char *path, int depth)
{
	struct ext4_inode *i = malloc(sizeof(*i));
	struct names names = {};
	uint64_t position = 0, before;
	uint32_t found;

	assert(depth < 100);
	int error = ext4_read_inode(&fs, number, i);
	if (error != 0)
		fail("inode", path, error);
	print_inode(i, path);
	if ((i->mode & 0xf000) != 0x4000) {
		free(i);
		return;
	}
	/* A few at a time, as getdents does. */
	do {
		before = position;
		names.stop = names.count + 7;
		error = ext4_dir_list(&fs, i, &position, gather, &names);
		if (error != 0)
			fail("list", path, error);
	} while (position != before);
	for (size_t n = 0; n < names.count; n++) {
		const struct ext4_entry *e = &names.list[n];
		char *below, other[300];

		entries++;
		error = ext4_dir_find(&fs, i, e->name, e->length, &found);
		if (error != 0 || found != e->inode)
			fail("a name that is listed is not found", e->name, error);
		snprintf(other, sizeof(other), "%.200s~", e->name);
		if (ext4_dir_find(&fs, i, other, strlen(other), &found) != -ENOENT)
			fail("a name that is not there is found", other, 0);
		if (strcmp(e->name, ".") == 0 || strcmp(e->name, "..") == 0)
			continue;
		if (asprintf(&below, "%s/%s", path, e->name) < 0)
			exit(1);
		visit(e->inode, below, depth + 1);
		free(below);
	}
	for (size_t n = 0; n < names.count; n++)
		free((void *)names.list[n].name);
	free(names.list);
	free(i);
}

static int hash(char **argv)
{
	uint32_t seed[4], value;

	for (unsigned n = 0; n < 4; n++)
		seed[n] = (uint32_t)strtoul(argv[n + 2], nullptr, 16);
	if (ext4_name_hash(argv[1], strlen(argv[1]), (uint8_t)atoi(argv[0]), seed, &value) != 0)
		return 1;
	printf("%08x\n", value);
	return 0;
}

static void save(const struct disk *d, const char *path)
{
	FILE *out = fopen(path, "wb");

	if (out == nullptr || fwrite(d->bytes, 1, d->size, out) != d->size || fclose(out) != 0)
		exit(1);
}

int main(int argc, char **argv)
{
	const char *out = nullptr;
	struct ext4_recovery r;
	struct ext4_counts c;
	struct disk d;

	if (argc == 8 && strcmp(argv[1], "-h") == 0)
		return hash(argv + 2);
	if (argc == 4 && strcmp(argv[1], "-r") == 0) {
		out = argv[2];
		argv += 2;
	}
	if (!disk_load(&d, argv[1]))
		return 2;
	struct ext4_io io = disk_io(&d);
	int error = ext4_open(&fs, &io);
	if (error == 0 && out != nullptr) {
		error = ext4_recover(&fs, &r);
		printf("# recovery %d: %u transactions, %u blocks, %u revoked\n", r.needed, r.transactions, r.blocks,
		       r.revoked);
	}
	if (error != 0) {
		printf("refused: %d %s\n", error, fs.trouble);
		return 1;
	}
	if (out != nullptr)
		save(&d, out);
	error = ext4_count(&fs, &c);
	if (error != 0)
		fail("count", "groups", error);
	printf("# %s free blocks %llu free inodes %u\n", ext4_type(&fs), (unsigned long long)c.free_blocks,
	       c.free_inodes);
	visit(2, "", 0);
	printf("# %lu entries\n", entries);
	for (unsigned n = 0; n < EXT4_CACHE_BLOCKS; n++)
		assert(fs.cache[n].users == 0);
	ext4_close(&fs);
	return 0;
}
