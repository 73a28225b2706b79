/* SPDX-License-Identifier: MIT */
/*
 * The rest of the system's surface: names, randomness, limits, priorities, affinity, users and
 * groups, mounts, statfs, chroot, reboot's checks.
 */
#include "ktap.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

static void names(void)
{
	struct utsname name;
	char host[65];
	int major, minor;

	OK(uname(&name));
	EQUAL(sscanf(name.release, "%d.%d", &major, &minor), 2);
	CHECK(major >= 4);
	CHECK(strlen(name.machine) > 0 && strlen(name.version) > 0);
	OK(gethostname(host, sizeof(host)));
	CHECK(strcmp(host, name.nodename) == 0);
	FAILS(EINVAL, sethostname("x", 65));
}

static void stellux_names_itself(void)
{
	struct utsname name;

	OK(uname(&name));
	CHECK(strcmp(name.sysname, "Stellux") == 0);
}

static void host_name_changes(void)
{
	struct utsname name;
	char before[65];

	OK(gethostname(before, sizeof(before)));
	OK(sethostname("tested", 6));
	OK(uname(&name));
	int equal = strcmp(name.nodename, "tested");
	OK(sethostname(before, strlen(before)));
	EQUAL(equal, 0);
}

static void randomness(void)
{
	unsigned char a[256] = {}, b[256] = {};
	int different = 0, values[256] = {}, distinct = 0;

	EQUAL(getrandom(a, sizeof(a), 0), 256);
	EQUAL(getrandom(b, sizeof(b), GRND_NONBLOCK), 256);
	for (int i = 0; i < 256; i++) {
		different += a[i] != b[i];
		values[a[i]]++;
	}
	for (int i = 0; i < 256; i++)
		distinct += values[i] != 0;
	CHECK(different > 200);
	CHECK(distinct > 100);
	EQUAL(getrandom(a, 0, 0), 0);
	EQUAL(getrandom(a, 16, GRND_RANDOM), 16);
	FAILS(EINVAL, getrandom(a, 1, 0x100));
	pid_t child = CHILD({
		EQUAL(getrandom(b, 32, 0), 32);
		CHECK(memcmp(a, b, 32) != 0);
	});
	EXITS(child, 0);
}

static void limits(void)
{
	struct rlimit limit, old;

	for (int i = 0; i < RLIM_NLIMITS; i++) {
		OK(getrlimit(i, &limit));
		CHECK(limit.rlim_cur <= limit.rlim_max);
	}
	FAILS(EINVAL, getrlimit(99, &limit));
	OK(getrlimit(RLIMIT_STACK, &limit));
	CHECK(limit.rlim_cur >= 1 << 20);
	limit = (struct rlimit){20, 30};
	OK(prlimit(0, RLIMIT_CORE, &limit, &old));
	OK(getrlimit(RLIMIT_CORE, &limit));
	EQUAL(limit.rlim_cur, 20);
	limit = (struct rlimit){40, 30};
	FAILS(EINVAL, setrlimit(RLIMIT_CORE, &limit));
	pid_t child = CHILD({
		struct rlimit raised = {5, 31};
		OK(getrlimit(RLIMIT_CORE, &limit));
		EQUAL(limit.rlim_max, 30);
		OK(setuid(1000));
		FAILS(EPERM, setrlimit(RLIMIT_CORE, &raised));
		raised = (struct rlimit){5, 10};
		OK(setrlimit(RLIMIT_CORE, &raised));
	});
	EXITS(child, 0);
	FAILS(ESRCH, prlimit(0x3ffffff0, RLIMIT_CORE, nullptr, &old));
}

