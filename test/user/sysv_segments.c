/* SPDX-License-Identifier: MIT */
/* Shared memory of System V: attaching, forking, removal with attaches, rights, what is told; nothing of it is left. */
#include "ktap.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SHM_EXEC
#define SHM_EXEC 0100000
#endif

enum { PAGE = 4096, PAGES = 5 };

static int segment(void)
{
	return OK(shmget(IPC_PRIVATE, PAGES * PAGE - 7, IPC_CREAT | 0600));
}

static unsigned long attaches(int s)
{
	struct shmid_ds ds;

	OK(shmctl(s, IPC_STAT, &ds));
	return ds.shm_nattch;
}

static void memory_is_shared(void)
{
	int s = segment();
	char *a = OK(shmat(s, nullptr, 0)), *b = OK(shmat(s, nullptr, SHM_RDONLY));

	for (int n = 0; n < PAGES * PAGE; n++)
		CHECK(a[n] == 0);
	strcpy(a + 3 * PAGE - 4, "across pages");
	CHECK(strcmp(b + 3 * PAGE - 4, "across pages") == 0);
	EQUAL(attaches(s), 2);
	pid_t child = CHILD(EQUAL(attaches(s), 4); strcpy(a, "child"); OK(shmdt(b)); EQUAL(attaches(s), 3));
	EXITS(child, 0);
	CHECK(strcmp(b, "child") == 0);
	EQUAL(attaches(s), 2);
	DIES(CHILD(signal(SIGSEGV, SIG_DFL); *(volatile char *)b = 1), SIGSEGV);
	FAILS(EACCES, mprotect(b, PAGE, PROT_READ | PROT_WRITE));
	OK(shmdt(a));
	FAILS(EINVAL, shmdt(a));
	FAILS(EINVAL, shmdt(b + PAGE));
	OK(shmdt(b));
	EQUAL(attaches(s), 0);
	OK(shmctl(s, IPC_RMID, nullptr));
	FAILS(EINVAL, shmat(s, nullptr, 0) == (void *)-1 ? -1 : 0);
}

static void removed_it_lasts_while_attached(void)
{
	key_t key = 0x5e330000 + getpid();
	struct shmid_ds ds;
	int s = OK(shmget(key, 2 * PAGE, IPC_CREAT | 0600));
	char *a = OK(shmat(s, nullptr, 0));

	strcpy(a, "kept");
	OK(shmctl(s, IPC_RMID, nullptr));
	OK(shmctl(s, IPC_STAT, &ds));
	CHECK(ds.shm_perm.mode & SHM_DEST);
	FAILS(ENOENT, shmget(key, PAGE, 0600));
	char *b = OK(shmat(s, nullptr, 0));
	CHECK(strcmp(b, "kept") == 0);
	OK(shmctl(s, IPC_RMID, nullptr));
	OK(shmdt(a));
	CHECK(strcmp(b, "kept") == 0);
	pid_t child = CHILD(CHECK(strcmp(b, "kept") == 0));
	EXITS(child, 0);
	OK(munmap(b, 2 * PAGE));
	FAILS(EINVAL, shmctl(s, IPC_STAT, &ds));
}

static void pieces(void)
{
	int s = segment();
	char *a = OK(shmat(s, nullptr, 0));

	OK(mprotect(a + PAGE, PAGE, PROT_READ));
	CHECK(attaches(s) >= 1);
	OK(munmap(a + 3 * PAGE, PAGE));
	OK(shmdt(a));
	EQUAL(attaches(s), 0);
	FAILS(ENOMEM, msync(a, PAGE, MS_ASYNC));
	FAILS(ENOMEM, msync(a + 4 * PAGE, PAGE, MS_ASYNC));
	OK(shmctl(s, IPC_RMID, nullptr));
}

static bool refused(int s, void *at, int flags, int error)
{
	errno = 0;
	return shmat(s, at, flags) == (void *)-1 && errno == error;
}

