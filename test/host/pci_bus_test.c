/* SPDX-License-Identifier: MIT */
/* The PCI bus before machines that no emulator offers: without firmware, with cards that are changed, that answer
 * nothing, and with a walk that faults at any of its steps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pci_model.h"

#include "pci_model.c"

#include <kernel/bus/pci/enumerate.c>
#include <kernel/bus/pci/number.c>
#include <kernel/bus/pci/pci.c>
#include <kernel/bus/pci/place.c>
#include <kernel/bus/pci/presence.c>
#include <kernel/bus/pci/root.c>

/* --- what the bus has of other files --- */

int pci_entries(struct device *, struct tree_node *)
{
	return 0;
}

void pci_uevent(struct device *, struct text_buffer *)
{
}

void pci_proc_add(const struct device *)
{
}

int pci_host_node(uint32_t, const void **)
{
	return -1;
}

int pci_wire(const struct device *, struct device_line *)
{
	return -ENOENT;
}

int service_start(struct service *s)
{
	s->thread = (struct thread *)page.lowered;
	return 0;
}

/* The thread does what it is asked to at once, and begins anew after a fault. */
void service_wake(struct service *s)
{
	if (setjmp(landing) != 0)
		s->mend();
	s->loop();
}

bool service_park(uint64_t)
{
	return true;
}

static void start(void)
{
	pci_root_reserve();
	assert_int_equal(pci_rescan(), 0);
}

static int set_up(void **)
{
	model = (struct model){.now_ns = 1};
	boot = (struct boot_info){.pci_count = 1, .pci = {{.phys = 0xb0000000, .last_bus = 0xff}}};
	pci_forget(0, UINT32_MAX);
	return 0;
}

static int tear_down(void **)
{
	/* Nobody but the tree has a reference. */
	unsigned references = model.references, objects = model.objects;

	for (unsigned i = 0; i < device_count; i++) {
		kfree(devices[i]->bus_data);
		free(devices[i]);
	}
	objects -= device_count;
	device_count = 0;
	return references != 0 || objects != 0;
}

/* Of a function that firmware gave an address. */
static unsigned placed_at(uint32_t number, uint32_t at, uint32_t bytes)
{
	unsigned f = model_add(ROOT, number, bytes);

	model_set(f, PCI_BAR0, 4, at);
	return f;
}

static uint64_t window_base(unsigned bridge)
{
	return (uint64_t)(model_register(bridge, PCI_MEMORY_WINDOW, 4) & 0xfff0) << 16;
}

static uint64_t window_limit(unsigned bridge)
{
	return (model_register(bridge, PCI_MEMORY_WINDOW, 4) & 0xfff00000) | 0xfffff;
}

/* --- without firmware --- */

static void bridges_after_a_reset(void **)
{
	placed_at(0x08, 0xfe000000, 0x100000);
	placed_at(0x10, 0xfea00000, 0x100000);
	unsigned outer = model_add_bridge(ROOT, 0x18), inner = model_add_bridge(outer, 0);
	unsigned card = model_add(inner, 0x08, 0x4000), empty = model_add_bridge(ROOT, 0x20);

	start();
	assert_int_equal(model_devices(), 6);
	assert_non_null(model_device("0000:00:03.0"));
	uint32_t at = model_register(card, PCI_BAR0, 4);
	assert_true(at >= 0xfe100000 && at < 0xfea00000);
	assert_true(window_base(inner) <= at && window_limit(inner) >= at + 0x3fff);
	assert_true(window_base(outer) <= window_base(inner) && window_limit(outer) >= window_limit(inner));
	/* What nobody needs is shut, not open at address 0; ports are not passed on. */
	for (unsigned i = 0; i < 3; i++) {
		unsigned b = i == 0 ? outer : i == 1 ? inner : empty;

		assert_int_equal(model_register(b, PCI_PREFETCHABLE_WINDOW, 4), 0xfff0);
		assert_int_equal(model_register(b, PCI_COMMAND, 2), PCI_COMMAND_MEMORY | PCI_COMMAND_BUS_MASTER);
	}
	assert_true(window_base(empty) > window_limit(empty));
	/* As firmware left it: ports, too, and nothing is moved. */
	assert_int_equal(tear_down(nullptr), 0);
	model_set(outer, PCI_IO_WINDOW, 2, 0x2010);
	uint32_t before = model_register(outer, PCI_MEMORY_WINDOW, 4);
	pci_forget(0, UINT32_MAX);
	start();
	assert_int_equal(model_register(outer, PCI_MEMORY_WINDOW, 4), before);
	assert_int_equal(model_register(outer, PCI_COMMAND, 2) & PCI_COMMAND_IO, PCI_COMMAND_IO);
	assert_int_equal(model_register(card, PCI_BAR0, 4), at);
}

