/* SPDX-License-Identifier: MIT */
/*
 * Finds the functions of every segment that the nucleus knows, bus by bus, and adds a device for each: at boot, when
 * somebody asks for it, and when a port says that something came or went. All in one thread, which is this component's
 * since the nucleus asks who gives bridges their numbers and windows; it is a service, and begins anew after a fault:
 * what was asked for is only taken for done afterwards, and a walk that is repeated finds the devices that are there.
 */
#include "pci_internal.h"

#include "kernel/thread/service.h"

#include <abi/errno.h>
#include <kernel/base/clock.h>
#include <kernel/base/init.h>
#include <kernel/base/log.h>
#include <kernel/base/node.h>
#include <kernel/base/wait.h>
#include <kernel/device/pull.h>
#include <kernel/mem/slab.h>
#include <kernel/thread/report.h>
#include <lib/string.h>
#include <nucleus/calls.h>
#include <nucleus/device.h>

constexpr unsigned BUSES = 256;
constexpr uint64_t RESCAN_LIMIT_NS = 600'000'000'000;

/* What is still to be walked; the walk's own. The parents are references, but for the first's. */
static struct pci_place to_walk[BUSES];
static unsigned to_walk_count;
static unsigned found;
/* References of loops under way, and what is not a device yet: after a fault they are given back. */
enum hold : unsigned { HOLD_FOUND, HOLD_MISSING, HOLD_BELOW, HOLD_PORT, HOLD_ASKED, HOLDS };
static struct device *held[HOLDS];
static struct pci_device *making;

/* What faults in the middle is rather left over than given back twice. */
static void let_go(struct device **reference)
{
	struct device *dev = *reference;

	*reference = nullptr;
	device_put(dev);
}

/* The device after the one that is held, or the first; nullptr: no more. */
static struct device *next(enum hold h)
{
	struct device *after = held[h];

	held[h] = nullptr;
	return held[h] = device_each(after);
}

static void name_of(uint32_t function, char *name)
{
	snprintf(name, DEVICE_NAME_MAX, "%04x:%02x:%02x.%u", function >> 16, function >> 8 & 0xff, function >> 3 & 31,
		 function & 7);
}

static uint32_t read32(void *context, uint32_t offset)
{
	uint32_t function = *(const uint32_t *)context;
	char name[DEVICE_NAME_MAX];

	if (DEVICE_PULLED_NAMED((name_of(function, name), name)))
		return UINT32_MAX;
	return (uint32_t)nucleus_pci_read(function, offset, 4);
}

struct pci_config pci_registers(uint32_t *function)
{
	/* Beyond what can be reached all is ones. */
	return (struct pci_config){.read32 = read32, .context = function, .bytes = PCIE_CONFIG_BYTES};
}

bool pci_bus_each(const struct pci_place *at, uint32_t *function, struct pci_identity *id)
{
	uint32_t first = at->segment << 16 | (uint32_t)at->bus << 8;

	/* A device has further functions if its first says so; without that one it has none. */
	for (uint32_t next = *function == PCI_NO_FUNCTION		  ? first
			     : (*function & 7) != 0 || id->many_functions ? *function + 1
									  : (*function | 7) + 1;
	     next < first + 0x100;) {
		struct pci_config config = pci_registers(&next);

		if (pci_identify(&config, id)) {
			*function = next;
			return true;
		}
		next = (next & 7) == 0 ? next + 8 : next + 1;
	}
	return false;
}

/* --- what is behind a bridge --- */

/* What stands behind may use memory, ports and the bus: each function is asked for itself. One by one: without ports
 * the rest goes on. A window of ports that nobody placed would be open, and cannot be shut. */
