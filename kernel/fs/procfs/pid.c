/* SPDX-License-Identifier: MIT */
/*
 * /proc/PID: the table of entries, the directories task, fd and fdinfo, and the links (proc(5)).
 */
#include "procfs.h"

#include <kernel/file/pipe.h>

#include <abi/errno.h>
#include <abi/fcntl.h>
#include <kernel/base/fail.h>
#include <kernel/mem/slab.h>
#include <kernel/thread/guard.h>
#include <lib/string.h>

enum : uint64_t { FIRST = 2, FIRST_PID = 1u << 16 };

DECLARE_COMPONENT(process);
DECLARE_COMPONENT(vfs);
DECLARE_COMPONENT(vm);

static int follow_exe(struct process *p, struct path *out)
{
	struct file *f = process_exe(p);

	if (f == nullptr)
		return -ENOENT;
	*out = f->path;
	path_get(out);
	file_put(f);
	return 0;
}

static int follow_context(struct process *p, struct path *root, struct path *cwd)
{
	struct fs_context *c = process_get_fs(p);

	if (c == nullptr)
		return -ENOENT;
	fs_context_paths(c, root, cwd);
	fs_context_put(c);
	return 0;
}

static int follow_cwd(struct process *p, struct path *out)
{
	return follow_context(p, nullptr, out);
}

static int follow_root(struct process *p, struct path *out)
{
	return follow_context(p, out, nullptr);
}

static long write_comm(struct process *p, const char *text, size_t n)
{
	size_t length = strnlen(text, n);

	if (p != process_current())
		return -EINVAL;
	if (length > 0 && text[length - 1] == '\n')
		length--;
	length = MIN(length, sizeof(p->name) - 1);
	mutex_lock(&p->lock);
	memset(p->name, 0, sizeof(p->name));
	memcpy(p->name, text, length);
	mutex_unlock(&p->lock);
	return (long)n;
}

static int show_zero(struct text_buffer *b, struct process *, uint32_t)
{
	text_printf(b, "0\n");
	return 0;
}

static int show_oom_score(struct text_buffer *b, struct process *p, uint32_t)
{
	text_printf(b, "%lld\n", (long long)oom_score(p));
	return 0;
}

static int show_oom_adjustment(struct text_buffer *b, struct process *p, uint32_t)
{
	text_printf(b, "%d\n", p->oom_adjustment);
	return 0;
}

static long write_oom_adjustment(struct process *p, const char *text, size_t n)
{
	bool negative = n > 0 && text[0] == '-';
	size_t at = negative ? 1 : 0, first = at;
	int value = 0;

	for (; at < n && text[at] >= '0' && text[at] <= '9' && value <= OOM_ADJUSTMENT_MAX; at++)
		value = value * 10 + (text[at] - '0');
	if (at == first || (at < n && text[at] != '\n'))
		return -EINVAL;
	int error = oom_adjust(p, negative ? -value : value);
	return error != 0 ? error : (long)n;
}

static int show_dump_filter(struct text_buffer *b, struct process *p, uint32_t)
{
	text_printf(b, "%08x\n", p->dump_filter);
	return 0;
}

/* A number as in C: hexadecimal, octal or decimal. */
static long write_dump_filter(struct process *p, const char *text, size_t n)
{
	size_t at = n > 1 && text[0] == '0' ? (text[1] == 'x' || text[1] == 'X' ? 2 : 1) : 0;
	uint32_t base = at == 2 ? 16 : at == 1 ? 8 : 10, value = 0;
	size_t first = at == 1 ? 0 : at;

	for (at = first; at < n && text[at] != '\n'; at++) {
		char c = text[at] | 0x20;
		uint32_t digit = c >= 'a' ? (uint32_t)(c - 'a') + 10 : (uint32_t)(text[at] - '0');

		if (digit >= base || value > UINT32_MAX / base)
			return -EINVAL;
		value = value * base + digit;
	}
	if (at == first)
		return -EINVAL;
	p->dump_filter = value & 0x1ff;
	return (long)n;
}
#if STELLUX_DEBUG
/* Of the thread that asks, whatever process the file was opened for. */
static int show_fail_nth(struct text_buffer *b, struct process *, uint32_t)
{
	text_printf(b, "%u\n", fail_armed());
	return 0;
}

