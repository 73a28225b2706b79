/* SPDX-License-Identifier: MIT */
/*
 * What sync(2) asks of each store, done by a thread of its own: so that a store which stands still keeps neither the
 * others waiting nor who asks, should he be to end. A job has one thread at most, whoever asks however often: what is
 * asked for while it runs is done once more, afterwards.
 */
#ifndef KERNEL_SYNC_JOB_H
#define KERNEL_SYNC_JOB_H

#include <kernel/base/lock.h>
#include <lib/types.h>

struct component;
struct sync_work {
	struct component *component; /* whose thread it is, and under whose guard it runs */
	int (*run)(void *arg);	     /* writes all and waits for it; a negative errno */
	void (*get)(void *arg);	     /* the thread's reference to what the job is part of */
	void (*put)(void *arg);
};
struct sync_job {
	const struct sync_work *work;
	void *arg;
	struct spinlock lock;
	uint32_t asked GUARDED_BY(&lock), done GUARDED_BY(&lock); /* how often */
	bool runs GUARDED_BY(&lock);				  /* it has a thread */
	bool whole;						  /* the thread's: it came to the end of its work */
	int error GUARDED_BY(&lock);				  /* the last run's */
};

/* j begins, as part of what `get` keeps. */
void sync_job_init(struct sync_job *j, const struct sync_work *work, void *arg);
/* Asks for a run that begins after this; waits for none, unless there is no memory for the thread: then the caller does
 * it. Process context, with a reference. */
void sync_job_begin(struct sync_job *j);
/* Until all is done that was asked for before, by whomever. What the last run said; -EINTR: the thread is to end.
 * Process context, with a reference. */
[[nodiscard]] int sync_job_wait(struct sync_job *j);

#endif
