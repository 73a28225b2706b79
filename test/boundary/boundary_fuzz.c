/* SPDX-License-Identifier: MIT */
/*
 * Every system call number from 0 to 2000, and numbers beyond, with bounded random arguments, by an
 * unprivileged user. A call may fail, block (it is ended) or end its process; the kernel must go on.
 * The numbers include those of all nucleus calls and gates.
 *
 *	boundary_fuzz [CASE]      FUZZ_SEED and FUZZ_ROUNDS in the environment change seed and rounds
 */
#include "boundary.h"

#include <grp.h>
#include <nucleus/layout.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

/* From FIRST_FREE on there are no calls: one process can try a GROUP of these numbers. */
enum { FIRST_FREE = 512, NUMBERS = 2001, GROUP = 16, NOBODY = 65533 };

static uint64_t state;
static char scratch[65536];
static char text[] = "fuzz-file";

static uint64_t next_random(void)
{
	state += 0x9e3779b97f4a7c15;
	uint64_t z = state;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static uint64_t argument(void)
{
	static const uint64_t special[] = {
		0,
		1,
		2,
		3,
		7,
		8,
		64,
		4096,
		65536,
		~0ull,
		~1ull,
		0x7fffffff,
		0x80000000,
		0xffffffff,
		0x7fffffffffffffff,
		0x8000000000000000,
		USER_END,
		USER_END - 1,
		USER_END + 4096,
		WINDOW_BASE,
		DIRECT_BASE,
		POOL_BASE,
		FRAMES_BASE,
		IMAGE_BASE,
		GATES_BASE,
		GATE_CALL_RETURN,
		0xfffffffffffff000,
	};

	switch (next_random() % 8) {
	case 0: return special[next_random() % (sizeof(special) / sizeof(*special))];
	case 1: return (uint64_t)scratch + next_random() % 4096 * 8;
	case 2: return (uint64_t)text;
	case 3: return next_random() % 16;
	case 4: return next_random() % 8192;
	case 5: return 1ull << next_random() % 64;
	case 6: return (uint64_t)scratch;
	default: return next_random() >> next_random() % 64;
	}
}

/* Calls that leave things behind on the machine that runs the test, in places that outlive the
 * process. */
static bool left_out(long number)
{
	return number == SYS_shmget || number == SYS_semget || number == SYS_msgget || number == SYS_mq_open ||
	       number == SYS_add_key || number == SYS_request_key || number == SYS_keyctl;
}

static void become_nobody(void)
{
	OK(setrlimit(RLIMIT_NPROC, &(struct rlimit){40, 40}));
	OK(setrlimit(RLIMIT_AS, &(struct rlimit){128 << 20, 128 << 20}));
	OK(setrlimit(RLIMIT_FSIZE, &(struct rlimit){1 << 20, 1 << 20}));
	OK(setrlimit(RLIMIT_CORE, &(struct rlimit){}));
	OK(setgroups(0, nullptr));
	OK(setgid(NOBODY));
	OK(setuid(NOBODY));
	int null = OK(open("/dev/null", O_RDWR));
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	open("/dev/zero", O_RDWR);
	int ends[2];
	(void)!pipe(ends);
	ktap_disown();
}

static void fuzz_number(long number, int rounds)
{
	for (int round = 0; round < rounds; round++) {
		uint64_t a[6];
		for (int i = 0; i < 6; i++)
			a[i] = argument();
		for (int i = 0; i < 64; i++)
			((uint64_t *)(void *)scratch)[i] = argument();
		syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	}
}

/* Ends every process of the user that fuzzes: what the calls have made. */
static void sweep(void)
{
	pid_t child = fork();

	if (child == 0) {
		if (setuid(NOBODY) == 0)
			kill(-1, SIGKILL);
		_exit(0);
	}
	while (waitpid(child, nullptr, 0) < 0 && errno == EINTR)
		;
}

/* Waits for the child a while, then ends it: many calls block. */
static void wait_or_end(pid_t child)
{
	for (int i = 0; i < 120; i++) {
		if (waitpid(child, nullptr, WNOHANG) == child)
			return;
		usleep(i < 50 ? 200 : 1000);
	}
	sweep();
	kill(child, SIGKILL);
	while (waitpid(child, nullptr, 0) < 0 && errno == EINTR)
		;
}

static unsigned long setting(const char *name, unsigned long otherwise)
{
	const char *value = getenv(name);

	return value != nullptr ? strtoul(value, nullptr, 0) : otherwise;
}

static void fuzz(const long *numbers, size_t count)
{
	unsigned long seed = setting("FUZZ_SEED", 1);
	int rounds = (int)setting("FUZZ_ROUNDS", 10);

	ktap_note("seed %lu, %d rounds a number", seed, rounds);
	ktap_enter_dir();
	OK(chmod(".", 0755));
	OK(mkdir("in", 0777));
	OK(chown("in", NOBODY, NOBODY));
	OK(chdir("in"));
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (size_t i = 0, group; i < count; i += group) {
		group = numbers[i] < FIRST_FREE || count - i < GROUP ? 1 : GROUP;
		if (left_out(numbers[i]))
			continue;
		pid_t child = fork();
		CHECK(child >= 0);
		if (child == 0) {
			become_nobody();
			for (size_t k = i; k < i + group; k++) {
				state = seed * 1'000'003 + (unsigned long)numbers[k];
				fuzz_number(numbers[k], rounds);
			}
			_exit(0);
		}
		wait_or_end(child);
		if (i % 64 == 64 - group) {
			sweep();
			while (waitpid(-1, nullptr, WNOHANG) > 0)
				;
			still_works();
		}
	}
	sweep();
	/* Those that crashed among them were meant to; some have another signal than SIGCHLD for that. */
	while (waitpid(-1, nullptr, __WALL) > 0 || errno == EINTR)
		;
	still_works();
}

static void fuzz_range(long first, long end)
{
	static long numbers[NUMBERS];
	size_t count = 0;

	for (long number = first; number < end; number++)
		numbers[count++] = number;
	fuzz(numbers, count);
}

static void numbers_0_to_127(void)
{
	fuzz_range(0, 128);
}
static void numbers_128_to_255(void)
{
	fuzz_range(128, 256);
}
static void numbers_256_to_511(void)
{
	fuzz_range(256, FIRST_FREE);
}
static void numbers_512_to_2000(void)
{
	fuzz_range(FIRST_FREE, NUMBERS);
}

static void numbers_beyond(void)
{
	static const long numbers[] = {-1,
				       -2,
				       -4096,
				       0x7fffffff,
				       0x80000000,
				       0xffffffff,
				       0x100000000,
				       0x100000027,
				       0x40000000,
				       0x40000027,
				       0x7fffffffffffffff,
				       (long)0x8000000000000000,
				       (long)GATE_CALL_RETURN};

	fuzz(numbers, sizeof(numbers) / sizeof(*numbers));
}

KTAP_MAIN(CASE(numbers_0_to_127), CASE(numbers_128_to_255), CASE(numbers_256_to_511), CASE(numbers_512_to_2000),
	  CASE(numbers_beyond))
