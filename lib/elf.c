/* SPDX-License-Identifier: MIT */
/*
 * elf.c - see elf.h. The input is untrusted: each number is checked before it is used, and sums
 * are made only after the check that they cannot wrap. Fields are read by copying, since nothing
 * says that the buffer is aligned.
 *
 * Specification: gABI "ELF Header" (figure 4-3) and "Program Header" (figure 5-1).
 */
#include <lib/elf.h>

enum : uint32_t {
	PT_LOAD = 1,
	PT_INTERP = 3,
	PT_GNU_STACK = 0x6474e551,
};

struct elf_header {
	uint8_t ident[16];
	uint16_t type;
	uint16_t machine;
	uint32_t version;
	uint64_t entry;
	uint64_t phoff;
	uint64_t shoff;
	uint32_t flags;
	uint16_t ehsize;
	uint16_t phentsize;
	uint16_t phnum;
	uint16_t shentsize;
	uint16_t shnum;
	uint16_t shstrndx;
};
static_assert(sizeof(struct elf_header) == 64);

struct elf_phdr {
	uint32_t type;
	uint32_t flags;
	uint64_t offset;
	uint64_t vaddr;
	uint64_t paddr;
	uint64_t filesz;
	uint64_t memsz;
	uint64_t align;
};
static_assert(sizeof(struct elf_phdr) == 56);

constexpr uint64_t PATH_LIMIT = 4096; /* of the interpreter's name */

static enum elf_fault check_header(const struct elf_header *h, size_t head_size, enum elf_machine machine)
{
	constexpr uint8_t class_64 = 2, data_le = 1, version = 1;

	if (h->ident[0] != 0x7f || h->ident[1] != 'E' || h->ident[2] != 'L' || h->ident[3] != 'F')
		return ELF_BAD_MAGIC;
	if (h->ident[4] != class_64 || h->ident[5] != data_le)
		return ELF_NOT_64_LE;
	if (h->ident[6] != version || h->version != version)
		return ELF_BAD_VERSION;
	if (h->machine != machine)
		return ELF_WRONG_MACHINE;
	if (h->type != ELF_TYPE_EXEC && h->type != ELF_TYPE_DYN)
		return ELF_BAD_TYPE;
	if (h->phnum == 0)
		return ELF_NO_SEGMENT;
	if (h->phentsize != sizeof(struct elf_phdr))
		return ELF_BAD_HEADERS;
	if (h->phoff > head_size || (head_size - h->phoff) / sizeof(struct elf_phdr) < h->phnum)
		return ELF_HEADERS_OUTSIDE;
	return ELF_OK;
}

static enum elf_fault add_segment(struct elf *elf, const struct elf_phdr *p, uint64_t file_size)
{
	if (p->memsz == 0)
		return p->filesz == 0 ? ELF_OK : ELF_SEGMENT_SIZE;
	if (elf->count == ELF_MAX_SEGMENTS)
		return ELF_TOO_MANY_SEGMENTS;
	if (p->offset > file_size || p->filesz > file_size - p->offset)
		return ELF_SEGMENT_OUTSIDE;
	if (p->filesz > p->memsz)
		return ELF_SEGMENT_SIZE;
	/* The last page is left out too, so that rounding the end up cannot wrap. */
	if (p->memsz > UINT64_MAX - ELF_PAGE || p->vaddr > UINT64_MAX - ELF_PAGE - p->memsz)
		return ELF_SEGMENT_WRAPS;
	if (((p->vaddr ^ p->offset) & (ELF_PAGE - 1)) != 0)
		return ELF_SEGMENT_ALIGN;
	if (elf->count > 0) {
		const struct elf_segment *last = &elf->segment[elf->count - 1];

		if (p->vaddr < last->vaddr + last->mem_size)
			return ELF_SEGMENT_ORDER;
	} else {
		elf->low = p->vaddr & ~(ELF_PAGE - 1);
	}
	elf->high = (p->vaddr + p->memsz + ELF_PAGE - 1) & ~(ELF_PAGE - 1);
	elf->segment[elf->count++] = (struct elf_segment){
		.vaddr = p->vaddr,
		.offset = p->offset,
		.file_size = p->filesz,
		.mem_size = p->memsz,
		.flags = p->flags & (ELF_R | ELF_W | ELF_X),
	};
	return ELF_OK;
}

