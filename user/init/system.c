/* SPDX-License-Identifier: MIT */
/*
 * init's dealings with the system as a whole: mounting at the start, consoles, and the orderly end
 * (TERM, two seconds' grace, KILL, unmount, reboot(2)).
 */
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

constexpr int GRACE_S = 2;
constexpr size_t MOUNTS_MAX = 64;

struct mount_point {
	const char *type;
	const char *path;
	const char *data;
	unsigned long flags;
	mode_t mode;
	bool required;
};

/* PID 1 may have been started anew: a second tmpfs would hide what is in the first. */
static bool is_mounted(const char *path)
{
	char line[512], where[256] = "";
	FILE *f = fopen("/proc/mounts", "re");

	while (f != nullptr && strcmp(where, path) != 0 && fgets(line, sizeof(line), f) != nullptr)
		if (sscanf(line, "%*s %255s", where) != 1)
			where[0] = '\0';
	if (f != nullptr)
		fclose(f);
	return strcmp(where, path) == 0;
}

static int try_mount(const struct mount_point *point)
{
	if (is_mounted(point->path))
		return 0;
	if (mkdir(point->path, point->mode) != 0 && errno != EEXIST)
		return -errno;
	if (mount(point->type, point->path, point->type, point->flags, point->data) != 0)
		return errno == EBUSY ? 0 : -errno;
	return 0;
}

/* A /dev of our own where the kernel has no filesystem for it. */
static void make_devices(void)
{
	static const struct {
		const char *path;
		unsigned int major, minor;
	} nodes[] = {
		{"/dev/null", 1, 3},	{"/dev/zero", 1, 5},	{"/dev/full", 1, 7},
		{"/dev/random", 1, 8},	{"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0},
		{"/dev/console", 5, 1}, {"/dev/ttyS0", 4, 64},	{"/dev/ttyAMA0", 204, 64},
	};

	for (size_t i = 0; i < sizeof(nodes) / sizeof(*nodes); i++) {
		if (mknod(nodes[i].path, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)) != 0 &&
		    errno != EEXIST)
			init_say("cannot make %s: %s", nodes[i].path, strerror(errno));
	}
}

static void mount_dev(void)
{
	struct mount_point dev = {"devtmpfs", "/dev", "mode=755", MS_NOSUID, 0755, true};
	struct stat status;
	int error = try_mount(&dev);

	if (error == 0 || stat("/dev/tty", &status) == 0)
		return;
	init_say("cannot mount devtmpfs on /dev: %s; making the device files", strerror(-error));
	make_devices();
}

void init_mount_all(void)
{
	static const struct mount_point points[] = {
		{"proc", "/proc", nullptr, MS_NOSUID | MS_NODEV | MS_NOEXEC, 0555, true},
		{"sysfs", "/sys", nullptr, MS_NOSUID | MS_NODEV | MS_NOEXEC, 0555, false},
		{"devpts", "/dev/pts", "mode=620", MS_NOSUID | MS_NOEXEC, 0755, false},
		{"tmpfs", "/dev/shm", "mode=1777", MS_NOSUID | MS_NODEV, 01777, false},
		{"tmpfs", "/tmp", "mode=1777", MS_NOSUID | MS_NODEV, 01777, true},
		{"tmpfs", "/run", "mode=755", MS_NOSUID | MS_NODEV, 0755, true},
	};

	umask(0);
	mount_dev();
	for (size_t i = 0; i < sizeof(points) / sizeof(*points); i++) {
		int error = try_mount(&points[i]);
		if (error != 0 && points[i].required)
			init_say("cannot mount %s on %s: %s", points[i].type, points[i].path, strerror(-error));
		else if (error != 0 && error != -ENODEV)
			rmdir(points[i].path);
	}
	umask(022);
}

