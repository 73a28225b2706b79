/* SPDX-License-Identifier: MIT */
/*
 * What ids and capabilities allow: filesystem ids, groups, securebits, bounding and ambient sets, what execution makes
 * of them, set-id bits, and names in directories where all may write.
 */
#include "ktap.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	CAP_CHOWN = 0,
	CAP_DAC_OVERRIDE = 1,
	CAP_DAC_READ_SEARCH = 2,
	CAP_FOWNER = 3,
	CAP_FSETID = 4,
	CAP_KILL = 5,
	CAP_SETUID = 7,
	CAP_LINUX_IMMUTABLE = 9,
	CAP_MKNOD = 27,
	CAP_MAC_OVERRIDE = 32,
};
enum {
	SECBIT_NOROOT = 1,
	SECBIT_NOROOT_LOCKED = 2,
	SECBIT_NO_SETUID_FIXUP = 4,
	SECBIT_KEEP_CAPS = 16,
	SECBIT_KEEP_CAPS_LOCKED = 32,
	SECBIT_NO_CAP_AMBIENT_RAISE = 64,
};

constexpr uint64_t FILE_CAPABILITIES = 1 << CAP_CHOWN | 1 << CAP_DAC_OVERRIDE | 1 << CAP_DAC_READ_SEARCH |
				       1 << CAP_FOWNER | 1 << CAP_FSETID | 1 << CAP_LINUX_IMMUTABLE | 1 << CAP_MKNOD |
				       UINT64_C(1) << CAP_MAC_OVERRIDE;

struct sets {
	uint64_t effective, permitted, inheritable;
};

struct cap_header {
	uint32_t version;
	int pid;
};
struct cap_data {
	uint32_t effective, permitted, inheritable;
};
constexpr uint32_t CAP_VERSION_3 = 0x20080522;

static struct sets sets_now(void)
{
	struct cap_header header = {CAP_VERSION_3, 0};
	struct cap_data data[2];

	OK(syscall(SYS_capget, &header, data));
	return (struct sets){data[0].effective | (uint64_t)data[1].effective << 32,
			     data[0].permitted | (uint64_t)data[1].permitted << 32,
			     data[0].inheritable | (uint64_t)data[1].inheritable << 32};
}

static int set_sets(uint64_t effective, uint64_t permitted, uint64_t inheritable)
{
	struct cap_header header = {CAP_VERSION_3, 0};
	struct cap_data data[2];

	for (int n = 0; n < 2; n++)
		data[n] = (struct cap_data){(uint32_t)(effective >> 32 * n), (uint32_t)(permitted >> 32 * n),
					    (uint32_t)(inheritable >> 32 * n)};
	return (int)syscall(SYS_capset, &header, data);
}

static void make_file(const char *path, mode_t mode, unsigned owner)
{
	(void)unlink(path);
	int fd = OK(open(path, O_CREAT | O_RDWR, 0600));
	EQUAL(write(fd, "text", 4), 4);
	OK(fchown(fd, owner, owner));
	OK(fchmod(fd, mode));
	OK(close(fd));
}

static mode_t mode_of(const char *path)
{
	struct stat s;

	OK(lstat(path, &s));
	return s.st_mode & 07777;
}

static void filesystem_ids_take_file_capabilities(void)
{
	ktap_enter_dir();
	OK(chmod(".", 0777));
	make_file("roots", 0600, 0);
	struct sets before = sets_now();
	EQUAL(setfsuid(1000), 0);
	EQUAL(sets_now().effective, before.effective & ~FILE_CAPABILITIES);
	EQUAL(sets_now().permitted, before.permitted);
	FAILS(EACCES, open("roots", O_RDONLY));
	FAILS(EPERM, chmod("roots", 0666));
	FAILS(EPERM, mknod("device", S_IFCHR | 0600, 0x103));
	EQUAL(setfsgid(1001), 0);
	OK(close(open("new", O_CREAT | O_WRONLY, 0600)));
	struct stat s;
	OK(stat("new", &s));
	EQUAL(s.st_uid, 1000);
	EQUAL(s.st_gid, 1001);
	EQUAL(setfsuid((uid_t)-1), 1000);
	EQUAL(setfsuid(0), 1000);
	EQUAL(sets_now().effective, before.effective);
	OK(close(OK(open("roots", O_RDONLY))));
	/* Only what is permitted comes back. */
	OK(set_sets(1 << CAP_SETUID, before.permitted & ~(uint64_t)(1 << CAP_CHOWN), 0));
	setfsuid(1000);
	setfsuid(0);
	EQUAL(sets_now().effective, 1 << CAP_SETUID | (FILE_CAPABILITIES & ~(uint64_t)(1 << CAP_CHOWN)));
}

