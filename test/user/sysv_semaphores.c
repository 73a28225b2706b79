/* SPDX-License-Identifier: MIT */
/* Semaphores of System V: operations at once or not at all, waiting, what is undone at the end, limits and rights. */
#include "ktap.h"

#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

union argument {
	int val;
	struct semid_ds *buf;
	unsigned short *array;
	struct seminfo *info;
};

static int set(int n)
{
	return OK(semget(IPC_PRIVATE, n, IPC_CREAT | 0600));
}

static int value(int s, int n)
{
	return OK(semctl(s, n, GETVAL));
}

static int operate(int s, int n, int op, int flags)
{
	struct sembuf b = {(unsigned short)n, (short)op, (short)flags};

	return semop(s, &b, 1);
}

static void all_or_none(void)
{
	int s = set(3);
	struct sembuf ops[] = {{0, 2, 0}, {1, -1, IPC_NOWAIT}};
	struct sembuf chain[] = {{0, 1, 0}, {0, -1, 0}, {0, 0, IPC_NOWAIT}, {2, 5, 0}};

	FAILS(EAGAIN, semop(s, ops, 2));
	EQUAL(value(s, 0), 0);
	OK(operate(s, 1, 1, 0));
	OK(semop(s, ops, 2));
	EQUAL(value(s, 0), 2);
	EQUAL(value(s, 1), 0);
	FAILS(EAGAIN, semop(s, chain, 4));
	EQUAL(value(s, 2), 0);
	OK(operate(s, 0, -2, 0));
	OK(semop(s, chain, 4));
	EQUAL(value(s, 2), 5);
	FAILS(ERANGE, operate(s, 2, 32767, 0));
	EQUAL(value(s, 2), 5);
	OK(semctl(s, 0, IPC_RMID));
}

static void bad_arguments(void)
{
	struct sembuf many[501] = {};
	struct timespec bad = {0, 1000000000};
	int s = set(2);

	FAILS(EINVAL, semget(IPC_PRIVATE, 0, 0600));
	FAILS(EINVAL, semget(IPC_PRIVATE, -1, 0600));
	FAILS(EINVAL, semget(IPC_PRIVATE, 32001, 0600));
	FAILS(EFBIG, operate(s, 2, 1, 0));
	FAILS(EINVAL, semop(s, many, 0));
	FAILS(E2BIG, semop(s, many, 501));
	FAILS(EFAULT, syscall(SYS_semtimedop, s, 8, 1, 0));
	FAILS(EINVAL, semtimedop(s, many, 1, &bad));
	FAILS(EINVAL, semctl(s, 2, GETVAL));
	FAILS(EINVAL, semctl(s, -1, GETVAL));
	FAILS(ERANGE, semctl(s, 0, SETVAL, (union argument){.val = -1}));
	FAILS(ERANGE, semctl(s, 0, SETVAL, (union argument){.val = 32768}));
	FAILS(EINVAL, semctl(s, 0, 99));
	FAILS(EINVAL, semctl(-1, 0, GETVAL));
	OK(semctl(s, 0, IPC_RMID));
	FAILS(EINVAL, operate(s, 0, 1, 0));
	FAILS(EINVAL, semctl(s, 0, GETVAL));
}

static void keys(void)
{
	key_t key = 0x5e220000 + getpid();
	int s = OK(semget(key, 3, IPC_CREAT | IPC_EXCL | 0600));

	EQUAL(OK(semget(key, 0, 0)), s);
	EQUAL(OK(semget(key, 3, 0)), s);
	FAILS(EINVAL, semget(key, 4, 0));
	FAILS(EEXIST, semget(key, 3, IPC_CREAT | IPC_EXCL));
	OK(semctl(s, 0, IPC_RMID));
	FAILS(ENOENT, semget(key, 3, 0));
}

