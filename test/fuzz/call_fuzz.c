/* SPDX-License-Identifier: MIT */
/*
 * Sequences of system calls whose arguments are of the right kinds, and wrong in details: descriptors of every kind of
 * file, pointers that are good, at an edge, unaligned, unmapped, read-only or the kernel's, lengths, flags, process
 *ids, paths, signals (call_fuzz/sequence.c, which says what is left out, and why). Each sequence runs in a process of
 *its own, some of them with several threads; it may fail, block (it is ended) or die of it. The kernel must go on.
 *
 *	call_fuzz SEED SEQUENCES [SECONDS]     as root and as nobody; SECONDS, if not 0, instead of a number of them
 *
 * Prints KTAP.
 */
#include "call_fuzz/sequence.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/klog.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { NOBODY = 65533, SLACK = 16, SLACK_KIB = 1024 };

/* --- the keeper --- */

/* Ends and collects whatever sequences have left: orphans are given to us. */
static void sweep(void)
{
	while (waitpid(-1, nullptr, WNOHANG | __WALL) >= 0) {
		DIR *all = opendir("/proc");

		for (struct dirent *entry; all != nullptr && (entry = readdir(all)) != nullptr;) {
			char name[40], text[300] = {};
			pid_t pid = atoi(entry->d_name);

			if (pid <= 1)
				continue;
			snprintf(name, sizeof(name), "/proc/%d/stat", pid);
			int fd = open(name, O_RDONLY);
			char *end = fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 ? strrchr(text, ')') : nullptr;
			if (end != nullptr && atoi(end + 4) == getpid())
				kill(pid, SIGKILL);
			if (fd >= 0)
				close(fd);
		}
		if (all != nullptr)
			closedir(all);
		usleep(500);
	}
}

/* Queues, semaphores and memory that outlive who made them: all of the machine's, which is ours alone. */
static void remove_ipc(void)
{
	struct utsname name;

	if (uname(&name) != 0 || strcmp(name.sysname, "Stellux") != 0)
		return;
	union {
		struct msqid_ds queue;
		struct semid_ds set;
		struct shmid_ds segment;
		char room[512];
	} told;
	int id;

	for (int place = msgctl(0, IPC_INFO, &told.queue); place >= 0; place--)
		if ((id = msgctl(place, MSG_STAT, &told.queue)) >= 0)
			msgctl(id, IPC_RMID, nullptr);
	for (int place = semctl(0, 0, IPC_INFO, &told); place >= 0; place--)
		if ((id = semctl(place, 0, SEM_STAT, &told)) >= 0)
			semctl(id, 0, IPC_RMID);
	for (int place = shmctl(0, IPC_INFO, &told.segment); place >= 0; place--)
		if ((id = shmctl(place, SHM_STAT, &told.segment)) >= 0)
			shmctl(id, IPC_RMID, nullptr);
}

/* Empties the folder that the working directory is. */
static void remove_tree(int at)
{
	DIR *all = fdopendir(at);

	for (struct dirent *entry; all != nullptr && (entry = readdir(all)) != nullptr;) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (unlinkat(at, entry->d_name, 0) == 0)
			continue;
		fchmodat(at, entry->d_name, 0700, 0);
		int below = openat(at, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
		if (below >= 0)
			remove_tree(below);
		unlinkat(at, entry->d_name, AT_REMOVEDIR);
	}
	if (all != nullptr)
		closedir(all);
}

/* --- before and after --- */

static size_t read_file(const char *name, char *text, size_t size)
{
	int fd = open(name, O_RDONLY);
	size_t length = 0;
	ssize_t n;

	while (fd >= 0 && length < size - 1 && (n = read(fd, text + length, size - 1 - length)) > 0)
		length += (size_t)n;
	text[length] = '\0';
	if (fd >= 0)
		close(fd);
	return length;
}

/* Kernel objects that are held, of all components, and contained faults. */
struct counts {
	unsigned long allocations, faults;
	long free_kib;
};

static struct counts count_all(void)
{
	static char text[8192];
	struct counts c = {};

