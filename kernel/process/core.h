/* SPDX-License-Identifier: MIT */
/*
 * Core dumps (core(5)): what a process that dies of certain signals leaves for a debugger. core_dump.c decides and
 * stops the other threads, core_thread.c is their part, core_name.c makes the file's name, core_write.c its content.
 */
#ifndef PROCESS_CORE_H
#define PROCESS_CORE_H

#include "internal.h"
#include <arch/signal.h>

/* Signals whose default action is to dump. */
enum : uint64_t {
	SIGNALS_DUMP = SIGNAL_BIT(SIGQUIT) | SIGNAL_BIT(SIGILL) | SIGNAL_BIT(SIGTRAP) | SIGNAL_BIT(SIGABRT) |
		       SIGNAL_BIT(SIGBUS) | SIGNAL_BIT(SIGFPE) | SIGNAL_BIT(SIGSEGV) | SIGNAL_BIT(SIGXCPU) |
		       SIGNAL_BIT(SIGXFSZ) | SIGNAL_BIT(SIGSYS),
};
enum : int32_t { STATUS_DUMPED = 0x80 };

struct core_thread {
	struct list link;
	uint32_t tid;
	struct user_regs regs;
	uint64_t pending, blocked;
	size_t fpu_bytes; /* at least ARCH_CORE_FPU_BYTES */
	uint8_t fpu[];
};

enum : size_t { CORE_NAME_BYTES = 1024, CORE_PATTERN_BYTES = 128 };
enum : uint64_t { CORE_LIMIT_OF_PROGRAMS = 1 };

/* A dump in progress. The pattern is what it was when the dump began: who writes to core_pattern meanwhile makes no
 * program of a name. */
struct core_dump {
	struct process_work work;
	struct thread *leader;
	struct list threads; /* under signal_lock until all have arrived: the leader's first */
	uint32_t arrived;    /* others */
	struct signal_info info;
	uint64_t limit; /* bytes */
	char pattern[CORE_PATTERN_BYTES];
};

/* Dumps the current process, which dies of that signal. Whether there is a core file. May sleep. */
bool core_dump(struct process *p, const struct signal_info *info);
/* What the dump has of the current thread. nullptr: out of memory. kfree() by the caller. */
struct core_thread *core_note_current(void);
/* A thread that ends: while its process is being dumped, its registers go there and it waits. */
void core_thread_ends(struct process *p);

/* core_pattern as it is now. */
void core_pattern_read(char out[CORE_PATTERN_BYTES]);
/* The dump's pattern is a program, not a file: it gets the dump. */
static inline bool core_is_piped(const struct core_dump *d)
{
	return d->pattern[0] == '|';
}
/* Starts the program; the end of a pipe to write to, nullptr if that fails. */
struct file *core_pipe_open(struct process *p, const struct core_dump *d);
/* The name by the pattern; of a program its words, each ended by a zero. False: it is too long or empty. */
bool core_name(struct process *p, const struct core_dump *d, char *out, size_t size);
/* Writes it all. False: nothing useful could be written. */
bool core_write(struct process *p, struct core_dump *d, struct file *f);

#endif
