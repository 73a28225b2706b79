/* SPDX-License-Identifier: MIT */
/*
 * The journal's structures on the disk (Linux's documentation of ext4, "Journal (jbd2)"). All numbers are big-endian:
 * jbd2_get32 and jbd2_set32 of lib/ext4_layout.h.
 */
#ifndef LIB_JBD2_LAYOUT_H
#define LIB_JBD2_LAYOUT_H

#include <stdint.h>

constexpr uint32_t JBD2_MAGIC = 0xc03b3998;
/* "Block Header" */
constexpr uint32_t JBD2_HEADER = 12;
enum : uint32_t { JBD2_TYPE = 4, JBD2_SEQUENCE = 8 };
enum jbd2_type : uint32_t { JBD2_DESCRIPTOR = 1, JBD2_COMMIT, JBD2_SUPER_V1, JBD2_SUPER_V2, JBD2_REVOKE };
/* "Super Block" */
constexpr uint32_t JBD2_SUPER_BYTES = 1024;
enum jbd2_super_offset : uint32_t {
	JSUPER_BLOCK_BYTES = 0xc,
	JSUPER_BLOCKS = 0x10,
	JSUPER_FIRST = 0x14,
	JSUPER_SEQUENCE = 0x18,
	JSUPER_START = 0x1c,
	JSUPER_ERROR = 0x20,
	JSUPER_COMPAT = 0x24,
	JSUPER_INCOMPAT = 0x28,
	JSUPER_UUID = 0x30,
	JSUPER_CHECKSUM_TYPE = 0x50,
	JSUPER_CHECKSUM = 0xfc,
};
enum jbd2_incompat : uint32_t {
	JBD2_REVOKES = 1,
	JBD2_64BIT = 2,
	JBD2_ASYNC_COMMIT = 4,
	JBD2_CSUM_V2 = 8,
	JBD2_CSUM_V3 = 16,
	JBD2_FAST_COMMIT = 32,
};
/* "Descriptor Block": tags; "Data Block" */
enum : uint32_t { JBD2_ESCAPED = 1, JBD2_SAME_UUID = 2, JBD2_DELETED = 4, JBD2_LAST_TAG = 8 };
/* "Revocation Block": the bytes that are used, then block numbers */
enum : uint32_t { JREVOKE_BYTES = 12, JREVOKE_FIRST = 16 };
/* "Commit Block" */
enum : uint32_t { JCOMMIT_CHECKSUM = 16, JCOMMIT_SECONDS = 48, JCOMMIT_NS = 56 };
/* JSUPER_COMPAT */
enum : uint32_t { JBD2_COMPAT_CHECKSUM = 1 };

#endif
