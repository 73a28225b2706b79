/* SPDX-License-Identifier: MIT */
/*
 * machine.c - x86_64's part of the loader's test kernel: COM1, QEMU's isa-debug-exit (port 0xf4), page
 * tables, and the state that PROTOCOL.md promises under "Machine state at entry", "x86-64".
 */
#include "../../kernel.h"

struct entry_state first_state;

static void port_write(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static uint8_t port_read(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

void put_char(char c)
{
	while (!(port_read(0x3f8 + 5) & 0x20))
		;
	port_write(0x3f8, (uint8_t)c);
}

void end(void)
{
	port_write(0xf4, 0);
	for (;;)
		__asm__ volatile("cli; hlt");
}

const uint64_t *root_of(uint64_t)
{
	return (const uint64_t *)((first_state.cr3 & ~0xfffull) + hhdm);
}

bool is_valid(uint64_t entry)
{
	return entry & 1;
}

bool is_leaf(uint64_t entry, int shift)
{
	return shift == 12 || (entry & 0x80 && shift < 39);
}

uint64_t address_of(uint64_t entry, uint64_t size)
{
	return entry & 0x000ffffffffff000 & ~(size - 1);
}

bool has_permissions(uint64_t leaf, bool write, bool exec)
{
	return (bool)(leaf & 2) == write && !(leaf & 4) && ((leaf >> 63) == !exec || !(first_state.efer & 0x800));
}

static uint64_t pat_index(uint64_t leaf, uint64_t size)
{
	uint64_t pat = size == 4096 ? leaf >> 7 & 1 : leaf >> 12 & 1;

	return pat << 2 | (leaf >> 3 & 3);
}

bool is_memory(uint64_t leaf, uint64_t size)
{
	return pat_index(leaf, size) == 0;
}

bool is_screen(uint64_t leaf, uint64_t size)
{
	return pat_index(leaf, size) == 5;
}

bool lower_half_empty(void)
{
	bool empty = true;

	for (unsigned i = 0; i < 256; i++)
		empty &= root_of(0)[i] == 0;
	return empty;
}

void check_state(const struct entry_state *s, uint64_t argument, const char *who)
{
	bool zero = s->gpr[5] == argument;
	const uint64_t *gdt = (const uint64_t *)s->gdt.base;

	put("# state of ");
	put(who);
	put("\n");
	for (unsigned i = 0; i < 16; i++)
		zero &= i == 5 || i == 7 || s->gpr[i] == 0;
	check(zero, "general registers are 0, RDI as promised");
	check_value(s->flags & (1 << 9 | 1 << 10 | 1 << 17), 0, "IF, DF and VM are clear");
	check_value(s->cr0 & 0x80010001, 0x80010001, "CR0 has PG, WP and PE");
	check_value(s->cr4 & (1 << 5 | 1 << 12), 1 << 5, "CR4 has PAE, not LA57");
	check_value(s->efer & 0xd00, 0xd00, "EFER has LME, LMA and NXE");
	check_value(s->pat & 0xffffffffffff, 0x010500070406, "PAT as promised");
	check(s->gdt.base != 0 && s->gdt.limit >= 55 && is_hhdm(gdt), "GDT is in the HHDM");
	check((gdt[s->cs / 8] >> 53 & 1) && s->cs == 0x28, "CS is the 64-bit code segment");
	check(s->ss == 0x30 && s->ds == s->ss && s->es == s->ss && s->fs == s->ss && s->gs == s->ss,
	      "data segments are the 64-bit one");
	check(gdt[0] == 0 && (gdt[1] & ~(1ull << 40)) == 0x00009a000000ffff &&
		      (gdt[2] & ~(1ull << 40)) == 0x000092000000ffff &&
		      (gdt[3] & ~(1ull << 40)) == 0x00cf9a000000ffff && (gdt[4] & ~(1ull << 40)) == 0x00cf92000000ffff,
	      "GDT's entries as promised");
	check_value(memory_type((uint64_t)gdt - hhdm, 56), LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE, "GDT is reclaimable");
	check_value(s->stack_word, 0, "return address is 0");
	check_value(s->gpr[7] & 15, 8, "stack is aligned as at a function's entry");
	check_value(memory_type(s->gpr[7] + 8 - STACK_SIZE - hhdm, STACK_SIZE), LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE,
		    "stack is reclaimable and large enough");
}

/* Only aarch64's firmware may be slow: here the loader itself wakes the CPUs. */
void check_late_cpu(void)
{
}

void check_same_tables(const struct entry_state *a, const struct entry_state *b)
{
	check_value(a->cr3, b->cr3, "page tables are shared");
}

uint64_t cpu_id(const struct mp_info *info)
{
	return info->lapic_id;
}

uint64_t first_cpu_id(const struct mp_response *r)
{
	return r->bsp_lapic_id;
}