static void ids_of_minus_one(void)
{
	gid_t groups[3] = {5, (gid_t)-1, 6};

	FAILS(EINVAL, setgroups(2, groups));
	FAILS(EINVAL, syscall(SYS_setgroups, -1, groups));
	FAILS(EINVAL, syscall(SYS_setgroups, 65537, groups));
	FAILS(EINVAL, setuid((uid_t)-1));
	FAILS(EINVAL, setgid((gid_t)-1));
	OK(setresuid((uid_t)-1, (uid_t)-1, (uid_t)-1));
	EQUAL(geteuid(), 0);
}

static void many_groups(void)
{
	static gid_t groups[65536], shown[65536];

	for (unsigned n = 0; n < 65536; n++)
		groups[n] = 200000 - n * 2;
	OK(setgroups(65536, groups));
	EQUAL(getgroups(0, nullptr), 65536);
	FAILS(EINVAL, getgroups(65535, shown));
	EQUAL(getgroups(65536, shown), 65536);
	for (unsigned n = 1; n < 65536; n++)
		CHECK(shown[n] == shown[n - 1] + 2);
	ktap_enter_dir();
	OK(chmod(".", 0755));
	make_file("group", 0640, 0);
	OK(chown("group", 0, 100000));
	make_file("other", 0640, 0);
	OK(chown("other", 0, 100001));
	EXITS(CHILD({
		      OK(setresuid(1000, 1000, 1000));
		      OK(close(OK(open("group", O_RDONLY))));
		      FAILS(EACCES, open("other", O_RDONLY));
	      }),
	      0);
}

static void securebits(void)
{
	FAILS(EPERM, prctl(PR_SET_SECUREBITS, 1 << 8));
	EXITS(CHILD({
		      OK(prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP));
		      uint64_t all = sets_now().effective;
		      OK(setresuid(1000, 1000, 1000));
		      EQUAL(sets_now().effective, all);
	      }),
	      0);
	EXITS(CHILD({
		      OK(prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED));
		      EQUAL(prctl(PR_GET_SECUREBITS), 3);
		      FAILS(EPERM, prctl(PR_SET_SECUREBITS, SECBIT_NOROOT));
		      FAILS(EPERM, prctl(PR_SET_SECUREBITS, SECBIT_NOROOT_LOCKED));
		      execl("/proc/self/exe", "identity", "@effective", nullptr);
	      }),
	      10);
	EXITS(CHILD({
		      OK(prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS | SECBIT_KEEP_CAPS_LOCKED));
		      EQUAL(prctl(PR_GET_KEEPCAPS), 1);
		      FAILS(EPERM, prctl(PR_SET_KEEPCAPS, 0));
		      ktap_become(1000);
		      CHECK(sets_now().permitted != 0);
		      EQUAL(sets_now().effective, 0);
		      FAILS(EPERM, prctl(PR_SET_SECUREBITS, 0));
	      }),
	      0);
	EXITS(CHILD({
		      OK(prctl(PR_SET_SECUREBITS, SECBIT_NO_CAP_AMBIENT_RAISE));
		      OK(set_sets(~0ul, ~0ul, 1 << CAP_KILL));
		      FAILS(EPERM, prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0));
	      }),
	      0);
}

static void bounding_and_inheritable(void)
{
	OK(prctl(PR_CAPBSET_DROP, CAP_KILL));
	FAILS(EPERM, set_sets(~0ul, ~0ul, 1 << CAP_KILL));
	OK(set_sets(~0ul, ~0ul, 1 << CAP_SETUID));
	FAILS(EPERM, set_sets(3, 1, 0));
	FAILS(EINVAL, prctl(PR_CAPBSET_DROP, 1000));
	ktap_become(1000);
	FAILS(EPERM, prctl(PR_CAPBSET_DROP, 1000));
}

