/* SPDX-License-Identifier: MIT */
/*
 * execve(2), execveat(2): what is prepared of a new program (POSIX.1-2017 exec; Linux execve(2)). Scripts are
 * exec_script.c's, the switch is exec_commit.c's.
 *
 * The new space is built completely before anything of the caller changes. Then the other threads
 * end, which is the last thing that can fail (by the caller's own death); from there on everything
 * is replaced without failing. Until there it runs under a guard: a fault of the kernel fails the call. Later there is
 * no program to go back to, and the process dies of it.
 */
#include "exec.h"
#include <abi/fcntl.h>
#include <arch/gates.h>
#include <kernel/base/fail.h>
#include <kernel/base/fault_point.h>
#include <kernel/base/log.h>
#include <kernel/mem/slab.h>
#include <kernel/thread/guard.h>
#include <kernel/vfs/vfs.h>
#include <kernel/vm/user.h>
#include <lib/string.h>

enum : uint32_t { PERSONALITY_NO_RANDOMISE = 0x0040000 };

static uint64_t string_limit(void)
{
	uint64_t limit = MIN(process_rlimit(RLIMIT_STACK) / 4, UINT64_C(6) << 20);

	return MAX(limit, (uint64_t)EXEC_STRING_MAX);
}

void exec_free(struct exec *e)
{
	struct file *file = e->file;
	struct vm_space *space = e->space;
	struct signal_state *handlers = e->handlers;
	struct path path = e->path;
	struct fs_context *held_fs = e->held_fs;

	e->held_fs = nullptr;
	if (held_fs != nullptr)
		fs_context_release(held_fs);
	e->path = (struct path){};
	if (path.dentry != nullptr)
		path_put(&path);
	e->file = nullptr;
	if (file != nullptr && e->running)
		exe_end(file);
	else if (file != nullptr)
		file_put(file);
	e->space = nullptr;
	if (space != nullptr)
		vm_space_put(space);
	e->handlers = nullptr;
	if (handlers != nullptr)
		signal_state_put(handlers);
	while (e->prefix_count > 0)
		kfree(e->prefix[--e->prefix_count]);
	exec_strings_free(&e->args);
	exec_strings_free(&e->env);
	kfree(e->name);
	kfree(e->head);
	process_work_end(&e->work);
	kfree(e);
}

static void undo_work(struct process_work *w)
{
	exec_free(container_of(w, struct exec, work));
}

/* nullptr: no memory. */
static struct exec *exec_create(void)
{
	struct exec *e = kmalloc(sizeof(*e));

	if (e == nullptr)
		return nullptr;
	*e = (struct exec){};
	exec_strings_init(&e->args);
	exec_strings_init(&e->env);
	process_work_begin(&e->work, undo_work);
	return e;
}

/* Gives up what was prepared. */
static void exec_discard(struct exec *e)
{
	struct process *p = process_current();

	if (p->exec_thread == thread_current())
		__atomic_store_n(&p->exec_thread, nullptr, __ATOMIC_RELEASE);
	if (!guard_run_void(&component_process, exec_free(e)))
		log_error("process: %s[%u]: what an exec had prepared is lost", p->name, p->pid);
}

/* The new space for e->file, by the credentials as they are. */
static int make_image(struct exec *e)
{
	struct process *p = process_current();

	mutex_lock(&p->lock);
	e->old_cred = p->cred;
	mutex_unlock(&p->lock);
	/* What a process may not read must not leak through its memory either. */
	e->unreadable = inode_permission(e->file->inode, R_OK, false) != 0;
	FAULT_POINT(exec_credentials);
	e->personality = p->personality;
	/* Whoever shares the working directory could lead a program with more rights than his astray. */
	if (fs_context_hold(p->fs))
		e->held_fs = p->fs;
	e->secure = credentials_exec(&e->cred, &e->old_cred, e->file, e->held_fs == nullptr, &e->personality);
	e->randomise = !(e->personality & PERSONALITY_NO_RANDOMISE);
	int error = vm_space_create(&e->space);
	if (error == 0)
		error = exec_map_image(e);
	FAULT_POINT(exec_image);
	if (error == 0)
		error = exec_build_stack(e);
	FAULT_POINT(exec_stack);
	return error;
}

/* They changed meanwhile. */
static int make_image_again(struct exec *e)
{
	struct vm_space *space = e->space;
	struct fs_context *held_fs = e->held_fs;

	e->space = nullptr;
	vm_space_put(space);
	e->held_fs = nullptr;
	if (held_fs != nullptr)
		fs_context_release(held_fs);
	/* The interpreter's head took the place of the program's. */
	e->image = (struct exec_image){};
	int error = exec_read_head(e->file, e->head, &e->head_bytes);
	return error == 0 ? make_image(e) : error;
}

static int build(struct exec *e)
{
	FAULT_POINT(exec_head);
	e->head = kmalloc(EXEC_HEAD_BYTES);
	if (e->head == nullptr)
		return -ENOMEM;
	int error = exec_find_program(e);
	if (error == 0)
		error = exe_begin(e->file);
	if (error != 0)
		return error;
	e->running = true;
	return make_image(e);
}

