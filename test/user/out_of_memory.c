/* SPDX-License-Identifier: MIT */
/*
 * Running out of memory ends the process that takes it, and nothing else. Each hog is the only
 * large process; afterwards ordinary work must succeed, many times, so that nothing was lost. On
 * machines with more than 2 GiB these cases skip themselves: they would take everything from a
 * development machine.
 */
#include "ktap.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

static size_t total_bytes(void)
{
	struct sysinfo info;

	OK(sysinfo(&info));
	size_t total = info.totalram * info.mem_unit;
	if (total > (size_t)2 << 30)
		ktap_skip("the machine has more than 2 GiB");
	return total;
}

static size_t free_bytes(void)
{
	struct sysinfo info;

	OK(sysinfo(&info));
	return info.freeram * info.mem_unit;
}

static void ordinary_work(void)
{
	for (int i = 0; i < 50; i++) {
		pid_t child = CHILD({
			char *at = mmap(nullptr, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			CHECK(at != MAP_FAILED);
			memset(at, 1, 1 << 20);
		});
		EXITS(child, 0);
	}
}

static void take(size_t total)
{
	size_t step = 1 << 20;

	for (size_t taken = 0; taken < total + (64 << 20); taken += step) {
		char *at = mmap(nullptr, step, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (at == MAP_FAILED)
			_exit(44);
		for (size_t i = 0; i < step; i += 4096)
			at[i] = 1;
	}
	_exit(0);
}

static void a_hog_is_ended(void)
{
	size_t total = total_bytes();

	for (int round = 0; round < 3; round++) {
		size_t before = free_bytes();
		int status = ktap_wait(CHILD(take(total)));
		CHECK((WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) ||
		      (WIFEXITED(status) && WEXITSTATUS(status) == 44));
		ordinary_work();
		CHECK(free_bytes() + (16 << 20) > before);
	}
}

static void hogs_at_once(void)
{
	size_t total = total_bytes();
	pid_t hogs[4];

	for (int i = 0; i < 4; i++)
		hogs[i] = CHILD(take(total));
	for (int i = 0; i < 4; i++) {
		int status = ktap_wait(hogs[i]);
		CHECK((WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) ||
		      (WIFEXITED(status) && WEXITSTATUS(status) == 44));
	}
	ordinary_work();
}

/* Memory taken by copying on write. */
static void copying_hogs(void)
{
	size_t total = total_bytes();
	size_t size = total / 2;
	char *at = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(at != MAP_FAILED);
	int status = ktap_wait(CHILD({
		for (size_t i = 0; i < size; i += 4096)
			at[i] = 1;
		pid_t child = fork();
		for (size_t i = 0; i < size; i += 4096)
			at[i] = child == 0 ? 2 : 3;
		if (child > 0)
			waitpid(child, nullptr, 0);
	}));
	CHECK(WIFEXITED(status) || WTERMSIG(status) == SIGKILL);
	ordinary_work();
}

/* tmpfs takes memory until there is none; that is ENOSPC or a kill, and removing the file gives it
 * back. */
static void files_in_memory(void)
{
	static char block[1 << 20];
	size_t total = total_bytes();

	ktap_enter_dir();
	int status = ktap_wait(CHILD({
		int fd = OK(open("hog", O_RDWR | O_CREAT, 0600));
		for (size_t taken = 0; taken < total; taken += sizeof(block)) {
			memset(block, (int)(taken >> 20), sizeof(block));
			if (write(fd, block, sizeof(block)) <= 0) {
				CHECK(errno == ENOSPC || errno == ENOMEM);
				_exit(0);
			}
		}
	}));
	CHECK(status == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
	OK(unlink("hog"));
	ordinary_work();
}

/* More processes than fit: fork fails in the end, and all can be ended. */
static void a_crowd(void)
{
	int hold[2], made = 0;

	total_bytes();
	OK(pipe(hold));
	for (; made < 3000; made++) {
		pid_t child = fork();
		if (child == 0) {
			char c;
			close(hold[1]);
			(void)!read(hold[0], &c, 1);
			_exit(0);
		}
		if (child < 0) {
			CHECK(errno == EAGAIN || errno == ENOMEM);
			break;
		}
	}
	if (made < 200)
		ktap_fail(__FILE__, __LINE__, "only %d children: errno %d", made, errno);
	close(hold[1]);
	for (int i = 0; i < made; i++)
		ktap_wait(-1);
	ordinary_work();
}

KTAP_MAIN(CASE(a_hog_is_ended), CASE(hogs_at_once), CASE(copying_hogs), CASE(files_in_memory), CASE(a_crowd))
