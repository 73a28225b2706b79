/* SPDX-License-Identifier: MIT */
/*
 * Processes: fork, vfork, clone, execve (static, static-PIE, scripts), wait4, waitid, exit codes
 * and signals, orphans.
 */
#include "ktap.h"

#include <elf.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void fork_returns_twice(void)
{
	pid_t parent = getpid();
	pid_t child = CHILD({
		EQUAL(getppid(), parent);
		CHECK(getpid() != parent);
		_exit(7);
	});

	EXITS(child, 7);
}

static int shared_value = 1;

static void fork_copies_memory(void)
{
	static char big[64 * 4096];

	memset(big, 'p', sizeof(big));
	pid_t child = CHILD({
		for (size_t i = 0; i < sizeof(big); i += 512)
			CHECK(big[i] == 'p');
		memset(big, 'c', sizeof(big));
		shared_value = 2;
		for (size_t i = 0; i < sizeof(big); i += 512)
			CHECK(big[i] == 'c');
	});
	EXITS(child, 0);
	EQUAL(shared_value, 1);
	for (size_t i = 0; i < sizeof(big); i++)
		CHECK(big[i] == 'p');
}

static void parent_writes_are_not_seen_by_child(void)
{
	int go[2];
	static volatile int value = 10;

	OK(pipe(go));
	pid_t child = CHILD({
		char c;
		EQUAL(read(go[0], &c, 1), 1);
		EQUAL(value, 10);
	});
	value = 20;
	EQUAL(write(go[1], "x", 1), 1);
	EXITS(child, 0);
}

static void grandchildren_copy_on_write(void)
{
	static volatile long cells[4 * 512];

	cells[0] = 1;
	pid_t child = CHILD({
		pid_t grandchild = CHILD({
			cells[0] = 3;
			cells[512] = 3;
		});
		cells[0] = 2;
		EXITS(grandchild, 0);
		EQUAL(cells[0], 2);
		EQUAL(cells[512], 0);
	});
	EXITS(child, 0);
	EQUAL(cells[0], 1);
}

static void exit_code_is_eight_bits(void)
{
	EXITS(CHILD(_exit(0x1ff)), 0xff);
	EXITS(CHILD(exit(3)), 3);
}

static void wait_reports_the_signal(void)
{
	static const int signals[] = {SIGTERM, SIGKILL, SIGUSR1, SIGALRM, SIGPIPE, SIGHUP, SIGINT};

	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
		pid_t child = CHILD(for (;;) pause());
		OK(kill(child, signals[i]));
		DIES(child, signals[i]);
	}
}

static void wait_without_children(void)
{
	FAILS(ECHILD, wait(nullptr));
	FAILS(ECHILD, waitpid(1, nullptr, 0));
	siginfo_t info;
	FAILS(ECHILD, waitid(P_ALL, 0, &info, WEXITED));
}

static void wait_flags(void)
{
	int status;
	pid_t child = CHILD(for (;;) pause());

	EQUAL(waitpid(child, &status, WNOHANG), 0);
	FAILS(EINVAL, waitpid(child, &status, 0x10000));
	OK(kill(child, SIGSTOP));
	EQUAL(waitpid(child, &status, WUNTRACED), child);
	CHECK(WIFSTOPPED(status));
	EQUAL(WSTOPSIG(status), SIGSTOP);
	EQUAL(waitpid(child, &status, WNOHANG | WUNTRACED), 0);
	OK(kill(child, SIGCONT));
	EQUAL(waitpid(child, &status, WCONTINUED), child);
	CHECK(WIFCONTINUED(status));
	OK(kill(child, SIGKILL));
	DIES(child, SIGKILL);
}

static void waitid_tells_all(void)
{
	siginfo_t info = {};
	pid_t child = CHILD(_exit(42));

	OK(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT));
	EQUAL(info.si_signo, SIGCHLD);
	EQUAL(info.si_code, CLD_EXITED);
	EQUAL(info.si_status, 42);
	EQUAL(info.si_pid, child);
	memset(&info, 0, sizeof(info));
	OK(waitid(P_ALL, 0, &info, WEXITED));
	EQUAL(info.si_pid, child);

	child = CHILD(for (;;) pause());
	memset(&info, 0xff, sizeof(info));
	OK(waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG));
	EQUAL(info.si_pid, 0);
	OK(kill(child, SIGTERM));
	OK(waitid(P_PID, (id_t)child, &info, WEXITED));
	EQUAL(info.si_code, CLD_KILLED);
	EQUAL(info.si_status, SIGTERM);
	FAILS(EINVAL, waitid(P_ALL, 0, &info, 0));
}

