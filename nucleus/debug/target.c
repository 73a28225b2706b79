/* SPDX-License-Identifier: MIT */
/*
 * What the debugger is shown: CPUs and threads, registers, memory. Memory is found by walking the page tables in
 * software, and each step looks whether it leads to RAM: neither an address nor a broken table makes the stub fault.
 */
#include "debug/debug.h"
#include "mmu/mmu.h"
#include "sched/sched.h"
#include <lib/string.h>

/* --- threads --- */

/* A CPU's: the thread that it runs. nullptr: there is none. */
static struct record *record_of(uint64_t thread)
{
	struct record *r;

	if (thread && thread <= cpu_count)
		return cpu_by_id((uint32_t)thread - 1)->current;
	r = thread > DEBUG_RECORDS && thread <= UINT32_MAX ? record_at((uint32_t)(thread - DEBUG_RECORDS)) : nullptr;
	return r && (r->state == THREAD_PARKED || r->state == THREAD_READY) ? r : nullptr;
}

static bool thread_is(uint64_t thread)
{
	return thread && thread <= cpu_count ? debug_cpus[thread - 1].frame != nullptr
					     : thread > DEBUG_RECORDS && record_of(thread);
}

static uint64_t thread_after(uint64_t thread)
{
	for (thread++; thread <= cpu_count; thread++)
		if (thread_is(thread))
			return thread;
	/* Index 0 of the records is nobody's. */
	for (thread = MAX(thread, (uint64_t)DEBUG_RECORDS + 1); record_at((uint32_t)(thread - DEBUG_RECORDS)); thread++)
		if (thread_is(thread))
			return thread;
	return 0;
}

static void describe(uint64_t thread, char *out, size_t size)
{
	static const char *const states[] = {[THREAD_PARKED] = "parked", [THREAD_READY] = "ready"};
	const struct record *r = record_of(thread);

	if (thread > cpu_count)
		snprintf(out, size, "%s[%u] %s%s", r->name, r->id, states[r->state],
			 r->in_process ? " in its process" : "");
	else if (r)
		snprintf(out, size, "CPU %lu: %s[%u]", thread - 1, r->name, r->id);
	else
		snprintf(out, size, "CPU %lu: between two threads", thread - 1);
}

/* --- registers --- */

static bool reach_register(uint64_t thread, unsigned number, uint8_t *value, bool write)
{
	struct record *r = record_of(thread);
	struct debug_cpu *d = thread <= cpu_count ? &debug_cpus[thread - 1] : nullptr;

	if (d)
		return d->frame && arch_debug_register(d->frame, d, d->fpu, number, value, write);
	if (!r)
		return false;
	if (write)
		r->fpu_cpu = nullptr; /* what a CPU may have of it is old */
	return arch_debug_register(r->in_process ? &r->process : &r->kernel, nullptr, r->fpu, number, value, write);
}

static bool register_read(uint64_t thread, unsigned number, uint8_t *out)
{
	return reach_register(thread, number, out, false);
}

static bool register_write(uint64_t thread, unsigned number, const uint8_t *in)
{
	uint8_t value[GDB_REGISTER_MAX];

	memcpy(value, in, gdb_register_bytes(debug_target.registers, number));
	return reach_register(thread, number, value, true);
}

/* --- memory --- */

static bool is_ram(uint64_t phys)
{
	enum frame_type type;

	if (!frame_valid(phys >> PAGE_SHIFT))
		return false;
	type = frames[phys >> PAGE_SHIFT].type;
	return type != FRAME_NONE && type != FRAME_DEVICE && type != FRAME_DMA;
}

/* The leaf of an address and its level; 0: there is none. */
static pte_t leaf_of(uint64_t root, uint64_t va, unsigned *level)
{
	uint64_t table = root;

	for (*level = 4; is_ram(table); --*level) {
		pte_t e = pte_load((pte_t *)direct_map(table) + (va >> (PAGE_SHIFT + 9 * (*level - 1)) & 511));

		if (!pte_present(e))
			return 0;
		if (*level == 1 || (*level == 2 && pte_large(e)))
			return e;
		table = pte_phys(e);
	}
	return 0;
}

/* What stands there, to the end of the page at the most; nullptr: nothing that may be reached. */
static uint8_t *memory_at(uint64_t thread, uint64_t va, bool write)
{
	const struct record *r = record_of(thread);
	bool upper = va >> 63;
	unsigned level;
	uint64_t phys;
	pte_t e;

	if ((va >> 47 != 0 && va >> 47 != 0x1ffff) || (!upper && (!r || !r->space)))
		return nullptr;
	e = leaf_of(upper ? kernel_root_phys : r->space->root_phys, va, &level);
	phys = pte_phys(e) | (va & ((level == 2 ? BLOCK_SIZE : PAGE_SIZE) - 1));
	/* A page of a process that is not writable may be others', too. */
	if (!e || !is_ram(phys) || (write && !upper && !pte_writable(e)))
		return nullptr;
	return direct_map(phys);
}

static size_t reach(uint64_t thread, uint64_t va, uint8_t *bytes, size_t n, bool write)
{
	size_t done = 0;

	while (done < n) {
		uint8_t *at = memory_at(thread, va + done, write);
		size_t some = MIN(n - done, PAGE_SIZE - ((va + done) & (PAGE_SIZE - 1)));

		if (!at)
			break;
		memcpy(write ? at : bytes + done, write ? bytes + done : at, some);
		if (write)
			arch_debug_text_changed(va + done, at);
		done += some;
	}
	return done;
}

size_t debug_memory_read(uint64_t thread, uint64_t address, uint8_t *out, size_t n)
{
	return reach(thread, address, out, n, false);
}

static size_t memory_write(uint64_t thread, uint64_t address, const uint8_t *in, size_t n)
{
	return reach(thread, address, (uint8_t *)in, n, true);
}

struct gdb_target debug_target = {
	.send = debug_uart_send,
	.thread_after = thread_after,
	.thread_is = thread_is,
	.thread_describe = describe,
	.register_read = register_read,
	.register_write = register_write,
	.memory_read = debug_memory_read,
	.memory_write = memory_write,
	.point_set = debug_point_set,
};
