/* SPDX-License-Identifier: MIT */
/* Jobs of sync(2) (kernel/vfs/sync_job.h). Who waits has a reference, so that a job lives while anybody looks at it. */
#include <abi/errno.h>
#include <kernel/base/killable.h>
#include <kernel/thread/guard.h>
#include <kernel/thread/thread.h>
#include <kernel/vfs/sync_job.h>

static struct wait_queue runs_ended = WAIT_QUEUE_INIT(runs_ended); /* of all jobs */

void sync_job_init(struct sync_job *j, const struct sync_work *work, void *arg)
{
	j->work = work;
	j->arg = arg;
	spin_init(&j->lock, RANK_NONE);
}

/* What was asked for until now is to be done. False: nothing is. */
static bool next_run(struct sync_job *j, uint32_t *number)
{
	spin_lock(&j->lock);
	*number = j->asked;
	bool more = j->done != j->asked;
	spin_unlock(&j->lock);
	return more;
}

static void end_run(struct sync_job *j, uint32_t number, int error)
{
	spin_lock(&j->lock);
	j->done = number;
	j->error = error;
	spin_unlock(&j->lock);
	wait_wake_all(&runs_ended);
}

static void run(void *arg)
{
	struct sync_job *j = arg;
	const struct sync_work *work = j->work;
	uint32_t number;

	while (next_run(j, &number)) {
		long error = guard_run(work->component, work->run(j->arg));

		end_run(j, number, error == -EFAULT ? -EIO : (int)error);
	}
	j->whole = true;
}

/* The thread has the job no more. False: it was asked for meanwhile. What a fault outside of the work has left undone
 * was not done: nobody waits for it. */
static bool leave(struct sync_job *j)
{
	spin_lock(&j->lock);
	uint32_t number = j->asked;
	bool lost = j->done != number;
	spin_unlock(&j->lock);
	if (!j->whole && lost)
		end_run(j, number, -EIO);
	else if (!j->whole)
		wait_wake_all(&runs_ended);
	spin_lock(&j->lock);
	j->whole = false;
	bool left = j->done == j->asked;
	j->runs = !left;
	spin_unlock(&j->lock);
	return left;
}

static void finish(struct sync_job *j)
{
	while (!leave(j))
		run(j);
}

static void run_over(void *arg)
{
	struct sync_job *j = arg;

	finish(j);
	thread_told();
	j->work->put(j->arg);
}

void sync_job_begin(struct sync_job *j)
{
	spin_lock(&j->lock);
	j->asked++;
	bool start = !j->runs;
	j->runs = true;
	spin_unlock(&j->lock);
	if (!start)
		return;
	j->work->get(j->arg);
	if (kthread_start_told(j->work->component, "sync", run, run_over, j) == 0)
		return;
	run(j);
	finish(j);
	j->work->put(j->arg);
}

static bool has_run(struct sync_job *j, uint32_t number)
{
	spin_lock(&j->lock);
	bool has = (int32_t)(j->done - number) >= 0;
	spin_unlock(&j->lock);
	return has;
}

int sync_job_wait(struct sync_job *j)
{
	spin_lock(&j->lock);
	uint32_t number = j->asked;
	spin_unlock(&j->lock);
	int error = wait_event_killable(&runs_ended, has_run(j, number));
	if (error != 0)
		return error;
	spin_lock(&j->lock);
	error = j->error;
	spin_unlock(&j->lock);
	return error;
}