static long write_fail_nth(struct process *, const char *text, size_t n)
{
	int64_t nth;
	int error = knob_parse(text, n, &nth);

	if (!capable(CAP_SYS_RESOURCE))
		return -EPERM;
	if (error != 0 || nth < 0 || nth > INT32_MAX)
		return -EINVAL;
	fail_arm((uint32_t)nth);
	return (long)n;
}
#endif

const struct pid_entry pid_entries[] = {
#if STELLUX_DEBUG
	{.name = "fail-nth",
	 .component = &component_process,
	 .mode = S_IFREG | 0644,
	 .never_fails = true,
	 .show = show_fail_nth,
	 .write = write_fail_nth},
#endif
	{.name = "task", .mode = S_IFDIR | 0555, .kind = PROC_TASK, .not_in_task = true},
	{.name = "fd", .mode = S_IFDIR | 0500, .kind = PROC_FD},
	{.name = "fdinfo", .mode = S_IFDIR | 0555, .kind = PROC_FDINFO},
	{.name = "stat", .component = &component_process, .mode = S_IFREG | 0444, .show = pid_show_stat},
	{.name = "statm", .component = &component_vm, .mode = S_IFREG | 0444, .show = pid_show_statm},
	{.name = "status", .component = &component_process, .mode = S_IFREG | 0444, .show = pid_show_status},
	{.name = "comm",
	 .component = &component_process,
	 .mode = S_IFREG | 0644,
	 .show = pid_show_comm,
	 .write = write_comm},
	{.name = "cmdline", .component = &component_vm, .mode = S_IFREG | 0444, .show = pid_show_cmdline},
	{.name = "environ",
	 .component = &component_vm,
	 .mode = S_IFREG | 0400,
	 .show = pid_show_environ,
	 .space = true},
	{.name = "auxv", .component = &component_vm, .mode = S_IFREG | 0400, .show = pid_show_auxv, .space = true},
	{.name = "maps", .component = &component_vm, .mode = S_IFREG | 0444, .show = pid_show_maps, .space = true},
	{.name = "smaps", .component = &component_vm, .mode = S_IFREG | 0444, .show = pid_show_smaps, .space = true},
	{.name = "mem", .component = &component_vm, .mode = S_IFREG | 0600, .ops = &proc_mem_ops, .space = true},
	{.name = "io", .component = &component_process, .mode = S_IFREG | 0400, .show = pid_show_io, .inspect = true},
	{.name = "schedstat", .component = &component_process, .mode = S_IFREG | 0444, .show = pid_show_schedstat},
	{.name = "personality",
	 .component = &component_process,
	 .mode = S_IFREG | 0400,
	 .show = pid_show_personality,
	 .inspect = true},
	{.name = "coredump_filter",
	 .component = &component_process,
	 .mode = S_IFREG | 0644,
	 .show = show_dump_filter,
	 .write = write_dump_filter},
	{.name = "limits", .component = &component_process, .mode = S_IFREG | 0444, .show = pid_show_limits},
	{.name = "mounts",
	 .component = &component_vfs,
	 .mode = S_IFREG | 0444,
	 .ops = &proc_mounts_ops,
	 .show = pid_show_mounts},
	{.name = "mountinfo",
	 .component = &component_vfs,
	 .mode = S_IFREG | 0444,
	 .ops = &proc_mounts_ops,
	 .show = pid_show_mountinfo},
	{.name = "wchan", .component = &component_process, .mode = S_IFREG | 0444, .show = show_zero},
	{.name = "oom_score", .component = &component_process, .mode = S_IFREG | 0444, .show = show_oom_score},
	{.name = "oom_score_adj",
	 .component = &component_process,
	 .mode = S_IFREG | 0644,
	 .show = show_oom_adjustment,
	 .write = write_oom_adjustment},
	{.name = "timers",
	 .component = &component_process,
	 .mode = S_IFREG | 0444,
	 .not_in_task = true,
	 .show = pid_show_timers},
	{.name = "timerslack_ns",
	 .component = &component_process,
	 .mode = S_IFREG | 0666,
	 .not_in_task = true,
	 .show = pid_show_timer_slack,
	 .write = pid_write_timer_slack},
	{.name = "cwd", .component = &component_vfs, .mode = S_IFLNK | S_IRWXUGO, .follow = follow_cwd},
	{.name = "root", .component = &component_vfs, .mode = S_IFLNK | S_IRWXUGO, .follow = follow_root},
	{.name = "exe", .component = &component_process, .mode = S_IFLNK | S_IRWXUGO, .follow = follow_exe},
};
const uint32_t pid_entry_count = ARRAY_LEN(pid_entries);

