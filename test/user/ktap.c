/* SPDX-License-Identifier: MIT */
/*
 * See ktap.h. The harness leans on as little of the kernel as it can: fork, waitpid, write, and,
 * where they work, alarm and setpgid. Output goes out in whole lines with one write each.
 */
#include "ktap.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

constexpr unsigned int WATCHDOG_S = 480; /* less than the silence that ends a suite `user` (test/matrix.txt) */
constexpr int EXIT_FAILED = 99;
constexpr int EXIT_SKIPPED = 98;

static volatile pid_t running;
static volatile sig_atomic_t timed_out;
static char directory[64];
static const char *current;
static bool *check_failed; /* shared by all processes of a case; nullptr: no memory */

static void put_line(const char *prefix, const char *format, va_list args)
{
	char line[600];
	const char *indent = getenv("KTAP_INDENT");
	int at = snprintf(line, sizeof(line), "%s%s", indent != nullptr ? indent : "", prefix);
	int more = vsnprintf(line + at, sizeof(line) - (size_t)at - 1, format, args);

	at += more;
	if (at > (int)sizeof(line) - 2)
		at = sizeof(line) - 2;
	line[at++] = '\n';
	for (ssize_t done = 0, put; done < at; done += put) {
		put = write(STDOUT_FILENO, line + done, (size_t)(at - done));
		if (put <= 0)
			break;
	}
}

[[gnu::format(printf, 1, 2)]] static void put(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put_line("", format, args);
	va_end(args);
	/* On the console what comes next may bring a report of the nucleus, which writes to it at once. */
	(void)tcdrain(STDOUT_FILENO);
}

void ktap_note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put_line("# ", format, args);
	va_end(args);
}

void ktap_fail(const char *file, int line, const char *format, ...)
{
	char where[160];
	va_list args;

	snprintf(where, sizeof(where), "# %s: %s:%d: ", current, file, line);
	va_start(args, format);
	put_line(where, format, args);
	va_end(args);
	if (check_failed != nullptr)
		__atomic_store_n(check_failed, true, __ATOMIC_RELEASE);
	_exit(EXIT_FAILED);
}

void ktap_disown(void)
{
	check_failed = nullptr;
}

void ktap_skip(const char *reason)
{
	ktap_note("%s: skipped: %s", current, reason);
	_exit(EXIT_SKIPPED);
}

bool ktap_on_stellux(void)
{
	struct utsname name;

	return uname(&name) == 0 && strcmp(name.sysname, "Stellux") == 0;
}

int ktap_wait(pid_t pid)
{
	int status = -1;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			ktap_fail(__FILE__, __LINE__, "waitpid(%d): errno %d", pid, errno);
	}
	/* A check that failed (or a skip) in the child has said why already. */
	if (WIFEXITED(status) && (WEXITSTATUS(status) == EXIT_FAILED || WEXITSTATUS(status) == EXIT_SKIPPED))
		_exit(WEXITSTATUS(status));
	return status;
}

void ktap_enter_dir(void)
{
	if ((mkdir(directory, 0700) != 0 && errno != EEXIST) || chdir(directory) != 0)
		ktap_fail(__FILE__, __LINE__, "cannot make %s: errno %d", directory, errno);
}

static void remove_tree(const char *path)
{
	DIR *dir = opendir(path);

	for (struct dirent *entry; dir != nullptr && (entry = readdir(dir)) != nullptr;) {
		char name[512];

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		if (unlink(name) != 0)
			remove_tree(name);
	}
	if (dir != nullptr)
		closedir(dir);
	rmdir(path);
}

size_t ktap_read_file(const char *path, char *text, size_t size)
{
	size_t length = 0;
	ssize_t got;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		ktap_fail(__FILE__, __LINE__, "open %s: errno %d", path, errno);
	while (length < size - 1 && (got = read(fd, text + length, size - 1 - length)) != 0) {
		if (got < 0)
			ktap_fail(__FILE__, __LINE__, "read %s: errno %d", path, errno);
		length += (size_t)got;
	}
	text[length] = '\0';
	close(fd);
	return length;
}

