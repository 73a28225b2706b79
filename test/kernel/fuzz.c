/* SPDX-License-Identifier: MIT */
/*
 * Every nucleus call, from several threads at once, with arguments that are random, near what is valid, or valid:
 * nothing but errors and reports may come of it, and afterwards everything is counted as before.
 *
 * On the command line fuzz_seed= chooses the sequence and fuzz_rounds= its length (test/fuzz/ has a longer run of it).
 *
 * What is left out, because lowered code would only hurt itself, which it may: frames that the kernel's own allocators
 * have are neither given back nor retyped, addresses of others in the kmap range not unmapped; power and thread_exit
 * get only arguments that they refuse, console_put no text, park gets
 * deadlines that are near; the threads of others are not named, set or bound.
 */
#include "ktest.h"

#include <abi/errno.h>
#include <kernel/base/cmdline.h>
#include <kernel/base/log.h>
#include <kernel/mem/kmap.h>
#include <kernel/mem/page.h>
#include <lib/string.h>
#include <lib/types.h>
#include <nucleus/device.h>

enum { THREADS = 3, SPACES = 3, FRAMES = 6, WINDOW_PAGES = 40, MADE_MAX = 4 };
constexpr uint64_t USER_VA = 0x40000000, ROUNDS = 600;

static struct fuzz {
	uint64_t state, rounds;
	uint32_t spaces[SPACES], stale_space;
	uint64_t kernel[FRAMES], user[FRAMES], va;
	struct {
		uint32_t handle; /* 0: free */
		uint64_t page_pfn;
		void *stack;
	} made[MADE_MAX];
} machines[THREADS];
static uint32_t over;
static uint64_t seed;

static uint64_t next(struct fuzz *f)
{
	uint64_t z = f->state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}
static uint64_t below(struct fuzz *f, uint64_t n)
{
	return next(f) % n;
}
static bool rarely(struct fuzz *f)
{
	return below(f, 40) == 0;
}

/* --- arguments, by what they mean --- */

static uint64_t garbage(struct fuzz *f)
{
	static const uint64_t special[] = {
		0,	     1,		 2,	     3,		  511,
		512,	     513,	 4095,	     4096,	  0x7fffffff,
		0x80000000,  UINT32_MAX, 1ull << 32, 1ull << 47,  1ull << 52,
		1ull << 63,  UINT64_MAX, USER_END,   WINDOW_BASE, DIRECT_BASE,
		FRAMES_BASE, POOL_BASE,	 IMAGE_BASE, GATES_BASE,  UINT64_MAX - 4095,
	};

	switch (below(f, 3)) {
	case 0: return special[below(f, sizeof(special) / sizeof(special[0]))];
	case 1: return next(f) >> below(f, 64);
	default: return 1ull << below(f, 64);
	}
}

/* Forbidden ones only now and then: each is a report on the console. */
static uint64_t pfn(struct fuzz *f, bool user)
{
	static const enum frame_type forbidden[] = {FRAME_NONE, FRAME_FREE, FRAME_NUCLEUS, FRAME_PAGE_TABLE,
						    FRAME_FIRMWARE};

	if (rarely(f))
		return find_frame(forbidden[below(f, sizeof(forbidden) / sizeof(forbidden[0]))]);
	if (rarely(f))
		return user ? f->kernel[below(f, FRAMES)] : f->user[below(f, FRAMES)];
	if (rarely(f))
		return garbage(f) >> 8;
	return user ? f->user[below(f, FRAMES)] : f->kernel[below(f, FRAMES)];
}

/* Some of the kernel's call areas hold lists. */
static uint64_t pfn_or_list(struct fuzz *f, bool user)
{
	if (below(f, 3))
		return pfn(f, user);
	for (unsigned i = 0; i < 8; i++)
		call_area()[i] = pfn(f, user);
	return PFN_LIST;
}

static uint64_t count(struct fuzz *f)
{
	return rarely(f) ? garbage(f) : below(f, 9);
}

static uint32_t space(struct fuzz *f)
{
	if (rarely(f))
		return (uint32_t)garbage(f);
	return rarely(f) ? f->stale_space : f->spaces[below(f, SPACES)];
}

/* In several leaf tables, and some of it at the end of what there is. */
static uint64_t user_va(struct fuzz *f)
{
	static const uint64_t base[] = {0, USER_VA, USER_VA + 0x1ff000, 0x7f0000000000, USER_END - 16 * PAGE_SIZE};

	if (rarely(f))
		return garbage(f);
	return base[below(f, sizeof(base) / sizeof(base[0]))] + below(f, 16) * PAGE_SIZE + (rarely(f) ? 8 : 0);
}

