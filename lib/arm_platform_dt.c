/* SPDX-License-Identifier: MIT */
/*
 * An ARM machine from its device tree, see arm_platform.h. The properties are those of the Linux kernel's binding
 * documents (interrupt-controller/arm,gic.yaml and arm,gic-v3.yaml, timer/arm,arch_timer.yaml, arm/psci.yaml,
 * serial/pl011.yaml, serial/8250.yaml).
 */
#include <lib/arm_platform.h>
#include <lib/devicetree.h>
#include <lib/string.h>

static const char *const gic_v2_names[] = {
	"arm,gic-400", "arm,cortex-a15-gic", "arm,cortex-a9-gic", "arm,cortex-a7-gic", "arm,pl390", "qcom,msm-qgic2",
	nullptr};
static const char *const gic_v3_names[] = {"arm,gic-v3", nullptr};
/* Also arm,smmu.yaml, arm,smmu-v3.yaml, and the controller in a BCM2836 or its successors that can send any CPU any
 * interrupt beside the GIC (brcm,bcm2836-l1-intc.yaml). */
static const char *const guarded_names[] = {
	"arm,gic-v3-its", "arm,gic-v2m-frame", "arm,smmu-v3", "arm,smmu-v2",	      "arm,smmu-v1",
	"arm,mmu-500",	  "arm,mmu-401",       "arm,mmu-400", "brcm,bcm2836-l1-intc", nullptr};
static const char *const timer_names[] = {"arm,armv8-timer", "arm,armv7-timer", nullptr};
static const char *const psci_names[] = {"arm,psci-1.0", "arm,psci-0.2", nullptr};
static const char *const psci_old_names[] = {"arm,psci", nullptr};
static const char *const pl011_names[] = {"arm,pl011", "arm,sbsa-uart", nullptr};
static const char *const ns16550_names[] = {"ns16550a", "ns16550", "snps,dw-apb-uart", "brcm,bcm2835-aux-uart",
					    nullptr};
static const char *const mini_uart_names[] = {"brcm,bcm2835-aux-uart", nullptr};

static bool missing(struct arm_platform *p, const char *what)
{
	strlcpy(p->why, what, sizeof(p->why));
	return false;
}

/* A GIC's three cells: kind, number in that kind, flags (low four bits: 1 rising, 2 falling, 4 high, 8 low). */
static bool gic_interrupt(const struct devicetree_interrupt *in, struct arm_interrupt *out)
{
	enum : uint32_t { SHARED = 0, PRIVATE = 1, SHARED_MAX = 987, PRIVATE_MAX = 15, EDGES = 3 };

	if (in->count < 3)
		return false;
	if (in->cells[0] == SHARED && in->cells[1] <= SHARED_MAX)
		out->id = 32 + in->cells[1];
	else if (in->cells[0] == PRIVATE && in->cells[1] <= PRIVATE_MAX)
		out->id = 16 + in->cells[1];
	else
		return false;
	out->level = !(in->cells[2] & EDGES);
	return true;
}

bool arm_platform_interrupt(const void *fdt, const struct devicetree_interrupt *in, struct arm_interrupt *out)
{
	return (devicetree_is(fdt, in->controller, gic_v2_names) || devicetree_is(fdt, in->controller, gic_v3_names)) &&
	       gic_interrupt(in, out);
}

static bool region(const void *fdt, int node, unsigned index, struct arm_region *out)
{
	return devicetree_reg(fdt, node, index, &out->phys, &out->size) && out->size;
}

static void guard(const void *fdt, int node, unsigned first, struct arm_platform *p)
{
	struct arm_region r;

	while (region(fdt, node, first++, &r))
		arm_platform_guard(p, r);
}

static void take_msi_frames(const void *fdt, struct arm_platform *p)
{
	static const char *const names[] = {"arm,gic-v2m-frame", nullptr};
	struct arm_region r;

	for (int node = -1; (node = devicetree_find(fdt, node, names)) >= 0;) {
		struct arm_msi_frame f = {};

		if (!region(fdt, node, 0, &r))
			continue;
		f.phys = r.phys;
		if (!devicetree_u32(fdt, node, "arm,msi-base-spi", &f.first) ||
		    !devicetree_u32(fdt, node, "arm,msi-num-spis", &f.count))
			f.first = f.count = 0;
		arm_platform_add_msi_frame(p, f);
	}
}

static const char *const its_names[] = {"arm,gic-v3-its", nullptr};
static const char *const smmu_names[] = {"arm,smmu-v3", nullptr};