static bool has_thread(struct process *p, uint32_t tid)
{
	return process_next_tid(p, tid - 1) == tid;
}

bool pid_valid(const struct proc_inode *p)
{
	struct process *process = proc_inode_process(p);

	if (process == nullptr)
		return false;
	bool valid = p->tid == 0 || has_thread(process, p->tid);
	if (valid && (p->kind == PROC_FD_LINK || p->kind == PROC_FDINFO_FILE)) {
		struct file_table *t = process_get_files(process);
		struct file *f = t != nullptr ? file_table_at(t, p->fd) : nullptr;
		valid = f != nullptr;
		file_put(f);
		file_table_put(t);
	}
	process_put(process);
	return valid;
}

int proc_space_open(const struct proc_inode *p, uint64_t *serial)
{
	struct process *process = proc_inode_process(p);

	if (process == nullptr)
		return -ESRCH;
	/* The space first: exec changes it and the credentials together, so the check is about this space or a later,
	 * stricter one. */
	struct vm_space *space = process_get_space(process);
	int error = 0;
	*serial = 0;
	if (space != nullptr) {
		*serial = vm_space_serial(space);
		if (space != process_current()->space && !process_may_inspect(process))
			error = -EACCES;
		vm_space_put(space);
	}
	process_put(process);
	return error;
}

struct vm_space *proc_space_get(struct process *p, uint64_t serial)
{
	struct vm_space *space = process_get_space(p);

	if (space == nullptr || vm_space_serial(space) == serial)
		return space;
	vm_space_put(space);
	return nullptr;
}

/* A decimal number without leading zeros; false: something else. */
static bool parse_number(const struct name *n, uint32_t *out)
{
	*out = 0;
	if (n->length == 0 || n->length > 9 || (n->text[0] == '0' && n->length > 1))
		return false;
	for (uint32_t k = 0; k < n->length; k++) {
		if (n->text[k] < '0' || n->text[k] > '9')
			return false;
		*out = *out * 10 + (uint32_t)(n->text[k] - '0');
	}
	return true;
}

int proc_root_lookup_pid(struct inode *dir, const struct name *n, struct inode **out)
{
	uint32_t pid;

	if (!parse_number(n, &pid))
		return -ENOENT;
	struct process *p = process_find(pid);
	if (p == nullptr)
		return -ENOENT;
	struct proc_inode what = {.kind = PROC_PID, .pid = pid, .start_ns = p->start_ns};
	process_put(p);
	return proc_inode_create(dir->sb, &what, S_IFDIR | 0555, out);
}

static int lookup_entry(struct inode *dir, const struct name *n, struct proc_inode what, struct inode **out)
{
	for (uint32_t k = 0; k < pid_entry_count; k++) {
		const struct pid_entry *e = &pid_entries[k];

		if (strlen(e->name) != n->length || memcmp(e->name, n->text, n->length) != 0 ||
		    (e->not_in_task && what.tid != 0))
			continue;
		what.entry = e;
		what.kind = S_ISDIR(e->mode) ? e->kind : PROC_ENTRY;
		return proc_inode_create(dir->sb, &what, e->mode, out);
	}
	return -ENOENT;
}

/*
 * The file at a descriptor, with a reference. Permission is asked once it is in hand: whoever executes a set-id program
 * has other credentials before that program can open anything.
 */
