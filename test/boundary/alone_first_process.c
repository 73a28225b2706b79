/* SPDX-License-Identifier: MIT */
/*
 * PID 1, and a kernel that faults while it works for it, at each fault point of /proc/stray_points: its calls fail, its
 * events are tried again, and where neither can be, and where its program is lost since it was being replaced, it is
 * started anew. It is PID 1 still, reaps orphans, and the machine runs programs; what init had started goes on
 * (test/session/anew_test.py has the same with shells).
 *
 * Runs alone, as init.run=, since it takes PID 1 apart. init answers SIGQUIT by starting its own program anew, which is
 * how it is brought to pass the steps of exec, and the page faults of a fresh program.
 */
#include "points.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/klog.h>
#include <sys/wait.h>

enum {
	READ_ALL = 3,
	FAULTS_IN_ROW = 5, /* more than an event is tried again, fewer than the kernel starts PID 1 anew in a row */
	ROW_ENDS_MS = 250, /* after so long without a start the kernel counts anew */
};

/* --- orphans, for PID 1 to reap. The harness reaps those of cases, so a process that is its own child makes them. ---
 */

static int to_maker[2], from_maker[2];

/* Whether it is, within a while. Where PID 1 faults it may not be: the answer is no, some turns after the first fault.
 */
static bool orphan_is_reaped(bool patient)
{
	enum { TURNS_AFTER = 100 };
	int ends[2];
	pid_t orphan = 0;

	OK(pipe(ends));
	pid_t pid = OK(fork());
	if (pid == 0) {
		pid_t child = fork();
		if (child == 0)
			pause_ms(1);
		else
			(void)!write(ends[1], &child, sizeof(child));
		_exit(0);
	}
	close(ends[1]);
	ssize_t n = read(ends[0], &orphan, sizeof(orphan));
	close(ends[0]);
	OK(waitpid(pid, nullptr, 0));
	if (n != sizeof(orphan))
		return false;
	int after = 0, passed, faulted;

	FOR_MS(LIMIT_MS / 4) {
		if (kill(orphan, 0) != 0)
			return true;
		if (!patient && (counts(&passed, &faulted), faulted > 0) && ++after > TURNS_AFTER)
			break;
	}
	return false;
}

static void serve_orphans(void)
{
	char c;

	OK(pipe(to_maker));
	OK(pipe(from_maker));
	pid_t pid = OK(fork());
	if (pid == 0) {
		if (OK(fork()) != 0)
			_exit(0);
		close(to_maker[1]);
		close(from_maker[0]);
		while (read(to_maker[0], &c, 1) == 1) {
			c = orphan_is_reaped(c);
			(void)!write(from_maker[1], &c, 1);
		}
		_exit(0);
	}
	OK(waitpid(pid, nullptr, 0));
	close(to_maker[0]);
	close(from_maker[1]);
}

/* Whether PID 1 reaps an orphan; patient: whether or not it faults. */
static bool make_orphan(bool patient)
{
	char c = patient;

	return write(to_maker[1], &c, 1) == 1 && read(from_maker[0], &c, 1) == 1 && c;
}

/* --- what must still be --- */

static void check_machine(const char *point)
{
	char answer[16] = "", name[32] = "";
	int ends[2], status = -1;

	/* What was left is found with the next child. */
	if (!make_orphan(true) && !make_orphan(true))
		ktap_fail(__FILE__, __LINE__, "%s: PID 1 reaps no more", point);
	OK(pipe(ends));
	pid_t pid = OK(fork());
	if (pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		execl("/proc/self/exe", "answer", nullptr);
		_exit(1);
	}
	close(ends[1]);
	(void)!read(ends[0], answer, sizeof(answer) - 1);
	close(ends[0]);
	OK(waitpid(pid, &status, 0));
	if (status != 0 || strcmp(answer, "42") != 0)
		ktap_fail(__FILE__, __LINE__, "%s: a program answers `%s`, status %#x", point, answer, status);
	ktap_read_file("/proc/1/comm", name, sizeof(name));
	if (strcmp(name, "init\n") != 0)
		ktap_fail(__FILE__, __LINE__, "%s: PID 1 is called %s", point, name);
}

/* How often PID 1 was started anew since the last call, from the kernel's log. */
static int starts_anew(void)
{
	static char text[1 << 18], last[64];
	int n = klogctl(READ_ALL, text, sizeof(text) - 1), count = 0;

	text[n > 0 ? n : 0] = '\0';
	char *at = last[0] != '\0' ? strstr(text, last) : nullptr;
	at = at != nullptr ? at + strlen(last) : text;
	while ((at = strstr(at, "] process: PID 1 cannot go on")) != nullptr) {
		char *line = at;

		while (line > text && line[-1] != '\n')
			line--;
		/* With its time, it is the only one. */
		snprintf(last, sizeof(last), "%.*s", (int)strcspn(line, "("), line);
		at++;
		count++;
	}
	return count;
}

static void its_calls_fail_and_its_events_are_tried_again(void)
{
	int hits = 0;

	read_points();
	for (int i = 0; i < point_count; i++) {
		int passed, faulted;

		if (kernel_thread_of(points[i]) != nullptr || begins(points[i], "exit_"))
			continue;
		arm(points[i], "init", 1, 1);
		(void)make_orphan(false);
		counts(&passed, &faulted);
		disarm();
		hits += faulted;
		check_machine(points[i]);
	}
	/* The steps of wait: else this tests nothing. */
	CHECK(hits >= 4);
}

/* One of its points: how often PID 1 was started anew. */
static int take_apart(const char *point, int faults)
{
	int passed, faulted;

	(void)starts_anew();
	arm(point, "init", 1, faults);
	OK(kill(1, SIGQUIT));
	(void)make_orphan(false);
	counts(&passed, &faulted);
	disarm();
	check_machine(point);
	int starts = starts_anew();
	if (starts > 0) {
		ktap_note("%s: %d faults, started anew %d times", point, faulted, starts);
		pause_ms(ROW_ENDS_MS);
	}
	return starts;
}

static void it_is_started_anew(void)
{
	int once = 0, again = 0;

	read_points();
	for (int i = 0; i < point_count; i++) {
		if (!begins(points[i], "exec_") && !begins(points[i], "fault_") && !begins(points[i], "signal_"))
			continue;
		once += take_apart(points[i], 1) > 0;
		again += take_apart(points[i], FAULTS_IN_ROW) > 0;
	}
	/* The steps of exec behind its point of no return, and then those of a page fault, too. */
	CHECK(once >= 5);
	CHECK(again > once);
}

static const struct ktap_case cases[] = {CASE(its_calls_fail_and_its_events_are_tried_again), CASE(it_is_started_anew)};

int main(int argc, char **argv)
{
	if (strcmp(argv[0], "answer") == 0)
		return write(STDOUT_FILENO, "42", 2) != 2;
	serve_orphans();
	return ktap_main(argc, argv, cases, sizeof(cases) / sizeof(*cases));
}
