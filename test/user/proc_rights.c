/* SPDX-License-Identifier: MIT */
/*
 * Who may open what below /proc: every file is opened as root, as the owner of the process and as nobody, and the
 * answer is compared with a table. A file of the system that the table does not name must be readable by all and
 * writable by none; one of a process must be named. Permission is asked when a file is opened, and what was opened is
 * about the program of then.
 */
#include "ktap.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { OWNER = 1000, NOBODY = 65534 };

/* --- the system's --- */

static const struct {
	const char *name;
	mode_t mode;
} special[] = {
	{"kmsg", 0400},
	{"measure", 0600},
	{"components", 0644},
	{"hardware", 0644},
	{"privilege", 0644},
	{"stray", 0644},
	{"stray_points", 0600},
	{"sysrq-trigger", 0200},
	{"sys/dev/tty/legacy_tiocsti", 0644},
	{"sys/fs/aio-max-nr", 0644},
	{"sys/fs/file-max", 0644},
	{"sys/fs/mqueue/msg_default", 0644},
	{"sys/fs/mqueue/msg_max", 0644},
	{"sys/fs/mqueue/msgsize_default", 0644},
	{"sys/fs/mqueue/msgsize_max", 0644},
	{"sys/fs/mqueue/queues_max", 0644},
	{"sys/fs/inotify/max_queued_events", 0644},
	{"sys/fs/inotify/max_user_instances", 0644},
	{"sys/fs/inotify/max_user_watches", 0644},
	{"sys/fs/nr_open", 0644},
	{"sys/fs/pipe-max-size", 0644},
	{"sys/fs/pipe-user-pages-hard", 0644},
	{"sys/fs/pipe-user-pages-soft", 0644},
	{"sys/fs/protected_fifos", 0600},
	{"sys/fs/protected_hardlinks", 0600},
	{"sys/fs/protected_regular", 0600},
	{"sys/fs/protected_symlinks", 0600},
	{"sys/fs/suid_dumpable", 0644},
	{"sys/kernel/core_pattern", 0644},
	{"sys/kernel/core_pipe_limit", 0644},
	{"sys/kernel/core_uses_pid", 0644},
	{"sys/kernel/dmesg_restrict", 0644},
	{"sys/kernel/domainname", 0644},
	{"sys/kernel/hostname", 0644},
	{"sys/kernel/msgmax", 0644},
	{"sys/kernel/msgmnb", 0644},
	{"sys/kernel/msgmni", 0644},
	{"sys/kernel/shmmni", 0644},
	{"sys/net/core/rmem_default", 0644},
	{"sys/net/core/rmem_max", 0644},
	{"sys/net/core/socket_pages", 0644},
	{"sys/net/core/somaxconn", 0644},
	{"sys/net/core/user_socket_pages", 0644},
	{"sys/net/core/wmem_default", 0644},
	{"sys/net/core/wmem_max", 0644},
	{"sys/net/unix/max_dgram_qlen", 0644},
	{"sys/vm/dirty_background_bytes", 0644},
	{"sys/vm/dirty_background_ratio", 0644},
	{"sys/vm/dirty_bytes", 0644},
	{"sys/vm/dirty_expire_centisecs", 0644},
	{"sys/vm/dirty_ratio", 0644},
	{"sys/vm/dirty_writeback_centisecs", 0644},
	{"sys/vm/drop_caches", 0200},
	{"sys/vm/admin_reserve_kbytes", 0644},
	{"sys/vm/overcommit_kbytes", 0644},
	{"sys/vm/overcommit_memory", 0644},
	{"sys/vm/overcommit_ratio", 0644},
	{"sys/vm/user_reserve_kbytes", 0644},
};

/* What a file may be, besides readable by all. */
static mode_t mode_allowed(const char *name)
{
	for (size_t n = 0; n < sizeof(special) / sizeof(*special); n++)
		if (strcmp(special[n].name, name) == 0)
			return special[n].mode;
	return 0444;
}

static unsigned files_seen;

