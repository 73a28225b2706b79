/* SPDX-License-Identifier: MIT */
/* The filesystem of pseudo-terminals' slaves (Linux, Documentation/filesystems/devpts.rst), and /proc/consoles. */
#include "ktap.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define OPEN_PEER 0x5441 /* TIOCGPTPEER */

static int master, slave;

/* devpts is a filesystem of its own: its nodes wherever it is mounted, with the rights that its options say. */
static void the_filesystem(void)
{
	char name[32], again[64], text[4096];
	struct stat there, here;
	struct statfs fs;
	int number, unlock = 0;

	ktap_enter_dir();
	OK(mkdir("pts", 0755));
	OK(mount("mine", "pts", "devpts", MS_NOSUID | MS_NOEXEC, "gid=5,mode=0640,ptmxmode=666"));
	OK(statfs("pts", &fs));
	EQUAL(fs.f_type, 0x1cd1);
	ktap_read_file("/proc/self/mounts", text, sizeof(text));
	CHECK(strstr(text, "/pts devpts rw,nosuid,noexec,relatime,gid=5,mode=640,ptmxmode=666 0 0\n") != nullptr);
	master = OK(open("pts/ptmx", O_RDWR | O_NOCTTY));
	OK(ioctl(master, TIOCSPTLCK, &unlock));
	OK(ioctl(master, TIOCGPTN, &number));
	snprintf(name, sizeof(name), "/dev/pts/%d", number);
	snprintf(again, sizeof(again), "pts/%d", number);
	OK(stat(name, &there));
	OK(stat(again, &here));
	EQUAL(there.st_ino, here.st_ino);
	EQUAL(there.st_dev, here.st_dev);
	EQUAL(there.st_rdev, makedev(136, number));
	EQUAL(there.st_mode, S_IFCHR | 0640);
	EQUAL(there.st_gid, 5);
	/* The peer is the terminal itself, whatever covers its name. */
	OK(mount("none", "/dev/pts", "tmpfs", 0, nullptr));
	FAILS(ENOENT, open(name, O_RDWR | O_NOCTTY));
	slave = OK(ioctl(master, OPEN_PEER, O_RDWR | O_NOCTTY));
	OK(umount("/dev/pts"));
	EQUAL(write(slave, "x", 1), 1);
	OK(fstat(slave, &here));
	EQUAL(there.st_ino, here.st_ino);
	FAILS(EINVAL, mount("none", "pts", "devpts", MS_REMOUNT, "newinstance"));
	FAILS(EINVAL, mount("none", "pts", "devpts", MS_REMOUNT, "mode=8"));
	OK(mount("none", "pts", "devpts", MS_REMOUNT, "mode=620,ptmxmode=0"));
	OK(stat("pts/ptmx", &here));
	EQUAL(here.st_mode, S_IFCHR);
	/* Who made the terminal owns it. */
	EXITS(CHILD({
		      struct stat own;
		      OK(setegid(100));
		      OK(seteuid(1000));
		      int fd = OK(open("/dev/ptmx", O_RDWR | O_NOCTTY));
		      OK(ioctl(fd, TIOCSPTLCK, &unlock));
		      int peer = OK(ioctl(fd, OPEN_PEER, O_RDWR | O_NOCTTY));
		      OK(fstat(peer, &own));
		      CHECK(own.st_uid == 1000 && own.st_gid == 100);
	      }),
	      0);
	close(slave);
	close(master);
	FAILS(ENOENT, stat(again, &here));
	OK(mount("none", "pts", "devpts", MS_REMOUNT, "mode=620,ptmxmode=666"));
	OK(umount("pts"));
}

/* Linux, Documentation/filesystems/proc.rst, "/proc/consoles". */
static void consoles(void)
{
	char text[1024], name[32], flags[16];
	int major, minor;

	ktap_read_file("/proc/consoles", text, sizeof(text));
	EQUAL(sscanf(text, "%31s -W%*[-U] (%15[^)]) %d:%d", name, flags, &major, &minor), 4);
	CHECK(strchr(flags, 'E') != nullptr && strchr(flags, 'C') != nullptr);
	struct stat s;
	char path[48];
	snprintf(path, sizeof(path), "/dev/%s", name);
	OK(stat(path, &s));
	EQUAL(s.st_rdev, makedev(major, minor));
}

KTAP_MAIN(CASE(the_filesystem), CASE(consoles))