/* Bridges to CardBus have numbers, and so have root buses that no bridge leads to. */
static void numbers_of_others(void **)
{
	unsigned cardbus = model_add(ROOT, 0x08, 0), bridge = model_add_bridge(ROOT, 0x10);
	unsigned other = model_add(ROOT, 0x8010, 0x1000);

	model_set(cardbus, PCI_HEADER_TYPE, 1, PCI_HEADER_CARDBUS);
	model_set(cardbus, PCI_SECONDARY_BUS, 1, 1);
	model_set(cardbus, PCI_SUBORDINATE_BUS, 1, 4);
	start();
	assert_int_equal(model_register(bridge, PCI_SECONDARY_BUS, 1), 0x81);
	assert_int_equal(model_register(bridge, PCI_SUBORDINATE_BUS, 1), 0xff);
	assert_int_equal(model_register(cardbus, PCI_SECONDARY_BUS, 2), 0x0401);
	/* Where that one ends before, the larger part is in front of it. */
	assert_int_equal(tear_down(nullptr), 0);
	model.at[other].number = 0xc010;
	model_empty(bridge);
	start();
	assert_int_equal(model_register(bridge, PCI_SECONDARY_BUS, 1), 5);
	assert_int_equal(model_register(bridge, PCI_SUBORDINATE_BUS, 1), 0xbf);
}

/* Between what firmware placed there may be others' ranges; and each root bus has addresses of its own. */
static void holes_of_a_root(void **)
{
	placed_at(0x08, 0xc0000000, 0x10000);
	placed_at(0x10, 0xc0040000, 0x10000);
	unsigned card = model_add(ROOT, 0x18, 0x10000);

	boot.reserved_count = 1;
	boot.reserved[0] = (struct boot_range){0xc0010000, 0xc0030000};
	start();
	assert_int_equal(model_register(card, PCI_BAR0, 4), 0xc0030000);
	assert_int_equal(tear_down(nullptr), 0);

	/* Another segment's addresses, and its configuration space, are in between. */
	model_empty(card);
	boot.reserved_count = 0;
	boot.pci_count = 2;
	boot.pci[0].phys = 0xc0100000;
	boot.pci[0].last_bus = 0;
	boot.pci[1] = (struct pci_ecam){.phys = 0xc0010000 - (1 << 20), .segment = 1, .last_bus = 0};
	placed_at(0x10008, 0xd0000000, 0x10000);
	unsigned far = model_add(ROOT, 0x10010, 0x10000);
	pci_forget(0, UINT32_MAX);
	start();
	assert_int_equal(model_register(card, PCI_BAR0, 4), 0xc0010000);
	assert_int_equal(model_register(far, PCI_BAR0, 4), 0);
	assert_true(model_said("no place is known"));
}

/* --- cards that change --- */

static void another_card(void **)
{
	placed_at(0x08, 0xfe000000, 0x1000);
	placed_at(0x10, 0xfe100000, 0x1000);
	unsigned card = model_add(ROOT, 0x18, 0x1000);

	start();
	const struct device *before = model_device("0000:00:03.0");
	uint32_t at = model_register(card, PCI_BAR0, 4);
	assert_non_null(before);
	/* It is the same as long as it has what it was given, or is being reset. */
	assert_int_equal(pci_rescan(), 0);
	assert_ptr_equal(model_device("0000:00:03.0"), before);
	pci_of(before)->resets = 1;
	model_empty(card);
	assert_int_equal(pci_rescan(), 0);
	assert_ptr_equal(model_device("0000:00:03.0"), before);
	pci_of(before)->resets = 2;
	/* Another of the same kind. */
	assert_int_equal(pci_rescan(), 0);
	assert_ptr_not_equal(model_device("0000:00:03.0"), before);
	assert_true(before->gone);
	assert_int_equal(model_register(card, PCI_BAR0, 4), at);
	/* Another of another kind. */
	before = model_device("0000:00:03.0");
	model_set(card, PCI_DEVICE_ID, 2, 0x2000);
	assert_int_equal(pci_rescan(), 0);
	assert_ptr_not_equal(model_device("0000:00:03.0"), before);
	/* A bridge, with what is behind it. */
	unsigned bridge = model_add_bridge(ROOT, 0x20), behind = model_add(bridge, 0, 0x1000);
	assert_int_equal(pci_rescan(), 0);
	before = model_device("0000:01:00.0");
	assert_non_null(before);
	model_empty(bridge);
	model_empty(behind);
	assert_int_equal(pci_rescan(), 0);
	assert_true(before->gone);
	assert_non_null(model_device("0000:01:00.0"));
}