static void where_it_goes(void)
{
	int s = segment();
	char *free_place = OK(mmap(nullptr, 16 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	OK(munmap(free_place, 16 * PAGE));
	CHECK(refused(s, free_place + 1, 0, EINVAL));
	CHECK(shmat(s, free_place + 1, SHM_RND) == free_place);
	CHECK(refused(s, free_place + PAGE, 0, EINVAL));
	CHECK(refused(s, nullptr, SHM_REMAP, EINVAL));
	CHECK(shmat(s, free_place + PAGE, SHM_REMAP) == free_place + PAGE);
	OK(shmdt(free_place + PAGE));
	OK(shmdt(free_place));
	OK(shmctl(s, IPC_RMID, nullptr));
}

static void sizes(void)
{
	key_t key = 0x5e440000 + getpid();

	FAILS(EINVAL, shmget(IPC_PRIVATE, 0, IPC_CREAT | 0600));
	FAILS(EINVAL, shmget(IPC_PRIVATE, (size_t)-1, IPC_CREAT | 0600));
	FAILS(ENOMEM, shmget(IPC_PRIVATE, (size_t)1 << 45, IPC_CREAT | 0600));
	int s = OK(shmget(key, 100, IPC_CREAT | 0600));
	EQUAL(OK(shmget(key, 0, 0)), s);
	EQUAL(OK(shmget(key, 100, 0)), s);
	FAILS(EINVAL, shmget(key, 101, 0));
	FAILS(EEXIST, shmget(key, 101, IPC_CREAT | IPC_EXCL));
	OK(shmctl(s, IPC_RMID, nullptr));
	FAILS(EINVAL, shmctl(s, IPC_RMID, nullptr));
	FAILS(EINVAL, shmctl(-1, IPC_RMID, nullptr));
	FAILS(EINVAL, shmctl(s, 99, nullptr));
}

static void rights(void)
{
	if (getuid() != 0)
		ktap_skip("only root can become two users");
	int s = OK(shmget(IPC_PRIVATE, PAGE, 0604));
	pid_t child = CHILD(ktap_become(1000); CHECK(refused(s, nullptr, 0, EACCES));
			    CHECK(refused(s, nullptr, SHM_RDONLY | SHM_EXEC, EACCES));
			    OK(shmat(s, nullptr, SHM_RDONLY)); FAILS(EPERM, shmctl(s, IPC_RMID, nullptr)));
	EXITS(child, 0);
	EQUAL(attaches(s), 0);
	OK(shmctl(s, IPC_RMID, nullptr));
}

static void what_is_told(void)
{
	struct shmid_ds ds;
	struct shminfo limits;
	struct shm_info info;
	char line[512], wanted[64];
	bool found = false;
	int s = segment();

	OK(shmctl(s, IPC_STAT, &ds));
	EQUAL(ds.shm_segsz, PAGES * PAGE - 7u);
	EQUAL(ds.shm_cpid, getpid());
	CHECK(ds.shm_atime == 0 && ds.shm_dtime == 0 && ds.shm_ctime != 0);
	char *a = OK(shmat(s, nullptr, 0));
	a[0] = a[PAGE] = 1;
	OK(shmctl(s, IPC_STAT, &ds));
	CHECK(ds.shm_atime != 0 && ds.shm_lpid == getpid());
	int last = OK(shmctl(0, IPC_INFO, (struct shmid_ds *)&limits));
	CHECK(limits.shmmin == 1 && limits.shmmni >= 4096 && limits.shmmax > 1ul << 40);
	OK(shmctl(0, SHM_INFO, (struct shmid_ds *)&info));
	CHECK(info.used_ids >= 1 && info.shm_tot >= PAGES && info.shm_rss >= 2);
	for (int place = 0; place <= last; place++)
		found |= shmctl(place, SHM_STAT, &ds) == s;
	CHECK(found);
	FILE *f = fopen("/proc/sysvipc/shm", "r");
	CHECK(f != nullptr);
	snprintf(wanted, sizeof(wanted), "%10d %10d   600 %21d", 0, s, PAGES * PAGE - 7);
	for (found = false; fgets(line, sizeof(line), f) != nullptr;)
		found |= strncmp(line, wanted, strlen(wanted)) == 0;
	CHECK(found);
	fclose(f);
	OK(shmctl(s, SHM_LOCK, nullptr));
	OK(shmctl(s, IPC_STAT, &ds));
	CHECK(ds.shm_perm.mode & SHM_LOCKED);
	OK(shmctl(s, SHM_UNLOCK, nullptr));
	OK(shmdt(a));
	OK(shmctl(s, IPC_RMID, nullptr));
}

KTAP_MAIN(CASE(memory_is_shared), CASE(removed_it_lasts_while_attached), CASE(pieces), CASE(where_it_goes), CASE(sizes),
	  CASE(rights), CASE(what_is_told))
