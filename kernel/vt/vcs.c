/* SPDX-License-Identifier: MIT */
/*
 * /dev/vcs: the cells of a text console as a file to read (vcs(4)). vcsN: a byte for each, of the one in front without
 * a number; vcsaN: rows, columns and the cursor's place, then a byte and its attributes for each; vcsuN: the
 * characters, 32 bits each. A view that was scrolled back is not in it. What has no byte of Latin-1 is a question mark.
 */
#include "vt.h"

#include <abi/errno.h>
#include <kernel/mem/slab.h>
#include <kernel/thread/guard.h>
#include <kernel/vfs/vfs.h>
#include <lib/string.h>
#include <lib/types.h>

constexpr uint32_t UNICODE_MINOR = 64, ATTRIBUTE_MINOR = 128;
constexpr size_t HEADER = 4; /* of vcsa */

static uint32_t kind_of(const struct file *f)
{
	return dev_minor(f->inode->rdev) & (UNICODE_MINOR | ATTRIBUTE_MINOR);
}

static struct vt *console_of(const struct file *f) REQUIRES(vt_lock)
{
	uint32_t number = dev_minor(f->inode->rdev) & (UNICODE_MINOR - 1);

	return number == 0 ? vt_front() : &vts[number - 1];
}

/* Red, green and blue as the bits of a PC's attribute. */
static uint8_t colour_of(uint32_t rgb)
{
	return (uint8_t)((rgb >> 23 & 1) << 2 | (rgb >> 15 & 1) << 1 | (rgb >> 7 & 1));
}

static size_t put_cell(unsigned char *to, const struct vt_cell *c, uint32_t kind)
{
	uint32_t character = c->character == 0 ? ' ' : c->character;

	if (kind == UNICODE_MINOR) {
		memcpy(to, &character, sizeof(character));
		return sizeof(character);
	}
	to[0] = character < 256 ? (unsigned char)character : '?';
	if (kind != ATTRIBUTE_MINOR)
		return 1;
	to[1] = (uint8_t)(colour_of(c->back) << 4 | ((c->attributes & VT_BOLD) != 0) << 3 | colour_of(c->front));
	return 2;
}

/* The whole file, and its length. */
static unsigned char *take(const struct file *f, size_t *length)
{
	uint32_t kind = kind_of(f);

	mutex_lock(&vt_lock);
	struct vt *v = console_of(f);
	unsigned char *bytes = kmalloc(HEADER + (size_t)vt_rows * (size_t)vt_columns * sizeof(uint32_t)), *at = bytes;
	if (bytes != nullptr && term_make(v) < 0) {
		kfree(bytes);
		bytes = nullptr;
	}
	if (bytes != nullptr && kind == ATTRIBUTE_MINOR) {
		const unsigned char header[HEADER] = {(unsigned char)MIN(vt_rows, 255),
						      (unsigned char)MIN(vt_columns, 255), (unsigned char)v->cursor.col,
						      (unsigned char)v->cursor.row};
		memcpy(at, header, HEADER);
		at += HEADER;
	}
	for (int row = 0; bytes != nullptr && row < vt_rows; row++) {
		for (int column = 0; column < vt_columns; column++) {
			struct vt_cell c = term_cell(v, row, column);

			at += put_cell(at, &c, kind);
		}
	}
	*length = (size_t)(at - bytes);
	mutex_unlock(&vt_lock);
	return bytes;
}

static long vcs_read(struct file *f, struct io_buffer *buf, size_t n, uint64_t *pos)
{
	size_t length, done = 0;
	unsigned char *bytes = take(f, &length);

	if (bytes == nullptr)
		return -ENOMEM;
	bool more = *pos < length && n > 0;
	if (more) {
		n = MIN(n, length - *pos);
		done = io_copy_out(buf, 0, bytes + *pos, n);
		*pos += done;
	}
	kfree(bytes);
	return more && done == 0 ? -EFAULT : (long)done;
}

static const struct file_ops vcs_ops = {.component = &component_vt, .read = vcs_read, .seek = file_seek_generic};

static int add(const char *prefix, unsigned number, uint32_t kind)
{
	char name[16];

	if (number == 0)
		snprintf(name, sizeof(name), "%s", prefix);
	else
		snprintf(name, sizeof(name), "%s%u", prefix, number);
	return chrdev_register(name, VCS_MAJOR, kind + number, 0600, &vcs_ops, nullptr);
}

int vcs_start(void)
{
	int error = 0;

	for (unsigned i = 0; error == 0 && i <= VT_COUNT; i++) {
		error = add("vcs", i, 0);
		if (error == 0)
			error = add("vcsu", i, UNICODE_MINOR);
		if (error == 0)
			error = add("vcsa", i, ATTRIBUTE_MINOR);
	}
	return error;
}
