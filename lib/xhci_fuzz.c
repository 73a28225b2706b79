/* SPDX-License-Identifier: MIT */
/* libFuzzer: any capability registers of an xHCI controller; what is believed of them is within its registers. And a
 * ring under any sequence of puts: what the controller would follow never leaves it. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include <lib/xhci.h>

static void ring(const uint8_t *data, size_t size)
{
	struct xhci_trb memory[5], t = {.control = XHCI_TYPE(XHCI_NORMAL)};
	struct xhci_ring r;
	uint32_t at = 0, cycle = 1, place;

	xhci_ring_begin(&r, memory, 0x4000, sizeof(memory));
	for (size_t n = 0; n < size; n++) {
		bool held = data[n] & 1;

		t.parameter = n;
		place = xhci_ring_put(&r, &t, held);
		/* As the controller goes: it sees nothing that is held. */
		assert(((memory[at].control & XHCI_CYCLE) == cycle) == !held);
		if (held)
			xhci_ring_release(&r, place);
		assert(at == place && memory[at].parameter == n && (memory[at].control & XHCI_CYCLE) == cycle);
		if (xhci_type_of(&memory[++at]) == XHCI_LINK) {
			assert((memory[at].control & XHCI_CYCLE) == cycle);
			at = 0;
			cycle ^= 1;
		}
		assert((memory[at].control & XHCI_CYCLE) != cycle);
		assert(xhci_ring_dequeue(&r) == (0x4000 + at * 16) + cycle);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t registers[8], range, at, steps = 0;
	struct xhci_capabilities c;

	if (size < sizeof(registers) + sizeof(range))
		return 0;
	memcpy(registers, data, sizeof(registers));
	memcpy(&range, data + sizeof(registers), sizeof(range));
	range &= 0x1ffff;
	ring(data, size);
	/* Such as are near what can be. */
	if (data[size - 1] & 1) {
		registers[0] = (registers[0] & 0xffff00fc) | 0x20;
		registers[5] &= 0xffff;
		registers[6] &= 0xffff;
	}
	if (xhci_read_capabilities(registers, range, &c) != nullptr)
		return 0;
	assert(c.operational + XHCI_PORTSC + c.ports * 16ull <= range && c.runtime + 0x40ull <= range);
	assert(c.doorbells + 4ull * c.slots + 4 <= range && c.scratchpads < 1024);
	for (at = c.extended; at != 0; at = xhci_next_extended(at, registers[at / 4 % 8], range)) {
		assert(at + 4ull <= range);
		assert(++steps < UINT32_MAX / 4);
	}
	return 0;
}
