/* SPDX-License-Identifier: MIT */
/* The workload's part with queues, semaphores and memory of System V. Whoever is killed in it leaves at most one of
 * them, of which there are thousands. */
#include "workload_io.h"

#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

enum { MODE = IPC_CREAT | 0600 };

/* A message goes into a queue and comes out of it. */
bool use_message_queue(void)
{
	struct {
		long type;
		char text[8];
	} in = {1, "word"}, out = {};
	int id = msgget(IPC_PRIVATE, MODE);
	bool good = id >= 0 && msgsnd(id, &in, sizeof(in.text), IPC_NOWAIT) == 0 &&
		    msgrcv(id, &out, sizeof(out.text), 0, IPC_NOWAIT) == sizeof(out.text) &&
		    strcmp(out.text, in.text) == 0;

	return id >= 0 && msgctl(id, IPC_RMID, nullptr) == 0 && good;
}

/* One is raised, with what would lower it again at the process's end, and lowered. */
bool use_semaphores(void)
{
	struct sembuf up = {0, 2, SEM_UNDO}, down = {0, -1, 0};
	int id = semget(IPC_PRIVATE, 2, MODE);
	bool good = id >= 0 && semop(id, &up, 1) == 0 && semop(id, &down, 1) == 0 && semctl(id, 0, GETVAL) == 1;

	return id >= 0 && semctl(id, 0, IPC_RMID) == 0 && good;
}

/* A segment that is seen in two places, and removed while it is. */
bool use_segment(void)
{
	int id = shmget(IPC_PRIVATE, 8192, MODE);
	char *at = shmat(id, nullptr, 0), *again = shmat(id, nullptr, SHM_RDONLY);
	bool good = id >= 0 && at != (char *)-1 && again != (char *)-1;

	if (good) {
		at[4096] = 7;
		good = again[4096] == 7;
	}
	good = id >= 0 && shmctl(id, IPC_RMID, nullptr) == 0 && good;
	if (at != (char *)-1)
		good = shmdt(at) == 0 && good;
	if (again != (char *)-1)
		good = shmdt(again) == 0 && good;
	return good;
}
