/* SPDX-License-Identifier: MIT */
/*
 * What the rights of a mapping allow: to the program itself and to the calls that it makes, whatever the page was
 * before; and that a call which needs a page ends on a kill however fast somebody takes the page away.
 */
#include "ktap.h"

#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

constexpr size_t PAGE = 4096;
enum { FUTEX_WAIT = 0, FUTEX_WAKE = 1, FUTEX_PRIVATE = 128 };

enum kind { PRIVATE, SHARED, FILE_PRIVATE, FILE_SHARED, KINDS };
enum history { UNTOUCHED, TOUCHED, NEVER_OTHERWISE, HISTORIES };

static int pipe_ends[2], file;
static sigjmp_buf after_fault;

static void on_fault(int)
{
	siglongjmp(after_fault, 1);
}

static bool can_peek(volatile char *at)
{
	if (sigsetjmp(after_fault, 1) != 0)
		return false;
	(void)*at;
	return true;
}

static bool can_poke(volatile char *at)
{
	if (sigsetjmp(after_fault, 1) != 0)
		return false;
	*at = 3;
	return true;
}

/* A call that reads the byte, and one that writes it. */
static bool call_reads(char *at)
{
	char byte;

	if (write(pipe_ends[1], at, 1) != 1) {
		EQUAL(errno, EFAULT);
		return false;
	}
	EQUAL(read(pipe_ends[0], &byte, 1), 1);
	return true;
}

static bool call_writes(char *at)
{
	char byte = 1;

	EQUAL(write(pipe_ends[1], &byte, 1), 1);
	if (read(pipe_ends[0], at, 1) == 1)
		return true;
	EQUAL(errno, EFAULT);
	(void)!read(pipe_ends[0], &byte, 1);
	return false;
}

static bool futex_reads(char *at)
{
	EQUAL(syscall(SYS_futex, at, FUTEX_WAIT | FUTEX_PRIVATE, 0x12345678, nullptr, nullptr, 0), -1);
	CHECK(errno == EAGAIN || errno == EFAULT);
	return errno == EAGAIN;
}

static void shows_in_maps(const char *at, int prot)
{
	char wanted[64], text[16384];
	uintptr_t start = (uintptr_t)at;

	snprintf(wanted, sizeof(wanted), "%lx-%lx %c%c%c", start, start + PAGE, prot & PROT_READ ? 'r' : '-',
		 prot & PROT_WRITE ? 'w' : '-', prot & PROT_EXEC ? 'x' : '-');
	ktap_read_file("/proc/self/maps", text, sizeof(text));
	if (strstr(text, wanted) == nullptr)
		ktap_fail(__FILE__, __LINE__, "no line \"%s\" in maps", wanted);
}

