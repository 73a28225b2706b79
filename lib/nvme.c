/* SPDX-License-Identifier: MIT */
/* What NVMe controllers and namespaces say of themselves, and what is told them (lib/nvme.h). */
#include <abi/errno.h>
#include <lib/nvme.h>
#include <lib/types.h>

static uint64_t field(const unsigned char *data, unsigned offset, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = bytes; i-- > 0;)
		value = value << 8 | data[offset + i];
	return value;
}

/* --- capabilities (Base 3.1.3.1) --- */

const char *nvme_read_capabilities(uint64_t cap, struct nvme_capabilities *out)
{
	constexpr uint64_t TIMEOUT_UNIT_NS = 500'000'000;
	constexpr uint32_t COMMANDS_SHIFT = 37, COMMANDS_NVM = 1;

	*out = (struct nvme_capabilities){
		.entries_max = (uint32_t)(cap & 0xffff) + 1,
		.doorbell_stride = 4u << (cap >> 32 & 15),
		/* One that says nothing is still waited for. */
		.ready_ns = (MAX(cap >> 24 & 0xff, 1ull) + 1) * TIMEOUT_UNIT_NS,
	};
	if (cap == UINT64_MAX)
		return "it does not answer";
	if (out->entries_max < NVME_QUEUE_ENTRIES_MIN)
		return "its queues are too short";
	if (!(cap >> COMMANDS_SHIFT & COMMANDS_NVM))
		return "it does not know the commands of disks";
	if ((cap >> 48 & 15) != 0)
		return "it has no pages of 4096 bytes";
	return nullptr;
}

/* --- identify --- */

enum : unsigned { /* Base, figure 276 */
		  SN = 4,
		  MN = 24,
		  FR = 64,
		  MDTS = 77,
		  CNTLID = 78,
		  RTD3E = 88,
		  OAES = 92,
		  ACL = 258,
		  SQES = 512,
		  CQES = 513,
		  NN = 516,
		  ONCS = 520,
		  VWC = 525,
		  SUBNQN = 768,
};
enum : unsigned { /* NVM, figure 97 */
		  NSZE = 0,
		  NSFEAT = 24,
		  NLBAF = 25,
		  FLBAS = 26,
		  DPS = 29,
		  NPWG = 64,
		  NPDG = 68,
		  NSATTR = 99,
		  NGUID = 104,
		  EUI64 = 120,
		  LBAF = 128,
};

/* Text without the blanks at its ends; what cannot be printed is '?'. `out` has a byte more. */
static void read_text(char *out, const unsigned char *from, size_t bytes)
{
	size_t n = 0;

	while (bytes > 0 && *from == ' ') {
		from++;
		bytes--;
	}
	while (n < bytes && from[n] != '\0') {
		out[n] = from[n] >= ' ' && from[n] < 0x7f ? (char)from[n] : '?';
		n++;
	}
	while (n > 0 && out[n - 1] == ' ')
		n--;
	out[n] = '\0';
}

/* Whether entries of 2^exponent bytes are among those that it takes: the least and the most are told. */
static bool takes_entries(uint8_t sizes, unsigned exponent)
{
	return (sizes & 15) <= exponent && exponent <= sizes >> 4;
}

const char *nvme_read_controller(const unsigned char data[NVME_IDENTIFY_BYTES], struct nvme_controller *out)
{
	constexpr unsigned EXPONENT_MAX = 19; /* above that there is no limit that matters */
	constexpr uint64_t DATASET_MANAGEMENT = 1 << 2, WRITE_ZEROES = 1 << 3, NAMESPACE_EVENTS = 1 << 8;
	unsigned exponent = data[MDTS];

	*out = (struct nvme_controller){
		.id = (uint16_t)field(data, CNTLID, 2),
		.transfer_bytes = exponent == 0 || exponent > EXPONENT_MAX ? 0 : NVME_PAGE << exponent,
		.namespaces_max = (uint32_t)field(data, NN, 4),
		.aborts_max = data[ACL] + 1u,
		.shutdown_us = (uint32_t)field(data, RTD3E, 4),
		.has_discard = (field(data, ONCS, 2) & DATASET_MANAGEMENT) != 0,
		.has_zero = (field(data, ONCS, 2) & WRITE_ZEROES) != 0,
		.has_write_cache = (data[VWC] & 1) != 0,
		.tells_of_namespaces = (field(data, OAES, 4) & NAMESPACE_EVENTS) != 0,
	};
	read_text(out->serial, data + SN, NVME_SERIAL_BYTES);
	read_text(out->model, data + MN, NVME_MODEL_BYTES);
	read_text(out->firmware, data + FR, NVME_FIRMWARE_BYTES);
	read_text(out->name, data + SUBNQN, NVME_NAME_BYTES);
	if (!takes_entries(data[SQES], 6) || !takes_entries(data[CQES], 4))
		return "its queues have entries of another size";
	if (out->namespaces_max == 0 || out->namespaces_max == NVME_NAMESPACE_ALL)
		return "it has no namespaces";
	return nullptr;
}

static void read_identity(const unsigned char *data, char out[33])
{
	static const char digits[] = "0123456789abcdef";
	unsigned from = NGUID, bytes = 16, n = 0;
	bool any = false;

	for (unsigned i = 0; i < bytes; i++)
		any |= data[from + i] != 0;
	if (!any) {
		from = EUI64;
		bytes = 8;
		for (unsigned i = 0; i < bytes; i++)
			any |= data[from + i] != 0;
	}
	for (; any && n < bytes; n++) {
		out[2 * n] = digits[data[from + n] >> 4];
		out[2 * n + 1] = digits[data[from + n] & 15];
	}
	out[2 * n] = '\0';
}

