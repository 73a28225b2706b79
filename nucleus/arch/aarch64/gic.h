/* SPDX-License-Identifier: MIT */
/*
 * The Generic Interrupt Controller (IHI 0048B for version 2, IHI 0069 for 3 and 4), in the nucleus because it can send
 * any CPU any interrupt. Everything is in Group 1 (version 2 without security states: Group 0, which its IRQ line
 * delivers just so), one priority, EOImode 0: gic_end drops the priority and deactivates. A level line is masked at the
 * distributor before that. The irq_* and arch_irq_* functions of irq/irq.h are implemented here too; a device's global
 * interrupt number is its INTID, of which only shared ones (32…1019) can be attached.
 */
#ifndef ARCH_GIC_H
#define ARCH_GIC_H

#include <stdint.h>

struct cpu;

enum interrupt_kind : uint32_t {
	INTERRUPT_NONE,	 /* spurious: nothing to do and nothing to end */
	INTERRUPT_TIMER, /* already silent: arch_timer_set arms it anew */
	INTERRUPT_RESCHEDULE,
	INTERRUPT_SERVE, /* look at the mailbox (shootdown_serve) */
	INTERRUPT_STOP,
	INTERRUPT_DEVICE,  /* irq_deliver(slot) */
	INTERRUPT_IOMMU,   /* of a line that gic_keep_line took */
	INTERRUPT_UNKNOWN, /* acknowledged, nobody's: gic_silence */
};
struct interrupt {
	enum interrupt_kind kind;
	uint32_t slot;	/* INTERRUPT_DEVICE; INTERRUPT_UNKNOWN: the line */
	uint32_t token; /* for gic_end */
};

/* Software-generated interrupts. */
enum gic_sgi : uint32_t { SGI_RESCHEDULE, SGI_SERVE, SGI_STOP, SGI_COUNT };

[[nodiscard]] int gic_init(void);
void gic_init_cpu(void);
/* In the IRQ vector, any view, interrupts masked. */
struct interrupt gic_acknowledge(void);
/* Masks the line of INTERRUPT_UNKNOWN. Under the nucleus lock: who connects the line meanwhile keeps it. */
void gic_silence(struct interrupt i);
/* After the handler (so after irq_deliver), before the context is left; not for INTERRUPT_NONE. */
void gic_end(struct interrupt i);
/* Boot: the line is the nucleus's own, on edges, and nobody else can attach it. false: there is none of that number. */
bool gic_keep_line(uint32_t line);
/* SGI_STOP to all others; harmless before gic_init. */
void gic_stop_others(void);

#endif
