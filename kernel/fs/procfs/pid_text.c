/* SPDX-License-Identifier: MIT */
/*
 * /proc/PID/{stat,statm,status,comm,limits} in the formats of proc(5), which ps, top and their like parse.
 *
 * Numbers are taken one by one without stopping the process: they need not fit together to the last digit.
 */
#include "procfs.h"

#include <abi/errno.h>
#include <kernel/base/init.h>
#include <kernel/tty/tty.h>
#include <lib/string.h>
#include <nucleus/layout.h>

enum : uint64_t { NS_PER_TICK = 10000000 }; /* USER_HZ is 100 */

typedef unsigned long long ull;

struct summary {
	struct vm_stats vm;
	struct vm_exec_info exec;
	struct process_signal_info signals;
	struct process_thread_info thread;
	char name[16];
	char state;
	uint32_t parent, group, session, threads;
	uint64_t tty_device;
	int32_t foreground;
	struct process_usage usage, children;
};

static void take_terminal(struct process *p, struct summary *s)
{
	mutex_lock(&process_tree_lock);
	struct tty *tty = p->tty;
	mutex_unlock(&process_tree_lock);
	s->foreground = -1;
	if (tty != nullptr) {
		s->tty_device = tty_device(tty);
		s->foreground = (int32_t)tty_foreground_group(tty);
	}
}

static void take_memory(struct process *p, struct summary *s)
{
	struct vm_space *space = process_get_space(p);

	if (space == nullptr)
		return;
	vm_stats(space, &s->vm);
	vm_get_exec_info(space, &s->exec);
	vm_space_put(space);
}

/* Of the process as a whole, or of one thread of it. */
static void take_summary(struct process *p, uint32_t tid, struct summary *s)
{
	*s = (struct summary){};
	uint32_t first = tid != 0 ? tid : process_next_tid(p, 0);
	bool alive = first != 0 && process_thread_info(p, first, &s->thread) == 0;

	memcpy(s->name, p->name, sizeof(s->name));
	s->state = process_state_letter(p);
	s->parent = p->parent_pid;
	s->group = p->pgid;
	s->session = p->sid;
	s->threads = p->thread_count;
	process_usage_of_threads(p, &s->usage);
	mutex_lock(&process_tree_lock);
	s->children = p->children_usage;
	mutex_unlock(&process_tree_lock);
	if (tid != 0 && alive) {
		memcpy(s->name, s->thread.name, sizeof(s->name));
		s->state = s->thread.state;
		s->usage = s->thread.usage;
	}
	s->name[sizeof(s->name) - 1] = '\0';
	take_terminal(p, s);
	take_memory(p, s);
	process_signal_info(p, &s->signals);
}

/* Where things are in its memory, and how it ended, is for who may look into it: the others see zeros. */
static void hide_addresses(struct process *p, struct summary *s, int32_t *status)
{
	if (process_may_inspect(p))
		return;
	s->exec = (struct vm_exec_info){};
	*status = 0;
}