static void waits_for_values(void)
{
	int s = set(2);

	pid_t rises = CHILD(OK(operate(s, 0, -2, 0)); OK(operate(s, 1, 1, 0)));
	ktap_until_state(rises, "S");
	EQUAL(OK(semctl(s, 0, GETNCNT)), 1);
	OK(operate(s, 0, 1, 0));
	pid_t falls = CHILD(OK(operate(s, 0, 0, 0)); OK(operate(s, 1, 1, 0)));
	ktap_until_state(falls, "S");
	EQUAL(OK(semctl(s, 0, GETZCNT)), 1);
	OK(operate(s, 0, 1, 0));
	EXITS(rises, 0);
	EXITS(falls, 0);
	EQUAL(value(s, 1), 2);
	EQUAL(OK(semctl(s, 0, GETNCNT)), 0);
	EQUAL(OK(semctl(s, 0, GETZCNT)), 0);
	CHECK(OK(semctl(s, 0, GETPID)) == falls || OK(semctl(s, 0, GETPID)) == rises);
	OK(semctl(s, 0, IPC_RMID));
}

static void nothing(int)
{
}

static void waits_end(void)
{
	struct sigaction act = {.sa_handler = nothing, .sa_flags = SA_RESTART};
	struct sembuf take = {0, -1, 0};
	struct timespec soon = {0, 1000000}, never = {0, 0};
	int s = set(1);

	FAILS(EAGAIN, semtimedop(s, &take, 1, &soon));
	FAILS(EAGAIN, semtimedop(s, &take, 1, &never));
	OK(sigaction(SIGUSR1, &act, nullptr));
	pid_t child = CHILD(FAILS(EINTR, semop(s, &take, 1)));
	ktap_until_state(child, "S");
	OK(kill(child, SIGUSR1));
	EXITS(child, 0);
	EQUAL(OK(semctl(s, 0, GETNCNT)), 0);
	child = CHILD(FAILS(EIDRM, semop(s, &take, 1)));
	ktap_until_state(child, "S");
	OK(semctl(s, 0, IPC_RMID));
	EXITS(child, 0);
}

static void *gives(void *at)
{
	OK(operate(*(int *)at, 0, 4, SEM_UNDO));
	return nullptr;
}

static void the_end_undoes(void)
{
	pthread_t thread;
	int s = set(2);

	/* Of a wait for zero there is nothing to undo. */
	OK(operate(s, 0, 0, SEM_UNDO));
	OK(operate(s, 0, 10, 0));
	FAILS(EAGAIN, operate(s, 0, 0, SEM_UNDO | IPC_NOWAIT));
	pid_t child = CHILD(OK(operate(s, 0, -3, SEM_UNDO)); OK(operate(s, 0, -2, 0)); OK(operate(s, 1, 7, SEM_UNDO));
			    pthread_create(&thread, nullptr, gives, &s); pthread_join(thread, nullptr);
			    EQUAL(value(s, 0), 9));
	EXITS(child, 0);
	EQUAL(value(s, 0), 8); /* 10 - 3 - 2 + 4, and + 3 - 4 */
	EQUAL(value(s, 1), 0);
	/* Not by a child's end, nor after the value was set; and no value becomes negative. */
	child = CHILD(OK(operate(s, 0, 1, SEM_UNDO)); EXITS(CHILD(), 0); EQUAL(value(s, 0), 9);
		      OK(semctl(s, 0, SETVAL, (union argument){.val = 5})); OK(operate(s, 1, 4, SEM_UNDO));
		      OK(operate(s, 1, -3, 0)));
	EXITS(child, 0);
	EQUAL(value(s, 0), 5);
	EQUAL(value(s, 1), 0);
	/* Somebody waits for it. */
	child = CHILD(OK(operate(s, 0, -5, SEM_UNDO)); OK(operate(s, 1, 1, 0)); pause());
	OK(operate(s, 1, -1, 0));
	pid_t waits = CHILD(OK(operate(s, 0, -1, 0)));
	ktap_until_state(waits, "S");
	OK(kill(child, SIGKILL));
	EXITS(waits, 0);
	DIES(child, SIGKILL);
	EQUAL(value(s, 0), 4);
	FAILS(ERANGE, (operate(s, 1, 32767, SEM_UNDO), operate(s, 1, -32767, 0), operate(s, 1, 32767, SEM_UNDO)));
	OK(semctl(s, 0, IPC_RMID));
}

