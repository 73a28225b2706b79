/* SPDX-License-Identifier: MIT */
/*
 * The recovery of a filesystem from its journal (lib/ext4.h; "Journal (jbd2)"): what was committed and is not known to
 * be in its place is written there, in the order of the commits, but for blocks that a later transaction revoked.
 *
 * The log is read three times: to find its end, to gather what is revoked and check what will be written, and to write.
 * So nothing is written of a log in which a committed transaction is broken. Each pass ends after as many blocks as the
 * log has. A power cut in the middle of it changes nothing: it is done again.
 */
#ifndef LIB_EXT4_JOURNAL_H
#define LIB_EXT4_JOURNAL_H

#include <lib/ext4.h>

struct ext4_recovery {
	bool needed;
	uint32_t transactions, blocks, revoked; /* committed; written; left out as revoked */
};

/*
 * Does it if the superblock says that it is needed; fs is then as if opened anew, and was not used for anything but
 * ext4_open. -EROFS: the disk cannot be written; -EINVAL: the journal has a feature that is not supported, or is on
 * another disk (fs->trouble); -EUCLEAN, -EBADMSG: it is broken, and nothing was written; -ENOMEM, errors of the disk.
 */
[[nodiscard]] int ext4_recover(struct ext4_fs *fs, struct ext4_recovery *out);

#endif
