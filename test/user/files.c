/* SPDX-License-Identifier: MIT */
/*
 * Files and names: open's flags, offsets, sparse files, links, renames, directories, symbolic
 * links, times, permissions. On tmpfs (a folder of the case's own under /tmp).
 */
#include "ktap.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

static bool content_is(const char *path, const char *text)
{
	char have[256];

	ktap_read_file(path, have, sizeof(have));
	return strcmp(have, text) == 0;
}

static void open_flags(void)
{
	ktap_enter_dir();
	FAILS(ENOENT, open("file", O_RDWR));
	int fd = OK(open("file", O_RDWR | O_CREAT | O_EXCL, 0640));
	EQUAL(write(fd, "content", 7), 7);
	FAILS(EEXIST, open("file", O_RDWR | O_CREAT | O_EXCL, 0640));
	OK(close(OK(open("file", O_RDWR | O_CREAT, 0640))));
	CHECK(content_is("file", "content"));
	OK(close(OK(open("file", O_WRONLY | O_TRUNC))));
	CHECK(content_is("file", ""));
	FAILS(ENOTDIR, open("file", O_RDONLY | O_DIRECTORY));
	OK(close(OK(open(".", O_RDONLY | O_DIRECTORY))));
	FAILS(EISDIR, open(".", O_RDWR));
	FAILS(EISDIR, open(".", O_WRONLY | O_CREAT, 0600));
	FAILS(ENOENT, open("", O_RDONLY));
	FAILS(ENOTDIR, open("file/x", O_RDONLY));
	FAILS(EISDIR, open("missing/", O_RDWR | O_CREAT, 0600));
}

static void reading_needs_the_right_mode(void)
{
	char c = 'c';

	ktap_enter_dir();
	ktap_write_file("file", "abc");
	int reader = OK(open("file", O_RDONLY));
	int writer = OK(open("file", O_WRONLY));
	FAILS(EBADF, write(reader, &c, 1));
	FAILS(EBADF, read(writer, &c, 1));
	FAILS(EINVAL, ftruncate(reader, 0));
	FAILS(EISDIR, read(OK(open(".", O_RDONLY)), &c, 1));
}

static void appending(void)
{
	ktap_enter_dir();
	ktap_write_file("file", "one");
	int a = OK(open("file", O_WRONLY | O_APPEND));
	int b = OK(open("file", O_WRONLY | O_APPEND));
	EQUAL(write(a, "-two", 4), 4);
	EQUAL(write(b, "-three", 6), 6);
	OK(lseek(a, 0, SEEK_SET));
	EQUAL(write(a, "!", 1), 1);
	CHECK(content_is("file", "one-two-three!"));
}

static void seeking(void)
{
	char c;

	ktap_enter_dir();
	ktap_write_file("file", "0123456789");
	int fd = OK(open("file", O_RDWR));
	EQUAL(lseek(fd, 4, SEEK_SET), 4);
	EQUAL(lseek(fd, 2, SEEK_CUR), 6);
	EQUAL(lseek(fd, -1, SEEK_END), 9);
	EQUAL(read(fd, &c, 1), 1);
	EQUAL(c, '9');
	EQUAL(read(fd, &c, 1), 0);
	FAILS(EINVAL, lseek(fd, -1, SEEK_SET));
	FAILS(EINVAL, lseek(fd, 0, 99));
	FAILS(EINVAL, lseek(fd, -100, SEEK_CUR));
	EQUAL(lseek(fd, 0, SEEK_CUR), 10);
	EQUAL(lseek(fd, 1000, SEEK_SET), 1000);
	EQUAL(read(fd, &c, 1), 0);
}

