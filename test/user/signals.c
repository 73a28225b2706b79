/* SPDX-License-Identifier: MIT */
/*
 * Signals: handlers and their frames, alternate stacks, masks, restarting, queued values, waiting,
 * stop and continue, what the kernel raises itself.
 */
#include "ktap.h"

#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t count, last;
static siginfo_t last_info;

static void count_signal(int signal)
{
	count++;
	last = signal;
}

static void note_info(int signal, siginfo_t *info, void *context)
{
	(void)context;
	count++;
	last = signal;
	last_info = *info;
}

static void handle(int signal, void (*handler)(int), int flags)
{
	OK(sigaction(signal, &(struct sigaction){.sa_handler = handler, .sa_flags = flags}, nullptr));
}

static sigset_t set_of(int signal)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signal);
	return set;
}

static void block(int signal)
{
	sigset_t set = set_of(signal);

	OK(sigprocmask(SIG_BLOCK, &set, nullptr));
}

static void unblock(int signal)
{
	sigset_t set = set_of(signal);

	OK(sigprocmask(SIG_UNBLOCK, &set, nullptr));
}

static void handlers_run(void)
{
	handle(SIGUSR1, count_signal, 0);
	OK(raise(SIGUSR1));
	EQUAL(count, 1);
	EQUAL(last, SIGUSR1);
	OK(kill(getpid(), SIGUSR1));
	EQUAL(count, 2);
}

static void ignored_signals_vanish(void)
{
	handle(SIGUSR1, SIG_IGN, 0);
	OK(raise(SIGUSR1));
	OK(raise(SIGCHLD));
	OK(raise(SIGURG));
	OK(raise(SIGWINCH));
}

static void kill_and_stop_cannot_be_caught(void)
{
	struct sigaction action = {.sa_handler = count_signal};

	FAILS(EINVAL, sigaction(SIGKILL, &action, nullptr));
	FAILS(EINVAL, sigaction(SIGSTOP, &action, nullptr));
	OK(sigaction(SIGKILL, nullptr, &action));
	FAILS(EINVAL, sigaction(65, &action, nullptr));
	FAILS(EINVAL, sigaction(0, &action, nullptr));
	FAILS(EINVAL, kill(getpid(), 65));
	block(SIGKILL);
	pid_t child = CHILD(block(SIGKILL); block(SIGTERM); for (;;) pause());
	OK(kill(child, SIGKILL));
	DIES(child, SIGKILL);
}

static void blocked_signals_wait(void)
{
	sigset_t pending;

	handle(SIGUSR1, count_signal, 0);
	block(SIGUSR1);
	OK(raise(SIGUSR1));
	OK(raise(SIGUSR1));
	EQUAL(count, 0);
	OK(sigpending(&pending));
	CHECK(sigismember(&pending, SIGUSR1));
	CHECK(!sigismember(&pending, SIGUSR2));
	unblock(SIGUSR1);
	/* Standard signals do not queue. */
	EQUAL(count, 1);
	OK(sigpending(&pending));
	CHECK(!sigismember(&pending, SIGUSR1));
}

static void realtime_signals_queue_in_order(void)
{
	handle(SIGRTMIN + 1, nullptr, 0);
	OK(sigaction(SIGRTMIN + 1, &(struct sigaction){.sa_sigaction = note_info, .sa_flags = SA_SIGINFO}, nullptr));
	block(SIGRTMIN + 1);
	for (int i = 0; i < 5; i++)
		OK(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = i}));
	for (int i = 0; i < 5; i++) {
		siginfo_t info;
		sigset_t set = set_of(SIGRTMIN + 1);

		if (i == 3)
			break;
		EQUAL(sigwaitinfo(&set, &info), SIGRTMIN + 1);
		EQUAL(info.si_value.sival_int, i);
		EQUAL(info.si_code, SI_QUEUE);
		EQUAL(info.si_pid, getpid());
	}
	unblock(SIGRTMIN + 1);
	EQUAL(count, 2);
	EQUAL(last_info.si_value.sival_int, 4);
}

