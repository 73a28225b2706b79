/* SPDX-License-Identifier: MIT */
/*
 * Partition tables (lib/partition.h). A GPT is taken when the first block is a protective MBR; everything about it is
 * checked in one pass (checksum of the header, then of all entries) before the second pass shows the entries.
 */
#include <abi/errno.h>
#include <lib/crc32.h>
#include <lib/partition.h>
#include <lib/string.h>

/* MBR: UEFI 2.10, tables 5.1 and 5.2. */
constexpr uint32_t MBR_SIGNATURE_AT = 510, MBR_ENTRIES_AT = 446, MBR_ENTRY_BYTES = 16, MBR_ENTRIES = 4,
		   MBR_DISK_SIGNATURE_AT = 440;
constexpr uint8_t MBR_PROTECTIVE = 0xee;

/* GPT: UEFI 2.10, tables 5.5 and 5.6. */
constexpr uint32_t GPT_HEADER_BYTES_MIN = 92, GPT_ENTRY_BYTES_MIN = 128;
constexpr uint32_t GPT_ENTRIES_MAX = 16384; /* that many are checksummed; no tool makes more */
constexpr uint64_t GPT_ATTRIBUTE_READ_ONLY = 1ull << 60;

static uint32_t read16(const unsigned char *at)
{
	return at[0] | (uint32_t)at[1] << 8;
}

static uint32_t read32(const unsigned char *at)
{
	return read16(at) | read16(at + 2) << 16;
}

static uint64_t read64(const unsigned char *at)
{
	return read32(at) | (uint64_t)read32(at + 4) << 32;
}

struct mbr_entry {
	uint8_t type;
	uint64_t first, blocks;
};

static bool is_extended(uint8_t type)
{
	return type == 0x05 || type == 0x0f || type == 0x85;
}

/* Whether the block ends like a boot record and each of its entries is active or not, which boot code of a file
 * system in the same place seldom looks like. */
static bool is_boot_record(const unsigned char *block)
{
	if (read16(block + MBR_SIGNATURE_AT) != 0xaa55)
		return false;
	for (uint32_t i = 0; i < MBR_ENTRIES; i++)
		if ((block[MBR_ENTRIES_AT + i * MBR_ENTRY_BYTES] & 0x7f) != 0)
			return false;
	return true;
}

static struct mbr_entry mbr_entry(const unsigned char *block, uint32_t i)
{
	const unsigned char *at = block + MBR_ENTRIES_AT + i * MBR_ENTRY_BYTES;

	return (struct mbr_entry){.type = at[4], .first = read32(at + 8), .blocks = read32(at + 12)};
}

struct reader {
	const struct partition_disk *disk;
	int (*emit)(void *context, const struct partition *p);
	void *context;
	struct partition_result *out;
};

static int read_block(const struct reader *r, uint64_t number)
{
	return r->disk->read(r->disk->context, number, r->disk->block);
}

/* Shows an entry of an MBR; what goes beyond the disk's end is cut, as other systems do. */
static int emit_mbr(const struct reader *r, uint32_t number, const struct mbr_entry *e)
{
	struct partition p = {.number = number, .first = e->first, .blocks = e->blocks, .mbr_type = e->type};

	if (e->first == 0 || e->first >= r->disk->blocks) {
		r->out->left_out++;
		return 0;
	}
	if (p.blocks > r->disk->blocks - p.first)
		p.blocks = r->disk->blocks - p.first;
	return r->emit(r->context, &p);
}

/* The logical partitions of an extended one: in each record the first entry is a partition, relative to the record, and
 * the second the next record, relative to the extended partition. */
static int read_logical(const struct reader *r, const struct mbr_entry *extended, uint32_t *number)
{
	uint64_t record = extended->first;

	while (*number <= PARTITION_NUMBERS_MAX) {
		if (record >= r->disk->blocks)
			return 0;
		int error = read_block(r, record);
		if (error != 0)
			return error;
		if (!is_boot_record(r->disk->block)) {
			r->out->trouble = "the chain of logical partitions ends in a block that is no boot record";
			return 0;
		}
		struct mbr_entry logical = mbr_entry(r->disk->block, 0), next = mbr_entry(r->disk->block, 1);
		if (logical.type != 0 && logical.blocks != 0 && !is_extended(logical.type)) {
			logical.first += record;
			error = emit_mbr(r, (*number)++, &logical);
			if (error != 0)
				return error;
		}
		if (!is_extended(next.type) || next.blocks == 0)
			return 0;
		/* Records follow one another upwards: a chain that turns back would never end. */
		uint64_t at = extended->first + next.first;
		if (at <= record || next.first >= extended->blocks) {
			r->out->trouble = "the chain of logical partitions does not go on upwards";
			return 0;
		}
		record = at;
	}
	return 0;
}

