/* SPDX-License-Identifier: MIT */
/*
 * Tests that run inside the lowered kernel: one file per subject, each with one KTEST_SUITE. They are linked into
 * stellux-ktest.elf only, started by `ktest` (or ktest=suite,suite) on the kernel's command line, print KTAP on the
 * console and power the machine off.
 *
 * Each case runs in a fresh thread of the component ktest, under a guard and with a time limit. EXPECT… records a
 * failure and goes on; they may be used from any thread that the case starts.
 */
#ifndef KTEST_H
#define KTEST_H

#include <kernel/base/init.h>
#include <kernel/thread/component.h>
#include <kernel/thread/thread.h>
#include <nucleus/calls.h>
#include <nucleus/frame.h>
#include <nucleus/upcall.h>

DECLARE_COMPONENT(ktest);

enum : uint32_t { IN_FULL = 1 << MODE_FULL, IN_DRIVERS = 1 << MODE_DRIVERS, IN_OFF = 1 << MODE_OFF };

struct ktest_case {
	const char *name;
	void (*run)(void);
	uint32_t min_cpus;  /* a case that does not fit the machine or the mode is not part of the plan */
	uint32_t modes;	    /* IN_*; 0: all */
	bool (*fits)(void); /* nullptr: everywhere */
};
struct ktest_suite {
	const char *name;
	const struct ktest_case *cases;
};
#define KTEST(name_, function, ...) {.name = name_, .run = function, __VA_ARGS__}
/* The linker collects them, as it does components. */
#define KTEST_SUITE(ident, ...)                                                                                        \
	extern const struct ktest_suite ktest_suite_##ident;                                                           \
	const struct ktest_suite ktest_suite_##ident = {#ident, (const struct ktest_case[]){__VA_ARGS__, {}}};         \
	static const struct ktest_suite *const ktest_pointer_##ident __attribute__((section(".ktest_suites"), used)) = \
		&ktest_suite_##ident

void ktest_fail(const char *file, int line, const char *what, int64_t got, int64_t wanted, bool numbers);
bool ktest_failed(void); /* the running case, so far */
#define EXPECT(condition)                                                                                              \
	({                                                                                                             \
		bool met_ = (condition);                                                                               \
		if (!met_)                                                                                             \
			ktest_fail(__FILE_NAME__, __LINE__, #condition, 0, 0, false);                                  \
		met_;                                                                                                  \
	})
#define EXPECT_EQ(expression, value)                                                                                   \
	({                                                                                                             \
		int64_t got_ = (int64_t)(expression), wanted_ = (int64_t)(value);                                      \
		if (got_ != wanted_)                                                                                   \
			ktest_fail(__FILE_NAME__, __LINE__, #expression, got_, wanted_, true);                         \
		got_ == wanted_;                                                                                       \
	})

/* For what depends on time: a busy host may stop the machine for long, so one attempt of many has to succeed. It takes
 * its time only where none does. */
#define EVENTUALLY(expression)                                                                                         \
	({                                                                                                             \
		uint64_t end_ = ktest_now() + EVENTUALLY_NS;                                                           \
		bool good_ = (expression);                                                                             \
		for (int tries_ = 1; !good_ && (tries_ < EVENTUALLY_TRIES || ktest_now() < end_); tries_++)            \
			good_ = (expression);                                                                          \
		EXPECT(good_ &&#expression);                                                                           \
	})

/* --- help.c: what many cases need --- */
#define MS 1'000'000ull

void sleep_ns(uint64_t ns);
constexpr uint64_t EVENTUALLY_NS = 20'000 * MS, WAIT_NS = 30'000 * MS;
constexpr int EVENTUALLY_TRIES = 10, WAIT_LOOKS = 4000;
/* More than the time in which the nucleus takes faults of one thread for a storm. */
constexpr uint64_t FAULT_PAUSE_NS = 6 * MS;
/* Waits until the condition holds; its value: false if it does not within WAIT_NS and WAIT_LOOKS looks, since a busy
 * host may take the time, but not the looks. */
#define WAIT_UNTIL(condition)                                                                                          \
	({                                                                                                             \
		uint64_t end_ = ktest_now() + WAIT_NS;                                                                 \
		bool met_ = (condition);                                                                               \
		for (int looks_ = 0; !met_ && (looks_ < WAIT_LOOKS || ktest_now() < end_); looks_++) {                 \
			sleep_ns(MS / 2);                                                                              \
			met_ = (condition);                                                                            \
		}                                                                                                      \
		met_;                                                                                                  \
	})
uint64_t ktest_now(void);
/* A started thread of the component ktest, on one CPU only (cpu >= 0), with its handle. nullptr: failed, which is
 * recorded. */
struct thread *start_thread(void (*entry)(void *), void *arg, int cpu);
static inline uint32_t handle_of(struct thread *t)
{
	return thread_page_of(t)->handle;
}
static inline uint32_t own_handle(void)
{
	return thread_page_current()->handle;
}
/* Whether the thread has parked, and nobody has woken it. */
bool is_parked(uint32_t handle);
/* Moves the calling thread there. */
void run_on(uint32_t cpu);
/* Whether an access of lowered code faults; the report goes to the console, this thread goes on. */
enum access { ACCESS_READ, ACCESS_WRITE, ACCESS_EXECUTE };
bool faults(enum access access, uint64_t address);
/* fn(arg) under a guard: its result, -EFAULT if it faulted. Parks first, so that the fault is not taken for part of a
 * storm. */
long guarded(long (*fn)(void *), void *arg);
/* Frames for the case, returned at its end by give_frames. */
uint64_t user_frame(void);
uint64_t kernel_frame(void);
void give_user_frame(uint64_t pfn);
void give_kernel_frame(uint64_t pfn);
/* A frame of a type, or UINT64_MAX. */
uint64_t find_frame(enum frame_type type);
static inline uint32_t mappings(uint64_t pfn)
{
	return ((const volatile struct frame *)frame_entry(pfn))->mappings;
}
static inline enum frame_type type_of(uint64_t pfn)
{
	return ((const volatile struct frame *)frame_entry(pfn))->type;
}
static inline volatile uint64_t *window(uint64_t pfn)
{
	return (volatile uint64_t *)(WINDOW_BASE + (pfn << PAGE_SHIFT));
}
static inline struct pte_list *pte_list(void)
{
	return (struct pte_list *)call_area();
}

/* --- process.c: bare process contexts, without a struct process --- */
enum : uint64_t { CODE_VA = 0x400000, DATA_VA = 0x600000, STACK_VA = 0x800000 };
struct bare {
	struct thread *thread;
	uint32_t space, handle;
	uint64_t code_pfn, data_pfn, stack_pfn;
};
/* A space with the code (position-independent, at most a page), a data page, a stack page; a thread that is ready to
 * start. */
bool bare_create(struct bare *b, const void *code, size_t bytes, int cpu);
void bare_start(struct bare *b);
/* Waits until the thread has ended by itself (system call BARE_EXIT), then takes everything down. */
void bare_destroy(struct bare *b);
/* What the process of `b` wrote at data page word i. */
static inline uint64_t bare_word(const struct bare *b, unsigned i)
{
	return window(b->data_pfn)[i];
}

#endif
