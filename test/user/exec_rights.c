/* SPDX-License-Identifier: MIT */
/*
 * Limits and rights that a program meets when it is executed or runs too long: RLIMIT_CPU, programs
 * that may be executed and not read, programs that are open for writing, set-id programs and who shares with them.
 */
#include "ktap.h"

#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile unsigned long turns;
static volatile int warnings;

static void on_warning(int signal)
{
	(void)signal;
	warnings = warnings + 1;
}

static void cpu_time_limit(void)
{
	pid_t child = CHILD({
		OK(setrlimit(RLIMIT_CPU, &(struct rlimit){1, 60}));
		for (;;)
			turns++;
	});
	DIES(child, SIGXCPU);
	child = CHILD({
		struct sigaction action = {.sa_handler = on_warning};
		OK(sigaction(SIGXCPU, &action, nullptr));
		OK(setrlimit(RLIMIT_CPU, &(struct rlimit){1, 2}));
		for (;;)
			turns++;
	});
	DIES(child, SIGKILL);
}

static void execute_only_programs(void)
{
	ktap_enter_dir();
	OK(chmod(".", 0755));
	ktap_copy_self("program", 0711);
	pid_t child = CHILD({
		OK(setuid(1000));
		FAILS(EACCES, open("program", O_RDONLY));
		execl("program", "program", "@dumpable", nullptr);
		_exit(1);
	});
	EXITS(child, 20);
	OK(chmod("program", 0755));
	child = CHILD({
		OK(setuid(1000));
		execl("program", "program", "@dumpable", nullptr);
		_exit(1);
	});
	EXITS(child, 21);
}

static void programs_open_for_writing(void)
{
	ktap_enter_dir();
	ktap_copy_self("program", 0755);
	int writer = OK(open("program", O_WRONLY));
	FAILS(ETXTBSY, execl("program", "program", "@dumpable", nullptr));
	OK(close(writer));
	pid_t child = CHILD({
		execl("program", "program", "@dumpable", nullptr);
		_exit(1);
	});
	EXITS(child, 21);
	/* Nobody runs it any more. */
	OK(close(OK(open("program", O_WRONLY))));
}

/* Whether a thread is to change what the process's program was made from; shared with it. */
enum { STARTED = 1, ROUNDS = 60, NOBODY = 65534 };
static volatile int *word;

static void *leave_no_room(void *delay)
{
	while (*word != STARTED)
		;
	for (long n = (long)delay; n > 0; n--)
		__asm__ volatile("");
	setrlimit(RLIMIT_AS, &(struct rlimit){0, 0});
	syscall(SYS_setresuid, NOBODY, NOBODY, NOBODY);
	for (;;)
		pause();
}

/* Ids belong to the process here: where one changes after the program was made it is made again, and where that cannot
 * be the process dies. Whatever came of it, nobody runs the program then. */
static void programs_that_cannot_be_made_again(void)
{
	ktap_enter_dir();
	OK(chmod(".", 0755));
	ktap_copy_self("program", 0755);
	word = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(word != MAP_FAILED);
	for (long round = 0; round < ROUNDS; round++) {
		*word = 0;
		pid_t child = CHILD({
			pthread_t thread;

			EQUAL(pthread_create(&thread, nullptr, leave_no_room, (void *)(round * 1000)), 0);
			*word = STARTED;
			execl("program", "program", "@dumpable", nullptr);
			_exit(1);
		});
		(void)ktap_wait(child);
		OK(close(OK(open("program", O_WRONLY))));
	}
}

/* Runs the set-user-id program as 1000: the user id that it finds itself with. */
static int effective_id(void)
{
	int status;
	pid_t child = CHILD({
		OK(setgid(1000));
		OK(setuid(1000));
		execl("set/program", "program", "@euid", nullptr);
		_exit(1);
	});

	EQUAL(OK(waitpid(child, &status, 0)), child);
	CHECK(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* A set-id program must not have a working directory that somebody else can change under it. */
static void set_id_and_a_shared_directory(void)
{
	ktap_enter_dir();
	OK(chmod(".", 0755));
	OK(mkdir("set", 0755));
	OK(mount("set", "set", "tmpfs", 0, "mode=755"));
	ktap_copy_self("set/program", 04755);
	EQUAL(effective_id(), 20);
	pid_t sharer = OK((pid_t)syscall(SYS_clone, CLONE_FS | SIGCHLD, nullptr, nullptr, nullptr, nullptr));
	if (sharer == 0) {
		pause();
		_exit(1);
	}
	/* Who is forked here has a directory of his own. */
	EQUAL(effective_id(), 20);
	pid_t child = OK((pid_t)syscall(SYS_clone, CLONE_FS | SIGCHLD, nullptr, nullptr, nullptr, nullptr));
	if (child == 0) {
		OK(setgid(1000));
		OK(setuid(1000));
		execl("set/program", "program", "@euid", nullptr);
		_exit(1);
	}
	EXITS(child, 21);
	OK(kill(sharer, SIGKILL));
	OK(waitpid(sharer, nullptr, 0));
	OK(umount("set"));
}

static int run_as_user(const char *program)
{
	pid_t child = CHILD({
		OK(setgroups(0, nullptr));
		OK(setresgid(1000, 1000, 1000));
		OK(setresuid(1000, 1000, 1000));
		execl(program, program, "@ids", nullptr);
		_exit(99);
	});

	return ktap_wait(child) >> 8;
}

/* What the bits of a file give: not where the mount, the file's owner or a promise says otherwise. */
static void set_id_programs(void)
{
	ktap_enter_dir();
	OK(chmod(".", 0755));
	OK(mkdir("m", 0755));
	OK(mount("none", "m", "tmpfs", 0, nullptr));
	ktap_copy_self("m/user", 04755);
	ktap_copy_self("m/group", 02755);
	ktap_copy_self("m/no-group", 02745);
	EQUAL(run_as_user("m/user"), 31);
	EQUAL(run_as_user("m/group"), 32);
	EQUAL(run_as_user("m/no-group"), 30);
	OK(mount(nullptr, "m", nullptr, MS_REMOUNT | MS_NOSUID, nullptr));
	EQUAL(run_as_user("m/user"), 30);
	EQUAL(run_as_user("m/group"), 30);
	OK(mount(nullptr, "m", nullptr, MS_REMOUNT, nullptr));
	EQUAL(run_as_user("m/user"), 31);
	pid_t child = CHILD({
		OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
		EQUAL(run_as_user("m/user"), 30);
		EQUAL(run_as_user("m/group"), 30);
	});
	EXITS(child, 0);
	OK(umount("m"));
}

static const struct ktap_case cases[] = {
	CASE(set_id_programs),
	CASE(cpu_time_limit),
	CASE(execute_only_programs),
	CASE(programs_open_for_writing),
	STELLUX_CASE(programs_that_cannot_be_made_again),
	CASE(set_id_and_a_shared_directory),
};

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "@dumpable") == 0)
		return 20 + prctl(PR_GET_DUMPABLE);
	if (argc > 1 && strcmp(argv[1], "@euid") == 0)
		return geteuid() == 0 ? 20 : 21;
	if (argc > 1 && strcmp(argv[1], "@ids") == 0)
		return 30 + (geteuid() == 0) + 2 * (getegid() == 0);
	return ktap_main(argc, argv, cases, sizeof(cases) / sizeof(*cases));
}
