/* SPDX-License-Identifier: MIT */
/*
 * The "new ASCII" cpio format (cpio(5)): a header of 110 bytes, six of magic and thirteen numbers of eight hexadecimal
 * digits, then the name with its terminator, then the data; name and data end on multiples of four bytes. "TRAILER!!!"
 * ends an archive.
 */
#include <lib/cpio.h>

#include <lib/string.h>

enum : size_t { HEADER = 110, MAGIC = 6, FIELD = 8, FIELDS = 13, ALIGN = 4 };
enum field {
	INO,
	MODE,
	UID,
	GID,
	NLINK,
	MTIME,
	FILESIZE,
	DEV_MAJOR,
	DEV_MINOR,
	RDEV_MAJOR,
	RDEV_MINOR,
	NAMESIZE,
	CHECK
};

void cpio_open(struct cpio_reader *r, const void *bytes, size_t size)
{
	*r = (struct cpio_reader){.bytes = bytes, .size = size};
}

static bool read_fields(const unsigned char *header, uint32_t fields[FIELDS])
{
	for (size_t n = 0; n < FIELDS; n++) {
		uint32_t value = 0;

		for (size_t k = 0; k < FIELD; k++) {
			unsigned char c = header[MAGIC + n * FIELD + k];
			uint32_t digit;

			if (c >= '0' && c <= '9')
				digit = c - '0';
			else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
				digit = (c | 0x20) - 'a' + 10u;
			else
				return false;
			value = value << 4 | digit;
		}
		fields[n] = value;
	}
	return true;
}

/* Offset after `bytes` more, on the next multiple of four, or SIZE_MAX when the archive ends before. */
static size_t advance(const struct cpio_reader *r, size_t offset, size_t bytes)
{
	if (bytes > r->size - offset)
		return SIZE_MAX;
	size_t end = (offset + bytes + ALIGN - 1) / ALIGN * ALIGN;
	return end < r->size ? end : r->size;
}

static enum cpio_result fail(struct cpio_reader *r, const char *error)
{
	r->error = error;
	return CPIO_END;
}

static void fill_entry(struct cpio_entry *out, const uint32_t *fields)
{
	*out = (struct cpio_entry){
		.ino = fields[INO],
		.mode = fields[MODE],
		.uid = fields[UID],
		.gid = fields[GID],
		.nlink = fields[NLINK],
		.mtime = fields[MTIME],
		.size = fields[FILESIZE],
		.dev_major = fields[DEV_MAJOR],
		.dev_minor = fields[DEV_MINOR],
		.rdev_major = fields[RDEV_MAJOR],
		.rdev_minor = fields[RDEV_MINOR],
	};
}

static void strip_prefix(struct cpio_entry *e)
{
	while (e->name_length > 0) {
		if (e->name[0] == '/') {
			e->name++;
			e->name_length--;
		} else if (e->name_length >= 2 && e->name[0] == '.' && e->name[1] == '/') {
			e->name += 2;
			e->name_length -= 2;
		} else {
			return;
		}
	}
}

/* One entry at r->offset, the trailer included. */
static enum cpio_result read_entry(struct cpio_reader *r, struct cpio_entry *out)
{
	uint32_t fields[FIELDS];
	const unsigned char *header = r->bytes + r->offset;

	if (r->size - r->offset < HEADER)
		return fail(r, "the archive ends within a header");
	if (memcmp(header, "070701", MAGIC) != 0 && memcmp(header, "070702", MAGIC) != 0)
		return fail(r, "no cpio header of format newc");
	if (!read_fields(header, fields))
		return fail(r, "a header field is not a number");
	fill_entry(out, fields);
	size_t name_at = r->offset + HEADER;
	size_t data_at = advance(r, name_at, fields[NAMESIZE]);
	if (fields[NAMESIZE] == 0 || data_at == SIZE_MAX || r->bytes[name_at + fields[NAMESIZE] - 1] != '\0')
		return fail(r, "a name is cut off");
	size_t next = advance(r, data_at, fields[FILESIZE]);
	if (next == SIZE_MAX)
		return fail(r, "a file's data is cut off");
	out->name = (const char *)r->bytes + name_at;
	out->name_length = fields[NAMESIZE] - 1;
	out->data = r->bytes + data_at;
	r->offset = next;
	return CPIO_ENTRY;
}

enum cpio_result cpio_next(struct cpio_reader *r, struct cpio_entry *out)
{
	static const char trailer[] = "TRAILER!!!";

	while (r->offset < r->size && r->error == nullptr) {
		if (r->bytes[r->offset] == 0) {
			r->offset++;
			continue;
		}
		if (read_entry(r, out) != CPIO_ENTRY)
			return CPIO_END;
		if (out->name_length == sizeof(trailer) - 1 && memcmp(out->name, trailer, sizeof(trailer) - 1) == 0)
			continue;
		strip_prefix(out);
		return CPIO_ENTRY;
	}
	return CPIO_END;
}
