/* SPDX-License-Identifier: MIT */
/*
 * Where a core dump goes besides a file of the process's own (core(5), proc_sys_fs(5)): into a program that is started
 * for it, into root's file for a process that changed its ids, and onto a disk that is too small.
 */
#include "ktap.h"

#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATTERN "/proc/sys/kernel/core_pattern"
#define SET_ID	"/proc/sys/fs/suid_dumpable"
#define TAKEN	"/tmp/core.taken"
#define DONE	"/tmp/core.done"
#define SPRUNG	"/tmp/core.sprung"

enum { NOBODY = 65534, DUMPED = 0x80 };

static void allow(rlim_t bytes)
{
	OK(setrlimit(RLIMIT_CORE, &(struct rlimit){bytes, RLIM_INFINITY}));
}

/* What the kernel starts: keeps what it reads, and then who it is and what it was told. */
static int take(int argc, char **argv)
{
	static char bytes[65536];
	struct rlimit limit;
	ssize_t n;

	int out = open(TAKEN, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	while ((n = read(0, bytes, sizeof(bytes))) > 0)
		(void)!write(out, bytes, (size_t)n);
	close(out);
	getrlimit(RLIMIT_CORE, &limit);
	n = snprintf(bytes, sizeof(bytes), "%d %d %d %d|", (int)getuid(), (int)getppid(), (int)limit.rlim_cur, argc);
	for (int k = 2; k < argc; k++)
		n += snprintf(bytes + n, sizeof(bytes) - (size_t)n, "%s|", argv[k]);
	out = open(DONE ".new", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	(void)!write(out, bytes, (size_t)n);
	close(out);
	rename(DONE ".new", DONE);
	/* It dies with a dump itself, of which nobody is told. */
	abort();
}

static void into_program(const char *arguments)
{
	char self[128] = "", pattern[256];

	OK(readlink("/proc/self/exe", self, sizeof(self) - 1));
	int n = snprintf(pattern, sizeof(pattern), "|%s %s\n", self, arguments);
	CHECK(n < 128);
	ktap_put(PATTERN, pattern);
}

static char in_memory[64] = "what the program finds";

static void a_program_reads_it(void)
{
	char told[256], wanted[128];

	unlink(DONE);
	into_program("take  %p %s %e a%%b");
	pid_t child = CHILD({
		/* Which counts for files only. */
		allow(0);
		in_memory[0] = 'W';
		OK(prctl(PR_SET_NAME, "two words"));
		abort();
	});
	int status = ktap_wait(child);
	while (access(DONE, F_OK) != 0)
		usleep(2000);
	ktap_put(PATTERN, "core\n");
	EQUAL(status, SIGABRT | DUMPED);
	size_t length = ktap_read_file(DONE, told, sizeof(told));
	CHECK(length > 0);
	snprintf(wanted, sizeof(wanted), "0 0 1 6|%d|6|two words|a%%b|", child);
	if (strcmp(told, wanted) != 0)
		ktap_fail(__FILE__, __LINE__, "the program was told `%s`, wanted `%s`", told, wanted);
	/* Where a file has holes there are zeros. */
	struct stat s;
	int fd = OK(open(TAKEN, O_RDONLY));
	OK(fstat(fd, &s));
	char *core = malloc((size_t)s.st_size);
	EQUAL(read(fd, core, (size_t)s.st_size), s.st_size);
	close(fd);
	const Elf64_Ehdr *h = (const void *)core;
	const Elf64_Phdr *p = (const void *)(core + h->e_phoff);
	bool found = false;
	EQUAL(memcmp(h->e_ident, ELFMAG, SELFMAG), 0);
	for (unsigned n = 0; n < h->e_phnum; n++) {
		uint64_t offset = (uintptr_t)in_memory - p[n].p_vaddr;
		CHECK(p[n].p_offset + p[n].p_filesz <= (uint64_t)s.st_size);
		if (p[n].p_type == PT_LOAD && offset < p[n].p_filesz)
			found = strcmp(core + p[n].p_offset + offset, "What the program finds") == 0;
	}
	CHECK(found);
	free(core);
	unlink(TAKEN);
	unlink(DONE);
}

static void programs_that_there_are_not(void)
{
	int fd = OK(open(PATTERN, O_WRONLY));

	FAILS(EINVAL, write(fd, "|relative", 9));
	FAILS(EINVAL, write(fd, "|", 1));
	close(fd);
	ktap_put(PATTERN, "|/there/is/none %p");
	int status = ktap_wait(CHILD(abort()));
	/* Who has this limit is not given to a program. */
	into_program("take");
	int limited = ktap_wait(CHILD({
		allow(1);
		abort();
	}));
	ktap_put(PATTERN, "core\n");
	EQUAL(status, SIGABRT);
	EQUAL(limited, SIGABRT);
	FAILS(ENOENT, access(DONE, F_OK));
}

/* Where a file may be meant by the time that a program was begun with, the file is no program: it is anybody's. */
static void no_file_is_taken_for_a_program(void)
{
	enum { DUMPS = 24 };
	char here[64], file[100], command[160];

	ktap_enter_dir();
	CHECK(getcwd(here, sizeof(here)) != nullptr);
	ktap_copy_self("trap", 0700);
	OK(link("trap", "other")); /* no dump is written to what has two names */
	snprintf(file, sizeof(file), "%s/trap\n", here);
	snprintf(command, sizeof(command), "|%s/trap gone\n", here);
	pid_t changes = CHILD({
		for (;;) {
			ktap_put(PATTERN, file);
			ktap_put(PATTERN, command);
		}
	});
	for (int n = 0; n < DUMPS; n++)
		(void)ktap_wait(CHILD(abort()));
	OK(kill(changes, SIGKILL));
	(void)ktap_wait(changes);
	ktap_put(PATTERN, "core\n");
	FAILS(ENOENT, access(SPRUNG, F_OK));
}

/* Of a process that was root's. */
static int status_of_changed(int *dumpable)
{
	int ends[2];

	OK(pipe(ends));
	pid_t child = CHILD({
		OK(setgid(NOBODY));
		OK(setuid(NOBODY));
		int now = prctl(PR_GET_DUMPABLE);
		EQUAL(write(ends[1], &now, sizeof(now)), sizeof(now));
		abort();
	});
	int status = ktap_wait(child);
	EQUAL(read(ends[0], dumpable, sizeof(*dumpable)), sizeof(*dumpable));
	close(ends[0]);
	close(ends[1]);
	return status;
}

static void processes_that_changed_their_ids(void)
{
	char here[200], pattern[256];
	int dumpable, statuses[4], states[4];
	struct stat s;

	ktap_enter_dir();
	OK(chmod(".", 0777));
	CHECK(getcwd(here, sizeof(here)) != nullptr);
	allow(RLIM_INFINITY);
	for (int n = 0; n < 4; n++) {
		ktap_put(SET_ID, n == 0 ? "0" : n == 1 ? "1" : "2");
		/* The third has a name that depends on where the process is. */
		if (n == 3) {
			snprintf(pattern, sizeof(pattern), "%s/roots\n", here);
			ktap_put(PATTERN, pattern);
		}
		statuses[n] = status_of_changed(&dumpable);
		states[n] = dumpable;
		if (n == 0 || n == 2)
			FAILS(ENOENT, access("core", F_OK));
		if (n == 1) {
			OK(stat("core", &s));
			EQUAL(s.st_uid, NOBODY);
			OK(unlink("core"));
		}
	}
	/* One that others may read is not written to. */
	OK(chmod("roots", 0644));
	OK(stat("roots", &s));
	int again = status_of_changed(&dumpable);
	ktap_put(PATTERN, "core\n");
	int fd = OK(open(SET_ID, O_WRONLY));
	FAILS(EINVAL, write(fd, "3", 1));
	close(fd);
	ktap_put(SET_ID, "0");
	EQUAL(states[0], 0);
	EQUAL(states[1], 1);
	EQUAL(states[2], 2);
	EQUAL(statuses[0], SIGABRT);
	EQUAL(statuses[1], SIGABRT | DUMPED);
	EQUAL(statuses[2], SIGABRT);
	EQUAL(statuses[3], SIGABRT | DUMPED);
	EQUAL(again, SIGABRT);
	EQUAL(s.st_uid, 0);
	EQUAL(s.st_mode & 0777, 0644);
	CHECK(s.st_size > 0);
	OK(chmod("roots", 0600));
}

/* The dump ends where the disk does, and nothing else is lost. */
static void onto_a_full_disk(void)
{
	struct stat s;

	ktap_enter_dir();
	OK(mkdir("small", 0755));
	OK(mount("none", "small", "tmpfs", 0, "size=32k"));
	allow(RLIM_INFINITY);
	for (int n = 0; n < 3; n++) {
		EQUAL(ktap_wait(CHILD({
			      OK(chdir("small"));
			      abort();
		      })),
		      SIGABRT | DUMPED);
		OK(stat("small/core", &s));
		CHECK(s.st_size > 0 && s.st_blocks <= 64);
		OK(unlink("small/core"));
	}
	/* Without room for a name. */
	OK(mount("none", "small", "tmpfs", MS_REMOUNT, "nr_inodes=1"));
	EQUAL(ktap_wait(CHILD({
		      OK(chdir("small"));
		      abort();
	      })),
	      SIGABRT);
	OK(umount("small"));
}

static const struct ktap_case cases[] = {
	CASE(a_program_reads_it),
	CASE(programs_that_there_are_not),
	CASE(no_file_is_taken_for_a_program),
	CASE(processes_that_changed_their_ids),
	CASE(onto_a_full_disk),
};

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "take") == 0)
		return take(argc, argv);
	if (argc > 1 && strcmp(argv[1], "gone") == 0)
		return 0;
	if (argc == 1 && strstr(argv[0], "/trap") != nullptr)
		return creat(SPRUNG, 0600) < 0;
	return ktap_main(argc, argv, cases, sizeof(cases) / sizeof(*cases));
}