int pid_show_stat(struct text_buffer *b, struct process *p, uint32_t tid)
{
	struct summary s;
	int32_t status = p->exit_status;

	take_summary(p, tid, &s);
	hide_addresses(p, &s, &status);
	text_printf(b, "%u (%s) %c %u %u %u %u %d 0 %llu %llu %llu %llu", tid != 0 ? tid : p->pid, s.name, s.state,
		    s.parent, s.group, s.session, (uint32_t)s.tty_device, s.foreground, (ull)s.usage.minor_faults,
		    (ull)s.children.minor_faults, (ull)s.usage.major_faults, (ull)s.children.major_faults);
	text_printf(b, " %llu %llu %llu %llu %d %d %u 0 %llu %llu %llu %llu", (ull)(s.usage.user_ns / NS_PER_TICK),
		    (ull)(s.usage.system_ns / NS_PER_TICK), (ull)(s.children.user_ns / NS_PER_TICK),
		    (ull)(s.children.system_ns / NS_PER_TICK), 20 + s.thread.effective_nice, s.thread.nice, s.threads,
		    (ull)(p->start_ns / NS_PER_TICK), (ull)s.vm.virtual_bytes, (ull)s.vm.resident_pages,
		    (ull)p->rlimits[RLIMIT_RSS][0]);
	text_printf(b, " %llu %llu %llu 0 0 %llu %llu %llu %llu 0 0 0", (ull)s.exec.code_start, (ull)s.exec.code_end,
		    (ull)s.exec.stack_start, (ull)(s.signals.pending & INT32_MAX), (ull)(s.thread.blocked & INT32_MAX),
		    (ull)(s.signals.ignored & INT32_MAX), (ull)(s.signals.caught & INT32_MAX));
	text_printf(b, " %u %u 0 %u 0 0 0 0 0 0 %llu %llu %llu %llu %d\n", p->exit_signal, s.thread.cpu,
		    s.thread.policy, (ull)s.exec.arg_start, (ull)s.exec.arg_end, (ull)s.exec.env_start,
		    (ull)s.exec.env_end, status);
	return 0;
}

int pid_show_statm(struct text_buffer *b, struct process *p, uint32_t)
{
	struct summary s = {};

	take_memory(p, &s);
	text_printf(b, "%llu %llu %llu %llu 0 %llu 0\n", (ull)s.vm.virtual_bytes / PAGE_SIZE, (ull)s.vm.resident_pages,
		    (ull)(s.vm.file_pages + s.vm.shared_pages), (ull)s.vm.text_bytes / PAGE_SIZE,
		    (ull)(s.vm.data_bytes + s.vm.stack_bytes) / PAGE_SIZE);
	return 0;
}

static const char *state_words(char letter)
{
	switch (letter) {
	case 'R': return "R (running)";
	case 'D': return "D (disk sleep)";
	case 'T': return "T (stopped)";
	case 'Z': return "Z (zombie)";
	case 'X': return "X (dead)";
	default: return "S (sleeping)";
	}
}

static void show_ids(struct text_buffer *b, const struct process *p)
{
	const struct credentials *c = &p->cred;

	text_printf(b, "Uid:\t%u\t%u\t%u\t%u\n", c->uid, c->euid, c->suid, c->fsuid);
	text_printf(b, "Gid:\t%u\t%u\t%u\t%u\n", c->gid, c->egid, c->sgid, c->fsgid);
}

static void show_kib(struct text_buffer *b, const char *name, uint64_t bytes)
{
	text_printf(b, "%s:\t%8llu kB\n", name, (ull)bytes / 1024);
}

static void show_memory(struct text_buffer *b, const struct vm_stats *vm)
{
	uint64_t of_files = vm->file_pages + vm->shared_pages;
	uint64_t anonymous = vm->resident_pages > of_files ? vm->resident_pages - of_files : 0;

	show_kib(b, "VmPeak", vm->peak_bytes);
	show_kib(b, "VmSize", vm->virtual_bytes);
	show_kib(b, "VmLck", vm->locked_pages * PAGE_SIZE);
	show_kib(b, "VmPin", 0);
	show_kib(b, "VmHWM", vm->peak_pages * PAGE_SIZE);
	show_kib(b, "VmRSS", (anonymous + of_files) * PAGE_SIZE);
	show_kib(b, "RssAnon", anonymous * PAGE_SIZE);
	show_kib(b, "RssFile", vm->file_pages * PAGE_SIZE);
	show_kib(b, "RssShmem", vm->shared_pages * PAGE_SIZE);
	show_kib(b, "VmData", vm->data_bytes);
	show_kib(b, "VmStk", vm->stack_bytes);
	show_kib(b, "VmExe", vm->text_bytes);
	show_kib(b, "VmLib", 0);
	show_kib(b, "VmPTE", vm->table_bytes);
	show_kib(b, "VmSwap", 0);
	text_printf(b, "CoreDumping:\t0\nTHP_enabled:\t0\n");
}

