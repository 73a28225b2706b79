/* SPDX-License-Identifier: MIT */
/*
 * Vectors of buffers, as every call that takes one sees them: how many, how long, where, and which error comes first;
 * and what of another process's memory may be reached.
 */
#include "ktap.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PAGE = 4096, MANY = 1025 };

static int file, ends[2];
static char *memory;

typedef ssize_t (*vector_call)(const struct iovec *v, int count);

static ssize_t by_readv(const struct iovec *v, int count)
{
	OK(lseek(file, 0, SEEK_SET));
	return readv(file, v, count);
}

static ssize_t by_writev(const struct iovec *v, int count)
{
	OK(lseek(file, 0, SEEK_SET));
	return writev(file, v, count);
}

static ssize_t by_preadv(const struct iovec *v, int count)
{
	return preadv(file, v, count, 0);
}

static ssize_t by_pwritev(const struct iovec *v, int count)
{
	return pwritev(file, v, count, 0);
}

static ssize_t by_preadv2(const struct iovec *v, int count)
{
	return syscall(SYS_preadv2, file, v, (long)count, 0l, 0l, 0);
}

static ssize_t by_pwritev2(const struct iovec *v, int count)
{
	return syscall(SYS_pwritev2, file, v, (long)count, 0l, 0l, 0);
}

static ssize_t by_vm_read(const struct iovec *v, int count)
{
	return process_vm_readv(getpid(), v, (size_t)count, &(struct iovec){memory + 8 * PAGE, 4 * PAGE}, 1, 0);
}

static ssize_t by_vm_write(const struct iovec *v, int count)
{
	return process_vm_writev(getpid(), v, (size_t)count, &(struct iovec){memory + 8 * PAGE, 4 * PAGE}, 1, 0);
}

static void prepare(void)
{
	memory = OK(mmap(nullptr, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	memset(memory, 'a', 16 * PAGE);
	file = OK(memfd_create("vectors", 0));
	EQUAL(write(file, memory, 4 * PAGE), 4 * PAGE);
	OK(pipe(ends));
}

static void all_calls_agree(void)
{
	static const vector_call calls[] = {by_readv,	by_writev,   by_preadv,	 by_pwritev,
					    by_preadv2, by_pwritev2, by_vm_read, by_vm_write};
	static struct iovec many[MANY];

	prepare();
	for (size_t n = 0; n < sizeof(calls) / sizeof(*calls); n++) {
		vector_call call = calls[n];
		char *beyond = (char *)(UINTPTR_MAX - PAGE);

		FAILS(EINVAL, call(many, MANY));
		FAILS(EINVAL, call(many, -1));
		FAILS(EFAULT, call((void *)1, 1));
		EQUAL(call(many, MANY - 1), 0);
		EQUAL(call((void *)1, 0), 0);
		FAILS(EINVAL, call((struct iovec[]){{memory, (size_t)-1}}, 1));
		FAILS(EINVAL, call((struct iovec[]){{memory, 1}, {memory, (size_t)SSIZE_MAX + 1}}, 2));
		FAILS(EFAULT, call((struct iovec[]){{memory, SSIZE_MAX}}, 1));
		FAILS(EFAULT, call((struct iovec[]){{memory, 1}, {beyond, 1}}, 2));
		FAILS(EINVAL, call((struct iovec[]){{beyond, 1}, {memory, (size_t)-1}}, 2));
		FAILS(EINVAL, call((struct iovec[]){{memory, (size_t)-1}, {beyond, 1}}, 2));
		EQUAL(call((struct iovec[]){{memory, 10}, {nullptr, 0}, {memory + PAGE, 20}}, 3), 30);
	}
}

/* Nothing is moved when a vector is refused. */
static void lengths_of_the_other_side(void)
{
	struct iovec here = {nullptr, 10};

	prepare();
	memset(memory + 8 * PAGE, 'b', 8 * PAGE);
	here.iov_base = memory;
	FAILS(EINVAL, process_vm_readv(getpid(), &(struct iovec){memory, (size_t)-1}, 1,
				       &(struct iovec){memory + 8 * PAGE, (size_t)-1}, 1, 0));
	EQUAL(memory[0], 'a');
	FAILS(EFAULT, process_vm_readv(getpid(), &here, 1, &(struct iovec){nullptr, 10}, 1, 0));
	FAILS(EFAULT, process_vm_writev(getpid(), &here, 1, &(struct iovec){(void *)(UINTPTR_MAX - PAGE), 10}, 1, 0));
	FAILS(EINVAL, process_vm_readv(getpid(), &here, 1, &here, MANY, 0));
	FAILS(EINVAL, process_vm_readv(getpid(), &here, 1, &here, 1, 1));
	FAILS(ESRCH, process_vm_readv(0x3fffff, &here, 1, &here, 1, 0));
	EQUAL(process_vm_readv(0x3fffff, &here, 0, &here, 1, 0), 0);
	EQUAL(process_vm_readv(0x3fffff, &here, 1, &here, 0, 0), 0);
	/* As far as the shorter side goes, and as far as memory is there. */
	EQUAL(process_vm_readv(getpid(), &here, 1, &(struct iovec){memory + 8 * PAGE, PAGE}, 1, 0), 10);
	OK(munmap(memory + 10 * PAGE, PAGE));
	EQUAL(process_vm_readv(getpid(), &(struct iovec){memory, 4 * PAGE}, 1,
			       &(struct iovec){memory + 9 * PAGE + 5, 2 * PAGE}, 1, 0),
	      PAGE - 5);
}

static void rights_are_those_asked_for(void)
{
	struct iovec here, there;

	prepare();
	here = (struct iovec){memory, 1};
	there = (struct iovec){memory + PAGE, 1};
	OK(mprotect(memory + PAGE, PAGE, PROT_WRITE));
	FAILS(EFAULT, process_vm_readv(getpid(), &here, 1, &there, 1, 0));
	EQUAL(process_vm_writev(getpid(), &here, 1, &there, 1, 0), 1);
	OK(mprotect(memory + PAGE, PAGE, PROT_EXEC));
	FAILS(EFAULT, process_vm_readv(getpid(), &here, 1, &there, 1, 0));
	OK(mprotect(memory + PAGE, PAGE, PROT_READ));
	EQUAL(process_vm_readv(getpid(), &here, 1, &there, 1, 0), 1);
	FAILS(EFAULT, process_vm_writev(getpid(), &here, 1, &there, 1, 0));
}

static void which_error_comes_first(void)
{
	struct iovec bad = {(void *)1, (size_t)-1}, good;

	prepare();
	good = (struct iovec){memory, 1};
	FAILS(EBADF, readv(-1, &bad, 1));
	FAILS(EINVAL, readv(ends[1], &bad, 1));
	FAILS(EBADF, readv(ends[1], &good, 1));
	FAILS(ESPIPE, preadv(ends[0], &bad, 1, 0));
	FAILS(EINVAL, preadv(-1, &bad, 1, -1));
	FAILS(EBADF, pread(-1, (void *)UINTPTR_MAX, 1, 0));
	FAILS(ESPIPE, pread(ends[0], (void *)UINTPTR_MAX, 1, 0));
	FAILS(EFAULT, pread(file, (void *)UINTPTR_MAX, 1, 0));
	int write_only = OK(open("/proc/self/fd", O_RDONLY | O_DIRECTORY));
	FAILS(EISDIR, read(write_only, memory, 1));
}

KTAP_MAIN(CASE(all_calls_agree), CASE(lengths_of_the_other_side), CASE(rights_are_those_asked_for),
	  CASE(which_error_comes_first))
