/* SPDX-License-Identifier: MIT */
/*
 * Processes that the kernel starts: the first one, and programs that it has do something. Their first thread begins in
 * the kernel, so that it opens its files and executes its program as any process would, and then goes on in the
 * program.
 */
#include "internal.h"
#include <abi/errno.h>
#include <abi/fcntl.h>
#include <arch/gates.h>
#include <kernel/base/clock.h>
#include <kernel/base/log.h>
#include <kernel/mem/slab.h>
#include <kernel/vfs/fs_context.h>
#include <kernel/vfs/open.h>
#include <lib/string.h>
#include <nucleus/calls.h>

enum : uint64_t { ALL_CAPABILITIES = (UINT64_C(1) << (CAP_LAST + 1)) - 1 };

static void open_console(void)
{
	struct file *f;

	int error = file_open_path("/dev/console", O_RDWR, 0, &f);

	if (error != 0) {
		log_warn("process: cannot open /dev/console for PID 1 (error %d)", error);
		return;
	}
	for (int fd = 0; fd < 3; fd++) {
		file_get(f);
		if (file_install_at(f, fd) < 0)
			file_put(f);
	}
	file_put(f);
}

static const char *init_path;

[[noreturn]] static void run_init(void)
{
	const char *const argv[] = {init_path, nullptr};
	const char *const envp[] = {"HOME=/", "TERM=linux", "PATH=/sbin:/usr/sbin:/bin:/usr/bin", nullptr};
	int error = exec_kernel(init_path, argv, envp);

	if (error == -EFAULT)
		process_init_anew("the kernel faulted while it loaded its program");
	if (error != 0) {
		log_error("process: cannot execute %s, the first process (error %d): name another with init= on the "
			  "kernel command line; the machine is switched off",
			  init_path, error);
		power_off_without_init();
		process_group_exit(127 << 8);
	}
	gate_resume();
}

static void init_main(void *arg)
{
	(void)arg;
	open_console();
	run_init();
}

void process_init_anew(const char *why)
{
	enum { STARTS_MAX = 8 };
	/* Who ran for so long does not fail for good. */
	constexpr uint64_t CALM_NS = 200'000'000;
	static uint32_t starts;
	static uint64_t last_ns;
	uint64_t now = clock_monotonic_ns();

	starts = now - last_ns > CALM_NS ? 1 : starts + 1;
	last_ns = now;
	if (starts > STARTS_MAX) {
		log_error("process: PID 1 cannot go on (%s) and was started anew %u times in a row; the machine is "
			  "switched off",
			  why, STARTS_MAX);
		power_off_without_init();
	}
	log_error("process: PID 1 cannot go on (%s): %s is started anew as PID 1", why, init_path);
	process_thread_current()->in_event = false;
	signal_set_blocked_current(0);
	run_init();
}

static int give_resources(struct process *p)
{
	int error = file_table_create(&p->files);

	if (error == 0)
		error = fs_context_create(&p->fs);
	if (error != 0)
		return error;
	p->signals = signal_state_create();
	return p->signals != nullptr ? 0 : -ENOMEM;
}

static int link_process(struct process *p, struct pid *pid, struct thread *t)
{
	mutex_lock(&process_tree_lock);
	int error = pid_allocate(pid);
	if (error == 0) {
		pid->process = p;
		pid->thread_of = p;
		p->pid = t->tid = pid->id;
		list_push_back(&process_all, &p->all);
		pid_join(p, p->pid, p->pid);
		process_get(p);
		spin_lock(&p->signal_lock);
		process_add_thread(p, t);
		spin_unlock(&p->signal_lock);
	}
	mutex_unlock(&process_tree_lock);
	return error;
}

/* A process of root's without a program, whose thread will begin in the kernel. *thread is not to be started if there
 * is none in *out; what there is of the two is the caller's to give back. */
static int make(const char *name, void (*main)(void *), void *arg, struct process **out, struct thread **thread)
{
	struct process *p = *out = process_create();

	*thread = nullptr;
	if (p == nullptr)
		return -ENOMEM;
	p->cred.cap_permitted = p->cred.cap_effective = p->cred.cap_bounding = ALL_CAPABILITIES;
	(void)strlcpy(p->name, name, sizeof(p->name));
	int error = give_resources(p);
	if (error == 0)
		error = thread_create(name, &component_process, 0, main, arg, thread);
	if (error != 0)
		return error;
	process_thread_state_init(*thread);
	process_thread_of(*thread)->no_program = true;
	return 0;
}

int process_start_init(const char *path)
{
	struct pid *pid = kmalloc(sizeof(*pid));
	struct process *p;
	struct thread *t;
	int error = -ENOMEM;

	init_path = kstrdup(path);
	if (pid != nullptr && init_path != nullptr)
		error = make("init", init_main, nullptr, &p, &t);
	if (error != 0) {
		/* Boot cannot go on: what was made stays. */
		log_error("process: cannot make PID 1 (error %d)", error);
		return error;
	}
	p->unkillable = true;
	init_process = p;
	error = link_process(p, pid, t);
	KASSERT(error == 0 && p->pid == 1);
	process_publish_name(t);
	thread_start(t);
	return 0;
}

struct helper {
	int (*run)(void *arg);
	void *arg;
};

static void helper_main(void *arg)
{
	struct helper h = *(struct helper *)arg;

	kfree(arg);
	int error = h.run(h.arg);
	if (error < 0) {
		log_warn("process: %s: cannot execute its program (error %d)", process_current()->name, -error);
		process_group_exit(127 << 8);
	}
	gate_resume();
}

static void give_back_resources(struct process *p)
{
	file_table_put(p->files);
	p->files = nullptr;
	if (p->fs != nullptr)
		fs_context_leave(p->fs);
	p->fs = nullptr;
	process_put(p);
}

/* Where a thread begins whose process came to nothing. */
static void helper_abandoned(void *arg)
{
	give_back_resources(arg);
}

int process_start_helper(const char *name, int (*run)(void *arg), void *arg)
{
	struct helper *h = kmalloc(sizeof(*h));
	struct pid *pid = kmalloc(sizeof(*pid));
	struct process *p = nullptr;
	struct thread *t = nullptr;
	int error = -ENOMEM;

	if (h != nullptr && pid != nullptr) {
		*h = (struct helper){run, arg};
		error = make(name, helper_main, h, &p, &t);
	}
	if (error == 0)
		error = link_process(p, pid, t);
	if (error == 0) {
		process_publish_name(t);
		thread_start(t);
		return 0;
	}
	kfree(h);
	kfree(pid);
	if (t != nullptr) {
		t->entry = helper_abandoned;
		t->arg = p;
		thread_start(t);
	} else if (p != nullptr) {
		give_back_resources(p);
	}
	return error;
}