	sleep(1); /* what dies is taken apart by another thread */
	/* Names that were looked up stay known until somebody wants the memory. */
	int caches = open("/proc/sys/vm/drop_caches", O_WRONLY);
	if (caches < 0 || write(caches, "3", 1) != 1)
		printf("# caches were not dropped: %s\n", strerror(errno));
	close(caches);
	read_file("/proc/components", text, sizeof(text));
	for (char *line = strtok(text, "\n"); line != nullptr; line = strtok(nullptr, "\n")) {
		unsigned long faults, allocations;

		if (sscanf(line, "%*s %*u %*s %*s %*u %lu %*u %lu", &faults, &allocations) == 2) {
			c.faults += faults;
			c.allocations += allocations;
		}
	}
	read_file("/proc/meminfo", text, sizeof(text));
	char *free = strstr(text, "MemFree:");
	c.free_kib = free != nullptr ? atol(free + 8) : 0;
	return c;
}

/* What the log says that nothing a process does may cause. */
static bool log_is_clean(void)
{
	static const char *const bad[] = {"stray access caught", "=== report ",	      "kernel bug",
					  "kernel panic",	 "nucleus panic",     "order is broken",
					  "call refused",	 "held back too long"};
	static char text[1 << 18];
	bool clean = true;
	int n = klogctl(3, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (strstr(text, bad[i]) != nullptr) {
			printf("# the log says: %s\n", bad[i]);
			clean = false;
		}
	return clean;
}

static bool fuzz(uint64_t seed, uint64_t count, unsigned seconds, uid_t user)
{
	unsigned ended = 0, died = 0, stopped = 0;
	time_t end = time(nullptr) + seconds;

	if (mkdir("/tmp/fuzz", 0777) != 0 || chmod("/tmp/fuzz", 0777) != 0 || chdir("/tmp/fuzz") != 0)
		return false;
	for (uint64_t i = 0; seconds != 0 ? time(nullptr) < end : i < count; i++) {
		int status = 0;
		bool over = false;
		pid_t child = fork();

		if (child < 0)
			return false;
		if (child == 0)
			sequence(seed * 1'000'003 + i, user);
		for (int wait = 0; wait < 200 && !over; wait++) {
			over = waitpid(child, &status, WNOHANG) == child;
			if (!over)
				usleep(wait < 100 ? 300 : 1500);
		}
		if (!over) {
			kill(child, SIGKILL);
			waitpid(child, nullptr, 0);
		}
		ended += over && WIFEXITED(status);
		died += over && WIFSIGNALED(status);
		stopped += !over;
		sweep();
		remove_ipc();
		chmod("/tmp/fuzz", 0777);
		remove_tree(open("/tmp/fuzz", O_RDONLY | O_DIRECTORY));
	}
	printf("# user %u: %u sequences ended, %u died, %u were stopped\n", user, ended, died, stopped);
	return chdir("/") == 0 && rmdir("/tmp/fuzz") == 0 && ended > 0;
}

static void result(bool good, const char *name)
{
	static unsigned number;

	printf("%s %u - %s\n", good ? "ok" : "not ok", ++number, name);
	fflush(stdout);
}

static bool serves(void)
{
	int status = -1;
	pid_t child = fork();

	if (child == 0) {
		execl("/bin/privtop", "privtop", "-b", "-n", "1", nullptr);
		_exit(1);
	}
	return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], nullptr, 0) : 1,
		 count = argc > 2 ? strtoull(argv[2], nullptr, 0) : 100;
	unsigned seconds = argc > 3 ? (unsigned)atoi(argv[3]) : 0;

	setvbuf(stdout, nullptr, _IOLBF, 0);
	printf("KTAP version 1\n1..5\n# seed %llu\n", (unsigned long long)seed);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	/* What is kept after a first use is no leak. */
	(void)(fuzz(seed + 1, 20, 0, 0) && fuzz(seed + 1, 20, 0, NOBODY));
	struct counts before = count_all();
	result(fuzz(seed, count, seconds / 2, 0), "sequences of calls by root");
	result(fuzz(seed, count, seconds / 2, NOBODY), "sequences of calls by nobody");
	struct counts after = count_all();
	printf("# kernel objects %lu, then %lu; faults %lu, then %lu; free KiB %ld, then %ld\n", before.allocations,
	       after.allocations, before.faults, after.faults, before.free_kib, after.free_kib);
	result(after.allocations <= before.allocations + SLACK && after.faults == before.faults &&
		       after.free_kib + SLACK_KIB >= before.free_kib,
	       "counters are as before");
	result(log_is_clean(), "nothing but errors");
	result(serves(), "the machine goes on");
	return 0;
}
