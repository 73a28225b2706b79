/* SPDX-License-Identifier: MIT */
/* Message queues of System V: which message comes, what waits, limits, rights, removal, what is told. */
#include "ktap.h"

#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MSG_COPY
#define MSG_COPY 040000 /* musl has no name for it */
#endif

struct small {
	long type;
	char text[64];
};

static int queue(void)
{
	return OK(msgget(IPC_PRIVATE, IPC_CREAT | 0600));
}

static void put(int q, long type, const char *text)
{
	struct small m = {.type = type};

	strcpy(m.text, text);
	OK(msgsnd(q, &m, strlen(text), IPC_NOWAIT));
}

static void get(int q, long wanted, int flags, long type, const char *text)
{
	struct small m = {};

	EQUAL(msgrcv(q, &m, sizeof(m.text), wanted, flags | IPC_NOWAIT), (long)strlen(text));
	EQUAL(m.type, type);
	CHECK(memcmp(m.text, text, strlen(text)) == 0);
}

static void types_choose_the_message(void)
{
	struct small m;
	int q = queue();

	put(q, 5, "five");
	put(q, 3, "three");
	put(q, 5, "again");
	put(q, 4, "four");
	get(q, 0, MSG_COPY | IPC_NOWAIT, 5, "five");
	get(q, 3, MSG_COPY | IPC_NOWAIT, 4, "four");
	FAILS(ENOMSG, msgrcv(q, &m, sizeof(m.text), 4, MSG_COPY | IPC_NOWAIT));
	FAILS(EINVAL, msgrcv(q, &m, sizeof(m.text), 0, MSG_COPY));
	get(q, -4, 0, 3, "three");
	get(q, 4, MSG_EXCEPT, 5, "five");
	get(q, 5, 0, 5, "again");
	FAILS(ENOMSG, msgrcv(q, &m, sizeof(m.text), 5, IPC_NOWAIT));
	get(q, 0, 0, 4, "four");
	FAILS(ENOMSG, msgrcv(q, &m, sizeof(m.text), 0, IPC_NOWAIT));
	OK(msgctl(q, IPC_RMID, nullptr));
}

static void bad_arguments(void)
{
	struct small m = {.type = 1};
	int q = queue();

	FAILS(EINVAL, msgsnd(q, &m, (size_t)-1, 0));
	FAILS(EINVAL, msgsnd(-1, &m, 1, 0));
	m.type = 0;
	FAILS(EINVAL, msgsnd(q, &m, 1, 0));
	FAILS(EFAULT, syscall(SYS_msgsnd, q, 8, 1, 0));
	FAILS(EINVAL, msgrcv(q, &m, (size_t)-1, 0, IPC_NOWAIT));
	FAILS(EINVAL, msgctl(q, 99, nullptr));
	FAILS(EFAULT, syscall(SYS_msgctl, q, IPC_STAT, 8));
	put(q, 1, "0123456789");
	FAILS(E2BIG, msgrcv(q, &m, 4, 0, 0));
	EQUAL(msgrcv(q, &m, 4, 0, MSG_NOERROR), 4);
	FAILS(ENOMSG, msgrcv(q, &m, 4, 0, IPC_NOWAIT));
	OK(msgctl(q, IPC_RMID, nullptr));
	FAILS(EINVAL, msgctl(q, IPC_RMID, nullptr));
	FAILS(EINVAL, msgsnd(q, &m, 1, 0));
	FAILS(EINVAL, msgrcv(q, &m, 1, 0, 0));
}

static void keys(void)
{
	key_t key = 0x5e110000 + getpid();

	FAILS(ENOENT, msgget(key, 0600));
	int q = OK(msgget(key, IPC_CREAT | IPC_EXCL | 0640));
	EQUAL(OK(msgget(key, 0)), q);
	EQUAL(OK(msgget(key, IPC_CREAT | 0600)), q);
	FAILS(EEXIST, msgget(key, IPC_CREAT | IPC_EXCL | 0600));
	OK(msgctl(q, IPC_RMID, nullptr));
	FAILS(ENOENT, msgget(key, 0));
	int other = OK(msgget(key, IPC_CREAT | 0600));
	CHECK(other != q);
	OK(msgctl(other, IPC_RMID, nullptr));
}

static void a_full_queue_waits(void)
{
	struct msqid_ds ds;
	struct small m = {.type = 7};
	int q = queue(), n = 0;

	OK(msgctl(q, IPC_STAT, &ds));
	ds.msg_qbytes = 3 * sizeof(m.text);
	OK(msgctl(q, IPC_SET, &ds));
	while (msgsnd(q, &m, sizeof(m.text), IPC_NOWAIT) == 0)
		n++;
	EQUAL(errno, EAGAIN);
	EQUAL(n, 3);
	pid_t child = CHILD(m.type = 9; OK(msgsnd(q, &m, sizeof(m.text), 0)));
	ktap_until_state(child, "S");
	for (int k = 0; k < 3; k++)
		EQUAL(msgrcv(q, &m, sizeof(m.text), 7, 0), (long)sizeof(m.text));
	EQUAL(msgrcv(q, &m, sizeof(m.text), 9, 0), (long)sizeof(m.text));
	EXITS(child, 0);
	/* Empty ones are limited, too. */
	ds.msg_qbytes = 10;
	OK(msgctl(q, IPC_SET, &ds));
	for (n = 0; msgsnd(q, &m, 0, IPC_NOWAIT) == 0;)
		n++;
	EQUAL(n, 10);
	OK(msgctl(q, IPC_RMID, nullptr));
}

