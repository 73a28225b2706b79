/* SPDX-License-Identifier: MIT */
/*
 * What lowered code can reach: nothing of the nucleus, its own text and page tables only for reading, no data for
 * executing. Each is tried, and the fault is contained. Where threads are privileged at home (dynpriv=off) only what
 * the page tables forbid everyone still holds.
 */
#include "ktest.h"

#include "bare.h"

#include <abi/errno.h>
#include <kernel/mem/kmap.h>
#include <kernel/thread/guard.h>

DECLARE_COMPONENT(core);

extern const char nucleus_text_start[], nucleus_data_start[], nucleus_rodata_start[], symtab_start[],
	lowered_rodata_start[], lowered_text_end[];

constexpr uint32_t LOWERED = IN_FULL | IN_DRIVERS;
/* Harmless to execute, if it could be. */
static volatile uint64_t own_data = BARE_RETURN;
static const volatile uint64_t own_constant = BARE_RETURN;

static void nucleus_image(void)
{
	EXPECT(faults(ACCESS_READ, (uint64_t)nucleus_text_start));
	EXPECT(faults(ACCESS_WRITE, (uint64_t)nucleus_text_start));
	EXPECT(faults(ACCESS_EXECUTE, (uint64_t)nucleus_text_start));
	EXPECT(faults(ACCESS_READ, (uint64_t)nucleus_rodata_start));
	EXPECT(faults(ACCESS_READ, (uint64_t)nucleus_data_start));
	EXPECT(faults(ACCESS_WRITE, (uint64_t)nucleus_data_start));
}

static void nucleus_memory(void)
{
	EXPECT(faults(ACCESS_READ, POOL_BASE));
	EXPECT(faults(ACCESS_WRITE, POOL_BASE));
	EXPECT(faults(ACCESS_READ, DIRECT_BASE + 0x100000));
	EXPECT(faults(ACCESS_WRITE, DIRECT_BASE + 0x100000));
	EXPECT(faults(ACCESS_READ, (uint64_t)window(find_frame(FRAME_NUCLEUS))));
}

static void read_only_for_lowered(void)
{
	uint64_t table = (uint64_t)window(find_frame(FRAME_PAGE_TABLE)),
		 time = (uint64_t)window(boot_info()->time_page_pfn);

	EXPECT(!faults(ACCESS_READ, table));
	EXPECT(faults(ACCESS_WRITE, table));
	EXPECT(!faults(ACCESS_READ, time));
	EXPECT(faults(ACCESS_WRITE, time));
	EXPECT(!faults(ACCESS_READ, FRAMES_BASE));
	EXPECT(faults(ACCESS_WRITE, FRAMES_BASE));
	EXPECT(faults(ACCESS_READ, (uint64_t)window(find_frame(FRAME_FREE))));
}

/* Also of privileged threads: the last two pages of text are where no function is patched. */
static void write_or_execute(void)
{
	EXPECT(!faults(ACCESS_READ, (uint64_t)lowered_text_end - 1));
	EXPECT(faults(ACCESS_WRITE, (uint64_t)lowered_text_end - 1));
	EXPECT(faults(ACCESS_WRITE, GATES_BASE));
	EXPECT(faults(ACCESS_WRITE, (uint64_t)lowered_rodata_start));
	EXPECT(faults(ACCESS_EXECUTE, (uint64_t)&own_constant));
	EXPECT(faults(ACCESS_EXECUTE, (uint64_t)&own_data));
	uint64_t pfn = kernel_frame();

	window(pfn)[0] = BARE_RETURN;
	EXPECT(faults(ACCESS_EXECUTE, (uint64_t)window(pfn)));
	give_kernel_frame(pfn);
	EXPECT(faults(ACCESS_WRITE, (uint64_t)nucleus_text_start));
	EXPECT(faults(ACCESS_WRITE, (uint64_t)symtab_start));
}

