/* SPDX-License-Identifier: MIT */
/*
 * From the loader's state to the kernel view: memory is sorted, the frame table made, the image, RAM and frame table
 * mapped, the rest left to the architecture and to the first lowered thread. Runs once, on the boot CPU, interrupts
 * off.
 */
#include "boot/boot.h"
#include "boot/image.h"
#include "boot/limine.h"
#include "debug/debug.h"
#include "frame/frames.h"
#include "gate/account.h"
#include "gate/calls.h"
#include "gate/policy.h"
#include "mmu/mmu.h"
#include "regs.h"
#include "report/log.h"
#include "report/report.h"
#include "sched/sched.h"
#include "time/clock.h"
#include <abi/errno.h>
#include <boot/limine_protocol.h>
#include <lib/acpi_tables.h>
#include <lib/cmdline.h>
#include <lib/string.h>
#include <stdarg.h>

enum { RANGES_MAX = 128, BOOT_STACK_PAGES = 8 };

extern const char idle_loop[]; /* entry.S */

struct boot_state boot_state;
static struct memory_range usable[RANGES_MAX], reclaimable[RANGES_MAX], mapped[RANGES_MAX];
static unsigned usable_count, reclaimable_count, mapped_count;
static uint64_t boot_thread_phys; /* guard page, stack, thread page */

[[noreturn]] void boot_stop(const char *fmt, ...)
{
	char why[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, sizeof(why), fmt, args);
	va_end(args);
	log_printf("stellux: cannot boot: %s\nstellux: the machine is switched off\n", why);
	arch_power_off_at_boot();
	log_printf("stellux: the firmware offers no way to do that; halted\n");
	cpu_halt_forever();
}

long call_power(uint32_t action)
{
	if (action != POWER_OFF && action != POWER_RESET)
		return -EINVAL;
	NUCLEUS_LOCKED;
	arch_power(action == POWER_OFF);
	return -ENOSYS;
}

static void add_range(struct memory_range *list, unsigned *count, struct memory_range r)
{
	if (r.start >= r.end)
		return;
	if (*count && list[*count - 1].end == r.start) {
		list[*count - 1].end = r.end;
		return;
	}
	if (*count == RANGES_MAX)
		boot_stop("the memory map has too many entries");
	list[(*count)++] = r;
}

static bool is_ram(uint64_t type)
{
	return type == LIMINE_MEMMAP_USABLE || type == LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE ||
	       type == LIMINE_MEMMAP_KERNEL_AND_MODULES || type == LIMINE_MEMMAP_ACPI_RECLAIMABLE ||
	       type == LIMINE_MEMMAP_ACPI_NVS;
}

/* Copies the loader's map and sets up the frame table from it. */
static void take_memory(void)
{
	struct memory_range r;
	uint64_t type, highest = 0;

	for (unsigned i = 0; limine_memory(i, &r, &type); i++) {
		if (type == LIMINE_MEMMAP_USABLE)
			add_range(usable, &usable_count, r);
		if (type == LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE)
			add_range(reclaimable, &reclaimable_count, r);
		if (!is_ram(type))
			continue;
		add_range(mapped, &mapped_count, r);
		highest = MAX(highest, r.end);
	}
	if (frame_init(usable, usable_count, highest) < 0)
		boot_stop(
			"too little memory: no free range is long enough for the frame table and the nucleus's own memory; "
			"give the machine at least 128 MiB");
	for (unsigned i = 0; limine_memory(i, &r, &type); i++)
		if (type == LIMINE_MEMMAP_KERNEL_AND_MODULES)
			frame_set_type(r.start, r.end, FRAME_NUCLEUS);
		else if (type == LIMINE_MEMMAP_ACPI_RECLAIMABLE || type == LIMINE_MEMMAP_ACPI_NVS)
			frame_set_type(r.start, r.end, FRAME_FIRMWARE);
}

static void must(int result, const char *what)
{
	if (result < 0)
		boot_stop("%s", what);
}

static void map_image_part(struct image_range r, enum pte_kind kind)
{
	must(kernel_view_map(r.start, image_phys(r.start), (r.end - r.start) >> PAGE_SHIFT, kind),
	     "no memory for the image's page tables");
}

