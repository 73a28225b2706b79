/* SPDX-License-Identifier: MIT */
/*
 * Changes of mappings against another CPU that is using them: once munmap, mprotect, madvise or
 * fork has returned, no store through the old translation may land. The frames are reused at once,
 * by the same and by another process, and must stay what their new owner wrote.
 */
#include "boundary.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>

enum { PAGE = 4096, REUSED = 64 };

/* With one CPU there is nothing to race against but preemption. */
static int rounds(void)
{
	cpu_set_t cpus;

	OK(sched_getaffinity(0, sizeof(cpus), &cpus));
	return CPU_COUNT(&cpus) > 1 ? 50 : 20;
}

static _Thread_local sigjmp_buf after_fault;
static char *volatile target;
static _Atomic unsigned long stores;
static _Atomic bool stop;

static void on_fault(int signal)
{
	(void)signal;
	siglongjmp(after_fault, 1);
}

static void *write_always(void *argument)
{
	(void)argument;
	while (!atomic_load(&stop)) {
		if (sigsetjmp(after_fault, 0) != 0) {
			sched_yield();
			continue;
		}
		for (int i = 0; i < 1000 && !atomic_load(&stop); i++) {
			char *at = target;
			for (int word = 0; word < PAGE; word += 512)
				*(volatile uint64_t *)(void *)(at + word) = 0xdeaddeaddeaddead;
			atomic_fetch_add_explicit(&stores, 1, memory_order_relaxed);
		}
	}
	return nullptr;
}

static pthread_t writers[3];
static int writer_count;

static char *new_page(void)
{
	char *at = mmap(target, PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | (target != nullptr ? MAP_FIXED : 0), -1, 0);

	CHECK(at != MAP_FAILED);
	target = at;
	return at;
}

static void start_writers(void)
{
	struct sigaction action = {.sa_handler = on_fault, .sa_flags = SA_NODEFER};

	OK(sigaction(SIGSEGV, &action, nullptr));
	OK(sigaction(SIGBUS, &action, nullptr));
	new_page();
	for (writer_count = 0; writer_count < 3; writer_count++)
		EQUAL(pthread_create(&writers[writer_count], nullptr, write_always, nullptr), 0);
}

static void wait_for_stores(void)
{
	unsigned long before = atomic_load(&stores);

	while (atomic_load(&stores) < before + 20)
		sched_yield();
}

static void stop_writers(void)
{
	atomic_store(&stop, true);
	for (int i = 0; i < writer_count; i++)
		EQUAL(pthread_join(writers[i], nullptr), 0);
	still_works();
}

/* Takes fresh pages, which are likely to be the frame just freed, and watches them. */
static void frames_stay_zero(void)
{
	char *at = mmap(nullptr, REUSED * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(at != MAP_FAILED);
	for (int page = 0; page < REUSED; page++)
		*(volatile char *)(at + page * PAGE + 1) = 0;
	for (int pass = 0; pass < 3; pass++) {
		for (int i = 0; i < REUSED * PAGE; i += 512)
			EQUAL(*(volatile uint64_t *)(void *)(at + i), 0);
		sched_yield();
	}
	OK(munmap(at, REUSED * PAGE));
}

static void unmapped_frames_are_out_of_reach(void)
{
	start_writers();
	for (int round = 0; round < rounds(); round++) {
		wait_for_stores();
		OK(munmap(target, PAGE));
		frames_stay_zero();
		new_page();
	}
	stop_writers();
}

static void another_process_gets_the_frame(void)
{
	start_writers();
	for (int round = 0; round < rounds() / 5; round++) {
		wait_for_stores();
		OK(munmap(target, PAGE));
		pid_t child = CHILD(frames_stay_zero());
		EXITS(child, 0);
		new_page();
	}
	stop_writers();
}

static void read_only_means_at_once(void)
{
	start_writers();
	for (int round = 0; round < rounds(); round++) {
		wait_for_stores();
		OK(mprotect(target, PAGE, PROT_READ));
		memcpy((char[PAGE]){}, target, PAGE);
		uint64_t before = *(volatile uint64_t *)(void *)target;
		for (int i = 0; i < 50; i++)
			EQUAL(*(volatile uint64_t *)(void *)target, before);
		unsigned long count = atomic_load(&stores);
		for (int i = 0; i < 50; i++)
			sched_yield();
		/* A writer may finish the count of the page it had just written; more than one each
		 * would be new stores. */
		CHECK(atomic_load(&stores) <= count + 3);
		OK(mprotect(target, PAGE, PROT_READ | PROT_WRITE));
	}
	stop_writers();
}

static void dropped_pages_are_new(void)
{
	start_writers();
	for (int round = 0; round < rounds(); round++) {
		wait_for_stores();
		OK(madvise(target, PAGE, MADV_DONTNEED));
		frames_stay_zero();
	}
	stop_writers();
}

/* After fork the child's copy never changes, however fast the parent's other threads write. */
static void a_forked_copy_is_frozen(void)
{
	static volatile uint64_t *counter;

	start_writers();
	counter = (volatile uint64_t *)(void *)new_page();
	for (int round = 0; round < rounds() / 5; round++) {
		wait_for_stores();
		pid_t child = CHILD({
			uint64_t words[PAGE / 512];
			for (int i = 0; i < PAGE / 512; i++)
				words[i] = counter[i * 64];
			for (int pass = 0; pass < 20; pass++) {
				for (int i = 0; i < PAGE / 512; i++)
					EQUAL(counter[i * 64], words[i]);
				sched_yield();
			}
		});
		EXITS(child, 0);
		new_page();
	}
	stop_writers();
}

/* Remapping moves the frame: stores through the old address must not reach it. */
static void moved_pages_are_out_of_reach(void)
{
	start_writers();
	for (int round = 0; round < rounds(); round++) {
		wait_for_stores();
		char *old = target;
		char *room = mmap(nullptr, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		char *moved = mremap(old, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, room);
		CHECK(moved == room);
		memset(moved, 0, PAGE);
		for (int pass = 0; pass < 10; pass++) {
			for (int i = 0; i < PAGE; i += 512)
				EQUAL(*(volatile uint64_t *)(void *)(moved + i), 0);
			sched_yield();
		}
		OK(munmap(moved, PAGE));
		new_page();
	}
	stop_writers();
}

KTAP_MAIN(CASE(unmapped_frames_are_out_of_reach), CASE(another_process_gets_the_frame), CASE(read_only_means_at_once),
	  CASE(dropped_pages_are_new), CASE(a_forked_copy_is_frozen), CASE(moved_pages_are_out_of_reach))
