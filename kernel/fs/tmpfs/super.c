/* SPDX-License-Identifier: MIT */
/*
 * tmpfs: a filesystem in memory (tmpfs(5)). Options: size=, nr_blocks=, nr_inodes=, mode=, uid=, gid=. The default
 * limit is half of the memory.
 */
#include "tmpfs.h"

#include <abi/errno.h>
#include <kernel/mem/slab.h>
#include <kernel/mem/text.h>
#include <kernel/process/process.h>
#include <kernel/thread/component.h>
#include <kernel/vfs/page_cache.h>
#include <lib/string.h>

enum : int64_t { TMPFS_MAGIC = 0x01021994 };
enum : uint32_t { DEFAULT_MODE = S_IRWXUGO | S_ISVTX };

DEFINE_COMPONENT(tmpfs, .stage = STAGE_FS, .users = "the call is EFAULT",
		 .stays = "it has no thread, and its data are the files");

static void tmpfs_evict(struct inode *i)
{
	struct tmpfs_super *s = i->sb->private_data;

	if (i->cache != nullptr) {
		page_cache_end(i);
		kfree(i->cache);
	}
	if (S_ISDIR(i->mode) && i->private_data != nullptr)
		tmpfs_dir_empty(i->private_data);
	kfree(i->private_data);
	__atomic_fetch_sub(&s->used_inodes, 1, __ATOMIC_RELAXED);
}

static void tmpfs_destroy(struct superblock *sb)
{
	kfree(sb->private_data);
}

static int tmpfs_statfs(struct superblock *sb, struct statfs *out)
{
	const struct tmpfs_super *s = sb->private_data;

	out->type = TMPFS_MAGIC;
	out->bsize = PAGE_SIZE;
	out->blocks = s->max_pages;
	out->bfree = out->bavail = s->max_pages - MIN(s->used_pages, s->max_pages);
	out->files = s->max_inodes;
	out->ffree = s->max_inodes - MIN(s->used_inodes, s->max_inodes);
	return 0;
}

/* Pages, and inodes too: half as many as memory has pages. */
static uint64_t default_limit(void)
{
	struct memory_stats memory;

	page_stats(&memory);
	return memory.total_pages / 2;
}

static void tmpfs_show_options(struct superblock *sb, struct text_buffer *b)
{
	const struct tmpfs_super *s = sb->private_data;

	/* What differs from the default. */
	if (s->max_pages != default_limit())
		text_printf(b, ",size=%lluk", (unsigned long long)s->max_pages * (PAGE_SIZE / 1024));
	if (s->max_inodes != default_limit())
		text_printf(b, ",nr_inodes=%llu", (unsigned long long)s->max_inodes);
	if (s->root_mode != DEFAULT_MODE)
		text_printf(b, ",mode=%o", s->root_mode);
	if (s->uid != 0)
		text_printf(b, ",uid=%u", s->uid);
	if (s->gid != 0)
		text_printf(b, ",gid=%u", s->gid);
}

/* A number with k, m, g or % of memory behind it. False: no number. */
static bool parse_amount(const char *text, uint64_t memory, uint64_t *out)
{
	uint64_t value = 0;
	const char *at = text;

	for (; *at >= '0' && *at <= '9'; at++)
		value = value * 10 + (uint64_t)(*at - '0');
	if (at == text)
		return false;
	switch (*at | 0x20) {
	case 'g': value <<= 10; [[fallthrough]];
	case 'm': value <<= 10; [[fallthrough]];
	case 'k':
		value <<= 10;
		at++;
		break;
	default:
		if (*at == '%') {
			value = memory / 100 * value;
			at++;
		}
	}
	*out = value;
	return *at == '\0';
}

static bool parse_octal(const char *text, uint32_t *out)
{
	*out = 0;
	for (; *text >= '0' && *text <= '7'; text++)
		*out = *out * 8 + (uint32_t)(*text - '0');
	return *text == '\0' && *out <= S_IALLUGO;
}

static int parse_option(struct tmpfs_super *s, const char *name, const char *value)
{
	struct memory_stats memory;
	uint64_t n = 0;
	bool good;

	page_stats(&memory);
	if (strcmp(name, "mode") == 0)
		return parse_octal(value, &s->root_mode) ? 0 : -EINVAL;
	good = parse_amount(value, memory.total_pages * PAGE_SIZE, &n);
	if (strcmp(name, "size") == 0)
		s->max_pages = n == 0 ? UINT64_MAX / PAGE_SIZE : (n + PAGE_SIZE - 1) / PAGE_SIZE;
	else if (strcmp(name, "nr_blocks") == 0)
		s->max_pages = n == 0 ? UINT64_MAX / PAGE_SIZE : n;
	else if (strcmp(name, "nr_inodes") == 0)
		s->max_inodes = n == 0 ? UINT64_MAX : n;
	else if (strcmp(name, "uid") == 0)
		s->uid = (uint32_t)n;
	else if (strcmp(name, "gid") == 0)
		s->gid = (uint32_t)n;
	else
		return -EINVAL;
	return good ? 0 : -EINVAL;
}

static int parse_options(struct tmpfs_super *s, const char *data)
{
	char name[16], value[32];

	while (*data != '\0') {
		const char *end = strchr(data, ',');
		size_t length = end != nullptr ? (size_t)(end - data) : strlen(data);
		const char *equals = memchr(data, '=', length);
		size_t name_length = equals != nullptr ? (size_t)(equals - data) : length;
		size_t value_length = equals != nullptr ? length - name_length - 1 : 0;

		if (name_length >= sizeof(name) || value_length >= sizeof(value))
			return -EINVAL;
		memcpy(name, data, name_length);
		name[name_length] = '\0';
		memcpy(value, data + name_length + 1, value_length);
		value[value_length] = '\0';
		int error = length > 0 ? parse_option(s, name, value) : 0;
		if (error != 0)
			return error;
		data += length + (end != nullptr);
	}
	return 0;
}

static int tmpfs_remount(struct superblock *sb, const struct mount_options *o)
{
	struct tmpfs_super *s = sb->private_data, changed = *s;

	int error = parse_options(&changed, o->data);
	if (error != 0)
		return error;
	if (changed.max_pages < s->used_pages || changed.max_inodes < s->used_inodes)
		return -EINVAL;
	s->max_pages = changed.max_pages;
	s->max_inodes = changed.max_inodes;
	return 0;
}

static const struct super_ops tmpfs_ops = {
	.evict = tmpfs_evict,
	.destroy = tmpfs_destroy,
	.statfs = tmpfs_statfs,
	.remount = tmpfs_remount,
	.show_options = tmpfs_show_options,
};

int tmpfs_fill(struct superblock *sb, const struct mount_options *o)
{
	struct tmpfs_super *s = kmalloc(sizeof(*s));
	struct process *p = process_current();

	if (s == nullptr)
		return -ENOMEM;
	s->max_pages = s->max_inodes = default_limit();
	s->root_mode = DEFAULT_MODE;
	s->uid = p != nullptr ? p->cred.fsuid : 0;
	s->gid = p != nullptr ? p->cred.fsgid : 0;
	sb->private_data = s;
	sb->ops = &tmpfs_ops;
	int error = parse_options(s, o->data);
	if (error != 0)
		return error;
	struct make_request r = {.mode = S_IFDIR | s->root_mode, .uid = s->uid, .gid = s->gid};
	sb->root = tmpfs_inode_create(sb, &r, &error);
	return error;
}

FILESYSTEM(tmpfs, .name = "tmpfs", .component = &component_tmpfs, .fill = tmpfs_fill);
