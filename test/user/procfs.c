/* SPDX-License-Identifier: MIT */
/*
 * /proc as ps, top, free, mount, df, uptime and pidof read it: the files are there, have Linux's
 * form, and tell the truth.
 */
#include "ktap.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

static char text[65536];

static const char *file(const char *path)
{
	ktap_read_file(path, text, sizeof(text));
	return text;
}

static const char *file_of(pid_t pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	return file(path);
}

/* The number after "KEY:" in text of lines "KEY: value". */
static long value_of(const char *key)
{
	size_t length = strlen(key);

	for (char *line = text; line != nullptr; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : nullptr) {
		if (strncmp(line, key, length) == 0 && line[length] == ':')
			return strtol(line + length + 1, nullptr, 0);
	}
	ktap_fail(__FILE__, __LINE__, "there is no %s:", key);
}

static void stat_of_a_process(void)
{
	int pid, parent, group, session, fields = 0;
	char name[32], state;
	pid_t child = CHILD(for (;;) pause());

	ktap_until_state(child, "S");
	file_of(child, "stat");
	EQUAL(sscanf(text, "%d (%31[^)]) %c %d %d %d", &pid, name, &state, &parent, &group, &session), 6);
	EQUAL(pid, child);
	CHECK(strcmp(name, "procfs") == 0);
	EQUAL(state, 'S');
	EQUAL(parent, getpid());
	EQUAL(group, getpgrp());
	EQUAL(session, getsid(0));
	for (const char *at = strrchr(text, ')'); (at = strchr(at + 1, ' ')) != nullptr;)
		fields++;
	EQUAL(fields, 50);
	OK(kill(child, SIGSTOP));
	ktap_until_state(child, "T");
	OK(kill(child, SIGKILL));
	ktap_until_state(child, "Z");
	DIES(child, SIGKILL);
	CHECK(access("/proc/self/stat", R_OK) == 0);
	char path[32];
	snprintf(path, sizeof(path), "/proc/%d", child);
	FAILS(ENOENT, access(path, F_OK));
}

static void status_of_a_process(void)
{
	file("/proc/self/status");
	EQUAL(value_of("Pid"), getpid());
	EQUAL(value_of("PPid"), getppid());
	EQUAL(value_of("Tgid"), getpid());
	EQUAL(value_of("Uid"), 0);
	CHECK(value_of("VmSize") > 0);
	CHECK(value_of("VmRSS") > 0);
	CHECK(value_of("Threads") == 1);
	CHECK(strncmp(text, "Name:\tprocfs\n", 13) == 0);
	CHECK(strstr(text, "\nState:\tR") != nullptr);
	OK(setuid(77));
	file("/proc/self/status");
	EQUAL(value_of("Uid"), 77);
}

static void command_lines(void)
{
	const char *line = file("/proc/self/cmdline");
	CHECK(strlen(line) >= 6 && strcmp(line + strlen(line) - 6, "procfs") == 0);
	pid_t child = CHILD({
		execve("/proc/self/exe", (char *[]){"a", "@wait", "c d", nullptr}, (char *[]){"E=1", nullptr});
		_exit(1);
	});
	do {
		ktap_until_state(child, "S");
		file_of(child, "cmdline");
	} while (memcmp(text, "a\0@wait\0c d\0", 12) != 0);
	file_of(child, "environ");
	CHECK(memcmp(text, "E=1\0", 4) == 0);
	OK(kill(child, SIGKILL));
	DIES(child, SIGKILL);
}

static void links_of_a_process(void)
{
	char target[256] = {}, directory[256];

	ktap_enter_dir();
	CHECK(getcwd(directory, sizeof(directory)) != nullptr);
	OK(readlink("/proc/self/cwd", target, sizeof(target) - 1));
	CHECK(strcmp(target, directory) == 0);
	memset(target, 0, sizeof(target));
	OK(readlink("/proc/self/root", target, sizeof(target) - 1));
	CHECK(strcmp(target, "/") == 0);
	ktap_write_file("open-file", "seen through the link");
	int fd = OK(open("open-file", O_RDONLY));
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	memset(target, 0, sizeof(target));
	OK(readlink(path, target, sizeof(target) - 1));
	CHECK(strcmp(target + strlen(target) - 10, "/open-file") == 0);
	CHECK(strcmp(file(path), "seen through the link") == 0);
	int ends[2];
	OK(pipe(ends));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[0]);
	memset(target, 0, sizeof(target));
	OK(readlink(path, target, sizeof(target) - 1));
	CHECK(strncmp(target, "pipe:[", 6) == 0);
	memset(target, 0, sizeof(target));
	OK(readlink("/proc/self", target, sizeof(target) - 1));
	EQUAL(atoi(target), getpid());
}