/* As Linux writes sets: a mask as wide as there are CPUs, and ranges. */
static void show_cpus(struct text_buffer *b, uint64_t affinity)
{
	uint32_t count = boot_info()->cpu_count;
	uint64_t mask = count >= 64 ? affinity : affinity & ((UINT64_C(1) << count) - 1);
	bool any = false;

	if (count > 32)
		text_printf(b, "Cpus_allowed:\t%0*llx,%08llx\nCpus_allowed_list:\t", (int)(count - 32 + 3) / 4,
			    (ull)(mask >> 32), (ull)(mask & UINT32_MAX));
	else
		text_printf(b, "Cpus_allowed:\t%0*llx\nCpus_allowed_list:\t", (int)(count + 3) / 4, (ull)mask);
	for (uint32_t first = 0, last; first < 64; first = last + 1) {
		last = first;
		if (!(mask >> first & 1))
			continue;
		while (last < 63 && (mask >> (last + 1) & 1))
			last++;
		text_printf(b, last > first ? "%s%u-%u" : "%s%u", any ? "," : "", first, last);
		any = true;
	}
	text_printf(b, "\nMems_allowed:\t1\nMems_allowed_list:\t0\n");
}

static void show_signals(struct text_buffer *b, const struct summary *s, const struct process *p)
{
	text_printf(b, "SigQ:\t%u/%llu\n", s->signals.queued, (ull)p->rlimits[RLIMIT_SIGPENDING][0]);
	text_printf(b, "SigPnd:\t%016llx\nShdPnd:\t%016llx\nSigBlk:\t%016llx\nSigIgn:\t%016llx\nSigCgt:\t%016llx\n",
		    (ull)s->thread.pending, (ull)s->signals.pending, (ull)s->thread.blocked, (ull)s->signals.ignored,
		    (ull)s->signals.caught);
}

static void show_capabilities(struct text_buffer *b, const struct credentials *c)
{
	text_printf(
		b,
		"CapInh:\t%016llx\nCapPrm:\t%016llx\nCapEff:\t%016llx\nCapBnd:\t%016llx\nCapAmb:\t%016llx\nNoNewPrivs:\t%d\n",
		(ull)c->cap_inheritable, (ull)c->cap_permitted, (ull)c->cap_effective, (ull)c->cap_bounding,
		(ull)c->cap_ambient, c->no_new_privs);
}

/* A name cannot begin another line. (Only here: /proc/PID/stat and comm show it as it is.) */
static void append_name(struct text_buffer *b, const char *name)
{
	for (; *name != '\0'; name++) {
		if (*name == '\n' || *name == '\\')
			text_printf(b, "\\%c", *name == '\n' ? 'n' : '\\');
		else
			text_append(b, name, 1);
	}
}

int pid_show_status(struct text_buffer *b, struct process *p, uint32_t tid)
{
	struct summary s;

	take_summary(p, tid, &s);
	uint32_t mask = 022;
	struct fs_context *c = process_get_fs(p);
	if (c != nullptr) {
		mask = fs_context_umask(c);
		fs_context_put(c);
	}
	text_printf(b, "Name:\t");
	append_name(b, s.name);
	text_printf(b, "\nUmask:\t%04o\nState:\t%s\nTgid:\t%u\nNgid:\t0\nPid:\t%u\nPPid:\t%u\nTracerPid:\t0\n", mask,
		    state_words(s.state), p->pid, tid != 0 ? tid : p->pid, s.parent);
	show_ids(b, p);
	struct file_table *t = process_get_files(p);
	text_printf(b, "FDSize:\t%u\nGroups:\t", t != nullptr ? file_table_capacity(t) : 0);
	file_table_put(t);
	process_show_groups(p, b);
	text_printf(b, "\nNStgid:\t%u\nNSpid:\t%u\nNSpgid:\t%u\nNSsid:\t%u\n", p->pid, tid != 0 ? tid : p->pid, s.group,
		    s.session);
	if (s.vm.virtual_bytes != 0)
		show_memory(b, &s.vm);
	text_printf(b, "Threads:\t%u\n", s.threads);
	show_signals(b, &s, p);
	show_capabilities(b, &p->cred);
	text_printf(b, "Seccomp:\t%u\nSeccomp_filters:\t%u\n", s.thread.seccomp_mode, s.thread.seccomp_filters);
	show_cpus(b, s.thread.affinity);
	text_printf(b, "voluntary_ctxt_switches:\t%llu\nnonvoluntary_ctxt_switches:\t%llu\n",
		    (ull)s.thread.usage.voluntary, (ull)s.thread.usage.involuntary);
	return 0;
}

