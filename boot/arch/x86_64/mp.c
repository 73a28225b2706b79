/* SPDX-License-Identifier: MIT */
/*
 * mp.c - starts the other CPUs and parks them (PROTOCOL.md, "SMP (multiprocessor) Feature").
 *
 * All memory is allocated while the firmware is there: an info for each CPU that the MADT lists as
 * enabled and a stack for each but the first. After boot services all get INIT, then one after the
 * other a start-up IPI with its own parameters in the trampoline. A CPU is waited for as long as a
 * busy host may keep a virtual one from running. One that does not come is put back to wait for
 * start-up and left out of the response. MTRRs are equal on all CPUs, as the
 * platform initialisation specification asks of the firmware, and INIT leaves them alone.
 * Specifications: Intel SDM 3A 9.4 (MP initialisation), 11.6 (ICR), 11.12 (x2APIC); ACPI 5.2.12.
 */
#include <boot/arch.h>

#include "cpu.h"
#include "madt.h"
#include "x86_64.h"

constexpr uint32_t ICR_INIT = 0x4500;	  /* level, assert */
constexpr uint32_t ICR_START_UP = 0x4600; /* | page number */
constexpr uint32_t ICR_PENDING = 1u << 12;
constexpr uint32_t XAPIC_HIGHEST = 254; /* 255 is all of them */

struct cpu {
	struct limine_mp_info_x86_64 *info;
	char *stack_top; /* nullptr: the first CPU */
};

static struct cpu *cpus;
static uint64_t cpu_count;
static bool x2apic; /* the first CPU's state when the others start */
static uint64_t apic_base;
/* For all that do not come together, so that a machine with many dead ones starts too. */
static uint64_t patience_us = 15'000'000;

static uint32_t own_apic_id(void)
{
	struct cpuid topology = {};

	if (cpuid(0).eax >= 0xb)
		topology = cpuid(0xb);
	/* Leaf 0xb is there if it says how many threads it counts; it has all 32 bits. */
	return topology.ebx != 0 ? topology.edx : cpuid(1).ebx >> 24;
}

/* A CPU that can be started, out of one MADT entry. */
static bool read_cpu(const struct madt_entry *e, uint32_t *apic_id, uint32_t *uid)
{
	if (e->type == MADT_LOCAL_APIC) {
		const struct madt_local_apic *l = (const void *)e;

		*apic_id = l->apic_id;
		*uid = l->processor_uid;
		return l->flags & MADT_CPU_ENABLED;
	}
	if (e->type == MADT_LOCAL_X2APIC) {
		const struct madt_local_x2apic *l = (const void *)e;

		*apic_id = l->apic_id;
		*uid = l->processor_uid;
		return l->flags & MADT_CPU_ENABLED;
	}
	return false;
}

static void add_cpu(struct boot *boot, uint32_t apic_id, uint32_t uid)
{
	struct cpu *cpu = &cpus[cpu_count];

	for (uint64_t i = 0; i < cpu_count; i++) {
		if (cpus[i].info->lapic_id == apic_id)
			return;
	}
	cpu->info = alloc(sizeof(*cpu->info));
	cpu->info->processor_id = uid;
	cpu->info->lapic_id = apic_id;
	if (apic_id != own_apic_id())
		cpu->stack_top = (char *)alloc_pages(boot->stack_size / PAGE, "a CPU's stack") + boot->stack_size;
	cpu_count++;
}

void arch_mp_prepare(struct boot *boot)
{
	const struct madt *madt = firmware_acpi(boot->rsdp, "APIC");
	struct limine_mp_request *request = (void *)boot->request[REQUEST_MP];
	struct limine_mp_response_x86_64 *response;
	uint32_t apic_id, uid;

	if (request == nullptr)
		return;
	cpus = alloc(sizeof(*cpus) * (madt != nullptr ? madt->length / sizeof(struct madt_local_apic) : 1));
	for (size_t at = 0; madt != nullptr;) {
		const struct madt_entry *e = madt_next(madt, &at);

		if (e == nullptr)
			break;
		if (read_cpu(e, &apic_id, &uid))
			add_cpu(boot, apic_id, uid);
	}
	if (cpu_count == 0)
		add_cpu(boot, own_apic_id(), 0);

	response = alloc(sizeof(*response));
	response->bsp_lapic_id = own_apic_id();
	response->cpus = alloc(cpu_count * sizeof(*response->cpus));
	response->cpus = to_hhdm(response->cpus);
	request->response = to_hhdm(response);
}