static char *map_one(enum kind kind, enum history history, int prot)
{
	static char *place;

	/* Neighbours that no area joins. */
	if (place == nullptr)
		place = OK(mmap(nullptr, 3 * PAGE, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	bool shared = kind == SHARED || kind == FILE_SHARED, of_file = kind >= FILE_PRIVATE;
	char *at = OK(mmap(place + PAGE, PAGE, history == NEVER_OTHERWISE ? prot : PROT_READ | PROT_WRITE,
			   MAP_FIXED | (shared ? MAP_SHARED : MAP_PRIVATE) | (of_file ? 0 : MAP_ANONYMOUS),
			   of_file ? file : -1, 0));
	if (history == TOUCHED)
		*at = 2;
	if (history != NEVER_OTHERWISE)
		OK(mprotect(at, PAGE, prot));
	return at;
}

static void each_right(void)
{
	OK(pipe(pipe_ends));
	file = OK(memfd_create("rights", 0));
	OK(ftruncate(file, PAGE));
	signal(SIGSEGV, on_fault);
	for (int kind = 0; kind < KINDS; kind++) {
		for (int history = 0; history < HISTORIES; history++) {
			for (int prot = 0; prot <= (PROT_READ | PROT_WRITE | PROT_EXEC); prot++) {
				bool may_read = prot != PROT_NONE, may_write = prot & PROT_WRITE;

				for (int first = 0; first < 5; first++) {
					char *at = map_one((enum kind)kind, (enum history)history, prot);

					for (int n = first; n < first + 5; n++) {
						switch (n % 5) {
						case 0: EQUAL(call_reads(at), may_read); break;
						case 1: EQUAL(futex_reads(at), may_read); break;
						case 2: EQUAL(can_peek(at), may_read); break;
						case 3: EQUAL(call_writes(at), may_write); break;
						default: EQUAL(can_poke(at), may_write); break;
						}
					}
					if (first == 0)
						shows_in_maps(at, prot);
				}
			}
		}
	}
}

static char taken_away[4 * PAGE] __attribute__((aligned(4096)));

static int take_away(void *)
{
	for (;;)
		madvise(taken_away, sizeof(taken_away), MADV_DONTNEED);
}

/* The one that takes pages away shares the space, but is no thread of the process: a kill of the other does not end
 * it. */
static void kill_while_pages_vanish(void)
{
	static char stack[16384] __attribute__((aligned(16)));
	pid_t *taker = OK(mmap(nullptr, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));

	pid_t child = CHILD({
		static char text[sizeof(taken_away)];
		int null = OK(open("/dev/zero", O_RDONLY));

		*taker = OK(clone(take_away, stack + sizeof(stack), CLONE_VM | SIGCHLD, nullptr));
		for (;;) {
			(void)!read(null, taken_away, sizeof(taken_away));
			(void)!syscall(SYS_futex, taken_away, FUTEX_WAIT | FUTEX_PRIVATE, 1, nullptr, nullptr, 0);
			memcpy(text, taken_away, sizeof(text));
		}
	});
	while (*(volatile pid_t *)taker == 0)
		usleep(1000);
	usleep(50000);
	OK(kill(child, SIGKILL));
	DIES(child, SIGKILL);
	OK(kill(*taker, SIGKILL));
}

/* Shared futexes name memory: where none can be there is no name. */
static void futex_words_without_memory(void)
{
	file = OK(memfd_create("short", 0));
	char *at = OK(mmap(nullptr, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
	char *none = OK(mmap(nullptr, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	OK(ftruncate(file, PAGE));
	FAILS(EFAULT, syscall(SYS_futex, at + PAGE, FUTEX_WAIT, 0, nullptr, nullptr, 0));
	FAILS(EFAULT, syscall(SYS_futex, at + PAGE, FUTEX_WAIT | FUTEX_PRIVATE, 0, nullptr, nullptr, 0));
	FAILS(EFAULT, syscall(SYS_futex, at + PAGE, FUTEX_WAKE, 1, nullptr, nullptr, 0));
	FAILS(EFAULT, syscall(SYS_futex, none, FUTEX_WAKE, 1, nullptr, nullptr, 0));
	EQUAL(syscall(SYS_futex, at + PAGE, FUTEX_WAKE | FUTEX_PRIVATE, 1, nullptr, nullptr, 0), 0);
	FAILS(EAGAIN, syscall(SYS_futex, at, FUTEX_WAIT, 1, nullptr, nullptr, 0));
	EQUAL(syscall(SYS_futex, at, FUTEX_WAKE, 1, nullptr, nullptr, 0), 0);
	OK(ftruncate(file, 0));
	FAILS(EFAULT, syscall(SYS_futex, at, FUTEX_WAKE, 1, nullptr, nullptr, 0));
}

/* Populating asks for the right by name: what may be written may be read, but does not say so. */
static void populating_needs_its_right(void)
{
	enum { POPULATE_READ = 22, POPULATE_WRITE = 23 };
	static const struct {
		int rights, read, write;
	} rows[] = {{PROT_READ, 0, EINVAL},
		    {PROT_WRITE, EINVAL, 0},
		    {PROT_READ | PROT_WRITE, 0, 0},
		    {PROT_EXEC, EINVAL, EINVAL},
		    {PROT_NONE, EINVAL, EINVAL}};

	for (size_t n = 0; n < sizeof(rows) / sizeof(*rows); n++) {
		char *at = OK(mmap(nullptr, PAGE, rows[n].rights, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

		errno = 0;
		(void)!madvise(at, PAGE, POPULATE_READ);
		EQUAL(errno, rows[n].read);
		errno = 0;
		(void)!madvise(at, PAGE, POPULATE_WRITE);
		EQUAL(errno, rows[n].write);
	}
}

KTAP_MAIN(CASE(each_right), CASE(populating_needs_its_right), CASE(kill_while_pages_vanish),
	  CASE(futex_words_without_memory))
