/* SPDX-License-Identifier: MIT */
#include "ktap.h"

#include "workload_io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, SECTOR = 512, PAGES = 8 };
const char workload_program[] = "/tmp/workload";
static unsigned state;

void workload_seed(unsigned seed)
{
	state = seed;
}

unsigned workload_random(void)
{
	state = state * 1103515245 + 12345;
	return state >> 16 & 0x7fff;
}

unsigned workload_option(const char *name, unsigned otherwise)
{
	char text[4096] = "", key[32];
	int fd = open("/proc/cmdline", O_RDONLY);

	(void)!read(fd, text, sizeof(text) - 1);
	close(fd);
	snprintf(key, sizeof(key), " %s=", name);
	const char *at = strstr(text, key);
	return at != nullptr ? (unsigned)strtoul(at + strlen(key), nullptr, 10) : otherwise;
}

/* What a file of /proc or /sys says, up to its end. */
static bool read_all(const char *path)
{
	char text[1024];
	int fd = open(path, O_RDONLY | O_NONBLOCK);
	ssize_t n;

	if (fd < 0)
		return false;
	while ((n = read(fd, text, sizeof(text))) > 0)
		;
	close(fd);
	return n == 0;
}

static bool put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	close(fd);
	return done;
}

/* --- a shell's: a program at the other end of a pipe --- */

static bool run_program(void)
{
	static char *const shell[] = {"/bin/sh", "-c", "echo hello | cat", nullptr};
	char *const own[] = {(char *)workload_program, "hello", nullptr};
	char *const *argv = access(shell[0], X_OK) == 0 ? shell : own;
	char text[16] = "";
	int ends[2], status = -1;

	if (pipe(ends) != 0)
		return false;
	pid_t pid = fork();
	if (pid == 0) {
		dup2(ends[1], 1);
		close(ends[0]);
		close(ends[1]);
		execve(argv[0], argv, environ);
		_exit(1);
	}
	close(ends[1]);
	ssize_t n = read(ends[0], text, 6);
	close(ends[0]);
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0 && n == 6 && strcmp(text, "hello\n") == 0;
}

static bool use_memory(void)
{
	unsigned char *at = mmap(nullptr, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool good = true;
	int status = -1;

	if (at == MAP_FAILED)
		return false;
	for (int i = 0; i < PAGES; i++)
		at[i * PAGE] = (unsigned char)i;
	pid_t pid = fork();
	if (pid == 0) {
		for (int i = 0; i < PAGES; i++)
			at[i * PAGE] = 0xff;
		_exit(0);
	}
	good = pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
	for (int i = 0; i < PAGES; i++)
		good &= at[i * PAGE] == (unsigned char)i;
	return munmap(at, PAGES * PAGE) == 0 && good;
}

static bool wait_for_timer(void)
{
	struct itimerspec twice = {.it_value.tv_nsec = 100'000, .it_interval.tv_nsec = 100'000};
	uint64_t n, total = 0;
	int fd = timerfd_create(CLOCK_MONOTONIC, 0);

	if (fd < 0 || timerfd_settime(fd, 0, &twice, nullptr) != 0)
		return false;
	while (total < 2 && read(fd, &n, sizeof(n)) == sizeof(n))
		total += n;
	close(fd);
	return total >= 2;
}

/* --- filesystems --- */

static bool use_files(void)
{
	char path[64], other[64], text[64] = "";
	struct stat about;

	snprintf(path, sizeof(path), "/tmp/work.%d", getpid());
	snprintf(other, sizeof(other), "/tmp/work.%d.new", getpid());
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	bool good = fd >= 0 && pwrite(fd, path, sizeof(path), 5000) == sizeof(path) &&
		    pread(fd, text, sizeof(text), 5000) == sizeof(text) && strcmp(path, text) == 0;
	close(fd);
	good = good && rename(path, other) == 0 && stat(other, &about) == 0 && about.st_size == 5000 + sizeof(path);
	return unlink(good ? other : path) == 0 && good;
}

static bool list(const char *path)
{
	DIR *folder = opendir(path);
	int count = 0;

	while (folder != nullptr && readdir(folder) != nullptr)
		count++;
	if (folder != nullptr)
		closedir(folder);
	return count > 2;
}

static bool read_proc(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/maps", getppid());
	return read_all("/proc/self/status") && read_all("/proc/meminfo") && read_all("/proc/components") &&
	       read_all(path) && list("/proc");
}

/* Of each device on a bus. */
static bool read_bus(const char *bus, const char *file)
{
	char path[512];
	DIR *folder = opendir(bus);
	struct dirent *entry;
	bool good = folder != nullptr;

	while (folder != nullptr && (entry = readdir(folder)) != nullptr) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s/%s", bus, entry->d_name, file);
		good &= read_all(path);
	}
	if (folder != nullptr)
		closedir(folder);
	return good;
}