static uint64_t user_end(struct fuzz *f, uint64_t va)
{
	return rarely(f) ? user_va(f) : below(f, 10) == 0 ? USER_END : va + below(f, 2048) * PAGE_SIZE;
}

static uint32_t prot(struct fuzz *f)
{
	return rarely(f) ? (uint32_t)garbage(f) : (uint32_t)below(f, 16);
}

/* The caller's own part of the range, or what is no part of it at all. */
static uint64_t kmap_va(struct fuzz *f)
{
	uint64_t bad = garbage(f);

	if (rarely(f) && (bad < KMAP_BASE || bad >= KMAP_END))
		return bad;
	return f->va + below(f, WINDOW_PAGES / 2) * PAGE_SIZE + (rarely(f) ? 16 : 0);
}
static uint64_t kmap_count(struct fuzz *f, uint64_t va)
{
	uint64_t n = below(f, 9);

	/* Beyond the caller's part there is somebody else. */
	return rarely(f) ? 513 + (garbage(f) & ~1023ull) : va >= KMAP_END || va < KMAP_BASE ? n : MIN(n, 8ull);
}

static uint32_t own_thread(struct fuzz *f)
{
	uint32_t h = f->made[below(f, MADE_MAX)].handle;

	/* A number with a generation that none has reached. */
	return rarely(f) || h == 0 ? (uint32_t)below(f, 1 << 20) | 0x7fe00000 : h;
}
static uint32_t own_or_self(struct fuzz *f)
{
	return below(f, 2) ? own_thread(f) : own_handle();
}

static void random_area(struct fuzz *f)
{
	for (unsigned i = 0; i < 40; i++)
		call_area()[i] = garbage(f);
}

/* --- threads that the nucleus is asked for --- */

[[noreturn]] static void ends_at_once(struct thread_page *)
{
	(void)nucleus_thread_exit(0);
	for (;;)
		(void)nucleus_park(0, 0);
}

static long make_thread(struct fuzz *f)
{
	unsigned i = (unsigned)below(f, MADE_MAX);
	uint64_t top = (uint64_t)f->made[i].stack + 2 * PAGE_SIZE;
	bool wrong = below(f, 3) == 0;
	uint64_t page = f->made[i].page_pfn, entry = (uint64_t)ends_at_once;
	uint32_t component = component_ktest.id;

	if (f->made[i].handle && nucleus_thread_get_times(f->made[i].handle) != -ESRCH)
		return 0;
	/* An entry that is lowered text is one: the thread would run there. */
	if (wrong && below(f, 2))
		entry = garbage(f) & 0xffffffff;
	else if (wrong && below(f, 2))
		page = f->user[0];
	else if (wrong && below(f, 2))
		component = 64 + (uint32_t)below(f, 1000);
	else if (wrong)
		top += 8;
	long h = nucleus_thread_create(page, entry, top, rarely(f) ? f->stale_space : 0, component);

	if (h > 0)
		f->made[i].handle = (uint32_t)h;
	return h;
}

static void end_threads(struct fuzz *f)
{
	for (unsigned i = 0; i < MADE_MAX; i++) {
		if (!f->made[i].handle)
			continue;
		(void)nucleus_thread_set_affinity(f->made[i].handle, UINT64_MAX);
		(void)nucleus_unpark(f->made[i].handle);
		EXPECT(WAIT_UNTIL(nucleus_thread_get_times(f->made[i].handle) == -ESRCH));
	}
}

/* --- calls --- */

static void call_thread(struct fuzz *f)
{
	switch (below(f, 12)) {
	case 0: (void)make_thread(f); break;
	case 1: EXPECT(nucleus_thread_exit(garbage(f) | 1) < 0); break;
	case 2: (void)nucleus_park(below(f, 2) ? 1 : ktest_now() + below(f, MS), (uint32_t)garbage(f)); break;
	case 3: (void)nucleus_unpark(own_or_self(f)); break;
	case 4: (void)nucleus_yield(); break;
	case 5: (void)nucleus_thread_kick(own_or_self(f)); break;
	case 6: (void)nucleus_thread_clear_kick(); break;
	case 7: (void)nucleus_thread_set_name(own_thread(f), garbage(f), garbage(f), (uint32_t)garbage(f)); break;
	case 8: (void)nucleus_thread_set_priority(own_thread(f), (int32_t)(below(f, 60) - 30)); break;
	case 9: (void)nucleus_thread_set_affinity(own_thread(f), garbage(f)); break;
	case 10: (void)nucleus_thread_get_times(own_or_self(f)); break;
	default:
		EXPECT_EQ(nucleus_call_6((uint32_t)(NUCLEUS_CALL_COUNT + below(f, 1u << 30)), garbage(f), garbage(f),
					 garbage(f), garbage(f), garbage(f), garbage(f)),
			  -ENOSYS);
	}
}