static int read_mbr(const struct reader *r)
{
	struct mbr_entry primary[MBR_ENTRIES];
	uint32_t logical = MBR_ENTRIES + 1;
	bool one_extended = false;

	r->out->scheme = PARTITION_MBR;
	r->out->disk_signature = read32(r->disk->block + MBR_DISK_SIGNATURE_AT);
	/* The block is read over while the chain is followed. */
	for (uint32_t i = 0; i < MBR_ENTRIES; i++)
		primary[i] = mbr_entry(r->disk->block, i);
	for (uint32_t i = 0; i < MBR_ENTRIES; i++) {
		if (primary[i].type == 0 || primary[i].blocks == 0)
			continue;
		int error = emit_mbr(r, i + 1, &primary[i]);
		if (error == 0 && is_extended(primary[i].type) && !one_extended) {
			one_extended = true;
			error = read_logical(r, &primary[i], &logical);
		}
		if (error != 0)
			return error;
	}
	return 0;
}

struct gpt {
	uint64_t entries_at, first_usable, last_usable;
	uint32_t entries, entry_bytes, entries_crc;
	uint8_t disk_id[16];
};

/* Reads and checks the header at that block. 0; 1 with *trouble set; or an error of the disk. */
static int read_gpt_header(const struct reader *r, uint64_t at, struct gpt *g, const char **trouble)
{
	unsigned char *block = r->disk->block;
	int error = read_block(r, at);

	if (error != 0)
		return error;
	*trouble = "no GPT header where it should be";
	if (memcmp(block, "EFI PART", 8) != 0)
		return 1;
	uint32_t bytes = read32(block + 12), crc = read32(block + 16);
	*trouble = "the GPT header has an impossible size";
	if (bytes < GPT_HEADER_BYTES_MIN || bytes > r->disk->block_bytes)
		return 1;
	memset(block + 16, 0, 4);
	*trouble = "the GPT header's checksum is wrong";
	if (crc32_add(0, block, bytes) != crc)
		return 1;
	*g = (struct gpt){.entries_at = read64(block + 72),
			  .first_usable = read64(block + 40),
			  .last_usable = read64(block + 48),
			  .entries = read32(block + 80),
			  .entry_bytes = read32(block + 84),
			  .entries_crc = read32(block + 88)};
	memcpy(g->disk_id, block + 56, sizeof(g->disk_id));
	*trouble = "the GPT header is not of this place";
	if (read64(block + 24) != at)
		return 1;
	*trouble = "the GPT header's usable blocks are outside the disk";
	if (g->first_usable > g->last_usable || g->last_usable >= r->disk->blocks)
		return 1;
	*trouble = "the GPT's entries have an impossible size or number";
	if (g->entry_bytes < GPT_ENTRY_BYTES_MIN || g->entry_bytes > r->disk->block_bytes ||
	    (g->entry_bytes & (g->entry_bytes - 1)) != 0 || g->entries == 0 || g->entries > GPT_ENTRIES_MAX)
		return 1;
	uint64_t blocks = ((uint64_t)g->entries * g->entry_bytes + r->disk->block_bytes - 1) / r->disk->block_bytes;
	*trouble = "the GPT's entries are outside the disk";
	if (g->entries_at < 2 || g->entries_at >= r->disk->blocks || blocks > r->disk->blocks - g->entries_at)
		return 1;
	*trouble = nullptr;
	return 0;
}

/* 0; 1 with *trouble set; or an error of the disk. */
static int check_gpt_entries(const struct reader *r, const struct gpt *g, const char **trouble)
{
	uint64_t left = (uint64_t)g->entries * g->entry_bytes;
	uint32_t crc = 0;

	for (uint64_t at = g->entries_at; left > 0; at++) {
		int error = read_block(r, at);
		if (error != 0)
			return error;
		size_t n = left < r->disk->block_bytes ? (size_t)left : r->disk->block_bytes;
		crc = crc32_add(crc, r->disk->block, n);
		left -= n;
	}
	*trouble = crc == g->entries_crc ? nullptr : "the checksum of the GPT's entries is wrong";
	return crc == g->entries_crc ? 0 : 1;
}

