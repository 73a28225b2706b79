/* SPDX-License-Identifier: MIT */
/* Switching on, and what becomes of accesses that an IOMMU blocked (iommu.h). */
#include "device/claim.h"
#include "device/pci.h"
#include "iommu/iommu.h"
#include "report/log.h"
#include "report/report.h"

/* At once: as many as an IOMMU notes, and of all of them no more than this. */
enum : uint32_t { UNCLAIMED_TOLD_MAX = 16, AT_ONCE = 512 };

static uint32_t unclaimed_told;

void iommu_init(void)
{
	iommu_is_on = arch_iommu_init();
	if (!iommu_is_on)
		log_printf(
			"dma: unconfined: no IOMMU is used, so a device can reach all memory and forge interrupt messages\n");
}

void iommu_interrupt(void)
{
	report_wake();
}

static void stop_mastering(uint32_t function)
{
	pci_register_change(function, PCI_COMMAND, PCI_COMMAND_BUS_MASTER, 0);
}

/* Firmware may have left it at work. What is behind a bridge goes on. */
static void unclaimed(const struct iommu_fault *f)
{
	uint32_t type = pci_register(f->requester, PCI_HEADER_TYPE, 1);

	if (unclaimed_told++ < UNCLAIMED_TOLD_MAX)
		log_printf("dma: function %x, which nobody has claimed, was kept from %lx (reason %x)\n", f->requester,
			   f->address, f->reason);
	if ((type & PCI_HEADER_TYPE_MASK) == PCI_HEADER_DEVICE &&
	    pci_register(f->requester, PCI_VENDOR_ID, 2) != 0xffff)
		stop_mastering(f->requester);
}

/* Several functions have one number behind a bridge to conventional PCI: which of them it was nobody knows. */
static void take(const struct iommu_fault *f)
{
	struct iommu_domain *d = nullptr;
	struct claim *c = nullptr;

	while ((c = claim_after(c))) {
		if (!c->domain || c->domain->requester != f->requester)
			continue;
		d = c->domain;
		if (d->strayed)
			continue;
		stop_mastering(c->function);
		c->silenced = true;
		c->stray = *f;
		c->untold = !report_stray_device(c);
	}
	if (d)
		d->strayed = true;
	else
		unclaimed(f);
}

static void take_faults(bool all)
{
	struct iommu_fault f;
	unsigned n = 0;

	for (struct claim *c = nullptr; iommu_is_on && (c = claim_after(c));)
		c->untold = c->untold && !report_stray_device(c);
	while (n < AT_ONCE && iommu_is_on && (all || report_has_room()) && arch_iommu_take_fault(&f)) {
		take(&f);
		n++;
	}
	/* A device that does not stop is not waited for here. */
	if (n == AT_ONCE)
		report_wake();
}

void iommu_take_faults(void)
{
	take_faults(false);
}

void iommu_take_all_faults(void)
{
	take_faults(true);
}