static int file_of(struct process *p, int fd, struct file **out)
{
	struct file_table *t = process_get_files(p);

	*out = t != nullptr ? file_table_at(t, fd) : nullptr;
	file_table_put(t);
	if (process_may_inspect(p))
		return *out == nullptr ? -ENOENT : 0;
	file_put(*out);
	*out = nullptr;
	return -EACCES;
}

static int lookup_fd(struct inode *dir, const struct name *n, struct proc_inode what, struct process *p,
		     struct inode **out)
{
	bool links = what.kind == PROC_FD;
	uint32_t fd, mode = S_IFREG | 0444;
	struct file *f;

	if (!parse_number(n, &fd))
		return -ENOENT;
	int error = file_of(p, (int)fd, &f);
	if (error != 0)
		return error;
	if (links)
		mode = S_IFLNK | (f->mode & FILE_READ ? 0500 : 0) | (f->mode & FILE_WRITE ? 0300 : 0);
	file_put(f);
	what.kind = links ? PROC_FD_LINK : PROC_FDINFO_FILE;
	what.fd = (int)fd;
	return proc_inode_create(dir->sb, &what, mode, out);
}

static int lookup_task(struct inode *dir, const struct name *n, struct proc_inode what, struct process *p,
		       struct inode **out)
{
	if (!parse_number(n, &what.tid) || what.tid == 0 || !has_thread(p, what.tid))
		return -ENOENT;
	what.kind = PROC_PID;
	return proc_inode_create(dir->sb, &what, S_IFDIR | 0555, out);
}

int proc_pid_lookup(struct inode *dir, const struct name *n, struct inode **out)
{
	struct proc_inode what = *proc_inode_of(dir);
	struct process *p = proc_inode_process(&what);
	int error = -ENOENT;

	if (p == nullptr)
		return -ENOENT;
	if (what.kind == PROC_PID)
		error = lookup_entry(dir, n, what, out);
	else if (what.kind == PROC_FD || what.kind == PROC_FDINFO)
		error = lookup_fd(dir, n, what, p, out);
	else if (what.kind == PROC_TASK)
		error = lookup_task(dir, n, what, p, out);
	process_put(p);
	return error;
}

struct pid_emit {
	struct file *file;
	readdir_emit emit;
	void *ctx;
};

static int emit_process(void *ctx, struct process *p)
{
	struct pid_emit *e = ctx;
	char text[16];

	if (FIRST_PID + p->pid < e->file->position)
		return 0;
	int n = snprintf(text, sizeof(text), "%u", p->pid);
	if (!e->emit(e->ctx, text, (size_t)n, (uint64_t)p->pid << 32, DT_DIR, FIRST_PID + p->pid + 1))
		return 1;
	e->file->position = FIRST_PID + p->pid + 1;
	return 0;
}

long proc_root_readdir_pids(struct file *f, readdir_emit emit, void *ctx)
{
	struct pid_emit e = {f, emit, ctx};

	/* The two links stand before the numbers. */
	if (f->position < FIRST_PID - 1) {
		if (!emit(ctx, "self", 4, UINT32_MAX - PROC_SELF, DT_LNK, FIRST_PID - 1))
			return 0;
		f->position = FIRST_PID - 1;
	}
	if (f->position == FIRST_PID - 1) {
		if (!emit(ctx, "thread-self", 11, UINT32_MAX - PROC_THREAD_SELF, DT_LNK, FIRST_PID))
			return 0;
		f->position = FIRST_PID;
	}
	(void)process_for_each(emit_process, &e);
	return 0;
}

static void readdir_entries(struct file *f, const struct proc_inode *what, readdir_emit emit, void *ctx)
{
	for (; f->position - FIRST < pid_entry_count; f->position++) {
		const struct pid_entry *e = &pid_entries[f->position - FIRST];

		if (e->not_in_task && what->tid != 0)
			continue;
		if (!emit(ctx, e->name, strlen(e->name), ((uint64_t)what->pid << 32) + 1 + (f->position - FIRST),
			  DT_OF_MODE(e->mode), f->position + 1))
			return;
	}
}

