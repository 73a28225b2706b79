/* SPDX-License-Identifier: MIT */
/*
 * The calls on PCI functions: what may be written, and how a function is silenced (PCIe Base 4.0, 6.6.2, function-level
 * reset; PCI Power Management 1.2, 5.4.1). Writes that are not known to be harmless are refused.
 */
#include "debug/debug.h"
#include "device/pci.h"
#include "gate/calls.h"
#include "gate/lock.h"
#include "gate/policy.h"
#include "report/report.h"
#include "time/clock.h"
#include <abi/errno.h>

enum : uint32_t {
	COMMAND_HARMLESS = 1 << 6 | 1 << 8 | PCI_COMMAND_INTERRUPT_OFF, /* parity and system errors */
	COMMAND_DECODES = PCI_COMMAND_IO | PCI_COMMAND_MEMORY,
	COMMAND_CLAIMED = COMMAND_DECODES | PCI_COMMAND_BUS_MASTER,
	BRIDGE_BARS = 2,
	PCI_CACHE_LINE = 0x0c,
	PCI_LATENCY = 0x0d,
	PM_CONTROL = 4, /* offsets in the capability (PCI PM 3.2.4); D-state in bits 0 and 1 */
	PM_CONTROL_STATE = 3,
	PM_CONTROL_NO_SOFT_RESET = 1 << 3,
	EXPRESS_CAPABILITIES = 4, /* (PCIe 7.5.3.3) */
	EXPRESS_CAPABLE_RESET = 1 << 28,
	EXPRESS_CONTROL = 8, /* (PCIe 7.5.3.4) */
	EXPRESS_CONTROL_RESET = 1 << 15,
	EXPRESS_STATUS = 10,
	EXPRESS_SLOT_CONTROL = 0x18, /* (PCIe 7.5.3.10) */
	EXPRESS_SLOT_STATUS = 0x1a,
};
enum : uint64_t { RESET_NS = 100'000'000 }; /* PCIe 6.6.2: before it is asked anything; after D3, 10 ms would do */

static bool command_ok(const struct claim *c, uint32_t value)
{
	uint32_t refused = ~c->decodes & COMMAND_DECODES;

	/* What is given back after silence must not be written by the device once more. */
	refused |= c->silenced ? PCI_COMMAND_BUS_MASTER : 0;
	return !(value & (~(COMMAND_HARMLESS | COMMAND_CLAIMED) | refused));
}

/* What a bridge would pass on is nobody's. */
static bool window_ok(const struct pci_window *w, uint64_t space)
{
	return w->base > w->limit ||
	       (w->limit < CLAIM_PORT_SPACE - 1 &&
		claim_range_free((struct claim_range){w->base | space, (w->limit + 1) | space}, nullptr));
}

/* A bridge only ever passes on more, and nothing that is not nobody's: what stands behind it is asked for itself. Its
 * own BARs have to have a place, too. */
static bool bridge_command_ok(uint32_t function, uint32_t value)
{
	uint32_t now = pci_register(function, PCI_COMMAND, 2), more = value & ~now;
	struct pci_bars raw;
	struct pci_bar bars[BRIDGE_BARS];
	struct pci_windows w;

	if ((value & now) != now || more & ~(COMMAND_HARMLESS | COMMAND_CLAIMED))
		return false;
	if (!(more & COMMAND_DECODES))
		return true;
	pci_windows(function, 0, 0, &w);
	pci_measure(function, BRIDGE_BARS, &raw);
	pci_bars_decode(raw.value, raw.ones, BRIDGE_BARS, bars);
	for (unsigned i = 0; i < BRIDGE_BARS; i++)
		if (bars[i].size && !claim_range_free(pci_bar_range(&bars[i]), nullptr))
			return false;
	return !(more & COMMAND_DECODES & ~pci_bars_decodable(raw.ones, bars, BRIDGE_BARS)) &&
	       (!(more & PCI_COMMAND_IO) || window_ok(&w.io, CLAIM_PORT_SPACE)) &&
	       (!(more & PCI_COMMAND_MEMORY) || (window_ok(&w.memory, 0) && window_ok(&w.prefetchable, 0)));
}

/* Whether anybody, or the debugger's stub, has what is on the buses of a bridge with these numbers. */
static bool buses_claimed(uint32_t function, uint32_t numbers)
{
	uint32_t segment = function & 0xffff0000;
	uint32_t first = segment | (numbers & 0xff00), last = segment | (numbers >> 8 & 0xff00) | 0xff;

	return numbers & 0xff00 && (debug_hides_some(first, last) || claim_of_functions(first, last));
}

/* The buses below a bridge, if nothing is claimed there, neither by the numbers before nor by those after. */
static bool bridge_numbers_ok(uint32_t function, uint32_t value)
{
	uint32_t now = pci_register(function, PCI_PRIMARY_BUS, 4), bus = function >> 8 & 0xff;
	uint32_t secondary = value >> 8 & 0xff, subordinate = value >> 16 & 0xff;

	return (value & 0xff) == bus && !((value ^ now) >> 24) &&
	       (!(secondary | subordinate) || (secondary > bus && subordinate >= secondary)) &&
	       !buses_claimed(function, now) && !buses_claimed(function, value);
}