static void address_space_limit(void)
{
	pid_t child = CHILD({
		OK(setrlimit(RLIMIT_AS, &(struct rlimit){64 << 20, 64 << 20}));
		FAILS(ENOMEM, mmap(nullptr, 128 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
		CHECK(mmap(nullptr, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
	});
	EXITS(child, 0);
}

static void process_count_limit(void)
{
	pid_t child = CHILD({
		OK(setuid(4321));
		OK(setrlimit(RLIMIT_NPROC, &(struct rlimit){3, 3}));
		int made = 0;
		for (; made < 10; made++) {
			pid_t pid = fork();
			if (pid == 0) {
				sleep(100);
				_exit(0);
			}
			if (pid < 0)
				break;
		}
		EQUAL(errno, EAGAIN);
		EQUAL(made, 2);
	});
	EXITS(child, 0);
}

static void priorities(void)
{
	EQUAL(getpriority(PRIO_PROCESS, 0), 0);
	OK(setpriority(PRIO_PROCESS, 0, 5));
	EQUAL(getpriority(PRIO_PROCESS, 0), 5);
	EQUAL(nice(3), 8);
	pid_t child = CHILD({
		EQUAL(getpriority(PRIO_PROCESS, 0), 8);
		OK(setuid(1000));
		FAILS(EACCES, setpriority(PRIO_PROCESS, 0, 0));
	});
	EXITS(child, 0);
	FAILS(ESRCH, getpriority(PRIO_PROCESS, 0x3ffffff0));
	FAILS(EINVAL, getpriority(99, 0));
}

static void affinity(void)
{
	cpu_set_t all, one, now;
	unsigned int cpu = 99;

	OK(sched_getaffinity(0, sizeof(all), &all));
	CHECK(CPU_COUNT(&all) >= 1);
	for (int i = 0; i < CPU_SETSIZE; i++) {
		if (!CPU_ISSET(i, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(i, &one);
		OK(sched_setaffinity(0, sizeof(one), &one));
		OK(sched_getaffinity(0, sizeof(now), &now));
		CHECK(CPU_EQUAL(&one, &now));
		OK(syscall(SYS_getcpu, &cpu, 0, 0));
		EQUAL(cpu, i);
	}
	CPU_ZERO(&one);
	FAILS(EINVAL, sched_setaffinity(0, sizeof(one), &one));
	OK(sched_yield());
}

static void users_and_groups(void)
{
	gid_t groups[8];
	uid_t r, e, s;

	EQUAL(getuid(), 0);
	OK(setgroups(3, (gid_t[]){1, 2, 3}));
	EQUAL(getgroups(8, groups), 3);
	EQUAL(groups[2], 3);
	EQUAL(getgroups(0, nullptr), 3);
	FAILS(EINVAL, getgroups(1, groups));
	OK(setresgid(10, 11, 12));
	EQUAL(getgid(), 10);
	EQUAL(getegid(), 11);
	OK(setresuid(20, 21, 22));
	OK(getresuid(&r, &e, &s));
	CHECK(r == 20 && e == 21 && s == 22);
	FAILS(EPERM, setresuid(30, (uid_t)-1, (uid_t)-1));
	OK(setresuid((uid_t)-1, 22, (uid_t)-1));
	EQUAL(geteuid(), 22);
	FAILS(EPERM, setgroups(0, groups));
	OK(setreuid(22, 22));
	FAILS(EPERM, setuid(0));
}

static void set_user_id_programs(void)
{
	char path[256];
	ssize_t length = OK(readlink("/proc/self/exe", path, sizeof(path) - 1));
	static char copy[2 << 20];

	path[length] = '\0';
	ktap_enter_dir();
	int from = OK(open(path, O_RDONLY));
	ssize_t size = OK(read(from, copy, sizeof(copy)));
	OK(mkdir("m", 0755));
	OK(mount("none", "m", "tmpfs", 0, "mode=755"));
	int to = OK(open("m/copy", O_WRONLY | O_CREAT, 0755));
	EQUAL(write(to, copy, (size_t)size), size);
	OK(close(to));
	OK(chown("m/copy", 1234, 0));
	OK(chmod("m/copy", 04755));
	OK(chmod(".", 0755));
	pid_t child = CHILD({
		OK(setuid(1000));
		execve("m/copy", (char *[]){"copy", "@ids", nullptr}, (char *[]){nullptr});
		_exit(1);
	});
	EXITS(child, 0);
	OK(mount("none", "m", "tmpfs", MS_REMOUNT | MS_NOSUID, ""));
	child = CHILD({
		OK(setuid(1000));
		execve("m/copy", (char *[]){"copy", "@ids", nullptr}, (char *[]){nullptr});
		_exit(2);
	});
	EXITS(child, 1);
	OK(umount("m"));
}

static void mounting(void)
{
	struct statfs fs;
	struct stat outside, inside;

	ktap_enter_dir();
	OK(mkdir("m", 0700));
	ktap_write_file("m/hidden", "");
	OK(stat("m", &outside));
	OK(mount("none", "m", "tmpfs", 0, "size=1m"));
	OK(stat("m", &inside));
	CHECK(outside.st_dev != inside.st_dev);
	FAILS(ENOENT, open("m/hidden", O_RDONLY));
	OK(statfs("m", &fs));
	EQUAL(fs.f_type, 0x01021994);
	EQUAL((long)(fs.f_blocks * (unsigned long)fs.f_bsize), 1 << 20);
	ktap_write_file("m/file", "in it");
	FAILS(EBUSY, rmdir("m"));
	FAILS(EXDEV, rename("m/file", "file"));
	FAILS(EXDEV, link("m/file", "file"));
	int fd = OK(open("m/file", O_RDONLY));
	FAILS(EBUSY, umount("m"));
	OK(close(fd));
	OK(chdir("m/.."));
	OK(umount("m"));
	OK(close(OK(open("m/hidden", O_RDONLY))));
	FAILS(EINVAL, umount("m"));
	FAILS(ENODEV, mount("none", "m", "nosuchfs", 0, ""));
	FAILS(ENOENT, mount("none", "missing", "tmpfs", 0, ""));
	FAILS(ENOTDIR, mount("none", "m/hidden", "tmpfs", 0, ""));
	OK(mount("none", "m", "proc", 0, ""));
	OK(access("m/self/stat", R_OK));
	OK(umount("m"));
	OK(mount("none", "m", "tmpfs", 0, ""));
	FAILS(EINVAL, umount2("m", 0x1000));
	OK(umount2("m", MNT_DETACH));
	pid_t child = CHILD({
		OK(setuid(1000));
		FAILS(EPERM, umount("/"));
	});
	EXITS(child, 0);
}

static void a_full_file_system(void)
{
	static char block[65536];
	ssize_t wrote = 0, total = 0;
	struct statfs fs;

	ktap_enter_dir();
	OK(mkdir("m", 0700));
	OK(mount("none", "m", "tmpfs", 0, "size=256k"));
	int fd = OK(open("m/file", O_RDWR | O_CREAT, 0600));
	while ((wrote = write(fd, block, sizeof(block))) > 0)
		total += wrote;
	EQUAL(errno, ENOSPC);
	CHECK(total >= 128 * 1024 && total <= 256 * 1024);
	OK(ftruncate(fd, 0));
	OK(statfs("m", &fs));
	CHECK(fs.f_bfree > 32);
	EQUAL(write(fd, block, sizeof(block)), sizeof(block));
	OK(close(fd));
	OK(umount("m"));
}

static void read_only_mounts(void)
{
	ktap_enter_dir();
	OK(mkdir("m", 0700));
	OK(mount("none", "m", "tmpfs", 0, ""));
	ktap_write_file("m/file", "text");
	OK(mount("none", "m", "tmpfs", MS_REMOUNT | MS_RDONLY, ""));
	FAILS(EROFS, open("m/file", O_RDWR));
	FAILS(EROFS, open("m/new", O_RDWR | O_CREAT, 0600));
	FAILS(EROFS, unlink("m/file"));
	FAILS(EROFS, mkdir("m/dir", 0700));
	FAILS(EROFS, chmod("m/file", 0600));
	FAILS(EROFS, access("m/file", W_OK));
	OK(close(OK(open("m/file", O_RDONLY))));
	OK(umount("m"));
}

static void file_system_statistics(void)
{
	struct statvfs fs;
	struct statfs proc;

	OK(statvfs("/tmp", &fs));
	CHECK(fs.f_bsize >= 512 && fs.f_blocks > 0 && fs.f_bfree <= fs.f_blocks);
	EQUAL(fs.f_namemax, 255);
	OK(statfs("/proc", &proc));
	EQUAL(proc.f_type, 0x9fa0);
	OK(fstatfs(OK(open("/tmp", O_RDONLY)), &proc));
	FAILS(ENOENT, statfs("/missing", &proc));
}

static void changing_the_root(void)
{
	struct stat a, b;

	ktap_enter_dir();
	OK(mkdir("root", 0755));
	ktap_write_file("root/file", "inside");
	OK(stat("root", &a));
	pid_t child = CHILD({
		OK(chroot("root"));
		OK(chdir("/"));
		OK(stat("/../..", &b));
		EQUAL(a.st_ino, b.st_ino);
		OK(close(OK(open("/file", O_RDONLY))));
		FAILS(ENOENT, open("/proc/self/stat", O_RDONLY));
	});
	EXITS(child, 0);
	FAILS(ENOTDIR, chroot("root/file"));
}

static void reboot_is_guarded(void)
{
	FAILS(EINVAL, syscall(SYS_reboot, 0, 0, 0, 0));
	pid_t child = CHILD({
		OK(setuid(1000));
		FAILS(EPERM, syscall(SYS_reboot, 0xfee1dead, 672274793, 0, 0));
	});
	EXITS(child, 0);
}

static void parents_death_signal(void)
{
	int report[2];
	char c;

	OK(pipe(report));
	pid_t child = CHILD({
		pid_t inner = CHILD({
			OK(prctl(PR_SET_PDEATHSIG, SIGKILL));
			EQUAL(write(report[1], "r", 1), 1);
			for (;;)
				pause();
		});
		CHECK(inner > 0);
		EQUAL(read(report[0], &c, 1), 1);
	});
	EXITS(child, 0);
	close(report[1]);
	EQUAL(read(report[0], &c, 1), 0);
}

/* uname(2), /proc/version and /etc/os-release speak of one version. */
static void the_version_is_told(void)
{
	static char release[4096], version[512];
	struct utsname name;

	ktap_read_file("/etc/os-release", release, sizeof(release));
	char *number = strstr(release, "\nVERSION_ID=");
	CHECK(number != nullptr && strncmp(release, "NAME=Stellux\n", 13) == 0);
	number += 12;
	number[strcspn(number, "\n")] = '\0';
	OK(uname(&name));
	/* "#1 SMP PREEMPT VERSION-SOURCES" */
	char *told = strstr(name.version, number);
	CHECK(told != nullptr && told[-1] == ' ' && told[strlen(number)] == '-');
	EQUAL(strspn(told + strlen(number) + 1, "0123456789abcdef"), 12);
	ktap_read_file("/proc/version", version, sizeof(version));
	CHECK(strstr(version, name.version) != nullptr && strstr(version, name.release) != nullptr);
}

static const struct ktap_case cases[] = {
	CASE(names),
	STELLUX_CASE(stellux_names_itself),
	CASE(host_name_changes),
	CASE(randomness),
	CASE(limits),
	CASE(address_space_limit),
	CASE(process_count_limit),
	CASE(priorities),
	CASE(affinity),
	CASE(users_and_groups),
	CASE(set_user_id_programs),
	CASE(mounting),
	CASE(a_full_file_system),
	CASE(read_only_mounts),
	CASE(file_system_statistics),
	CASE(changing_the_root),
	STELLUX_CASE(the_version_is_told),
	CASE(reboot_is_guarded),
	CASE(parents_death_signal),
};

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "@ids") == 0)
		return getuid() == 1000 && geteuid() == 1234 ? 0 : 1;
	return ktap_main(argc, argv, cases, sizeof(cases) / sizeof(*cases));
}