static void nothing(int)
{
}

static void waits_end(void)
{
	struct sigaction act = {.sa_handler = nothing, .sa_flags = SA_RESTART};
	struct small m = {.type = 1};
	int q = queue();

	pid_t child = CHILD(FAILS(EIDRM, msgrcv(q, &m, sizeof(m.text), 0, 0)));
	ktap_until_state(child, "S");
	OK(msgctl(q, IPC_RMID, nullptr));
	EXITS(child, 0);
	/* It is never begun again by itself. */
	q = queue();
	child = CHILD(sigaction(SIGUSR1, &act, nullptr); put(q, 2, "ready");
		      FAILS(EINTR, msgrcv(q, &m, sizeof(m.text), 1, 0)));
	EQUAL(msgrcv(q, &m, sizeof(m.text), 2, 0), 5);
	ktap_until_state(child, "S");
	OK(kill(child, SIGUSR1));
	EXITS(child, 0);
	OK(msgctl(q, IPC_RMID, nullptr));
}

static void rights(void)
{
	struct small m = {.type = 1};
	struct msqid_ds ds;

	if (getuid() != 0)
		ktap_skip("only root can become two users");
	int q = OK(msgget(IPC_PRIVATE, 0620));
	pid_t child = CHILD(ktap_become(1000); FAILS(EACCES, msgsnd(q, &m, 1, 0));
			    FAILS(EACCES, msgrcv(q, &m, 1, 0, IPC_NOWAIT)); FAILS(EACCES, msgctl(q, IPC_STAT, &ds));
			    FAILS(EPERM, msgctl(q, IPC_RMID, nullptr)));
	EXITS(child, 0);
	child = CHILD(OK(setgroups(0, nullptr)); OK(setuid(1000)); OK(msgsnd(q, &m, 1, 0));
		      FAILS(EACCES, msgrcv(q, &m, 1, 0, IPC_NOWAIT)));
	EXITS(child, 0);
	OK(msgctl(q, IPC_STAT, &ds));
	EQUAL(ds.msg_qnum, 1u);
	ds.msg_perm.uid = 1000;
	OK(msgctl(q, IPC_SET, &ds));
	child = CHILD(ktap_become(1000); OK(msgrcv(q, &m, 1, 0, IPC_NOWAIT)); ds.msg_qbytes = 1 << 20;
		      FAILS(EPERM, msgctl(q, IPC_SET, &ds)); OK(msgctl(q, IPC_RMID, nullptr)));
	EXITS(child, 0);
	FAILS(EINVAL, msgctl(q, IPC_STAT, &ds));
}

static void what_is_told(void)
{
	struct msqid_ds ds;
	struct msginfo info;
	char line[256], wanted[64];
	int q = queue();
	bool found = false;

	put(q, 1, "abc");
	OK(msgctl(q, IPC_STAT, &ds));
	EQUAL(ds.msg_qnum, 1u);
	EQUAL(ds.msg_lspid, getpid());
	EQUAL(ds.msg_lrpid, 0);
	CHECK(ds.msg_stime != 0 && ds.msg_rtime == 0 && ds.msg_ctime != 0);
	EQUAL(ds.msg_perm.mode & 0777u, 0600u);
	int last = OK(msgctl(0, IPC_INFO, (struct msqid_ds *)&info));
	CHECK(info.msgmax >= 8192 && info.msgmnb >= 16384 && info.msgmni >= 16);
	OK(msgctl(0, MSG_INFO, (struct msqid_ds *)&info));
	CHECK(info.msgpool >= 1 && info.msgmap >= 1 && info.msgtql >= 3);
	for (int place = 0; place <= last; place++)
		found |= msgctl(place, MSG_STAT, &ds) == q;
	CHECK(found);
	FILE *f = fopen("/proc/sysvipc/msg", "r");
	CHECK(f != nullptr && fgets(line, sizeof(line), f) != nullptr);
	snprintf(wanted, sizeof(wanted), "%10d %10d   600           3          1", 0, q);
	for (found = false; fgets(line, sizeof(line), f) != nullptr;)
		found |= strncmp(line, wanted, strlen(wanted)) == 0;
	CHECK(found);
	fclose(f);
	OK(msgctl(q, IPC_RMID, nullptr));
}

KTAP_MAIN(CASE(types_choose_the_message), CASE(bad_arguments), CASE(keys), CASE(a_full_queue_waits), CASE(waits_end),
	  CASE(rights), CASE(what_is_told))