static void call_context(struct fuzz *f)
{
	switch (below(f, 8)) {
	case 0: (void)nucleus_regs_get(own_or_self(f)); break;
	case 1:
		random_area(f);
		(void)nucleus_regs_set(own_or_self(f));
		break;
	case 2: (void)nucleus_fpu_get(); break;
	case 3:
	case 4:
		if (below(f, 2))
			random_area(f);
		else
			call_area()[below(f, 100)] = garbage(f);
		(void)nucleus_fpu_set(own_or_self(f),
				      below(f, 2) ? boot_info()->fpu_state_bytes : (uint32_t)garbage(f));
		break;
	default: (void)nucleus_fpu_set(own_or_self(f), 0);
	}
}

static void call_space(struct fuzz *f)
{
	uint64_t va = user_va(f);
	uint32_t fresh;

	switch (below(f, 12)) {
	case 0:
		fresh = (uint32_t)nucleus_space_create();
		if (EXPECT_EQ(nucleus_space_destroy(fresh), 0))
			f->stale_space = fresh;
		break;
	case 1: EXPECT(nucleus_space_destroy(f->stale_space) < 0); break;
	case 2: (void)nucleus_space_set_name(space(f), garbage(f), garbage(f), (uint32_t)garbage(f)); break;
	case 3: (void)nucleus_space_root(space(f)); break;
	case 4: (void)nucleus_space_replace(space(f), va, pfn(f, true), prot(f)); break;
	case 5: (void)nucleus_space_unmap(space(f), va, user_end(f, va)); break;
	case 6: (void)nucleus_space_protect(space(f), va, user_end(f, va), prot(f)); break;
	case 7: (void)nucleus_space_clone(space(f), space(f), va, user_end(f, va), (uint32_t)below(f, 3)); break;
	case 8: (void)nucleus_space_harvest(space(f), va, user_end(f, va)); break;
	case 9: (void)nucleus_space_use(below(f, 2) ? 0 : space(f)); break;
	default: (void)nucleus_space_map(space(f), va, pfn_or_list(f, true), count(f), prot(f));
	}
}

/* A claim of what is a device's, or garbage; it is let go at once. */
static void call_device(struct fuzz *f, uint64_t va, uint64_t n)
{
	uint32_t function = rarely(f) ? (uint32_t)garbage(f) : (uint32_t)below(f, 64) << 3;
	uint64_t phys = rarely(f) ? garbage(f) : 0xfed00000 + below(f, 8) * PAGE_SIZE;
	long claim;

	switch (below(f, 8)) {
	case 6: EXPECT(nucleus_dma_lend(garbage(f), pfn_or_list(f, true), count(f), (uint32_t)below(f, 5)) < 0); break;
	case 7:
		EXPECT(nucleus_dma_return(garbage(f), pfn_or_list(f, true), count(f), (uint32_t)below(f, 5)) < 0);
		break;
	case 0: (void)nucleus_pci_read(function, (uint32_t)garbage(f) & 0x1fff, 1u << below(f, 4)); break;
	case 1:
		/* Nothing here has claimed a function. */
		EXPECT(nucleus_pci_write(function, (uint32_t)garbage(f) & 0x1fff, 1u << below(f, 4),
					 (uint32_t)garbage(f)) < 0);
		break;
	case 2: EXPECT(nucleus_pci_silence(function) < 0); break;
	case 3: EXPECT(nucleus_irq_attach_message(function, (uint32_t)below(f, 9)) < 0); break;
	case 4: EXPECT_EQ(nucleus_device_release(0x7fff0000 | garbage(f)), -EBADF); break;
	default:
		claim = nucleus_device_claim(rarely(f) ? (uint32_t)garbage(f) : CLAIM_MEMORY, phys, n * PAGE_SIZE,
					     (uint32_t)below(f, 5));
		if (nucleus_device_map(va, phys, n) == 0)
			EXPECT_EQ(nucleus_kunmap(va, n), 0);
		if (claim <= 0)
			break;
		long released;
		/* Another thread may have it mapped just now. */
		while ((released = nucleus_device_release((uint64_t)claim)) == -EBUSY)
			thread_yield();
		EXPECT_EQ(released, 0);
	}
}

