/* SPDX-License-Identifier: MIT */
/*
 * The blocks of a filesystem's own structures, in memory (lib/ext4.h): a fixed number of slots, in chains by the
 * block's number, of which one that nobody has and that was used longest ago makes room. A block here is a copy: what
 * changes the disk meanwhile does not change what has been checked.
 */
#include <abi/errno.h>
#include <lib/ext4.h>
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
		} else if (b->users == 0 && (oldest == nullptr || fs->clock - b->age > fs->clock - oldest->age)) {
			oldest = b;
		}
	}
	if (oldest != nullptr)
		unchain(fs, oldest);
	return oldest;
}

/* The slot of a block that could not be read is free again. */
static void give_up(struct ext4_fs *fs, struct ext4_block *b)
{
	void *data = b->data;

	*b = (struct ext4_block){};
	fs->io.free(data);
}

int ext4_block_get(struct ext4_fs *fs, uint64_t number, struct ext4_block **out)
{
	uint32_t *chain = chain_of(fs, number);

	if (number >= fs->blocks)
		return -EUCLEAN;
	for (uint32_t slot = *chain; slot != 0; slot = fs->cache[slot - 1].next) {
		struct ext4_block *b = &fs->cache[slot - 1];
		if (b->number == number) {
			b->users++;
			b->age = ++fs->clock;
			*out = b;
			return 0;
		}
	}
	struct ext4_block *b = make_room(fs);
	if (b == nullptr)
		return -ENOMEM;
	int error = fs->io.read(fs->io.context, number * fs->block_bytes, b->data, fs->block_bytes);
	if (error != 0) {
		give_up(fs, b);
		return error;
	}
	b->number = number;
	b->verified = KIND_NONE;
	b->users = 1;
	b->age = ++fs->clock;
	b->next = *chain;
	*chain = (uint32_t)(b - fs->cache) + 1;
	*out = b;
	return 0;
}

void ext4_block_put(struct ext4_block *b)
{
	b->users--;
}