static void check_file(const char *path, const char *name, const struct stat *s)
{
	mode_t mode = s->st_mode & 0777, allowed = mode_allowed(name);

	if (mode != allowed && mode != 0444)
		ktap_fail(__FILE__, __LINE__, "%s has mode %o, not %o as the table says", path, mode, allowed);
	CHECK(s->st_uid == 0 && s->st_gid == 0);
	EXITS(CHILD({
		      ktap_become(NOBODY);
		      if (mode & 4)
			      OK(close(OK(open(path, O_RDONLY))));
		      else
			      FAILS(EACCES, open(path, O_RDONLY));
		      FAILS(EACCES, open(path, O_WRONLY));
		      FAILS(EACCES, truncate(path, 0));
		      FAILS(EPERM, chmod(path, 0777));
	      }),
	      0);
	files_seen++;
}

static void walk(const char *directory, const char *name)
{
	DIR *d = opendir(directory);

	CHECK(d != nullptr);
	for (struct dirent *e; (e = readdir(d)) != nullptr;) {
		char path[512], below[512];
		struct stat s;

		if (e->d_name[0] == '.' || (name[0] == '\0' && e->d_name[0] >= '0' && e->d_name[0] <= '9'))
			continue;
		snprintf(path, sizeof(path), "%s/%s", directory, e->d_name);
		snprintf(below, sizeof(below), "%s%s%s", name, name[0] != '\0' ? "/" : "", e->d_name);
		OK(lstat(path, &s));
		if (S_ISDIR(s.st_mode))
			walk(path, below);
		else if (S_ISREG(s.st_mode))
			check_file(path, below, &s);
	}
	closedir(d);
}

static void files_of_the_system(void)
{
	walk("/proc", "");
	CHECK(files_seen > 20);
}

/* --- a process's --- */

enum who { ALL, INSPECTOR, LINK };
static const struct {
	const char *name;
	mode_t mode;
	enum who who; /* besides the mode: only who may look into it opens it, or follows it */
} entries[] = {
	{"task", S_IFDIR | 0555, ALL},
	{"fd", S_IFDIR | 0500, ALL},
	{"fdinfo", S_IFDIR | 0555, INSPECTOR},
	{"stat", 0444, ALL},
	{"statm", 0444, ALL},
	{"status", 0444, ALL},
	{"fail-nth", 0644, ALL},
	{"comm", 0644, ALL},
	{"cmdline", 0444, ALL},
	{"consoles", 0444, ALL},
	{"environ", 0400, INSPECTOR},
	{"auxv", 0400, INSPECTOR},
	{"maps", 0444, INSPECTOR},
	{"smaps", 0444, INSPECTOR},
	{"smaps_rollup", 0444, INSPECTOR},
	{"mem", 0600, INSPECTOR},
	{"io", 0400, ALL},
	{"schedstat", 0444, ALL},
	{"personality", 0400, ALL},
	{"limits", 0444, ALL},
	{"mounts", 0444, ALL},
	{"mountinfo", 0444, ALL},
	{"wchan", 0444, ALL},
	{"oom_score", 0444, ALL},
	{"oom_score_adj", 0644, ALL},
	{"coredump_filter", 0644, ALL},
	{"timers", 0444, ALL},
	{"timerslack_ns", 0666, ALL},
	{"cgroup", 0444, ALL},
	{"loginuid", 0644, ALL},
	{"cwd", S_IFLNK | 0777, LINK},
	{"root", S_IFLNK | 0777, LINK},
	{"exe", S_IFLNK | 0777, LINK},
};
enum { ENTRIES = sizeof(entries) / sizeof(*entries) };

