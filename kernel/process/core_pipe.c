/* SPDX-License-Identifier: MIT */
/*
 * A program that is started for a core dump and reads it from its standard input (core(5), "Piping core dumps to a
 * program"). It runs as root, as nobody's child: nobody has to wait for it. Its own limit for core files is one byte,
 * and who has that limit is not given to a program: so one that crashes itself starts no other.
 */
#include "core.h"

#include <abi/fcntl.h>
#include <kernel/file/file.h>
#include <kernel/mem/slab.h>
#include <kernel/vfs/open.h>
#include <lib/string.h>

constexpr unsigned ARGUMENTS_MAX = 32;

/* Both processes have it. */
struct program {
	struct process_work work; /* of the process that becomes it */
	uint32_t refs;
	struct wait_queue known; /* whether it is executed */
	bool is_known, executed;
	struct file *input; /* a reference */
	const char *argv[ARGUMENTS_MAX + 1];
	char text[CORE_NAME_BYTES];
};

static void put(struct program *g)
{
	if (__atomic_sub_fetch(&g->refs, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	file_put(g->input);
	kfree(g);
}

/* Gives up the new process's reference. */
static void tell(struct program *g, bool executed)
{
	process_work_end(&g->work);
	g->executed = executed;
	__atomic_store_n(&g->is_known, true, __ATOMIC_RELEASE);
	wait_wake_all(&g->known);
	put(g);
}

/* It ended on its way: nobody is to wait for it for ever. */
static void undo_work(struct process_work *w)
{
	tell(container_of(w, struct program, work), false);
}

static int run(void *arg)
{
	static const char *const envp[] = {"HOME=/", "TERM=linux", "PATH=/sbin:/usr/sbin:/bin:/usr/bin", nullptr};
	struct program *g = arg;
	struct process *p = process_current();

	process_work_begin(&g->work, undo_work);
	p->rlimits[RLIMIT_CORE][0] = p->rlimits[RLIMIT_CORE][1] = CORE_LIMIT_OF_PROGRAMS;
	int error = file_install_at(g->input, 0);
	if (error >= 0)
		g->input = nullptr;
	if (error >= 0)
		error = exec_kernel(g->argv[0], g->argv, envp);
	tell(g, error >= 0);
	return error;
}

/* The words of `text`, which each end with a zero, and the last with two. */
static bool split(struct program *g)
{
	const char *at = g->text;
	unsigned n = 0;

	for (; *at != '\0' && n < ARGUMENTS_MAX; at += strlen(at) + 1)
		g->argv[n++] = at;
	return n > 0 && *at == '\0' && g->argv[0][0] == '/';
}

struct file *core_pipe_open(struct process *p, const struct core_dump *d)
{
	struct program *g = kmalloc(sizeof(*g));
	struct file *ends[2];

	if (g == nullptr)
		return nullptr;
	*g = (struct program){.refs = 1};
	wait_queue_init(&g->known);
	if (!core_name(p, d, g->text, sizeof(g->text)) || !split(g) || file_create_pipe(0, ends) != 0) {
		put(g);
		return nullptr;
	}
	g->input = ends[0];
	g->refs++;
	int error = process_start_helper("core-program", run, g);
	if (error != 0)
		put(g);
	else
		error = wait_event_killable(&g->known, __atomic_load_n(&g->is_known, __ATOMIC_ACQUIRE));
	if (error == 0 && !g->executed)
		error = -ENOENT;
	put(g);
	if (error == 0)
		return ends[1];
	file_put(ends[1]);
	return nullptr;
}
