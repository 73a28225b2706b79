/* SPDX-License-Identifier: MIT */
/*
 * An ARM machine from its static ACPI tables, see arm_platform.h: MADT (ACPI 6.5, 5.2.12.14 to 5.2.12.17), GTDT
 * (5.2.25), FADT (5.2.9 and 5.2.9.4), SPCR and DBG2 (lib/acpi_uart.h) and IORT (IO Remapping Table, DEN 0049).
 */
#include <lib/acpi_uart.h>
#include <lib/arm_iort.h>
#include <lib/arm_platform.h>
#include <lib/string.h>

enum : uint64_t {
	GICD_V2_BYTES = 0x1000,
	GICD_V3_BYTES = 0x10000,
	GICC_BYTES = 0x2000,
	GICH_BYTES = 0x1000,
	MSI_FRAME_BYTES = 0x1000,
	ITS_BYTES = 0x20000,	 /* control registers and the doorbell */
	SMMU_V3_BYTES = 0x20000, /* two pages of 64 KiB */
	/* RD_base and SGI_base; a GICv4's frame is longer, and the reader of GICR_TYPER goes no further. */
	REDISTRIBUTOR_BYTES = 0x20000,
};

static uint16_t get16(const unsigned char *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}
static uint32_t get32(const unsigned char *p)
{
	return get16(p) | (uint32_t)get16(p + 2) << 16;
}
static uint64_t get64(const unsigned char *p)
{
	return get32(p) | (uint64_t)get32(p + 4) << 32;
}

static bool missing(struct arm_platform *p, const char *what)
{
	strlcpy(p->why, what, sizeof(p->why));
	return false;
}

static bool add_redistributors(struct arm_platform *p, uint64_t phys, uint64_t size)
{
	if (!size || p->redistributor_regions == ARM_REDISTRIBUTOR_REGIONS_MAX || phys + size < phys)
		return false;
	p->redistributors[p->redistributor_regions++] = (struct arm_region){phys, size};
	return true;
}

static void guard_range(struct arm_platform *p, uint64_t phys, uint64_t size)
{
	if (phys && phys + size > phys)
		arm_platform_guard(p, (struct arm_region){phys, size});
}

/* The structures of the MADT that matter; *common: redistributors are described together, not with each CPU. */
static bool take_entry(const unsigned char *e, size_t n, struct arm_platform *p, uint8_t *version, bool *common)
{
	enum : uint8_t { GICC = 0x0b, GICD = 0x0c, MSI_FRAME = 0x0d, GICR = 0x0e, ITS = 0x0f };
	enum : uint32_t { GICC_ENABLED = 1, GICC_ONLINE_CAPABLE = 1 << 3 };

	switch (e[0]) {
	case GICC:
		if (n < 76 || !(get32(e + 12) & (GICC_ENABLED | GICC_ONLINE_CAPABLE)))
			return true;
		if (!p->cpu_interface.phys) {
			guard_range(p, get64(e + 40), GICC_BYTES); /* GICV */
			guard_range(p, get64(e + 48), GICH_BYTES);
			p->cpu_interface = (struct arm_region){get64(e + 32), GICC_BYTES};
		}
		/* One region for each CPU, unless GICR structures describe them together. */
		if (get64(e + 60) && !*common)
			(void)add_redistributors(p, get64(e + 60), REDISTRIBUTOR_BYTES);
		return true;
	case GICD:
		if (n < 24)
			return false;
		p->distributor.phys = get64(e + 8);
		*version = e[20];
		return true;
	case GICR:
		if (n < 16)
			return false;
		if (!*common)
			p->redistributor_regions = 0;
		*common = true;
		return add_redistributors(p, get64(e + 4), get32(e + 12));
	case MSI_FRAME:
		if (n < 24)
			return true;
		guard_range(p, get64(e + 8), MSI_FRAME_BYTES);
		/* Bit 0 of the flags: the numbers here are the right ones. */
		arm_platform_add_msi_frame(
			p, get32(e + 16) & 1 ? (struct arm_msi_frame){get64(e + 8), get16(e + 22), get16(e + 20)}
					     : (struct arm_msi_frame){get64(e + 8), 0, 0});
		return true;
	case ITS:
		if (n < 16)
			return true;
		guard_range(p, get64(e + 8), ITS_BYTES);
		(void)arm_routes_add_target(&p->its, get64(e + 8), get32(e + 4));
		return true;
	default: return true;
	}
}

static bool take_gic(const unsigned char *madt, size_t length, struct arm_platform *p)
{
	uint8_t version = 0;
	bool common = false;

	for (size_t at = 44; at + 2 <= length; at += madt[at + 1])
		if (madt[at + 1] < 2 || madt[at + 1] > length - at ||
		    !take_entry(madt + at, madt[at + 1], p, &version, &common))
			return missing(p, "a malformed MADT");
	if (!p->distributor.phys)
		return missing(p, "no GIC distributor in the MADT");
	/* Version 0 leaves it to be found out; only a version 3 has redistributors. */
	p->gic_version = version >= 3 || (version == 0 && p->redistributor_regions) ? ARM_GIC_V3 : ARM_GIC_V2;
	p->distributor.size = p->gic_version == ARM_GIC_V3 ? GICD_V3_BYTES : GICD_V2_BYTES;
	if (p->gic_version == ARM_GIC_V3 && !p->redistributor_regions)
		return missing(p, "a GICv3 without redistributors in the MADT");
	if (p->gic_version == ARM_GIC_V2 && !p->cpu_interface.phys)
		return missing(p, "a GICv2 without CPU interface address in the MADT");
	return true;
}