static void positioned_input_and_output(void)
{
	char text[8] = {};

	ktap_enter_dir();
	int fd = OK(open("file", O_RDWR | O_CREAT, 0600));
	EQUAL(pwrite(fd, "abcdef", 6, 3), 6);
	EQUAL(lseek(fd, 0, SEEK_CUR), 0);
	EQUAL(pread(fd, text, 3, 5), 3);
	CHECK(memcmp(text, "cde", 3) == 0);
	FAILS(EINVAL, pread(fd, text, 1, -1));
	EQUAL(preadv(fd, &(struct iovec){text, 2}, 1, 3), 2);
	CHECK(memcmp(text, "ab", 2) == 0);
}

static void sparse_files(void)
{
	struct stat status;
	char c = 1;

	ktap_enter_dir();
	int fd = OK(open("file", O_RDWR | O_CREAT, 0600));
	EQUAL(pwrite(fd, "x", 1, 100'000'000), 1);
	OK(fstat(fd, &status));
	EQUAL(status.st_size, 100'000'001);
	CHECK(status.st_blocks < 1000);
	EQUAL(pread(fd, &c, 1, 50'000'000), 1);
	EQUAL(c, 0);
	EQUAL(pread(fd, &c, 1, 100'000'000), 1);
	EQUAL(c, 'x');
	OK(ftruncate(fd, 5));
	OK(fstat(fd, &status));
	EQUAL(status.st_size, 5);
	EQUAL(pread(fd, &c, 1, 5), 0);
}

static void truncation(void)
{
	char text[16] = {};

	ktap_enter_dir();
	ktap_write_file("file", "0123456789");
	OK(truncate("file", 4));
	CHECK(content_is("file", "0123"));
	OK(truncate("file", 8));
	int fd = OK(open("file", O_RDWR));
	EQUAL(read(fd, text, 16), 8);
	CHECK(memcmp(text, "0123\0\0\0\0", 8) == 0);
	FAILS(EINVAL, truncate("file", -1));
	FAILS(EISDIR, truncate(".", 0));
	FAILS(ENOENT, truncate("missing", 0));
}

static void size_limit(void)
{
	ktap_enter_dir();
	signal(SIGXFSZ, SIG_IGN);
	OK(setrlimit(RLIMIT_FSIZE, &(struct rlimit){100, 100}));
	int fd = OK(open("file", O_RDWR | O_CREAT, 0600));
	EQUAL(pwrite(fd, "abcdef", 6, 96), 4);
	FAILS(EFBIG, pwrite(fd, "x", 1, 100));
	FAILS(EFBIG, ftruncate(fd, 101));
}

static void hard_links(void)
{
	struct stat a, b;

	ktap_enter_dir();
	ktap_write_file("a", "same");
	OK(link("a", "b"));
	OK(stat("a", &a));
	OK(stat("b", &b));
	EQUAL(a.st_ino, b.st_ino);
	EQUAL(a.st_nlink, 2);
	OK(unlink("a"));
	CHECK(content_is("b", "same"));
	OK(stat("b", &b));
	EQUAL(b.st_nlink, 1);
	FAILS(EEXIST, link("b", "b"));
	FAILS(ENOENT, link("a", "c"));
	OK(mkdir("dir", 0700));
	FAILS(EPERM, link("dir", "dir2"));
	FAILS(EISDIR, unlink("dir"));
	FAILS(ENOENT, unlink("a"));
	FAILS(EXDEV, link("b", "/dev/ktap-link"));
}

static void unlinked_files_live_on(void)
{
	char text[8] = {};
	struct stat status;

	ktap_enter_dir();
	ktap_write_file("file", "alive");
	int fd = OK(open("file", O_RDWR));
	OK(unlink("file"));
	FAILS(ENOENT, open("file", O_RDONLY));
	EQUAL(read(fd, text, 8), 5);
	EQUAL(write(fd, "!", 1), 1);
	OK(fstat(fd, &status));
	EQUAL(status.st_nlink, 0);
	EQUAL(status.st_size, 6);
}