static bool read_sys(void)
{
	return list("/sys") && list("/sys/class") && read_bus("/sys/bus/pci/devices", "resource");
}

/* What is of no other part of the kernel. */
static bool read_own_sys(void)
{
	struct statfs about;

	return statfs("/sys", &about) == 0 && read_all("/sys/devices/system/cpu/online") &&
	       read_all("/sys/devices/system/cpu/possible");
}

static bool read_pci(void)
{
	return read_bus("/sys/bus/pci/devices", "config") && put("/sys/bus/pci/rescan", "1");
}

static bool read_platform(void)
{
	return read_all("/proc/hardware") && read_bus("/sys/bus/platform/devices", "uevent");
}

static bool use_nodes(void)
{
	char byte = 1;
	int zero = open("/dev/zero", O_RDONLY), null = open("/dev/null", O_WRONLY);
	bool good = read(zero, &byte, 1) == 1 && byte == 0 && write(null, &byte, 1) == 1;

	close(zero);
	close(null);
	return good && list("/dev");
}

/* --- terminals --- */

static bool use_terminal(void)
{
	int unlock = 0, number = -1;
	char name[32], text[8] = "";
	int master = open("/dev/ptmx", O_RDWR | O_NOCTTY);

	if (master < 0)
		return false;
	bool good = ioctl(master, TIOCSPTLCK, &unlock) == 0 && ioctl(master, TIOCGPTN, &number) == 0;
	snprintf(name, sizeof(name), "/dev/pts/%d", number);
	int slave = open(name, O_RDWR | O_NOCTTY);
	/* The line is there when its end is, and its echo with it. */
	good = good && slave >= 0 && write(master, "lime\x7f\x7f\x7fine\n", 11) == 11 && read(slave, text, 5) == 5 &&
	       strcmp(text, "line\n") == 0 && read(master, text, 4) == 4 && memcmp(text, "lime", 4) == 0;
	close(slave);
	close(master);
	return good;
}

/* Carriage returns, which whoever reads the console leaves out. */
static bool use_console(void)
{
	int fd = open("/dev/console", O_WRONLY | O_NOCTTY);
	bool good = fd >= 0 && write(fd, "\r\r\r\r\r\r\r\r", 8) == 8 && tcdrain(fd) == 0;

	close(fd);
	return good;
}

/* --- drivers --- */

/* Of a disk that the host has filled for this, each sector begins with its number; others are only read. */
static bool check_sectors(int fd, const unsigned char *bytes, uint64_t first, int count)
{
	static unsigned char page[PAGE];
	uint64_t is;

	if (pread(fd, page, sizeof(page), PAGE) != sizeof(page))
		return false;
	memcpy(&is, page, sizeof(is));
	if (is != PAGE / SECTOR)
		return true;
	for (int i = 0; i < count; i++) {
		memcpy(&is, bytes + (size_t)i * SECTOR, sizeof(is));
		if (is != first + (uint64_t)i)
			return false;
	}
	return true;
}