static bool take_timer(const unsigned char *gtdt, size_t length, struct arm_platform *p)
{
	enum : uint32_t { EDGE = 1 };

	if (length < 72)
		return missing(p, "a GTDT too short for the virtual timer");
	p->virtual_timer = (struct arm_interrupt){.id = get32(gtdt + 64), .level = !(get32(gtdt + 68) & EDGE)};
	if (p->virtual_timer.id < 16 || p->virtual_timer.id > 31)
		return missing(p, "a virtual timer whose interrupt is not private to its CPU");
	return true;
}

static void take_psci(const unsigned char *fadt, size_t length, struct arm_platform *p)
{
	enum : uint16_t { COMPLIANT = 1, USE_HVC = 2 };
	uint16_t flags = length >= 131 ? get16(fadt + 129) : 0;

	if (!(flags & COMPLIANT))
		return;
	p->psci = flags & USE_HVC ? ARM_PSCI_HVC : ARM_PSCI_SMC;
	p->psci_power = true; /* ACPI asks for version 0.2 or later */
}

static void set_console(const struct acpi_uart *u, struct arm_platform *p)
{
	p->console.kind = u->kind == ACPI_UART_PL011 ? ARM_UART_PL011 : ARM_UART_16550;
	p->console.phys = u->start;
	p->console.register_bytes = u->register_bytes;
	p->console.register_shift = u->register_shift;
}

static void take_console(const unsigned char *spcr, size_t length, struct arm_platform *p)
{
	enum : uint8_t { INTERRUPT_GIC = 1 << 3 };
	struct acpi_uart u;

	if (length < 58 || !acpi_uart_decode(spcr[36], spcr + 40, &u) || u.is_port)
		return;
	set_console(&u, p);
	uint32_t gsi = get32(spcr + 54);
	/* UARTs of servers are level-triggered (Server Base System Architecture, B). */
	if (spcr[52] & INTERRUPT_GIC && gsi >= 32 && gsi < 1020)
		p->console.interrupt = (struct arm_interrupt){.id = gsi, .level = true};
}

/* Where no console is named, the first port for debugging will do; its interrupt is told nowhere. */
static void propose_console(const unsigned char *dbg2, size_t length, struct arm_platform *p)
{
	enum { PORTS_MAX = 4 };
	struct acpi_uart ports[PORTS_MAX];
	unsigned count = acpi_debug_ports(dbg2, length, ports, PORTS_MAX);

	for (unsigned i = 0; i < count && p->console.kind == ARM_UART_NONE; i++)
		if (!ports[i].is_port) {
			set_console(&ports[i], p);
			p->console.proposed = true;
		}
}

/* IOMMUs: nodes of the IORT (DEN 0049, 3.1). */
static void guard_iommus(const unsigned char *iort, size_t length, struct arm_platform *p)
{
	enum : uint8_t { SMMU = 3, SMMU_V3 = 4 }; /* 3: versions 1 and 2, which say how much they take */
	size_t size;

	for (size_t at = length < 44 ? length : get32(iort + 40); at <= length && length - at >= 32; at += size) {
		const unsigned char *node = iort + at;

		size = get16(node + 1);
		if (size < 16 || size > length - at)
			return;
		if (node[0] == SMMU && size >= 32)
			guard_range(p, get64(node + 16), get64(node + 24));
		else if (node[0] == SMMU_V3 && size >= 24)
			guard_range(p, get64(node + 16), SMMU_V3_BYTES);
	}
}

bool arm_platform_from_acpi(uint64_t rsdp_phys, acpi_map map, struct arm_platform *out)
{
	size_t length;
	const void *table;

	memset(out, 0, sizeof(*out));
	table = acpi_find_table(rsdp_phys, "SPCR", map, &length);
	if (table)
		take_console(table, length, out);
	table = acpi_find_table(rsdp_phys, "DBG2", map, &length);
	if (table)
		propose_console(table, length, out);
	table = acpi_find_table(rsdp_phys, "FACP", map, &length);
	if (table)
		take_psci(table, length, out);
	table = acpi_find_table(rsdp_phys, "MCFG", map, &length);
	if (table)
		out->ecam_count = pci_ecam_from_mcfg(table, length, out->ecam, PCI_ECAMS_MAX);
	table = acpi_find_table(rsdp_phys, "APIC", map, &length);
	if (!table)
		return missing(out, "no MADT");
	if (!take_gic(table, length, out))
		return false;
	table = acpi_find_table(rsdp_phys, "IORT", map, &length);
	if (table) {
		guard_iommus(table, length, out);
		arm_iort_read(table, length, &out->its, &out->smmu);
	}
	table = acpi_find_table(rsdp_phys, "GTDT", map, &length);
	return table ? take_timer(table, length, out) : missing(out, "no GTDT");
}