static void send_ipi(uint32_t apic_id, uint32_t command)
{
	constexpr uint64_t icr_low = 0x300, icr_high = 0x310;
	uint64_t base = apic_base & APIC_BASE_ADDRESS;

	if (x2apic) {
		msr_write(MSR_X2APIC_ICR, (uint64_t)apic_id << 32 | command);
		return;
	}
	mmio_write(base + icr_high, apic_id << 24);
	mmio_write(base + icr_low, command);
	while (mmio_read(base + icr_low) & ICR_PENDING)
		pause();
}

/* Whether the CPU has taken its parameters, waited for that long. */
static bool wait_ready(const volatile struct trampoline_data *shared, uint64_t limit_us)
{
	constexpr uint64_t step_us = 10;

	for (uint64_t us = 0; us < limit_us; us += step_us) {
		if (shared->ready)
			return true;
		wait_us(step_us);
	}
	return shared->ready;
}

/* Sends start-up and waits until the CPU has taken its parameters. */
static bool start(const struct cpu *cpu)
{
	constexpr uint64_t first_us = 2'000, least_us = 200'000, most_us = 5'000'000;
	struct trampoline_data *data = trampoline_parameters();
	volatile struct trampoline_data *shared = data;
	uint32_t command = ICR_START_UP | (uint32_t)((uint64_t)data / PAGE);
	uint64_t second_us = patience_us < least_us ? least_us : patience_us < most_us ? patience_us : most_us;

	if (!x2apic && cpu->info->lapic_id > XAPIC_HIGHEST)
		return false;
	data->target = 0;
	data->stack = (uint64_t)to_hhdm(cpu->stack_top);
	data->info = (uint64_t)to_hhdm(cpu->info);
	shared->ready = 0;
	send_ipi(cpu->info->lapic_id, command);
	if (wait_ready(shared, first_us))
		return true;
	send_ipi(cpu->info->lapic_id, command);
	if (wait_ready(shared, second_us))
		return true;
	patience_us -= second_us < patience_us ? second_us : patience_us;
	send_ipi(cpu->info->lapic_id, ICR_INIT);
	return false;
}

static void decide_x2apic(const struct limine_mp_request *request)
{
	constexpr uint32_t cpuid_x2apic = 1u << 21;

	apic_base = msr_read(MSR_APIC_BASE);
	if ((request->flags & LIMINE_MP_X2APIC) && (cpuid(1).ecx & cpuid_x2apic)) {
		apic_base |= APIC_BASE_ENABLE | APIC_BASE_X2APIC;
		msr_write(MSR_APIC_BASE, apic_base);
	}
	x2apic = apic_base & APIC_BASE_X2APIC;
	trampoline_parameters()->apic_base = (uint32_t)(apic_base & (APIC_BASE_ENABLE | APIC_BASE_X2APIC));
}

void arch_mp_start(struct boot *boot)
{
	constexpr uint64_t after_init_us = 10000;
	const struct limine_mp_request *request = (void *)boot->request[REQUEST_MP];
	struct limine_mp_response_x86_64 *response;
	struct limine_mp_info_x86_64 **pointers;

	if (request == nullptr)
		return;
	decide_x2apic(request);
	for (uint64_t i = 0; i < cpu_count; i++) {
		if (cpus[i].stack_top != nullptr && (x2apic || cpus[i].info->lapic_id <= XAPIC_HIGHEST))
			send_ipi(cpus[i].info->lapic_id, ICR_INIT);
	}
	if (cpu_count > 1)
		wait_us(after_init_us);

	response = from_hhdm(request->response);
	pointers = from_hhdm(response->cpus);
	response->flags = x2apic ? LIMINE_MP_X2APIC : 0;
	for (uint64_t i = 0; i < cpu_count; i++) {
		if (cpus[i].stack_top == nullptr || start(&cpus[i]))
			pointers[response->cpu_count++] = to_hhdm(cpus[i].info);
		else
			print("stellux-boot: CPU %u does not start and is left out\n", cpus[i].info->lapic_id);
	}
	if (response->cpu_count < cpu_count)
		print("stellux-boot: %lu of %lu CPUs have come\n", response->cpu_count, cpu_count);
}
