/* SPDX-License-Identifier: MIT */
/*
 * Mounting: what covers what, busy and lazy unmounting, limits of tmpfs, read-only and bind mounts, moving, chroot and
 * pivot_root; and the files of memfd_create.
 */
#include "ktap.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

static void prepare(void)
{
	ktap_enter_dir();
	OK(mkdir("m", 0755));
	/* Where there are mount namespaces, the machine's own is left alone. */
	if (!ktap_on_stellux()) {
		OK(unshare(CLONE_NEWNS));
		OK(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
	}
}

static void covering(void)
{
	struct stat below, on, up;

	prepare();
	ktap_write_file("m/hidden", "x");
	OK(stat("m", &below));
	OK(mount("one", "m", "tmpfs", 0, nullptr));
	OK(stat("m", &on));
	CHECK(below.st_dev != on.st_dev);
	FAILS(ENOENT, access("m/hidden", F_OK));
	OK(stat("m/..", &up));
	EQUAL(up.st_dev, below.st_dev);
	OK(mount("two", "m", "tmpfs", 0, nullptr)); /* on top of the first */
	ktap_write_file("m/top", "x");
	OK(umount("m"));
	FAILS(ENOENT, access("m/top", F_OK));
	FAILS(EXDEV, rename("m", "n") == -1 && errno == EBUSY ? (errno = EXDEV, -1) : 0);
	FAILS(EBUSY, rmdir("m"));
	OK(umount("m"));
	OK(access("m/hidden", F_OK));
	FAILS(EINVAL, umount("m"));
	FAILS(ENODEV, mount("x", "m", "no-such-type", 0, nullptr));
	FAILS(ENOENT, mount("x", "missing", "tmpfs", 0, nullptr));
	FAILS(ENOTDIR, mount("x", "m/hidden", "tmpfs", 0, nullptr));
	OK(unlink("m/hidden"));
}

static void busy_and_lazy(void)
{
	char text[8] = {};

	prepare();
	OK(mount("t", "m", "tmpfs", 0, nullptr));
	ktap_write_file("m/file", "alive");
	int fd = OK(open("m/file", O_RDONLY));
	FAILS(EBUSY, umount("m"));
	OK(umount2("m", MNT_DETACH));
	FAILS(ENOENT, access("m/file", F_OK));
	EQUAL(read(fd, text, 8), 5);
	CHECK(strcmp(text, "alive") == 0);
	OK(close(fd));
	OK(mount("t", "m", "tmpfs", 0, nullptr));
	OK(mkdir("m/inner", 0755));
	OK(mount("u", "m/inner", "tmpfs", 0, nullptr));
	FAILS(EBUSY, umount("m"));
	OK(umount("m/inner"));
	OK(umount("m"));
	/* Lazily a whole tree goes; what is open in it stays. */
	OK(mount("t", "m", "tmpfs", 0, nullptr));
	OK(mkdir("m/inner", 0755));
	OK(mount("u", "m/inner", "tmpfs", 0, nullptr));
	OK(mkdir("m/inner/deep", 0755));
	OK(mount("v", "m/inner/deep", "tmpfs", 0, nullptr));
	ktap_write_file("m/inner/deep/file", "alive");
	fd = OK(open("m/inner/deep/file", O_RDONLY));
	OK(umount2("m", MNT_DETACH));
	FAILS(ENOENT, access("m/inner", F_OK));
	EQUAL(read(fd, text, 8), 5);
	OK(close(fd));
	FAILS(EINVAL, umount("m"));
}

static void limits(void)
{
	static char block[65536];
	struct statfs s;
	long written = 0, n;

	prepare();
	OK(mount("t", "m", "tmpfs", 0, "size=256k,nr_inodes=10,mode=700,uid=5,gid=6"));
	struct stat status;
	OK(stat("m", &status));
	EQUAL(status.st_mode, S_IFDIR | 0700);
	EQUAL(status.st_uid, 5);
	EQUAL(status.st_gid, 6);
	OK(statfs("m", &s));
	EQUAL(s.f_blocks * s.f_bsize, 262144);
	EQUAL(s.f_files, 10);
	int fd = OK(open("m/file", O_RDWR | O_CREAT, 0600));
	while ((n = write(fd, block, sizeof(block))) > 0)
		written += n;
	EQUAL(errno, ENOSPC);
	EQUAL(written, 262144);
	OK(ftruncate(fd, 4096));
	OK(statfs("m", &s));
	EQUAL(s.f_bfree, 63);
	for (int i = 0; i < 20; i++) {
		char name[16];
		snprintf(name, sizeof(name), "m/%d", i);
		int made = open(name, O_CREAT | O_RDWR, 0600);
		if (i < 8)
			OK(close(OK(made)));
		else
			CHECK(made == -1);
	}
	OK(close(fd));
	OK(umount("m"));
	FAILS(EINVAL, mount("t", "m", "tmpfs", 0, "size=nonsense"));
	FAILS(EINVAL, mount("t", "m", "tmpfs", 0, "colour=red"));
}

static void read_only(void)
{
	prepare();
	OK(mount("t", "m", "tmpfs", 0, nullptr));
	ktap_write_file("m/file", "x");
	OK(mount(nullptr, "m", nullptr, MS_REMOUNT | MS_RDONLY, nullptr));
	FAILS(EROFS, open("m/file", O_RDWR));
	FAILS(EROFS, open("m/new", O_RDWR | O_CREAT, 0600));
	FAILS(EROFS, unlink("m/file"));
	FAILS(EROFS, mkdir("m/dir", 0700));
	FAILS(EROFS, chmod("m/file", 0600));
	FAILS(EROFS, truncate("m/file", 0));
	FAILS(EROFS, access("m/file", W_OK));
	FAILS(EROFS, link("m/file", "m/other"));
	FAILS(EROFS, rename("m/file", "m/other"));
	OK(close(OK(open("m/file", O_RDONLY))));
	OK(mount(nullptr, "m", nullptr, MS_REMOUNT | MS_NOEXEC | MS_NODEV, nullptr));
	ktap_write_file("m/file", "y");
	OK(chmod("m/file", 0755));
	FAILS(EACCES, execl("m/file", "m/file", nullptr));
	OK(mknod("m/null", S_IFCHR | 0666, 0x103));
	FAILS(EACCES, open("m/null", O_RDWR));
	OK(umount("m"));
}

static void bind_and_move(void)
{
	struct stat a, b;

	prepare();
	OK(mkdir("a", 0755));
	OK(mkdir("a/sub", 0755));
	ktap_write_file("a/sub/file", "x");
	OK(mount("a/sub", "m", nullptr, MS_BIND, nullptr));
	OK(stat("a/sub/file", &a));
	OK(stat("m/file", &b));
	EQUAL(a.st_ino, b.st_ino);
	EQUAL(a.st_dev, b.st_dev);
	FAILS(EXDEV, link("a/sub/file", "m/link"));
	FAILS(EXDEV, rename("a/sub/file", "m/renamed"));
	ktap_write_file("m/new", "y");
	OK(access("a/sub/new", F_OK));
	OK(stat("m/..", &b));
	OK(stat(".", &a));
	EQUAL(a.st_ino, b.st_ino);
	OK(mkdir("n", 0755));
	OK(mount("m", "n", nullptr, MS_MOVE, nullptr));
	FAILS(ENOENT, access("m/file", F_OK));
	OK(access("n/file", F_OK));
	OK(umount("n"));
}

/* What is mounted below comes along with MS_REC alone, even into the tree itself; what is beside does not. */
static void bind_trees(void)
{
	prepare();
	OK(mkdir("a", 0755));
	OK(mkdir("a/x", 0755));
	OK(mkdir("beside", 0755));
	OK(mount("one", "a/x", "tmpfs", MS_NODEV, nullptr));
	OK(mkdir("a/x/y", 0755));
	OK(mount("two", "a/x/y", "tmpfs", 0, nullptr));
	OK(mkdir("a/x/y/into", 0755));
	ktap_write_file("a/x/y/deep", "x");
	OK(mount("three", "beside", "tmpfs", 0, nullptr));
	OK(mount("a", "m", nullptr, MS_BIND, nullptr));
	FAILS(ENOENT, access("m/x/y", F_OK));
	OK(umount("m"));
	OK(mount("a", "m", nullptr, MS_BIND | MS_REC, nullptr));
	OK(access("m/x/y/deep", F_OK));
	ktap_write_file("m/x/y/new", "y");
	OK(access("a/x/y/new", F_OK));
	OK(mount("a", "a/x/y/into", nullptr, MS_BIND | MS_REC, nullptr));
	OK(access("a/x/y/into/x/y/deep", F_OK));
	FAILS(ENOENT, access("a/x/y/into/x/y/into/x", F_OK));
	static const char *const order[] = {"a/x/y/into/x/y", "a/x/y/into/x", "a/x/y/into", "m/x/y", "m/x", "m",
					    "a/x/y",	      "a/x",	      "beside"};
	for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++)
		OK(umount(order[i]));
}

