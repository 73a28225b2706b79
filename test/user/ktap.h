/* SPDX-License-Identifier: MIT */
/*
 * The harness of the user-ABI tests: each case runs in a process of its own, and results are
 *printed as KTAP.
 *
 *	static void reads_zero(void) { ... CHECK(n == 1); }
 *	KTAP_MAIN(CASE(reads_zero), STELLUX_CASE(counts_unknown_calls))
 *
 * A failed check says where and why and ends the case; a crash or a hang (eight minutes, far beyond
 *what any case takes) ends it too. A program takes case names as arguments to run only those, `-l`
 *to list them, `-1` to run cases in its own process (for a debugger). STELLUX_CASE marks what only
 *Stellux has; elsewhere it is a skip that says so. KTAP_INDENT in the environment is put before
 *each line (for subtests).
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct ktap_case {
	const char *name;
	void (*run)(void);
	bool stellux_only;
};

#define CASE(function)	       {#function, function, false}
#define STELLUX_CASE(function) {#function, function, true}

/* Runs the cases as the arguments say; the value is for main to return. */
int ktap_main(int argc, char **argv, const struct ktap_case *cases, size_t count);

#define KTAP_MAIN(...)                                                                                                 \
	int main(int argc, char **argv)                                                                                \
	{                                                                                                              \
		static const struct ktap_case cases[] = {__VA_ARGS__};                                                 \
		return ktap_main(argc, argv, cases, sizeof(cases) / sizeof(*cases));                                   \
	}

/* Prints a KTAP diagnostic line. */
[[gnu::format(printf, 1, 2)]] void ktap_note(const char *format, ...);

/* Ends the case as failed, from any process or thread of it, waited for or not. A process that crashed and that nobody
 * waited for makes it fail too. */
[[noreturn, gnu::format(printf, 3, 4)]]
void ktap_fail(const char *file, int line, const char *format, ...);

/* From here on a check that fails in the calling process, or in one that it makes, is not the case's: it does what
 * nobody foresees, such as running two threads on one stack, and may get anywhere. */
void ktap_disown(void);

/* Ends the case as skipped, with the reason. */
[[noreturn]] void ktap_skip(const char *reason);

bool ktap_on_stellux(void);

/* The call must succeed (not return -1); its value is the macro's. */
#define OK(call)                                                                                                       \
	({                                                                                                             \
		typeof(call) ok_value_ = (call);                                                                       \
		if (ok_value_ == (typeof(call))-1)                                                                     \
			ktap_fail(__FILE__, __LINE__, "%s: errno %d", #call, errno);                                   \
		ok_value_;                                                                                             \
	})

/* The call must return -1 and set this errno. */
#define FAILS(wanted, call)                                                                                            \
	do {                                                                                                           \
		errno = 0;                                                                                             \
		long fails_value_ = (long)(call);                                                                      \
		int fails_errno_ = errno;                                                                              \
		if (fails_value_ != -1)                                                                                \
			ktap_fail(__FILE__, __LINE__, "%s: returned %ld, wanted " #wanted, #call, fails_value_);       \
		if (fails_errno_ != (wanted))                                                                          \
			ktap_fail(__FILE__, __LINE__, "%s: errno %d, wanted " #wanted, #call, fails_errno_);           \
	} while (0)

#define CHECK(condition)                                                                                               \
	do {                                                                                                           \
		if (!(condition))                                                                                      \
			ktap_fail(__FILE__, __LINE__, "%s is false", #condition);                                      \
	} while (0)

#define EQUAL(actual, expected)                                                                                        \
	do {                                                                                                           \
		long long actual_ = (long long)(actual), expected_ = (long long)(expected);                            \
		if (actual_ != expected_)                                                                              \
			ktap_fail(__FILE__, __LINE__, "%s is %lld (0x%llx), wanted %s = %lld", #actual, actual_,       \
				  actual_, #expected, expected_);                                                      \
	} while (0)

/* Forks; the child runs the statements and exits 0 after it. Returns the child. */
#define CHILD(...)                                                                                                     \
	({                                                                                                             \
		pid_t child_ = fork();                                                                                 \
		if (child_ < 0)                                                                                        \
			ktap_fail(__FILE__, __LINE__, "fork: errno %d", errno);                                        \
		if (child_ == 0) {                                                                                     \
			__VA_ARGS__;                                                                                   \
			_exit(0);                                                                                      \
		}                                                                                                      \
		child_;                                                                                                \
	})

/* Waits for `pid` and returns its wait status. */
int ktap_wait(pid_t pid);

/* The child must exit with this code. */
#define EXITS(pid, code) EQUAL(ktap_wait(pid), (code) << 8)

/* The child must be killed by this signal. */
#define DIES(pid, signal) EQUAL(ktap_wait(pid) & 0x7f, signal)

/* A directory of the case's own under /tmp, made and entered; removed with its content when the
 * case ends. */
void ktap_enter_dir(void);

/* Reads up to size-1 bytes of the file into `text` and ends it with NUL. Returns the length; fails
 * the case on an error. */
size_t ktap_read_file(const char *path, char *text, size_t size);

/* Makes the file with this content. */
void ktap_write_file(const char *path, const char *text);

/* Writes the text to a file that is there, with one write: to one of /proc or /sys. Fails the case on an error. */
void ktap_put(const char *path, const char *text);

/* Makes a copy of the running program, with these rights. */
void ktap_copy_self(const char *path, mode_t mode);

/* Gives up the groups, and takes this number for the group's and the user's ids. */
void ktap_become(unsigned int id);

/* Waits, without a time limit of its own, until the process sleeps or is stopped: `states` as in
 * /proc/PID/stat ("S", "T"). */
void ktap_until_state(pid_t pid, const char *states);

/* The same for one thread of it. */
void ktap_until_thread_state(pid_t pid, pid_t tid, const char *states);