/* So many blocks more than one, told at `offset`, in bytes; or a block, if that is no power of two. */
static uint32_t read_unit(const unsigned char *data, unsigned offset, uint32_t block_bytes)
{
	uint32_t blocks = (uint32_t)field(data, offset, 2) + 1;

	return (blocks & (blocks - 1)) == 0 ? blocks * block_bytes : block_bytes;
}

const char *nvme_read_namespace(const unsigned char data[NVME_IDENTIFY_BYTES], struct nvme_namespace *out)
{
	constexpr unsigned FORMAT_BYTES = 4, SHIFT_MIN = 9, SHIFT_MAX = 12;
	/* The upper two bits are there where there can be so many. */
	unsigned index = (data[FLBAS] & 15) | (data[NLBAF] > 15 ? (data[FLBAS] >> 5 & 3) << 4 : 0);
	const unsigned char *format = data + LBAF + index * FORMAT_BYTES;
	unsigned shift = format[2];

	*out = (struct nvme_namespace){.blocks = field(data, NSZE, 8), .read_only = (data[NSATTR] & 1) != 0};
	read_identity(data, out->identity);
	if (out->blocks == 0)
		return "it has no blocks";
	if (index > data[NLBAF])
		return "its format is none of those that it has";
	if (field(format, 0, 2) != 0 || (data[DPS] & 7) != 0)
		return "its blocks have metadata";
	if (shift < SHIFT_MIN || shift > SHIFT_MAX)
		return "its blocks have neither 512 nor 4096 bytes, nor a size between";
	if (out->blocks > (uint64_t)INT64_MAX >> shift)
		return "it is larger than can be";
	out->block_bytes = 1u << shift;
	out->physical_bytes = out->discard_bytes = out->block_bytes;
	if (data[NSFEAT] & 1 << 4) {
		out->physical_bytes = read_unit(data, NPWG, out->block_bytes);
		out->discard_bytes = read_unit(data, NPDG, out->block_bytes);
	}
	return nullptr;
}

unsigned nvme_read_list(const unsigned char data[NVME_IDENTIFY_BYTES], uint32_t highest, uint32_t *out, unsigned max)
{
	uint32_t last = 0;
	unsigned n = 0;

	for (unsigned i = 0; i < NVME_IDENTIFY_BYTES / sizeof(uint32_t) && n < max; i++) {
		uint32_t number = (uint32_t)field(data, i * (unsigned)sizeof(uint32_t), sizeof(uint32_t));

		if (number <= last || number > highest)
			break;
		out[n++] = last = number;
	}
	return n;
}

unsigned nvme_queues_allotted(uint32_t answer, unsigned asked)
{
	uint32_t submission = (answer & 0xffff) + 1, completion = (answer >> 16) + 1;

	return MIN(asked, MIN(submission, completion));
}

bool nvme_event_is_of_namespaces(uint32_t answer)
{
	enum : uint32_t { TYPE = 7, NOTICE = 2, NAMESPACE_ATTRIBUTE = 0 };

	return (answer & TYPE) == NOTICE && (answer >> 8 & 0xff) == NAMESPACE_ATTRIBUTE;
}

/* --- physical region pages --- */

void nvme_prp_begin(struct nvme_prp *p, uint64_t *list, uint64_t list_address, uint32_t list_max)
{
	*p = (struct nvme_prp){.list = list, .list_address = list_address, .list_max = list_max};
}

bool nvme_prp_add(struct nvme_prp *p, uint64_t address, uint64_t bytes)
{
	if (bytes == 0 || address % 4 != 0 || address > UINT64_MAX - bytes)
		return false;
	if (p->pages > 0 && (address % NVME_PAGE != 0 || p->end % NVME_PAGE != 0))
		return false;
	p->end = address + bytes;
	while (address < p->end) {
		if (p->pages == 0) {
			p->first = address;
		} else {
			if (p->list_used == p->list_max)
				return false;
			p->list[p->list_used++] = address;
		}
		p->pages++;
		address = (address & ~(uint64_t)(NVME_PAGE - 1)) + NVME_PAGE;
	}
	return true;
}

void nvme_prp_end(struct nvme_prp *p)
{
	/* Of two pages the second is told itself. */
	p->second = p->list_used == 0 ? 0 : p->list_used == 1 ? p->list[0] : p->list_address;
}

/* --- completions --- */

static bool has_final_bit(uint16_t status)
{
	return status >> 15 & 1;
}

bool nvme_is_final(uint16_t status)
{
	return nvme_error(status) != 0 && has_final_bit(status);
}

int nvme_error(uint16_t status)
{
	enum : unsigned {
		GENERIC = 0,
		INVALID_OPCODE = 1,
		ABORTED = 7,
		INTERRUPTED = 0x21,
		COMMAND = 1,
		READ_ONLY = 0x82
	};
	unsigned code = status >> 1 & 0xff, type = status >> 9 & 7;
	if (type == GENERIC && code == 0)
		return 0;
	if (type == GENERIC && code == INVALID_OPCODE)
		return -EOPNOTSUPP;
	if (type == COMMAND && code == READ_ONLY)
		return -EROFS;
	if (type == GENERIC && (code == ABORTED || code == INTERRUPTED) && !has_final_bit(status))
		return -EAGAIN;
	return -EIO;
}