static int count_entries(const char *path)
{
	int count = 0;
	DIR *dir = opendir(path);

	CHECK(dir != nullptr);
	while (readdir(dir) != nullptr)
		count++;
	closedir(dir);
	return count;
}

static void descriptors_are_listed(void)
{
	int before = count_entries("/proc/self/fd");

	for (int i = 0; i < 5; i++)
		OK(dup(0));
	EQUAL(count_entries("/proc/self/fd"), before + 5);
}

static void processes_are_listed(void)
{
	pid_t child = CHILD(for (;;) pause());
	bool saw_child = false, saw_self = false, saw_init = false;
	DIR *dir = opendir("/proc");

	CHECK(dir != nullptr);
	for (struct dirent *entry; (entry = readdir(dir)) != nullptr;) {
		int pid = atoi(entry->d_name);
		saw_child |= pid == child;
		saw_self |= pid == getpid();
		saw_init |= pid == 1;
	}
	CHECK(saw_child && saw_self && saw_init);
	OK(kill(child, SIGKILL));
	DIES(child, SIGKILL);
}

static void maps_show_mappings(void)
{
	char wanted[64];
	char *at = mmap(nullptr, 3 * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	OK(mprotect(at + 4096, 4096, PROT_READ | PROT_WRITE));
	file("/proc/self/maps");
	snprintf(wanted, sizeof(wanted), "%lx-%lx rw-p", (unsigned long)at + 4096, (unsigned long)at + 8192);
	CHECK(strstr(text, wanted) != nullptr);
	CHECK(strstr(text, "[stack]") != nullptr);
	CHECK(strstr(text, "r-xp") != nullptr);
	CHECK(strstr(text, "/procfs\n") != nullptr);
}

static void memory_is_accounted(void)
{
	struct sysinfo info;

	file("/proc/meminfo");
	long total = value_of("MemTotal"), available = value_of("MemFree");
	CHECK(total > 0 && available > 0 && available < total);
	CHECK(value_of("MemAvailable") > 0);
	value_of("Buffers");
	value_of("Cached");
	value_of("SwapTotal");
	value_of("SwapFree");
	OK(sysinfo(&info));
	EQUAL((long)(info.totalram * info.mem_unit / 1024), total);
	CHECK(info.procs > 0);
	CHECK(info.uptime >= 0);
}

static void used_memory_shows(void)
{
	enum { MEGABYTES = 24 };
	static char statm[256];
	long size, resident, after;

	ktap_read_file("/proc/self/statm", statm, sizeof(statm));
	EQUAL(sscanf(statm, "%ld %ld", &size, &resident), 2);
	char *at = mmap(nullptr, MEGABYTES << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(at, 1, MEGABYTES << 20);
	ktap_read_file("/proc/self/statm", statm, sizeof(statm));
	EQUAL(sscanf(statm, "%ld %ld", &size, &after), 2);
	CHECK(after >= resident + (MEGABYTES << 8) - 256);
	OK(munmap(at, MEGABYTES << 20));
	ktap_read_file("/proc/self/statm", statm, sizeof(statm));
	EQUAL(sscanf(statm, "%ld %ld", &size, &after), 2);
	CHECK(after <= resident + 512);
}

static void mounts_are_listed(void)
{
	file("/proc/mounts");
	CHECK(strstr(text, " / ") != nullptr);
	CHECK(strstr(text, " /proc proc ") != nullptr);
	CHECK(strstr(text, " /dev ") != nullptr);
	ktap_enter_dir();
	OK(mkdir("m", 0700));
	OK(mount("none", "m", "tmpfs", 0, ""));
	file("/proc/self/mounts");
	CHECK(strstr(text, "/m tmpfs rw") != nullptr);
	OK(umount("m"));
	file("/proc/self/mounts");
	CHECK(strstr(text, "/m tmpfs rw") == nullptr);
	file("/proc/filesystems");
	CHECK(strstr(text, "\ttmpfs\n") != nullptr && strstr(text, "\tproc\n") != nullptr);
}

static void system_statistics(void)
{
	double up, idle;
	unsigned long user, nice, system, idle_ticks;

	EQUAL(sscanf(file("/proc/uptime"), "%lf %lf", &up, &idle), 2);
	CHECK(up > 0);
	EQUAL(sscanf(file("/proc/stat"), "cpu %lu %lu %lu %lu", &user, &nice, &system, &idle_ticks), 4);
	CHECK(strstr(text, "\ncpu0 ") != nullptr);
	CHECK(strstr(text, "\nbtime ") != nullptr);
	CHECK(strstr(text, "\nctxt ") != nullptr);
	CHECK(strstr(text, "\nprocesses ") != nullptr);
	double a, b, c;
	EQUAL(sscanf(file("/proc/loadavg"), "%lf %lf %lf", &a, &b, &c), 3);
	CHECK(strchr(text, '/') != nullptr);
	CHECK(strlen(file("/proc/version")) > 10);
	CHECK(strlen(file("/proc/cmdline")) > 1);
	CHECK(strstr(file("/proc/cpuinfo"), "processor\t: 0\n") != nullptr);
}

static long ticks_of(pid_t pid)
{
	unsigned long user, system;

	file_of(pid, "stat");
	EQUAL(sscanf(strrchr(text, ')') + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system), 2);
	return (long)(user + system);
}

static void cpu_time_grows(void)
{
	pid_t child = CHILD(for (volatile int i = 0;; i++););

	while (ticks_of(child) < 5)
		usleep(1000);
	OK(kill(child, SIGKILL));
	DIES(child, SIGKILL);
}

static void proc_is_read_only(void)
{
	FAILS(EPERM, unlink("/proc/self/stat"));
	CHECK(open("/proc/newfile", O_RDWR | O_CREAT, 0600) == -1);
	CHECK(mkdir("/proc/newdir", 0700) == -1);
	FAILS(ENOENT, open("/proc/99999999/stat", O_RDONLY));
	struct stat status;
	OK(stat("/proc/self/status", &status));
	CHECK(S_ISREG(status.st_mode));
	OK(stat("/proc/1", &status));
	CHECK(S_ISDIR(status.st_mode));
}

/* A file that is read byte by byte is the same as one read at once. */
static void small_reads(void)
{
	static char slow[65536];
	size_t length = 0;
	int fd = OK(open("/proc/version", O_RDONLY));

	while (OK(read(fd, slow + length, 1)) == 1)
		length++;
	slow[length] = '\0';
	CHECK(strcmp(slow, file("/proc/version")) == 0);
	OK(lseek(fd, 3, SEEK_SET));
	EQUAL(read(fd, slow, 4), 4);
	CHECK(memcmp(slow, text + 3, 4) == 0);
}

static void kernel_settings(void)
{
	static const char *const names[] = {"ostype", "osrelease", "version", "hostname", "pid_max"};
	char path[64];

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(path, sizeof(path), "/proc/sys/kernel/%s", names[i]);
		CHECK(strlen(file(path)) > 1);
	}
}

static void privilege_counts_move(void)
{
	unsigned long before, after;

	ktap_write_file("/proc/privilege", "on\n");
	CHECK(strncmp(file("/proc/privilege"), "# stellux privilege 1\n", 22) == 0);
	CHECK(strstr(text, "\naccounting on\n") != nullptr);
	char *at = strstr(text, "\ncpu 0 elevate ");
	CHECK(at != nullptr);
	EQUAL(sscanf(strstr(at, " syscall "), " syscall %lu", &before), 1);
	for (int i = 0; i < 1000; i++)
		getppid();
	after = 0;
	file("/proc/privilege");
	for (at = text; (at = strstr(at, " syscall ")) != nullptr; at++)
		after += strtoul(at + 9, nullptr, 10);
	CHECK(after >= before + 1000);
}

static long kernel_memory(void)
{
	int fd = OK(open("/proc/sys/vm/drop_caches", O_WRONLY));

	EQUAL(write(fd, "2", 1), 1);
	OK(close(fd));
	file("/proc/meminfo");
	return value_of("KernelMemory");
}

static void *wait_for_end(void *lock)
{
	pthread_mutex_lock(lock);
	pthread_mutex_unlock(lock);
	return nullptr;
}

/* Each thread has 16 KiB of it, which are kept for the next one; and a page, which is not. */
static void dropped_caches_are_free(void)
{
	enum { THREADS = 48, STACKS_KIB = THREADS * 16 };
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	pthread_t threads[THREADS];

	pthread_mutex_lock(&lock);
	for (int i = 0; i < THREADS; i++)
		EQUAL(pthread_create(&threads[i], nullptr, wait_for_end, &lock), 0);
	long most = kernel_memory();
	pthread_mutex_unlock(&lock);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], nullptr);
	/* They are taken apart by another thread. */
	while (kernel_memory() > most - STACKS_KIB)
		OK(usleep(5000));
}

static const struct ktap_case cases[] = {
	CASE(stat_of_a_process),
	CASE(status_of_a_process),
	CASE(command_lines),
	CASE(links_of_a_process),
	CASE(descriptors_are_listed),
	CASE(processes_are_listed),
	CASE(maps_show_mappings),
	CASE(memory_is_accounted),
	CASE(used_memory_shows),
	CASE(mounts_are_listed),
	CASE(system_statistics),
	CASE(cpu_time_grows),
	CASE(proc_is_read_only),
	CASE(small_reads),
	CASE(kernel_settings),
	STELLUX_CASE(privilege_counts_move),
	STELLUX_CASE(dropped_caches_are_free),
};

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "@wait") == 0) {
		for (;;)
			pause();
	}
	return ktap_main(argc, argv, cases, sizeof(cases) / sizeof(*cases));
}