static void check_entry(pid_t pid, unsigned n, bool owner, bool inspector)
{
	char path[64], target[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, entries[n].name);
	if (entries[n].who == LINK) {
		if (inspector)
			OK(readlink(path, target, sizeof(target)));
		else
			FAILS(EACCES, readlink(path, target, sizeof(target)));
		return;
	}
	bool readable = entries[n].mode & (owner ? 0400 : 0004);
	int fd = open(path, O_RDONLY);
	if ((fd >= 0) != (readable && (inspector || entries[n].who == ALL)))
		ktap_fail(__FILE__, __LINE__, "%s: open gives %d (errno %d)", path, fd, errno);
	if (fd < 0)
		EQUAL(errno, EACCES);
	else
		OK(close(fd));
	if (!S_ISDIR(entries[n].mode) && !(entries[n].mode & (owner ? 0200 : 0002)) && !inspector)
		FAILS(EACCES, open(path, O_WRONLY));
}

static bool is_there(pid_t pid, const char *name)
{
	char path[64];
	struct stat s;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	return lstat(path, &s) == 0;
}

static void check_as(pid_t pid, unsigned id, bool owner, bool inspector)
{
	EXITS(CHILD({
		      if (id != 0)
			      ktap_become(id);
		      for (unsigned n = 0; n < ENTRIES; n++)
			      if (is_there(pid, entries[n].name))
				      check_entry(pid, n, owner || id == 0, inspector);
	      }),
	      0);
}

static void check_modes(pid_t pid, unsigned owner)
{
	char path[64];
	struct stat s;

	snprintf(path, sizeof(path), "/proc/%d", pid);
	DIR *d = opendir(path);
	for (struct dirent *e; (e = readdir(d)) != nullptr;) {
		unsigned n = 0;

		while (n < ENTRIES && strcmp(entries[n].name, e->d_name) != 0)
			n++;
		if (e->d_name[0] == '.' || !ktap_on_stellux())
			continue;
		if (n == ENTRIES)
			ktap_fail(__FILE__, __LINE__, "/proc/PID/%s is not in the table", e->d_name);
		snprintf(path, sizeof(path), "/proc/%d/%s", pid, e->d_name);
		OK(lstat(path, &s));
		EQUAL(s.st_mode & 0777, entries[n].mode & 0777);
		EQUAL(s.st_uid, entries[n].mode == (S_IFDIR | 0555) ? OWNER : owner);
	}
	closedir(d);
}

static pid_t target(bool dumpable)
{
	int ready[2];
	char c;

	OK(pipe(ready));
	pid_t pid = CHILD({
		ktap_become(OWNER);
		OK(prctl(PR_SET_DUMPABLE, dumpable));
		EQUAL(write(ready[1], "x", 1), 1);
		for (;;)
			pause();
	});
	EQUAL(read(ready[0], &c, 1), 1);
	OK(close(ready[0]));
	OK(close(ready[1]));
	return pid;
}

static void files_of_a_process(void)
{
	pid_t pid = target(true);

	check_modes(pid, OWNER);
	check_as(pid, OWNER, true, true);
	check_as(pid, NOBODY, false, false);
	check_as(pid, 0, false, true);
	OK(kill(pid, SIGKILL));
	DIES(pid, SIGKILL);
}

static void files_of_a_hidden_process(void)
{
	pid_t pid = target(false);

	check_modes(pid, 0);
	check_as(pid, OWNER, false, false);
	check_as(pid, NOBODY, false, false);
	check_as(pid, 0, false, true);
	OK(kill(pid, SIGKILL));
	DIES(pid, SIGKILL);
}

/* One that became somebody else finds its descriptors, and what is its memory. */
static void own_files_of_a_hidden_process(void)
{
	ktap_become(OWNER);
	OK(close(OK(open("/proc/self/fd", O_RDONLY | O_DIRECTORY))));
	OK(close(OK(open("/proc/self/maps", O_RDONLY))));
	FAILS(EACCES, open("/proc/self/environ", O_RDONLY));
}