/* One of the maps of a host bridge, whose registers are at `ecam`: to controllers of the kind `names`. */
static void take_map(const void *fdt, int bridge, const struct pci_ecam *ecam, enum devicetree_map map,
		     const char *const *names, struct arm_routes *routes)
{
	uint32_t segment = (uint32_t)ecam->segment << 16;
	struct devicetree_requesters m;

	for (unsigned i = 0; devicetree_map(fdt, bridge, map, i, &m); i++) {
		if (m.controller >= 0 && !devicetree_is(fdt, m.controller, names))
			continue;
		if (m.first > 0xffff || m.count == 0 || m.count - 1 > 0xffff - m.first)
			routes->refused++;
		else
			(void)arm_routes_add(routes,
					     (struct arm_route){.first = segment | m.first,
								.last = segment | (m.first + m.count - 1),
								.mask = m.mask & 0xffff,
								.id = m.id},
					     (uint32_t)m.controller);
	}
}

/* An interrupt of an SMMUv3 by its name (arm,smmu-v3.yaml): one of its own, or "combined" for all. */
static struct arm_interrupt smmu_wire(const void *fdt, int node, const char *name)
{
	int index = devicetree_string_index(fdt, node, "interrupt-names", name);
	struct devicetree_interrupt interrupt;
	struct arm_interrupt wire;

	if (index < 0)
		index = devicetree_string_index(fdt, node, "interrupt-names", "combined");
	if (index < 0 || !devicetree_interrupt(fdt, node, (unsigned)index, &interrupt) ||
	    !arm_platform_interrupt(fdt, &interrupt, &wire) || wire.id < 32)
		return (struct arm_interrupt){};
	return wire;
}

static void take_smmus(const void *fdt, struct arm_smmus *s)
{
	struct arm_region r;

	for (int node = -1; (node = devicetree_find(fdt, node, smmu_names)) >= 0;)
		if (region(fdt, node, 0, &r) && arm_routes_add_target(&s->routes, r.phys, (uint32_t)node))
			s->wires[s->routes.target_count - 1] =
				(struct arm_smmu_wires){smmu_wire(fdt, node, "eventq"), smmu_wire(fdt, node, "gerror")};
}

static void take_maps(const void *fdt, struct arm_platform *p)
{
	struct arm_region r;

	for (int node = -1; (node = devicetree_find(fdt, node, its_names)) >= 0;)
		if (region(fdt, node, 0, &r))
			(void)arm_routes_add_target(&p->its, r.phys, (uint32_t)node);
	take_smmus(fdt, &p->smmu);
	for (int node = -1; (node = devicetree_find(fdt, node, pci_ecam_names)) >= 0;)
		for (unsigned i = 0; region(fdt, node, 0, &r) && i < p->ecam_count; i++)
			if (p->ecam[i].phys == r.phys) {
				take_map(fdt, node, &p->ecam[i], DEVICETREE_MSI_MAP, its_names, &p->its);
				take_map(fdt, node, &p->ecam[i], DEVICETREE_IOMMU_MAP, smmu_names, &p->smmu.routes);
			}
}

static bool take_gic_v3(const void *fdt, int gic, struct arm_platform *p)
{
	uint32_t regions = 1;

	p->gic_version = ARM_GIC_V3;
	(void)devicetree_u32(fdt, gic, "#redistributor-regions", &regions);
	(void)devicetree_number(fdt, gic, "redistributor-stride", &p->redistributor_stride);
	if (regions == 0 || regions > ARM_REDISTRIBUTOR_REGIONS_MAX)
		return missing(p, "an implausible number of GICv3 redistributor regions");
	for (uint32_t i = 0; i < regions; i++)
		if (!region(fdt, gic, 1 + i, &p->redistributors[i]))
			return missing(p, "a GICv3 redistributor region without address");
	p->redistributor_regions = regions;
	guard(fdt, gic, 1 + regions, p);
	return true;
}

/* The controller is whichever the timer interrupts: a machine may have others behind it. */
static bool take_gic(const void *fdt, int gic, struct arm_platform *p)
{
	bool v3 = devicetree_is(fdt, gic, gic_v3_names);

	if (!v3 && !devicetree_is(fdt, gic, gic_v2_names))
		return missing(p, "no GICv2 or GICv3 at the timer's interrupt");
	if (!region(fdt, gic, 0, &p->distributor))
		return missing(p, "a GIC without distributor address");
	if (v3)
		return take_gic_v3(fdt, gic, p);
	p->gic_version = ARM_GIC_V2;
	if (!region(fdt, gic, 1, &p->cpu_interface))
		return missing(p, "a GICv2 without CPU interface address");
	guard(fdt, gic, 2, p);
	return true;
}