static void siginfo_names_the_sender(void)
{
	OK(sigaction(SIGUSR1, &(struct sigaction){.sa_sigaction = note_info, .sa_flags = SA_SIGINFO}, nullptr));
	pid_t parent = getpid();
	pid_t child = CHILD(OK(kill(parent, SIGUSR1)));
	EXITS(child, 0);
	EQUAL(count, 1);
	EQUAL(last_info.si_code, SI_USER);
	EQUAL(last_info.si_pid, child);
	EQUAL(last_info.si_uid, getuid());
	EQUAL(last_info.si_signo, SIGUSR1);
}

static sigset_t mask_inside;

static void note_mask(int signal)
{
	(void)signal;
	sigprocmask(SIG_BLOCK, nullptr, &mask_inside);
}

static void masks_inside_handlers(void)
{
	sigset_t after;
	struct sigaction action = {.sa_handler = note_mask};

	sigaddset(&action.sa_mask, SIGUSR2);
	OK(sigaction(SIGUSR1, &action, nullptr));
	OK(raise(SIGUSR1));
	CHECK(sigismember(&mask_inside, SIGUSR1));
	CHECK(sigismember(&mask_inside, SIGUSR2));
	CHECK(!sigismember(&mask_inside, SIGTERM));
	OK(sigprocmask(SIG_BLOCK, nullptr, &after));
	CHECK(!sigismember(&after, SIGUSR1));
	CHECK(!sigismember(&after, SIGUSR2));
	handle(SIGUSR1, note_mask, SA_NODEFER);
	OK(raise(SIGUSR1));
	CHECK(!sigismember(&mask_inside, SIGUSR1));
}

static volatile int depth, deepest;

static void nest(int signal)
{
	if (++depth > deepest)
		deepest = depth;
	if (depth < 10)
		raise(signal == SIGUSR1 ? SIGUSR2 : SIGUSR1);
	depth--;
}

static void handlers_nest(void)
{
	handle(SIGUSR1, nest, SA_NODEFER);
	handle(SIGUSR2, nest, SA_NODEFER);
	OK(raise(SIGUSR1));
	EQUAL(deepest, 10);
	EQUAL(depth, 0);
}

static void one_shot_handlers(void)
{
	struct sigaction now;

	handle(SIGUSR1, count_signal, (int)SA_RESETHAND);
	OK(raise(SIGUSR1));
	OK(sigaction(SIGUSR1, nullptr, &now));
	CHECK(now.sa_handler == SIG_DFL);
	pid_t child = CHILD(raise(SIGUSR1));
	DIES(child, SIGUSR1);
}

static char *alternate;
static size_t alternate_size = 64 * 1024;
static volatile bool was_on_alternate;
static stack_t stack_inside;

static void note_stack(int signal)
{
	char here;

	(void)signal;
	was_on_alternate = &here >= alternate && &here < alternate + alternate_size;
	sigaltstack(nullptr, &stack_inside);
	FAILS(EPERM, sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, nullptr));
}