static void wait_by_group(void)
{
	pid_t first = CHILD(setpgid(0, 0); for (;;) pause());
	pid_t second = CHILD(for (;;) pause());

	setpgid(first, first);
	OK(kill(second, SIGTERM));
	OK(kill(first, SIGTERM));
	EQUAL(waitpid(-first, nullptr, 0), first);
	FAILS(ECHILD, waitpid(-first, nullptr, 0));
	EQUAL(waitpid(0, nullptr, 0), second);
}

static void wait_fills_rusage(void)
{
	struct rusage usage;
	pid_t child = CHILD(_exit(0));

	memset(&usage, 0xff, sizeof(usage));
	EQUAL(wait4(child, nullptr, 0, &usage), child);
	CHECK(usage.ru_utime.tv_sec >= 0 && usage.ru_utime.tv_sec < 100000);
	CHECK(usage.ru_stime.tv_usec >= 0 && usage.ru_stime.tv_usec < 1000000);
	FAILS(ECHILD, wait4(child, nullptr, 0, &usage));
}

static char *new_stack(size_t size)
{
	char *stack = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(stack != MAP_FAILED);
	return stack;
}

static int vfork_body(void *argument)
{
	usleep(50'000);
	*(volatile int *)argument = 2;
	return 5;
}

/* What vfork asks for, on a stack of the child's own: not every C library has a vfork that is one. */
static void vfork_shares_memory_and_waits(void)
{
	static volatile int value;
	size_t size = 64 * 1024;

	value = 1;
	pid_t child = OK(clone(vfork_body, new_stack(size) + size, CLONE_VM | CLONE_VFORK | SIGCHLD, (void *)&value));
	EQUAL(value, 2);
	EXITS(child, 5);
}

static int clone_body(void *argument)
{
	*(volatile int *)argument += 1;
	return 9;
}

static void clone_with_a_stack(void)
{
	static volatile int value;
	size_t size = 64 * 1024;
	char *stack = new_stack(size);

	value = 0;
	pid_t child = OK(clone(clone_body, stack + size, SIGCHLD, (void *)&value));
	EXITS(child, 9);
	EQUAL(value, 0);
	child = OK(clone(clone_body, stack + size, SIGCHLD | CLONE_VM, (void *)&value));
	EXITS(child, 9);
	EQUAL(value, 1);
	FAILS(EINVAL, syscall(SYS_clone, CLONE_SIGHAND | SIGCHLD, 0, 0, 0, 0));
	FAILS(EINVAL, syscall(SYS_clone, CLONE_THREAD | SIGCHLD, 0, 0, 0, 0));
}

static volatile pid_t parent_tid, child_tid;

static int clone_tid_body(void *)
{
	return child_tid == getpid() ? 0 : 1;
}

static void clone_sets_tid(void)
{
	size_t size = 64 * 1024;
	pid_t child =
		OK(clone(clone_tid_body, new_stack(size) + size, CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD,
			 nullptr, (pid_t *)&parent_tid, nullptr, (pid_t *)&child_tid));

	EQUAL(parent_tid, child);
	/* The child's is set in the child's memory. */
	EQUAL(child_tid, 0);
	EXITS(child, 0);
}

static void orphans_get_a_new_parent(void)
{
	int report[2], hold[2];
	pid_t parent_seen = 0;

	OK(pipe(report));
	OK(pipe(hold));
	pid_t child = CHILD({
		CHILD({
			char c;
			close(hold[1]);
			EQUAL(read(hold[0], &c, 1), 0);
			pid_t now = getppid();
			EQUAL(write(report[1], &now, sizeof(now)), sizeof(now));
		});
	});
	EXITS(child, 0);
	close(hold[1]);
	EQUAL(read(report[0], &parent_seen, sizeof(parent_seen)), sizeof(parent_seen));
	CHECK(parent_seen != child);
	CHECK(parent_seen >= 1);
}

static void many_children_at_once(void)
{
	enum { COUNT = 90 };
	pid_t children[COUNT];
	int hold[2];

	OK(pipe(hold));
	for (int i = 0; i < COUNT; i++) {
		children[i] = CHILD({
			char c;
			close(hold[1]);
			EQUAL(read(hold[0], &c, 1), 0);
			_exit(i);
		});
	}
	close(hold[1]);
	for (int i = 0; i < COUNT; i++)
		EXITS(children[i], i);
}

static void pids_are_reused_safely(void)
{
	pid_t last = 0;

	for (int i = 0; i < 300; i++) {
		pid_t child = CHILD(_exit(0));
		CHECK(child != last);
		last = child;
		EXITS(child, 0);
	}
}

/* The program is its own helper: argv[1] begins with '@'. */
static int helper(int argc, char **argv, char **environment)
{
	if (strcmp(argv[1], "@exit") == 0)
		return atoi(argv[2]);
	if (strcmp(argv[1], "@args") == 0)
		return argc == 4 && strcmp(argv[0], "zero") == 0 && strcmp(argv[2], "") == 0 &&
				       strcmp(argv[3], "a b") == 0 && strcmp(environment[0], "ONLY=this") == 0 &&
				       environment[1] == nullptr
			       ? 0
			       : 1;
	if (strcmp(argv[1], "@closed") == 0)
		return fcntl(atoi(argv[2]), F_GETFD) == -1 && errno == EBADF && fcntl(atoi(argv[3]), F_GETFD) == 0 ? 0
														   : 1;
	if (strcmp(argv[1], "@signals") == 0) {
		struct sigaction usr1, usr2;
		sigset_t mask;

		sigaction(SIGUSR1, nullptr, &usr1);
		sigaction(SIGUSR2, nullptr, &usr2);
		sigprocmask(SIG_BLOCK, nullptr, &mask);
		return usr1.sa_handler == SIG_DFL && usr2.sa_handler == SIG_IGN && sigismember(&mask, SIGHUP) &&
				       !sigismember(&mask, SIGTERM)
			       ? 0
			       : 1;
	}
	if (strcmp(argv[1], "@auxv") == 0)
		return getauxval(AT_PAGESZ) == 4096 && getauxval(AT_PHDR) != 0 && getauxval(AT_ENTRY) != 0 &&
				       getauxval(AT_RANDOM) != 0 && getauxval(AT_UID) == getuid() &&
				       getauxval(AT_SECURE) == 0 && getauxval(AT_CLKTCK) == 100 &&
				       getauxval(AT_PHENT) == sizeof(Elf64_Phdr) && getauxval(AT_EXECFN) != 0
			       ? 0
			       : 1;
	/* Called by a script: argv is program, "@script", script path, its arguments. */
	if (strcmp(argv[1], "@script") == 0)
		return argc == 4 && strcmp(argv[2], "./script") == 0 && strcmp(argv[3], "arg") == 0 ? 33 : 1;
	return 97;
}

static void run_helper(int code, char *const argv[], char *const environment[])
{
	pid_t child = CHILD({
		execve("/proc/self/exe", argv, environment);
		_exit(96);
	});
	EXITS(child, code);
}

static void exec_passes_arguments(void)
{
	run_helper(12, (char *[]){"x", "@exit", "12", nullptr}, (char *[]){nullptr});
	run_helper(0, (char *[]){"zero", "@args", "", "a b", nullptr}, (char *[]){"ONLY=this", nullptr});
	run_helper(0, (char *[]){"x", "@auxv", nullptr}, (char *[]){nullptr});
}

static void exec_long_argument_lists(void)
{
	enum { COUNT = 2000 };
	char *argv[COUNT + 4];
	static char word[101];

	memset(word, 'w', 100);
	argv[0] = "x";
	argv[1] = "@exit";
	argv[2] = "21";
	for (int i = 3; i < COUNT + 3; i++)
		argv[i] = word;
	argv[COUNT + 3] = nullptr;
	run_helper(21, argv, (char *[]){nullptr});

	/* One string longer than 128 KiB is too much for anyone. */
	static char huge[200 * 1024];
	memset(huge, 'h', sizeof(huge) - 1);
	FAILS(E2BIG, execve("/proc/self/exe", (char *[]){"x", huge, nullptr}, (char *[]){nullptr}));
}

static void exec_closes_descriptors(void)
{
	char closing[12], staying[12];
	int a = OK(open("/dev/null", O_RDONLY | O_CLOEXEC));
	int b = OK(open("/dev/null", O_RDONLY));

	snprintf(closing, sizeof(closing), "%d", a);
	snprintf(staying, sizeof(staying), "%d", b);
	run_helper(0, (char *[]){"x", "@closed", closing, staying, nullptr}, (char *[]){nullptr});
}

static void nothing(int signal)
{
	(void)signal;
}

static void exec_resets_handlers_keeps_mask(void)
{
	sigset_t hup;

	signal(SIGUSR1, nothing);
	signal(SIGUSR2, SIG_IGN);
	sigemptyset(&hup);
	sigaddset(&hup, SIGHUP);
	sigprocmask(SIG_BLOCK, &hup, nullptr);
	run_helper(0, (char *[]){"x", "@signals", nullptr}, (char *[]){nullptr});
}

static void exec_keeps_pid_and_cwd(void)
{
	static char path[4096];
	ssize_t length = OK(readlink("/proc/self/exe", path, sizeof(path) - 1));
	path[length] = '\0';
	CHECK(path[0] == '/');
	OK(execve(path, (char *[]){"x", "@exit", "0", nullptr}, (char *[]){nullptr}));
}

static void exec_static_pie(void)
{
	char path[4096];
	ssize_t length = OK(readlink("/proc/self/exe", path, sizeof(path) - 32));

	path[length] = '\0';
	strcpy(strrchr(path, '/'), "/exec_pie");
	pid_t child = CHILD({
		execve(path, (char *[]){"pie", "@pie", nullptr}, (char *[]){nullptr});
		_exit(96);
	});
	EXITS(child, 17);
}

static void exec_scripts(void)
{
	char line[4200], path[4096];

	ssize_t length = OK(readlink("/proc/self/exe", path, sizeof(path) - 1));
	path[length] = '\0';
	ktap_enter_dir();
	snprintf(line, sizeof(line), "#! %s  @script \nnot read\n", path);
	if (length < 100) {
		ktap_write_file("script", line);
		OK(chmod("script", 0755));
		pid_t child = CHILD({
			execve("./script", (char *[]){"ignored", "arg", nullptr}, (char *[]){nullptr});
			_exit(96);
		});
		EXITS(child, 33);
	}
	ktap_write_file("none", "#!/no/such/interpreter\n");
	OK(chmod("none", 0755));
	FAILS(ENOENT, execve("./none", (char *[]){"x", nullptr}, (char *[]){nullptr}));
	ktap_write_file("empty", "#!\n");
	OK(chmod("empty", 0755));
	FAILS(ENOEXEC, execve("./empty", (char *[]){"x", nullptr}, (char *[]){nullptr}));
}

static void exec_errors(void)
{
	char *const argv[] = {"x", nullptr};

	ktap_enter_dir();
	FAILS(ENOENT, execve("./missing", argv, argv + 1));
	ktap_write_file("plain", "just text");
	FAILS(EACCES, execve("./plain", argv, argv + 1));
	OK(chmod("plain", 0755));
	FAILS(ENOEXEC, execve("./plain", argv, argv + 1));
	ktap_write_file("nothing", "");
	OK(chmod("nothing", 0755));
	FAILS(ENOEXEC, execve("./nothing", argv, argv + 1));
	FAILS(EACCES, execve(".", argv, argv + 1));
	FAILS(ENOTDIR, execve("./plain/x", argv, argv + 1));
	FAILS(EFAULT, execve((char *)16, argv, argv + 1));
	FAILS(EFAULT, execve("/proc/self/exe", (char **)16, argv + 1));
	FAILS(EFAULT, execve("/proc/self/exe", (char *[]){(char *)16, nullptr}, argv + 1));
}

/* Damaged ELF files end in an error or kill their own process; they never run. */
static void exec_damaged_elf(void)
{
	static char image[64 * 1024];
	int fd = OK(open("/proc/self/exe", O_RDONLY));
	ssize_t length = OK(read(fd, image, sizeof(image)));
	Elf64_Ehdr *header = (Elf64_Ehdr *)image;
	Elf64_Ehdr good = *header;

	ktap_enter_dir();
	for (int kind = 0; kind < 8; kind++) {
		*header = good;
		switch (kind) {
		case 0: header->e_phoff = ~0ull; break;
		case 1: header->e_phnum = 0xffff; break;
		case 2: header->e_phentsize = 1; break;
		case 3: header->e_machine = EM_SPARC; break;
		case 4: header->e_type = ET_REL; break;
		case 5: header->e_ident[EI_CLASS] = ELFCLASS32; break;
		case 6: header->e_phnum = 0; break;
		case 7: header->e_entry = 0xffff800000000000; break;
		}
		fd = OK(open("elf", O_WRONLY | O_CREAT | O_TRUNC, 0755));
		EQUAL(write(fd, image, (size_t)length), length);
		OK(close(fd));
		pid_t child = CHILD({
			execve("./elf", (char *[]){"elf", "@exit", "0", nullptr}, (char *[]){nullptr});
			_exit(errno == ENOEXEC || errno == ENOMEM || errno == EINVAL || errno == EIO ? 0 : 1);
		});
		int status = ktap_wait(child);
		CHECK(status == 0 || WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGKILL);
	}
}

static void writing_a_running_program(void)
{
	char path[4096];
	ssize_t length = OK(readlink("/proc/self/exe", path, sizeof(path) - 1));

	path[length] = '\0';
	FAILS(ETXTBSY, open(path, O_WRONLY));
}

static void threads_and_process_ids(void)
{
	EQUAL(syscall(SYS_gettid), getpid());
	EQUAL(syscall(SYS_getpid), getpid());
	EQUAL(getpgrp(), getpid());
	EQUAL(getpgid(0), getpid());
	CHECK(getsid(0) > 0);
	FAILS(ESRCH, getpgid(0x3ffffff0));
	FAILS(ESRCH, kill(0x3ffffff0, 0));
}

static void process_names(void)
{
	char name[32] = {};

	OK(prctl(PR_SET_NAME, "a-rather-long-name-indeed"));
	OK(prctl(PR_GET_NAME, name));
	CHECK(strcmp(name, "a-rather-long-n") == 0);
	ktap_read_file("/proc/self/comm", name, sizeof(name));
	CHECK(strcmp(name, "a-rather-long-n\n") == 0);
}

static const struct ktap_case cases[] = {
	CASE(fork_returns_twice),
	CASE(fork_copies_memory),
	CASE(parent_writes_are_not_seen_by_child),
	CASE(grandchildren_copy_on_write),
	CASE(exit_code_is_eight_bits),
	CASE(wait_reports_the_signal),
	CASE(wait_without_children),
	CASE(wait_flags),
	CASE(waitid_tells_all),
	CASE(wait_by_group),
	CASE(wait_fills_rusage),
	CASE(vfork_shares_memory_and_waits),
	CASE(clone_with_a_stack),
	CASE(clone_sets_tid),
	CASE(orphans_get_a_new_parent),
	CASE(many_children_at_once),
	CASE(pids_are_reused_safely),
	CASE(exec_passes_arguments),
	CASE(exec_long_argument_lists),
	CASE(exec_closes_descriptors),
	CASE(exec_resets_handlers_keeps_mask),
	CASE(exec_keeps_pid_and_cwd),
	CASE(exec_static_pie),
	CASE(exec_scripts),
	CASE(exec_errors),
	CASE(exec_damaged_elf),
	CASE(writing_a_running_program),
	CASE(threads_and_process_ids),
	CASE(process_names),
};

int main(int argc, char **argv, char **environment)
{
	if (argc > 1 && argv[1][0] == '@')
		return helper(argc, argv, environment);
	return ktap_main(argc, argv, cases, sizeof(cases) / sizeof(*cases));
}
