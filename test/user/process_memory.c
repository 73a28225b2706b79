/* SPDX-License-Identifier: MIT */
/* process_madvise(2) and process_mrelease(2): what is said of another process's memory. */
#include "ktap.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif
#ifndef SYS_process_mrelease
#define SYS_process_mrelease 448
#endif

enum { COLD = 20, PAGEOUT = 21, WILL_NEED = 3, DONT_NEED = 4 };

static long advise(int fd, const struct iovec *v, size_t n, int advice, unsigned flags)
{
	return syscall(SYS_process_madvise, fd, v, n, advice, flags);
}

static int pidfd(pid_t p)
{
	return OK((int)syscall(SYS_pidfd_open, p, 0));
}

static pid_t waiting_child(void)
{
	pid_t child = CHILD(while (true) pause());

	ktap_until_state(child, "S");
	return child;
}

static void advice_on_another(void)
{
	long page = sysconf(_SC_PAGESIZE);
	char *p = OK(mmap(nullptr, 4 * (size_t)page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	struct iovec v[2] = {{p, (size_t)page}, {p + 2 * page, 2 * (size_t)page}};

	memset(p, 7, 4 * (size_t)page);
	pid_t child = waiting_child();
	int fd = pidfd(child);
	EQUAL(advise(fd, v, 2, WILL_NEED, 0), 3 * page);
	FAILS(EINVAL, advise(fd, v, 2, DONT_NEED, 0)); /* its memory would change */
	FAILS(EINVAL, advise(fd, v, 2, 999, 0));
	FAILS(EINVAL, advise(fd, v, 2, WILL_NEED, 1));
	FAILS(EINVAL, advise(fd, v, 1025, WILL_NEED, 0));
	FAILS(EFAULT, advise(fd, (void *)8, 2, WILL_NEED, 0));
	FAILS(EBADF, advise(999, v, 2, WILL_NEED, 0));
	FAILS(EBADF, advise(0, v, 2, WILL_NEED, 0));
	/* What came before what is wrong was done. */
	OK(munmap(p + 2 * page, 2 * (size_t)page));
	EQUAL(advise(pidfd(getpid()), v, 2, WILL_NEED, 0), page);
	v[0].iov_base = p + 1;
	FAILS(EINVAL, advise(fd, v, 1, WILL_NEED, 0));
	OK(kill(child, SIGKILL));
	DIES(child, SIGKILL);
	v[0].iov_base = p;
	FAILS(ESRCH, advise(fd, v, 1, WILL_NEED, 0));
}

static void who_may_not_look_says_nothing(void)
{
	char *p = OK(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	struct iovec v = {p, 4096};
	int fd = pidfd(getpid());

	EXITS(CHILD({
		      ktap_become(1000);
		      FAILS(EACCES, advise(fd, &v, 1, WILL_NEED, 0));
	      }),
	      0);
	/* Even of one's own one's priority is asked for. */
	EXITS(CHILD({
		      ktap_become(1000);
		      OK(execl("/proc/self/exe", "process_memory", "-as-user", nullptr));
	      }),
	      7);
}

static int as_user(void)
{
	static char page[8192] __attribute__((aligned(4096)));
	struct iovec v = {page, 4096};
	pid_t child = waiting_child();

	FAILS(EPERM, advise(pidfd(child), &v, 1, WILL_NEED, 0));
	OK(kill(child, SIGKILL));
	DIES(child, SIGKILL);
	return 7;
}

static void only_the_dying_are_released(void)
{
	pid_t child = waiting_child();
	int fd = pidfd(child);

	FAILS(EINVAL, syscall(SYS_process_mrelease, fd, 0));
	FAILS(EINVAL, syscall(SYS_process_mrelease, fd, 1));
	FAILS(EBADF, syscall(SYS_process_mrelease, 999, 0));
	FAILS(EBADF, syscall(SYS_process_mrelease, 0, 0));
	OK(kill(child, SIGKILL));
	/* It may have gone meanwhile. */
	long result = syscall(SYS_process_mrelease, fd, 0);
	CHECK(result == 0 || (result == -1 && errno == ESRCH));
	DIES(child, SIGKILL);
	FAILS(ESRCH, syscall(SYS_process_mrelease, fd, 0));
}

/* Again and again, so that it meets processes at all stages of their end. */
static void the_end_is_met_at_every_stage(void)
{
	unsigned released = 0;

	for (int n = 0; n < 100; n++) {
		pid_t child = CHILD({
			size_t bytes = 4u << 20;
			char *p = OK(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

			memset(p, 1, bytes);
			while (true)
				memset(p, 2, bytes);
		});
		int fd = pidfd(child);

		OK(kill(child, SIGKILL));
		for (int turn = 0; turn < 5; turn++) {
			long result = syscall(SYS_process_mrelease, fd, 0);

			CHECK(result == 0 || (result == -1 && (errno == ESRCH || errno == EINVAL)));
			released += result == 0;
		}
		DIES(child, SIGKILL);
		OK(close(fd));
	}
	ktap_note("%u times something was released", released);
}

/* A call that is under way meanwhile gives what was there, or ends short; never zeros. */
static void what_is_released_is_not_read_as_zeros(void)
{
	enum { BYTES = 1 << 20, FILL = 0x55 };
	char *p = OK(mmap(nullptr, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	int file = OK(memfd_create("written", 0));
	char *there = OK(mmap(nullptr, BYTES, PROT_READ, MAP_SHARED, file, 0));
	unsigned released = 0;

	memset(p, FILL, BYTES);
	EQUAL(pwrite(file, p, BYTES, 0), BYTES);
	for (int n = 0; n < 40; n++) {
		pid_t child = CHILD(while (true) pwrite(file, p, BYTES, 0));
		int fd = pidfd(child);

		usleep(1000u + 100u * (unsigned)n);
		OK(kill(child, SIGKILL));
		for (int turn = 0; turn < 20; turn++)
			released += syscall(SYS_process_mrelease, fd, 0) == 0;
		DIES(child, SIGKILL);
		OK(close(fd));
		CHECK(memchr(there, 0, BYTES) == nullptr);
	}
	ktap_note("%u times something was released", released);
}

static const struct ktap_case cases[] = {CASE(advice_on_another), CASE(who_may_not_look_says_nothing),
					 CASE(only_the_dying_are_released), CASE(the_end_is_met_at_every_stage),
					 CASE(what_is_released_is_not_read_as_zeros)};

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "-as-user") == 0)
		return as_user();
	return ktap_main(argc, argv, cases, sizeof(cases) / sizeof(*cases));
}
