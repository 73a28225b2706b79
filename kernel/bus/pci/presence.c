/* SPDX-License-Identifier: MIT */
/*
 * Whether a function that was found is there still. Another that came in its place may be of the same kind to the last
 * register that says so; but what was given to the one before, addresses and numbers of buses, it does not have.
 */
#include "pci_internal.h"

#include <kernel/base/clock.h>
#include <kernel/base/thread.h>

/* What was just reset or plugged in need not answer before (PCIe 4.0, 6.6.1). */
constexpr uint64_t ANSWER_LIMIT_NS = 1'000'000'000, ANSWER_LOOK_NS = 50'000'000;

static bool same_kind(const struct pci_identity *a, const struct pci_identity *b)
{
	return a->vendor == b->vendor && a->device == b->device && a->class == b->class && a->revision == b->revision &&
	       a->header_type == b->header_type && a->subsystem_vendor == b->subsystem_vendor &&
	       a->subsystem == b->subsystem;
}

static bool has_bar(const struct pci_config *config, unsigned index, const struct pci_bar *b)
{
	uint64_t at = pci_read(config, PCI_BAR0 + 4 * index, 4);

	if (b->kind == PCI_BAR_MEMORY_64)
		at |= (uint64_t)pci_read(config, PCI_BAR0 + 4 * index + 4, 4) << 32;
	return (at & ~(b->size - 1)) == b->base;
}

/* Whether it has what it was given. */
static bool has_addresses(const struct pci_config *config, const struct pci_device *p, const struct pci_identity *now)
{
	bool has = p->identity.secondary_bus == 0 || (p->identity.secondary_bus == now->secondary_bus &&
						      p->identity.subordinate_bus == now->subordinate_bus);

	for (unsigned i = 0; i < PCI_BARS_MAX; i++)
		has = has && (p->bar[i].size == 0 || p->bar[i].base == 0 || has_bar(config, i, &p->bar[i]));
	return has;
}

enum answer : uint8_t { ANSWERS, ANSWERS_NOT, IS_ANOTHER };

static enum answer look(const struct pci_device *p)
{
	uint32_t function = p->function, resets = __atomic_load_n(&p->resets, __ATOMIC_SEQ_CST);
	struct pci_config config = pci_registers(&function);
	struct pci_identity id;

	if (!pci_identify(&config, &id))
		return ANSWERS_NOT;
	if (!same_kind(&id, &p->identity))
		return IS_ANOTHER;
	/* While it is being reset it may have none. */
	if (has_addresses(&config, p, &id) || resets % 2 != 0 ||
	    __atomic_load_n(&p->resets, __ATOMIC_SEQ_CST) != resets)
		return ANSWERS;
	return IS_ANOTHER;
}

bool pci_is_there(const struct device *dev)
{
	uint64_t begin = clock_monotonic_ns(), now = begin;
	enum answer answer;

	while ((answer = look(pci_of(dev))) == ANSWERS_NOT && now - begin < ANSWER_LIMIT_NS && !pci_is_cut_off(dev)) {
		(void)thread_park(now + ANSWER_LOOK_NS);
		now = clock_monotonic_ns();
	}
	return answer == ANSWERS;
}
