/* SPDX-License-Identifier: MIT */
/*
 * Registers, queues and structures in memory of an SMMUv3 (Arm System Memory Management Unit Architecture
 * Specification, IHI 0070E): 6.3 (registers), 5.2 (stream table entries), 5.4 (context descriptors), 4.1
 * (commands), 7.3 (events). Only what is used.
 */
#ifndef ARCH_SMMU_REGISTERS_H
#define ARCH_SMMU_REGISTERS_H

#include <stdint.h>

enum smmu_register : uint32_t {
	SMMU_IDR0 = 0x00, /* RO  6.3.1  what it can do */
	SMMU_IDR1 = 0x04, /* RO  6.3.2  sizes */
	SMMU_IDR5 = 0x14, /* RO  6.3.6  addresses */
	SMMU_CR0 = 0x20,  /* RW  6.3.9  switches; their state is in the next */
	SMMU_CR0ACK = 0x24,
	SMMU_CR1 = 0x28,	 /* RW  6.3.11 how tables and queues are reached */
	SMMU_CR2 = 0x2c,	 /* RW  6.3.12 */
	SMMU_GBPR = 0x44,	 /* RW  6.3.14 what becomes of accesses while it is off */
	SMMU_IRQ_CTRL = 0x50,	 /* RW  6.3.16, and 17 */
	SMMU_IRQ_CTRLACK = 0x54, /* RO */
	SMMU_GERROR = 0x60,	 /* RO  6.3.18 a bit differs from the next one's while the error is not acknowledged */
	SMMU_GERRORN = 0x64,	 /* RW */
	SMMU_GERROR_IRQ_CFG0 = 0x68, /* RW  64 bits: address of a message; 0: a wire */
	SMMU_STRTAB_BASE = 0x80,     /* RW  64 bits */
	SMMU_STRTAB_BASE_CFG = 0x88, /* RW  6.3.25 */
	SMMU_CMDQ_BASE = 0x90,	     /* RW  64 bits */
	SMMU_CMDQ_PROD = 0x98,
	SMMU_CMDQ_CONS = 0x9c,
	SMMU_EVENTQ_BASE = 0xa0,     /* RW  64 bits */
	SMMU_EVENTQ_IRQ_CFG0 = 0xb0, /* RW  64 bits */
	SMMU_EVENTQ_PROD = 0x100a8,  /* RW  6.3.32: in the second page of 64 KiB */
	SMMU_EVENTQ_CONS = 0x100ac,
};

enum : uint32_t {
	IDR0_STAGE_1 = 1 << 1,
	IDR0_AARCH64 = 1 << 3, /* tables of VMSAv8-64 */
	IDR0_COHERENT = 1 << 4,
	IDR0_HYPERVISOR = 1 << 9,
	IDR0_ATS = 1 << 10,
	IDR0_MESSAGES = 1 << 13, /* its interrupts may be */
	IDR0_BIG_ENDIAN = 1 << 21,
	IDR0_LITTLE_ENDIAN = 1 << 22, /* neither: both */
	IDR0_TWO_LEVELS = 1 << 27,    /* stream tables */
	IDR1_STREAM_BITS = 0x3f,
	IDR1_EVENTS_SHIFT = 16, /* 5 bits: entries, as a power of two */
	IDR1_COMMANDS_SHIFT = 21,
	IDR1_PRESET = 3 << 29, /* tables or queues are where it says */
	IDR5_ADDRESS_SIZE = 7,
	IDR5_4K = 1 << 4,

	CR0_TRANSLATE = 1 << 0,
	CR0_EVENTS = 1 << 2,
	CR0_COMMANDS = 1 << 3,
	CR0_ATS_CHECK = 1 << 4, /* what devices claim to have translated is looked at, too */
	/* queues and tables: write-back and inner shareable; outer shareable, as what is uncached is */
	CR1_CACHED = 1 << 0 | 1 << 2 | 3 << 4 | 1 << 6 | 1 << 8 | 3 << 10,
	CR1_UNCACHED = 2 << 4 | 2 << 10,
	CR2_TELL_BAD_STREAM = 1 << 1, /* an access by a stream beyond the table is an event, too */
	CR2_PRIVATE_TLB = 1 << 2,     /* the CPUs' invalidations do not reach it */
	GBPR_ABORT = 1 << 20,
	GBPR_UPDATE = 1u << 31,
	IRQ_ERRORS = 1 << 0,
	IRQ_EVENTS = 1 << 2,
	GERROR_KNOWN = 0x1fd,
	CMDQ_CONS_ERROR = 0x7f << 24,
	QUEUE_OVERFLOW = 1u << 31, /* of events: differs between PROD and CONS */

	STRTAB_TWO_LEVELS = 1 << 16,
	STRTAB_SPLIT_SHIFT = 6,
};
enum : uint64_t { SMMU_ALLOCATE = 1ull << 62 /* of all bases: reads and writes may fill caches */ };

/* Stream table: at the first level descriptors of 8 bytes (address | span), then entries of 8 words. */
enum : uint32_t { STREAM_SPLIT = 6, STREAM_BYTES = 64, STREAM_WORDS = 8, STREAM_SPAN = STREAM_SPLIT + 1 };
enum : uint64_t {
	/* first word, beside the context descriptor's address */
	STE_VALID = 1 << 0,
	STE_TRANSLATE_STAGE_1 = 5 << 1,
	/* second word */
	STE_CONTEXT_CACHED = 1 << 2 | 1 << 4 | 3 << 6,
	STE_SHARED_AS_SENT = 1ull << 44,
	STE_UNPRIVILEGED = 2ull << 48,
	STE_DATA = 2ull << 50,
};

/* A context descriptor. */
enum : uint32_t { CONTEXT_WORDS = 8 };
enum : uint64_t {
	CD_CACHED = 1 << 8 | 1 << 10 | 3 << 12,
	CD_UNCACHED = 2 << 12,
	CD_NO_UPPER_HALF = 1 << 30,
	CD_VALID = 1ull << 31,
	CD_ADDRESS_SIZE_SHIFT = 32,
	CD_AARCH64 = 1ull << 41,
	CD_RECORD = 1ull << 45, /* faults */
	CD_ABORT = 1ull << 46,	/* and tell the device */
	CD_ASID_OF_ITS_OWN = 1ull << 47,
	CD_ASID_SHIFT = 48,
};

/* Commands have two words. */
enum : uint32_t { COMMAND_WORDS = 2 };
enum smmu_command : uint64_t {
	CMD_CFGI_STE = 0x03, /* stream << 32 */
	CMD_CFGI_ALL = 0x04,
	CMD_CFGI_CD_ALL = 0x06,	 /* stream << 32 */
	CMD_TLBI_NH_ASID = 0x11, /* asid << 48 */
	CMD_TLBI_NH_VA = 0x12,	 /* asid << 48; the address */
	CMD_TLBI_EL2_ALL = 0x20,
	CMD_TLBI_NSNH_ALL = 0x30,
	CMD_SYNC = 0x46,
};
enum : uint64_t { CFGI_ALL_RANGE = 31 };

/* Events have four words: type, stream << 32; direction; address. */
enum : uint32_t { EVENT_WORDS = 4 };
enum : uint32_t { EVENT_FIRST_WITH_ADDRESS = 0x10, EVENT_LAST_WITH_ADDRESS = 0x13, EVENT_WALK = 0x0b };
enum : uint64_t { EVENT_TYPE = 0xff, EVENT_READ = 1ull << 35 };

#endif