static void switch_on(const struct device *dev, uint32_t function, bool ports)
{
	static const uint32_t bits[] = {PCI_COMMAND_BUS_MASTER, PCI_COMMAND_MEMORY, PCI_COMMAND_IO};
	uint32_t command = (uint32_t)nucleus_pci_read(function, PCI_COMMAND, 2);

	for (unsigned i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
		if ((command & bits[i]) != 0 || (bits[i] == PCI_COMMAND_IO && !ports))
			continue;
		if (nucleus_pci_write(function, PCI_COMMAND, 2, command | bits[i]) == 0)
			command |= bits[i];
		else
			log_warn("pci: %s: the bridge does not pass on %s", device_name(dev),
				 i == 0	  ? "what masters the bus"
				 : i == 1 ? "memory: its window or a BAR has no place of its own"
					  : "ports: its window or a BAR has no place of its own");
	}
}

/* Into what is behind a bridge, with the reference to it that was found: nullptr while surveying, it may be. */
static void enter(const struct pci_place *from, bool fresh, uint32_t function, const struct pci_identity *id)
{
	struct device *dev = held[HOLD_FOUND];
	struct pci_place to = {.segment = from->segment,
			       .bus = id->secondary_bus,
			       .last = id->subordinate_bus,
			       .bridge = function,
			       .parent = dev};
	struct pci_config config = pci_registers(&function);

	if (!pci_numbers_fit(from, id) || to_walk_count == BUSES) {
		if (dev != nullptr)
			log_warn("pci: %s: there are no numbers for its buses: what is behind it stays unknown",
				 device_name(dev));
		return;
	}
	if (fresh)
		pci_place_windows(from, &to, id);
	pci_windows_placed(&config, &to.windows);
	if (dev != nullptr)
		switch_on(dev, function, to.windows.io.base <= to.windows.io.limit || (id->class & 0xff) != 0);
	to_walk[to_walk_count] = to;
	held[HOLD_FOUND] = nullptr;
	to_walk_count++;
}

/* --- devices --- */

static struct device *add(const struct pci_place *at, uint32_t function, const struct pci_identity *id)
{
	char name[DEVICE_NAME_MAX];
	struct device *dev;
	struct pci_device *p = making = kmalloc(sizeof(*p));

	if (p == nullptr) {
		log_error("pci: no memory for function %#x", function);
		return nullptr;
	}
	*p = (struct pci_device){.function = function, .identity = *id};
	pci_place_bars(p, at);
	struct pci_config config = pci_registers(&function);
	if (!pci_msix_decode(&config, p->bar, &p->msix))
		p->msix = (struct pci_msix){};
	p->slot = id->header_type == PCI_HEADER_BRIDGE ? pci_plug_slot(&config) : 0;
	name_of(function, name);
	making = nullptr;
	int error = device_add(at->parent, &pci_bus, name, p, &dev);
	if (error < 0) {
		log_error("pci: %s cannot be added: error %d", name, -error);
		kfree(p);
		return nullptr;
	}
	found++;
	pci_proc_add(dev);
	return device_get(dev);
}

static void walk_bus(const struct pci_place *at, bool surveying)
{
	struct pci_identity id;
	char name[DEVICE_NAME_MAX];

	pci_number_bridges(at);
	for (uint32_t function = PCI_NO_FUNCTION; pci_bus_each(at, &function, &id);) {
		name_of(function, name);
		held[HOLD_FOUND] = device_find(name);
		bool fresh = held[HOLD_FOUND] == nullptr;

		if (fresh && surveying) {
			pci_forget(function, function);
			pci_survey(function, &id);
		} else if (fresh) {
			held[HOLD_FOUND] = add(at, function, &id);
		}
		if (id.header_type == PCI_HEADER_BRIDGE && (surveying || held[HOLD_FOUND] != nullptr))
			enter(at, fresh && !surveying, function, &id);
		let_go(&held[HOLD_FOUND]);
	}
}

static void walk(const struct pci_place *from, bool surveying)
{
	to_walk_count = 1;
	to_walk[0] = *from;
	/* The ranges of bridges are inside each other or apart: each bus is walked once. */
	for (unsigned i = 0; i < to_walk_count; i++) {
		walk_bus(&to_walk[i], surveying);
		if (i > 0)
			let_go(&to_walk[i].parent);
	}
}