void ktap_write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	ssize_t length = (ssize_t)strlen(text);

	if (fd < 0 || write(fd, text, (size_t)length) != length)
		ktap_fail(__FILE__, __LINE__, "cannot write %s: errno %d", path, errno);
	close(fd);
}

void ktap_put(const char *path, const char *text)
{
	int fd = OK(open(path, O_WRONLY | O_CLOEXEC));

	EQUAL(write(fd, text, strlen(text)), strlen(text));
	OK(close(fd));
}

void ktap_copy_self(const char *path, mode_t mode)
{
	static char piece[65536];
	int from = OK(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
	int to = OK(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700));

	for (ssize_t n; (n = OK(read(from, piece, sizeof(piece)))) > 0;)
		EQUAL(write(to, piece, (size_t)n), n);
	OK(close(to));
	OK(close(from));
	OK(chmod(path, mode));
}

void ktap_become(unsigned int id)
{
	OK(setgroups(0, nullptr));
	OK(setresgid(id, id, id));
	OK(setresuid(id, id, id));
}

static void until_state(const char *path, const char *states)
{
	char text[256];

	for (;;) {
		ktap_read_file(path, text, sizeof(text));
		char *after_name = strrchr(text, ')');
		if (after_name != nullptr && after_name[1] == ' ' && strchr(states, after_name[2]) != nullptr)
			return;
		usleep(1000);
	}
}

void ktap_until_state(pid_t pid, const char *states)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	until_state(path, states);
}

void ktap_until_thread_state(pid_t pid, pid_t tid, const char *states)
{
	char path[60];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	until_state(path, states);
}

/* What every thread of the machine does, for whoever looks for the cause of a case that does not end. */
static void tell_threads(void)
{
	char path[600], text[400];
	DIR *all = opendir("/proc");

	for (struct dirent *process; all != nullptr && (process = readdir(all)) != nullptr;) {
		if (process->d_name[0] < '0' || process->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/task", process->d_name);
		DIR *tasks = opendir(path);
		for (struct dirent *task; tasks != nullptr && (task = readdir(tasks)) != nullptr;) {
			snprintf(path, sizeof(path), "/proc/%s/task/%s/stat", process->d_name, task->d_name);
			if (ktap_read_file(path, text, sizeof(text)) > 0)
				ktap_note("%.160s", text);
		}
		if (tasks != nullptr)
			closedir(tasks);
	}
	if (all != nullptr)
		closedir(all);
}

/* The harness waits for the case and does nothing else when this comes. */
static void on_alarm(int signal)
{
	(void)signal;
	timed_out = 1;
	tell_threads();
	kill(-running, SIGKILL);
	kill(running, SIGKILL);
}

static bool is_crash(int status)
{
	static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS, SIGTRAP};

	for (size_t i = 0; WIFSIGNALED(status) && i < sizeof(signals) / sizeof(*signals); i++)
		if (WTERMSIG(status) == signals[i])
			return true;
	return false;
}

/* Ends what the case left behind. Orphans of it come to us where the kernel knows subreapers. Returns how one of them
 * crashed that nobody had waited for, or 0. */
static int end_leftovers(void)
{
	int status, crash = 0;

	for (pid_t ended; (ended = waitpid(-1, &status, WNOHANG)) >= 0;) {
		if (ended > 0) {
			crash = is_crash(status) ? status : crash;
			continue;
		}
		DIR *dir = opendir("/proc");

		for (struct dirent *entry; dir != nullptr && (entry = readdir(dir)) != nullptr;) {
			char path[40], text[256] = {};
			pid_t pid = atoi(entry->d_name);
			int fd = pid <= 1 ? -1
					  : (snprintf(path, sizeof(path), "/proc/%d/stat", pid), open(path, O_RDONLY));
			if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 && strrchr(text, ')') != nullptr &&
			    atoi(strrchr(text, ')') + 4) == getpid())
				kill(pid, SIGKILL);
			if (fd >= 0)
				close(fd);
		}
		if (dir == nullptr)
			break;
		closedir(dir);
		usleep(1000);
	}
	return crash;
}

