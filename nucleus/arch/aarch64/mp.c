/* SPDX-License-Identifier: MIT */
/* The other CPUs: the loader has them waiting, each on a word of its own. */
#include "mp.h"
#include "boot/boot.h"
#include "cpu.h"
#include "gate/lock.h"
#include "mmu/mmu.h"
#include "regs.h"
#include "report/log.h"
#include "sched/smp.h"
#include "time/clock.h"
#include <nucleus/limine.h>

void nucleus_entry_ap(struct limine_mp_info_aarch64 *info);

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

static bool wait_online(const struct cpu *cpu)
{
	enum : uint64_t { PATIENCE_NS = 2000000000 };

	for (uint64_t until = clock_ns() + PATIENCE_NS; !__atomic_load_n(&cpu->online, __ATOMIC_ACQUIRE);) {
		if (clock_ns() > until)
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
		/* The loader's structures are in its own memory, still reachable through our direct map. */
		struct limine_mp_info_aarch64 *info =
			direct_map((uint64_t)boot_state.cpus[i].mp_info - boot_state.hhdm);
		struct cpu *cpu = arch_cpu_create(i);

		if (!cpu) {
			log_printf("boot: no memory for CPU %u\n", i);
			return;
		}
		cpu_count = i + 1;
		info->extra_argument = i;
		__atomic_store_n(&info->goto_address, nucleus_entry_ap, __ATOMIC_SEQ_CST);
		/* The loader may let it sleep until there is an event; that comes after the store. */
		dsb_sy();
		__asm__ volatile("sev" : : : "memory");
		if (!wait_online(cpu) && give_up(cpu, i)) {
			log_printf("boot: CPU %u (MPIDR %lx) does not answer; going on without it\n", i,
				   boot_state.cpus[i].hardware_id);
			return;
		}
	}
}