static void renaming(void)
{
	struct stat before, after;

	ktap_enter_dir();
	ktap_write_file("a", "A");
	ktap_write_file("b", "B");
	OK(stat("a", &before));
	OK(rename("a", "b"));
	OK(stat("b", &after));
	EQUAL(before.st_ino, after.st_ino);
	CHECK(content_is("b", "A"));
	FAILS(ENOENT, rename("a", "c"));
	OK(rename("b", "b"));
	OK(mkdir("dir", 0700));
	OK(mkdir("dir/sub", 0700));
	OK(mkdir("empty", 0700));
	FAILS(ENOTDIR, rename("dir", "b"));
	FAILS(EISDIR, rename("b", "dir"));
	FAILS(EINVAL, rename("dir", "dir/sub/inner"));
	errno = 0;
	CHECK(rename("empty", "dir") == -1 && (errno == ENOTEMPTY || errno == EEXIST));
	OK(rename("dir", "empty"));
	OK(stat("empty/sub", &after));
	OK(rename("b", "empty/sub/b"));
	CHECK(content_is("empty/sub/b", "A"));
	OK(stat("empty", &after));
	EQUAL(after.st_nlink, 3);
	FAILS(EBUSY, rename("empty/sub", "empty/sub/."));
}

static void rename_flags(void)
{
	ktap_enter_dir();
	ktap_write_file("a", "A");
	ktap_write_file("b", "B");
	FAILS(EEXIST, syscall(SYS_renameat2, AT_FDCWD, "a", AT_FDCWD, "b", 1));
	OK(syscall(SYS_renameat2, AT_FDCWD, "a", AT_FDCWD, "b", 2));
	CHECK(content_is("a", "B") && content_is("b", "A"));
	FAILS(EINVAL, syscall(SYS_renameat2, AT_FDCWD, "a", AT_FDCWD, "b", 0x100));
}

static void directories(void)
{
	struct stat status;

	ktap_enter_dir();
	OK(mkdir("d", 0755));
	FAILS(EEXIST, mkdir("d", 0755));
	FAILS(ENOENT, mkdir("x/y", 0755));
	OK(mkdir("d/e", 0755));
	OK(stat("d", &status));
	EQUAL(status.st_nlink, 3);
	CHECK(S_ISDIR(status.st_mode));
	FAILS(ENOTEMPTY, rmdir("d"));
	OK(rmdir("d/e"));
	OK(mkdir("d/trailing/", 0755));
	OK(rmdir("d/trailing/"));
	FAILS(EINVAL, rmdir("d/."));
	OK(rmdir("d"));
	FAILS(ENOENT, rmdir("d"));
	ktap_write_file("file", "");
	FAILS(ENOTDIR, rmdir("file"));
}

static void a_removed_directory_is_dead(void)
{
	char path[PATH_MAX];

	ktap_enter_dir();
	OK(mkdir("d", 0755));
	OK(chdir("d"));
	OK(rmdir("../d"));
	FAILS(ENOENT, open("file", O_RDWR | O_CREAT, 0600));
	FAILS(ENOENT, mkdir("sub", 0700));
	FAILS(ENOENT, syscall(SYS_getcwd, path, sizeof(path)));
}