static void all_values(void)
{
	unsigned short in[3] = {1, 32767, 3}, out[3];
	int s = set(3);

	OK(semctl(s, 0, SETALL, (union argument){.array = in}));
	OK(semctl(s, 0, GETALL, (union argument){.array = out}));
	CHECK(memcmp(in, out, sizeof(in)) == 0);
	in[1] = 32768;
	FAILS(ERANGE, semctl(s, 0, SETALL, (union argument){.array = in}));
	EQUAL(value(s, 0), 1);
	OK(semctl(s, 0, IPC_RMID));
}

static void rights(void)
{
	struct semid_ds ds;

	if (getuid() != 0)
		ktap_skip("only root can become two users");
	int s = OK(semget(IPC_PRIVATE, 1, 0604));
	pid_t child = CHILD(ktap_become(1000); FAILS(EACCES, operate(s, 0, 1, 0)); EQUAL(value(s, 0), 0);
			    OK(operate(s, 0, 0, 0)); FAILS(EACCES, semctl(s, 0, SETVAL, (union argument){.val = 1}));
			    FAILS(EPERM, semctl(s, 0, IPC_RMID)));
	EXITS(child, 0);
	OK(semctl(s, 0, IPC_STAT, (union argument){.buf = &ds}));
	ds.sem_perm.uid = 1000;
	OK(semctl(s, 0, IPC_SET, (union argument){.buf = &ds}));
	child = CHILD(ktap_become(1000); OK(operate(s, 0, 1, 0)); OK(semctl(s, 0, IPC_RMID)));
	EXITS(child, 0);
}

static void what_is_told(void)
{
	struct semid_ds ds;
	struct seminfo info;
	char line[256], wanted[64];
	bool found = false;
	int s = set(4);

	OK(semctl(s, 0, IPC_STAT, (union argument){.buf = &ds}));
	EQUAL(ds.sem_nsems, 4u);
	CHECK(ds.sem_otime == 0 && ds.sem_ctime != 0);
	OK(operate(s, 0, 1, 0));
	OK(semctl(s, 0, IPC_STAT, (union argument){.buf = &ds}));
	CHECK(ds.sem_otime != 0);
	int last = OK(semctl(0, 0, IPC_INFO, (union argument){.info = &info}));
	CHECK(info.semmsl >= 32000 && info.semopm >= 500 && info.semvmx == 32767 && info.semmni > 0);
	OK(semctl(0, 0, SEM_INFO, (union argument){.info = &info}));
	CHECK(info.semusz >= 1 && info.semaem >= 4);
	for (int place = 0; place <= last; place++)
		found |= semctl(place, 0, SEM_STAT, (union argument){.buf = &ds}) == s;
	CHECK(found);
	FILE *f = fopen("/proc/sysvipc/sem", "r");
	CHECK(f != nullptr);
	snprintf(wanted, sizeof(wanted), "%10d %10d   600          4", 0, s);
	for (found = false; fgets(line, sizeof(line), f) != nullptr;)
		found |= strncmp(line, wanted, strlen(wanted)) == 0;
	CHECK(found);
	fclose(f);
	OK(semctl(s, 0, IPC_RMID));
}

KTAP_MAIN(CASE(all_or_none), CASE(bad_arguments), CASE(keys), CASE(waits_for_values), CASE(waits_end),
	  CASE(the_end_undoes), CASE(all_values), CASE(rights), CASE(what_is_told))
