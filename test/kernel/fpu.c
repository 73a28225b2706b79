/* SPDX-License-Identifier: MIT */
/* FPU registers belong to one thread at a time, and after its end to nobody. */
#include "ktest.h"

#include "bare.h"

enum { INDEX_MASK = 0xfffff, THREADS_MAX = 2000 };
constexpr uint64_t PATTERN = 0x5eed5eed5eed5eed;
constexpr uint64_t TAG_VA = 0xa00000;

static uint32_t over, found_pattern;

/* Whether the calling thread, which has no process, is given the registers of another. */
static void look(void *)
{
	long size = nucleus_fpu_get();

	for (long i = 0; i < size / 8; i++)
		if (call_area()[i] == PATTERN)
			__atomic_fetch_add(&found_pattern, 1, __ATOMIC_SEQ_CST);
	__atomic_store_n(&over, 1, __ATOMIC_SEQ_CST);
}

/* Threads come and go until one has the record of the dead one. */
static void dead_threads_leave_nothing(void)
{
	int cpu = (int)boot_info()->cpu_count - 1;
	uint64_t tag = user_frame();
	uint32_t dead, h = 0;
	struct bare b;

	run_on(0);
	if (!bare_create(&b, bare_pattern, BARE_SIZE(pattern), cpu))
		return;
	dead = b.handle;
	window(b.data_pfn)[8] = window(b.data_pfn)[12] = window(tag)[0] = PATTERN;
	EXPECT_EQ(nucleus_space_map(b.space, TAG_VA, tag, 1, MAP_PROT_READ), 0);
	EXPECT_EQ(nucleus_regs_get(b.handle), 0);
	bare_set_tls((struct user_regs *)call_area(), TAG_VA);
	EXPECT_EQ(nucleus_regs_set(b.handle), 0);
	bare_start(&b);
	EXPECT(WAIT_UNTIL(bare_word(&b, 0) > 100));
	window(b.data_pfn)[9] = 1;
	bare_destroy(&b);
	__atomic_store_n(&found_pattern, 0, __ATOMIC_SEQ_CST);
	for (int i = 0; i < THREADS_MAX && (h & INDEX_MASK) != (dead & INDEX_MASK); i++) {
		__atomic_store_n(&over, 0, __ATOMIC_SEQ_CST);
		struct thread *t = start_thread(look, nullptr, cpu);

		if (!t)
			break;
		h = handle_of(t);
		if (!EXPECT(WAIT_UNTIL(__atomic_load_n(&over, __ATOMIC_SEQ_CST))))
			break;
	}
	EXPECT_EQ(h & INDEX_MASK, dead & INDEX_MASK);
	EXPECT_EQ(__atomic_load_n(&found_pattern, __ATOMIC_SEQ_CST), 0);
	give_user_frame(tag);
}

KTEST_SUITE(fpu, KTEST("a dead thread's registers are nobody's", dead_threads_leave_nothing));
