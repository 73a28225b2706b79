/* SPDX-License-Identifier: MIT */
/*
 * Making, finding, counting and freeing struct process, and what /proc shows of one.
 *
 * References: one of the id table (until reaped), one of each thread, and those of whoever looked
 * the process up. The struct outlives everything that hangs on it: space, files and threads are
 * gone when the process is a zombie.
 */
#include "internal.h"
#include "seccomp.h"
#include <kernel/base/clock.h>
#include <kernel/base/log.h>
#include <kernel/mem/slab.h>
#include <kernel/vfs/vfs.h>
#include <lib/string.h>
#include <nucleus/calls.h>

DEFINE_COMPONENT(process, .stage = STAGE_CORE,
		 .users = "the process whose call it was ends (of PID 1 the call is EFAULT); others see nothing",
		 .stays = "it has no thread, and its data are the running processes");

struct mutex process_tree_lock = MUTEX_INIT(process_tree_lock, RANK_PROCESS_TREE);
struct list process_all = LIST_INIT(process_all);
struct process *init_process;

void process_get(struct process *p)
{
	__atomic_fetch_add(&p->refs, 1, __ATOMIC_RELAXED);
}

void process_put(struct process *p)
{
	if (__atomic_sub_fetch(&p->refs, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	/* What nobody took: a zombie is sent signals too. */
	spin_lock(&p->signal_lock);
	signal_flush(p, &p->pending, UINT64_MAX);
	signal_unlock(p);
	if (p->signals != nullptr)
		signal_state_put(p->signals);
	shared_wait_put(p->signal_wait);
	groups_put(p->cred.groups);
	kfree(p);
}

static void limits_init(struct process *p)
{
	for (unsigned i = 0; i < ARRAY_LEN(p->rlimits); i++)
		p->rlimits[i][0] = p->rlimits[i][1] = RLIM_INFINITY;
	p->rlimits[RLIMIT_STACK][0] = 8 << 20;
	p->rlimits[RLIMIT_CORE][0] = 0;
	p->rlimits[RLIMIT_NPROC][0] = p->rlimits[RLIMIT_NPROC][1] = PID_LIMIT / 2;
	p->rlimits[RLIMIT_NOFILE][0] = 1024;
	p->rlimits[RLIMIT_NOFILE][1] = 524288; /* what a Linux distribution starts with */
	p->rlimits[RLIMIT_MEMLOCK][0] = p->rlimits[RLIMIT_MEMLOCK][1] = 8 << 20;
	p->rlimits[RLIMIT_SIGPENDING][0] = p->rlimits[RLIMIT_SIGPENDING][1] = 4096;
	p->rlimits[RLIMIT_MSGQUEUE][0] = p->rlimits[RLIMIT_MSGQUEUE][1] = 819200;
	p->rlimits[RLIMIT_NICE][0] = p->rlimits[RLIMIT_NICE][1] = 0;
	p->rlimits[RLIMIT_RTPRIO][0] = p->rlimits[RLIMIT_RTPRIO][1] = 0;
}

struct process *process_create(void)
{
	struct process *p = kmalloc(sizeof(*p));

	if (p == nullptr)
		return nullptr;
	p->signal_wait = shared_wait_create();
	if (p->signal_wait == nullptr) {
		kfree(p);
		return nullptr;
	}
	p->refs = 1;
	list_init(&p->children);
	list_init(&p->sibling);
	list_init(&p->all);
	list_init(&p->group_link);
	list_init(&p->session_link);
	wait_queue_init(&p->child_wait);
	wait_queue_init(&p->exit_wait);
	mutex_init(&p->lock, RANK_PROCESS);
	spin_init(&p->signal_lock, RANK_SIGNAL);
	spin_lock(&p->signal_lock);
	list_init(&p->threads);
	list_init(&p->signal_garbage);
	signal_pending_init(&p->pending);
	spin_unlock(&p->signal_lock);
	wait_queue_init(&p->thread_wait);
	list_init(&p->posix_timers);
	itimer_init(p);
	limits_init(p);
	p->start_ns = clock_monotonic_ns();
	p->dumpable = DUMPABLE_BY_OWNER;
	p->dump_filter = 0x33;
	p->exit_signal = SIGCHLD;
	return p;
}

void process_thread_state_init(struct thread *t)
{
	struct process_thread *s = process_thread_of(t);

	*s = (struct process_thread){
		.affinity = UINT64_MAX,
		.inherited_nice = INT32_MAX,
		.timer_slack_ns = 50000,
		.default_slack_ns = 50000,
	};
	signal_pending_init(&s->pending);
}

void process_add_thread(struct process *p, struct thread *t)
{
	t->process = p;
	thread_note(t);
	list_push_back(&p->threads, &t->process_link);
	p->thread_count++;
}

struct thread *process_thread_behind(struct process *p, struct thread *t)
{
	do {
		t = thread_behind(&p->threads, t, offsetof(struct thread, process_link));
	} while (t != nullptr && t->rebuilt && !process_thread_of(t)->rebuilt);
	return t;
}

void process_set_name(struct process *p, const char *name)
{
	mutex_lock(&p->lock);
	strlcpy(p->name, name, sizeof(p->name));
	mutex_unlock(&p->lock);
}

void process_publish_name(struct thread *t)
{
	uint64_t words[2];

	memcpy(words, t->name, sizeof(words));
	string_make_printable((char *)words, sizeof(words));
	(void)nucleus_thread_set_name(thread_page_of(t)->handle, words[0], words[1], t->tid);
}

struct process *process_parent_get(struct process *p)
{
	mutex_lock(&process_tree_lock);
	struct process *parent = p->parent;
	if (parent != nullptr)
		process_get(parent);
	mutex_unlock(&process_tree_lock);
	return parent;
}

/* The process with the smallest pid above `after`, with a reference. */
static struct process *next_process(uint32_t after)
{
	struct process *p, *best = nullptr;

	mutex_lock(&process_tree_lock);
	list_for_each(p, &process_all, all) {
		if (p->pid > after && (best == nullptr || p->pid < best->pid))
			best = p;
	}
	if (best != nullptr)
		process_get(best);
	mutex_unlock(&process_tree_lock);
	return best;
}

int process_for_each(int (*fn)(void *ctx, struct process *p), void *ctx)
{
	uint32_t after = 0;
	struct process *p;

	while ((p = next_process(after)) != nullptr) {
		int result = fn(ctx, p);
		after = p->pid;
		process_put(p);
		if (result != 0)
			return result;
	}
	return 0;
}

struct vm_space *process_get_space(struct process *p)
{
	mutex_lock(&p->lock);
	struct vm_space *s = p->space;
	if (s != nullptr)
		vm_space_get(s);
	mutex_unlock(&p->lock);
	return s;
}

struct file_table *process_get_files(struct process *p)
{
	mutex_lock(&p->lock);
	struct file_table *f = p->files;
	if (f != nullptr)
		file_table_get(f);
	mutex_unlock(&p->lock);
	return f;
}

struct fs_context *process_get_fs(struct process *p)
{
	mutex_lock(&p->lock);
	struct fs_context *f = p->fs;
	if (f != nullptr)
		fs_context_get(f);
	mutex_unlock(&p->lock);
	return f;
}

struct file *process_exe(struct process *p)
{
	mutex_lock(&p->lock);
	struct file *f = p->exe;
	if (f != nullptr)
		file_get(f);
	mutex_unlock(&p->lock);
	return f;
}

int exe_begin(struct file *f)
{
	struct inode *i = f->inode;

	/* Runner and writer each announce themselves before they look for the other. */
	__atomic_fetch_add(&i->runners, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&i->writers, __ATOMIC_SEQ_CST) == 0)
		return 0;
	__atomic_fetch_sub(&i->runners, 1, __ATOMIC_RELAXED);
	return -ETXTBSY;
}

void exe_again(struct file *f)
{
	__atomic_fetch_add(&f->inode->runners, 1, __ATOMIC_RELAXED);
	file_get(f);
}

void exe_end(struct file *f)
{
	__atomic_fetch_sub(&f->inode->runners, 1, __ATOMIC_RELEASE);
	file_put(f);
}

/* ptrace(2), "Ptrace access mode checking". */
static bool may_look(struct process *p, bool real)
{
	struct process *self = process_current();

	if (self == nullptr || self == p || capable(CAP_SYS_PTRACE))
		return true;
	mutex_lock(&p->lock);
	const struct credentials *c = &p->cred, *mine = &self->cred;
	uint32_t uid = real ? mine->uid : mine->fsuid, gid = real ? mine->gid : mine->fsgid;
	bool same =
		uid == c->uid && uid == c->euid && uid == c->suid && gid == c->gid && gid == c->egid && gid == c->sgid;
	uint64_t capabilities = real ? mine->cap_permitted : mine->cap_effective;
	bool allowed = same && p->dumpable == DUMPABLE_BY_OWNER && (c->cap_permitted & ~capabilities) == 0;
	mutex_unlock(&p->lock);
	return allowed;
}

bool process_may_inspect(struct process *p)
{
	return may_look(p, false);
}

bool process_may_inspect_really(struct process *p)
{
	return may_look(p, true);
}

/* --- times and states --- */

void process_times(struct process *p, uint64_t *user_ns, uint64_t *system_ns, uint64_t *child_user_ns,
		   uint64_t *child_system_ns)
{
	struct process_usage self;

	process_usage_of_threads(p, &self);
	*user_ns = self.user_ns;
	*system_ns = self.system_ns;
	mutex_lock(&process_tree_lock);
	*child_user_ns = p->children_usage.user_ns;
	*child_system_ns = p->children_usage.system_ns;
	mutex_unlock(&process_tree_lock);
}

static char thread_letter(struct thread *t)
{
	if (process_thread_of(t)->stopped)
		return 'T';
	if (nucleus_thread_get_times(thread_page_of(t)->handle) != 0)
		return 'X';
	if (((const struct thread_times *)call_area())->running)
		return 'R';
	return __atomic_load_n(&t->interruptible, __ATOMIC_RELAXED) ? 'S' : 'D';
}

/* That of its first thread, as Linux shows it; a first thread that left before the others shows as
 * a zombie. */
char process_state_letter(struct process *p)
{
	char letter = 'Z';
	struct thread *t;

	if (p->state == PROCESS_DEAD)
		return 'X';
	if (p->state == PROCESS_ZOMBIE)
		return 'Z';
	if (p->state == PROCESS_STOPPED)
		return 'T';
	spin_lock(&p->signal_lock);
	/* The last one is on its way out: a zombie is what can be waited for. */
	if (list_empty(&p->threads))
		letter = 'R';
	for_each_thread(t, p) {
		if (t->tid == p->pid)
			letter = thread_letter(t);
	}
	spin_unlock(&p->signal_lock);
	return letter;
}

uint32_t process_next_tid(struct process *p, uint32_t after)
{
	uint32_t best = 0;
	struct thread *t;

	spin_lock(&p->signal_lock);
	for_each_thread(t, p) {
		if (t->tid > after && (best == 0 || t->tid < best))
			best = t->tid;
	}
	spin_unlock(&p->signal_lock);
	return best;
}

int process_thread_info(struct process *p, uint32_t tid, struct process_thread_info *out)
{
	int result = -ESRCH;
	struct thread *t;

	spin_lock(&p->signal_lock);
	for_each_thread(t, p) {
		if (t->tid != tid)
			continue;
		struct process_thread *s = process_thread_of(t);
		*out = (struct process_thread_info){
			.state = thread_letter(t),
			.nice = s->nice,
			.effective_nice = sched_effective_nice(t),
			.policy = s->policy,
			.blocked = s->blocked,
			.pending = s->pending.set,
			.affinity = s->affinity,
			.seccomp_mode = s->seccomp_mode,
			.seccomp_filters = s->filters != nullptr ? s->filters->depth : 0,
		};
		memcpy(out->name, t->name, sizeof(out->name));
		process_thread_usage(t, &out->usage);
		out->user_ns = out->usage.user_ns;
		out->system_ns = out->usage.system_ns;
		if (nucleus_thread_get_times(thread_page_of(t)->handle) == 0) {
			const struct thread_times *times = (const struct thread_times *)call_area();
			out->start_ns = times->start_ns;
			out->cpu = times->cpu;
		}
		result = 0;
		break;
	}
	spin_unlock(&p->signal_lock);
	return result;
}

static void count_one(struct process *p, uint32_t *threads, uint32_t *running)
{
	struct thread *t;

	spin_lock(&p->signal_lock);
	for_each_thread(t, p) {
		++*threads;
		if (running != nullptr && thread_letter(t) == 'R')
			++*running;
	}
	spin_unlock(&p->signal_lock);
}

static uint32_t count(bool processes, bool only_running)
{
	uint32_t total = 0, threads = 0, running = 0;
	struct process *p;

	mutex_lock(&process_tree_lock);
	list_for_each(p, &process_all, all) {
		total++;
		if (!processes)
			count_one(p, &threads, only_running ? &running : nullptr);
	}
	mutex_unlock(&process_tree_lock);
	return processes ? total : only_running ? running : threads;
}

uint32_t process_count(void)
{
	return count(true, false);
}
uint32_t process_thread_total(void)
{
	return count(false, false);
}
uint32_t process_running_count(void)
{
	return count(false, true);
}