static void map_image(void)
{
	const struct image_header *h = image_header();

	map_image_part((struct image_range){IMAGE_BASE, IMAGE_BASE + PAGE_SIZE}, PTE_NUCLEUS_RODATA);
	map_image_part(h->nucleus_text, PTE_NUCLEUS_TEXT);
	map_image_part(h->nucleus_rodata, PTE_NUCLEUS_RODATA);
	map_image_part(h->nucleus_data, PTE_NUCLEUS_DATA);
	map_image_part((struct image_range){h->lowered_text.start, ELEVATED_BASE}, PTE_LOWERED_TEXT);
	map_image_part((struct image_range){ELEVATED_BASE, ELEVATED_END}, PTE_LOWERED_BRACKETS);
	map_image_part((struct image_range){ELEVATED_END, h->lowered_text.end}, PTE_LOWERED_TEXT);
	map_image_part(h->lowered_rodata, PTE_LOWERED_RODATA);
	map_image_part(h->lowered_data, PTE_LOWERED_DATA);
	map_image_part(h->symtab, PTE_LOWERED_RODATA);
}

/* All RAM for the nucleus, and only RAM: a cacheable mapping of a device may be read ahead of use. */
static void map_ram(void)
{
	for (unsigned i = 0; i < mapped_count; i++)
		must(kernel_view_map_blocks(DIRECT_BASE + mapped[i].start, mapped[i].start,
					    mapped[i].end - mapped[i].start, PTE_NUCLEUS_DIRECT),
		     "no memory for the direct map");
}

static void map_frame_table(void)
{
	must(kernel_view_map_blocks(FRAMES_BASE, (uint64_t)frames - direct_base,
				    align_up(frame_count * sizeof(struct frame), PAGE_SIZE), PTE_LOWERED_RODATA),
	     "no memory for the frame table's map");
}

/* Gives a range of whole pages to the lowered kernel, in the window. */
static void give_kernel(uint64_t phys, uint64_t pages)
{
	frame_set_type(phys, phys + (pages << PAGE_SHIFT), FRAME_KERNEL);
	must(kernel_view_map(WINDOW_BASE + phys, phys, pages, PTE_LOWERED_DATA), "no memory for the window");
}

static void read_mode(const char *cmdline)
{
	char mode[16];

	if (!cmdline_find(cmdline, "dynpriv", CMDLINE_LAST, mode, sizeof(mode)) || !strcmp(mode, "full"))
		privilege_mode = MODE_FULL;
	else if (!strcmp(mode, "drivers"))
		privilege_mode = MODE_DRIVERS;
	else if (!strcmp(mode, "off"))
		privilege_mode = MODE_OFF;
	else
		log_printf("boot: dynpriv=%s is none of full, drivers, off; using full\n", mode);
}

static void prepare_boot_info(void)
{
	struct boot_info *info = boot_state.info;

	limine_take(info);
	info->frame_count = frame_count;
	info->mode = privilege_mode;
	info->time_page_pfn = image_phys((uint64_t)time_page) >> PAGE_SHIFT;
	frame_set_type(info->time_page_pfn << PAGE_SHIFT, (info->time_page_pfn + 1) << PAGE_SHIFT, FRAME_SHARED);
	give_kernel(info->time_page_pfn << PAGE_SHIFT, 0);
	must(kernel_view_map(WINDOW_BASE + (info->time_page_pfn << PAGE_SHIFT), info->time_page_pfn << PAGE_SHIFT, 1,
			     PTE_LOWERED_RODATA),
	     "no memory for the window");
	if (info->initramfs_bytes)
		give_kernel(info->initramfs_pfn << PAGE_SHIFT,
			    align_up(info->initramfs_bytes, PAGE_SIZE) >> PAGE_SHIFT);
	if (info->dtb_bytes)
		give_kernel(info->dtb_phys, align_up(info->dtb_bytes, PAGE_SIZE) >> PAGE_SHIFT);
}

/* The direct map replaces the loader's: pointers into that move over. */
static void change_direct_map(void)
{
	uint64_t delta = DIRECT_BASE - direct_base;

	direct_base = DIRECT_BASE;
	frame_rebase(delta);
	boot_state.info = (struct boot_info *)((uint64_t)boot_state.info + delta);
}

[[noreturn]] static void on_own_stack(void)
{
	change_direct_map();
	arch_boot();
}

/* Lowered code chooses where registers of devices go. */
static void tell_reserved(void)
{
	struct boot_info *info = boot_state.info;
	struct memory_range r;
	uint64_t type;

	for (unsigned i = 0; info->reserved_count < BOOT_RESERVED_MAX && limine_memory(i, &r, &type); i++)
		if (type == LIMINE_MEMMAP_RESERVED)
			info->reserved[info->reserved_count++] = (struct boot_range){r.start, r.end};
}