/* A window of a bridge, unless something behind it is claimed, or it would then pass on RAM, or what the nucleus or a
 * claim has; zeros, as a reset leaves them, only while nothing is decoded. */
static bool bridge_window_ok(uint32_t function, uint32_t offset, uint32_t value)
{
	bool off = !(pci_register(function, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY);
	struct pci_windows w;

	pci_windows(function, offset, value, &w);
	return !buses_claimed(function, pci_register(function, PCI_PRIMARY_BUS, 4)) &&
	       ((off && !value) || window_ok(offset == PCI_MEMORY_WINDOW ? &w.memory : &w.prefetchable, 0));
}

/* What who keeps devices writes to one that nobody need have claimed. */
static bool bridge_written(uint32_t function, uint32_t offset, uint32_t bytes, uint32_t value)
{
	if ((pci_register(function, PCI_HEADER_TYPE, 1) & PCI_HEADER_TYPE_MASK) != PCI_HEADER_BRIDGE ||
	    !policy_allows(KEEPS_DEVICES, cpu_this()->current->component))
		return false;
	if (!(bytes == 4 && offset >= PCI_MEMORY_WINDOW && offset <= PCI_PREFETCHABLE_LIMIT_HIGH &&
	      bridge_window_ok(function, offset, value)) &&
	    !(offset == PCI_COMMAND && bytes == 2 && bridge_command_ok(function, value)) &&
	    !(offset == PCI_PRIMARY_BUS && bytes == 4 && bridge_numbers_ok(function, value)))
		return false;
	pci_register_write(function, offset, bytes, value);
	return true;
}

/* A register of the claimed function other than the command. */
static bool register_ok(const struct claim *c, uint32_t offset, uint32_t bytes, uint32_t value)
{
	uint32_t power = pci_capability(c->function, PCI_CAP_POWER);
	uint32_t express = pci_capability(c->function, PCI_CAP_PCIE);

	if (bytes == 1)
		return offset == PCI_CACHE_LINE || offset == PCI_LATENCY || offset == PCI_INTERRUPT_LINE;
	if (bytes != 2)
		return false;
	if (c->is_port)
		return express && (offset == express + EXPRESS_SLOT_CONTROL || offset == express + EXPRESS_SLOT_STATUS);
	return offset == PCI_STATUS || (power && offset == power + PM_CONTROL) ||
	       (express && offset == express + EXPRESS_STATUS) ||
	       (express && offset == express + EXPRESS_CONTROL && !(value & EXPRESS_CONTROL_RESET));
}

static bool register_exists(uint32_t offset, uint32_t bytes)
{
	return (bytes == 1 || bytes == 2 || bytes == 4) && !(offset & (bytes - 1)) && offset < PCIE_CONFIG_BYTES;
}

long call_pci_read(uint32_t function, uint32_t offset, uint32_t bytes)
{
	if (!register_exists(offset, bytes))
		return -EINVAL;
	NUCLEUS_LOCKED;
	return pci_register(function, offset, bytes);
}

long call_pci_write(uint32_t function, uint32_t offset, uint32_t bytes, uint32_t value)
{
	bool is_command = offset == PCI_COMMAND && bytes == 2;
	struct claim *c;

	if (!register_exists(offset, bytes) || (bytes < 4 && value >> 8 * bytes))
		return -EINVAL;
	NUCLEUS_LOCKED;
	c = claim_own_function(function);
	if (c && !c->is_port && is_command && command_ok(c, value))
		pci_command_write(c, value);
	else if (c && !is_command && register_ok(c, offset, bytes, value))
		pci_register_write(function, offset, bytes, value);
	else if (!bridge_written(function, offset, bytes, value))
		return report_refused_device(NUCLEUS_CALL_pci_write, CLAIM_FUNCTION, (uint64_t)offset << 32 | function);
	return 0;
}

/* Gives the BAR an address, or 0, which is none. Nothing is decoded meanwhile; without an address not afterwards. */
static long place(uint32_t function, uint32_t bar, const struct pci_bar *b, uint64_t address)
{
	uint64_t space = b->kind == PCI_BAR_IO ? CLAIM_PORT_SPACE : 0;
	uint64_t limit = b->kind == PCI_BAR_IO ? ARCH_PORTS : b->kind == PCI_BAR_MEMORY ? 1ull << 32 : CLAIM_PORT_SPACE;
	uint32_t command = pci_register(function, PCI_COMMAND, 2);

	if (!b->size || address & (b->size - 1) || b->size > limit || address > limit - b->size)
		return -EINVAL;
	if (address && !claim_range_free((struct claim_range){address | space, (address + b->size) | space}, nullptr))
		return report_refused_device(NUCLEUS_CALL_pci_bars, CLAIM_FUNCTION, function);
	pci_register_change(function, PCI_COMMAND, COMMAND_CLAIMED, 0);
	pci_register_write(function, PCI_BAR0 + 4 * bar, 4, (uint32_t)address);
	if (b->kind == PCI_BAR_MEMORY_64)
		pci_register_write(function, PCI_BAR0 + 4 * bar + 4, 4, (uint32_t)(address >> 32));
	pci_register_write(function, PCI_COMMAND, 2, address ? command : command & ~COMMAND_CLAIMED);
	return 0;
}

long call_pci_bars(uint32_t function, uint32_t bar, uint64_t address)
{
	struct pci_bar decoded[PCI_BARS_MAX];
	struct pci_bars raw;
	uint32_t type;
	unsigned count;
	long result;

	NUCLEUS_LOCKED;
	if (pci_register(function, PCI_VENDOR_ID, 2) == 0xffff)
		return -ENODEV;
	/* A host bridge's are no usual ones. */
	if (!policy_allows(KEEPS_DEVICES, cpu_this()->current->component) || claim_of_function(function) ||
	    pci_register(function, PCI_CLASS + 1, 2) == 0x0600)
		return report_refused_device(NUCLEUS_CALL_pci_bars, CLAIM_FUNCTION, function);
	type = pci_register(function, PCI_HEADER_TYPE, 1) & PCI_HEADER_TYPE_MASK;
	count = type == PCI_HEADER_DEVICE ? 6 : type == PCI_HEADER_BRIDGE ? BRIDGE_BARS : 0;
	/* Placing one switches off what a bridge passes on, too. */
	if (count == BRIDGE_BARS && bar != PCI_BAR_KEEP &&
	    buses_claimed(function, pci_register(function, PCI_PRIMARY_BUS, 4)))
		return report_refused_device(NUCLEUS_CALL_pci_bars, CLAIM_FUNCTION, function);
	pci_measure(function, count, &raw);
	pci_bars_decode(raw.value, raw.ones, count, decoded);
	result = bar == PCI_BAR_KEEP ? 0 : bar < count ? place(function, bar, &decoded[bar], address) : -EINVAL;
	if (!result)
		*(struct pci_bars *)current_thread_page()->call = raw;
	return result;
}

/* Starts a reset, if there is a way. Bus mastering is off. */
static long reset(struct claim *c)
{
	uint32_t express = pci_capability(c->function, PCI_CAP_PCIE),
		 power = pci_capability(c->function, PCI_CAP_POWER);
	uint32_t control = power ? pci_register(c->function, power + PM_CONTROL, 2) : PM_CONTROL_NO_SOFT_RESET;

	if (express && pci_register(c->function, express + EXPRESS_CAPABILITIES, 4) & EXPRESS_CAPABLE_RESET)
		pci_register_change(c->function, express + EXPRESS_CONTROL, 0, EXPRESS_CONTROL_RESET);
	else if (!(control & PM_CONTROL_NO_SOFT_RESET))
		pci_register_write(c->function, power + PM_CONTROL, 2, control | PM_CONTROL_STATE);
	else
		return -EOPNOTSUPP;
	c->ready_ns = clock_ns() + RESET_NS;
	return RESET_NS;
}

/* The time of the reset is over. */
static long end_reset(struct claim *c)
{
	uint32_t power = pci_capability(c->function, PCI_CAP_POWER);
	uint32_t control = power ? pci_register(c->function, power + PM_CONTROL, 2) : 0;

	/* Out of D3, which empties its registers, too; then once more as long. */
	if (control & PM_CONTROL_STATE) {
		pci_register_write(c->function, power + PM_CONTROL, 2, control & ~PM_CONTROL_STATE);
		c->ready_ns = clock_ns() + RESET_NS;
		return RESET_NS;
	}
	pci_restore_bars(c);
	c->ready_ns = 0;
	if (pci_register(c->function, PCI_VENDOR_ID, 2) == 0xffff)
		return -ENODEV;
	return pci_register(c->function, PCI_COMMAND, 2) & PCI_COMMAND_BUS_MASTER ? -EIO : 0;
}

long call_pci_silence(uint32_t function)
{
	uint32_t component = cpu_this()->current->component;
	uint64_t now = clock_ns();
	struct claim *c;

	NUCLEUS_LOCKED;
	c = claim_of_function(function);
	if (!c || (c->component != component && !policy_allows(KEEPS_DEVICES, component)))
		return report_refused_device(NUCLEUS_CALL_pci_silence, CLAIM_FUNCTION, function);
	if (c->ready_ns)
		return now < c->ready_ns ? (long)(c->ready_ns - now) : end_reset(c);
	pci_quieten(c);
	if (c->is_port) /* what is behind it goes on */
		return 0;
	c->silenced = true;
	return pci_register(function, PCI_VENDOR_ID, 2) == 0xffff ? -ENODEV : reset(c);
}
