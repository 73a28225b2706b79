/* SPDX-License-Identifier: MIT */
/*
 * Numbers of what was used (/proc/PID/status, io, schedstat, /proc/stat, vmstat, getrusage): they move, peaks stay,
 * children count; and names that a process chooses, in text files whose lines and fields they must not forge.
 */
#include "ktap.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

constexpr size_t MIB = 1 << 20;
static char text[1 << 17];

/* The number behind "KEY" at the beginning of a line. */
static long long number(const char *path, const char *key)
{
	size_t length = strlen(key);

	ktap_read_file(path, text, sizeof(text));
	for (char *line = text; line != nullptr;
	     line = strchr(line, '\n') != nullptr ? strchr(line, '\n') + 1 : nullptr)
		if (strncmp(line, key, length) == 0)
			return strtoll(line + length, nullptr, 10);
	ktap_fail(__FILE__, __LINE__, "%s has no line %s", path, key);
}

static long long status(const char *key)
{
	return number("/proc/self/status", key);
}

static void use_memory(size_t bytes)
{
	char *memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(memory != MAP_FAILED);
	memset(memory, 1, bytes);
	OK(munmap(memory, bytes));
}

static void peaks_stay(void)
{
	struct rusage u;
	long long before = status("VmRSS:"), size = status("VmSize:");

	use_memory(8 * MIB);
	CHECK(status("VmRSS:") < before + 4096);
	CHECK(status("VmHWM:") >= before + 8000);
	CHECK(status("VmPeak:") >= size + 8192);
	CHECK(status("VmSize:") < size + 4096);
	OK(getrusage(RUSAGE_SELF, &u));
	CHECK(u.ru_maxrss >= before + 8000);
	EXITS(CHILD(OK(getrusage(RUSAGE_SELF, &u)); CHECK(u.ru_maxrss < before + 8000)), 0);
}

static void children_count(void)
{
	struct rusage u, of_child;
	int state;

	pid_t child = CHILD({
		use_memory(8 * MIB);
		/* What the old program had at most is the process's still. */
		execl("/proc/self/exe", "accounting", "@end", nullptr);
	});
	EQUAL(wait4(child, &state, 0, &of_child), child);
	EQUAL(state, 0);
	OK(getrusage(RUSAGE_CHILDREN, &u));
	CHECK(of_child.ru_maxrss >= 8192 && u.ru_maxrss == of_child.ru_maxrss);
	CHECK(of_child.ru_minflt > 0 && u.ru_minflt == of_child.ru_minflt);
	CHECK(u.ru_nvcsw == of_child.ru_nvcsw && u.ru_nivcsw == of_child.ru_nivcsw);
}

static void switches_count(void)
{
	int there[2], back[2];
	struct rusage u, of_thread;
	char c = 0;
	long long system = number("/proc/stat", "ctxt "), before = status("voluntary_ctxt_switches:");

	OK(pipe(there));
	OK(pipe(back));
	pid_t child = CHILD(for (int n = 0; n < 20; n++) {
		EQUAL(read(there[0], &c, 1), 1);
		EQUAL(write(back[1], &c, 1), 1);
	});
	for (int n = 0; n < 20; n++) {
		EQUAL(write(there[1], &c, 1), 1);
		EQUAL(read(back[0], &c, 1), 1);
	}
	EXITS(child, 0);
	/* An answer may be there before it is waited for, and a sleep over before it began, on a busy host each time.
	 */
	while (status("voluntary_ctxt_switches:") <= before)
		OK(usleep(2000));
	CHECK(number("/proc/stat", "ctxt ") > system);
	OK(getrusage(RUSAGE_SELF, &u));
	OK(getrusage(RUSAGE_THREAD, &of_thread));
	CHECK(u.ru_nvcsw > 0 && of_thread.ru_nvcsw > 0 && of_thread.ru_nvcsw <= u.ru_nvcsw + 20);
}

static void reads_and_writes_count(void)
{
	int null = OK(open("/dev/null", O_WRONLY)), zero = OK(open("/dev/zero", O_RDONLY));
	long long written = number("/proc/self/io", "wchar: "), writes = number("/proc/self/io", "syscw: ");

	EQUAL(write(null, text, 5000), 5000);
	EQUAL(number("/proc/self/io", "wchar: "), written + 5000);
	EQUAL(number("/proc/self/io", "syscw: "), writes + 1);
	FAILS(EBADF, write(zero, text, 1));
	long long got = number("/proc/self/io", "rchar: "), reads = number("/proc/self/io", "syscr: ");
	EQUAL(read(zero, text, 3000), 3000);
	CHECK(number("/proc/self/io", "rchar: ") >= got + 3000);
	CHECK(number("/proc/self/io", "syscr: ") > reads);
	EQUAL(number("/proc/self/io", "cancelled_write_bytes: "), 0);
}

