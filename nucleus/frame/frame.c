/* SPDX-License-Identifier: MIT */
/*
 * The frame table and the hand-out of free memory in blocks of 2 MiB.
 *
 * Free frames are in no window. frame_take() gives a block its type and puts it into the window, frame_give() takes it
 * out again; the nucleus takes whole blocks for its own pools. Ends of memory ranges that fill no block are handed out
 * as they are (pieces). Lock: the nucleus lock.
 */
#include "frame/frames.h"
#include "gate/calls.h"
#include "mmu/mmu.h"
#include "report/log.h"
#include "sched/sched.h"
#include <abi/errno.h>
#include <lib/string.h>

struct frame *frames;
uint64_t frame_count, ram_frames, nucleus_frames;
uint64_t direct_base;

enum block_state : uint8_t { BLOCK_NONE, BLOCK_FREE, BLOCK_TAKEN };
static enum block_state *blocks;
static uint64_t block_count, block_hint;

enum { PIECES_MAX = 128 };
static struct memory_range pieces[PIECES_MAX];
static unsigned piece_count;

static struct memory_range boot_memory; /* what is left for frame_boot_alloc */

/* Page-table frames that are free are in no tree, and zero but for these links. A processor that still has the way to
 * one cached must not take a link for an entry: page-aligned addresses are none. */
struct free_table {
	uint64_t next, prev; /* physical; 0: none */
};
static uint64_t table_free_list, table_free_count;
static uint16_t *table_free_in; /* free ones of each block */
static uint32_t idle_table_blocks;

static uint64_t pool_next = POOL_BASE, pool_mapped = POOL_BASE;
enum : uint64_t { POOL_LIMIT = POOL_BASE + 0x40000000 };

uint64_t frame_boot_alloc(uint64_t bytes)
{
	uint64_t phys = boot_memory.start;

	bytes = align_up(bytes, PAGE_SIZE);
	if (boot_memory.end - boot_memory.start < bytes)
		return 0;
	boot_memory.start += bytes;
	memset(direct_map(phys), 0, bytes);
	return phys;
}

void frame_rebase(uint64_t delta)
{
	frames = (struct frame *)((uint64_t)frames + delta);
	blocks = (enum block_state *)((uint64_t)blocks + delta);
	table_free_in = (uint16_t *)((uint64_t)table_free_in + delta);
}

void frame_set_type(uint64_t start, uint64_t end, enum frame_type type)
{
	for (uint64_t pfn = start >> PAGE_SHIFT; pfn < end >> PAGE_SHIFT && pfn < frame_count; pfn++)
		frames[pfn] = (struct frame){.type = type};
}

static void add_piece(uint64_t start, uint64_t end)
{
	if (piece_count == PIECES_MAX) {
		log_printf("frames: more than %d scattered pieces of memory; %lu KiB left unused\n", PIECES_MAX,
			   (end - start) >> 10);
		return;
	}
	pieces[piece_count++] = (struct memory_range){start, end};
}

void frame_add_range(struct memory_range r)
{
	frame_set_type(r.start, r.end, FRAME_FREE);
	ram_frames += (r.end - r.start) >> PAGE_SHIFT;
	for (uint64_t at = r.start, next; at < r.end; at = next) {
		next = MIN(align_down(at, BLOCK_SIZE) + BLOCK_SIZE, r.end);
		if (next - at == BLOCK_SIZE)
			blocks[at >> BLOCK_SHIFT] = BLOCK_FREE;
		else
			add_piece(at, next);
	}
}

RARE int frame_init(const struct memory_range *usable, unsigned count, uint64_t highest)
{
	uint64_t table_bytes, need;
	int chosen = -1;

	frame_count = highest >> PAGE_SHIFT;
	block_count = align_up(highest, BLOCK_SIZE) >> BLOCK_SHIFT;
	table_bytes = align_up(frame_count * sizeof(struct frame), PAGE_SIZE);
	/* Table, block states and counts, the direct map's tables (one page for 1 GiB), and two pools of a block each.
	 */
	need = table_bytes + align_up(block_count, PAGE_SIZE) +
	       align_up(block_count * sizeof(*table_free_in), PAGE_SIZE) + ((highest >> 30) + 8) * PAGE_SIZE;
	need = align_up(need, BLOCK_SIZE) + 2ull * BLOCK_SIZE;
	for (unsigned i = 0; i < count && chosen < 0; i++)
		if (usable[i].start >= 0x100000 && align_up(usable[i].start, BLOCK_SIZE) + need <= usable[i].end)
			chosen = (int)i;
	if (chosen < 0)
		return -ENOMEM;

	uint64_t base = align_up(usable[chosen].start, BLOCK_SIZE), end = base + need;

	boot_memory = (struct memory_range){base, end};
	frames = direct_map(frame_boot_alloc(table_bytes));
	blocks = direct_map(frame_boot_alloc(block_count));
	table_free_in = direct_map(frame_boot_alloc(block_count * sizeof(*table_free_in)));
	for (unsigned i = 0; i < count; i++)
		frame_add_range(usable[i]);
	frame_set_type(base, end, FRAME_NUCLEUS);
	for (uint64_t b = base >> BLOCK_SHIFT; b < end >> BLOCK_SHIFT; b++)
		blocks[b] = BLOCK_TAKEN;
	nucleus_frames += need >> PAGE_SHIFT;
	return 0;
}

