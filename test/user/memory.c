/* SPDX-License-Identifier: MIT */
/*
 * Memory: mmap, munmap, mprotect, mremap, brk, madvise; demand-zero, private and shared pages,
 * files, guard pages, the stack; SIGSEGV and SIGBUS with their addresses.
 */
#include "ktap.h"

#include <fcntl.h>
#include <nucleus/layout.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

constexpr size_t PAGE = 4096;

static sigjmp_buf after_fault;
static siginfo_t fault;

static void on_fault(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	fault = *info;
	siglongjmp(after_fault, 1);
}

static void catch_faults(void)
{
	struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};

	OK(sigaction(SIGSEGV, &action, nullptr));
	OK(sigaction(SIGBUS, &action, nullptr));
}

/* Whether reading (or writing) the byte raises `signal` with this code and address. */
static void expect_fault(volatile char *at, bool write, int signal, int code)
{
	memset(&fault, 0, sizeof(fault));
	if (sigsetjmp(after_fault, 1) == 0) {
		if (write)
			*at = 1;
		else
			(void)*at;
		ktap_fail(__FILE__, __LINE__, "%s %p did not fault", write ? "writing" : "reading", (void *)at);
	}
	EQUAL(fault.si_signo, signal);
	EQUAL(fault.si_code, code);
	EQUAL((uintptr_t)fault.si_addr, (uintptr_t)at);
}

static char *map(size_t pages)
{
	char *at = mmap(nullptr, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(at != MAP_FAILED);
	return at;
}

static bool is_zero(const char *at, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (at[i] != 0)
			return false;
	}
	return true;
}

static void anonymous_is_zero(void)
{
	char *at = map(300);

	CHECK(is_zero(at, 300 * PAGE));
	memset(at, 0x5a, 300 * PAGE);
	OK(munmap(at, 300 * PAGE));
	at = map(300);
	CHECK(is_zero(at, 300 * PAGE));
}

static void scattered_touches(void)
{
	size_t pages = 16384;
	char *at = map(pages);

	for (size_t i = 0; i < pages; i += 97)
		at[i * PAGE + i % PAGE] = (char)(i | 1);
	for (size_t i = 0; i < pages; i++)
		EQUAL(at[i * PAGE + i % PAGE], i % 97 == 0 ? (char)(i | 1) : 0);
}

static void unmapped_faults(void)
{
	char *at = map(3);

	catch_faults();
	at[PAGE] = 1;
	OK(munmap(at + PAGE, PAGE));
	expect_fault(at + PAGE, false, SIGSEGV, SEGV_MAPERR);
	expect_fault(at + PAGE + 77, true, SIGSEGV, SEGV_MAPERR);
	at[0] = at[2 * PAGE] = 2;
	expect_fault(nullptr, false, SIGSEGV, SEGV_MAPERR);
	expect_fault((char *)PAGE, true, SIGSEGV, SEGV_MAPERR);
}

static void protections_hold(void)
{
	char *at = map(4);

	catch_faults();
	memset(at, 7, 4 * PAGE);
	OK(mprotect(at + PAGE, PAGE, PROT_READ));
	OK(mprotect(at + 2 * PAGE, PAGE, PROT_NONE));
	expect_fault(at + PAGE + 5, true, SIGSEGV, SEGV_ACCERR);
	EQUAL(at[PAGE + 5], 7);
	expect_fault(at + 2 * PAGE, false, SIGSEGV, SEGV_ACCERR);
	OK(mprotect(at, 4 * PAGE, PROT_READ | PROT_WRITE));
	EQUAL(at[2 * PAGE], 7);
	at[PAGE + 5] = at[2 * PAGE] = 8;
	OK(munmap(at + PAGE, PAGE));
	FAILS(ENOMEM, mprotect(at, 4 * PAGE, PROT_READ));
	FAILS(EINVAL, syscall(SYS_mprotect, at + 1, PAGE, PROT_READ));
}