/* Of the process, or of one of its threads. */
static void usage_of(struct process *p, uint32_t tid, struct process_usage *out)
{
	struct process_thread_info info;

	if (tid != 0 && process_thread_info(p, tid, &info) == 0)
		*out = info.usage;
	else
		process_usage_of_threads(p, out);
}

/* There are no devices below files, so nothing is read from them or written to them. */
int pid_show_io(struct text_buffer *b, struct process *p, uint32_t tid)
{
	struct process_usage u;

	usage_of(p, tid, &u);
	text_printf(b, "rchar: %llu\nwchar: %llu\nsyscr: %llu\nsyscw: %llu\n", (ull)u.io.read_bytes,
		    (ull)u.io.written_bytes, (ull)u.io.reads, (ull)u.io.writes);
	text_printf(b, "read_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n");
	return 0;
}

/* Time on a CPU, time in a queue for one (which nobody measures), turns on a CPU. */
int pid_show_schedstat(struct text_buffer *b, struct process *p, uint32_t tid)
{
	struct process_usage u;

	usage_of(p, tid, &u);
	text_printf(b, "%llu 0 %llu\n", (ull)(u.user_ns + u.system_ns), (ull)(u.voluntary + u.involuntary));
	return 0;
}

int pid_show_personality(struct text_buffer *b, struct process *p, uint32_t)
{
	text_printf(b, "%08x\n", p->personality);
	return 0;
}

int pid_show_comm(struct text_buffer *b, struct process *p, uint32_t tid)
{
	struct process_thread_info info;

	if (tid != 0 && process_thread_info(p, tid, &info) == 0)
		text_printf(b, "%.15s\n", info.name);
	else
		text_printf(b, "%.15s\n", p->name);
	return 0;
}

int pid_show_limits(struct text_buffer *b, struct process *p, uint32_t)
{
	static const struct {
		const char *name, *unit;
	} limits[16] = {
		{"Max cpu time", "seconds"},	{"Max file size", "bytes"},	 {"Max data size", "bytes"},
		{"Max stack size", "bytes"},	{"Max core file size", "bytes"}, {"Max resident set", "bytes"},
		{"Max processes", "processes"}, {"Max open files", "files"},	 {"Max locked memory", "bytes"},
		{"Max address space", "bytes"}, {"Max file locks", "locks"},	 {"Max pending signals", "signals"},
		{"Max msgqueue size", "bytes"}, {"Max nice priority", ""},	 {"Max realtime priority", ""},
		{"Max realtime timeout", "us"},
	};

	text_printf(b, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
	for (size_t n = 0; n < ARRAY_LEN(limits); n++) {
		text_printf(b, "%-25s ", limits[n].name);
		for (int k = 0; k < 2; k++) {
			if (p->rlimits[n][k] == RLIM_INFINITY)
				text_printf(b, "%-20s ", "unlimited");
			else
				text_printf(b, "%-20llu ", (ull)p->rlimits[n][k]);
		}
		text_printf(b, "%-10s\n", limits[n].unit);
	}
	return 0;
}
