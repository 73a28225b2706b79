/* SPDX-License-Identifier: MIT */
/* Filters of system calls (lib/seccomp.h). */
#include <lib/bpf.h>
#include <lib/seccomp.h>
#include <lib/string.h>

/* Codes of instructions that packets' filters have, too. */
enum : uint16_t {
	CLASS = 7,
	LD = 0,
	LDX = 1,
	ALU = 4,
	OPERATION = 0xf0,
	MOD = 0x90,
	LOAD_NUMBER = 0x00,
	LOAD_WORD = 0x20,
	LOAD_MEMORY = 0x60,
	LOAD_LENGTH = 0x80,
};
enum : uint32_t { WORD = sizeof(uint32_t) };

static bool check_load(const struct sock_filter *f)
{
	switch (f->code & ~(uint16_t)CLASS) {
	case LOAD_NUMBER:
	case LOAD_MEMORY:
	case LOAD_LENGTH: return true;
	case LOAD_WORD: return (f->code & CLASS) == LD && f->k % WORD == 0 && f->k < sizeof(struct seccomp_data);
	default: return false;
	}
}

static bool is_of_pc(const struct sock_filter *f)
{
	constexpr size_t at = offsetof(struct seccomp_data, instruction);

	return f->code == (LD | LOAD_WORD) && f->k >= at && f->k < at + sizeof(uint64_t);
}

bool seccomp_check(const struct sock_filter *program, size_t count, uint16_t *scratch, bool *looks_at_pc)
{
	*looks_at_pc = false;
	if (!bpf_check(program, count, scratch))
		return false;
	for (size_t n = 0; n < count; n++) {
		const struct sock_filter *f = &program[n];
		uint16_t class = f->code & CLASS;

		if ((class == LD || class == LDX) && !check_load(f))
			return false;
		if (class == ALU && (f->code & OPERATION) == MOD)
			return false;
		*looks_at_pc |= is_of_pc(f);
	}
	return true;
}

/* A word of the call, which is in the machine's order, as a packet would have it. */
static size_t read_word(const void *packet, size_t offset, void *to, size_t n)
{
	uint8_t *bytes = to;
	uint32_t word;

	if (n != sizeof(word) || offset > sizeof(struct seccomp_data) - sizeof(word))
		return 0;
	memcpy(&word, (const char *)packet + offset, sizeof(word));
	for (size_t i = 0; i < sizeof(word); i++)
		bytes[i] = (uint8_t)(word >> (24 - 8 * i));
	return n;
}

uint32_t seccomp_run(const struct sock_filter *program, size_t count, const struct seccomp_data *d)
{
	const struct bpf_packet p = {.read = read_word, .packet = d, .length = sizeof(*d)};

	return bpf_run(program, count, &p);
}

/* Ordered as numbers with a sign: so is the strictest the least. */
uint32_t seccomp_stricter(uint32_t newer, uint32_t older)
{
	int32_t a = (int32_t)(newer & SECCOMP_RET_ACTION), b = (int32_t)(older & SECCOMP_RET_ACTION);

	return a <= b ? newer : older;
}