static void reading_directories(void)
{
	enum { COUNT = 500 };
	bool seen[COUNT] = {};
	int found = 0, dots = 0;
	char name[20];

	ktap_enter_dir();
	for (int i = 0; i < COUNT; i++) {
		snprintf(name, sizeof(name), "entry-%d", i);
		ktap_write_file(name, "");
	}
	DIR *dir = opendir(".");
	CHECK(dir != nullptr);
	for (struct dirent *entry; (entry = readdir(dir)) != nullptr;) {
		int number;

		if (entry->d_name[0] == '.') {
			dots++;
			EQUAL(entry->d_type, DT_DIR);
			continue;
		}
		EQUAL(sscanf(entry->d_name, "entry-%d", &number), 1);
		CHECK(number >= 0 && number < COUNT && !seen[number]);
		EQUAL(entry->d_type, DT_REG);
		seen[number] = true;
		found++;
	}
	EQUAL(dots, 2);
	EQUAL(found, COUNT);
	rewinddir(dir);
	CHECK(readdir(dir) != nullptr);
	/* Entries that stay are seen once while others are removed under the reader. */
	rewinddir(dir);
	found = 0;
	for (struct dirent *entry; (entry = readdir(dir)) != nullptr;) {
		if (entry->d_name[0] != '.') {
			OK(unlink(entry->d_name));
			found++;
		}
	}
	EQUAL(found, COUNT);
	char tiny[4];
	FAILS(EINVAL, syscall(SYS_getdents64, OK(open("/", O_RDONLY)), tiny, sizeof(tiny)));
	FAILS(ENOTDIR, syscall(SYS_getdents64, OK(open("/dev/null", O_RDONLY)), name, sizeof(name)));
}

static void symbolic_links(void)
{
	char text[64] = {};
	struct stat status;

	ktap_enter_dir();
	ktap_write_file("file", "through");
	OK(symlink("file", "link"));
	CHECK(content_is("link", "through"));
	EQUAL(readlink("link", text, sizeof(text)), 4);
	CHECK(strcmp(text, "file") == 0);
	EQUAL(readlink("link", text, 2), 2);
	OK(lstat("link", &status));
	CHECK(S_ISLNK(status.st_mode));
	EQUAL(status.st_size, 4);
	OK(stat("link", &status));
	CHECK(S_ISREG(status.st_mode));
	FAILS(EINVAL, readlink("file", text, sizeof(text)));
	FAILS(EEXIST, symlink("x", "link"));
	FAILS(ENOENT, symlink("", "empty"));
	FAILS(ELOOP, open("link", O_RDONLY | O_NOFOLLOW));
	OK(symlink("loop2", "loop1"));
	OK(symlink("loop1", "loop2"));
	FAILS(ELOOP, open("loop1", O_RDONLY));
	FAILS(ELOOP, stat("loop1/x", &status));
	OK(symlink("missing", "dangling"));
	FAILS(ENOENT, open("dangling", O_RDONLY));
	FAILS(EEXIST, open("dangling", O_RDWR | O_CREAT | O_EXCL, 0600));
	OK(close(OK(open("dangling", O_RDWR | O_CREAT, 0600))));
	OK(stat("missing", &status));
	OK(mkdir("dir", 0700));
	ktap_write_file("dir/inner", "in");
	OK(symlink("dir", "dirlink"));
	CHECK(content_is("dirlink/inner", "in"));
	CHECK(content_is("dirlink/../file", "through"));
	FAILS(ENOTDIR, rmdir("dirlink"));
	OK(unlink("dirlink"));
	CHECK(content_is("dir/inner", "in"));
}

static void long_symlink_chains(void)
{
	char name[16], target[16];

	ktap_enter_dir();
	ktap_write_file("l0", "end");
	for (int i = 1; i <= 41; i++) {
		snprintf(target, sizeof(target), "l%d", i - 1);
		snprintf(name, sizeof(name), "l%d", i);
		OK(symlink(target, name));
	}
	CHECK(content_is("l40", "end"));
	FAILS(ELOOP, open("l41", O_RDONLY));
}

static void names_have_limits(void)
{
	static char name[5000];

	ktap_enter_dir();
	memset(name, 'n', 255);
	OK(close(OK(open(name, O_RDWR | O_CREAT, 0600))));
	OK(unlink(name));
	name[255] = 'n';
	FAILS(ENAMETOOLONG, open(name, O_RDWR | O_CREAT, 0600));
	memset(name, '/', 4096);
	FAILS(ENAMETOOLONG, open(name, O_RDONLY));
	name[4095] = '\0';
	OK(close(OK(open(name, O_RDONLY))));
	OK(mkdir("ünïcødé \n name", 0700));
	OK(rmdir("ünïcødé \n name"));
}

