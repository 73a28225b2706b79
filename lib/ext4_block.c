/* SPDX-License-Identifier: MIT */
/*
 * The blocks of a filesystem's own structures, in memory (lib/ext4.h): a fixed number of slots, in chains by the
 * block's number, of which one that nobody has and that was used longest ago makes room. A block here is a copy: what
 * changes the disk meanwhile does not change what has been checked.
 */
#include <abi/errno.h>
#include <lib/ext4_change.h>
#include <lib/string.h>

bool ext4_blocks_exist(const struct ext4_fs *fs, uint64_t first, uint64_t count)
{
	return first > fs->first_data_block && first < fs->blocks && count <= fs->blocks - first;
}

static uint32_t *chain_of(struct ext4_fs *fs, uint64_t number)
{
	return &fs->chains[number % EXT4_CACHE_BLOCKS];
}

static void unchain(struct ext4_fs *fs, const struct ext4_block *b)
{
	uint32_t slot = (uint32_t)(b - fs->cache) + 1, *at = chain_of(fs, b->number);

	while (*at != slot)
		at = &fs->cache[*at - 1].next;
	*at = b->next;
}

void ext4_reset(struct ext4_fs *fs)
{
	if (fs->writer != nullptr)
		ext4_abort(fs, -EIO);
	memset(fs->chains, 0, sizeof(fs->chains));
	for (uint32_t n = 0; n < EXT4_CACHE_BLOCKS; n++) {
		void *data = fs->cache[n].data;

		fs->cache[n] = (struct ext4_block){};
		if (data != nullptr)
			fs->io.free(data);
	}
}

/* A slot that is in no chain, with memory. */
static struct ext4_block *make_room(struct ext4_fs *fs)
{
	struct ext4_block *oldest = nullptr;

	for (uint32_t n = 0; n < EXT4_CACHE_BLOCKS; n++) {
		struct ext4_block *b = &fs->cache[n];

		if (b->data == nullptr) {
			b->data = fs->io.alloc(fs->block_bytes);
			if (b->data != nullptr)
				return b;
		} else if (b->users == 0 && !b->changed &&
			   (oldest == nullptr || fs->clock - b->age > fs->clock - oldest->age)) {
			oldest = b;
		}
	}
	if (oldest != nullptr)
		unchain(fs, oldest);
	return oldest;
}

struct ext4_block *ext4_block_find(struct ext4_fs *fs, uint64_t number)
{
	for (uint32_t slot = *chain_of(fs, number); slot != 0; slot = fs->cache[slot - 1].next) {
		struct ext4_block *b = &fs->cache[slot - 1];

		if (b->number == number) {
			b->users++;
			b->age = ++fs->clock;
			return b;
		}
	}
	return nullptr;
}

struct ext4_block *ext4_block_slot(struct ext4_fs *fs, uint64_t number)
{
	struct ext4_block *b = make_room(fs);
	uint32_t *chain = chain_of(fs, number);

	if (b == nullptr)
		return nullptr;
	*b = (struct ext4_block){.number = number, .users = 1, .age = ++fs->clock, .next = *chain, .data = b->data};
	*chain = (uint32_t)(b - fs->cache) + 1;
	return b;
}

void ext4_block_forget(struct ext4_fs *fs, struct ext4_block *b)
{
	unchain(fs, b);
	/* The memory stays the slot's: it is of the age of those that go first. */
	*b = (struct ext4_block){.number = UINT64_MAX, .age = fs->clock - UINT32_MAX / 2, .data = b->data};
	uint32_t *chain = chain_of(fs, b->number);
	b->next = *chain;
	*chain = (uint32_t)(b - fs->cache) + 1;
}

/* The slot of a block that could not be read is free again. */
static void give_up(struct ext4_fs *fs, struct ext4_block *b)
{
	void *data = b->data;

	unchain(fs, b);
	*b = (struct ext4_block){};
	fs->io.free(data);
}

int ext4_block_get(struct ext4_fs *fs, uint64_t number, struct ext4_block **out)
{
	if (number >= fs->blocks)
		return -EUCLEAN;
	struct ext4_block *b = ext4_block_find(fs, number);
	if (b == nullptr) {
		b = ext4_block_slot(fs, number);
		if (b == nullptr)
			return -ENOMEM;
		int error = fs->io.read(fs->io.context, number * fs->block_bytes, b->data, fs->block_bytes);
		if (error != 0) {
			give_up(fs, b);
			return error;
		}
	}
	*out = b;
	return 0;
}

void ext4_block_put(struct ext4_block *b)
{
	b->users--;
}
