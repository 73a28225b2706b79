/* SPDX-License-Identifier: MIT */
/* Local APIC and I/O APIC (Intel SDM vol. 3, 11; 82093AA datasheet), in the nucleus because an interrupt message can
 * hit any CPU state. */
#ifndef ARCH_APIC_H
#define ARCH_APIC_H

#include "trap/trap.h"
#include <stdint.h>

enum : uint32_t {
	VECTOR_DEVICE = 0x30,  /* each CPU's own, up to those of the nucleus */
	VECTOR_NUCLEUS = 0xf0, /* and enum interrupt_kind */
	VECTOR_TIMER = VECTOR_NUCLEUS + INTERRUPT_TIMER,
	VECTOR_IOMMU = VECTOR_NUCLEUS + INTERRUPT_IOMMU,
	VECTOR_STOP = 0x02, /* NMI */
	VECTOR_SPURIOUS = 0xff,
	VECTORS_DEVICE = VECTOR_NUCLEUS - VECTOR_DEVICE,
};

/* Where messages are written to, with the CPU's id from bit 12 on (Intel SDM vol. 3, 11.11.1). */
enum : uint32_t { APIC_MESSAGES = 0xfee00000 };

/* Maps the controllers that the MADT names (physical address of the RSDP). 0 or a negative errno. */
[[nodiscard]] int apic_init(uint64_t rsdp_phys);
void apic_init_cpu(void);
void apic_init_pci(uint64_t rsdp_phys);
void apic_stop_others(void);
/* The id that the index-th I/O APIC has in the MADT. false: there are no more. */
bool apic_io_id(unsigned index, uint32_t *id);
/* Measures the counter and the local timer against a timer of known rate. Result: counter frequency in Hz. */
uint64_t apic_calibrate(void);

#endif
