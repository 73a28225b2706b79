/* SPDX-License-Identifier: MIT */
/* Which arm64 instructions the counting plugin treats in a special way (Arm ARM, DDI 0487, C4.1 and C5.5). Included by
 * count.c, after enum insn_kind. */
#ifndef BENCH_DECODE_H
#define BENCH_DECODE_H

#include <abi/arch/aarch64/marker.h>

static enum insn_kind decode(const uint8_t *p, size_t n, uint64_t *row)
{
	if (n != 4)
		return INSN_PLAIN;
	uint32_t word = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;

	/* MSR TTBR1_EL1: each change of the view writes it once. */
	if ((word & 0xffffffe0) == 0xd5182020)
		return INSN_SWITCH;
	/* SYS with CRn = 8: TLBI. */
	if ((word & 0xfff8f000) == 0xd5088000)
		return INSN_FLUSH;
	/* MOVZ XZR, #tag, LSL #48 */
	if ((word & 0xffe0001f) == 0xd2e0001f) {
		uint32_t tag = word >> 5 & 0xffff;

		*row = tag & 0xff;
		if ((tag & 0xff00) == MARKER_BEGIN)
			return INSN_BEGIN;
		if ((tag & 0xff00) == MARKER_END)
			return INSN_END;
	}
	return INSN_PLAIN;
}

#endif
