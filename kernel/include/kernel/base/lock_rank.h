/* SPDX-License-Identifier: MIT */
/* The lock order of the lowered kernel, outermost first; doc/locking.md explains it. Leave gaps. */
#ifndef KERNEL_LOCK_RANK_H
#define KERNEL_LOCK_RANK_H

enum lock_rank : unsigned {
	RANK_NONE = 0,
	RANK_IPC = 4,	 /* System V IPC: tables, then objects; files are made under it */
	RANK_MOUNT = 10, /* mount table */
	RANK_RENAME = 15,
	RANK_FILE = 18,	 /* file position, around readdir and seek */
	RANK_INODE = 20, /* directory, then child (by address among equals) */
	RANK_WATCH = 26, /* who watches which inodes; watchers are called with it held */
	RANK_EPOLL = 27, /* which files are watched */
	RANK_PIPE = 30,
	RANK_SOCKET = 33,
	RANK_TTY = 35,
	RANK_ASYNC = 40,   /* owners of files, which get their signals */
	RANK_DISKS = 45,   /* which disks and partitions there are, and who has them open */
	RANK_FS_TREE = 48, /* a filesystem's structures on its disk, which are read meanwhile */
	RANK_SPACE = 50,   /* struct vm_space, read or write */
	RANK_PAGE_CACHE = 60,
	RANK_VT = 64,		/* text consoles */
	RANK_FS = 65,		/* inside one filesystem */
	RANK_VIDEO = 66,	/* a screen: its memory and registers */
	RANK_FILE_LOCK = 67,	/* record locks of all files */
	RANK_POSIX_TIMER = 68,	/* lists of POSIX timers of all processes */
	RANK_PROCESS_TREE = 70, /* pid table, parents, groups, sessions */
	RANK_PROCESS = 75,
	RANK_FILE_TABLE = 80,
	RANK_FS_CONTEXT = 81,  /* cwd, root, umask (spin) */
	RANK_DENTRY_HASH = 82, /* a chain of the dentry cache (spin) */
	RANK_DENTRY = 83,      /* parent and name of one dentry (spin) */
	RANK_MOUNT_TABLE = 84, /* which mount covers which dentry (spin) */
	RANK_SIGNAL = 85,
	RANK_NETDEVS = 86, /* which network interfaces and taps there are (spin) */
	RANK_INPUT = 86,   /* an input device (spin) */
	RANK_FUTEX = 87,
	RANK_BLOCK = 88,      /* a queue of a disk (spin) */
	RANK_NETDEV = 89,     /* queues of a network interface (spin) */
	RANK_WAIT = 90,	      /* wait queues */
	RANK_NET_FRAMES = 91, /* free frames (spin) */
	RANK_TIMER = 92,      /* pending timers */
	RANK_VIRTIO = 93,     /* a virtio queue (spin) */
	RANK_SLAB = 94,
	RANK_DMA = 95,	/* blocks of DMA memory (spin) */
	RANK_PAGE = 96, /* page allocator */
	RANK_LOG = 98,
};

#endif
