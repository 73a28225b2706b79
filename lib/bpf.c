/* SPDX-License-Identifier: MIT */
/* Filters of packets (lib/bpf.h). */
#include <lib/bpf.h>
#include <lib/string.h>
#include <lib/types.h>

/* An instruction's code: class, and by class size and mode, or operation and source. */
enum : uint16_t {
	CLASS = 7,
	LD = 0,
	LDX = 1,
	ST = 2,
	STX = 3,
	ALU = 4,
	JMP = 5,
	RET = 6,
	MISC = 7,
	SIZE = 0x18,
	WORD = 0,
	HALF = 8,
	BYTE = 0x10,
	MODE = 0xe0,
	IMM = 0,
	ABS = 0x20,
	IND = 0x40,
	MEM = 0x60,
	LEN = 0x80,
	MSH = 0xa0,
	OPERATION = 0xf0,
	ADD = 0,
	SUB = 0x10,
	MUL = 0x20,
	DIV = 0x30,
	OR = 0x40,
	AND = 0x50,
	LSH = 0x60,
	RSH = 0x70,
	NEG = 0x80,
	MOD = 0x90,
	XOR = 0xa0,
	JA = 0,
	JEQ = 0x10,
	JGT = 0x20,
	JGE = 0x30,
	JSET = 0x40,
	FROM_X = 8,    /* the operand is X, else k */
	RETURN_A = 16, /* what is returned is A, else k */
	TAX = 0,
	TXA = 0x80,
};

enum : uint32_t { WORDS = 16, SHIFT_END = 32 };

/* Offsets that are no place in a packet, as Linux counts them. */
enum : uint32_t {
	ANCILLARY = 0xfffff000u, /* SKF_AD_OFF */
	NETWORK = 0xfff00000u,	 /* SKF_NET_OFF */
	LINK = 0xffe00000u,	 /* SKF_LL_OFF */
	AD_PROTOCOL = 0,
	AD_TYPE = 4,
	AD_INDEX = 8,
	AD_MARK = 20,
	AD_QUEUE = 24,
	AD_HARDWARE = 28,
	AD_RXHASH = 32,
	AD_CPU = 36,
	AD_XOR_X = 40,
	AD_VLAN_TAG = 44,
	AD_VLAN_PRESENT = 48,
	AD_RANDOM = 56,
	AD_VLAN_PROTOCOL = 60,
};

/* --- checking --- */

static bool is_ancillary(uint32_t what)
{
	switch (what) {
	case AD_PROTOCOL:
	case AD_TYPE:
	case AD_INDEX:
	case AD_MARK:
	case AD_QUEUE:
	case AD_HARDWARE:
	case AD_RXHASH:
	case AD_CPU:
	case AD_XOR_X:
	case AD_VLAN_TAG:
	case AD_VLAN_PRESENT:
	case AD_RANDOM:
	case AD_VLAN_PROTOCOL: return true;
	default: return false;
	}
}

static bool check_load(const struct sock_filter *f)
{
	bool x = (f->code & CLASS) == LDX;

	if (f->code & ~(uint16_t)(CLASS | SIZE | MODE))
		return false;
	switch (f->code & (SIZE | MODE)) {
	case IMM | WORD:
	case LEN | WORD: return true;
	case MEM | WORD: return f->k < WORDS;
	case MSH | BYTE: return x;
	case ABS | WORD:
	case ABS | HALF:
	case ABS | BYTE: return !x && (f->k < ANCILLARY || is_ancillary(f->k - ANCILLARY));
	case IND | WORD:
	case IND | HALF:
	case IND | BYTE: return !x;
	default: return false;
	}
}

static bool check_alu(const struct sock_filter *f)
{
	if (f->code & ~(uint16_t)(CLASS | OPERATION | FROM_X))
		return false;
	switch (f->code & OPERATION) {
	case DIV:
	case MOD: return f->code & FROM_X || f->k != 0;
	case LSH:
	case RSH: return f->code & FROM_X || f->k < SHIFT_END;
	case NEG: return !(f->code & FROM_X);
	case ADD:
	case SUB:
	case MUL:
	case OR:
	case AND:
	case XOR: return true;
	default: return false;
	}
}

/* after: how many instructions are behind it. */
static bool check_jump(const struct sock_filter *f, size_t after)
{
	if (f->code & ~(uint16_t)(CLASS | OPERATION | FROM_X))
		return false;
	switch (f->code & OPERATION) {
	case JA: return !(f->code & FROM_X) && f->k < after;
	case JEQ:
	case JGT:
	case JGE:
	case JSET: return f->jt < after && f->jf < after;
	default: return false;
	}
}

static bool check_one(const struct sock_filter *f, size_t after)
{
	switch (f->code & CLASS) {
	case LD:
	case LDX: return check_load(f);
	case ST:
	case STX: return f->code <= STX && f->k < WORDS;
	case ALU: return check_alu(f);
	case JMP: return check_jump(f, after);
	case RET: return f->code == RET || f->code == (RET | RETURN_A);
	default: return f->code == (MISC | TAX) || f->code == (MISC | TXA);
	}
}

/* Whether a word is written on every way to where it is read. As jumps lead forward, one pass does: written[n] is what
 * all who come to instruction n by a jump have written. */