/* A whole free block among the first `limit`, or -1. */
static int64_t block_find(uint64_t limit)
{
	for (uint64_t n = 0; n < limit; n++) {
		uint64_t b = (block_hint + n) % limit;

		if (blocks[b] == BLOCK_FREE) {
			block_hint = b + 1;
			return (int64_t)b;
		}
	}
	return -1;
}

/* Takes a whole block for the nucleus itself: from memory set aside at boot as long as there is some. */
static uint64_t nucleus_block(void)
{
	int64_t b;

	if (boot_memory.end - align_up(boot_memory.start, BLOCK_SIZE) >= BLOCK_SIZE && boot_memory.end >= BLOCK_SIZE) {
		boot_memory.end -= BLOCK_SIZE;
		memset(direct_map(boot_memory.end), 0, BLOCK_SIZE);
		return boot_memory.end;
	}
	b = block_find(block_count);
	if (b < 0)
		return 0;
	blocks[b] = BLOCK_TAKEN;
	nucleus_frames += BLOCK_FRAMES;
	memset(direct_map((uint64_t)b << BLOCK_SHIFT), 0, BLOCK_SIZE);
	return (uint64_t)b << BLOCK_SHIFT;
}

static struct free_table *free_table(uint64_t phys)
{
	return direct_map(phys);
}

static void free_list_add(uint64_t phys)
{
	uint16_t *here = &table_free_in[phys >> BLOCK_SHIFT];

	*free_table(phys) = (struct free_table){.next = table_free_list};
	if (table_free_list)
		free_table(table_free_list)->prev = phys;
	table_free_list = phys;
	table_free_count++;
	idle_table_blocks += ++*here == BLOCK_FRAMES;
}

static void free_list_remove(uint64_t phys)
{
	struct free_table *t = free_table(phys);
	uint16_t *here = &table_free_in[phys >> BLOCK_SHIFT];

	if (t->prev)
		free_table(t->prev)->next = t->next;
	else
		table_free_list = t->next;
	if (t->next)
		free_table(t->next)->prev = t->prev;
	*t = (struct free_table){};
	table_free_count--;
	idle_table_blocks -= (*here)-- == BLOCK_FRAMES;
}

RARE static bool grow_tables(void)
{
	uint64_t phys = nucleus_block();

	if (!phys)
		return false;
	frame_set_type(phys, phys + BLOCK_SIZE, FRAME_PAGE_TABLE);
	for (uint64_t p = phys + BLOCK_SIZE; p > phys; p -= PAGE_SIZE)
		free_list_add(p - PAGE_SIZE);
	/* The new frames themselves serve if the window needs another table. */
	if (kernel_view_map_blocks(WINDOW_BASE + phys, phys, BLOCK_SIZE, PTE_LOWERED_RODATA) < 0)
		log_printf("frames: page-table block at %lx is not in the window\n", phys);
	return true;
}

RARE void frame_table_trim(void)
{
	uint64_t b = 0, start;

	/* One is kept, or a process that comes and goes would move a block each time. */
	if (idle_table_blocks < 2)
		return;
	while (table_free_in[b] != BLOCK_FRAMES)
		b++;
	start = b << BLOCK_SHIFT;
	for (uint64_t p = start; p < start + BLOCK_SIZE; p += PAGE_SIZE)
		free_list_remove(p);
	kernel_view_unmap_block(WINDOW_BASE + start);
	frame_set_type(start, start + BLOCK_SIZE, FRAME_FREE);
	blocks[b] = BLOCK_FREE;
	nucleus_frames -= BLOCK_FRAMES;
}

bool frame_table_reserve(unsigned n)
{
	while (table_free_count < n)
		if (!grow_tables())
			return false;
	return true;
}

uint64_t frame_table_alloc(unsigned level, uint32_t owner)
{
	uint64_t phys;

	if (!table_free_list && !grow_tables())
		return 0;
	phys = table_free_list;
	free_list_remove(phys);
	frames[phys >> PAGE_SHIFT] =
		(struct frame){.type = FRAME_PAGE_TABLE, .level = (uint8_t)level, .owner = (uint16_t)owner};
	return phys;
}

void frame_table_free(uint64_t phys)
{
	frames[phys >> PAGE_SHIFT] = (struct frame){.type = FRAME_PAGE_TABLE};
	free_list_add(phys);
}

uint64_t frame_block_take(void)
{
	uint64_t phys = nucleus_block();

	if (phys)
		frame_set_type(phys, phys + BLOCK_SIZE, FRAME_NUCLEUS);
	return phys;
}

void *pool_alloc(uint64_t pages)
{
	uint64_t at = pool_next, bytes = pages << PAGE_SHIFT;

	if (at + bytes > POOL_LIMIT)
		return nullptr;
	while (pool_mapped < at + bytes) {
		uint64_t phys = frame_block_take();

		if (!phys || kernel_view_map_blocks(pool_mapped, phys, BLOCK_SIZE, PTE_NUCLEUS_DATA) < 0)
			return nullptr;
		pool_mapped += BLOCK_SIZE;
	}
	pool_next += bytes;
	return (void *)at;
}

