/* SPDX-License-Identifier: MIT */
/*
 * Functions of PCI before the kernel's PCI bus (kernel/bus/pci), which a test includes: their configuration space as
 * the nucleus's calls show it, and what the bus calls of the kernel. The bus's thread is the test's; a call of the
 * nucleus may be made to fault, upon which the thread begins anew as a service does.
 */
#ifndef TEST_PCI_MODEL_H
#define TEST_PCI_MODEL_H

/* The model's are in place of the calls, and of the thread's page. */
#define NUCLEUS_CALLS_H
#define ARCH_CURRENT_H

#include <nucleus/privilege.h>
#include <nucleus/thread_page.h>
#include <stddef.h>
#include <stdint.h>

struct thread_page *thread_page_current(void);
long nucleus_pci_read(uint32_t function, uint32_t offset, uint32_t bytes);
long nucleus_pci_write(uint32_t function, uint32_t offset, uint32_t bytes, uint32_t value);
long nucleus_pci_bars(uint32_t function, uint32_t bar, uint64_t address);
long nucleus_pci_silence(uint32_t function);
long nucleus_device_claim(uint32_t kind, uint64_t start, uint64_t size, uint32_t flags);
long nucleus_device_release(uint64_t claim);
long nucleus_irq_attach(uint32_t gsi, uint32_t flags);
long nucleus_irq_attach_message(uint32_t function, uint32_t index);
long nucleus_irq_detach(uint32_t handle);

constexpr unsigned MODEL_FUNCTIONS = 24, MODEL_DEVICES = 64, ROOT = UINT32_MAX;

/* A function, on a root bus or behind a bridge of the model. */
struct model_function {
	bool there, mute; /* mute: answers all ones */
	unsigned bridge;  /* index, or ROOT: then it is on the bus of number >> 8 */
	uint32_t number;  /* behind a bridge: of device and function only */
	unsigned char registers[256];
	uint32_t bar_bytes[6]; /* memory of 32 bits; 0: no such BAR */
};
extern struct model {
	struct model_function at[MODEL_FUNCTIONS];
	unsigned count;
	unsigned steps, fault_at; /* calls of the nucleus; 0: none faults */
	unsigned faults;
	uint64_t now_ns;
	unsigned not_silent, references, objects; /* devices of which silence is not known; held; of the heap */
	long silence;				  /* what the nucleus says */
	char log[1 << 16];
} model;

void model_reset(void);
/* Adds a function of a vendor, with a BAR of so many bytes (0: none); its index. */
unsigned model_add(unsigned bridge, uint32_t number, uint32_t bar_bytes);
/* Adds a bridge, as it comes out of a reset. */
unsigned model_add_bridge(unsigned bridge, uint32_t number);
/* Makes the bridge a port with a slot, in which something is. */
void model_add_slot(unsigned function);
uint32_t model_register(unsigned function, uint32_t offset, uint32_t bytes);
void model_set(unsigned function, uint32_t offset, uint32_t bytes, uint32_t value);
/* A power cycle: what was written is gone. */
void model_empty(unsigned function);
/* The device of a function, by its name; borrowed, nullptr: none. */
struct device *model_device(const char *name);
unsigned model_devices(void);
bool model_said(const char *text);

#endif
