/* SPDX-License-Identifier: MIT */
/*
 * machine.c - aarch64's part of the loader's test kernel: output and end by semihosting (Arm's
 * specification, version 3: SYS_WRITEC, SYS_EXIT), so that no device's address need be known, page
 * tables, and the state that PROTOCOL.md promises under "Machine state at entry", "aarch64".
 */
#include "../../kernel.h"

struct entry_state first_state;

static void semihosting(uint64_t operation, const volatile void *argument)
{
	register uint64_t x0 __asm__("x0") = operation;
	register const volatile void *x1 __asm__("x1") = argument;

	__asm__ volatile("hlt #0xf000" : "+r"(x0) : "r"(x1) : "memory");
}

void put_char(char c)
{
	constexpr uint64_t sys_writec = 3;
	volatile char copy = c;

	semihosting(sys_writec, &copy);
}

void end(void)
{
	constexpr uint64_t sys_exit = 0x18, application_exit = 0x20026;
	const volatile uint64_t block[2] = {application_exit, 0};

	semihosting(sys_exit, block);
	for (;;)
		__asm__ volatile("wfi");
}

constexpr uint64_t ADDRESS = 0x0000fffffffff000;

const uint64_t *root_of(uint64_t virt)
{
	return (const uint64_t *)(((virt >> 63 ? first_state.ttbr1 : first_state.ttbr0) & ADDRESS) + hhdm);
}

bool is_valid(uint64_t entry)
{
	return entry & 1;
}

bool is_leaf(uint64_t entry, int shift)
{
	return shift == 12 || !(entry & 2);
}

uint64_t address_of(uint64_t entry, uint64_t size)
{
	return entry & ADDRESS & ~(size - 1);
}

/* AP[2:1], PXN, UXN; never for EL0. The access flag is set, or every access would fault. */
bool has_permissions(uint64_t leaf, bool write, bool exec)
{
	return !(leaf >> 7 & 1) == write && !(leaf >> 6 & 1) && !(leaf >> 53 & 1) == exec && (leaf >> 54 & 1) &&
	       (leaf >> 10 & 1);
}

static uint8_t memory_attribute(uint64_t leaf)
{
	return (uint8_t)(first_state.mair >> 8 * (leaf >> 2 & 7));
}

bool is_memory(uint64_t leaf, uint64_t)
{
	return memory_attribute(leaf) == 0xff && (leaf >> 8 & 3) == 3;
}

/* "An unspecified caching mode, correct for use with the framebuffer": ours is non-cacheable. */
bool is_screen(uint64_t leaf, uint64_t)
{
	return memory_attribute(leaf) == 0x44;
}

/* The protocol leaves the lower half to the kernel; nothing of the way in may remain there. */
bool lower_half_empty(void)
{
	bool empty = true;

	for (unsigned i = 0; i < 512; i++)
		empty &= root_of(0)[i] == 0;
	return empty;
}

void check_state(const struct entry_state *s, uint64_t argument, const char *who)
{
	constexpr uint64_t masks = 0x3c0, el1 = 1 << 2;
	constexpr uint64_t enabled = 1 << 0 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 12, reserved = 0x30d00800;
	bool zero = s->x[0] == argument;

	put("# state of ");
	put(who);
	put("\n");
	for (unsigned i = 1; i < 31; i++)
		zero &= s->x[i] == 0;
	check(zero, "general registers are 0, X0 as promised");
	check_value(s->daif, masks, "all interrupts are masked");
	check_value(s->el, el1, "EL1");
	check_value(s->spsel, 0, "on SP_EL0");
	check_value(s->sctlr, enabled | reserved, "SCTLR_EL1 has M, C, SA, SA0 and I");
	check_value(s->tcr & 0x3f, 16, "T0SZ is 16");
	check_value(s->tcr >> 16 & 0x3f, 16, "T1SZ is 16");
	check((s->tcr >> 14 & 3) == 0 && (s->tcr >> 30 & 3) == 2, "both granules are 4 KiB");
	check((s->mair & 0xff) == 0xff, "MAIR_EL1 has write-back memory");
	check_value(s->counter_control & 1, 0, "the physical timer is ours, and off");
	check(s->counter != 0, "the physical counter is ours");
	check_value(s->vector, 0x5a5a, "vector registers are ours");
	check_value(s->reached, option("reach="), "vector lengths, GIC and keys are ours");
	check_value(s->sp & 15, 0, "stack is aligned");
	check_value(memory_type(s->sp - STACK_SIZE - hhdm, STACK_SIZE), LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE,
		    "stack is reclaimable and large enough");
}

/*
 * "late=ADDRESS" is the spin-table word of the CPU, where the loader left the address of the page for it; the sign
 * there (boot/arch/aarch64/aarch64.h) is 2 when it has found that it is too late. The CPU, which waits until the word
 * behind the address is cleared (test/loader/spin_table), writes it with its caches off.
 */
void check_late_cpu(void)
{
	constexpr uint64_t sign_offset = 0xf00, too_late = 2;
	volatile uint64_t *word = (void *)(option("late=") + hhdm), *sign;
	uint64_t page, hz, now, end;

	if (option("late=") == 0)
		return;
	page = *word;
	check_value(memory_type(page, 4096), LIMINE_MEMMAP_RESERVED, "the late CPU's page is reserved");
	sign = (void *)(page + sign_offset + hhdm);
	word[1] = 0;
	__asm__ volatile("dc civac, %0; dsb sy" : : "r"(&word[1]) : "memory");
	__asm__ volatile("mrs %0, cntfrq_el0; mrs %1, cntpct_el0" : "=r"(hz), "=r"(now));
	for (end = now + option("late_s=") * hz; now < end && *sign != too_late;)
		__asm__ volatile("dc civac, %1; dsb sy; isb; mrs %0, cntpct_el0" : "=r"(now) : "r"(sign) : "memory");
	check_value(*sign, too_late, "the late CPU stays there");
}

void check_same_tables(const struct entry_state *a, const struct entry_state *b)
{
	check(a->ttbr1 == b->ttbr1 && a->tcr == b->tcr && a->mair == b->mair, "page tables are shared");
}

uint64_t cpu_id(const struct mp_info *info)
{
	return info->mpidr;
}

uint64_t first_cpu_id(const struct mp_response *r)
{
	return r->bsp_mpidr;
}
