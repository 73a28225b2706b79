/* SPDX-License-Identifier: MIT */
/*
 * The other CPUs. The loader has them waiting, each on a word of its own. They are taken in two steps, because where
 * one is missing or may not be used the others move up: numbers have no holes, and the interrupt controller wants to
 * know them beforehand.
 *
 * First all are called at once, into boot_main_ap. There, still on the loader's tables and stack, each says in its row
 * of `callers` what it can do and waits; the rows are in the image, which the loader maps too. The first CPU decides.
 * Then one after the other is given its number and comes into the kernel view. One that stays away, or is refused,
 * keeps what it stands on: then the loader's memory is not reclaimed.
 */
#include "mp.h"
#include "boot/boot.h"
#include "cpu.h"
#include "features.h"
#include "gate/lock.h"
#include "mmu/mmu.h"
#include "psci.h"
#include "regs.h"
#include "report/log.h"
#include "sched/smp.h"
#include "time/clock.h"
#include <boot/limine_protocol.h>

void nucleus_entry_ap(struct limine_mp_info_aarch64 *info);

enum caller_state : uint32_t {
	CALLER_ASKED,	 /* to come */
	CALLER_WAITING,	 /* by the CPU: its row is written. One that is too late has nothing but this to wait for */
	CALLER_REFUSED,	 /* by the first CPU: for good */
	CALLER_NUMBERED, /* by the first CPU: the row's number is its own */
};

/* By the CPU's place in the loader's list. */
struct caller {
	uint32_t state; /* enum caller_state */
	uint32_t number;
	struct arm_id_registers ids;
};
static struct caller callers[CPUS_MAX];

void limine_take_cpus(const volatile void *response)
{
	const volatile struct limine_mp_response_aarch64 *mp = response;

	boot_state.cpu_count = 1;
	boot_state.boot_cpu_id = sysreg_read(mpidr_el1) & MPIDR_AFFINITY;
	if (!mp)
		return;
	for (uint64_t i = 0; i < mp->cpu_count && boot_state.cpu_count < CPUS_MAX; i++) {
		uint64_t id = mp->cpus[i]->mpidr & MPIDR_AFFINITY;

		if (id == boot_state.boot_cpu_id)
			continue;
		boot_state.cpus[boot_state.cpu_count].hardware_id = id;
		boot_state.cpus[boot_state.cpu_count++].mp_info = mp->cpus[i];
	}
	boot_state.cpus_left = mp->cpu_count > CPUS_MAX;
	if (boot_state.cpus_left)
		log_printf("boot: %lu CPUs, of which %d are used\n", mp->cpu_count, CPUS_MAX);
}

/* --- on the other CPUs, in the loader's world --- */

static uint32_t state_of(const struct caller *caller)
{
	return __atomic_load_n(&caller->state, __ATOMIC_ACQUIRE);
}

uint32_t mp_await_number(uint32_t place)
{
	struct caller *caller = &callers[place];

	features_identify(&caller->ids);
	__atomic_store_n(&caller->state, (uint32_t)CALLER_WAITING, __ATOMIC_RELEASE);
	while (state_of(caller) == CALLER_WAITING)
		/* Until there is an event: it comes after the verdict, and is remembered if it comes before. */
		__asm__ volatile("wfe" : : : "memory");
	if (state_of(caller) == CALLER_REFUSED) {
		psci_cpu_off();
		cpu_halt_forever();
	}
	return caller->number;
}

/* --- on the first --- */

/* To wake those who wait for what was just stored. */
static void send_event(void)
{
	dsb_sy();
	__asm__ volatile("sev" : : : "memory");
}

static void tell(struct caller *caller, enum caller_state state)
{
	__atomic_store_n(&caller->state, (uint32_t)state, __ATOMIC_RELEASE);
	send_event();
}

/* The loader's structures are in its own memory, still reachable through our direct map. */
static struct limine_mp_info_aarch64 *info_of(const struct boot_cpu *cpu)
{
	return direct_map((uint64_t)cpu->mp_info - boot_state.hhdm);
}

static void call_all(void)
{
	for (uint32_t i = 1; i < boot_state.cpu_count; i++) {
		struct limine_mp_info_aarch64 *info = info_of(&boot_state.cpus[i]);

		info->extra_argument = i;
		__atomic_store_n(&info->goto_address, nucleus_entry_ap, __ATOMIC_SEQ_CST);
	}
	/* The loader may let them sleep until there is an event. */
	send_event();
}

static bool came(const struct caller *caller, struct patience *patience)
{
	while (state_of(caller) != CALLER_WAITING) {
		if (patience_over(patience))
			return false;
		cpu_relax();
	}
	return true;
}

static bool admit(struct caller *caller, uint64_t mpidr, struct patience *patience)
{
	const char *lacking;

	if (!came(caller, patience)) {
		log_printf("boot: the CPU with MPIDR %lx does not answer: the system goes on without it\n", mpidr);
		return false;
	}
	lacking = features_admit(&caller->ids);
	if (lacking) {
		log_printf("boot: the CPU with MPIDR %lx lacks %s, which the first CPU has in use: it stays off\n",
			   mpidr, lacking);
		tell(caller, CALLER_REFUSED);
	}
	return !lacking;
}

void mp_admit_cpus(void)
{
	struct patience patience = patience_begin();
	uint32_t admitted = 1;

	call_all();
	for (uint32_t i = 1; i < boot_state.cpu_count; i++)
		if (admit(&callers[i], boot_state.cpus[i].hardware_id, &patience))
			boot_state.cpus[admitted++] = boot_state.cpus[i];
	if (admitted < boot_state.cpu_count)
		boot_state.cpus_left = true;
	boot_state.cpu_count = admitted;
}

static bool wait_online(const struct cpu *cpu)
{
	for (struct patience patience = patience_begin(); !__atomic_load_n(&cpu->online, __ATOMIC_ACQUIRE);) {
		if (patience_over(&patience))
			return false;
		cpu_relax();
	}
	return true;
}

/* Under the lock, under which a CPU that is late looks whether it is still waited for (ap_on_own_stack). */
static bool give_up(const struct cpu *cpu, uint32_t id)
{
	bool late;

	nucleus_lock_acquire();
	late = cpu->online;
	if (!late)
		cpu_count = id;
	nucleus_lock_release();
	return !late;
}

void arch_start_cpus(void)
{
	for (uint32_t i = 1; i < boot_state.cpu_count; i++) {
		struct caller *caller = &callers[info_of(&boot_state.cpus[i])->extra_argument];
		struct cpu *cpu = arch_cpu_create(i);

		if (!cpu) {
			log_printf("boot: no memory for CPU %u and those after it\n", i);
			return;
		}
		cpu_count = i + 1;
		caller->number = i;
		tell(caller, CALLER_NUMBERED);
		/* It did answer before: something is badly wrong with it, in the nucleus, where its area now is its
		 * own. */
		if (!wait_online(cpu) && give_up(cpu, i)) {
			log_printf("boot: CPU %u (MPIDR %lx) got lost in the nucleus: the system goes on without it "
				   "and those after it\n",
				   i, boot_state.cpus[i].hardware_id);
			return;
		}
	}
}
