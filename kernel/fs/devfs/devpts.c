/* SPDX-License-Identifier: MIT */
/*
 * devpts: the directory of pseudo-terminals' slaves as a filesystem of its own (Linux,
 * Documentation/filesystems/devpts.rst). There is one set of terminals, so every mount shows the same directory, and
 * the options of the last one count: gid= (else the group of who made the terminal), mode= (of the nodes), ptmxmode=
 * (of `ptmx` in it, which opens what /dev/ptmx does). An instance of its own (newinstance), and a limit (max=), are
 * refused.
 */
#include "devpts.h"

#include "../tmpfs/tmpfs.h"

#include <abi/errno.h>
#include <abi/fcntl.h>
#include <kernel/mem/text.h>
#include <kernel/process/process.h>
#include <lib/string.h>

DECLARE_COMPONENT(devfs);

enum : int64_t { DEVPTS_MAGIC = 0x1cd1 };
enum : uint32_t { MODE_DEFAULT = 0600, GROUP_OF_CREATOR = UINT32_MAX, PTMX_MAJOR = 5, PTMX_MINOR = 2 };

struct options {
	uint32_t mode, group, ptmx_mode;
};

static struct superblock *instance; /* set once */
static struct inode *ptmx;
static struct super_ops ops; /* tmpfs's, but for what differs */
/* Each is read by itself. */
static struct options current = {.mode = MODE_DEFAULT, .group = GROUP_OF_CREATOR};

static bool parse_number(const char *text, size_t n, uint32_t base, uint32_t *out)
{
	uint64_t value = 0;

	for (size_t i = 0; i < n; i++) {
		if (text[i] < '0' || (uint32_t)(text[i] - '0') >= base)
			return false;
		value = value * base + (uint64_t)(text[i] - '0');
		if (value >= UINT32_MAX)
			return false;
	}
	*out = (uint32_t)value;
	return n > 0;
}

static bool parse_option(const char *text, size_t n, struct options *o)
{
	static const struct {
		const char *name;
		uint32_t base;
		size_t at;
	} known[] = {
		{"mode=", 8, offsetof(struct options, mode)},
		{"gid=", 10, offsetof(struct options, group)},
		{"ptmxmode=", 8, offsetof(struct options, ptmx_mode)},
	};

	for (size_t k = 0; k < ARRAY_LEN(known); k++) {
		size_t length = strlen(known[k].name);
		uint32_t *to = (uint32_t *)((char *)o + known[k].at);

		if (n < length || memcmp(text, known[k].name, length) != 0)
			continue;
		if (!parse_number(text + length, n - length, known[k].base, to))
			return false;
		if (known[k].base == 8)
			*to &= S_IALLUGO;
		return true;
	}
	return n == 0;
}

static int parse(const char *data, struct options *o)
{
	*o = (struct options){.mode = MODE_DEFAULT, .group = GROUP_OF_CREATOR};
	while (data != nullptr && *data != '\0') {
		const char *end = strchr(data, ',');
		size_t n = end != nullptr ? (size_t)(end - data) : strlen(data);

		if (!parse_option(data, n, o))
			return -EINVAL;
		data += n + (end != nullptr);
	}
	return 0;
}

static void use(const struct options *o)
{
	current = *o;
	mutex_lock(&ptmx->lock);
	ptmx->mode = S_IFCHR | o->ptmx_mode;
	mutex_unlock(&ptmx->lock);
}

static int devpts_remount(struct superblock *, const struct mount_options *o)
{
	struct options fresh;

	int error = parse(o->data, &fresh);
	if (error == 0)
		use(&fresh);
	return error;
}

static int devpts_statfs(struct superblock *, struct statfs *out)
{
	out->type = DEVPTS_MAGIC;
	out->bsize = 4096;
	return 0;
}

static void devpts_show_options(struct superblock *, struct text_buffer *b)
{
	struct options o = current;

	if (o.group != GROUP_OF_CREATOR)
		text_printf(b, ",gid=%u", o.group);
	text_printf(b, ",mode=%03o,ptmxmode=%03o", o.mode, o.ptmx_mode);
}

static int make_ptmx(struct superblock *sb, uint32_t mode)
{
	struct make_request r = {.mode = S_IFCHR | mode, .rdev = make_dev(PTMX_MAJOR, PTMX_MINOR)};
	struct name n = name_make("ptmx", 4);

	mutex_lock(&sb->root->lock);
	int error = sb->root->ops->make(sb->root, &n, &r, &ptmx);
	mutex_unlock(&sb->root->lock);
	return error;
}

static int devpts_fill(struct superblock *sb, const struct mount_options *o)
{
	struct mount_options mine = {.source = o->source, .data = "mode=755", .flags = o->flags};
	struct options wanted;

	int error = parse(o->data, &wanted);
	if (error == 0)
		error = tmpfs_fill(sb, &mine);
	if (error != 0)
		return error;
	sb->root->uid = sb->root->gid = 0;
	sb->behaviour |= SB_NO_NEGATIVE | SB_VALIDATE;
	ops = *sb->ops;
	ops.statfs = devpts_statfs;
	ops.remount = devpts_remount;
	ops.show_options = devpts_show_options;
	sb->ops = &ops;
	error = make_ptmx(sb, wanted.ptmx_mode);
	if (error != 0)
		return error;
	use(&wanted);
	__atomic_store_n(&instance, sb, __ATOMIC_RELEASE);
	return 0;
}

struct inode *devpts_directory(void)
{
	struct superblock *sb = __atomic_load_n(&instance, __ATOMIC_ACQUIRE);

	if (sb == nullptr)
		return nullptr;
	inode_get(sb->root);
	return sb->root;
}

void devpts_adjust(struct make_request *r)
{
	const struct process *p = process_current();
	struct options o = current;

	r->mode = S_IFCHR | o.mode;
	r->uid = p != nullptr ? p->cred.fsuid : 0;
	r->gid = o.group != GROUP_OF_CREATOR ? o.group : p != nullptr ? p->cred.fsgid : 0;
}

FILESYSTEM(devpts, .name = "devpts", .component = &component_devfs, .fill = devpts_fill, .single = true,
	   .options_each_time = true);
