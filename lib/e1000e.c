/* SPDX-License-Identifier: MIT */
/* lib/e1000e.h */
#include <lib/e1000e.h>

enum : uint8_t {
	WHOLE = 1 << 1,
	NOT_CHECKED = 1 << 2,
	TRANSPORT_CHECKED = 1 << 5,
	ERROR_OF_FRAME = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 4 | 1 << 7, /* CRC, symbol, sequence, carrier, data */
	ERROR_OF_TRANSPORT = 1 << 5,
};

enum e1000e_verdict e1000e_read(const struct e1000e_received *d, uint32_t *length)
{
	*length = 0;
	if (!(d->status & E1000E_DONE))
		return E1000E_NONE;
	if (!(d->status & WHOLE) || d->errors & ERROR_OF_FRAME || d->length > E1000E_BUFFER ||
	    d->length < E1000E_FRAME_LEAST)
		return E1000E_BAD;
	*length = d->length;
	bool checked = (d->status & (TRANSPORT_CHECKED | NOT_CHECKED)) == TRANSPORT_CHECKED;
	return checked && !(d->errors & ERROR_OF_TRANSPORT) ? E1000E_CHECKED : E1000E_FRAME;
}

bool e1000e_address(uint32_t ral, uint32_t rah, uint8_t out[6])
{
	uint8_t any = 0;

	for (unsigned i = 0; i < 6; i++) {
		out[i] = (uint8_t)(i < 4 ? ral >> 8 * i : rah >> 8 * (i - 4));
		any |= out[i];
	}
	return rah & E1000E_RAH_VALID && any != 0 && !(out[0] & 1);
}

uint32_t e1000e_hash(const uint8_t address[6])
{
	return (uint32_t)(address[4] >> 4 | address[5] << 4) & 0xfff;
}

uint32_t e1000e_mbit(uint32_t status)
{
	static const uint16_t speeds[] = {10, 100, 1000, 1000};

	return speeds[status >> 6 & 3];
}