static void paths_are_walked(void)
{
	char path[PATH_MAX];
	struct stat a, b;

	ktap_enter_dir();
	OK(mkdir("d", 0700));
	OK(mkdir("d/e", 0700));
	OK(chdir("d/./e/../../d//e"));
	CHECK(getcwd(path, sizeof(path)) != nullptr);
	CHECK(strcmp(path + strlen(path) - 4, "/d/e") == 0);
	FAILS(ERANGE, syscall(SYS_getcwd, path, 2));
	OK(stat("../..", &a));
	OK(chdir("../.."));
	OK(stat(".", &b));
	EQUAL(a.st_ino, b.st_ino);
	OK(stat("/../..", &a));
	OK(stat("/", &b));
	EQUAL(a.st_ino, b.st_ino);
}

static void at_functions(void)
{
	struct stat status;

	ktap_enter_dir();
	OK(mkdir("d", 0700));
	int dir = OK(open("d", O_RDONLY | O_DIRECTORY));
	int fd = OK(openat(dir, "file", O_RDWR | O_CREAT, 0600));
	EQUAL(write(fd, "at", 2), 2);
	CHECK(content_is("d/file", "at"));
	OK(fstatat(dir, "file", &status, 0));
	EQUAL(status.st_size, 2);
	OK(fstatat(fd, "", &status, AT_EMPTY_PATH));
	EQUAL(status.st_size, 2);
	FAILS(ENOENT, fstatat(fd, "", &status, 0));
	FAILS(ENOTDIR, openat(fd, "x", O_RDONLY));
	FAILS(EBADF, openat(999, "x", O_RDONLY));
	OK(mkdirat(dir, "sub", 0700));
	OK(renameat(dir, "file", AT_FDCWD, "moved"));
	OK(unlinkat(dir, "sub", AT_REMOVEDIR));
	FAILS(EINVAL, unlinkat(dir, "sub", 0x4000));
	OK(symlinkat("t", dir, "link"));
	OK(linkat(AT_FDCWD, "moved", dir, "again", 0));
	OK(faccessat(dir, "again", R_OK, 0));
	OK(fchdir(dir));
	CHECK(content_is("again", "at"));
	struct {
		char space[256];
	} extended;
	OK(syscall(SYS_statx, AT_FDCWD, "again", 0, 0x7ff, &extended));
	int path_only = OK(open("again", O_PATH));
	FAILS(EBADF, read(path_only, &status, 1));
	OK(fstat(path_only, &status));
}

static void modes_and_umask(void)
{
	struct stat status;

	ktap_enter_dir();
	EQUAL(umask(027), 022);
	OK(close(OK(open("file", O_RDWR | O_CREAT, 0666))));
	OK(stat("file", &status));
	EQUAL(status.st_mode, S_IFREG | 0640);
	OK(mkdir("dir", 0777));
	OK(stat("dir", &status));
	EQUAL(status.st_mode, S_IFDIR | 0750);
	EQUAL(umask(0), 027);
	OK(chmod("file", 04755));
	OK(stat("file", &status));
	EQUAL(status.st_mode, S_IFREG | 04755);
	OK(chown("file", 1, 2));
	OK(stat("file", &status));
	EQUAL(status.st_uid, 1);
	EQUAL(status.st_gid, 2);
	EQUAL(status.st_mode, S_IFREG | 0755);
	OK(chown("file", (uid_t)-1, 5));
	OK(stat("file", &status));
	EQUAL(status.st_uid, 1);
	EQUAL(status.st_gid, 5);
	OK(fchmodat(AT_FDCWD, "file", 0600, 0));
	OK(fchownat(AT_FDCWD, "file", 0, 0, AT_SYMLINK_NOFOLLOW));
}