static void walk_segments(bool surveying)
{
	for (uint32_t i = 0; i < boot_info()->pci_count; i++) {
		const struct pci_ecam *p = &boot_info()->pci[i];
		struct pci_place root = {
			.segment = p->segment, .bus = p->first_bus, .last = p->last_bus, .bridge = PCI_NO_FUNCTION};

		if (!surveying)
			pci_root_windows(p, &root.windows);
		walk(&root, surveying);
	}
}

/* --- what went --- */

static void take_away(struct device *dev)
{
	const struct pci_identity *id = pci_identity(dev);
	uint32_t function = pci_function(dev), segment = function & 0xffff0000;

	log_info("pci: %s is gone", device_name(dev));
	device_remove(dev);
	pci_forget(function, function);
	if (id->header_type == PCI_HEADER_BRIDGE && id->secondary_bus != 0)
		pci_forget(segment | (uint32_t)id->secondary_bus << 8,
			   segment | (uint32_t)id->subordinate_bus << 8 | 0xff);
}

/* Of those behind a port, or of all (nullptr). Parents come before their children, which go with them. */
static void take_missing_away(const struct device *port)
{
	for (struct device *dev = next(HOLD_MISSING); dev != nullptr; dev = next(HOLD_MISSING))
		if (device_bus(dev) == &pci_bus && (port == nullptr || device_parent(dev) == port) &&
		    !device_is_gone(dev) && !pci_is_there(dev))
			take_away(dev);
}

/* --- behind a port --- */

bool pci_below_any(const struct device *port)
{
	bool any = false;

	for (struct device *dev = device_each(nullptr); dev != nullptr; dev = device_each(dev))
		any |= device_bus(dev) == &pci_bus && device_parent(dev) == port && !device_is_gone(dev);
	return any;
}

bool pci_below_answers(const struct device *port)
{
	const struct pci_identity *id = pci_identity(port);
	struct pci_place at = {.segment = pci_function(port) >> 16, .bus = id->secondary_bus};
	uint32_t function = PCI_NO_FUNCTION;
	struct pci_identity behind;

	return at.bus != 0 && pci_bus_each(&at, &function, &behind);
}

static void take_below_away(const struct device *port)
{
	for (struct device *dev = next(HOLD_BELOW); dev != nullptr; dev = next(HOLD_BELOW))
		if (device_bus(dev) == &pci_bus && device_parent(dev) == port && !device_is_gone(dev))
			take_away(dev);
}

static void look_below(struct device *port)
{
	const struct pci_identity *id = pci_identity(port);
	uint32_t function = pci_function(port);
	struct pci_config config = pci_registers(&function);
	struct pci_place at = {.segment = function >> 16,
			       .bus = id->secondary_bus,
			       .last = id->subordinate_bus,
			       .bridge = function,
			       .parent = port};

	if (at.bus == 0)
		return;
	pci_windows_placed(&config, &at.windows);
	take_missing_away(port);
	walk(&at, true);
	walk(&at, false);
}

/* What ports asked for; done only afterwards, so that it is done again after a fault. */
static void serve_ports(void)
{
	for (struct device *dev = next(HOLD_PORT); dev != nullptr; dev = next(HOLD_PORT)) {
		struct pci_device *p = device_bus(dev) == &pci_bus ? pci_of(dev) : nullptr;
		uint32_t asked = p != nullptr ? __atomic_load_n(&p->asked, __ATOMIC_ACQUIRE) : 0;

		if (p == nullptr || asked == __atomic_load_n(&p->done, __ATOMIC_RELAXED))
			continue;
		/* What went has gone, though another has come since. */
		if ((int32_t)(__atomic_load_n(&p->gone, __ATOMIC_RELAXED) - p->done) > 0)
			take_below_away(dev);
		if (__atomic_load_n(&p->below, __ATOMIC_RELAXED) == PCI_BELOW_THERE && !device_is_gone(dev))
			look_below(dev);
		__atomic_store_n(&p->done, asked, __ATOMIC_RELEASE);
		device_wake(dev);
	}
}