static void use_alternate_stack(void)
{
	alternate = mmap(nullptr, alternate_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	OK(sigaltstack(&(stack_t){.ss_sp = alternate, .ss_size = alternate_size}, nullptr));
}

static void alternate_stacks(void)
{
	stack_t old;

	OK(sigaltstack(nullptr, &old));
	EQUAL(old.ss_flags, SS_DISABLE);
	use_alternate_stack();
	handle(SIGUSR1, note_stack, SA_ONSTACK);
	OK(raise(SIGUSR1));
	CHECK(was_on_alternate);
	EQUAL(stack_inside.ss_flags, SS_ONSTACK);
	OK(sigaltstack(nullptr, &old));
	EQUAL(old.ss_flags, 0);
	EQUAL((uintptr_t)old.ss_sp, (uintptr_t)alternate);
	FAILS(ENOMEM, sigaltstack(&(stack_t){.ss_sp = alternate, .ss_size = 100}, nullptr));
	FAILS(EINVAL,
	      sigaltstack(&(stack_t){.ss_sp = alternate, .ss_size = alternate_size, .ss_flags = 1234}, nullptr));
}

static sigjmp_buf escape;

static void leave(int signal)
{
	(void)signal;
	siglongjmp(escape, 1);
}

[[gnu::noinline]] static int endless(volatile int *previous)
{
	volatile int frame[1000];

	frame[0] = previous[0] + 1;
	if (frame[0] < 0)
		return 0;
	return endless(frame) + frame[0];
}

static void stack_overflow_on_alternate_stack(void)
{
	volatile int start = 0;

	use_alternate_stack();
	handle(SIGSEGV, leave, SA_ONSTACK);
	if (sigsetjmp(escape, 1) == 0)
		endless(&start);
}

static void no_room_for_a_frame_kills(void)
{
	pid_t child = CHILD({
		setrlimit(RLIMIT_CORE, &(struct rlimit){});
		handle(SIGSEGV, count_signal, 0);
		volatile int start = 0;
		endless(&start);
	});
	DIES(child, SIGSEGV);
}

static void interrupted_read(void)
{
	int ends[2];
	char c;

	OK(pipe(ends));
	handle(SIGUSR1, count_signal, 0);
	pid_t parent = getpid();
	pid_t child = CHILD({
		ktap_until_state(parent, "S");
		OK(kill(parent, SIGUSR1));
	});
	FAILS(EINTR, read(ends[0], &c, 1));
	EQUAL(count, 1);
	EXITS(child, 0);
}

static int restart_pipe[2];

static void restarted_read(void)
{
	char c = 0;

	OK(pipe(restart_pipe));
	handle(SIGUSR1, count_signal, SA_RESTART);
	pid_t parent = getpid();
	pid_t child = CHILD({
		for (int i = 0; i < 3; i++) {
			ktap_until_state(parent, "S");
			OK(kill(parent, SIGUSR1));
		}
		ktap_until_state(parent, "S");
		EQUAL(write(restart_pipe[1], "z", 1), 1);
	});
	EQUAL(read(restart_pipe[0], &c, 1), 1);
	EQUAL(c, 'z');
	CHECK(count >= 1);
	EXITS(child, 0);
}

static void restarted_wait(void)
{
	int hold[2];

	OK(pipe(hold));
	handle(SIGUSR1, count_signal, SA_RESTART);
	pid_t parent = getpid();
	pid_t waited = CHILD({
		char c;
		close(hold[1]);
		EQUAL(read(hold[0], &c, 1), 0);
		_exit(4);
	});
	pid_t child = CHILD({
		ktap_until_state(parent, "S");
		OK(kill(parent, SIGUSR1));
		ktap_until_state(parent, "S");
	});
	close(hold[0]);
	EXITS(child, 0);
	EQUAL(count, 1);
	close(hold[1]);
	EXITS(waited, 4);
}

/* Calls that never restart whatever SA_RESTART says. */
static void never_restarted(void)
{
	sigset_t none;

	handle(SIGUSR1, count_signal, SA_RESTART);
	pid_t parent = getpid();
	pid_t child = CHILD({
		for (int i = 0; i < 3; i++) {
			block(SIGUSR2);
			sigset_t set = set_of(SIGUSR2);
			siginfo_t info;
			sigwaitinfo(&set, &info);
			ktap_until_state(parent, "S");
			OK(kill(parent, SIGUSR1));
		}
	});
	handle(SIGUSR2, SIG_IGN, 0);
	ktap_until_state(child, "S");
	OK(kill(child, SIGUSR2));
	FAILS(EINTR, pause());
	ktap_until_state(child, "S");
	OK(kill(child, SIGUSR2));
	FAILS(EINTR, nanosleep(&(struct timespec){.tv_sec = 1000}, nullptr));
	ktap_until_state(child, "S");
	OK(kill(child, SIGUSR2));
	sigemptyset(&none);
	FAILS(EINTR, sigsuspend(&none));
	EXITS(child, 0);
	EQUAL(count, 3);
}

static void sigsuspend_swaps_the_mask(void)
{
	sigset_t none, after;

	handle(SIGUSR1, count_signal, 0);
	block(SIGUSR1);
	OK(raise(SIGUSR1));
	EQUAL(count, 0);
	sigemptyset(&none);
	FAILS(EINTR, sigsuspend(&none));
	EQUAL(count, 1);
	OK(sigprocmask(SIG_BLOCK, nullptr, &after));
	CHECK(sigismember(&after, SIGUSR1));
}

static void sigtimedwait_waits(void)
{
	siginfo_t info;
	sigset_t set = set_of(SIGUSR1);

	block(SIGUSR1);
	FAILS(EAGAIN, sigtimedwait(&set, &info, &(struct timespec){}));
	FAILS(EAGAIN, sigtimedwait(&set, &info, &(struct timespec){.tv_nsec = 1000000}));
	FAILS(EINVAL, sigtimedwait(&set, &info, &(struct timespec){.tv_nsec = 2'000'000'000}));
	pid_t parent = getpid();
	pid_t child = CHILD({
		ktap_until_state(parent, "S");
		OK(kill(parent, SIGUSR1));
	});
	EQUAL(sigtimedwait(&set, &info, &(struct timespec){.tv_sec = 1000}), SIGUSR1);
	EQUAL(info.si_pid, child);
	EXITS(child, 0);
}

static void children_raise_sigchld(void)
{
	siginfo_t info;
	sigset_t set = set_of(SIGCHLD);

	block(SIGCHLD);
	pid_t child = CHILD(_exit(6));
	EQUAL(sigwaitinfo(&set, &info), SIGCHLD);
	EQUAL(info.si_code, CLD_EXITED);
	EQUAL(info.si_pid, child);
	EQUAL(info.si_status, 6);
	EXITS(child, 6);

	child = CHILD(for (;;) pause());
	OK(kill(child, SIGSTOP));
	EQUAL(sigwaitinfo(&set, &info), SIGCHLD);
	EQUAL(info.si_code, CLD_STOPPED);
	EQUAL(info.si_status, SIGSTOP);
	OK(kill(child, SIGCONT));
	EQUAL(sigwaitinfo(&set, &info), SIGCHLD);
	EQUAL(info.si_code, CLD_CONTINUED);
	OK(kill(child, SIGKILL));
	EQUAL(sigwaitinfo(&set, &info), SIGCHLD);
	EQUAL(info.si_code, CLD_KILLED);
	EQUAL(info.si_status, SIGKILL);
	DIES(child, SIGKILL);
}

static void nocldstop_and_nocldwait(void)
{
	sigset_t set = set_of(SIGCHLD);
	siginfo_t info;
	int status;

	block(SIGCHLD);
	handle(SIGCHLD, count_signal, SA_NOCLDSTOP);
	pid_t child = CHILD(for (;;) pause());
	OK(kill(child, SIGSTOP));
	EQUAL(waitpid(child, &status, WUNTRACED), child);
	FAILS(EAGAIN, sigtimedwait(&set, &info, &(struct timespec){}));
	OK(kill(child, SIGKILL));
	DIES(child, SIGKILL);
	EQUAL(sigwaitinfo(&set, &info), SIGCHLD);

	handle(SIGCHLD, SIG_IGN, 0);
	child = CHILD(_exit(1));
	FAILS(ECHILD, waitpid(child, nullptr, 0));
	FAILS(ESRCH, kill(child, 0));
}

static void stop_and_continue(void)
{
	volatile int *ticks = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;
	pid_t child = CHILD(for (;;) {
		(*ticks)++;
		sched_yield();
	});

	while (*ticks == 0)
		sched_yield();
	OK(kill(child, SIGSTOP));
	EQUAL(waitpid(child, &status, WUNTRACED), child);
	CHECK(WIFSTOPPED(status));
	int seen = *ticks;
	for (int i = 0; i < 100; i++)
		sched_yield();
	EQUAL(*ticks, seen);
	/* Other signals stay pending while stopped. */
	OK(kill(child, SIGTERM));
	EQUAL(waitpid(child, &status, WNOHANG), 0);
	OK(kill(child, SIGCONT));
	DIES(child, SIGTERM);
}

static void kill_wakes_a_stopped_process(void)
{
	int status;
	pid_t child = CHILD(raise(SIGSTOP));

	EQUAL(waitpid(child, &status, WUNTRACED), child);
	OK(kill(child, SIGKILL));
	DIES(child, SIGKILL);
}

static void continue_discards_stop(void)
{
	pid_t child = CHILD({
		block(SIGTSTP);
		raise(SIGTSTP);
		raise(SIGCONT);
		unblock(SIGTSTP);
	});
	EXITS(child, 0);
}

static void faults_kill_even_when_blocked(void)
{
	pid_t child = CHILD({
		setrlimit(RLIMIT_CORE, &(struct rlimit){});
		handle(SIGSEGV, count_signal, 0);
		block(SIGSEGV);
		*(volatile int *)8 = 1;
	});
	DIES(child, SIGSEGV);
}

static void alarms_and_interval_timers(void)
{
	struct itimerval left;
	sigset_t set = set_of(SIGALRM);
	int signal;

	block(SIGALRM);
	EQUAL(alarm(1000), 0);
	unsigned int before = alarm(0);
	CHECK(before > 0 && before <= 1000);
	OK(setitimer(ITIMER_REAL, &(struct itimerval){.it_value.tv_usec = 1000}, nullptr));
	OK(sigwait(&set, &signal));
	OK(setitimer(ITIMER_REAL, &(struct itimerval){.it_value.tv_usec = 1000, .it_interval.tv_usec = 1000}, nullptr));
	for (int i = 0; i < 3; i++)
		OK(sigwait(&set, &signal));
	OK(setitimer(ITIMER_REAL, &(struct itimerval){}, &left));
	EQUAL(left.it_interval.tv_usec, 1000);
	FAILS(EINVAL, setitimer(ITIMER_REAL, &(struct itimerval){.it_value.tv_usec = 1'000'000}, nullptr));
	FAILS(EINVAL, setitimer(77, &(struct itimerval){}, nullptr));
}

static void kill_to_groups(void)
{
	pid_t leader = CHILD(setpgid(0, 0); for (;;) pause());
	setpgid(leader, leader);
	pid_t member = CHILD(for (;;) pause());
	setpgid(member, leader);
	OK(kill(-leader, SIGTERM));
	DIES(leader, SIGTERM);
	DIES(member, SIGTERM);
	FAILS(ESRCH, kill(-leader, 0));
}

static void permissions_to_kill(void)
{
	pid_t parent = getpid();
	pid_t child = CHILD({
		OK(setuid(1000));
		FAILS(EPERM, kill(parent, 0));
		FAILS(EPERM, kill(parent, SIGTERM));
		FAILS(EPERM, kill(1, SIGTERM));
		OK(kill(getpid(), 0));
	});
	EXITS(child, 0);
}

static void tgkill_reaches_one_thread(void)
{
	handle(SIGUSR1, count_signal, 0);
	OK(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR1));
	EQUAL(count, 1);
	FAILS(ESRCH, syscall(SYS_tgkill, getpid(), 0x3ffffff0, SIGUSR1));
	FAILS(EINVAL, syscall(SYS_tgkill, -1, 1, SIGUSR1));
	FAILS(EINVAL, syscall(SYS_rt_sigprocmask, SIG_BLOCK, 0, 0, 4));
	FAILS(EINVAL, syscall(SYS_rt_sigaction, SIGUSR1, 0, 0, 4));
}

KTAP_MAIN(CASE(handlers_run), CASE(ignored_signals_vanish), CASE(kill_and_stop_cannot_be_caught),
	  CASE(blocked_signals_wait), CASE(realtime_signals_queue_in_order), CASE(siginfo_names_the_sender),
	  CASE(masks_inside_handlers), CASE(handlers_nest), CASE(one_shot_handlers), CASE(alternate_stacks),
	  CASE(stack_overflow_on_alternate_stack), CASE(no_room_for_a_frame_kills), CASE(interrupted_read),
	  CASE(restarted_read), CASE(restarted_wait), CASE(never_restarted), CASE(sigsuspend_swaps_the_mask),
	  CASE(sigtimedwait_waits), CASE(children_raise_sigchld), CASE(nocldstop_and_nocldwait),
	  CASE(stop_and_continue), CASE(kill_wakes_a_stopped_process), CASE(continue_discards_stop),
	  CASE(faults_kill_even_when_blocked), CASE(alarms_and_interval_timers), CASE(kill_to_groups),
	  CASE(permissions_to_kill), CASE(tgkill_reaches_one_thread))
