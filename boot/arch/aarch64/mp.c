/* SPDX-License-Identifier: MIT */
/*
 * mp.c - starts the other CPUs and parks them (PROTOCOL.md, "SMP (multiprocessor) Feature").
 *
 * All memory is allocated while the firmware is there: for each CPU that the device tree or the
 * MADT lists an info, and for each but the first a stack and a trampoline page. After boot services
 * all are started at once, by PSCI or through their spin-table words, and waited for. One that does
 * not come is left out of the response; should it come late, it parks for good on its own page,
 * which the memory map has as reserved.
 * Specifications: PSCI (DEN 0022F), 5.1.4; SMC calling convention (DEN 0028), 2; Devicetree
 * Specification 0.4, 3.8.1 (spin-table). CPUs are told apart by MPIDR_EL1's affinity fields.
 */
#include <boot/arch.h>
#include <lib/arm_cpus.h>

#include "aarch64.h"
#include "cpu.h"

struct cpu {
	struct limine_mp_info_aarch64 *info;
	uint64_t release_address;
	char *page; /* nullptr: the first CPU */
	bool asked; /* started, by what the firmware says */
};

static struct cpu *cpus;
static uint64_t cpu_count, cpu_room;
static struct arm_cpu_start how;

static void add_cpu(struct boot *boot, const struct arm_cpu *found)
{
	struct cpu *cpu = &cpus[cpu_count];
	struct trampoline_data *data;

	for (uint64_t i = 0; i < cpu_count; i++) {
		if (cpus[i].info->mpidr != found->mpidr)
			continue;
		cpus[i].info->processor_id = found->uid;
		return;
	}
	if (cpu_count == cpu_room || !found->usable)
		return;
	cpu_count++;
	cpu->info = alloc(sizeof(*cpu->info));
	cpu->info->processor_id = found->uid;
	cpu->info->mpidr = found->mpidr;
	cpu->release_address = found->release_address;
	if (found->mpidr == own_mpidr())
		return;
	cpu->page = trampoline_create(EFI_RESERVED_MEMORY);
	data = trampoline_parameters(cpu->page);
	data->stack = (uint64_t)to_hhdm(alloc_pages(boot->stack_size / PAGE, "a CPU's stack")) + boot->stack_size;
	data->info = (uint64_t)to_hhdm(cpu->info);
}

/* The first CPU runs, whatever the tables say of it. */
static void add_own(struct boot *boot, uint64_t listed)
{
	cpu_room = listed + 1;
	cpus = alloc(sizeof(*cpus) * cpu_room);
	add_cpu(boot, &(struct arm_cpu){.mpidr = own_mpidr(), .usable = true});
}

static void find_by_tree(struct boot *boot)
{
	struct arm_cpu found;
	uint64_t listed = 0;

	how = arm_cpu_start_from_devicetree(boot->tree);
	for (int node = -1; arm_cpu_next_in_devicetree(boot->tree, &node, &found);)
		listed++;
	add_own(boot, listed);
	for (int node = -1; arm_cpu_next_in_devicetree(boot->tree, &node, &found);)
		add_cpu(boot, &found);
}

static void find_by_acpi(struct boot *boot)
{
	const struct acpi_header *madt = firmware_acpi(boot->rsdp, "APIC");
	const struct acpi_header *fadt = firmware_acpi(boot->rsdp, "FACP");
	struct arm_cpu found;
	uint64_t listed = 0;

	if (madt == nullptr) {
		add_own(boot, 0);
		return;
	}
	if (fadt != nullptr)
		how = arm_cpu_start_from_fadt(fadt, fadt->length);
	for (size_t at = 0; arm_cpu_next_in_madt(madt, madt->length, &at, &found);)
		listed++;
	add_own(boot, listed);
	for (size_t at = 0; arm_cpu_next_in_madt(madt, madt->length, &at, &found);)
		add_cpu(boot, &found);
}

void arch_mp_prepare(struct boot *boot)
{
	struct limine_mp_request *request = (void *)boot->request[REQUEST_MP];
	struct limine_mp_response_aarch64 *response;

	if (request == nullptr)
		return;
	if (boot->tree != nullptr)
		find_by_tree(boot);
	else
		find_by_acpi(boot);
	response = alloc(sizeof(*response));
	response->bsp_mpidr = own_mpidr();
	response->cpus = alloc(cpu_count * sizeof(*response->cpus));
	response->cpus = to_hhdm(response->cpus);
	request->response = to_hhdm(response);
}

/* CPU_ON through the conduit; x0 to x17 are the callee's (DEN 0028, 2.6). 0: success. */
static int64_t psci_cpu_on(uint64_t mpidr, uint64_t entry)
{
	register uint64_t x0 __asm__("x0") = how.cpu_on;
	register uint64_t x1 __asm__("x1") = mpidr;
	register uint64_t x2 __asm__("x2") = entry;
	register uint64_t x3 __asm__("x3") = 0;

#define CALL(instruction)                                                                                              \
	__asm__ volatile(instruction                                                                                   \
			 : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)                                                      \
			 :                                                                                             \
			 : "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17", \
			   "memory")
	if (how.conduit == ARM_PSCI_HVC)
		CALL("hvc #0");
	else
		CALL("smc #0");
#undef CALL
	return (int32_t)x0;
}

static void start(struct cpu *cpu)
{
	trampoline_publish(cpu->page);
	if (cpu->release_address != 0) {
		*(volatile uint64_t *)cpu->release_address = (uint64_t)cpu->page;
		cache_clean((void *)cpu->release_address, sizeof(uint64_t));
		__asm__ volatile("sev" : : : "memory");
		cpu->asked = true;
	} else if (how.conduit != ARM_PSCI_NONE) {
		cpu->asked = psci_cpu_on(cpu->info->mpidr, (uint64_t)cpu->page) == 0;
	}
}

static bool arrived(const struct cpu *cpu)
{
	const volatile struct trampoline_data *data = trampoline_parameters(cpu->page);

	return cpu->asked && data->ready;
}

void arch_mp_start(struct boot *boot)
{
	/* As long as a busy host may keep a virtual CPU from running; and so many looks, since one that stops the whole
	 * machine takes time from it, but no looks. */
	constexpr uint64_t patience_us = 5'000'000, looks = 500'000;
	const struct limine_mp_request *request = (void *)boot->request[REQUEST_MP];
	struct limine_mp_response_aarch64 *response;
	struct limine_mp_info_aarch64 **pointers;
	uint64_t asked = arch_ticks(), looked = 0;

	if (request == nullptr)
		return;
	for (uint64_t i = 0; i < cpu_count; i++) {
		if (cpus[i].page != nullptr)
			start(&cpus[i]);
	}
	response = from_hhdm(request->response);
	pointers = from_hhdm(response->cpus);
	for (uint64_t i = 0; i < cpu_count; i++) {
		struct cpu *cpu = &cpus[i];

		while (cpu->page != nullptr && cpu->asked && !arrived(cpu) &&
		       (!has_passed(asked, patience_us) || looked < looks))
			looked++;
		/* Also one that the firmware did not start: it may have misunderstood. */
		if (cpu->page == nullptr || arrived(cpu) || !trampoline_abandon(cpu->page))
			pointers[response->cpu_count++] = to_hhdm(cpu->info);
		else
			print("stellux-boot: CPU 0x%lx does not start and is left out\n", cpu->info->mpidr);
	}
	if (response->cpu_count < cpu_count)
		print("stellux-boot: %lu of %lu CPUs have come\n", response->cpu_count, cpu_count);
}
