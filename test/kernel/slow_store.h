/* SPDX-License-Identifier: MIT */
/*
 * A filesystem of one file whose pages come from an array, as slowly and as badly as a test wants: what is read or
 * written is held until the test lets it go, fails at a page, or faults. Nothing in it depends on time.
 */
#ifndef SLOW_STORE_H
#define SLOW_STORE_H

#include "ktest.h"

#include <abi/errno.h>
#include <abi/fcntl.h>
#include <kernel/mem/slab.h>
#include <kernel/vfs/page_cache.h>
#include <lib/string.h>

enum : uint32_t { SLOW_PAGES = 96 };
enum : uint64_t { NO_PAGE = UINT64_MAX };

extern unsigned char slow_bytes[SLOW_PAGES][PAGE_SIZE];
/* Settings; atomic where threads are about. */
extern bool slow_hold_fills, slow_hold_writes, slow_stray, slow_stray_late, slow_refuse;
extern uint64_t slow_bad_page;	/* what touches it fails with EIO */
extern uint64_t slow_held_page; /* who wants to write to it waits, and is counted; atomic */
extern uint32_t slow_waiting;	/* atomic */
extern uint32_t slow_ended;	/* inodes; atomic */
extern uint32_t slow_fills, slow_writes, slow_longest, slow_prepared;

/* A store with known bytes, the file of `pages` pages open in *f. False: recorded. */
bool slow_begin(uint32_t pages, struct file **f);
/* One more opening of it. */
struct file *slow_open(void);
void slow_end(struct file *f);
uint32_t slow_held(void); /* ranges */
/* Ends all that are held now, those of the writing kind or of the reading kind. */
void slow_release(bool writes);
/* Unmounts it; files are closed. */
void slow_unmount(void);
/* A second store of the same pages, at the same time, which holds nothing; the file in *f. After slow_begin. */
bool slow_begin_second(struct file **f);
void slow_end_second(struct file *f);
/* Writes to a file of /proc/sys/vm. */
bool slow_set_knob(const char *name, const char *value);
/* The flusher acts on limits as they were when its round began: waits until that one and the next are over. */
void slow_flusher_settles(void);
/* Whether the flusher does nothing for a while: one that wakes itself never does. */
bool slow_flusher_rests(void);
/* One more file of the store, of which the caller has the only reference. nullptr: recorded. */
struct inode *slow_nameless(void);
/* What byte n of page `index` is at first. */
unsigned char slow_byte(uint64_t index, size_t n);

/* A thread that reads a byte of a page. */
struct reader {
	struct file *f;
	uint64_t index;
	bool killable; /* it works for a process, which ends when `kill` is called */
	struct thread *thread;
	unsigned char byte;
	long result;
	uint32_t handle, done; /* atomic */
	uint64_t process[256]; /* the struct subject */
};
bool reader_start(struct reader *r, struct file *f, uint64_t index, bool killable);
void reader_kill(struct reader *r);
bool reader_waits(const struct reader *r); /* it comes to wait */
bool reader_ends(struct reader *r);

#endif
