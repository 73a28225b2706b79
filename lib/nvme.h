/* SPDX-License-Identifier: MIT */
/*
 * NVM Express (NVM Express Base Specification 2.0, "Base"; NVM Command Set Specification 1.0, "NVM"): the registers,
 * the commands that are used, and what a controller says of itself, checked. Pure; little-endian.
 */
#ifndef LIB_NVME_H
#define LIB_NVME_H

#include <stddef.h>
#include <stdint.h>

/* Registers (Base 3.1.3). */
enum nvme_register : uint32_t {
	NVME_CAP = 0x00, /* 8 bytes */
	NVME_VS = 0x08,
	NVME_CC = 0x14,
	NVME_CSTS = 0x1c,
	NVME_AQA = 0x24,
	NVME_ASQ = 0x28, /* 8 bytes */
	NVME_ACQ = 0x30, /* 8 bytes */
	NVME_DOORBELLS = 0x1000,
};
enum : uint32_t {
	NVME_CC_ENABLE = 1,
	/* Pages of 4096 bytes, NVM commands, round robin: zeros. Entries of 64 and 16 bytes: powers of two. */
	NVME_CC_ENTRIES = 6 << 16 | 4 << 20,
	NVME_CC_SHUTDOWN = 1 << 14, /* SHN: a normal one */
	NVME_CSTS_READY = 1 << 0,
	NVME_CSTS_FATAL = 1 << 1,
	NVME_CSTS_SHUTDOWN = 3 << 2, /* SHST */
	NVME_CSTS_SHUTDOWN_DONE = 2 << 2,
};

constexpr uint32_t NVME_PAGE = 4096; /* CC.MPS 0 */
constexpr uint32_t NVME_QUEUE_ENTRIES_MIN = 2;

/* What the register CAP says (3.1.3.1). */
struct nvme_capabilities {
	uint32_t entries_max;	  /* of an I/O queue; at least NVME_QUEUE_ENTRIES_MIN */
	uint32_t doorbell_stride; /* bytes */
	uint64_t ready_ns;	  /* how long it may take to come up or down */
};
/* nullptr, or why it cannot be driven. */
const char *nvme_read_capabilities(uint64_t cap, struct nvme_capabilities *out);

/* Where the doorbell of a queue is: of its submission queue's tail, or its completion queue's head (NVMe over PCIe
 * Transport 1.0, 3.1.2). */
static inline uint64_t nvme_doorbell(uint32_t queue, bool completion, uint32_t stride)
{
	return NVME_DOORBELLS + (2ull * queue + completion) * stride;
}

/* --- identify: what the controller, and a namespace, say in 4096 bytes --- */

constexpr size_t NVME_IDENTIFY_BYTES = 4096;
enum nvme_cns : uint32_t {
	NVME_CNS_NAMESPACE = 0,
	NVME_CNS_CONTROLLER = 1,
	NVME_CNS_NAMESPACES = 2, /* which there are */
};

constexpr size_t NVME_SERIAL_BYTES = 20, NVME_MODEL_BYTES = 40, NVME_FIRMWARE_BYTES = 8, NVME_NAME_BYTES = 256;

struct nvme_controller {
	char serial[NVME_SERIAL_BYTES + 1];
	char model[NVME_MODEL_BYTES + 1];
	char firmware[NVME_FIRMWARE_BYTES + 1];
	char name[NVME_NAME_BYTES + 1]; /* SUBNQN; empty: none */
	uint16_t id;			/* CNTLID */
	uint32_t transfer_bytes;	/* of one command's data; 0: no limit */
	uint32_t namespaces_max;	/* the highest number that one may have */
	uint32_t aborts_max;		/* at a time; at least 1 */
	uint32_t shutdown_us;		/* how long one takes, usually; 0: it does not say */
	bool has_discard;		/* Dataset Management */
	bool has_zero;			/* Write Zeroes */
	bool has_write_cache;		/* that Flush empties */
	bool tells_of_namespaces;	/* events when they change */
};
/* Base 5.17.2.1. nullptr, or why it cannot be driven. */
const char *nvme_read_controller(const unsigned char data[NVME_IDENTIFY_BYTES], struct nvme_controller *out);

struct nvme_namespace {
	uint64_t blocks;
	uint32_t block_bytes, physical_bytes; /* powers of two */
	uint32_t discard_bytes;		      /* what is best given back at once; a multiple of block_bytes */
	bool read_only;
	char identity[33]; /* NGUID, else EUI64, in hex; empty: none */
};
/* NVM 4.1.5.1. nullptr, or why it is no disk; of an inactive one that it has no blocks. */
const char *nvme_read_namespace(const unsigned char data[NVME_IDENTIFY_BYTES], struct nvme_namespace *out);

