/* SPDX-License-Identifier: MIT */
/*
 * The other CPUs. The loader has them waiting, each on a word of its own. They are taken in two steps, because where
 * one is missing or may not be used the others move up: numbers have no holes, and an interrupt controller may want to
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
#include "gate/lock.h"
#include "mmu/mmu.h"
#include "report/log.h"
#include "time/clock.h"

/* entry.S: goes on to boot_main_ap, on the loader's stack. */
void nucleus_entry_ap(struct mp_info *info);
[[noreturn]] void boot_main_ap(struct mp_info *info);

enum caller_state : uint32_t {
	CALLER_ASKED,	 /* to come */
	CALLER_WAITING,	 /* by the CPU: its row is written. One that is too late has nothing but this to wait for */
	CALLER_REFUSED,	 /* by the first CPU: for good */
	CALLER_NUMBERED, /* by the first CPU: the row's number is its own */
};

/* By the CPU's place in the loader's list. */
static struct caller {
	uint32_t state; /* enum caller_state */
	uint32_t number;
	struct mp_identity identity;
} callers[CPUS_MAX];

void limine_take_cpus(const volatile void *loaders)
{
	const volatile struct mp_response *response = loaders;

	boot_state.cpu_count = 1;
	boot_state.boot_cpu_id = mp_own_id(response);
	for (uint64_t i = 0; response && i < response->cpu_count && boot_state.cpu_count < CPUS_MAX; i++) {
		struct boot_cpu cpu = {.hardware_id = mp_hardware_id(response->cpus[i]), .mp_info = response->cpus[i]};

		if (cpu.hardware_id != boot_state.boot_cpu_id)
			boot_state.cpus[boot_state.cpu_count++] = cpu;
	}
	boot_state.cpus_left = response && response->cpu_count > CPUS_MAX;
	if (boot_state.cpus_left)
		log_printf("boot: %lu CPUs, of which %d are used\n", response->cpu_count, CPUS_MAX);
}

/* --- on the other CPUs, in the loader's world --- */

static uint32_t state_of(const struct caller *caller)
{
	return __atomic_load_n(&caller->state, __ATOMIC_ACQUIRE);
}

[[noreturn]] void boot_main_ap(struct mp_info *info)
{
	struct caller *caller = &callers[info->extra_argument];

	mp_identify(&caller->identity);
	__atomic_store_n(&caller->state, (uint32_t)CALLER_WAITING, __ATOMIC_RELEASE);
	while (state_of(caller) == CALLER_WAITING)
		mp_wait();
	if (state_of(caller) == CALLER_REFUSED)
		mp_stay_off();
	arch_enter_kernel_view(cpu_by_id(caller->number), arch_join);
}

/* --- on the first --- */

static void tell(struct caller *caller, enum caller_state state)
{
	__atomic_store_n(&caller->state, (uint32_t)state, __ATOMIC_RELEASE);
	mp_wake();
}

/* The loader's structures are in its own memory, still reachable through our direct map. */
static struct mp_info *info_of(const struct boot_cpu *cpu)
{
	return direct_map((uint64_t)cpu->mp_info - boot_state.hhdm);
}

static void call_all(void)
{
	for (uint32_t i = 1; i < boot_state.cpu_count; i++) {
		struct mp_info *info = info_of(&boot_state.cpus[i]);

		info->extra_argument = i;
		__atomic_store_n(&info->goto_address, nucleus_entry_ap, __ATOMIC_SEQ_CST);
	}
	/* The loader may let them sleep until there is an event. */
	mp_wake();
}

static bool admit(struct caller *caller, uint64_t id, struct patience *patience)
{
	const char *lacking;

	for (; state_of(caller) != CALLER_WAITING; cpu_relax())
		if (patience_over(patience)) {
			log_printf("boot: the CPU with " MP_ID " %lx does not answer: the system goes on without it\n",
				   id);
			return false;
		}
	lacking = mp_lacking(&caller->identity);
	if (lacking) {
		log_printf("boot: the CPU with " MP_ID " %lx lacks %s, which the first CPU has in use: it stays off\n",
			   id, lacking);
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

/* Under the lock, under which a CPU that is late looks whether it is still waited for (boot_join). */
static bool give_up(const struct cpu *cpu, uint32_t id)
{
	NUCLEUS_LOCKED;
	if (cpu->online)
		return false;
	cpu_count = id;
	return true;
}

static bool is_lost(const struct cpu *cpu, uint32_t id)
{
	for (struct patience patience = patience_begin(); !__atomic_load_n(&cpu->online, __ATOMIC_ACQUIRE); cpu_relax())
		if (patience_over(&patience))
			return give_up(cpu, id);
	return false;
}

void mp_start_cpus(void)
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
		if (is_lost(cpu, i)) {
			log_printf("boot: CPU %u (" MP_ID " %lx) got lost in the nucleus: the system goes on without "
				   "it and those after it\n",
				   i, boot_state.cpus[i].hardware_id);
			return;
		}
	}
}
