/* SPDX-License-Identifier: MIT */
/*
 * The stub of GDB's remote serial protocol ("Debugging with GDB", appendix E), in all-stop mode. Pure: bytes of the
 * line go in, the owner of the machine that is debugged is a table of functions, and what becomes of the machine is the
 * result of the byte that asked for it.
 *
 * While the machine runs, gdb_running() looks at what comes in; once it is stopped, for whatever reason, gdb_stopped()
 * says so, and gdb_talk() serves the debugger until it lets the machine go. A debugger may come and go at any time: who
 * comes sees the machine stop.
 *
 * The other end is not trusted to make sense: whatever it sends is answered by an error or not at all, and reaches the
 * target only as numbers that the target checks (addresses, threads, registers that exist).
 */
#ifndef LIB_GDB_REMOTE_H
#define LIB_GDB_REMOTE_H

#include <lib/gdb_packet.h>
#include <lib/gdb_registers.h>

/* Z0 to Z4 ("Packets"). */
enum gdb_point : uint8_t { GDB_POINT_SOFTWARE, GDB_POINT_HARDWARE, GDB_POINT_WRITE, GDB_POINT_READ, GDB_POINT_ACCESS };
enum gdb_point_result : uint8_t { GDB_POINT_DONE, GDB_POINT_REFUSED, GDB_POINT_UNKNOWN /* no such kind */ };

enum : uint8_t { GDB_SIGINT = 2, GDB_SIGILL = 4, GDB_SIGTRAP = 5, GDB_SIGABRT = 6, GDB_SIGSEGV = 11 };

/* Why the machine stopped. */
struct gdb_stop {
	uint64_t thread;
	uint8_t signal;
	bool at_point; /* by one of `kind`; of a watchpoint with what address was accessed */
	enum gdb_point kind;
	uint64_t address;
};

/* Threads are numbers from 1 on. Those up to `cpus` are the CPUs, which alone can be let go or stepped. */
struct gdb_target {
	const struct gdb_registers *registers;
	void (*send)(uint8_t byte);
	/* The thread after that one in the list; 0: the list begins, or ends. */
	uint64_t (*thread_after)(uint64_t thread);
	bool (*thread_is)(uint64_t thread);
	/* What a person is told of it; terminated. */
	void (*thread_describe)(uint64_t thread, char *out, size_t size);
	/* false: it has not got it now; cannot be changed. */
	bool (*register_read)(uint64_t thread, unsigned number, uint8_t *out);
	bool (*register_write)(uint64_t thread, unsigned number, const uint8_t *in);
	/* As the thread sees it. How many bytes from the first on there are, or were changed. */
	size_t (*memory_read)(uint64_t thread, uint64_t address, uint8_t *out, size_t n);
	size_t (*memory_write)(uint64_t thread, uint64_t address, const uint8_t *in, size_t n);
	enum gdb_point_result (*point_set)(enum gdb_point kind, uint64_t address, uint64_t bytes, bool on);
	uint64_t cpus;
};

enum gdb_action : uint8_t {
	GDB_STAY,
	GDB_GO,	    /* those CPUs whose bits are in `going` */
	GDB_STEP,   /* one instruction of thread `step`, nothing else */
	GDB_DETACH, /* all go, and every point has been taken away */
	GDB_RESET,
	GDB_ANEW, /* all stay; another debugger has come, and what points the one before has left are to be taken away
		   */
};

struct gdb_remote {
	const struct gdb_target *target;
	struct gdb_receiver in;
	struct gdb_reply out;
	struct gdb_stop stop;
	bool no_acknowledgment;
	bool owes_stop;	 /* the debugger let the machine go, and waits to hear that it stopped */
	uint64_t chosen; /* thread of registers and memory */
	uint64_t listed; /* the thread told last */
	uint64_t going;	 /* bit n: thread n + 1 */
	uint64_t step;
};

/* A byte came while the machine runs. true: it has to stop, for the debugger wants something. */
bool gdb_running(struct gdb_remote *g, uint8_t byte);
/* The machine has stopped. Sends what the debugger waits for. */
void gdb_stopped(struct gdb_remote *g, const struct gdb_stop *stop);
/* A byte came while the machine is stopped. */
enum gdb_action gdb_talk(struct gdb_remote *g, uint8_t byte);

#endif