/* Returns the wait status of the case. */
static int run_case(const struct ktap_case *test)
{
	int status = -1;

	current = test->name;
	snprintf(directory, sizeof(directory), "/tmp/ktap.%d", getpid());
	timed_out = 0;
	if (check_failed != nullptr)
		*check_failed = false;
	running = fork();
	if (running == 0) {
		signal(SIGALRM, SIG_DFL);
		setpgid(0, 0);
		test->run();
		_exit(0);
	}
	if (running < 0)
		return -1;
	setpgid(running, running);
	alarm(WATCHDOG_S);
	while (waitpid(running, &status, 0) < 0 && errno == EINTR)
		;
	alarm(0);
	kill(-running, SIGKILL);
	int crash = end_leftovers();
	remove_tree(directory);
	/* Children that nobody waited for. */
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && check_failed != nullptr && *check_failed)
		return EXIT_FAILED << 8;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? crash : status;
}

static void report(const struct ktap_case *test, size_t number, int status, size_t *failed)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		put("ok %zu - %s", number, test->name);
		return;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIPPED) {
		put("ok %zu - %s # SKIP see above", number, test->name);
		return;
	}
	if (timed_out)
		ktap_note("%s: no end after %u s", test->name, WATCHDOG_S);
	else if (WIFSIGNALED(status))
		ktap_note("%s: killed by signal %d", test->name, WTERMSIG(status));
	else if (WEXITSTATUS(status) != EXIT_FAILED)
		ktap_note("%s: exit status %d", test->name, WEXITSTATUS(status));
	put("not ok %zu - %s", number, test->name);
	(*failed)++;
}

static bool selected(const char *name, int argc, char **argv)
{
	bool any = false;

	for (int i = 1; i < argc; i++) {
		if (argv[i][0] == '-')
			continue;
		any = true;
		if (strcmp(argv[i], name) == 0)
			return true;
	}
	return !any;
}

int ktap_main(int argc, char **argv, const struct ktap_case *cases, size_t count)
{
	bool in_process = argc > 1 && strcmp(argv[1], "-1") == 0;
	size_t planned = 0, number = 0, failed = 0;

	for (size_t i = 0; i < count; i++)
		planned += selected(cases[i].name, argc, argv);
	if (argc > 1 && strcmp(argv[1], "-l") == 0) {
		for (size_t i = 0; i < count; i++)
			put("%s%s", cases[i].name, cases[i].stellux_only ? " (Stellux only)" : "");
		return 0;
	}
	if (planned == 0) {
		put("Bail out! no case is called that; -l lists them");
		return 2;
	}
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	check_failed = mmap(nullptr, sizeof(*check_failed), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (check_failed == MAP_FAILED)
		check_failed = nullptr;
	sigaction(SIGALRM, &(struct sigaction){.sa_handler = on_alarm}, nullptr);
	put("KTAP version 1");
	put("1..%zu", planned);
	for (size_t i = 0; i < count; i++) {
		if (!selected(cases[i].name, argc, argv))
			continue;
		number++;
		current = cases[i].name;
		if (cases[i].stellux_only && !ktap_on_stellux()) {
			put("ok %zu - %s # SKIP only Stellux has this", number, cases[i].name);
		} else if (in_process) {
			cases[i].run();
			put("ok %zu - %s", number, cases[i].name);
		} else {
			report(&cases[i], number, run_case(&cases[i]), &failed);
		}
	}
	return failed == 0 ? 0 : 1;
}
