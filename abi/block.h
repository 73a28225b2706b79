/* SPDX-License-Identifier: MIT */
/* What ioctl(2) knows of block devices; Linux: include/uapi/linux/fs.h, blkpg.h, hdreg.h. */
#ifndef ABI_BLOCK_H
#define ABI_BLOCK_H

#include <stdint.h>

enum : uint32_t {
	HDIO_GETGEO = 0x301,
	BLKROSET = 0x125d,
	BLKROGET = 0x125e,
	BLKRRPART = 0x125f,
	BLKGETSIZE = 0x1260,
	BLKFLSBUF = 0x1261,
	BLKRASET = 0x1262,
	BLKRAGET = 0x1263,
	BLKFRASET = 0x1264,
	BLKFRAGET = 0x1265,
	BLKSECTGET = 0x1267,
	BLKSSZGET = 0x1268,
	BLKPG = 0x1269,
	BLKBSZGET = 0x80081270,
	BLKBSZSET = 0x40081271,
	BLKGETSIZE64 = 0x80081272,
	BLKDISCARD = 0x1277,
	BLKIOMIN = 0x1278,
	BLKIOOPT = 0x1279,
	BLKALIGNOFF = 0x127a,
	BLKPBSZGET = 0x127b,
	BLKDISCARDZEROES = 0x127c,
	BLKSECDISCARD = 0x127d,
	BLKROTATIONAL = 0x127e,
	BLKZEROOUT = 0x127f,
	BLKGETDISKSEQ = 0x80081280,
};

struct hd_geometry {
	uint8_t heads, sectors;
	uint16_t cylinders;
	uint32_t unused; /* 0 */
	uint64_t start;	 /* of a partition, in sectors of 512 bytes */
};
static_assert(sizeof(struct hd_geometry) == 16);

/* BLKPG */
struct blkpg_argument {
	int32_t op; /* BLKPG_* */
	int32_t flags, length;
	uint64_t data; /* struct blkpg_partition */
};
enum : int32_t { BLKPG_ADD_PARTITION = 1, BLKPG_DEL_PARTITION = 2, BLKPG_RESIZE_PARTITION = 3 };
struct blkpg_partition {
	int64_t start, length; /* bytes */
	int32_t number;
	char unused[128];
};
static_assert(sizeof(struct blkpg_partition) == 152);

#endif
