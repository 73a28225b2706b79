/* SPDX-License-Identifier: MIT */
/*
 * Code that writes code: pages that may be written and executed. Here such a page is never both at once and is turned
 * over by faults: that must not show, but to an instruction that writes into the very page that it is in. That one is
 * told by SIGSEGV, where it would else fault for ever.
 */
#include "ktap.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096, CODE_BYTES = 64, ROUNDS = 200 };

typedef void poke_function(volatile char *at);

static sigjmp_buf after_fault;
static siginfo_t fault;
static int stop, called;

/* Its code is copied: a leaf that needs nothing from elsewhere. */
[[gnu::noinline]] static void poke(volatile char *at)
{
	*at = 5;
}

static void on_fault(int, siginfo_t *info, void *)
{
	fault = *info;
	siglongjmp(after_fault, 1);
}

static char *code_pages(int count)
{
	char *at = OK(mmap(nullptr, (size_t)count * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	for (int i = 0; i < count; i++) {
		memcpy(at + i * PAGE, (const void *)poke, CODE_BYTES);
		__builtin___clear_cache(at + i * PAGE, at + i * PAGE + CODE_BYTES);
	}
	return at;
}

static poke_function *code_at(char *at)
{
	return (poke_function *)(void *)at;
}

static void into_its_own_page(void)
{
	struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
	char *pages = code_pages(2);

	OK(sigaction(SIGSEGV, &action, nullptr));
	for (int i = 0; i < 3; i++) {
		if (sigsetjmp(after_fault, 1) == 0) {
			code_at(pages)(pages + PAGE / 2);
			ktap_fail(__FILE__, __LINE__, "it went on: then README and doc/locking.md have to say so");
		}
		EQUAL(fault.si_code, SEGV_ACCERR);
		CHECK(fault.si_addr == pages + PAGE / 2);
	}
	/* Nothing is wrong with the page. */
	code_at(pages)(pages + PAGE + PAGE / 2);
	EQUAL(pages[PAGE + PAGE / 2], 5);
	pages[PAGE / 2] = 7;
	EQUAL(pages[PAGE / 2], 7);
}

static void into_each_other(void)
{
	char *pages = code_pages(2);

	for (int i = 0; i < ROUNDS; i++) {
		pages[PAGE / 2] = pages[PAGE + PAGE / 2] = 0;
		code_at(pages)(pages + PAGE + PAGE / 2);
		code_at(pages + PAGE)(pages + PAGE / 2);
		EQUAL(pages[PAGE / 2], 5);
		EQUAL(pages[PAGE + PAGE / 2], 5);
	}
}

static void *call_on_and_on(void *page)
{
	static char unused;

	while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST)) {
		code_at(page)(&unused);
		__atomic_fetch_add(&called, 1, __ATOMIC_SEQ_CST);
	}
	return nullptr;
}

/* One instruction writes again and again where another thread executes. */
static void while_another_thread_is_in_it(void)
{
	char *page = code_pages(1);
	pthread_t other;

	EQUAL(pthread_create(&other, nullptr, call_on_and_on, page), 0);
	for (int i = 0; i < ROUNDS; i++) {
		int before = __atomic_load_n(&called, __ATOMIC_SEQ_CST);

		while (__atomic_load_n(&called, __ATOMIC_SEQ_CST) == before)
			usleep(100);
		poke(page + PAGE / 2);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
	EQUAL(pthread_join(other, nullptr), 0);
	EQUAL(page[PAGE / 2], 5);
}

KTAP_MAIN(STELLUX_CASE(into_its_own_page), CASE(into_each_other), CASE(while_another_thread_is_in_it))