bool pool_has(uint64_t va)
{
	return va >= POOL_BASE && va < pool_next;
}

uint64_t pool_phys(const void *p)
{
	uint64_t phys = 0;

	(void)kernel_translate((uint64_t)p, &phys);
	return phys;
}

/* --- nucleus calls --- */

/* What frame_retype turns into each other. */
enum : unsigned { KERNEL_TYPES = 1u << FRAME_KERNEL | 1u << FRAME_PAGE };

/* [start, end) does not cross a block boundary. */
static long take_range(uint64_t start, uint64_t end, enum frame_type type)
{
	int error = kernel_view_map_blocks(WINDOW_BASE + start, start, end - start, PTE_LOWERED_DATA);

	if (error)
		return error;
	frame_set_type(start, end, type);
	return (long)((start >> PAGE_SHIFT) << 10 | (end - start) >> PAGE_SHIFT);
}

/* In no window: who maps it chooses where. What devices change behind the caches is in the direct map neither, since
 * one frame with two attributes is read from either. */
static long take_dma(uint64_t below, bool uncached)
{
	int64_t b = block_find(below ? MIN(below >> BLOCK_SHIFT, block_count) : block_count);
	uint64_t start = (uint64_t)b << BLOCK_SHIFT;

	if (b < 0)
		return -ENOMEM;
	if (uncached)
		kernel_view_unmap_block(DIRECT_BASE + start);
	for (uint64_t i = 0; i < BLOCK_FRAMES; i++)
		frames[(start >> PAGE_SHIFT) + i] = (struct frame){.type = FRAME_DMA, .level = uncached};
	blocks[b] = BLOCK_TAKEN;
	return (long)((start >> PAGE_SHIFT) << 10 | BLOCK_FRAMES);
}

long call_frame_take(uint32_t type, uint64_t below, uint32_t uncached)
{
	long result;
	int64_t b;

	if ((type != FRAME_KERNEL && type != FRAME_PAGE && type != FRAME_DMA) || uncached > 1 ||
	    (type != FRAME_DMA && (below || uncached)))
		return -EINVAL;
	NUCLEUS_LOCKED;
	if (!frame_table_reserve(4))
		return -ENOMEM;
	if (type == FRAME_DMA)
		return take_dma(below, uncached);
	if (piece_count) {
		struct memory_range r = pieces[piece_count - 1];

		result = take_range(r.start, r.end, (enum frame_type)type);
		piece_count -= result > 0;
		return result;
	}
	b = block_find(block_count);
	if (b < 0)
		return -ENOMEM;
	result = take_range((uint64_t)b << BLOCK_SHIFT, (uint64_t)(b + 1) << BLOCK_SHIFT, (enum frame_type)type);
	if (result > 0)
		blocks[b] = BLOCK_TAKEN;
	return result;
}

/* 0 if the run is the kernel's to give or retype: its frames are of those types, and none is mapped. */
static long run_unused(uint64_t pfn, uint64_t count, unsigned types)
{
	bool mapped = false;

	if (pfn >= frame_count || count > frame_count - pfn || !count)
		return -EPERM;
	for (uint64_t i = 0; i < count; i++) {
		if (!(types >> frames[pfn + i].type & 1))
			return -EPERM;
		mapped |= frames[pfn + i].mappings != 0;
	}
	return mapped ? -EBUSY : 0;
}

long call_frame_give(uint64_t pfn, uint64_t count)
{
	uint64_t start = pfn << PAGE_SHIFT;
	bool dma;
	long error;

	if (pfn % BLOCK_FRAMES || count != BLOCK_FRAMES)
		return -EINVAL;
	NUCLEUS_LOCKED;
	dma = frame_valid(pfn) && frames[pfn].type == FRAME_DMA;
	error = run_unused(pfn, count, dma ? 1u << FRAME_DMA : KERNEL_TYPES);
	if (error)
		return error;
	if (dma && frames[pfn].level) /* the table for it was never taken away */
		(void)kernel_view_map_blocks(DIRECT_BASE + start, start, BLOCK_SIZE, PTE_NUCLEUS_DIRECT);
	kernel_view_unmap_block(WINDOW_BASE + start);
	frame_set_type(start, start + BLOCK_SIZE, FRAME_FREE);
	blocks[start >> BLOCK_SHIFT] = BLOCK_FREE;
	return 0;
}

long call_frame_retype(uint64_t pfn, uint64_t count, uint32_t type)
{
	long error;

	if ((type != FRAME_KERNEL && type != FRAME_PAGE) || count > BLOCK_FRAMES)
		return -EINVAL;
	NUCLEUS_LOCKED;
	error = run_unused(pfn, count, KERNEL_TYPES);
	/* Both types are writable in the window, and with no mapping left no TLB knows another. */
	if (!error)
		frame_set_type(pfn << PAGE_SHIFT, (pfn + count) << PAGE_SHIFT, (enum frame_type)type);
	return error;
}