static void permissions_hold_for_others(void)
{
	char directory[PATH_MAX];

	ktap_enter_dir();
	CHECK(getcwd(directory, sizeof(directory)) != nullptr);
	OK(chmod(".", 0755));
	ktap_write_file("secret", "s");
	OK(chmod("secret", 0600));
	ktap_write_file("readable", "r");
	OK(chmod("readable", 0644));
	OK(mkdir("closed", 0700));
	ktap_write_file("closed/file", "");
	pid_t child = CHILD({
		OK(setgid(1000));
		OK(setuid(1000));
		FAILS(EACCES, open("secret", O_RDONLY));
		FAILS(EACCES, open("readable", O_WRONLY));
		OK(open("readable", O_RDONLY));
		FAILS(EACCES, open("closed/file", O_RDONLY));
		FAILS(EACCES, open("new", O_RDWR | O_CREAT, 0600));
		FAILS(EACCES, unlink("readable"));
		FAILS(EACCES, access("secret", R_OK));
		OK(access("readable", R_OK));
		FAILS(EACCES, access("readable", W_OK));
		FAILS(EPERM, chmod("readable", 0666));
		FAILS(EPERM, chown("readable", 1000, 1000));
		FAILS(EACCES, chdir("closed"));
		FAILS(EPERM, setuid(0));
		FAILS(EPERM, mknod("/tmp/node", S_IFCHR | 0600, 0x103));
		FAILS(EPERM, chroot("/"));
		FAILS(EPERM, sethostname("x", 1));
	});
	EXITS(child, 0);
}

static void sticky_directories(void)
{
	ktap_enter_dir();
	OK(chmod(".", 01777));
	ktap_write_file("mine", "");
	pid_t child = CHILD({
		OK(setuid(1000));
		FAILS(EPERM, unlink("mine"));
		FAILS(EPERM, rename("mine", "yours"));
		OK(close(OK(open("yours", O_RDWR | O_CREAT, 0600))));
		OK(unlink("yours"));
	});
	EXITS(child, 0);
}

static void times(void)
{
	struct stat status;

	ktap_enter_dir();
	ktap_write_file("file", "x");
	struct timespec when[2] = {{1000, 5}, {2000, 7}};
	OK(utimensat(AT_FDCWD, "file", when, 0));
	OK(stat("file", &status));
	EQUAL(status.st_atim.tv_sec, 1000);
	EQUAL(status.st_atim.tv_nsec, 5);
	EQUAL(status.st_mtim.tv_sec, 2000);
	when[0].tv_nsec = UTIME_OMIT;
	when[1].tv_nsec = UTIME_NOW;
	OK(utimensat(AT_FDCWD, "file", when, 0));
	OK(stat("file", &status));
	EQUAL(status.st_atim.tv_sec, 1000);
	CHECK(status.st_mtim.tv_sec > 2000);
	when[0].tv_nsec = 2'000'000'000;
	FAILS(EINVAL, utimensat(AT_FDCWD, "file", when, 0));
	OK(utimes("file", (struct timeval[2]){{5, 0}, {6, 0}}));
	OK(stat("file", &status));
	EQUAL(status.st_mtim.tv_sec, 6);
	ktap_write_file("file", "changed");
	OK(stat("file", &status));
	CHECK(status.st_mtim.tv_sec > 6);
	CHECK(status.st_ctim.tv_sec > 6);
}

