/* SPDX-License-Identifier: MIT */
/*
 * init: the first process.
 *
 * Mounts the kernel's filesystems, then keeps a root login shell running on every console that the
 * kernel command line names (`console=ttyS0,115200`) and on the text consoles of a screen, reaps orphans, and answers
 * the signals that BusyBox's applets send: TERM = reboot, USR1 = halt, USR2 = power off (INT, from Ctrl-Alt-Del,
 * reboots as well), and QUIT, at which it starts its own program anew. A shell that runs already, since PID 1 was
 * started anew, goes on.
 *
 * `init.run="/path arguments"` on the command line runs that program in place of the shells, with
 * its output on the first console, prints its status and powers the machine off: the way tests run.
 * Without quotes the value is the rest of the line.
 *
 * Where there is a network card /etc/network is run beside all that: it asks for addresses.
 */
#include "init.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A console whose shell ends this often, each time in less than a second, is given up. */
constexpr int RAPID_EXITS_ALLOWED = 5;

struct console {
	const char *name;
	pid_t pid; /* the shell, or 0 */
	int rapid_exits;
	time_t started_s; /* CLOCK_MONOTONIC */
};

static const char *own_path;
static struct init_options options;
static struct console consoles[INIT_MAX_CONSOLES];
static sigset_t answered;

void init_say(const char *format, ...)
{
	char line[512];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	dprintf(STDERR_FILENO, "init: %s\n", line);
}

static time_t now_s(void)
{
	struct timespec now = {};

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* In a child: undoes what init did to signals, attaches the console and becomes `argv`. owns: the console is its
 * terminal. */
[[noreturn]] static void become(const char *console, bool owns, const char *path, char *const argv[])
{
	bool is_text = strncmp(console, "tty", 3) == 0 && console[3] >= '0' && console[3] <= '9';
	char *const environment[] = {
		"HOME=/root",
		"USER=root",
		"LOGNAME=root",
		"SHELL=/bin/sh",
		is_text ? "TERM=xterm-256color" : "TERM=vt102",
		"PATH=/sbin:/usr/sbin:/bin:/usr/bin",
		nullptr,
	};
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, nullptr);
	int error = init_open_console(console, owns);
	if (error != 0) {
		init_say("%s: cannot open the console: %s", console, strerror(-error));
		_exit(126);
	}
	if (chdir("/root") != 0 && chdir("/") != 0)
		init_say("cannot enter /: %s", strerror(errno));
	execve(path, argv, environment);
	init_say("%s: cannot run %s: %s", console, path, strerror(errno));
	_exit(127);
}

static void console_start(struct console *console)
{
	console->started_s = now_s();
	console->pid = init_find_child(console->name, nullptr);
	if (console->pid != 0) {
		init_say("%s: process %d goes on", console->name, console->pid);
		return;
	}
	console->pid = fork();
	if (console->pid == 0)
		become(console->name, true, "/bin/sh", (char *[]){"-sh", nullptr});
	if (console->pid < 0) {
		init_say("%s: cannot fork: %s", console->name, strerror(errno));
		console->pid = 0;
	}
}

/* Says how a child ended, in words a test can look for. */
static void say_status(const char *name, int status)
{
	if (WIFSIGNALED(status))
		init_say("%s killed by signal %d", name, WTERMSIG(status));
	else
		init_say("%s exited with status %d", name, WEXITSTATUS(status));
}

static void console_ended(struct console *console, int status)
{
	console->pid = 0;
	if (now_s() - console->started_s > 1)
		console->rapid_exits = 0;
	else
		console->rapid_exits++;
	if (WIFSIGNALED(status) || WEXITSTATUS(status) >= 126)
		say_status("/bin/sh", status);
	if (console->rapid_exits > RAPID_EXITS_ALLOWED) {
		init_say("%s: the shell ended %d times at once; giving this console up", console->name,
			 console->rapid_exits);
		return;
	}
	console_start(console);
}

/* Collects every child that has ended. Returns true when `wanted` was among them. */
static bool reap(pid_t wanted, int *wanted_status)
{
	bool found = false;
	int tries = 8; /* the kernel faulted in the call */
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0 || (pid < 0 && errno == EFAULT && tries-- > 0)) {
		if (pid == wanted) {
			*wanted_status = status;
			found = true;
		}
		for (size_t i = 0; i < options.console_count; i++) {
			if (consoles[i].pid == pid)
				console_ended(&consoles[i], status);
		}
	}
	return found;
}