[[gnu::noinline]] static int returns_seven(void)
{
	return 7;
}

static void data_is_not_executable(void)
{
	char *at = map(1);

	catch_faults();
	memcpy(at, (const void *)(uintptr_t)returns_seven, 16);
	if (sigsetjmp(after_fault, 1) == 0) {
		((int (*)(void))at)();
		ktap_fail(__FILE__, __LINE__, "data was executed");
	}
	EQUAL(fault.si_code, SEGV_ACCERR);
	OK(mprotect(at, PAGE, PROT_READ | PROT_EXEC));
	__builtin___clear_cache(at, at + 16);
	EQUAL(((int (*)(void))at)(), 7);
}

static void text_is_not_writable(void)
{
	catch_faults();
	expect_fault((char *)(uintptr_t)is_zero, true, SIGSEGV, SEGV_ACCERR);
}

static void fixed_mappings_replace(void)
{
	char *at = map(4);

	memset(at, 1, 4 * PAGE);
	EQUAL((uintptr_t)mmap(at + PAGE, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
			      0),
	      (uintptr_t)(at + PAGE));
	EQUAL(at[0], 1);
	CHECK(is_zero(at + PAGE, 2 * PAGE));
	EQUAL(at[3 * PAGE], 1);
	FAILS(EEXIST, mmap(at, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
}

static void hints_are_taken_when_free(void)
{
	char *at = map(4);

	OK(munmap(at, 4 * PAGE));
	char *again = mmap(at, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	EQUAL((uintptr_t)again, (uintptr_t)at);
	char *other = mmap(at, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(other != MAP_FAILED && other != at);
}

static void mmap_errors(void)
{
	int fd = OK(open("/dev/zero", O_RDONLY));
	int flags = MAP_PRIVATE | MAP_ANONYMOUS;

	FAILS(EINVAL, mmap(nullptr, 0, PROT_READ, flags, -1, 0));
	FAILS(EINVAL, mmap((void *)17, PAGE, PROT_READ, flags | MAP_FIXED, -1, 0));
	FAILS(EINVAL, syscall(SYS_mmap, 0, PAGE, PROT_READ, MAP_PRIVATE, fd, 100));
	FAILS(EINVAL, mmap(nullptr, PAGE, PROT_READ, MAP_ANONYMOUS, -1, 0));
	FAILS(EBADF, mmap(nullptr, PAGE, PROT_READ, MAP_PRIVATE, 999, 0));
	FAILS(ENOMEM, syscall(SYS_mmap, 0, (size_t)1 << 50, PROT_READ, flags, -1, 0));
	FAILS(ENOMEM, syscall(SYS_mmap, 0x00ffffffffff0000, 64 * PAGE, PROT_READ, flags | MAP_FIXED, -1, 0));
	FAILS(ENOMEM, syscall(SYS_mmap, 0xffff800000000000, PAGE, PROT_READ, flags | MAP_FIXED, -1, 0));
	FAILS(EINVAL, munmap((void *)1, PAGE));
	FAILS(EINVAL, munmap((void *)PAGE, 0));
	FAILS(EINVAL, syscall(SYS_munmap, 0xffffffff80000000, PAGE));
	OK(munmap((void *)(16 * PAGE), PAGE));
}

/* The last page of the user half stays unmapped, so that no call returns to an address outside it. */
static void user_space_ends_before_its_last_page(void)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;

	FAILS(ENOMEM, syscall(SYS_mmap, USER_END, PAGE, PROT_READ, flags, -1, 0));
	FAILS(ENOMEM, syscall(SYS_mmap, USER_END + PAGE, PAGE, PROT_READ, flags, -1, 0));
}

static void unmapping_the_middle_of_many(void)
{
	char *at = map(64);

	for (size_t i = 0; i < 64; i++)
		at[i * PAGE] = (char)i;
	for (size_t i = 1; i < 64; i += 2)
		OK(munmap(at + i * PAGE, PAGE));
	for (size_t i = 0; i < 64; i += 2)
		EQUAL(at[i * PAGE], i);
	OK(munmap(at, 64 * PAGE));
	catch_faults();
	for (size_t i = 0; i < 64; i++)
		expect_fault(at + i * PAGE, false, SIGSEGV, SEGV_MAPERR);
}

static void brk_grows_and_shrinks(void)
{
	char *start = (char *)syscall(SYS_brk, 0);

	EQUAL(syscall(SYS_brk, start + 10 * PAGE), (uintptr_t)start + 10 * PAGE);
	CHECK(is_zero(start, 10 * PAGE));
	memset(start, 1, 10 * PAGE);
	EQUAL(syscall(SYS_brk, start + PAGE), (uintptr_t)start + PAGE);
	EQUAL(start[0], 1);
	EQUAL(syscall(SYS_brk, start + 10 * PAGE), (uintptr_t)start + 10 * PAGE);
	CHECK(is_zero(start + 2 * PAGE, 8 * PAGE));
	/* An impossible request leaves the break where it was. */
	EQUAL(syscall(SYS_brk, 1), (uintptr_t)start + 10 * PAGE);
	EQUAL(syscall(SYS_brk, USER_END), (uintptr_t)start + 10 * PAGE);
	EQUAL(syscall(SYS_brk, start), (uintptr_t)start);
	catch_faults();
	expect_fault((char *)(((uintptr_t)start + 3 * PAGE) & ~(PAGE - 1)), false, SIGSEGV, SEGV_MAPERR);
}

static void mremap_moves_and_resizes(void)
{
	char *at = map(8);

	for (size_t i = 0; i < 8; i++)
		at[i * PAGE] = (char)(i + 1);
	EQUAL((uintptr_t)mremap(at, 8 * PAGE, 4 * PAGE, 0), (uintptr_t)at);
	catch_faults();
	expect_fault(at + 4 * PAGE, false, SIGSEGV, SEGV_MAPERR);
	EQUAL((uintptr_t)mremap(at, 4 * PAGE, 6 * PAGE, 0), (uintptr_t)at);
	EQUAL(at[3 * PAGE], 4);
	EQUAL(at[4 * PAGE], 0);

	/* A wall behind it: only a move can make it larger. */
	CHECK(mmap(at + 6 * PAGE, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED);
	FAILS(ENOMEM, mremap(at, 6 * PAGE, 20 * PAGE, 0));
	char *moved = mremap(at, 6 * PAGE, 20 * PAGE, MREMAP_MAYMOVE);
	CHECK(moved != MAP_FAILED && moved != at);
	for (size_t i = 0; i < 4; i++)
		EQUAL(moved[i * PAGE], i + 1);
	CHECK(is_zero(moved + 4 * PAGE, 16 * PAGE));
	expect_fault(at, false, SIGSEGV, SEGV_MAPERR);

	char *target = map(20);
	EQUAL((uintptr_t)mremap(moved, 20 * PAGE, 20 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, target), (uintptr_t)target);
	EQUAL(target[2 * PAGE], 3);
	FAILS(EFAULT, mremap(moved, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
	FAILS(EINVAL, mremap(target, PAGE, 0, 0));
	FAILS(EINVAL, mremap(target + 1, PAGE, PAGE, 0));
}

static void shared_memory_is_shared_with_children(void)
{
	volatile int *shared = mmap(nullptr, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(shared != MAP_FAILED);
	pid_t child = CHILD({
		EQUAL(shared[3], 0);
		shared[3] = 44;
	});
	EXITS(child, 0);
	EQUAL(shared[3], 44);
}

static void private_file_mappings(void)
{
	char text[16] = {};

	ktap_enter_dir();
	ktap_write_file("file", "hello, world");
	int fd = OK(open("file", O_RDWR));
	char *at = mmap(nullptr, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(at != MAP_FAILED);
	CHECK(memcmp(at, "hello, world", 12) == 0);
	CHECK(is_zero(at + 12, PAGE - 12));
	at[0] = 'J';
	OK(pread(fd, text, 12, 0));
	CHECK(memcmp(text, "hello, world", 12) == 0);
	OK(close(fd));
	CHECK(memcmp(at, "Jello, world", 12) == 0);
}

static void shared_file_mappings(void)
{
	char text[16] = {};

	ktap_enter_dir();
	ktap_write_file("file", "hello, world");
	int fd = OK(open("file", O_RDWR));
	char *at = mmap(nullptr, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(at != MAP_FAILED);
	at[0] = 'J';
	EQUAL(pread(fd, text, 12, 0), 12);
	CHECK(memcmp(text, "Jello, world", 12) == 0);
	EQUAL(pwrite(fd, "W", 1, 7), 1);
	EQUAL(at[7], 'W');
	OK(msync(at, PAGE, MS_SYNC));
	int read_only = OK(open("file", O_RDONLY));
	FAILS(EACCES, mmap(nullptr, PAGE, PROT_WRITE, MAP_SHARED, read_only, 0));
	CHECK(mmap(nullptr, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, read_only, 0) != MAP_FAILED);
}

static void file_offsets_and_ends(void)
{
	ktap_enter_dir();
	int fd = OK(open("file", O_RDWR | O_CREAT, 0600));
	OK(ftruncate(fd, 3 * PAGE));
	EQUAL(pwrite(fd, "two", 3, 2 * PAGE), 3);
	char *at = mmap(nullptr, 2 * PAGE, PROT_READ, MAP_PRIVATE, fd, 2 * PAGE);
	CHECK(at != MAP_FAILED);
	CHECK(memcmp(at, "two", 4) == 0);
	catch_faults();
	expect_fault(at + PAGE, false, SIGBUS, BUS_ADRERR);
	/* Pages that are allocated beyond the end are not shown, even by a fault on a neighbour. */
	int spare = OK(open("spare", O_RDWR | O_CREAT, 0600));
	OK(ftruncate(spare, PAGE));
	OK(fallocate(spare, FALLOC_FL_KEEP_SIZE, 0, 8 * PAGE));
	at = mmap(nullptr, 8 * PAGE, PROT_READ, MAP_SHARED, spare, 0);
	CHECK(at != MAP_FAILED);
	EQUAL(at[0], 0);
	expect_fault(at + 2 * PAGE, false, SIGBUS, BUS_ADRERR);
}

static void dev_zero_maps(void)
{
	int fd = OK(open("/dev/zero", O_RDWR));
	char *at = mmap(nullptr, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

	CHECK(at != MAP_FAILED);
	CHECK(is_zero(at, 4 * PAGE));
	at[PAGE] = 1;
	EQUAL(at[PAGE], 1);
}

static void madvise_dontneed_zeroes(void)
{
	char *at = map(4);

	memset(at, 9, 4 * PAGE);
	OK(madvise(at + PAGE, 2 * PAGE, MADV_DONTNEED));
	EQUAL(at[0], 9);
	CHECK(is_zero(at + PAGE, 2 * PAGE));
	EQUAL(at[3 * PAGE], 9);
	FAILS(EINVAL, madvise(at, PAGE, 12345));
}

[[gnu::noinline]] static int deep(int depth)
{
	volatile char frame[2000];

	memset((char *)frame, depth, sizeof(frame));
	return depth == 0 ? frame[10] : deep(depth - 1) + frame[10];
}

static void the_stack_grows(void)
{
	/* 2 MB of it, in small steps. */
	deep(1000);
}

[[gnu::noinline]] static int endless(volatile int *previous)
{
	volatile int frame[1000];

	frame[0] = previous[0] + 1;
	if (frame[0] < 0)
		return 0;
	return endless(frame) + frame[0];
}

static void the_stack_has_an_end(void)
{
	pid_t child = CHILD({
		setrlimit(RLIMIT_CORE, &(struct rlimit){});
		volatile int start = 0;
		_exit(endless(&start));
	});
	DIES(child, SIGSEGV);
}

static void faults_inside_calls(void)
{
	int ends[2];
	char *at = map(3);

	OK(pipe(ends));
	OK(munmap(at + PAGE, PAGE));
	/* The part before the hole may be transferred; the hole never is. */
	long wrote = write(ends[1], at + PAGE - 10, 20);
	CHECK(wrote == 10 || (wrote == -1 && errno == EFAULT));
	struct iovec parts[2] = {{at, 10}, {at + PAGE, 10}};
	wrote = writev(ends[1], parts, 2);
	CHECK(wrote == 10 || (wrote == -1 && errno == EFAULT));
	FAILS(EFAULT, write(ends[1], at + PAGE, 1));
}

/* A call that fills memory not touched yet, copied on write, or read-only. */
static void calls_fault_pages_in(void)
{
	int zero = OK(open("/dev/zero", O_RDONLY));
	char *at = map(8);

	EQUAL(read(zero, at, 8 * PAGE), 8 * PAGE);
	memset(at, 3, 8 * PAGE);
	pid_t child = CHILD({
		EQUAL(read(zero, at, 4 * PAGE), 4 * PAGE);
		CHECK(is_zero(at, 4 * PAGE));
		EQUAL(at[4 * PAGE], 3);
	});
	EXITS(child, 0);
	EQUAL(at[0], 3);
	OK(mprotect(at, PAGE, PROT_READ));
	FAILS(EFAULT, read(zero, at, 1));
	EQUAL(at[0], 3);
}

static void fork_shares_then_separates_many_pages(void)
{
	size_t pages = 512;
	char *at = map(pages);

	for (size_t i = 0; i < pages; i++)
		at[i * PAGE] = (char)i;
	pid_t children[4];
	for (int c = 0; c < 4; c++) {
		children[c] = CHILD({
			for (size_t i = (size_t)c; i < pages; i += 4)
				at[i * PAGE] ^= 0x55;
			for (size_t i = 0; i < pages; i++)
				EQUAL(at[i * PAGE], (char)((i % 4 == (size_t)c) ? i ^ 0x55 : i));
		});
	}
	for (int c = 0; c < 4; c++)
		EXITS(children[c], 0);
	for (size_t i = 0; i < pages; i++)
		EQUAL(at[i * PAGE], (char)i);
}

static void mincore_and_mlock(void)
{
	char *at = map(2);

	at[0] = 1;
	OK(mlock(at, PAGE));
	OK(munlock(at, PAGE));
	FAILS(ENOMEM, mlock((void *)(16 * PAGE), PAGE));
}

KTAP_MAIN(CASE(anonymous_is_zero), CASE(scattered_touches), CASE(unmapped_faults), CASE(protections_hold),
	  CASE(data_is_not_executable), CASE(text_is_not_writable), CASE(fixed_mappings_replace),
	  CASE(hints_are_taken_when_free), CASE(mmap_errors), STELLUX_CASE(user_space_ends_before_its_last_page),
	  CASE(unmapping_the_middle_of_many), CASE(brk_grows_and_shrinks), CASE(mremap_moves_and_resizes),
	  CASE(shared_memory_is_shared_with_children), CASE(private_file_mappings), CASE(shared_file_mappings),
	  CASE(file_offsets_and_ends), CASE(dev_zero_maps), CASE(madvise_dontneed_zeroes), CASE(the_stack_grows),
	  CASE(the_stack_has_an_end), CASE(faults_inside_calls), CASE(calls_fault_pages_in),
	  CASE(fork_shares_then_separates_many_pages), CASE(mincore_and_mlock))
