/* SPDX-License-Identifier: MIT */
/*
 * /sys as nproc, lscpu, lspci and lsblk read it: directories of objects, files of one value, links between them
 * (Documentation/filesystems/sysfs.rst of Linux). All that is there can be read, and every link leads somewhere.
 */
#include "ktap.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#define CPUS "/sys/devices/system/cpu"

static char text[65536];

static const char *file(const char *path)
{
	ktap_read_file(path, text, sizeof(text));
	return text;
}

static void same_text(const char *path, const char *wanted)
{
	if (strcmp(file(path), wanted) != 0)
		ktap_fail(__FILE__, __LINE__, "%s is \"%s\", not \"%s\"", path, text, wanted);
}

static void is_sysfs(void)
{
	struct statfs s;
	struct stat st;

	OK(statfs("/sys", &s));
	EQUAL(s.f_type, 0x62656572);
	OK(stat("/sys", &st));
	EQUAL(st.st_mode, S_IFDIR | 0555);
	static const char *const always[] = {"block", "bus", "class", "dev/block", "dev/char", "devices", "kernel"};
	for (size_t n = 0; n < sizeof(always) / sizeof(*always); n++) {
		char path[64];

		snprintf(path, sizeof(path), "/sys/%s", always[n]);
		OK(stat(path, &st));
		CHECK(S_ISDIR(st.st_mode));
	}
	CHECK(strstr(file("/proc/filesystems"), "nodev\tsysfs\n") != nullptr);
	/* What libmount takes for the first line. */
	CHECK(strncmp(file("/proc/swaps"), "Filename\t", 9) == 0);
}

/* What get_nprocs, nproc --all and lscpu look at. */
static void processors(void)
{
	long count = sysconf(_SC_NPROCESSORS_ONLN);
	char list[32] = "0\n", path[128];

	if (count > 1)
		snprintf(list, sizeof(list), "0-%ld\n", count - 1);
	same_text(CPUS "/online", list);
	same_text(CPUS "/present", list);
	same_text(CPUS "/possible", list);
	same_text(CPUS "/offline", "\n");
	EQUAL(sysconf(_SC_NPROCESSORS_CONF), count);
	for (long n = 0; n < count; n++) {
		char wanted[32];

		snprintf(path, sizeof(path), CPUS "/cpu%ld/topology/core_id", n);
		snprintf(wanted, sizeof(wanted), "%ld\n", n);
		same_text(path, wanted);
		snprintf(path, sizeof(path), CPUS "/cpu%ld/topology/thread_siblings_list", n);
		same_text(path, wanted);
		snprintf(path, sizeof(path), CPUS "/cpu%ld/topology/core_siblings_list", n);
		same_text(path, list);
		snprintf(path, sizeof(path), CPUS "/cpu%ld/topology/thread_siblings", n);
		CHECK(strtoul(file(path), nullptr, 16) == 1ul << n);
		EQUAL(strlen(text), (count + 3) / 4 + 1);
		snprintf(path, sizeof(path), CPUS "/cpu%ld/topology/physical_package_id", n);
		same_text(path, "0\n");
	}
	snprintf(path, sizeof(path), CPUS "/cpu%ld", count);
	FAILS(ENOENT, access(path, F_OK));
	same_text("/sys/devices/system/node/online", "0\n");
	same_text("/sys/devices/system/node/node0/cpulist", list);
}

static void links_lead(void)
{
	char to[PATH_MAX];

	ssize_t n = OK(readlink(CPUS "/cpu0/node0", to, sizeof(to) - 1));
	to[n] = '\0';
	CHECK(strcmp(to, "../../node/node0") == 0);
	CHECK(realpath(CPUS "/cpu0/node0/cpu0/topology", to) != nullptr);
	CHECK(strcmp(to, CPUS "/cpu0/topology") == 0);
	/* The buffer is the limit, as anywhere. */
	EQUAL(readlink(CPUS "/cpu0/node0", to, 4), 4);
	CHECK(memcmp(to, "../.", 4) == 0);
}

static void values_are_files(void)
{
	struct stat st;
	char some[8] = "";

	OK(stat("/sys/kernel/address_bits", &st));
	EQUAL(st.st_mode, S_IFREG | 0444);
	EQUAL(st.st_size, 4096);
	same_text("/sys/kernel/address_bits", sizeof(long) == 8 ? "64\n" : "32\n");
	same_text("/sys/kernel/cpu_byteorder", "little\n");
	int fd = OK(open("/sys/kernel/cpu_byteorder", O_RDONLY));
	EQUAL(pread(fd, some, 3, 2), 3);
	CHECK(memcmp(some, "ttl", 3) == 0);
	EQUAL(pread(fd, some, sizeof(some), 7), 0);
	OK(close(fd));
	/* Not even root opens for what the file cannot do. */
	FAILS(EACCES, open("/sys/kernel/cpu_byteorder", O_WRONLY));
	FAILS(EACCES, open("/sys/kernel/cpu_byteorder", O_RDWR));
}

static void only_the_kernel_makes_entries(void)
{
	FAILS(EPERM, mkdir("/sys/kernel/mine", 0755));
	FAILS(EPERM, rmdir("/sys/kernel"));
	FAILS(EPERM, unlink("/sys/kernel/address_bits"));
	FAILS(EPERM, rename("/sys/kernel/address_bits", "/sys/kernel/other"));
	FAILS(EPERM, symlink("/", "/sys/mine"));
	FAILS(EACCES, open("/sys/mine", O_CREAT | O_WRONLY, 0644));
}

