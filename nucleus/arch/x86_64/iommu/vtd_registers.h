/* SPDX-License-Identifier: MIT */
/* Registers and structures of Intel VT-d (Virtualization Technology for Directed I/O, revision 4.1, chapters 6, 9, 11).
 */
#ifndef ARCH_VTD_REGISTERS_H
#define ARCH_VTD_REGISTERS_H

#include <stdint.h>

enum vtd_register : uint32_t {
	VTD_CAP = 0x08,		       /* RO 64 11.4.2 */
	VTD_ECAP = 0x10,	       /* RO 64 11.4.3 */
	VTD_COMMAND = 0x18,	       /* WO 32 11.4.4.1 */
	VTD_STATUS = 0x1c,	       /* RO 32 11.4.4.2 */
	VTD_ROOT = 0x20,	       /* RW 64 11.4.5 */
	VTD_FAULT_STATUS = 0x34,       /* RW 32 11.4.7.1 */
	VTD_FAULT_CONTROL = 0x38,      /* RW 32 11.4.7.2 */
	VTD_FAULT_DATA = 0x3c,	       /* RW 32 11.4.7.3 */
	VTD_FAULT_ADDRESS = 0x40,      /* RW 32 11.4.7.4 */
	VTD_FAULT_ADDRESS_HIGH = 0x44, /* RW 32 11.4.7.5 */
	VTD_PROTECTED = 0x64,	       /* RW 32 11.4.8.1 */
	VTD_QUEUE_HEAD = 0x80,	       /* RO 64 11.4.9.1 */
	VTD_QUEUE_TAIL = 0x88,	       /* RW 64 11.4.9.2 */
	VTD_QUEUE = 0x90,	       /* RW 64 11.4.9.3 */
	VTD_INTERRUPT_TABLE = 0xb8,    /* RW 64 11.4.10 */
};

/* VTD_CAP */
enum : uint64_t {
	CAP_DOMAINS = 7,		 /* 2^(4 + 2 n) numbers */
	CAP_FLUSHES_WRITES = 1ull << 4,	 /* RWBF */
	CAP_PROTECTED = 3ull << 5,	 /* low, high region */
	CAP_CACHES_ABSENT = 1ull << 7,	 /* CM */
	CAP_THREE_LEVELS = 1ull << 9,	 /* SAGAW: 39 bits */
	CAP_FOUR_LEVELS = 1ull << 10,	 /* 48 bits */
	CAP_PAGE_SELECTIVE = 1ull << 39, /* PSI */
};
static inline uint32_t cap_address_bits(uint64_t cap)
{
	return (cap >> 16 & 63) + 1;
}
static inline uint32_t cap_fault_offset(uint64_t cap)
{
	return (cap >> 24 & 0x3ff) * 16;
}
static inline uint32_t cap_fault_records(uint64_t cap)
{
	return (cap >> 40 & 0xff) + 1;
}
static inline uint32_t cap_mask_max(uint64_t cap)
{
	return cap >> 48 & 63;
}

/* VTD_ECAP */
enum : uint64_t { ECAP_COHERENT = 1, ECAP_QUEUE = 1 << 1, ECAP_INTERRUPTS = 1 << 3 };

/* VTD_COMMAND, VTD_STATUS */
enum : uint32_t {
	VTD_TRANSLATE = 1u << 31,
	VTD_SET_ROOT = 1u << 30,
	VTD_FLUSH_WRITES = 1u << 27,
	VTD_QUEUED = 1u << 26,
	VTD_REMAP_INTERRUPTS = 1u << 25,
	VTD_SET_INTERRUPT_TABLE = 1u << 24,
	VTD_OLD_FORMAT = 1u << 23,     /* CFI: messages in the compatibility format are let through */
	VTD_STATUS_STAYS = 0x96ffffff, /* bits that a command must repeat (11.4.4.1) */
};
enum : uint64_t { ROOT_MODE = 3 << 10 }; /* of VTD_ROOT: 0, legacy */

/* VTD_FAULT_STATUS, VTD_FAULT_CONTROL */
enum : uint32_t {
	FAULT_STATUS_OVERFLOW = 1,
	FAULT_STATUS_QUEUE = 7 << 4, /* invalidation: queue, completion, time-out */
	FAULT_CONTROL_MASK = 1u << 31,
};
static inline uint32_t fault_status_first(uint32_t status)
{
	return status >> 8 & 0xff;
}
/* A fault's record (11.4.7.6): two words of 64 bits, the second has the flag that it is there. */
enum : uint64_t { FAULT_THERE = 1ull << 63, FAULT_READ = 1ull << 62, FAULT_PAGE = ~0xfffull };
enum : uint32_t { FAULT_RECORD = 16, FAULT_REASON_INTERRUPT = 0x20 /* and above: 7.2.2 */ };

enum : uint32_t { PROTECTED_ENABLE = 1u << 31, PROTECTED_STATUS = 1 };

/* Entries of the root table and of context tables (9.1, 9.3), two words each. */
enum : uint64_t { ENTRY_PRESENT = 1 };
enum : uint64_t { CONTEXT_THREE_LEVELS = 1, CONTEXT_FOUR_LEVELS = 2, CONTEXT_DOMAIN_SHIFT = 8 };
/* Second-level entries (9.8). */
enum : uint64_t { SECOND_READ = 1, SECOND_WRITE = 2 };

/* Descriptors of the queue (6.5.2), two words each. */
enum : uint64_t {
	QUEUE_CONTEXT = 1 | 1 << 4, /* all of it */
	QUEUE_IOTLB = 2 | 3 << 6,   /* after reads and writes that are under way */
	QUEUE_IOTLB_ALL = 1 << 4,
	QUEUE_IOTLB_DOMAIN = 2 << 4,
	QUEUE_IOTLB_PAGES = 3 << 4,
	QUEUE_INTERRUPTS = 4, /* all of them */
	QUEUE_WAIT = 5 | 1 << 5,
	QUEUE_DOMAIN_SHIFT = 16,
	QUEUE_STATUS_SHIFT = 32,
};

/* An entry of the interrupt table (9.10), two words; what is not named is 0: edge, fixed, physical. */
enum : uint64_t {
	REMAP_PRESENT = 1,
	REMAP_LEVEL = 1 << 4,
	REMAP_VECTOR_SHIFT = 16,
	REMAP_APIC_SHIFT = 40, /* of an xAPIC's id */
	REMAP_ONE_SOURCE = 1 << 18,
	REMAP_SOURCE_BUSES = 2 << 18,
};
enum : uint64_t { INTERRUPT_TABLE_512 = 8 }; /* of VTD_INTERRUPT_TABLE: 2^(n + 1) entries */

#endif