static void devices(void)
{
	char text[16];
	struct stat status;
	int null = OK(open("/dev/null", O_RDWR));
	int zero = OK(open("/dev/zero", O_RDWR));
	int full = OK(open("/dev/full", O_RDWR));

	EQUAL(read(null, text, 16), 0);
	EQUAL(write(null, text, 16), 16);
	memset(text, 1, 16);
	EQUAL(read(zero, text, 16), 16);
	for (int i = 0; i < 16; i++)
		EQUAL(text[i], 0);
	EQUAL(write(zero, text, 16), 16);
	FAILS(ENOSPC, write(full, text, 1));
	EQUAL(read(full, text, 16), 16);
	OK(fstat(null, &status));
	CHECK(S_ISCHR(status.st_mode));
	EQUAL(status.st_rdev, 0x103);
	int urandom = OK(open("/dev/urandom", O_RDONLY));
	char a[32] = {}, b[32] = {};
	EQUAL(read(urandom, a, 32), 32);
	EQUAL(read(urandom, b, 32), 32);
	CHECK(memcmp(a, b, 32) != 0);
	FAILS(ENOTTY, ioctl(null, 0x5401, text));
}

static void device_nodes(void)
{
	char c;

	ktap_enter_dir();
	OK(mkdir("m", 0700));
	OK(mount("none", "m", "tmpfs", 0, ""));
	OK(mknod("m/null", S_IFCHR | 0666, 0x103));
	int fd = OK(open("m/null", O_RDWR));
	EQUAL(read(fd, &c, 1), 0);
	OK(close(fd));
	OK(mknod("m/none", S_IFCHR | 0666, 0xfa03));
	FAILS(ENXIO, open("m/none", O_RDWR));
	OK(mknod("m/plain", S_IFREG | 0600, 0));
	CHECK(content_is("m/plain", ""));
	OK(mount("none", "m", "tmpfs", MS_REMOUNT | MS_NODEV, ""));
	FAILS(EACCES, open("m/null", O_RDWR));
	OK(umount("m"));
}

static void copying_inside_the_kernel(void)
{
	ktap_enter_dir();
	ktap_write_file("from", "sent by the kernel");
	int from = OK(open("from", O_RDONLY));
	int to = OK(open("to", O_RDWR | O_CREAT, 0600));
	off_t offset = 5;
	EQUAL(sendfile(to, from, &offset, 100), 13);
	EQUAL(offset, 18);
	CHECK(content_is("to", "by the kernel"));
}

static void big_files(void)
{
	enum { BLOCK = 64 * 1024, BLOCKS = 128 };
	static uint32_t block[BLOCK / 4];

	ktap_enter_dir();
	int fd = OK(open("file", O_RDWR | O_CREAT, 0600));
	for (uint32_t b = 0; b < BLOCKS; b++) {
		for (uint32_t i = 0; i < BLOCK / 4; i++)
			block[i] = b * 1000003 + i * 7;
		EQUAL(write(fd, block, BLOCK), BLOCK);
	}
	OK(lseek(fd, 0, SEEK_SET));
	for (uint32_t b = 0; b < BLOCKS; b++) {
		EQUAL(read(fd, block, BLOCK), BLOCK);
		for (uint32_t i = 0; i < BLOCK / 4; i++)
			EQUAL(block[i], b * 1000003 + i * 7);
	}
	OK(fallocate(fd, 0, 0, BLOCK * BLOCKS + 4096));
	struct stat status;
	OK(fstat(fd, &status));
	EQUAL(status.st_size, BLOCK * BLOCKS + 4096);
}

KTAP_MAIN(CASE(open_flags), CASE(reading_needs_the_right_mode), CASE(appending), CASE(seeking),
	  CASE(positioned_input_and_output), CASE(sparse_files), CASE(truncation), CASE(size_limit), CASE(hard_links),
	  CASE(unlinked_files_live_on), CASE(renaming), CASE(rename_flags), CASE(directories),
	  CASE(a_removed_directory_is_dead), CASE(reading_directories), CASE(symbolic_links), CASE(long_symlink_chains),
	  CASE(names_have_limits), CASE(paths_are_walked), CASE(at_functions), CASE(modes_and_umask),
	  CASE(permissions_hold_for_others), CASE(sticky_directories), CASE(times), CASE(devices), CASE(device_nodes),
	  CASE(copying_inside_the_kernel), CASE(big_files))