/* What was opened while it was allowed shows the memory of then: of the program executed since, nothing. */
static void opened_before_exec(void)
{
	static const char *const names[] = {"maps", "environ", "mem"};
	int files[3], pause_until[2], running[2];
	char path[64], c, byte = 7;

	OK(pipe(pause_until));
	OK(pipe(running));
	pid_t pid = CHILD({
		EQUAL(read(pause_until[0], &c, 1), 1);
		OK(dup2(running[1], 9));
		execl("/proc/self/exe", "proc_rights", "@wait", nullptr);
	});
	for (int n = 0; n < 3; n++) {
		snprintf(path, sizeof(path), "/proc/%d/%s", pid, names[n]);
		files[n] = OK(open(path, O_RDONLY));
	}
	EQUAL(pread(files[2], &c, 1, (off_t)(uintptr_t)&byte), 1);
	EQUAL(c, 7);
	FAILS(EIO, pread(files[2], &c, 1, 0));
	EQUAL(write(pause_until[1], "x", 1), 1);
	EQUAL(read(running[0], &c, 1), 1);
	for (int n = 0; n < 3; n++)
		EQUAL(pread(files[n], &c, 1, n == 2 ? (off_t)(uintptr_t)&byte : 0), 0);
	OK(kill(pid, SIGKILL));
	DIES(pid, SIGKILL);
}

static void memory_of_a_process(void)
{
	static volatile char word[8] = "before";
	char path[64], seen[8];
	pid_t pid = CHILD(while (word[0] != 'a') usleep(1000));

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	int fd = OK(open(path, O_RDWR));
	EQUAL(pread(fd, seen, 8, (off_t)(uintptr_t)word), 8);
	CHECK(memcmp(seen, "before", 7) == 0);
	EQUAL(pwrite(fd, "after", 6, (off_t)(uintptr_t)word), 6);
	EXITS(pid, 0);
	EQUAL(pread(fd, seen, 8, (off_t)(uintptr_t)word), 0);
}

/* Descriptors that only name files were got while everything was allowed; they are no way around the question. */
static void named_before_it_was_hidden(void)
{
	static const char *const names[] = {"fdinfo/0", "maps", "mem", "environ", "auxv"};
	enum { NAMES = sizeof(names) / sizeof(*names) };
	int hide[2], fds[NAMES];
	char path[64], c;

	OK(pipe(hide));
	ktap_become(OWNER);
	OK(prctl(PR_SET_DUMPABLE, 1));
	pid_t child = CHILD({
		EQUAL(read(hide[0], &c, 1), 1);
		OK(prctl(PR_SET_DUMPABLE, 0));
		pause();
	});
	for (int n = 0; n < NAMES; n++) {
		snprintf(path, sizeof(path), "/proc/%d/%s", child, names[n]);
		fds[n] = OK(open(path, O_PATH));
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[n]);
		OK(close(OK(open(path, O_RDONLY))));
	}
	ktap_until_state(child, "S");
	EQUAL(write(hide[1], "x", 1), 1);
	snprintf(path, sizeof(path), "/proc/%d/environ", child);
	for (int fd; (fd = open(path, O_RDONLY)) >= 0; usleep(1000))
		OK(close(fd));
	for (int n = 0; n < NAMES; n++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[n]);
		FAILS(EACCES, open(path, O_RDONLY));
	}
	OK(kill(child, SIGKILL));
	DIES(child, SIGKILL);
}

static void the_log(void)
{
	static char text[1 << 16];

	CHECK(klogctl(3, text, sizeof(text)) > 0);
	ktap_become(NOBODY);
	FAILS(EPERM, klogctl(3, text, sizeof(text)));
	FAILS(EPERM, klogctl(10, nullptr, 0));
	FAILS(EPERM, klogctl(5, nullptr, 0));
	FAILS(EPERM, open("/dev/kmsg", O_RDONLY));
	FAILS(EACCES, open("/dev/kmsg", O_WRONLY));
}

static const struct ktap_case cases[] = {
	STELLUX_CASE(files_of_the_system), CASE(files_of_a_process),
	CASE(files_of_a_hidden_process),   CASE(own_files_of_a_hidden_process),
	CASE(opened_before_exec),	   CASE(memory_of_a_process),
	CASE(named_before_it_was_hidden),  CASE(the_log),
};

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "@wait") == 0) {
		(void)write(9, "x", 1);
		for (;;)
			pause();
	}
	return ktap_main(argc, argv, cases, sizeof(cases) / sizeof(*cases));
}
