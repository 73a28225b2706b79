/* SPDX-License-Identifier: MIT */
/*
 * Hand-over from the loader. boot_main takes what the Limine responses say, sets memory apart, and builds the kernel
 * view; then the architecture brings up the CPU, and the first lowered thread starts.
 */
#ifndef NUCLEUS_BOOT_H
#define NUCLEUS_BOOT_H

#include "frame/frames.h"
#include <lib/annotate.h>
#include <nucleus/layout.h>
#include <nucleus/upcall.h>
#include <stdint.h>

struct boot_cpu {
	uint64_t hardware_id;
	void *mp_info; /* the loader's structure */
};
struct boot_state {
	struct boot_info *info; /* window's page, through the direct map */
	uint64_t info_phys;
	uint64_t rsdp_phys, efi_system_table_phys, kernel_phys, hhdm;
	uint64_t boot_cpu_id;
	uint32_t cpu_count;
	bool cpus_left; /* the machine has more than are used */
	struct boot_cpu cpus[64];
};
extern struct boot_state boot_state;

static inline uint64_t image_phys(uint64_t address)
{
	return boot_state.kernel_phys + (address - IMAGE_BASE);
}

[[noreturn]] void boot_main(void);
/* Before the lowered kernel runs: says why the machine cannot boot, and switches it off if it can. */
[[noreturn]] void boot_stop(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* Returns if there is no way to do that yet. */
void arch_power_off_at_boot(void);
/* Switches the machine off, or resets it. Returns if there is no way to do that. */
void arch_power(bool off);
/* The architecture, on the final stack and tables. */
[[noreturn]] void arch_boot(void);
/* Detects CPU features before anything depends on them. */
void arch_detect_cpu(void);
/* Makes the area of a CPU (entry page, data, stacks). nullptr: out of memory. */
struct cpu *arch_cpu_create(uint32_t id);
/* Loads the kernel view, leaves the loader's stack for the CPU's own and calls next. */
[[noreturn]] void arch_enter_kernel_view(struct cpu *cpu, void (*next)(void));
/* Tables that process views share with the kernel view; after the image is mapped. */
[[nodiscard]] int arch_view_init(void);
/* The end of arch_boot, and of another CPU's start: into the scheduler. */
[[noreturn]] void boot_finish(struct cpu *cpu);
[[noreturn]] void boot_join(struct cpu *cpu);
/* The same on another CPU (arch_enter_kernel_view's `next`); ends in boot_join. */
[[noreturn]] void arch_join(void);

/* The other CPUs (boot/mp.c). Fills boot_state's from the loader's response, which may be nullptr: one CPU. */
void limine_take_cpus(const volatile void *response);
/* Calls them. Those that do not come, and those that lack what is in use, are named in the log and are no longer among
 * boot_state's afterwards. The clock runs. */
void mp_admit_cpus(void);
/* Starts them, one after the other. */
void mp_start_cpus(void);

#endif