/* UTF-16LE of 36 units, which ends at a zero, in UTF-8; half a surrogate pair becomes U+FFFD. */
static void copy_label(char *to, const unsigned char *from)
{
	for (unsigned i = 0; i < 36; i++) {
		uint32_t c = read16(from + 2 * i);

		if (c == 0)
			break;
		if (c >= 0xd800 && c < 0xe000) {
			uint32_t low = c < 0xdc00 && i + 1 < 36 ? read16(from + 2 * (i + 1)) : 0;
			bool pair = low >= 0xdc00 && low < 0xe000;

			c = pair ? 0x10000 + ((c - 0xd800) << 10 | (low - 0xdc00)) : 0xfffd;
			i += pair;
		}
		if (c < 0x80) {
			*to++ = (char)c;
			continue;
		}
		unsigned more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
		*to++ = (char)((0xff00u >> (more + 1) & 0xff) | c >> 6 * more);
		while (more-- > 0)
			*to++ = (char)(0x80 | (c >> 6 * more & 0x3f));
	}
	*to = '\0';
}

static int emit_gpt(const struct reader *r, const struct gpt *g, uint32_t number, const unsigned char *entry)
{
	static const unsigned char unused[16];
	struct partition p = {.number = number, .first = read64(entry + 32)};
	uint64_t last = read64(entry + 40);

	if (memcmp(entry, unused, sizeof(unused)) == 0)
		return 0;
	if (p.first < g->first_usable || last > g->last_usable || last < p.first) {
		r->out->left_out++;
		return 0;
	}
	p.blocks = last - p.first + 1;
	p.read_only = (read64(entry + 48) & GPT_ATTRIBUTE_READ_ONLY) != 0;
	memcpy(p.type, entry, sizeof(p.type));
	memcpy(p.id, entry + 16, sizeof(p.id));
	copy_label(p.label, entry + 56);
	return r->emit(r->context, &p);
}

static int show_gpt(const struct reader *r, const struct gpt *g)
{
	uint32_t per_block = r->disk->block_bytes / g->entry_bytes;
	uint32_t most = g->entries < PARTITION_NUMBERS_MAX ? g->entries : PARTITION_NUMBERS_MAX;

	memcpy(r->out->disk_id, g->disk_id, sizeof(g->disk_id));
	for (uint32_t i = 0; i < most; i++) {
		/* emit may use the block: it is read for each. */
		int error = read_block(r, g->entries_at + i / per_block);
		if (error == 0)
			error = emit_gpt(r, g, i + 1, r->disk->block + (size_t)(i % per_block) * g->entry_bytes);
		if (error != 0)
			return error;
	}
	return 0;
}

static int read_gpt(const struct reader *r)
{
	const uint64_t copies[] = {1, r->disk->blocks - 1};
	const char *first_trouble = nullptr;

	r->out->scheme = PARTITION_GPT;
	for (unsigned i = 0; i < 2; i++) {
		struct gpt g;
		const char *trouble;
		int error = read_gpt_header(r, copies[i], &g, &trouble);

		if (error == 0)
			error = check_gpt_entries(r, &g, &trouble);
		if (error == 0) {
			r->out->second_copy = i == 1;
			return show_gpt(r, &g);
		}
		if (error < 0)
			return error;
		if (i == 0)
			first_trouble = trouble;
	}
	r->out->trouble = first_trouble;
	return 0;
}

int partition_read(const struct partition_disk *disk, int (*emit)(void *context, const struct partition *p),
		   void *context, struct partition_result *out)
{
	const struct reader r = {.disk = disk, .emit = emit, .context = context, .out = out};

	*out = (struct partition_result){.scheme = PARTITION_NONE};
	if (disk->block_bytes < PARTITION_BLOCK_MIN || disk->block_bytes > PARTITION_BLOCK_MAX ||
	    (disk->block_bytes & (disk->block_bytes - 1)) != 0)
		return -EINVAL;
	if (disk->blocks < 2)
		return 0;
	int error = read_block(&r, 0);
	if (error != 0 || !is_boot_record(disk->block))
		return error;
	for (uint32_t i = 0; i < MBR_ENTRIES; i++)
		if (mbr_entry(disk->block, i).type == MBR_PROTECTIVE)
			return read_gpt(&r);
	return read_mbr(&r);
}