static void call_frame(struct fuzz *f)
{
	uint64_t va = kmap_va(f), n = kmap_count(f, va), own = f->kernel[below(f, FRAMES)];
	uint32_t uncached;
	long taken;

	switch (below(f, 8)) {
	case 0:
		/* Of dma frames some with limits, which may be none or nonsense. */
		uncached = rarely(f) ? (uint32_t)below(f, 3) : 0;
		taken = nucleus_frame_take(rarely(f) ? FRAME_KERNEL + 2 * (uint32_t)below(f, 2) : (uint32_t)garbage(f),
					   below(f, 2) ? garbage(f) : 0, uncached);
		if (taken > 0 && (taken & 1023) == BLOCK_FRAMES)
			EXPECT_EQ(nucleus_frame_give((uint64_t)taken >> 10, BLOCK_FRAMES), 0);
		break;
	case 1: EXPECT(nucleus_frame_give(own | 1, garbage(f)) < 0); break;
	case 2:
		/* To what it is: nothing changes. */
		(void)nucleus_frame_retype(own, rarely(f) ? garbage(f) | 1ull << 40 : 1, FRAME_KERNEL);
		break;
	case 3: EXPECT(nucleus_frame_retype(find_frame(FRAME_NUCLEUS), below(f, 3), (uint32_t)garbage(f)) < 0); break;
	case 4: (void)nucleus_kunmap(va, n); break;
	case 5:
		for (unsigned i = 0; i < 4; i++)
			call_area()[i] = kmap_va(f);
		(void)nucleus_kunmap_list(rarely(f) ? 400 + below(f, 9) : below(f, 5), rarely(f) ? 0 : 1 + below(f, 8));
		break;
	case 6: call_device(f, va, n); break;
	default: (void)nucleus_kmap(va, pfn_or_list(f, false), n, prot(f));
	}
}

static void call_machine(struct fuzz *f)
{
	switch (below(f, 9)) {
	case 0:
		(void)nucleus_irq_attach(rarely(f) ? (uint32_t)garbage(f) : 100000 + (uint32_t)below(f, 9),
					 (uint32_t)below(f, 9));
		break;
	case 1: (void)nucleus_irq_done((uint32_t)garbage(f)); break;
	case 2: (void)nucleus_irq_detach((uint32_t)garbage(f)); break;
	case 3: EXPECT_EQ(nucleus_components_seal(garbage(f), garbage(f), garbage(f)), -EPERM); break;
	case 4: (void)nucleus_account_control(rarely(f) ? (uint32_t)below(f, 2) : 2 + (uint32_t)below(f, 99)); break;
	case 5:
		(void)nucleus_account_read((uint32_t)below(f, 4),
					   rarely(f) ? (uint32_t)garbage(f) : (uint32_t)below(f, 64));
		break;
	case 6: (void)(below(f, 2) ? nucleus_report_take(false) : nucleus_report_done()); break;
	case 7:
		EXPECT(nucleus_console_put(garbage(f), garbage(f),
					   below(f, 2) ? 0 : 17 + (uint32_t)below(f, 1u << 30)) <= 0);
		break;
	default: EXPECT(nucleus_power(2 + (uint32_t)below(f, 1u << 30)) < 0);
	}
}

static void fuzz_one(struct fuzz *f)
{
	static void (*const groups[])(struct fuzz *) = {call_thread, call_context, call_space,
							call_space,  call_frame,   call_machine};

	groups[below(f, sizeof(groups) / sizeof(groups[0]))](f);
}

static void fuzz_thread(void *arg)
{
	struct fuzz *f = arg;

	for (uint64_t i = 0; i < f->rounds && !ktest_failed(); i++)
		fuzz_one(f);
	(void)nucleus_space_use(0);
	(void)nucleus_fpu_set(own_handle(), 0);
	end_threads(f);
	__atomic_fetch_add(&over, 1, __ATOMIC_SEQ_CST);
}

/* --- before and after --- */