static void flags_that_do_nothing_are_refused(void)
{
	prepare();
	FAILS(EINVAL, mount("t", "m", "tmpfs", MS_SYNCHRONOUS, nullptr));
	FAILS(EINVAL, mount("t", "m", "tmpfs", MS_DIRSYNC, nullptr));
	FAILS(EINVAL, mount("t", "m", "tmpfs", MS_MANDLOCK, nullptr));
	OK(mount("t", "m", "tmpfs", 0, nullptr));
	FAILS(EINVAL, umount2("m", MNT_EXPIRE));
	OK(umount("m"));
}

/* A filesystem that has no requests to give up is unmounted as without it: not while it is in use. */
static void force_changes_nothing(void)
{
	prepare();
	OK(mount("t", "m", "tmpfs", 0, nullptr));
	int fd = OK(open("m/file", O_CREAT | O_RDWR, 0600));
	FAILS(EBUSY, umount2("m", MNT_FORCE));
	OK(close(fd));
	OK(umount2("m", MNT_FORCE));
	FAILS(ENOENT, access("m/file", F_OK));
	OK(mount("t", "m", "tmpfs", 0, nullptr));
	fd = OK(open("m/file", O_CREAT | O_RDWR, 0600));
	OK(umount2("m", MNT_FORCE | MNT_DETACH));
	OK(close(fd));
	FAILS(EINVAL, umount2("m", MNT_FORCE));
}

