/* SPDX-License-Identifier: MIT */
/* Flags of splice(2), tee(2) and vmsplice(2). */
#ifndef KERNEL_FILE_SPLICE_H
#define KERNEL_FILE_SPLICE_H

enum : unsigned {
	SPLICE_F_MOVE = 1,
	SPLICE_F_NONBLOCK = 2,
	SPLICE_F_MORE = 4,
	SPLICE_F_GIFT = 8,
	SPLICE_KNOWN = SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE | SPLICE_F_GIFT,
};

#endif
