/* SPDX-License-Identifier: MIT */
/*
 * What was checked once is checked again where it can be widened: maps of a noexec mount, mounts that become read-only,
 * seals, files without a name, descriptors that only name a file, confined walks. And the flags of pwritev2.
 */
#include "ktap.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum : int { PAGE = 4096 };
enum : unsigned { FLAG_APPEND = 16, FLAG_NO_APPEND = 32, FLAG_NO_WAIT = 8, FLAG_SYNC = 4, FLAG_POLL = 1 };

static void prepare(void)
{
	ktap_enter_dir();
	OK(mkdir("m", 0777));
	if (!ktap_on_stellux()) {
		OK(unshare(CLONE_NEWNS));
		OK(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
	}
	OK(mount("t", "m", "tmpfs", 0, nullptr));
	ktap_write_file("m/file", "contents");
}

/* The machine's own mounts are as they were. */
static void finish(void)
{
	OK(umount2("m", MNT_DETACH));
}

static void *map(int fd, int prot, int flags)
{
	return mmap(nullptr, PAGE, prot, flags, fd, 0);
}

static void noexec_maps_stay_so(void)
{
	prepare();
	int fd = OK(open("m/file", O_RDWR));
	char *before = OK(map(fd, PROT_READ, MAP_PRIVATE));
	OK(mount(nullptr, "m", nullptr, MS_REMOUNT | MS_NOEXEC, nullptr));
	FAILS(EPERM, map(fd, PROT_READ | PROT_EXEC, MAP_PRIVATE));
	for (int shared = 0; shared < 2; shared++) {
		char *at = OK(map(fd, PROT_READ, shared ? MAP_SHARED : MAP_PRIVATE));
		FAILS(EACCES, mprotect(at, PAGE, PROT_READ | PROT_EXEC));
		at = OK(mremap(at, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
		FAILS(EACCES, mprotect(at, PAGE, PROT_EXEC));
		OK(mprotect(at, PAGE, PROT_READ | PROT_WRITE));
		FAILS(EACCES, mprotect(at, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC));
	}
	OK(mprotect(before, PAGE, PROT_READ | PROT_EXEC)); /* mapped when it might */
	finish();
}

static void what_is_read_may_be_executed(void)
{
	char line[256], wanted[64];
	bool found = false;

	prepare();
	int fd = OK(open("m/file", O_RDONLY));
	OK((int)syscall(SYS_personality, READ_IMPLIES_EXEC));
	char *at = OK(map(-1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS));
	snprintf(wanted, sizeof(wanted), "%lx-", (unsigned long)at);
	FILE *maps = fopen("/proc/self/maps", "r");
	while (!found && fgets(line, sizeof(line), maps))
		if ((found = strncmp(line, wanted, strlen(wanted)) == 0))
			CHECK(strstr(line, " rwxp ") != nullptr);
	fclose(maps);
	/* But not where nothing is executed. */
	OK(mount(nullptr, "m", nullptr, MS_REMOUNT | MS_NOEXEC, nullptr));
	at = OK(map(fd, PROT_READ, MAP_PRIVATE));
	OK(mprotect(at, PAGE, PROT_READ));
	finish();
}

static void writers_keep_a_mount_writable(void)
{
	prepare();
	OK(mkdir("again", 0755));
	OK(mount("m", "again", nullptr, MS_BIND, nullptr));
	int fd = OK(open("m/file", O_WRONLY));
	FAILS(EBUSY, mount(nullptr, "m", nullptr, MS_REMOUNT | MS_RDONLY, nullptr));
	FAILS(EBUSY, mount(nullptr, "again", nullptr, MS_REMOUNT | MS_RDONLY, nullptr));
	FAILS(EBUSY, mount(nullptr, "m", nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr));
	EQUAL(write(fd, "x", 1), 1);
	/* The other mount of it is nobody's. */
	OK(mount(nullptr, "again", nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr));
	FAILS(EROFS, open("again/file", O_WRONLY));
	OK(mount(nullptr, "again", nullptr, MS_REMOUNT | MS_BIND, nullptr));
	/* A map keeps its file open. */
	int both = OK(open("m/file", O_RDWR));
	char *at = OK(map(both, PROT_READ | PROT_WRITE, MAP_SHARED));
	close(both);
	close(fd);
	FAILS(EBUSY, mount(nullptr, "m", nullptr, MS_REMOUNT | MS_RDONLY, nullptr));
	OK(munmap(at, PAGE));
	int reader = OK(open("m/file", O_RDONLY));
	OK(mount(nullptr, "m", nullptr, MS_REMOUNT | MS_RDONLY, nullptr));
	FAILS(EROFS, open("m/file", O_WRONLY));
	FAILS(EROFS, open("again/file", O_WRONLY));
	char again[64];
	snprintf(again, sizeof(again), "/proc/self/fd/%d", reader);
	FAILS(EROFS, open(again, O_WRONLY));
	FAILS(EROFS, fchmod(reader, 0600));
	FAILS(EROFS, open("m/other", O_RDWR | O_CREAT, 0600));
	OK(mount(nullptr, "m", nullptr, MS_REMOUNT, nullptr));
	OK(open("m/file", O_WRONLY));
	OK(umount2("again", MNT_DETACH));
	finish();
}

static int set_attributes(const char *path, unsigned flags, uint64_t set, uint64_t clear)
{
	uint64_t attributes[4] = {set, clear};

	return (int)syscall(SYS_mount_setattr, AT_FDCWD, path, flags, attributes, sizeof(attributes));
}

static void attributes_of_mounts(void)
{
	enum : uint64_t { RDONLY = 1, NOEXEC = 8, ATIME = 0x70, NOATIME = 0x10 };
	enum : unsigned { RECURSIVE = 0x8000 };

	prepare();
	OK(mkdir("m/sub", 0755));
	OK(mount("s", "m/sub", "tmpfs", 0, nullptr));
	int fd = OK(open("m/sub/file", O_WRONLY | O_CREAT, 0600));
	OK(set_attributes("m", 0, NOEXEC, 0));
	FAILS(EPERM, map(OK(open("m/file", O_RDONLY)), PROT_EXEC, MAP_PRIVATE));
	OK(set_attributes("m", 0, 0, NOEXEC));
	OK(map(OK(open("m/file", O_RDONLY)), PROT_EXEC, MAP_PRIVATE));
	FAILS(EBUSY, set_attributes("m", RECURSIVE, RDONLY, 0));
	OK(open("m/made", O_WRONLY | O_CREAT, 0600) < 0 ? -1 : close(fd));
	FAILS(EBUSY, set_attributes("m", RECURSIVE, RDONLY, 0)); /* m/made is open */
	FAILS(EINVAL, set_attributes("m", 0, NOATIME, 0));
	OK(set_attributes("m", 0, NOATIME, ATIME));
	FAILS(EINVAL, set_attributes("m", 0, 0x30, ATIME));
	FAILS(EINVAL, set_attributes("m/sub/file", 0, RDONLY, 0));
	FAILS(EINVAL, set_attributes("m", 0, UINT64_C(1) << 40, 0));
	FAILS(ENOENT, set_attributes("none", 0, RDONLY, 0));
	OK(set_attributes("m/sub", 0, RDONLY, 0));
	FAILS(EROFS, open("m/sub/file", O_WRONLY));
	finish();
}

static void seals_and_maps(void)
{
	int fd = OK(memfd_create("m", MFD_ALLOW_SEALING));
	char path[64];

	OK(ftruncate(fd, PAGE));
	char *writable = OK(map(fd, PROT_READ | PROT_WRITE, MAP_SHARED));
	FAILS(EBUSY, fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	OK(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
	writable[0] = 'x'; /* was there before */
	FAILS(EPERM, write(fd, "x", 1));
	FAILS(EPERM, map(fd, PROT_READ | PROT_WRITE, MAP_SHARED));
	char *readable = OK(map(fd, PROT_READ, MAP_SHARED));
	FAILS(EACCES, mprotect(readable, PAGE, PROT_READ | PROT_WRITE));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int again = OK(open(path, O_RDWR));
	FAILS(EPERM, write(again, "x", 1));
	int reader = OK(open(path, O_RDONLY));
	FAILS(EPERM, fcntl(reader, F_ADD_SEALS, 0x1000));
	FAILS(EINVAL, fcntl(fd, F_ADD_SEALS, 0x1000));
	FAILS(EINVAL, fcntl(fd, F_ADD_SEALS, 1L << 32));
	FAILS(EINVAL, fcntl(OK(open("/dev/null", O_RDWR)), F_ADD_SEALS, F_SEAL_GROW));
}

static int link_fd(int fd, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, path, AT_FDCWD, name, AT_SYMLINK_FOLLOW);
}

static void names_for_open_files(void)
{
	ktap_enter_dir();
	OK(chmod(".", 0777));
	int unnamed = OK(open(".", O_TMPFILE | O_RDWR, 0666)), never = OK(open(".", O_TMPFILE | O_EXCL | O_RDWR, 0666));
	ktap_write_file("file", "x");
	int lost = OK(open("file", O_RDWR));
	OK(unlink("file"));
	FAILS(ENOENT, link_fd(never, "a"));
	FAILS(ENOENT, linkat(never, "", AT_FDCWD, "a", AT_EMPTY_PATH));
	FAILS(ENOENT, link_fd(lost, "a"));
	FAILS(ENOENT, linkat(lost, "", AT_FDCWD, "a", AT_EMPTY_PATH));
	OK(link_fd(unnamed, "a"));
	OK(link_fd(unnamed, "b"));
	OK(unlink("a"));
	OK(unlink("b"));
	FAILS(ENOENT, link_fd(unnamed, "a"));
	ktap_write_file("there", "x");
	FAILS(EEXIST, linkat(AT_FDCWD, ".", AT_FDCWD, "there", 0));
	FAILS(EPERM, linkat(AT_FDCWD, ".", AT_FDCWD, "a", 0));
	unnamed = OK(open(".", O_TMPFILE | O_RDWR, 0666));
	OK(setresuid(1000, 1000, 1000));
	FAILS(ENOENT, linkat(unnamed, "", AT_FDCWD, "a", AT_EMPTY_PATH));
}

static void descriptors_that_only_name(void)
{
	ktap_enter_dir();
	ktap_write_file("file", "x");
	int fd = OK(open("file", O_PATH)), reader = OK(open("file", O_RDONLY));
	FAILS(EBADF, syscall(SYS_fchmod, fd, 0777));
	FAILS(EBADF, syscall(SYS_fchown, fd, 1, 1));
	FAILS(EBADF, ftruncate(fd, 0));
	FAILS(EINVAL, ftruncate(reader, 0));
	FAILS(EBADF, ioctl(fd, 0x5421, 0));
	FAILS(EBADF, map(fd, PROT_READ, MAP_PRIVATE));
	FAILS(EACCES, map(reader, PROT_READ | PROT_WRITE, MAP_SHARED));
	char *at = OK(map(reader, PROT_READ, MAP_SHARED));
	FAILS(EACCES, mprotect(at, PAGE, PROT_WRITE));
	OK(chmod("file", 0444));
	OK(chmod(".", 0755));
	OK(setresuid(1000, 1000, 1000));
	OK(prctl(PR_SET_DUMPABLE, 1));
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	FAILS(EACCES, open(path, O_WRONLY));
	OK(open(path, O_RDONLY));
}

static int confined(int dir, const char *path, uint64_t flags, uint64_t resolve)
{
	uint64_t how[3] = {flags, 0, resolve};

	return (int)syscall(SYS_openat2, dir, path, how, sizeof(how));
}

static void confined_walks(void)
{
	enum : uint64_t { NO_XDEV = 1, NO_MAGIC = 2, NO_LINKS = 4, BENEATH = 8, IN_ROOT = 16, CACHED = 32 };
	char magic[64];

	prepare();
	OK(mkdir("m/d", 0755));
	OK(symlink("/", "m/d/up"));
	OK(symlink("file", "m/rel"));
	int dir = OK(open("m", O_DIRECTORY)), file = OK(open("m/file", O_RDONLY));
	FAILS(EINVAL, confined(dir, "file", 0, BENEATH | IN_ROOT));
	FAILS(EINVAL, confined(dir, "file", 0, 64));
	FAILS(EINVAL, confined(dir, "file", O_PATH | O_RDWR, 0));
	FAILS(EXDEV, confined(dir, "..", 0, BENEATH));
	FAILS(EXDEV, confined(dir, "/file", 0, BENEATH));
	FAILS(EXDEV, confined(dir, "d/up", 0, BENEATH));
	OK(confined(dir, "/file", 0, IN_ROOT));
	OK(confined(dir, "../../file", 0, IN_ROOT));
	OK(confined(dir, "d/up/file", 0, IN_ROOT));
	FAILS(ELOOP, confined(dir, "rel", 0, NO_LINKS));
	OK(confined(dir, "rel", 0, BENEATH));
	snprintf(magic, sizeof(magic), "self/fd/%d", file);
	int proc = OK(open("/proc", O_DIRECTORY));
	FAILS(EXDEV, confined(proc, magic, 0, BENEATH));
	FAILS(EXDEV, confined(proc, magic, 0, IN_ROOT));
	FAILS(EXDEV, confined(proc, magic, 0, NO_XDEV));
	FAILS(ELOOP, confined(proc, magic, 0, NO_MAGIC));
	FAILS(EXDEV, confined(dir, "d/up", 0, NO_XDEV));
	FAILS(EXDEV, confined(dir, "..", 0, NO_XDEV));
	FAILS(EAGAIN, confined(dir, "new", O_CREAT | O_RDWR, CACHED));
	OK(confined(dir, "file", 0, CACHED));
	finish();
}

static ssize_t put(int fd, const char *text, off_t at, unsigned flags)
{
	struct iovec v = {(void *)text, strlen(text)};

	return syscall(SYS_pwritev2, fd, &v, 1, at, at, flags);
}

static void flags_of_one_write(void)
{
	char text[64] = {};
	int ends[2];

	ktap_enter_dir();
	ktap_write_file("file", "0123456789");
	int fd = OK(open("file", O_RDWR));
	EQUAL(put(fd, "ab", 0, FLAG_APPEND), 2);
	EQUAL(pread(fd, text, 63, 0), 12);
	CHECK(strcmp(text, "0123456789ab") == 0);
	EQUAL(put(fd, "cd", -1, FLAG_APPEND), 2);
	EQUAL(lseek(fd, 0, SEEK_CUR), 14);
	EQUAL(put(fd, "X", 1, FLAG_SYNC | FLAG_POLL), 1);
	FAILS(EOPNOTSUPP, put(fd, "x", 0, 0x8000));
	FAILS(EINVAL, put(fd, "x", -2, 0));
	OK(pipe(ends));
	FAILS(ESPIPE, put(ends[0], "x", 0, 0));
	FAILS(EBADF, put(ends[0], "x", -1, 0));
	OK(fcntl(fd, F_SETFL, O_APPEND));
	EQUAL(put(fd, "ef", 0, 0), 2);
	EQUAL(pread(fd, text, 63, 0), 16);
	CHECK(strcmp(text, "0X23456789abcdef") == 0);
}

/* Linux has it since 6.9. */
static void one_write_does_not_append(void)
{
	char text[64] = {};
	int ends[2];

	ktap_enter_dir();
	ktap_write_file("file", "0123456789");
	int fd = OK(open("file", O_RDWR | O_APPEND));
	EQUAL(put(fd, "ab", 3, FLAG_NO_APPEND), 2);
	EQUAL(pread(fd, text, 63, 0), 10);
	CHECK(strcmp(text, "012ab56789") == 0);
	FAILS(EINVAL, put(fd, "ab", 3, FLAG_NO_APPEND | FLAG_APPEND));
	EQUAL(put(fd, "c", 0, FLAG_NO_WAIT | FLAG_NO_APPEND), 1);
	OK(pipe(ends));
	struct iovec v = {text, 1};
	FAILS(EAGAIN, syscall(SYS_preadv2, ends[0], &v, 1, -1L, -1L, FLAG_NO_WAIT));
}

static void mounts_can_be_watched(void)
{
	prepare();
	int fd = OK(open("/proc/self/mountinfo", O_RDONLY)), set = OK(epoll_create1(0));
	struct pollfd p = {fd, POLLPRI | POLLIN, 0};
	struct epoll_event event = {.events = EPOLLPRI};

	EQUAL(poll(&p, 1, 0), 1);
	EQUAL(p.revents, POLLIN);
	OK(mkdir("n", 0755));
	OK(mount("n", "n", "tmpfs", 0, nullptr));
	EQUAL(poll(&p, 1, 0), 1);
	EQUAL(p.revents, POLLIN | POLLPRI | POLLERR);
	poll(&p, 1, 0);
	EQUAL(p.revents, POLLIN);
	OK(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event));
	EQUAL(epoll_wait(set, &event, 1, 0), 0);
	OK(umount("n"));
	EQUAL(epoll_wait(set, &event, 1, 0), 1);
	EQUAL(event.events, EPOLLPRI | EPOLLERR);
	p.events = POLLPRI;
	pid_t child = CHILD(ktap_until_state(getppid(), "S");
			    OK(mount(nullptr, "m", nullptr, MS_REMOUNT | MS_NOSUID, nullptr)));
	EQUAL(poll(&p, 1, -1), 1);
	EXITS(child, 0);
	FAILS(EPERM, epoll_ctl(set, EPOLL_CTL_ADD, OK(open("/proc/self/status", O_RDONLY)), &event));
	finish();
}

/* A file that is sealed against execution, or as executable as it is, stays so. */
static void executable_or_not_for_good(void)
{
	enum { NOEXEC_SEAL = 8, EXEC = 16, SEAL_EXEC = 32, SEAL_CHANGES = 0x1e };
	int plain = OK(memfd_create("plain", MFD_ALLOW_SEALING));
	int fd = memfd_create("data", NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL)
		ktap_skip("older than memfds that are not executable");
	EQUAL(fcntl(fd, F_GET_SEALS), SEAL_EXEC);
	FAILS(EPERM, fchmod(fd, 0700));
	OK(fchmod(fd, 0600));
	OK(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
	FAILS(EINVAL, memfd_create("both", NOEXEC_SEAL | EXEC));
	OK(fcntl(plain, F_ADD_SEALS, SEAL_EXEC));
	EQUAL(fcntl(plain, F_GET_SEALS), SEAL_EXEC | SEAL_CHANGES);
	FAILS(EPERM, fchmod(plain, 0600));
	FAILS(EPERM, write(plain, "x", 1));
}

KTAP_MAIN(CASE(noexec_maps_stay_so), CASE(what_is_read_may_be_executed), CASE(writers_keep_a_mount_writable),
	  CASE(attributes_of_mounts), CASE(seals_and_maps), CASE(names_for_open_files),
	  CASE(descriptors_that_only_name), CASE(confined_walks), CASE(flags_of_one_write),
	  STELLUX_CASE(one_write_does_not_append), CASE(mounts_can_be_watched), CASE(executable_or_not_for_good))
