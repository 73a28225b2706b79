/* SPDX-License-Identifier: MIT */
/*
 * /proc/PID/{stat,statm,status,comm,limits} in the formats of proc(5), which ps, top and their like parse.
 *
 * Numbers are taken one by one without stopping the process: they need not fit together to the last digit.
 */
#include "procfs.h"

#include <abi/errno.h>
#include <kernel/tty.h>
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
	uint64_t user_ns, system_ns, child_user_ns, child_system_ns;
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
	process_times(p, &s->user_ns, &s->system_ns, &s->child_user_ns, &s->child_system_ns);
	if (tid != 0 && alive) {
		memcpy(s->name, s->thread.name, sizeof(s->name));
		s->state = s->thread.state;
		s->user_ns = s->thread.user_ns;
		s->system_ns = s->thread.system_ns;
	}
	s->name[sizeof(s->name) - 1] = '\0';
	take_terminal(p, s);
	take_memory(p, s);
	process_signal_info(p, &s->signals);
}

static void faults_of(struct process *p, uint64_t *minor, uint64_t *major, uint64_t *child_minor, uint64_t *child_major)
{
	*minor = p->dead_usage.minor_faults;
	*major = p->dead_usage.major_faults;
	*child_minor = p->children_usage.minor_faults;
	*child_major = p->children_usage.major_faults;
}

int pid_show_stat(struct text_buffer *b, struct process *p, uint32_t tid)
{
	struct summary s;
	uint64_t minor, major, child_minor, child_major;

	take_summary(p, tid, &s);
	faults_of(p, &minor, &major, &child_minor, &child_major);
	text_printf(b, "%u (%s) %c %u %u %u %u %d 0 %llu %llu %llu %llu", tid != 0 ? tid : p->pid, s.name, s.state,
		    s.parent, s.group, s.session, (uint32_t)s.tty_device, s.foreground, (ull)minor, (ull)child_minor,
		    (ull)major, (ull)child_major);
	text_printf(b, " %llu %llu %llu %llu %d %d %u 0 %llu %llu %llu %llu", (ull)(s.user_ns / NS_PER_TICK),
		    (ull)(s.system_ns / NS_PER_TICK), (ull)(s.child_user_ns / NS_PER_TICK),
		    (ull)(s.child_system_ns / NS_PER_TICK), 20 + s.thread.nice, s.thread.nice, s.threads,
		    (ull)(p->start_ns / NS_PER_TICK), (ull)s.vm.virtual_bytes, (ull)s.vm.resident_pages,
		    (ull)p->rlimits[RLIMIT_RSS][0]);
	text_printf(b, " %llu %llu %llu 0 0 %llu %llu %llu %llu 0 0 0", (ull)s.exec.code_start, (ull)s.exec.code_end,
		    (ull)s.exec.stack_start, (ull)(s.signals.pending & INT32_MAX), (ull)(s.thread.blocked & INT32_MAX),
		    (ull)(s.signals.ignored & INT32_MAX), (ull)(s.signals.caught & INT32_MAX));
	text_printf(b, " %u %u 0 %u 0 0 0 0 0 0 %llu %llu %llu %llu %d\n", p->exit_signal, s.thread.cpu,
		    s.thread.policy, (ull)s.exec.arg_start, (ull)s.exec.arg_end, (ull)s.exec.env_start,
		    (ull)s.exec.env_end, p->exit_status);
	return 0;
}

int pid_show_statm(struct text_buffer *b, struct process *p, uint32_t)
{
	struct summary s = {};

	take_memory(p, &s);
	text_printf(b, "%llu %llu %llu %llu 0 %llu 0\n", (ull)s.vm.virtual_bytes / PAGE_SIZE, (ull)s.vm.resident_pages,
		    (ull)s.vm.shared_pages, (ull)s.vm.text_bytes / PAGE_SIZE,
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

static void show_memory(struct text_buffer *b, const struct vm_stats *vm)
{
	ull resident = vm->resident_pages * (PAGE_SIZE / 1024);

	text_printf(b, "VmPeak:\t%8llu kB\nVmSize:\t%8llu kB\n", (ull)vm->virtual_bytes / 1024,
		    (ull)vm->virtual_bytes / 1024);
	text_printf(b, "VmLck:\t%8d kB\nVmHWM:\t%8llu kB\nVmRSS:\t%8llu kB\n", 0, resident, resident);
	text_printf(b, "RssFile:\t%8llu kB\n", (ull)vm->shared_pages * (PAGE_SIZE / 1024));
	text_printf(b, "VmData:\t%8llu kB\nVmStk:\t%8llu kB\nVmExe:\t%8llu kB\nVmLib:\t%8d kB\nVmSwap:\t%8d kB\n",
		    (ull)vm->data_bytes / 1024, (ull)vm->stack_bytes / 1024, (ull)vm->text_bytes / 1024, 0, 0);
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
	text_printf(b, "Name:\t%s\nUmask:\t%04o\nState:\t%s\nTgid:\t%u\nNgid:\t0\nPid:\t%u\nPPid:\t%u\nTracerPid:\t0\n",
		    s.name, mask, state_words(s.state), p->pid, tid != 0 ? tid : p->pid, s.parent);
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
	text_printf(b, "Cpus_allowed:\t%llx\n", (ull)s.thread.affinity);
	text_printf(b, "voluntary_ctxt_switches:\t0\nnonvoluntary_ctxt_switches:\t0\n");
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