/* Some sectors past the cache, some through it, and some written as they were. */
static bool use_one_disk(const char *disk, uint64_t sectors)
{
	alignas(PAGE) static unsigned char bytes[8 * SECTOR];
	uint64_t at = workload_random() % (sectors / 8) * 8;
	int past = open(disk, O_RDWR | O_DIRECT), fd = open(disk, O_RDWR);
	bool good = past >= 0 && fd >= 0 && pread(past, bytes, sizeof(bytes), (off_t)(at * SECTOR)) == sizeof(bytes) &&
		    check_sectors(fd, bytes, at, 8);

	at = workload_random() % (sectors / 8) * 8;
	good = good && pread(fd, bytes, sizeof(bytes), (off_t)(at * SECTOR)) == sizeof(bytes) &&
	       check_sectors(fd, bytes, at, 8) &&
	       pwrite(fd, bytes, sizeof(bytes), (off_t)(at * SECTOR)) == sizeof(bytes) && fdatasync(fd) == 0;
	close(past);
	close(fd);
	return good;
}

/* Where the disk hangs on, as /sys says. */
static bool is_on_usb(const char *name)
{
	char path[64], target[512] = "";

	snprintf(path, sizeof(path), "/sys/block/%s", name);
	return readlink(path, target, sizeof(target) - 1) > 0 && strstr(target, "/usb") != nullptr;
}

static bool use_disks(const char *prefix, bool on_usb)
{
	char line[128], name[32], disk[64];
	FILE *f = fopen("/proc/partitions", "re");
	uint64_t blocks;
	bool good = f != nullptr;

	while (f != nullptr && fgets(line, sizeof(line), f) != nullptr) {
		if (sscanf(line, "%*u %*u %llu %31s", (unsigned long long *)&blocks, name) != 2 ||
		    strncmp(name, prefix, strlen(prefix)) != 0 || is_on_usb(name) != on_usb)
			continue;
		snprintf(disk, sizeof(disk), "/dev/%s", name);
		good &= use_one_disk(disk, blocks * 2);
	}
	if (f != nullptr)
		fclose(f);
	return good;
}

static bool use_virtio_disks(void)
{
	return use_disks("vd", false);
}

static bool use_ram_disks(void)
{
	return use_disks("ram", false);
}

/* A disk without a filesystem, of which ext4 reads what it takes to say so; one at a time has it. */
static bool try_to_mount(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/tmp/mount.%d", getpid());
	if (mkdir(path, 0700) != 0)
		return false;
	bool good = access("/dev/ram0", F_OK) != 0 ||
		    (mount("/dev/ram0", path, "ext4", MS_RDONLY, nullptr) != 0 && (errno == EINVAL || errno == EBUSY));
	return rmdir(path) == 0 && good;
}

static bool use_nvme_disks(void)
{
	return use_disks("nvme", false);
}

static bool use_sata_disks(void)
{
	return use_disks("sd", false);
}

static bool use_usb_disks(void)
{
	return use_disks("sd", true) && drivers_are_up("usb_storage");
}

static bool read_random(void)
{
	unsigned char bytes[32];
	int fd = open("/dev/hwrng", O_RDONLY);
	bool good = fd >= 0 && read(fd, bytes, sizeof(bytes)) > 0;

	close(fd);
	return good;
}

static bool is_among(const char *word, const char *words)
{
	size_t n = strlen(word);

	if (strcmp(words, "*") == 0)
		return true;
	for (const char *at = words; (at = strstr(at, word)) != nullptr; at += n)
		if ((at == words || at[-1] == ' ') && (at[n] == '\0' || at[n] == ' '))
			return true;
	return false;
}