[[noreturn]] void boot_main(void)
{
	struct cpu *cpu;

	arch_console_init();
	log_printf("stellux: booting\n");
	limine_check();
	arch_detect_cpu();
	read_mode(limine_cmdline());
	sched_init();
	take_memory();

	kernel_root_phys = frame_boot_alloc(PAGE_SIZE);
	uint64_t info_pages = align_up(sizeof(struct boot_info), PAGE_SIZE) >> PAGE_SHIFT;
	boot_state.info_phys = frame_boot_alloc(info_pages << PAGE_SHIFT);
	boot_thread_phys = frame_boot_alloc((1 + BOOT_STACK_PAGES + 1) << PAGE_SHIFT);
	if (!kernel_root_phys || !boot_state.info_phys || !boot_thread_phys)
		boot_stop("the memory set aside at boot does not suffice");
	boot_state.info = direct_map(boot_state.info_phys);
	map_image();
	map_ram();
	map_frame_table();
	/* Top-level entries never change after boot: process views copy them. */
	must(kernel_view_make_tops(), "no memory for the shared tables");
	must(arch_view_init(), "no memory for the shared tables");
	give_kernel(boot_state.info_phys, info_pages);
	give_kernel(boot_thread_phys + PAGE_SIZE, BOOT_STACK_PAGES + 1);
	prepare_boot_info();
	tell_reserved();
	account_patch_lower_sites(false);
	cpu = arch_cpu_create(0);
	if (!cpu)
		boot_stop("no memory for the first CPU");
	arch_enter_kernel_view(cpu, on_own_stack);
}

/* The first lowered thread. */
static void start_kernel(void)
{
	uint64_t stack = WINDOW_BASE + boot_thread_phys + ((1 + BOOT_STACK_PAGES) << PAGE_SHIFT);
	long handle = call_thread_create((stack - WINDOW_BASE) >> PAGE_SHIFT, GATE_START, stack, 0, 0);
	struct record *r = handle > 0 ? record_from_handle((uint64_t)handle) : nullptr;

	if (!r)
		boot_stop("no memory for the first thread");
	strlcpy(r->name, "boot", sizeof(r->name));
	arch_set_upcall(r, GATE_START, stack, WINDOW_BASE + boot_state.info_phys, 0, 0, 0);
	boot_state.info->cpu_count = cpu_count;
	boot_state.info->ram_frames = ram_frames;
	boot_state.info->nucleus_frames = nucleus_frames;
	nucleus_lock_acquire();
	sched_unpark(r);
	nucleus_lock_release();
}

/* Of a table that the lowered kernel does not see. */
static void tell_debug_ports(void)
{
	struct boot_info *info = boot_state.info;
	size_t length;
	const void *dbg2 =
		info->rsdp_phys ? acpi_find_table(info->rsdp_phys, "DBG2", kernel_view_firmware, &length) : nullptr;

	info->debug_count = dbg2 ? acpi_debug_ports(dbg2, length, info->debug, BOOT_DEBUG_MAX) : 0;
}

/* What the loader used becomes free memory. */
static void reclaim(void)
{
	for (unsigned i = 0; i < reclaimable_count; i++)
		frame_add_range(reclaimable[i]);
}

static void make_idle(struct cpu *cpu)
{
	struct record *r = record_create();

	if (!r)
		panic(nullptr, "no memory for an idle thread");
	strlcpy(r->name, "idle", sizeof(r->name));
	r->state = THREAD_RUNNING;
	r->started = true;
	r->home_elevated = true;
	/* The stack is never used: interrupts go to the record. */
	arch_set_upcall(r, (uint64_t)idle_loop, cpu->stack_top - 64, 0, 0, 0, 0);
	r->cpu = cpu;
	r->id = cpu->id;
	cpu->idle = r;
}

/* The first instruction of a CPU's life in the scheduler. Lock held. */
[[noreturn]] static void enter_scheduler(struct cpu *cpu)
{
	cpu->current = nullptr;
	__atomic_store_n(&cpu->online, 1, __ATOMIC_RELEASE);
	sched_resume();
}

void boot_finish(struct cpu *cpu) NO_THREAD_SAFETY
{
	make_idle(cpu);
	cpu->current = cpu->idle;
	cpu->online = 1;
	tell_debug_ports();
	mp_start_cpus();
	/* A CPU that did not come up still is in the loader's memory. */
	if (cpu_count == boot_state.cpu_count && !boot_state.cpus_left)
		reclaim();
	log_printf("boot: %u CPU%s, counter %lu kHz, nucleus %lu KiB of %lu KiB RAM\n", cpu_count,
		   cpu_count == 1 ? "" : "s", time_page->counter_hz / 1000, nucleus_frames * 4, ram_frames * 4);
	debug_boot();
	start_kernel();
	nucleus_lock_acquire();
	enter_scheduler(cpu);
}

void boot_join(struct cpu *cpu) NO_THREAD_SAFETY
{
	nucleus_lock_acquire();
	/* Too late: the boot CPU has gone on without this one. */
	if (cpu->id >= cpu_count) {
		nucleus_lock_release();
		cpu_halt_forever();
	}
	make_idle(cpu);
	enter_scheduler(cpu);
}
