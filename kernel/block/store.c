/* SPDX-License-Identifier: MIT */
/* Block devices for the filesystems on them (blkdev.h). */
#include "block.h"

#include <abi/errno.h>

struct blkdev *blkdev_of_file(const struct file *f)
{
	return f->ops == &blkdev_file_ops ? blkdev_of(f) : nullptr;
}

void blkdev_facts(const struct blkdev *b, struct blkdev_facts *out)
{
	*out = (struct blkdev_facts){
		.bytes = blkdev_bytes(b),
		.block_bytes = b->disk->geometry.block_bytes,
		.dev = make_dev(b->info.major, b->info.minor),
		.name = b->info.name,
		.read_only = blkdev_is_read_only(b),
	};
}

int blkdev_give(struct blkdev *b, struct bio *bio, uint64_t at, uint64_t bytes)
{
	uint32_t block = b->disk->geometry.block_bytes;

	bio->block = b->first + at / block;
	bio->blocks = (uint32_t)(bytes / block);
	bio->stats = b->number != 0 ? &b->own_stats : nullptr;
	return bio_give(b->disk, bio);
}