bool workload_restart(const char *drivers)
{
	char line[256], name[64], driver[32], status[32], text[128], last[32] = "";
	FILE *f = fopen("/proc/hardware", "re");

	while (f != nullptr && fgets(line, sizeof(line), f) != nullptr) {
		if (sscanf(line, "%63s %*s %*s %31s %31s", name, driver, status) != 3 || strcmp(status, "up") != 0 ||
		    strcmp(driver, last) == 0 || !is_among(driver, drivers))
			continue;
		strcpy(last, driver);
		snprintf(text, sizeof(text), "restart %s", name);
		(void)put("/proc/hardware", text);
	}
	if (f != nullptr)
		fclose(f);
	return f != nullptr;
}

/* A word through a pair, and one over a connection. */
static bool use_sockets(void)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int pair[2] = {-1, -1}, listener = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0),
	    server = -1;
	socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
				       (size_t)snprintf(name.sun_path + 1, 32, "work.%d", getpid()));
	char text[8] = "";
	bool good = socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0;

	good = good && write(pair[0], "word", 4) == 4 && read(pair[1], text, 4) == 4 && strcmp(text, "word") == 0;
	good = good && bind(listener, (struct sockaddr *)&name, length) == 0 && listen(listener, 1) == 0 &&
	       connect(client, (struct sockaddr *)&name, length) == 0 &&
	       (server = accept(listener, nullptr, nullptr)) >= 0;
	good = good && write(client, "more", 4) == 4 && read(server, text, 4) == 4 && strcmp(text, "more") == 0;
	for (int i = 0; i < 2; i++)
		close(pair[i]);
	close(server);
	close(client);
	close(listener);
	return good && read_all("/proc/net/unix");
}

/* Of all that others do there, what was done here is told. */
static bool watch_files(void)
{
	char path[64], events[4096];
	const struct inotify_event *e;
	int fd = inotify_init1(IN_NONBLOCK), file;
	bool told = false;

	snprintf(path, sizeof(path), "/tmp/watched.%d", getpid());
	if (inotify_add_watch(fd, "/tmp", IN_CREATE) >= 0) {
		file = open(path, O_CREAT | O_RDWR, 0600);
		for (ssize_t n; (n = read(fd, events, sizeof(events))) > 0;)
			for (char *at = events; at < events + n; at += sizeof(*e) + e->len) {
				e = (const struct inotify_event *)(const void *)at;
				told |= e->len > 0 && strcmp(e->name, path + strlen("/tmp/")) == 0;
			}
		close(file);
		unlink(path);
	}
	close(fd);
	return told;
}

/* A page there and back, by requests that are told of. */
static bool ask_for_pages(void)
{
	char path[64], page[PAGE], back[PAGE] = "";
	struct {
		uint64_t data;
		uint32_t key, rw_flags;
		uint16_t opcode;
		int16_t priority;
		uint32_t fd;
		uint64_t buffer, bytes;
		int64_t offset;
		uint64_t reserved;
		uint32_t flags, result_fd;
	} asked = {.opcode = 1, .buffer = (uintptr_t)page, .bytes = PAGE}; /* struct iocb of io_submit(2): pwrite */
	struct {
		uint64_t data, object;
		int64_t result, result2;
	} done;
	void *list = &asked;
	unsigned long context = 0;

	memset(page, 'a' + getpid() % 26, PAGE);
	snprintf(path, sizeof(path), "/tmp/asked.%d", getpid());
	int fd = open(path, O_CREAT | O_RDWR, 0600);
	bool good = fd >= 0 && syscall(SYS_io_setup, 4, &context) == 0;

	asked.fd = (uint32_t)fd;
	for (int turn = 0; turn < 2 && good; turn++) {
		good = syscall(SYS_io_submit, context, 1, &list) == 1 &&
		       syscall(SYS_io_getevents, context, 1, 1, &done, &(struct timespec){.tv_sec = 10}) == 1 &&
		       done.result == PAGE;
		asked.opcode = 0;
		asked.buffer = (uintptr_t)back;
	}
	if (context != 0)
		syscall(SYS_io_destroy, context);
	close(fd);
	unlink(path);
	return good && memcmp(page, back, PAGE) == 0;
}

