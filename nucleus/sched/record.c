/* SPDX-License-Identifier: MIT */
/*
 * Thread records: fixed slots in the pool, found by index, never unmapped. A handle is index | generation << 20, so
 * that the handle of a thread that is gone does not name the next one. Lock: the nucleus lock.
 */
#include "frame/frames.h"
#include "report/report.h"
#include "sched/sched.h"
#include <lib/string.h>

enum : uint32_t { INDEX_BITS = 20, GENERATION_MASK = 0x7ff, CHUNK_RECORDS = 32, CHUNKS_MAX = 2048 };
static unsigned char *chunks[CHUNKS_MAX];
static uint32_t record_limit = 1; /* index 0 stays unused: no handle is 0 */
static struct list free_records = LIST_INIT(free_records);

uint64_t record_stride(void)
{
	return align_up(sizeof(struct record) + cpu_features.fpu_bytes, 64);
}

struct record *record_at(uint32_t index)
{
	if (index >= record_limit || !chunks[index / CHUNK_RECORDS])
		return nullptr;
	return (struct record *)(chunks[index / CHUNK_RECORDS] + (index % CHUNK_RECORDS) * record_stride());
}

struct record *record_create(void)
{
	struct record *r;

	if (!list_empty(&free_records)) {
		uint32_t index, generation;

		r = list_first(&free_records, struct record, ready_link);
		list_remove(&r->ready_link);
		index = r->index;
		generation = r->generation;
		memset(r, 0, record_stride());
		r->index = index;
		r->generation = (generation + 1) & GENERATION_MASK;
	} else {
		uint32_t chunk = record_limit / CHUNK_RECORDS;

		if (chunk >= CHUNKS_MAX)
			return nullptr;
		if (!chunks[chunk]) {
			chunks[chunk] = pool_alloc(align_up(CHUNK_RECORDS * record_stride(), PAGE_SIZE) >> PAGE_SHIFT);
			if (!chunks[chunk])
				return nullptr;
		}
		r = (struct record *)(chunks[chunk] + (record_limit % CHUNK_RECORDS) * record_stride());
		r->index = record_limit++;
	}
	r->state = THREAD_PARKED;
	r->affinity = UINT64_MAX;
	r->fair.pace = FAIR_PACE;
	list_init(&r->ready_link);
	strlcpy(r->name, "?", sizeof(r->name));
	r->process.record = r->kernel.record = r;
	r->process.is_process = 1;
	return r;
}

void record_free(struct record *r)
{
	r->state = THREAD_FREE;
	list_init(&r->ready_link);
	list_push_back(&free_records, &r->ready_link);
}

void record_name(char name[16], uint64_t low, uint64_t high)
{
	memcpy(name, &low, 8);
	memcpy(name + 8, &high, 8);
	name[15] = '\0';
}

uint32_t record_handle(const struct record *r)
{
	return r->index | r->generation << INDEX_BITS;
}

struct record *record_from_handle(uint64_t handle)
{
	struct record *r = record_at(handle & ((1u << INDEX_BITS) - 1));

	/* Idle threads have no page: nobody may name them. */
	if (!r || !r->page_pfn || r->state == THREAD_FREE || record_handle(r) != handle)
		return nullptr;
	return r;
}