/* --- the thread --- */

static struct wait_queue over = WAIT_QUEUE_INIT(over);
static uint32_t asked, done; /* atomic: how often all was to be looked at, and was */

/* Whether somebody asked meanwhile: a walk sleeps here and there, and may have slept with what was to wake it now. */
static bool is_asked(void)
{
	bool any = __atomic_load_n(&asked, __ATOMIC_ACQUIRE) != __atomic_load_n(&done, __ATOMIC_RELAXED);

	for (struct device *dev = next(HOLD_ASKED); dev != nullptr; dev = next(HOLD_ASKED))
		any |= device_bus(dev) == &pci_bus && !pci_below_done(dev);
	return any;
}

static void work(void)
{
	do {
		uint32_t now = __atomic_load_n(&asked, __ATOMIC_ACQUIRE);

		if (now != __atomic_load_n(&done, __ATOMIC_RELAXED)) {
			take_missing_away(nullptr);
			walk_segments(true);
			walk_segments(false);
			__atomic_store_n(&done, now, __ATOMIC_RELEASE);
			wait_wake_all(&over);
		}
		serve_ports();
	} while (is_asked() || !service_park(0));
}

/* After a fault; what was asked for is done from the start. */
static void mend(void)
{
	for (unsigned i = 1; i < to_walk_count; i++)
		let_go(&to_walk[i].parent);
	to_walk_count = 0;
	for (unsigned i = 0; i < HOLDS; i++)
		let_go(&held[i]);
	kfree(making);
	making = nullptr;
}

static struct service walker = {.name = "pci", .component = &component_pci, .loop = work, .mend = mend};

void pci_below_ask(struct device *port, enum pci_below what)
{
	struct pci_device *p = pci_of(port);

	__atomic_store_n(&p->below, what, __ATOMIC_RELAXED);
	if (what == PCI_BELOW_GONE)
		__atomic_store_n(&p->gone, p->asked + 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&p->asked, 1, __ATOMIC_RELEASE);
	service_wake(&walker);
}

bool pci_below_done(const struct device *port)
{
	const struct pci_device *p = pci_of(port);

	return __atomic_load_n(&p->done, __ATOMIC_ACQUIRE) == __atomic_load_n(&p->asked, __ATOMIC_RELAXED);
}

static bool is_done(uint32_t number)
{
	return (int32_t)(__atomic_load_n(&done, __ATOMIC_ACQUIRE) - number) >= 0;
}

int pci_rescan(void)
{
	uint32_t number = __atomic_add_fetch(&asked, 1, __ATOMIC_ACQ_REL);

	service_wake(&walker);
	return wait_event_patiently(&over, is_done(number), RESCAN_LIMIT_NS);
}

/* Who starts has to find the devices of the machine there. */
static int find_functions(void)
{
	if (boot_info()->pci_count == 0 || walker.thread != nullptr)
		return 0;
	pci_root_reserve();
	report_set_stray(pci_strayed);
	for (uint32_t i = 0; i < boot_info()->pci_count; i++)
		pci_root_tell_ports(&boot_info()->pci[i]);
	int error = service_start(&walker);
	if (error == 0)
		error = pci_rescan();
	log_info("pci: %u functions", found);
	return error;
}

static long rescan(const char *text, size_t n, void *)
{
	if (n == 0 || text[0] != '1')
		return -EINVAL;
	int error = pci_rescan();
	return error < 0 ? -EIO : (long)n;
}
SYS_FILE(pci_rescan, .component = &component_pci, .name = "bus/pci/rescan", .mode = 0200, .write = rescan);

DEFINE_COMPONENT(pci, .keeps_devices = true, .stage = STAGE_BUS, .start = find_functions,
		 .users = "a driver in whose thread it was begins anew; a rescan is done again");