static void ambient_set(void)
{
	FAILS(EPERM, prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0));
	FAILS(EINVAL, prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL, 1, 0));
	OK(set_sets(~0ul, ~0ul, 1 << CAP_KILL));
	OK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0));
	OK(prctl(PR_SET_KEEPCAPS, 1));
	OK(setresuid(1000, 1000, 1000));
	EQUAL(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL, 0, 0), 0);
	OK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0));
	EXITS(CHILD(execl("/proc/self/exe", "identity", "@effective", nullptr)), 11);
}

static void set_id_programs_start_clean(void)
{
	/* Not below /tmp, where set-id bits mean nothing. */
	OK(mkdir("/identity", 0755));
	ktap_copy_self("/identity/su", 04755);
	EXITS(CHILD({
		      ktap_become(1000);
		      OK(personality(ADDR_NO_RANDOMIZE));
		      OK(prctl(PR_SET_PDEATHSIG, SIGKILL));
		      OK(setrlimit(RLIMIT_STACK, &(struct rlimit){64 << 20, RLIM_INFINITY}));
		      execl("/identity/su", "su", "@clean", nullptr);
	      }),
	      12);
	/* No new privileges: neither those of the file nor those that root would get back. */
	EXITS(CHILD({
		      ktap_become(1000);
		      OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
		      execl("/identity/su", "su", "@effective", nullptr);
	      }),
	      10);
	OK(unlink("/identity/su"));
	OK(rmdir("/identity"));
	EXITS(CHILD({
		      OK(set_sets(1 << CAP_KILL, 1 << CAP_KILL, 0));
		      OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
		      execl("/proc/self/exe", "identity", "@effective", nullptr);
	      }),
	      11);
}

static void set_id_bits_go(void)
{
	ktap_enter_dir();
	OK(chmod(".", 0777));
	make_file("file", 06755, 1000);
	OK(chown("file", (uid_t)-1, (gid_t)-1));
	EQUAL(mode_of("file"), 0755);
	OK(chmod("file", 06755));
	EXITS(CHILD({
		      ktap_become(1000);
		      int fd = OK(open("file", O_RDWR));
		      EQUAL(write(fd, "x", 1), 1);
		      EQUAL(mode_of("file"), 0755);
		      OK(chmod("file", 06755));
		      OK(ftruncate(fd, 2));
		      EQUAL(mode_of("file"), 0755);
		      OK(chmod("file", 06755));
		      OK(truncate("file", 1));
		      EQUAL(mode_of("file"), 0755);
		      OK(chmod("file", 06755));
		      OK(fallocate(fd, 0, 0, 100));
		      EQUAL(mode_of("file"), 0755);
		      OK(chmod("file", 06755));
		      OK(chown("file", (uid_t)-1, 1000));
		      EQUAL(mode_of("file"), 0755);
		      /* Without execution by the group the bit is its member's to keep. */
		      OK(chmod("file", 02745));
		      EQUAL(write(fd, "x", 1), 1);
		      EQUAL(mode_of("file"), 02745);
	      }),
	      0);
	OK(mkdir("group", 0777));
	OK(chown("group", 0, 77));
	OK(chmod("group", 02777));
	EXITS(CHILD({
		      umask(0);
		      ktap_become(1000);
		      OK(close(OK(open("group/file", O_CREAT | O_RDWR, 02775))));
		      EQUAL(mode_of("group/file"), 0775);
		      OK(mkdir("group/dir", 0755));
		      EQUAL(mode_of("group/dir"), 02755);
		      struct stat s;
		      OK(fstat(OK(open("group", O_TMPFILE | O_RDWR, 02775)), &s));
		      EQUAL(s.st_mode & 07777, 0775);
		      EQUAL(s.st_gid, 77);
	      }),
	      0);
}

static void set_knob(const char *name, const char *value)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/sys/fs/protected_%s", name);
	int fd = OK(open(path, O_WRONLY));
	EQUAL(write(fd, value, strlen(value)), (long)strlen(value));
	FAILS(EINVAL, pwrite(fd, "7", 1, 0));
	FAILS(EINVAL, pwrite(fd, "yes", 3, 0));
	OK(close(fd));
}