static struct device *slot_with_card(unsigned *port, unsigned *card)
{
	placed_at(0x08, 0xfe000000, 0x1000);
	placed_at(0x10, 0xfea00000, 0x1000);
	*port = model_add_bridge(ROOT, 0x18);
	model_add_slot(*port);
	*card = model_add(*port, 0, 0x1000);
	start();
	assert_non_null(model_device("0000:01:00.0"));
	return model_device("0000:00:03.0");
}

/* The slot's driver says that it went and, before that was done, that something is there. */
static void slot_changed_at_once(void **)
{
	unsigned port, card;
	struct device *dev = slot_with_card(&port, &card);
	const struct device *before = model_device("0000:01:00.0");

	walker.loop = mend; /* it has no time */
	pci_below_ask(dev, PCI_BELOW_GONE);
	walker.loop = work;
	assert_false(pci_below_done(dev));
	pci_below_ask(dev, PCI_BELOW_THERE);
	assert_true(pci_below_done(dev));
	assert_true(before->gone);
	assert_non_null(model_device("0000:01:00.0"));
	/* Or only that something is there. */
	before = model_device("0000:01:00.0");
	model_empty(card);
	pci_below_ask(dev, PCI_BELOW_THERE);
	assert_true(before->gone);
	assert_non_null(model_device("0000:01:00.0"));
	pci_below_ask(dev, PCI_BELOW_GONE);
	assert_null(model_device("0000:01:00.0"));
}

/* --- all ones --- */

/* The function answers nothing when it is silenced: what is proved by that. */
static bool silent(struct device *dev)
{
	unsigned before = model.not_silent;

	pci_of(dev)->claimed = true;
	model.silence = -ENODEV;
	silence(dev);
	return model.not_silent == before;
}

static void all_ones(void **)
{
	unsigned port, card, alone = model_add(ROOT, 0x20, 0);
	struct device *dev = slot_with_card(&port, &card), *function = model_device("0000:01:00.0");
	struct device *on_root = model_device("0000:00:04.0");

	/* Something is in the slot. */
	assert_false(silent(function));
	assert_int_equal(pci_of(function)->resets % 2, 0);
	/* It is empty, or without a link. */
	model_set(port, 0x40 + PCIE_SLOT_STATUS, 2, 0);
	assert_true(silent(function));
	model_set(port, 0x40 + PCIE_SLOT_STATUS, 2, PCIE_SLOT_PRESENT);
	model_set(port, 0x40 + PCIE_LINK_CAPABILITIES, 4, PCIE_LINK_TELLS);
	assert_true(silent(function));
	model_set(port, 0x40 + PCIE_LINK_STATUS, 2, PCIE_LINK_UP);
	assert_false(silent(function));
	/* The port answers nothing either: nothing is known. */
	model_set(port, 0x40 + PCIE_SLOT_STATUS, 2, 0);
	model.at[port].mute = true;
	assert_false(silent(function));
	assert_false(silent(dev));
	/* One without a slot, though it was taken away for it. */
	model.at[alone].mute = true;
	assert_int_equal(pci_rescan(), 0);
	assert_true(on_root->gone);
	assert_false(silent(on_root));
}

/* --- faults --- */

/* A port with a card behind it, then a bridge in the card's place, then what the port's driver may ask for. */
static void long_life(void)
{
	unsigned port, card;

	boot.pci[0].last_bus = 7;
	struct device *dev = slot_with_card(&port, &card);
	unsigned inner = model_add_bridge(port, 0x08);

	model_add(inner, 0, 0x1000);
	assert_int_equal(pci_rescan(), 0);
	model_empty(card);
	pci_below_ask(dev, PCI_BELOW_THERE);
	pci_below_ask(dev, PCI_BELOW_GONE);
	assert_int_equal(model_devices(), 3);
	pci_below_ask(dev, PCI_BELOW_THERE);
	assert_int_equal(model_devices(), 6);
	assert_int_equal(model.references, 0);
}

/* At each call of the nucleus: nothing is held afterwards, and all is found. */
static void faults_at_every_step(void **)
{
	long_life();
	unsigned steps = model.steps;
	assert_true(steps > 300);
	for (unsigned at = 1; at <= steps; at++) {
		assert_int_equal(tear_down(nullptr), 0);
		assert_int_equal(set_up(nullptr), 0);
		model.fault_at = at;
		long_life();
		assert_int_equal(model.faults, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(bridges_after_a_reset, set_up, tear_down),
		cmocka_unit_test_setup_teardown(numbers_of_others, set_up, tear_down),
		cmocka_unit_test_setup_teardown(holes_of_a_root, set_up, tear_down),
		cmocka_unit_test_setup_teardown(another_card, set_up, tear_down),
		cmocka_unit_test_setup_teardown(slot_changed_at_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(all_ones, set_up, tear_down),
		cmocka_unit_test_setup_teardown(faults_at_every_step, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