/* The settings a login expects, whatever the last program left behind. */
static void reset_terminal(int fd)
{
	struct termios tty;

	if (tcgetattr(fd, &tty) != 0)
		return;
	tty.c_iflag = ICRNL | IXON;
	tty.c_oflag = OPOST | ONLCR;
	tty.c_cflag = (tty.c_cflag & (CBAUD | CBAUDEX)) | CS8 | CREAD | HUPCL | CLOCAL;
	tty.c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN;
	tty.c_cc[VINTR] = 'C' & 0x1f;
	tty.c_cc[VQUIT] = '\\' & 0x1f;
	tty.c_cc[VERASE] = 0x7f;
	tty.c_cc[VKILL] = 'U' & 0x1f;
	tty.c_cc[VEOF] = 'D' & 0x1f;
	tty.c_cc[VSTART] = 'Q' & 0x1f;
	tty.c_cc[VSTOP] = 'S' & 0x1f;
	tty.c_cc[VSUSP] = 'Z' & 0x1f;
	tty.c_cc[VMIN] = 1;
	tty.c_cc[VTIME] = 0;
	tcsetattr(fd, TCSANOW, &tty);

	/* A serial line does not know its size; full-screen programs need one (`stty rows N
	 * cols N` changes it). */
	struct winsize size = {};
	if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_row == 0)
		ioctl(fd, TIOCSWINSZ, &(struct winsize){.ws_row = 24, .ws_col = 80});
}

int init_open_console(const char *name, bool owns)
{
	char path[64];

	if (setsid() < 0 && errno != EPERM)
		return -errno;
	if (snprintf(path, sizeof(path), "/dev/%s", name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	int fd = open(path, O_RDWR | O_NOCTTY);
	if (fd < 0)
		return -errno;
	if (owns && ioctl(fd, TIOCSCTTY, 1) != 0)
		init_say("%s: no job control: %s", name, strerror(errno));
	if (owns)
		reset_terminal(fd);
	for (int stream = 0; stream <= STDERR_FILENO; stream++) {
		if (fd != stream && dup2(fd, stream) < 0)
			return -errno;
	}
	if (fd > STDERR_FILENO)
		close(fd);
	return 0;
}

/* Reaps until no child is left or `seconds` have gone by. */
static void reap_for(int seconds)
{
	struct timespec now = {}, end = {};
	sigset_t child;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += seconds;
	do {
		pid_t pid;

		while ((pid = waitpid(-1, nullptr, WNOHANG)) > 0)
			;
		if (pid < 0)
			return;
		sigtimedwait(&child, nullptr, &(struct timespec){.tv_nsec = 50'000'000});
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec < end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec < end.tv_nsec));
}

/* Unmounts in the reverse order of mounting; what is busy or the root is left, read-only if it can
 * be. */
static void unmount_all(void)
{
	static char text[16384];
	char *paths[MOUNTS_MAX];
	size_t count = 0;
	size_t length = 0;
	char *rest = nullptr;

	int fd = open("/proc/mounts", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	for (ssize_t got; length < sizeof(text) - 1 && (got = read(fd, text + length, sizeof(text) - 1 - length)) > 0;)
		length += (size_t)got;
	close(fd);
	text[length] = '\0';
	for (char *line = strtok_r(text, "\n", &rest); line != nullptr && count < MOUNTS_MAX;
	     line = strtok_r(nullptr, "\n", &rest)) {
		char *path = strchr(line, ' ');
		if (path == nullptr)
			continue;
		paths[count++] = ++path;
		path[strcspn(path, " ")] = '\0';
	}
	while (count-- > 0) {
		if (strcmp(paths[count], "/") != 0 && strcmp(paths[count], "/dev") != 0)
			umount2(paths[count], 0);
	}
}

void init_shutdown(int command)
{
	const char *what = command == RB_AUTOBOOT ? "rebooting" : command == RB_POWER_OFF ? "powering off" : "halting";

	kill(-1, SIGTERM);
	kill(-1, SIGCONT);
	reap_for(GRACE_S);
	kill(-1, SIGKILL);
	reap_for(GRACE_S);
	sync();
	unmount_all();
	init_say("%s", what);
	reboot(command);
	init_say("%s failed: %s; the machine may be switched off", what, strerror(errno));
	for (;;)
		pause();
}