static bool take_timer(const void *fdt, struct arm_platform *p)
{
	enum { VIRTUAL = 2 }; /* after the secure and the non-secure physical one */
	int timer = devicetree_find(fdt, -1, timer_names), index;
	struct devicetree_interrupt interrupt;

	if (timer < 0)
		return missing(p, "no generic timer");
	index = devicetree_string_index(fdt, timer, "interrupt-names", "virt");
	if (!devicetree_interrupt(fdt, timer, index < 0 ? VIRTUAL : (unsigned)index, &interrupt))
		return missing(p, "no interrupt of the virtual timer");
	if (!take_gic(fdt, interrupt.controller, p))
		return false;
	if (!gic_interrupt(&interrupt, &p->virtual_timer) || p->virtual_timer.id >= 32)
		return missing(p, "a virtual timer whose interrupt is not private to its CPU");
	(void)devicetree_number(fdt, timer, "clock-frequency", &p->counter_hz);
	return true;
}

static void take_psci(const void *fdt, struct arm_platform *p)
{
	int node = devicetree_find(fdt, -1, psci_names);
	const char *method;

	p->psci_power = node >= 0;
	if (node < 0)
		node = devicetree_find(fdt, -1, psci_old_names);
	method = node < 0 ? nullptr : devicetree_string(fdt, node, "method");
	if (method && !strcmp(method, "hvc"))
		p->psci = ARM_PSCI_HVC;
	else if (method && !strcmp(method, "smc"))
		p->psci = ARM_PSCI_SMC;
	else
		p->psci_power = false;
}

/* --- console --- */

static enum arm_uart_kind uart_kind(const void *fdt, int node)
{
	if (devicetree_is(fdt, node, pl011_names))
		return ARM_UART_PL011;
	return devicetree_is(fdt, node, ns16550_names) ? ARM_UART_16550 : ARM_UART_NONE;
}

static uint32_t uart_clock(const void *fdt, int node)
{
	uint32_t hz = 0;
	int clock;

	if (devicetree_u32(fdt, node, "clock-frequency", &hz))
		return hz;
	clock = devicetree_reference(fdt, node, "clocks");
	if (clock >= 0)
		(void)devicetree_u32(fdt, clock, "clock-frequency", &hz);
	return hz;
}

/* false: this node is no console for us. */
static bool take_uart(const void *fdt, int node, struct arm_platform *p)
{
	struct arm_region registers;
	struct devicetree_interrupt interrupt;
	uint32_t shift = 0, width = 1;
	uint64_t offset = 0;

	if (node < 0 || !devicetree_enabled(fdt, node) || uart_kind(fdt, node) == ARM_UART_NONE ||
	    !region(fdt, node, 0, &registers))
		return false;
	if (devicetree_is(fdt, node, mini_uart_names)) { /* BCM2835 ARM Peripherals, 2.2: one register a word */
		shift = 2;
		width = 4;
	}
	(void)devicetree_u32(fdt, node, "reg-shift", &shift);
	(void)devicetree_u32(fdt, node, "reg-io-width", &width);
	(void)devicetree_number(fdt, node, "reg-offset", &offset);
	if (shift > 3 || (width != 1 && width != 4) || offset >= registers.size)
		return false;
	p->console.kind = uart_kind(fdt, node);
	p->console.phys = registers.phys + offset;
	p->console.register_shift = (uint8_t)shift;
	p->console.register_bytes = (uint8_t)width;
	p->console.clock_hz = uart_clock(fdt, node);
	if (!devicetree_interrupt(fdt, node, 0, &interrupt) ||
	    !arm_platform_interrupt(fdt, &interrupt, &p->console.interrupt))
		p->console.interrupt = (struct arm_interrupt){};
	return true;
}

/* The chosen one; else, as no report should be lost, the first that there is. */
static void take_console(const void *fdt, struct arm_platform *p)
{
	if (take_uart(fdt, devicetree_stdout(fdt), p))
		return;
	for (int node = -1; (node = devicetree_find(fdt, node, pl011_names)) >= 0;)
		if (take_uart(fdt, node, p))
			return;
	for (int node = -1; (node = devicetree_find(fdt, node, ns16550_names)) >= 0;)
		if (take_uart(fdt, node, p))
			return;
}

bool arm_platform_from_devicetree(const void *fdt, size_t size, struct arm_platform *out)
{
	memset(out, 0, sizeof(*out));
	if (!devicetree_check(fdt, size))
		return missing(out, "no well-formed device tree");
	/* First, so that whatever else is missing can be said. */
	take_console(fdt, out);
	take_psci(fdt, out);
	/* Those that the tree calls disabled are there all the same. */
	for (int node = -1; (node = devicetree_find_any(fdt, node, guarded_names)) >= 0;)
		guard(fdt, node, 0, out);
	take_msi_frames(fdt, out);
	out->ecam_count = pci_ecam_from_devicetree(fdt, out->ecam, PCI_ECAMS_MAX);
	take_maps(fdt, out);
	return take_timer(fdt, out);
}