/* Builds the new program, and makes the caller its process's only thread: the last thing that can fail. */
static int get_ready(struct exec *e)
{
	struct process *p = process_current();
	int error = build(e);

	if (error == 0 && __atomic_load_n(&p->signals->refs, __ATOMIC_RELAXED) > 1) {
		e->handlers = signal_state_clone(p->signals);
		if (e->handlers == nullptr)
			error = -ENOMEM;
	}
	FAULT_POINT(exec_threads);
	if (error == 0)
		error = process_end_other_threads();
	if (error != 0)
		return error;
	/* The way back is closed: other threads are gone. Only now may the table be changed; and what the last of them
	 * did to the credentials counts for the new program, too. */
	if (file_table_unshare_current() != 0 ||
	    (memcmp(&e->old_cred, &p->cred, sizeof(p->cred)) != 0 && make_image_again(e) != 0))
		process_group_exit(SIGKILL);
	fail_arm(0);
	return 0;
}

static int add_strings(struct exec *e, user_addr argv, user_addr envp)
{
	uint64_t limit = string_limit();
	int error = exec_strings_add_user_array(&e->args, argv, limit);

	/* A program may rely on argv[0] being there. */
	if (error == 0 && e->args.count == 0)
		error = exec_strings_add(&e->args, "", limit);
	if (error == 0)
		error = exec_strings_add_user_array(&e->env, envp, limit - MIN(limit, e->args.bytes));
	return error;
}

/* The name that scripts and AT_EXECFN see. */
static int set_exec_name(struct exec *e, int dirfd, user_addr path_at, bool may_be_empty)
{
	enum : size_t { ROOM = 4096 };
	char *path = kmalloc(ROOM + 32);

	if (path == nullptr)
		return -ENOMEM;
	long n = copy_string_from_user(path, path_at, ROOM);
	if (n == 0 && !may_be_empty)
		n = -ENOENT;
	if (n >= 0) {
		if (n == 0 && dirfd != AT_FDCWD) {
			(void)snprintf(path, ROOM, "/dev/fd/%d", dirfd);
		} else if (path[0] != '/' && dirfd != AT_FDCWD) {
			char name[32];
			size_t prefix = (size_t)scnprintf(name, sizeof(name), "/dev/fd/%d/", dirfd);
			memmove(path + prefix, path, (size_t)n + 1);
			memcpy(path, name, prefix);
		}
		e->name = kstrdup(path);
		n = e->name == nullptr ? -ENOMEM : 0;
	}
	kfree(path);
	return (int)n;
}

struct exec_request {
	int dirfd;
	user_addr path, argv, envp;
	uint32_t flags;
};

/* The name and the strings come first, then the flags, and the file last: Linux's order. */
static int prepare(struct exec *e, const struct exec_request *r, uint32_t number)
{
	int error = set_exec_name(e, r->dirfd, r->path, r->flags & AT_EMPTY_PATH);

	FAULT_POINT(exec_name);
	if (error == 0)
		error = add_strings(e, r->argv, r->envp);
	FAULT_POINT(exec_strings);
	if (error == 0 && (r->flags & ~(uint32_t)(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)))
		error = (int)syscall_refuse_flags(number, r->flags);
	if (error == 0)
		error = path_lookup_user(r->dirfd, r->path,
					 (r->flags & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW) |
						 (r->flags & AT_EMPTY_PATH ? WALK_EMPTY : 0),
					 &e->path);
	if (error != 0) {
		e->path = (struct path){};
		return error;
	}
	FAULT_POINT(exec_path);
	error = file_open_exec(&e->path, &e->file);
	return error == 0 ? get_ready(e) : error;
}

static long do_execveat(const struct exec_request *r, uint32_t number)
{
	struct exec *e = exec_create();

	if (e == nullptr)
		return -ENOMEM;
	/* A fault of the kernel in here fails the call, like any other error. */
	long error = guard_run(&component_process, prepare(e, r, number));
	if (error != 0) {
		exec_discard(e);
		return error;
	}
	exec_become(e);
	gate_resume();
}

static long sys_execve(user_addr path, user_addr argv, user_addr envp)
{
	return do_execveat(&(struct exec_request){AT_FDCWD, path, argv, envp, 0}, NR_execve);
}
SYSCALL(execve);

static long sys_execveat(int dirfd, user_addr path, user_addr argv, user_addr envp, uint32_t flags)
{
	return do_execveat(&(struct exec_request){dirfd, path, argv, envp, flags}, NR_execveat);
}
SYSCALL(execveat);

static int prepare_from_kernel(struct exec *e, const char *path, const char *const *argv, const char *const *envp)
{
	int error = 0;

	e->name = kstrdup(path);
	if (e->name == nullptr)
		return -ENOMEM;
	for (; error == 0 && *argv != nullptr; argv++)
		error = exec_strings_add(&e->args, *argv, string_limit());
	for (; error == 0 && *envp != nullptr; envp++)
		error = exec_strings_add(&e->env, *envp, string_limit());
	if (error == 0)
		error = exec_open(path, &e->file);
	return error == 0 ? get_ready(e) : error;
}

int exec_kernel(const char *path, const char *const *argv, const char *const *envp)
{
	struct exec *e = exec_create();

	if (e == nullptr)
		return -ENOMEM;
	long error = guard_run(&component_process, prepare_from_kernel(e, path, argv, envp));
	if (error != 0) {
		exec_discard(e);
		return (int)error;
	}
	exec_become(e);
	return 0;
}