/* The console is a terminal that is there, with the number that it says. */
static void terminals(void)
{
	char path[128], wanted[32];
	struct stat st;

	char *name = strdup(file("/sys/class/tty/console/active"));
	name[strcspn(name, "\n")] = '\0';
	snprintf(path, sizeof(path), "/dev/%s", name);
	OK(stat(path, &st));
	snprintf(wanted, sizeof(wanted), "%u:%u\n", major(st.st_rdev), minor(st.st_rdev));
	snprintf(path, sizeof(path), "/sys/class/tty/%s/dev", name);
	same_text(path, wanted);
	snprintf(path, sizeof(path), "/sys/class/tty/%s/device/driver", name);
	OK(stat(path, &st));
	same_text("/sys/class/tty/console/dev", "5:1\n");
	same_text("/sys/dev/char/5:2/uevent", "MAJOR=5\nMINOR=2\nDEVNAME=ptmx\n");
	free(name);
}

#define FUNCTIONS "/sys/bus/pci/devices"

static unsigned long number_in(const char *function, const char *name)
{
	char path[384];

	snprintf(path, sizeof(path), FUNCTIONS "/%s/%s", function, name);
	return strtoul(file(path), nullptr, 0);
}

/* What the files say is what the registers say, of which a user sees the header. */
static void check_function(const char *function)
{
	unsigned char config[256];
	char path[384];
	struct stat st;

	snprintf(path, sizeof(path), FUNCTIONS "/%s/config", function);
	int fd = OK(open(path, O_RDONLY));
	OK(fstat(fd, &st));
	CHECK(st.st_size == 256 || st.st_size == 4096);
	EQUAL(pread(fd, config, sizeof(config), 0), sizeof(config));
	EQUAL(number_in(function, "vendor"), config[0] | config[1] << 8);
	EQUAL(number_in(function, "device"), config[2] | config[3] << 8);
	EQUAL(number_in(function, "revision"), config[8]);
	EQUAL(number_in(function, "class"), config[9] | config[10] << 8 | config[11] << 16);
	/* At any place. */
	unsigned char three[3];
	EQUAL(pread(fd, three, 3, 9), 3);
	CHECK(memcmp(three, config + 9, 3) == 0);
	EQUAL(pread(fd, three, 3, st.st_size - 1), 1);
	EQUAL(pread(fd, three, 3, st.st_size), 0);
	EXITS(CHILD({
		      OK(setgid(65534));
		      OK(setuid(65534));
		      EQUAL(pread(fd, config, sizeof(config), 0), 64);
		      EQUAL(pread(fd, config, sizeof(config), 60), 4);
		      EQUAL(pread(fd, config, sizeof(config), 64), 0);
	      }),
	      0);
	OK(close(fd));
	snprintf(path, sizeof(path), FUNCTIONS "/%s/resource", function);
	int lines = 0;
	for (const char *at = file(path); (at = strchr(at, '\n')) != nullptr; at++)
		lines++;
	CHECK(lines >= 7);
}

static void functions_of_pci(void)
{
	DIR *all = opendir(FUNCTIONS);
	struct dirent *e;
	int count = 0;

	if (all == nullptr)
		ktap_skip("no PCI");
	while ((e = readdir(all)) != nullptr) {
		if (e->d_name[0] == '.')
			continue;
		check_function(e->d_name);
		count++;
	}
	OK(closedir(all));
	if (count == 0)
		ktap_skip("no function of PCI");
}

static int directories, files, links;

/* What an interface that is down, or without a wire, has not is EINVAL to read, as on Linux. */
static bool may_have_none(const char *path)
{
	const char *name = strrchr(path, '/') + 1;

	return strstr(path, "/net/") != nullptr &&
	       (strcmp(name, "duplex") == 0 || strcmp(name, "speed") == 0 || strcmp(name, "carrier") == 0);
}

static int visit(const char *path, const struct stat *st, int type, struct FTW *)
{
	struct stat through;

	switch (type) {
	case FTW_D: directories++; return 0;
	case FTW_SL:
		links++;
		if (stat(path, &through) != 0)
			ktap_fail(__FILE__, __LINE__, "%s leads nowhere: errno %d", path, errno);
		CHECK(st->st_ino != through.st_ino);
		return 0;
	case FTW_F: break;
	default: ktap_fail(__FILE__, __LINE__, "%s is of type %d", path, type);
	}
	files++;
	if (!(st->st_mode & 0400))
		return 0;
	int fd = OK(open(path, O_RDONLY | O_NONBLOCK));
	ssize_t n;
	size_t sum = 0;
	do {
		n = read(fd, text, sizeof(text));
		if (n < 0 && errno == EINVAL && may_have_none(path))
			break;
		if (n < 0)
			ktap_fail(__FILE__, __LINE__, "%s: cannot be read: errno %d", path, errno);
		sum += (size_t)n;
	} while (n > 0);
	OK(close(fd));
	CHECK(sum > 0 || n < 0 || st->st_size == 0 || st->st_size == 4096);
	return 0;
}

static void all_can_be_read(void)
{
	OK(nftw("/sys", visit, 64, FTW_PHYS | FTW_MOUNT));
	ktap_note("%d directories, %d files, %d links", directories, files, links);
	CHECK(directories > 15 && files > 20 && links >= 2);
}

KTAP_MAIN(CASE(is_sysfs), STELLUX_CASE(processors), CASE(links_lead), STELLUX_CASE(values_are_files),
	  STELLUX_CASE(only_the_kernel_makes_entries), STELLUX_CASE(terminals), CASE(functions_of_pci),
	  STELLUX_CASE(all_can_be_read))