/* The numbers of the namespaces from a list (Base 5.17.2.2): at most `max`, in ascending order, none above
 * `highest`. How many; what is out of order, or above, ends it. */
unsigned nvme_read_list(const unsigned char data[NVME_IDENTIFY_BYTES], uint32_t highest, uint32_t *out, unsigned max);

/* How many queues the controller allots of those that were asked for, from its answer to Set Features (Base
 * 5.27.1.5): not more than asked. */
unsigned nvme_queues_allotted(uint32_t answer, unsigned asked);

/* Whether the answer to an Asynchronous Event Request tells that namespaces have changed (Base 5.2). */
bool nvme_event_is_of_namespaces(uint32_t answer);

/* --- commands (Base 3.3.3.1) --- */

struct nvme_command {
	uint8_t opcode, flags;
	uint16_t id;
	uint32_t namespace;
	uint32_t dword2, dword3;
	uint64_t metadata;
	uint64_t prp1, prp2;
	uint32_t dword10, dword11, dword12, dword13, dword14, dword15;
};
static_assert(sizeof(struct nvme_command) == 64);

enum nvme_admin_opcode : uint8_t {
	NVME_CREATE_SQ = 0x01,
	NVME_CREATE_CQ = 0x05,
	NVME_IDENTIFY = 0x06,
	NVME_ABORT = 0x08,
	NVME_SET_FEATURES = 0x09,
	NVME_ASYNC_EVENT = 0x0c,
};
enum nvme_opcode : uint8_t {
	NVME_FLUSH = 0,
	NVME_WRITE = 1,
	NVME_READ = 2,
	NVME_WRITE_ZEROES = 8,
	NVME_DATASET_MANAGEMENT = 9
};
enum nvme_feature : uint32_t { NVME_FEATURE_QUEUES = 7, NVME_FEATURE_EVENTS = 11 };
enum : uint32_t {
	NVME_QUEUE_CONTIGUOUS = 1, /* dword 11 of Create I/O … Queue */
	NVME_QUEUE_INTERRUPTS = 2,
	NVME_DISCARD = 4,		/* dword 11 of Dataset Management: AD */
	NVME_EVENT_NAMESPACES = 1 << 8, /* dword 11 of Set Features, NVME_FEATURE_EVENTS */
};
constexpr uint32_t NVME_NAMESPACE_ALL = UINT32_MAX;

/* A range of Dataset Management (NVM 3.2.3.1). */
struct nvme_range {
	uint32_t attributes, blocks;
	uint64_t block;
};
static_assert(sizeof(struct nvme_range) == 16);

/* The most blocks of a read or write: their number is of 16 bits, and counts from 0. */
constexpr uint32_t NVME_BLOCKS_MAX = 1 << 16;

/* --- physical region pages (Base 4.1.1) --- */

struct nvme_prp {
	uint64_t first, second; /* PRP1, PRP2 */
	uint64_t *list;		/* the caller's memory; within one page */
	uint64_t list_address;
	uint32_t list_max;  /* entries */
	uint32_t list_used; /* of them */
	uint32_t pages;
	uint64_t end; /* where the last piece ended */
};
/* No data yet. */
void nvme_prp_begin(struct nvme_prp *p, uint64_t *list, uint64_t list_address, uint32_t list_max);
/* The next run of memory. False: it cannot be said so: all but the first begin at the start of a page and all but the
 * last end at the end of one; and the list has room for list_max pages. */
[[nodiscard]] bool nvme_prp_add(struct nvme_prp *p, uint64_t address, uint64_t bytes);
/* Sets `second`. */
void nvme_prp_end(struct nvme_prp *p);

/* --- completions (Base 3.3.3.2) --- */

struct nvme_completion {
	uint32_t result, reserved;
	uint16_t head, queue;
	uint16_t id, status; /* bit 0 of the status is the phase */
};
static_assert(sizeof(struct nvme_completion) == 16);

/* 0, or a negative errno; -EAGAIN: the command may be given again (Base 3.3.3.2.1, 4.2.3). */
int nvme_error(uint16_t status);
/* An error, and the same command would have it again (Base 3.3.3.2.1: DNR). */
bool nvme_is_final(uint16_t status);

#endif
