/* SPDX-License-Identifier: MIT */
/* System V IPC, as in Linux's ABI for 64-bit processes: svipc(7), msgctl(2), semctl(2), shmctl(2). What the calls call
 * IPC_64 is the only form here. struct semid64_ds differs between architectures: arch/ipc_abi.h. */
#ifndef ABI_IPC_H
#define ABI_IPC_H

#include <arch/ipc_abi.h>
#include <stdint.h>

enum : int32_t { IPC_PRIVATE = 0 };
enum : uint32_t { IPC_CREAT = 01000, IPC_EXCL = 02000, IPC_NOWAIT = 04000 };
enum : int32_t { IPC_RMID = 0, IPC_SET = 1, IPC_STAT = 2, IPC_INFO = 3 };
enum : int32_t { MSG_STAT = 11, MSG_INFO = 12, MSG_STAT_ANY = 13 };
enum : int32_t {
	GETPID = 11,
	GETVAL = 12,
	GETALL = 13,
	GETNCNT = 14,
	GETZCNT = 15,
	SETVAL = 16,
	SETALL = 17,
	SEM_STAT = 18,
	SEM_INFO = 19,
	SEM_STAT_ANY = 20,
};
enum : int32_t { SHM_LOCK = 11, SHM_UNLOCK = 12, SHM_STAT = 13, SHM_INFO = 14, SHM_STAT_ANY = 15 };
enum : uint32_t { MSG_NOERROR = 010000, MSG_EXCEPT = 020000, MSG_COPY = 040000 };
enum : uint16_t { SEM_UNDO = 0x1000 };
enum : uint32_t { SHM_RDONLY = 010000, SHM_RND = 020000, SHM_REMAP = 040000, SHM_EXEC = 0100000 };
enum : uint32_t { SHM_HUGETLB = 04000, SHM_NORESERVE = 010000 }; /* shmget(2) */
enum : uint32_t { SHM_DEST = 01000, SHM_LOCKED = 02000 };	 /* in the mode that shmctl(2) tells */

struct abi_ipc_perm {
	int32_t key;
	uint32_t uid, gid, cuid, cgid, mode;
	uint16_t seq, pad;
	uint32_t pad2;
	uint64_t unused[2];
};
static_assert(sizeof(struct abi_ipc_perm) == 48);

struct abi_msqid {
	struct abi_ipc_perm perm;
	int64_t stime, rtime, ctime;
	uint64_t cbytes, qnum, qbytes;
	int32_t lspid, lrpid;
	uint64_t unused[2];
};
struct abi_semid {
	struct abi_ipc_perm perm;
	SEMID_TIMES;
	uint64_t nsems, unused[2];
};
struct abi_shmid {
	struct abi_ipc_perm perm;
	uint64_t segsz;
	int64_t atime, dtime, ctime;
	int32_t cpid, lpid;
	uint64_t nattch;
	uint64_t unused[2];
};
static_assert(sizeof(struct abi_msqid) == 120 && sizeof(struct abi_shmid) == 112);

struct abi_msginfo {
	int32_t pool, map, max, mnb, mni, ssz, tql;
	uint16_t seg, pad;
};
struct abi_seminfo {
	int32_t map, mni, mns, mnu, msl, opm, ume, usz, vmx, aem;
};
struct abi_shminfo {
	uint64_t max, min, mni, seg, all, unused[4];
};
struct abi_shm_info {
	int32_t used_ids, pad;
	uint64_t total, resident, swapped, swap_attempts, swap_successes;
};
struct abi_sembuf {
	uint16_t number;
	int16_t op;
	int16_t flags;
};
#endif
