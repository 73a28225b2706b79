/* SPDX-License-Identifier: MIT */
/* Which x86_64 instructions the counting plugin treats in a special way (Intel SDM vol. 2). Included by count.c, after
 * enum insn_kind. */
#ifndef BENCH_DECODE_H
#define BENCH_DECODE_H

#include <abi/arch/x86_64/marker.h>

static bool is_string_opcode(uint8_t op)
{
	/* INS, OUTS; MOVS, CMPS; STOS, LODS, SCAS */
	return (op >= 0x6c && op <= 0x6f) || (op >= 0xa4 && op <= 0xa7) || (op >= 0xaa && op <= 0xaf);
}

static enum insn_kind decode(const uint8_t *p, size_t n, uint64_t *row)
{
	bool repeat = false;

	while (n > 1 && (*p == 0xf2 || *p == 0xf3 || *p == 0x66 || *p == 0x67 || (*p & 0xf0) == 0x40)) {
		repeat |= *p == 0xf2 || *p == 0xf3;
		p++;
		n--;
	}
	if (repeat && is_string_opcode(p[0]))
		return INSN_REPEAT;
	if (n < 3 || p[0] != 0x0f)
		return INSN_PLAIN;
	if (p[1] == 0x22 && (p[2] & 0x38) == 0x18)
		return INSN_SWITCH; /* mov to %cr3 */
	if (p[1] == 0x01 && (p[2] & 0x38) == 0x38 && p[2] < 0xc0)
		return INSN_FLUSH; /* invlpg */
	if (p[1] == 0x1f && p[2] == 0x80 && n == 7) {
		uint32_t tag = (uint32_t)p[3] | (uint32_t)p[4] << 8 | (uint32_t)p[5] << 16 | (uint32_t)p[6] << 24;

		*row = tag & 0xffff;
		if ((tag & 0xffff0000) == MARKER_BEGIN)
			return INSN_BEGIN;
		if ((tag & 0xffff0000) == MARKER_END)
			return INSN_END;
	}
	return INSN_PLAIN;
}

#endif