/* The thread that did it ends a moment after its result is there: then the next may count threads. */
static bool thread_is_over(const char *component)
{
	unsigned threads = 1;

	for (int turn = 0; turn < 10000 && threads > 0; turn++) {
		char line[256];
		FILE *f = fopen("/proc/components", "re");

		if (f == nullptr)
			return false;
		while (fgets(line, sizeof(line), f) != nullptr)
			if (strncmp(line, component, strlen(component)) == 0 && line[strlen(component)] == ' ')
				sscanf(line, "%*s %*s %*s %*s %u", &threads);
		fclose(f);
		if (threads > 0)
			usleep(1000);
	}
	return threads == 0;
}

static bool measure(void)
{
	return put("/proc/measure", "call 10") && thread_is_over("measure");
}

static bool misbehave(void)
{
	return put("/proc/stray", "case write-nucleus-data seed 1") && thread_is_over("stray");
}

const struct served served[] = {
	{"measure", {measure}, nullptr},
	{"stray", {misbehave}, nullptr},
	{"virtio_rng", {read_random}, "virtio_rng"},
	{"hwrng", {read_random}, nullptr},
	{"virtio_blk", {use_virtio_disks}, "virtio_blk"},
	{"nvme", {use_nvme_disks}, "nvme"},
	{"ahci", {use_sata_disks}, "ahci"},
	{"ram", {use_ram_disks}, "ram"},
	{"virtio", {use_virtio_disks, read_random}, "virtio_pci virtio_mmio"},
	{"block", {use_virtio_disks, use_nvme_disks, use_sata_disks}, nullptr},
	{"serial", {use_console}, nullptr},
	{"tty", {use_terminal, use_console}, nullptr},
	{"pci", {read_pci}, "*"},
	{"platform", {read_platform}, "*"},
	{"device", {read_platform}, "*"},
	{"pcie_port", {}, "pcie_port"},
	{"video", {use_screen, map_screen}, nullptr},
	{"framebuffer", {use_screen, is_screen_up}, "framebuffer"},
	{"vt", {use_text_console}, nullptr},
	{"input", {use_input, use_virtio_lamps, use_pc_lamps}, nullptr},
	{"virtio_input", {use_virtio_lamps}, "virtio_input"},
	{"i8042", {use_pc_lamps}, "i8042"},
	{"netdev", {use_network}, nullptr},
	{"virtio_net", {use_network}, "virtio_net"},
	{"e1000e", {}, nullptr},
	{"net", {use_sockets, use_loopback}, nullptr},
	{"inet", {use_loopback, use_network}, nullptr},
	{"inotify", {watch_files}, nullptr},
	{"aio", {ask_for_pages}, nullptr},
	{"packet", {use_packets}, nullptr},
	{"netlink", {use_netlink}, nullptr},
	{"usb", {use_usb_lamps, use_usb_disks, is_usb_up}, "xhci usb_hub usb_hid usb_storage"},
	{"xhci", {use_usb_lamps, use_usb_disks, is_usb_up}, "xhci usb_hub usb_hid usb_storage"},
	{"usb_hub", {is_usb_up, use_usb_lamps}, "usb_hub"},
	{"usb_hid", {use_usb_lamps}, "usb_hid"},
	{"usb_storage", {use_usb_disks}, "usb_storage"},
	{"ext4", {try_to_mount}, nullptr},
	{"sysfs", {read_own_sys, read_sys}, nullptr},
	{"procfs", {read_proc}, nullptr},
	{"devfs", {use_nodes, use_terminal}, nullptr},
	{"tmpfs", {use_files}, nullptr},
	{"vfs", {use_files, run_program, use_nodes}, nullptr},
	{"ipc", {use_message_queue, use_semaphores, use_segment}, nullptr},
	{"process", {run_program, use_memory}, nullptr},
	{"vm", {use_memory, run_program}, nullptr},
	{"core", {wait_for_timer, run_program}, nullptr},
	{},
};
