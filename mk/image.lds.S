/* SPDX-License-Identifier: MIT */
/*
 * The image, on every architecture: nucleus half, then lowered half, each with its own text, constants and data; page
 * permissions follow the segments. What no line here places is an error. Addresses that the nucleus needs from the lowered
 * half are constants of nucleus/layout.h; everything else it reads from the image header, since its object may have no
 * undefined symbol. In the lowered half every component has a range of each kind; what is shared comes last.
 */
#include <nucleus/layout.h>

#include "components.lds.h" /* tools/mkcomponents */

#define NUCLEUS *nucleus.o
#define LOWERED *[/]k[/]*.o
#define BRACKET *[/]bracket[/]*.o

ENTRY(nucleus_entry)

PHDRS {
	header PT_LOAD FLAGS(4);
	nucleus_text PT_LOAD FLAGS(5);
	nucleus_rodata PT_LOAD FLAGS(4);
	nucleus_data PT_LOAD FLAGS(6);
	text PT_LOAD FLAGS(5);
	rodata PT_LOAD FLAGS(4);
	data PT_LOAD FLAGS(6);
	symtab PT_LOAD FLAGS(4);
}

SECTIONS {
	. = IMAGE_BASE;
	.image_header : {
		QUAD(nucleus_text_start) QUAD(nucleus_text_end)
		QUAD(nucleus_rodata_start) QUAD(nucleus_rodata_end)
		QUAD(nucleus_data_start) QUAD(nucleus_data_end)
		QUAD(GATES_BASE) QUAD(lowered_text_end)
		QUAD(lowered_rodata_start) QUAD(lowered_rodata_end)
		QUAD(lowered_data_start) QUAD(lowered_data_end)
		QUAD(symtab_start) QUAD(symtab_end)
		QUAD(lower_sites_start) QUAD(lower_sites_end)
		QUAD(debug_text_start) QUAD(debug_text_end)
	} :header

	. = IMAGE_BASE + 0x1000;
	.nucleus.text : {
		nucleus_text_start = .;
		debug_text_start = .;
		NUCLEUS(.text.debug_* .text.arch_debug_* .text.gdb_*)
		debug_text_end = .;
		NUCLEUS(.text .text.*)
		nucleus_text_used_end = .;
		. = ALIGN(4096);
		nucleus_text_end = .;
	} :nucleus_text
	.nucleus.rodata : {
		nucleus_rodata_start = .;
		NUCLEUS(.rodata .rodata.*)
		. = ALIGN(4096);
		nucleus_rodata_end = .;
	} :nucleus_rodata
	.nucleus.data : {
		nucleus_data_start = .;
		KEEP(NUCLEUS(.limine_start)) KEEP(NUCLEUS(.limine_requests)) KEEP(NUCLEUS(.limine_end))
		NUCLEUS(.data .data.*)
	} :nucleus_data
	.nucleus.bss (NOLOAD) : {
		NUCLEUS(.bss .bss.* COMMON)
		. = ALIGN(4096);
		nucleus_data_end = .;
	} :nucleus_data
	ASSERT(nucleus_data_end <= GATES_BASE, "the nucleus half overlaps the lowered half")

	. = GATES_BASE;
	.gates : {
		KEEP(LOWERED(.gates.start))
		. = GATE_CALL_RETURN - GATE_BYTES;
		KEEP(LOWERED(.gates.call))
		. = GATE_RESUME_RETURN - GATE_BYTES;
		KEEP(LOWERED(.gates.resume))
		. = UPCALL_SYSCALL;
		KEEP(LOWERED(.gates.upcall))
	} :text
	ASSERT(SIZEOF(.gates) <= 4096, ".gates is more than its page")
	. = ELEVATED_BASE;
	.elevated : {
		BRACKET(.text.lower_sites)
		. = ALIGN(4096);
		brackets_start = .;
		BRACKET(.text)
		BRACKET(.text.*)
	} :text
	ASSERT(brackets_start == BRACKETS_BASE, "the ways out of lower() are not one page: move BRACKETS_BASE")
	ASSERT(. <= ELEVATED_END, ".elevated is full: raise ELEVATED_END")
	. = LOWERED_TEXT_BASE;
	.text : {
		COMPONENTS_TEXT
		LOWERED(.text .text.*)
		. = ALIGN(4096);
		lowered_text_end = .;
	} :text
	.rodata : {
		lowered_rodata_start = .;
		COMPONENTS_RODATA
		LOWERED(.rodata .rodata.*)
		. = ALIGN(8);
		__syscalls_start = .; KEEP(LOWERED(.syscalls)) __syscalls_end = .;
		. = ALIGN(8);
		__component_bodies_start = .; COMPONENT_TABLE __component_bodies_end = .;
		. = ALIGN(8);
		__component_starts_start = .; KEEP(LOWERED(.component_starts)) __component_starts_end = .;
		__component_parts_start = .; KEEP(LOWERED(.component_parts)) __component_parts_end = .;
		. = ALIGN(8);
		__filesystems_start = .; KEEP(LOWERED(.filesystems)) __filesystems_end = .;
		. = ALIGN(8);
		__socket_families_start = .; KEEP(LOWERED(.socket_families)) __socket_families_end = .;
		. = ALIGN(8);
		__input_listeners_start = .; KEEP(LOWERED(.input_listeners)) __input_listeners_end = .;
		. = ALIGN(8);
		__sys_files_start = .; KEEP(LOWERED(.sys_files)) __sys_files_end = .;
		. = ALIGN(8);
		__proc_files_start = .; KEEP(LOWERED(.proc_files)) __proc_files_end = .;
		. = ALIGN(8);
		/* The first that matches has the device: those of tests, for single devices, go before those of classes. */
		__drivers_start = .; KEEP(*[/]k[/]test[/]*.o(.drivers)) KEEP(LOWERED(.drivers)) __drivers_end = .;
		. = ALIGN(8);
		__ktest_suites_start = .; KEEP(LOWERED(.ktest_suites)) __ktest_suites_end = .;
		. = ALIGN(8);
		lower_sites_start = .; KEEP(LOWERED(.lower_sites)) lower_sites_end = .;
		. = ALIGN(4096);
		lowered_rodata_end = .;
	} :rodata
	.data : {
		lowered_data_start = .;
		KEEP(LOWERED(.components))
		COMPONENTS_DATA
		LOWERED(.data .data.*)
	} :data
	.bss (NOLOAD) : {
		COMPONENTS_BSS
		LOWERED(.bss .bss.* COMMON)
		. = ALIGN(4096);
		lowered_data_end = .;
	} :data
	.symtab_blob : {
		symtab_start = .;
		*(.symtab_blob)
		symtab_used_end = .;
		. = ALIGN(4096);
		symtab_end = .;
	} :symtab

	.debug_abbrev 0 : { *(.debug_abbrev) }
	.debug_addr 0 : { *(.debug_addr) }
	.debug_aranges 0 : { *(.debug_aranges) }
	.debug_frame 0 : { *(.debug_frame) }
	.debug_info 0 : { *(.debug_info) }
	.debug_line 0 : { *(.debug_line) }
	.debug_line_str 0 : { *(.debug_line_str) }
	.debug_loc 0 : { *(.debug_loc) }
	.debug_loclists 0 : { *(.debug_loclists) }
	.debug_ranges 0 : { *(.debug_ranges) }
	.debug_rnglists 0 : { *(.debug_rnglists) }
	.debug_str 0 : { *(.debug_str) }
	.debug_str_offsets 0 : { *(.debug_str_offsets) }
	.debug_names 0 : { *(.debug_names) }
	.comment 0 : { *(.comment) }
	.symtab 0 : { *(.symtab) }
	.shstrtab 0 : { *(.shstrtab) }
	.strtab 0 : { *(.strtab) }
	/DISCARD/ : { *(.note .note.* .eh_frame .eh_frame_hdr .llvm_addrsig .llvm.* .gnu.*) }
}