static void absent(void)
{
	EXPECT(faults(ACCESS_READ, 0));
	EXPECT(faults(ACCESS_WRITE, 8));
	EXPECT(faults(ACCESS_READ, 0x400000));
	EXPECT(faults(ACCESS_EXECUTE, 0x400000));
	EXPECT(faults(ACCESS_READ, KMAP_END - PAGE_SIZE));
	EXPECT(faults(ACCESS_READ, kmap_reserve(1)));
	/* Below a kernel stack. */
	EXPECT(faults(ACCESS_WRITE, (uint64_t)thread_current()->stack - 8));
	/* Not canonical. */
	EXPECT(faults(ACCESS_READ, 0x0000900000000000));
}

/* What a pointer to something that is there becomes by one wrong bit. */
static void one_wrong_bit(void)
{
	static const unsigned bits[] = {48, 54, 55, 56, 63};

	for (unsigned i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
		EXPECT(faults(ACCESS_READ, (uint64_t)&own_constant ^ 1ull << bits[i]));
		EXPECT(faults(ACCESS_WRITE, (uint64_t)&own_data ^ 1ull << bits[i]));
		EXPECT(faults(ACCESS_EXECUTE, (uint64_t)bare_bracket ^ 1ull << bits[i]));
	}
}

/* Also of the space in which the thread's own process would go on. */
static void user_memory(void)
{
	uint64_t code = user_frame(), data = user_frame();
	uint32_t s = (uint32_t)nucleus_space_create();

	window(code)[0] = BARE_RETURN;
	EXPECT_EQ(nucleus_space_map(s, CODE_VA, code, 1, MAP_PROT_READ | MAP_PROT_EXEC), 0);
	EXPECT_EQ(nucleus_space_map(s, DATA_VA, data, 1, MAP_PROT_READ | MAP_PROT_WRITE), 0);
	EXPECT_EQ(nucleus_space_use(s), 0);
	EXPECT(faults(ACCESS_EXECUTE, CODE_VA));
	EXPECT(faults(ACCESS_READ, CODE_VA));
	EXPECT(faults(ACCESS_READ, DATA_VA));
	EXPECT(faults(ACCESS_WRITE, DATA_VA));
	EXPECT_EQ(nucleus_space_use(0), 0);
	EXPECT_EQ(nucleus_space_unmap(s, 0, USER_END), 0);
	EXPECT_EQ(nucleus_space_destroy(s), 0);
	give_user_frame(code);
	give_user_frame(data);
}

static long bracket_result;
static uint32_t bracket_over;

static long bracket(void *)
{
	bare_bracket();
	return 0;
}

static void bracket_thread(void *)
{
	bracket_result = guard_call(&component_ktest, bracket, nullptr);
	__atomic_store_n(&bracket_over, 1, __ATOMIC_SEQ_CST);
}

/* The component core does not ask for the right; this one does. */
static void brackets_need_the_right(void)
{
	struct thread *t;

	EXPECT(component_ktest.may_elevate && !component_core.may_elevate);
	EXPECT_EQ(guarded(bracket, nullptr), 0);
	__atomic_store_n(&bracket_over, 0, __ATOMIC_SEQ_CST);
	if (!EXPECT_EQ(kthread_start(&component_core, "no-right", bracket_thread, nullptr, &t), 0))
		return;
	EXPECT(WAIT_UNTIL(__atomic_load_n(&bracket_over, __ATOMIC_SEQ_CST)));
	EXPECT_EQ(bracket_result, -EFAULT);
}

KTEST_SUITE(protection, KTEST("brackets need the right", brackets_need_the_right, .modes = LOWERED),
	    KTEST("the nucleus's image is out of reach", nucleus_image, .modes = LOWERED),
	    KTEST("user memory is out of reach", user_memory, .modes = IN_FULL),
	    KTEST("the nucleus's memory is out of reach", nucleus_memory, .modes = LOWERED),
	    KTEST("page tables, frame table, time page are only read", read_only_for_lowered, .modes = LOWERED),
	    KTEST("nothing is writable and executable", write_or_execute), KTEST("what is not there faults", absent),
	    KTEST("a pointer with one wrong bit faults", one_wrong_bit));