static void answer(int signal)
{
	switch (signal) {
	case SIGTERM:
	case SIGINT: init_shutdown(RB_AUTOBOOT);
	case SIGUSR1: init_shutdown(RB_HALT_SYSTEM);
	case SIGUSR2: init_shutdown(RB_POWER_OFF);
	case SIGQUIT:
		execv(own_path, (char *[]){(char *)own_path, nullptr});
		init_say("cannot run %s: %s", own_path, strerror(errno));
		break;
	default: break;
	}
}

[[noreturn]] static void run_and_power_off(void)
{
	int status = 0;
	pid_t pid = init_find_child(nullptr, options.run[0]);

	if (pid != 0)
		init_say("process %d, %s, goes on", pid, options.run[0]);
	else
		pid = fork();
	if (pid == 0)
		become(options.consoles[0], true, options.run[0], options.run);
	if (pid < 0)
		init_say("cannot fork: %s", strerror(errno));
	while (pid > 0 && !reap(pid, &status))
		answer(sigwaitinfo(&answered, nullptr));
	if (pid > 0)
		say_status(options.run[0], status);
	init_shutdown(RB_POWER_OFF);
}

[[noreturn]] static void run_consoles(void)
{
	for (size_t i = 0; i < options.console_count; i++) {
		consoles[i].name = options.consoles[i];
		console_start(&consoles[i]);
	}
	for (;;) {
		int unused;

		reap(0, &unused);
		answer(sigwaitinfo(&answered, nullptr));
	}
}

/* A kernel that could not open /dev/console leaves init without streams; take them from there
 * later. */
static void ensure_streams(void)
{
	if (fcntl(STDERR_FILENO, F_GETFD) == 0)
		return;
	int fd = open("/dev/console", O_RDWR | O_NOCTTY);
	while (fd >= 0 && fd < STDERR_FILENO)
		fd = dup(fd);
}

/* The kernel takes another terminal for a console that is none; so does this. */
static void drop_missing_consoles(void)
{
	size_t left = 0;

	for (size_t i = 0; i < options.console_count; i++) {
		char path[64];

		snprintf(path, sizeof(path), "/dev/%s", options.consoles[i]);
		if (access(path, F_OK) == 0)
			options.consoles[left++] = options.consoles[i];
		else
			init_say("console=%s: there is no %s", options.consoles[i], path);
	}
	options.console_count = left;
	if (left == 0)
		options.consoles[options.console_count++] = "console";
}

/* Where there is a screen, its text consoles have shells, too. */
static void add_text_consoles(void)
{
	static char names[INIT_TEXT_CONSOLES][8];

	for (size_t i = 0; i < INIT_TEXT_CONSOLES; i++) {
		char path[16];

		snprintf(names[i], sizeof(names[i]), "tty%zu", i + 1);
		snprintf(path, sizeof(path), "/dev/%s", names[i]);
		if (access(path, F_OK) == 0)
			init_options_add_console(&options, names[i]);
	}
}

static void set_host_name(void)
{
	char name[65];
	int fd = open("/etc/hostname", O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, name, sizeof(name) - 1);

	if (length > 0) {
		name[length] = '\0';
		size_t end = strcspn(name, " \t\n");
		if (sethostname(name, end) != 0)
			init_say("cannot set the host name: %s", strerror(errno));
	}
	if (fd >= 0)
		close(fd);
}

/* Whether there is another interface than `lo`. */
static bool has_network(void)
{
	DIR *dir = opendir("/sys/class/net");
	bool found = false;

	if (dir == nullptr)
		return false;
	for (struct dirent *entry; !found && (entry = readdir(dir)) != nullptr;)
		found = entry->d_name[0] != '.' && strcmp(entry->d_name, "lo") != 0;
	closedir(dir);
	return found;
}

/* Nobody waits for it; what it says comes on the first console, which stays the terminal of the shell there. */
static void start_network(void)
{
	if (access("/etc/network", X_OK) != 0 || !has_network())
		return;
	pid_t pid = fork();
	if (pid == 0)
		become(options.consoles[0], false, "/etc/network", (char *[]){"network", nullptr});
	if (pid < 0)
		init_say("cannot start the network: %s", strerror(errno));
}

int main(int, char **argv)
{
	own_path = argv[0];
	if (getpid() != 1) {
		init_say("this is the first process's program; it does nothing as process %d", getpid());
		return 1;
	}
	sigemptyset(&answered);
	for (size_t i = 0; i < 6; i++)
		sigaddset(&answered, (int[]){SIGCHLD, SIGTERM, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2}[i]);
	sigprocmask(SIG_BLOCK, &answered, nullptr);

	ensure_streams();
	init_mount_all();
	ensure_streams();
	init_options_read(&options);
	drop_missing_consoles();
	set_host_name();
	start_network();
	if (options.run[0] != nullptr)
		run_and_power_off();
	add_text_consoles();
	run_consoles();
}