static void readdir_files(struct file *f, const struct proc_inode *what, struct process *p, readdir_emit emit,
			  void *ctx)
{
	struct file_table *t = process_get_files(p);
	char text[16];
	int fd;

	/* Asked each time after the look: see file_of. */
	while (t != nullptr && (fd = file_table_next(t, (int)(f->position - FIRST))) >= 0 && process_may_inspect(p)) {
		int n = snprintf(text, sizeof(text), "%d", fd);

		if (!emit(ctx, text, (size_t)n, ((uint64_t)what->pid << 32) + 256 + (uint64_t)fd * 2,
			  what->kind == PROC_FD ? DT_LNK : DT_REG, FIRST + (uint64_t)fd + 1))
			break;
		f->position = FIRST + (uint64_t)fd + 1;
	}
	file_table_put(t);
}

static void readdir_tasks(struct file *f, struct process *p, readdir_emit emit, void *ctx)
{
	char text[16];
	uint32_t tid = (uint32_t)(f->position - FIRST);

	while ((tid = process_next_tid(p, tid)) != 0) {
		int n = snprintf(text, sizeof(text), "%u", tid);

		if (!emit(ctx, text, (size_t)n, ((uint64_t)p->pid << 32) + ((uint64_t)(tid & 0xffff) << 16), DT_DIR,
			  FIRST + tid))
			return;
		f->position = FIRST + tid;
	}
}

long proc_pid_readdir(struct file *f, readdir_emit emit, void *ctx)
{
	const struct proc_inode *what = proc_inode_of(f->inode);
	struct process *p = proc_inode_process(what);
	long result = 0;

	if (p == nullptr)
		return -ENOENT;
	if (what->kind == PROC_PID)
		readdir_entries(f, what, emit, ctx);
	else if (what->kind == PROC_TASK)
		readdir_tasks(f, p, emit, ctx);
	else if (process_may_inspect(p))
		readdir_files(f, what, p, emit, ctx);
	else
		result = -EACCES;
	process_put(p);
	return result;
}

/* The file behind an fd link, with a reference. */
static int fd_file(const struct proc_inode *what, struct file **out)
{
	struct process *p = proc_inode_process(what);

	*out = nullptr;
	if (p == nullptr)
		return -ENOENT;
	int error = file_of(p, what->fd, out);
	process_put(p);
	return error;
}

long fd_readlink(struct inode *i, char *out, size_t size)
{
	struct file *f;

	int error = fd_file(proc_inode_of(i), &f);
	if (error != 0)
		return error;
	long n = file_describe(f, out, size);
	file_put(f);
	return n;
}

int fd_follow(struct inode *i, struct path *out)
{
	struct file *f;

	int error = fd_file(proc_inode_of(i), &f);
	if (error != 0)
		return error;
	if (f->path.dentry != nullptr) {
		*out = f->path;
		path_get(out);
	} else {
		error = pipe_path(f, out);
	}
	file_put(f);
	return error;
}

int fdinfo_show(struct text_buffer *b, struct inode *i)
{
	const struct proc_inode *what = proc_inode_of(i);
	struct process *p = proc_inode_process(what);
	struct file *f;

	int error = fd_file(what, &f);
	if (error == 0 && p != nullptr) {
		struct file_table *t = process_get_files(p);
		bool cloexec = t != nullptr && file_table_cloexec(t, what->fd);

		text_printf(b, "pos:\t%llu\nflags:\t0%o\nmnt_id:\t%u\nino:\t%llu\n", (unsigned long long)f->position,
			    file_shown_flags(f) | (cloexec ? (uint32_t)O_CLOEXEC : 0),
			    f->path.mount != nullptr ? f->path.mount->id : 0,
			    f->inode != nullptr ? (unsigned long long)f->inode->ino : 0);
		file_table_put(t);
		if (f->ops->show_info != nullptr)
			(void)guard_run_void(f->ops->component, f->ops->show_info(f, b));
	}
	file_put(f);
	if (p != nullptr)
		process_put(p);
	return error;
}