static void names_in_public_directories(void)
{
	ktap_enter_dir();
	OK(chmod(".", 01777));
	make_file("roots", 0600, 0);
	make_file("public", 0666, 0);
	make_file("program", 04777, 0);
	make_file("mine", 0600, 1000);
	OK(mkfifo("fifo", 0666));
	OK(chmod("fifo", 0666));
	EXITS(CHILD({
		      ktap_become(1000);
		      FAILS(EPERM, link("roots", "a"));
		      FAILS(EPERM, link("program", "b"));
		      OK(link("public", "c"));
		      OK(link("mine", "d"));
		      OK(symlink("public", "trap"));
		      OK(close(OK(open("trap", O_RDONLY))));
		      FAILS(EPERM, unlink("roots"));
		      FAILS(EPERM, rename("mine", "public"));
		      FAILS(EPERM, open("public", O_RDONLY | O_NOATIME));
	      }),
	      0);
	FAILS(EACCES, open("trap", O_RDONLY));
	FAILS(EACCES, open("trap", O_RDWR | O_CREAT, 0600));
	OK(unlink("trap"));
	set_knob("regular", "2");
	set_knob("fifos", " 1\n");
	pid_t child = CHILD({
		ktap_become(1001);
		FAILS(EACCES, open("mine", O_RDWR | O_CREAT, 0600));
		OK(close(OK(open("public", O_RDWR | O_CREAT, 0600)))); /* the directory's owner's */
	});
	OK(chown("fifo", 1000, 1000));
	FAILS(EACCES, open("fifo", O_RDWR | O_CREAT, 0600));
	int status = ktap_wait(child);
	set_knob("regular", "0");
	set_knob("fifos", "0");
	EQUAL(status, 0);
}

static void scheduling_rights(void)
{
	ktap_become(1000);
	struct sched_param p = {.sched_priority = 5};
	FAILS(EPERM, syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &p));
	FAILS(EPERM, syscall(SYS_sched_setscheduler, 0, SCHED_RR, &p));
	p.sched_priority = 0;
	FAILS(EINVAL, syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &p));
	FAILS(EINVAL, syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, nullptr));
	FAILS(EPERM, syscall(SYS_sched_setscheduler, 1, SCHED_BATCH, &p));
	OK(syscall(SYS_sched_setscheduler, 0, SCHED_IDLE, &p));
	FAILS(EPERM, syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &p));
	FAILS(EACCES, setpriority(PRIO_PROCESS, 0, -1));
	FAILS(EPERM, setpriority(PRIO_PROCESS, 1, 5));
	FAILS(EPERM, setrlimit(RLIMIT_RTPRIO, &(struct rlimit){0, 5}));
}

static void kill_all_tells_of_nobody(void)
{
	ktap_become(1234);
	/* That none of them may be signalled is no error. */
	OK(kill(-1, 0));
	FAILS(EPERM, kill(1, 0));
}

static const struct ktap_case cases[] = {
	CASE(filesystem_ids_take_file_capabilities),
	CASE(ids_of_minus_one),
	CASE(many_groups),
	CASE(securebits),
	CASE(bounding_and_inheritable),
	CASE(ambient_set),
	CASE(set_id_programs_start_clean),
	CASE(set_id_bits_go),
	CASE(names_in_public_directories),
	CASE(scheduling_rights),
	CASE(kill_all_tells_of_nobody),
};

/* As a program that a case executes: 10 no effective capability, 11 CAP_KILL alone, 12 nothing of the caller's left. */
static int executed(const char *what)
{
	struct rlimit stack;
	int death = -1;

	if (strcmp(what, "@effective") == 0) {
		uint64_t effective = sets_now().effective;
		return effective == 0 ? 10 : effective == 1 << CAP_KILL ? 11 : 1;
	}
	OK(getrlimit(RLIMIT_STACK, &stack));
	OK(prctl(PR_GET_PDEATHSIG, &death));
	return geteuid() == 0 && personality(0xffffffff) == 0 && death == 0 && stack.rlim_cur == 8 << 20 ? 12 : 2;
}

int main(int argc, char **argv)
{
	if (argc == 2 && argv[1][0] == '@')
		return executed(argv[1]);
	return ktap_main(argc, argv, cases, sizeof(cases) / sizeof(*cases));
}