static bool prepare(struct fuzz *f, uint64_t rounds, unsigned which)
{
	f->state = seed * 1'000'003 + which;
	f->rounds = rounds;
	for (unsigned i = 0; i < SPACES; i++)
		f->spaces[i] = (uint32_t)nucleus_space_create();
	for (unsigned i = 0; i < FRAMES; i++) {
		f->kernel[i] = kernel_frame();
		f->user[i] = user_frame();
	}
	for (unsigned i = 0; i < MADE_MAX; i++) {
		f->made[i].handle = 0;
		f->made[i].page_pfn = kernel_frame();
		f->made[i].stack = page_alloc_kernel(1);
		if (!EXPECT(f->made[i].stack != nullptr))
			return false;
		memset(page_window(f->made[i].page_pfn), 0, PAGE_SIZE);
	}
	f->va = kmap_reserve(WINDOW_PAGES);
	return true;
}

static void take_down(struct fuzz *f)
{
	for (unsigned i = 0; i < SPACES; i++) {
		uint64_t va = 0;

		while (va < USER_END && EXPECT_EQ(nucleus_space_unmap(f->spaces[i], va, USER_END), 0))
			va = pte_list()->next;
		EXPECT_EQ(nucleus_space_destroy(f->spaces[i]), 0);
	}
	EXPECT_EQ(nucleus_kunmap(f->va, WINDOW_PAGES), 0);
}

/* After all are taken down: a frame may have been mapped by the spaces of any. */
static void give_frames(struct fuzz *f)
{
	for (unsigned i = 0; i < FRAMES; i++) {
		EXPECT_EQ(mappings(f->kernel[i]), 0);
		EXPECT_EQ(mappings(f->user[i]), 0);
		EXPECT_EQ(type_of(f->kernel[i]), FRAME_KERNEL);
		EXPECT_EQ(type_of(f->user[i]), FRAME_PAGE);
		give_kernel_frame(f->kernel[i]);
		give_user_frame(f->user[i]);
	}
	for (unsigned i = 0; i < MADE_MAX; i++) {
		EXPECT_EQ(mappings(f->made[i].page_pfn), 0);
		give_kernel_frame(f->made[i].page_pfn);
		page_free_kernel(f->made[i].stack, 1);
	}
}

static uint64_t tables_in_use(void)
{
	uint64_t n = 0;

	for (uint64_t at = 0; at < boot_info()->frame_count; at++)
		n += frame_entry(at)->type == FRAME_PAGE_TABLE && frame_entry(at)->level != 0;
	return n;
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
	char text[24];
	uint64_t value = 0;

	if (!cmdline_get(name, text, sizeof(text)))
		return otherwise;
	for (const char *p = text; *p >= '0' && *p <= '9'; p++)
		value = value * 10 + (uint64_t)(*p - '0');
	return value;
}

/* Pieces of memory that are no whole blocks cannot be given back, and need tables in the window: they are taken before
 * anything is counted. */
static void take_pieces(void)
{
	long taken;

	do {
		taken = nucleus_frame_take(FRAME_PAGE, 0, 0);
	} while (taken > 0 && (taken & 1023) != BLOCK_FRAMES);
	if (taken > 0)
		EXPECT_EQ(nucleus_frame_give((uint64_t)taken >> 10, BLOCK_FRAMES), 0);
}

static void run_all(uint64_t rounds)
{
	__atomic_store_n(&over, 0, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < THREADS; i++)
		if (!prepare(&machines[i], rounds, i))
			return;
	for (unsigned i = 0; i < THREADS; i++)
		(void)start_thread(fuzz_thread, &machines[i], -1);
	while (__atomic_load_n(&over, __ATOMIC_SEQ_CST) != THREADS)
		sleep_ns(5 * MS);
	(void)nucleus_account_control(0);
	for (unsigned i = 0; i < THREADS; i++)
		take_down(&machines[i]);
	for (unsigned i = 0; i < THREADS; i++)
		give_frames(&machines[i]);
}

static void nothing_but_errors(void)
{
	seed = setting("fuzz_seed", 1);
	log_info("fuzz: seed %llu", (unsigned long long)seed);
	take_pieces();
	/* The first run leaves the kernel's ways to its kmap range behind, and what caches keep. */
	run_all(200);
	uint64_t before = tables_in_use();

	run_all(setting("fuzz_rounds", ROUNDS));
	uint64_t after = tables_in_use();

	log_info("fuzz: page tables: %llu, then %llu", (unsigned long long)before, (unsigned long long)after);
	/* Reserved kernel addresses are not reused, so their tables may be others. */
	EXPECT(after <= before + THREADS);
}

KTEST_SUITE(fuzz, KTEST("calls with any arguments: nothing but errors and reports", nothing_but_errors));