static void sums_of_the_system_move(void)
{
	long long forks = number("/proc/stat", "processes "), faults = number("/proc/vmstat", "pgfault ");

	for (int n = 0; n < 3; n++)
		EXITS(CHILD(use_memory(64 << 10)), 0);
	CHECK(number("/proc/stat", "processes ") >= forks + 3);
	CHECK(number("/proc/vmstat", "pgfault ") > faults);
	CHECK(number("/proc/stat", "intr ") > 0);
	EQUAL(number("/proc/stat", "procs_blocked "), 0);
	(void)number("/proc/stat", "softirq ");
	CHECK(number("/proc/vmstat", "nr_free_pages ") > 0);
}

static void lines_of_status(void)
{
	static const char *const lines[] = {"RssAnon:",
					    "RssFile:",
					    "RssShmem:",
					    "VmPTE:",
					    "VmSwap:",
					    "VmPin:",
					    "NoNewPrivs:",
					    "Seccomp:",
					    "Cpus_allowed:",
					    "Mems_allowed:",
					    "Mems_allowed_list:",
					    "SigQ:",
					    "nonvoluntary_ctxt_switches:"};
	cpu_set_t set;

	for (size_t n = 0; n < sizeof(lines) / sizeof(*lines); n++)
		(void)status(lines[n]);
	long long anonymous = status("RssAnon:"), all = status("VmRSS:");
	char *memory = mmap(nullptr, 8 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(memory, 1, 8 * MIB);
	/* Linux counts in portions. */
	CHECK(status("RssAnon:") >= anonymous + 7000);
	CHECK(status("VmRSS:") >= all + 7000);
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	OK(sched_setaffinity(0, sizeof(set), &set));
	ktap_read_file("/proc/self/status", text, sizeof(text));
	CHECK(strstr(text, "\nCpus_allowed_list:\t0\n") != nullptr);
}

static void a_name_forges_no_line(void)
{
	OK(prctl(PR_SET_NAME, "a\nUid:\t0\\"));
	ktap_read_file("/proc/self/status", text, sizeof(text));
	CHECK(strncmp(text, "Name:\ta\\nUid:\t0\\\\\nUmask:", 24) == 0);
	ktap_read_file("/proc/self/comm", text, sizeof(text));
	CHECK(strcmp(text, "a\nUid:\t0\\\n") == 0);
}

static void mounts_forge_no_field(void)
{
	OK(mkdir("/a #\n\t\\", 0700));
	OK(mount("s #\n\t\\", "/a #\n\t\\", "tmpfs", 0, nullptr));
	ktap_read_file("/proc/self/mounts", text, sizeof(text));
	bool mounts = strstr(text, "\ns\\040\\043\\012\\011\\134 /a\\040#\\012\\011\\134 tmpfs ") != nullptr;
	ktap_read_file("/proc/self/mountinfo", text, sizeof(text));
	bool info = strstr(text, " / /a\\040#\\012\\011\\134 rw") != nullptr &&
		    strstr(text, " tmpfs s\\040\\043\\012\\011\\134 rw") != nullptr;
	OK(umount("/a #\n\t\\"));
	OK(rmdir("/a #\n\t\\"));
	CHECK(mounts && info);
}

static void maps_forge_no_line(void)
{
	ktap_enter_dir();
	int fd = OK(open("a\nb\\ c", O_CREAT | O_RDWR, 0600));
	OK(ftruncate(fd, 4096));
	CHECK(mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED);
	ktap_read_file("/proc/self/maps", text, sizeof(text));
	CHECK(strstr(text, "/a\\012b\\ c\n") != nullptr);
}

static void records_are_lines(void)
{
	int log = OK(open("/dev/kmsg", O_RDWR | O_NONBLOCK));

	OK(lseek(log, 0, SEEK_END));
	EQUAL(write(log, "<7>k\n\\\t\x1b\xff z", 12), 12);
	/* Others may say something as well; behind the last one there is nothing to read. */
	do {
		ssize_t n = OK(read(log, text, sizeof(text) - 1));
		text[n] = '\0';
	} while (strstr(text, ";k\\x0a\\x5c\\x09\\x1b\\xff z\n") == nullptr);
}

static const struct ktap_case cases[] = {
	CASE(peaks_stay),
	CASE(children_count),
	CASE(switches_count),
	CASE(reads_and_writes_count),
	CASE(sums_of_the_system_move),
	CASE(lines_of_status),
	CASE(a_name_forges_no_line),
	CASE(mounts_forge_no_field),
	CASE(maps_forge_no_line),
	STELLUX_CASE(records_are_lines),
};

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "@end") == 0)
		return 0;
	return ktap_main(argc, argv, cases, sizeof(cases) / sizeof(*cases));
}