static enum elf_fault add_phdr(struct elf *elf, const struct elf_phdr *p, uint64_t file_size)
{
	switch (p->type) {
	case PT_LOAD: return add_segment(elf, p, file_size);
	case PT_INTERP:
		if (p->filesz < 2 || p->filesz > PATH_LIMIT || elf->interp_size != 0)
			return ELF_BAD_INTERP;
		if (p->offset > file_size || p->filesz > file_size - p->offset)
			return ELF_BAD_INTERP;
		elf->interp_offset = p->offset;
		elf->interp_size = p->filesz;
		return ELF_OK;
	case PT_GNU_STACK: elf->exec_stack = (p->flags & ELF_X) != 0; return ELF_OK;
	default: return ELF_OK;
	}
}

static bool inside(uint64_t at, uint64_t base, uint64_t size)
{
	return at >= base && at - base < size;
}

/* Entry inside an executable segment; the headers' address believed only if a segment holds it. */
static enum elf_fault check_addresses(struct elf *elf)
{
	uint64_t phdr_bytes = (uint64_t)elf->phdr_count * elf->phdr_size;
	uint64_t phdr_vaddr = 0;
	bool entry_good = false;

	for (unsigned i = 0; i < elf->count; i++) {
		const struct elf_segment *s = &elf->segment[i];

		if ((s->flags & ELF_X) && inside(elf->entry, s->vaddr, s->mem_size))
			entry_good = true;
		if (inside(elf->phdr_offset, s->offset, s->file_size) &&
		    s->file_size - (elf->phdr_offset - s->offset) >= phdr_bytes)
			phdr_vaddr = s->vaddr + (elf->phdr_offset - s->offset);
	}
	elf->phdr_vaddr = phdr_vaddr;
	return entry_good ? ELF_OK : ELF_BAD_ENTRY;
}

enum elf_fault elf_parse(const void *head, size_t head_size, uint64_t file_size, enum elf_machine machine,
			 struct elf *elf)
{
	struct elf_header h;
	enum elf_fault fault;

	if (head_size < sizeof(h) || file_size < head_size)
		return ELF_TOO_SHORT;
	__builtin_memcpy(&h, head, sizeof(h));
	fault = check_header(&h, head_size, machine);
	if (fault != ELF_OK)
		return fault;

	*elf = (struct elf){
		.type = (enum elf_type)h.type,
		.entry = h.entry,
		.phdr_offset = h.phoff,
		.phdr_count = h.phnum,
		.phdr_size = h.phentsize,
		.exec_stack = true,
	};
	for (unsigned i = 0; i < h.phnum; i++) {
		struct elf_phdr p;

		__builtin_memcpy(&p, (const char *)head + h.phoff + i * sizeof(p), sizeof(p));
		fault = add_phdr(elf, &p, file_size);
		if (fault != ELF_OK)
			return fault;
	}
	if (elf->count == 0)
		return ELF_NO_SEGMENT;
	return check_addresses(elf);
}

const char *elf_fault_text(enum elf_fault fault)
{
	switch (fault) {
	case ELF_OK: return "no fault";
	case ELF_TOO_SHORT: return "shorter than an ELF header";
	case ELF_BAD_MAGIC: return "not an ELF file";
	case ELF_NOT_64_LE: return "not a 64-bit little-endian ELF file";
	case ELF_BAD_VERSION: return "unknown ELF version";
	case ELF_WRONG_MACHINE: return "built for another architecture";
	case ELF_BAD_TYPE: return "not an executable";
	case ELF_BAD_HEADERS: return "program headers of a wrong size";
	case ELF_HEADERS_OUTSIDE: return "program headers beyond the end";
	case ELF_NO_SEGMENT: return "nothing to load";
	case ELF_TOO_MANY_SEGMENTS: return "too many segments";
	case ELF_SEGMENT_OUTSIDE: return "segment beyond the end of the file";
	case ELF_SEGMENT_SIZE: return "segment larger in the file than in memory";
	case ELF_SEGMENT_WRAPS: return "segment wraps round the address space";
	case ELF_SEGMENT_ALIGN: return "segment's address and offset differ within the page";
	case ELF_SEGMENT_ORDER: return "segments overlap or are out of order";
	case ELF_BAD_INTERP: return "bad interpreter name";
	case ELF_BAD_ENTRY: return "entry point outside the code";
	}
	return "unknown fault";
}
