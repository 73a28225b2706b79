/* SPDX-License-Identifier: MIT */
/*
 * main.c - the stages from firmware to kernel.
 *
 * stellux-boot is a UEFI application that loads one kernel by the Limine boot protocol, base
 * revision 2 (PROTOCOL.md of Limine 8.x), as limine.conf tells it. Until boot services end, any
 * fault is told on screen and serial; after that only lack of the firmware's word can go wrong.
 */
#include <boot/arch.h>

struct efi_system_table *efi;
bool boot_services_over;

efi_status efi_main(efi_handle image, struct efi_system_table *system);

efi_status efi_main(efi_handle image, struct efi_system_table *system)
{
	static struct boot boot;
	char *stack;

	efi = system;
	boot.image = image;
	/* The firmware would reset the machine after five minutes, menu or not (UEFI 7.5). */
	efi->boot->set_watchdog_timer(0, 0, 0, nullptr);
	files_open_volume(&boot);
	arch_prepare();
	config_load(&boot);
	kernel_load(&boot);
	entropy_add_module(&boot);
	respond(&boot);
	stack = alloc_pages(boot.stack_size / PAGE, "the kernel's first stack");
	arch_mp_prepare(&boot);
	memmap_read(&boot);

	memmap_exit_boot_services(&boot);
	memmap_build(&boot);
	arch_mp_start(&boot);
	arch_enter(&boot, stack + boot.stack_size);
}
