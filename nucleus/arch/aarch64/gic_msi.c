/* SPDX-License-Identifier: MIT */
/*
 * Messages of PCI functions on an arm64 machine: by a translation service (gic_its.h) where one takes the function's,
 * else by a GICv2m frame. A GICv2m frame (Server Base System Architecture 2.3, appendix E) turns
 * a write of a number into an edge of the shared line of that number.
 */
#include "device/pci.h"
#include "gic_its.h"
#include "gic_registers.h"
#include "irq/irq.h"
#include "mmio.h"
#include "platform.h"
#include <abi/errno.h>

/* The lines of a frame: [*first, *first + result). */
static uint32_t frame_lines(const struct arm_msi_frame *f, uint32_t *first)
{
	uint32_t type = f->count ? 0 : mmio_read32(device_window(f->phys), V2M_TYPER);

	*first = f->count ? f->first : type >> V2M_TYPER_FIRST_SHIFT & V2M_TYPER_MASK;
	return f->count ? f->count : type & V2M_TYPER_MASK;
}

int arch_irq_message(uint32_t line, uint32_t function, uint32_t, uint32_t cpu, uint64_t *address, uint32_t *data)
{
	int result = gic_its_message(line, function, cpu, address);

	*data = line;
	if (result != -EOPNOTSUPP)
		return result;
	for (unsigned i = 0; i < platform.msi_frame_count; i++) {
		uint32_t first, count = frame_lines(&platform.msi_frame[i], &first);

		for (uint32_t spi = first; spi < first + count; spi++) {
			uint32_t flags = 0;

			if (arch_irq_connect(line, spi, &flags, cpu) < 0)
				continue;
			arch_irq_mask(line, false);
			*address = platform.msi_frame[i].phys + V2M_SETSPI;
			*data = spi;
			return 0;
		}
	}
	return platform.msi_frame_count ? -ENOSPC : -EOPNOTSUPP;
}