static bool check_memory(const struct sock_filter *program, size_t count, uint16_t *written)
{
	uint16_t now = 0;

	memset(written, 0xff, count * sizeof(written[0]));
	for (size_t n = 0; n < count; n++) {
		const struct sock_filter *f = &program[n];

		now &= written[n];
		switch (f->code & CLASS) {
		case ST:
		case STX: now |= (uint16_t)(1u << f->k); break;
		case LD:
		case LDX:
			if ((f->code & MODE) == MEM && !(now >> f->k & 1))
				return false;
			break;
		case JMP:
			if ((f->code & OPERATION) == JA) {
				written[n + 1 + f->k] &= now;
			} else {
				written[n + 1 + f->jt] &= now;
				written[n + 1 + f->jf] &= now;
			}
			now = UINT16_MAX;
			break;
		case RET: now = UINT16_MAX; break;
		default: break;
		}
	}
	return true;
}

bool bpf_check(const struct sock_filter *program, size_t count, uint16_t *scratch)
{
	if (count == 0 || count > FILTER_MAX || (program[count - 1].code & CLASS) != RET)
		return false;
	for (size_t n = 0; n < count; n++) {
		if (!check_one(&program[n], count - 1 - n))
			return false;
	}
	return check_memory(program, count, scratch);
}

/* --- running --- */

struct machine {
	uint32_t a, x, words[WORDS];
};

/* A number of n bytes; false: it is not all in the packet. */
static bool load(const struct bpf_packet *p, uint32_t offset, uint32_t n, uint32_t *out)
{
	uint64_t at = offset, end = (uint64_t)p->begin + p->length;
	uint8_t bytes[sizeof(uint32_t)];
	uint32_t value = 0;

	if (offset >= NETWORK)
		at = at - NETWORK + p->network;
	else if (offset >= LINK)
		at = at - LINK;
	else
		at += p->begin;
	if (at + n > end || p->read(p->packet, at, bytes, n) != n)
		return false;
	for (uint32_t i = 0; i < n; i++)
		value = value << 8 | bytes[i];
	*out = value;
	return true;
}

static uint32_t ancillary(const struct bpf_packet *p, const struct machine *m, uint32_t what)
{
	switch (what) {
	case AD_PROTOCOL: return p->protocol;
	case AD_TYPE: return p->type;
	case AD_INDEX: return p->index;
	case AD_HARDWARE: return p->hardware;
	case AD_CPU: return p->cpu;
	case AD_XOR_X: return m->a ^ m->x;
	case AD_RANDOM: return p->random;
	default: return 0; /* marks, queues, hashes, tags of VLANs taken off: there is none */
	}
}

static bool run_load(const struct sock_filter *f, struct machine *m, const struct bpf_packet *p)
{
	uint32_t *to = (f->code & CLASS) == LDX ? &m->x : &m->a, value = 0;
	uint32_t bytes = (f->code & SIZE) == WORD ? 4 : (f->code & SIZE) == HALF ? 2 : 1;

	switch (f->code & MODE) {
	case IMM: *to = f->k; return true;
	case LEN: *to = p->length; return true;
	case MEM: *to = m->words[f->k]; return true;
	case MSH:
		if (!load(p, f->k, 1, &value))
			return false;
		*to = (value & 15) * 4;
		return true;
	case IND: return load(p, f->k + m->x, bytes, to);
	default: break;
	}
	if (f->k < ANCILLARY)
		return load(p, f->k, bytes, to);
	*to = ancillary(p, m, f->k - ANCILLARY);
	return true;
}

/* False: divided by 0. */
static bool run_alu(const struct sock_filter *f, struct machine *m)
{
	uint32_t b = f->code & FROM_X ? m->x : f->k;

	switch (f->code & OPERATION) {
	case ADD: m->a += b; break;
	case SUB: m->a -= b; break;
	case MUL: m->a *= b; break;
	case DIV:
		if (b == 0)
			return false;
		m->a /= b;
		break;
	case MOD:
		if (b == 0)
			return false;
		m->a %= b;
		break;
	case OR: m->a |= b; break;
	case AND: m->a &= b; break;
	case XOR: m->a ^= b; break;
	case LSH: m->a <<= b % SHIFT_END; break;
	case RSH: m->a >>= b % SHIFT_END; break;
	default: m->a = -m->a; break;
	}
	return true;
}

/* How many instructions are jumped over. */
static uint32_t run_jump(const struct sock_filter *f, const struct machine *m)
{
	uint32_t b = f->code & FROM_X ? m->x : f->k;

	switch (f->code & OPERATION) {
	case JEQ: return m->a == b ? f->jt : f->jf;
	case JGT: return m->a > b ? f->jt : f->jf;
	case JGE: return m->a >= b ? f->jt : f->jf;
	case JSET: return m->a & b ? f->jt : f->jf;
	default: return f->k;
	}
}

uint32_t bpf_run(const struct sock_filter *program, size_t count, const struct bpf_packet *p)
{
	struct machine m = {};

	for (size_t n = 0; n < count; n++) {
		const struct sock_filter *f = &program[n];

		switch (f->code & CLASS) {
		case LD:
		case LDX:
			if (!run_load(f, &m, p))
				return 0;
			break;
		case ST: m.words[f->k] = m.a; break;
		case STX: m.words[f->k] = m.x; break;
		case ALU:
			if (!run_alu(f, &m))
				return 0;
			break;
		case JMP: n += run_jump(f, &m); break;
		case RET: return f->code & RETURN_A ? m.a : f->k;
		default:
			if (f->code & TXA)
				m.a = m.x;
			else
				m.x = m.a;
			break;
		}
	}
	return 0;
}