static void change_of_root(void)
{
	prepare();
	OK(mount("t", "m", "tmpfs", 0, nullptr));
	OK(mkdir("m/old", 0755));
	ktap_write_file("m/here", "x");
	EXITS(CHILD(char where[64]; OK(chroot("m")); OK(chdir("/")); OK(access("/here", F_OK)); OK(chdir("../../old"));
		    CHECK(strcmp(getcwd(where, 64), "/old") == 0); OK(access("/../here", F_OK));
		    FAILS(ENOENT, access("/tmp", F_OK))),
	      0);
	OK(umount("m"));
}

/* The sealed file cannot be changed through mappings either. */
static void seal_and_map(int fd)
{
	char *map = mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	CHECK(map != MAP_FAILED);
	FAILS(EBUSY, fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	EXITS(CHILD(OK(munmap(map, 8192)); FAILS(EBUSY, fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE))), 0);
	OK(munmap(map, 4096));
	FAILS(EBUSY, fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	OK(mprotect(map + 4096, 4096, PROT_READ)); /* it may become writable again */
	FAILS(EBUSY, fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	OK(munmap(map + 4096, 4096));
	map = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	OK(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
	*map = 'z'; /* older mappings go on */
	FAILS(EPERM, pwrite(fd, "x", 1, 0));
	FAILS(EPERM, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
	FAILS(EBUSY, fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	OK(munmap(map, 4096));
	FAILS(EPERM, mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	map = mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(map != MAP_FAILED);
	FAILS(EACCES, mprotect(map, 4096, PROT_READ | PROT_WRITE));
	char *own = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(own != MAP_FAILED);
	*own = 'y';
	CHECK(*map != 'y');
}

static void memory_files(void)
{
	char path[64], target[64] = {};
	int fd = OK(memfd_create("name", MFD_ALLOW_SEALING));

	OK(ftruncate(fd, 8192));
	char *map = mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(map != MAP_FAILED);
	strcpy(map, "through the map");
	char text[16] = {};
	EQUAL(pread(fd, text, 15, 0), 15);
	CHECK(strcmp(text, "through the map") == 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	OK(readlink(path, target, sizeof(target) - 1));
	CHECK(strcmp(target, "/memfd:name (deleted)") == 0);
	OK(close(OK(open(path, O_RDONLY))));
	OK(munmap(map, 8192));
	OK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW));
	EQUAL(fcntl(fd, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW);
	FAILS(EPERM, ftruncate(fd, 4096));
	FAILS(EPERM, ftruncate(fd, 16384));
	FAILS(EPERM, pwrite(fd, "x", 1, 8192));
	EQUAL(pwrite(fd, "x", 1, 0), 1);
	seal_and_map(fd);
	OK(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SEAL));
	FAILS(EPERM, pwrite(fd, "x", 1, 0));
	FAILS(EPERM, mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	CHECK(mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED);
	FAILS(EPERM, fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
	int sizes = OK(memfd_create("sizes", MFD_ALLOW_SEALING));
	OK(fcntl(sizes, F_ADD_SEALS, F_SEAL_WRITE));
	OK(ftruncate(sizes, 8192)); /* the size has seals of its own */
	OK(ftruncate(sizes, 4096));
	OK(fallocate(sizes, 0, 0, 16384));
	FAILS(EPERM, fcntl(OK(memfd_create("plain", 0)), F_ADD_SEALS, F_SEAL_SHRINK));
}

static int sealed;
static char *much;
enum : size_t { MUCH = 16 << 20 };

static void *write_much(void *)
{
	EQUAL(pwrite(sealed, much, MUCH, 0), MUCH);
	return nullptr;
}

/* What is sealed does not change any more, not by a write either that began before: the seal waits for its end. */
static void seal_during_a_write(int seal)
{
	pthread_t thread;
	char first = 0, last, later;

	sealed = OK(memfd_create("sealed", MFD_ALLOW_SEALING));
	OK(ftruncate(sealed, MUCH));
	much = mmap(nullptr, MUCH, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(much != MAP_FAILED);
	memset(much, 'x', MUCH);
	EQUAL(pthread_create(&thread, nullptr, write_much, nullptr), 0);
	while (first == 0)
		EQUAL(pread(sealed, &first, 1, 0), 1);
	OK(fcntl(sealed, F_ADD_SEALS, seal | F_SEAL_SEAL));
	EQUAL(pread(sealed, &last, 1, MUCH - 1), 1);
	EQUAL(pthread_join(thread, nullptr), 0);
	EQUAL(pread(sealed, &later, 1, MUCH - 1), 1);
	EQUAL(last, 'x');
	EQUAL(later, last);
	FAILS(EPERM, pwrite(sealed, "y", 1, 0));
	EQUAL(fcntl(sealed, F_GET_SEALS), seal | F_SEAL_SEAL);
	OK(close(sealed));
	OK(munmap(much, MUCH));
}

static void sealed_during_a_write(void)
{
	seal_during_a_write(F_SEAL_WRITE);
	seal_during_a_write(F_SEAL_FUTURE_WRITE);
}

static void unnamed_files(void)
{
	char path[64];

	ktap_enter_dir();
	int fd = OK(open(".", O_TMPFILE | O_RDWR, 0640));
	EQUAL(write(fd, "text", 4), 4);
	struct stat status;
	OK(fstat(fd, &status));
	EQUAL(status.st_nlink, 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	OK(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
	OK(fstat(fd, &status));
	EQUAL(status.st_nlink, 1);
	char text[8] = {};
	EQUAL(ktap_read_file("named", text, sizeof(text)), 4);
	FAILS(EINVAL, open(".", O_TMPFILE | O_RDONLY, 0600));
}

/* Holes are zeros, also where the file is mapped, and take no room. */
static void holes(void)
{
	struct stat status;

	ktap_enter_dir();
	int fd = OK(open("file", O_RDWR | O_CREAT, 0600));
	OK(ftruncate(fd, 10 * 4096));
	char *map = mmap(nullptr, 10 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(map != MAP_FAILED);
	memset(map, 'x', 2 * 4096);
	static char block[8 * 4096];
	memset(block, 'y', sizeof(block));
	EQUAL(pwrite(fd, block, sizeof(block), 2 * 4096), sizeof(block));
	OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, 8 * 4096));
	CHECK(map[99] == 'x' && map[100] == 0 && map[4096] == 0 && map[7 * 4096] == 0 && map[8 * 4096 + 99] == 0);
	EQUAL(map[8 * 4096 + 100], 'y');
	OK(fstat(fd, &status));
	EQUAL(status.st_size, 10 * 4096);
	CHECK(status.st_blocks <= 10 * 8);
	EQUAL(lseek(fd, 0, SEEK_END), 10 * 4096);
	OK(munmap(map, 10 * 4096));
	OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 8 * 4096));
	EQUAL(lseek(fd, 0, SEEK_DATA), 8 * 4096);
	EQUAL(lseek(fd, 0, SEEK_HOLE), 0);
	EQUAL(lseek(fd, 8 * 4096, SEEK_HOLE), 10 * 4096);
	FAILS(ENXIO, lseek(fd, 10 * 4096, SEEK_DATA));
	OK(fallocate(fd, 0, 10 * 4096, 4096));
	OK(fstat(fd, &status));
	EQUAL(status.st_size, 11 * 4096);
	FAILS(EINVAL, fallocate(fd, 0, 0, 0));
	FAILS(EBADF, fallocate(OK(open("file", O_RDONLY)), 0, 0, 1));
}

/* Others walk through a mount point while it comes and goes. */
static void walks_meanwhile(void)
{
	pid_t walkers[2];

	prepare();
	OK(mkdir("m/x", 0755));
	for (int i = 0; i < 2; i++)
		walkers[i] = CHILD(for (int n = 0; n < 2000; n++) {
			struct stat s;
			OK(stat("m/..", &s));
			(void)!stat("m/x/../y", &s);
			int fd = open("m/file", O_RDWR | O_CREAT, 0600);
			if (fd >= 0)
				close(fd);
		});
	for (int n = 0; n < 150; n++) {
		OK(mount("t", "m", "tmpfs", 0, nullptr));
		ktap_write_file("m/y", "x");
		OK(umount2("m", MNT_DETACH));
	}
	for (int i = 0; i < 2; i++)
		EXITS(walkers[i], 0);
}

KTAP_MAIN(CASE(holes), CASE(walks_meanwhile), CASE(covering), CASE(busy_and_lazy), CASE(limits), CASE(read_only),
	  CASE(bind_and_move), CASE(bind_trees), STELLUX_CASE(flags_that_do_nothing_are_refused),
	  CASE(force_changes_nothing), CASE(change_of_root), CASE(memory_files), CASE(sealed_during_a_write),
	  CASE(unnamed_files))
