/* SPDX-License-Identifier: MIT */
/*
 * The core of the debugger's stub (doc/debugging.md): stop, go, access, step. All of it is inert unless the command
 * line says enable-gdb-stub; the protocol is lib/gdb_remote.h.
 *
 * A CPU that has an event becomes the owner, stops the others and serves the debugger, with interrupts off, from any
 * context, whoever holds the nucleus lock: nothing here takes that. What may run before breakpoints have been taken out
 * of the text, or after they were written, is called debug_… or arch_debug_…: the linker puts it together, and no
 * breakpoint is set there.
 */
#ifndef NUCLEUS_DEBUG_H
#define NUCLEUS_DEBUG_H

#include "cpu.h"
#include "debug/code.h"
#include <lib/gdb_remote.h>

struct record;

extern bool debug_enabled; /* boot alone sets it */
static inline bool debug_on(void)
{
	return ARCH_HAS_DEBUG && debug_enabled;
}
/* What of the nucleus asks for it; nothing while it is off. */

/* Boot, with all CPUs there and no lowered code: reads the command line, takes the UART, and stops if gdb-wait says so.
 */
void debug_begin(void);
static inline void debug_boot(void)
{
	if (ARCH_HAS_DEBUG)
		debug_begin();
}
/* An interrupt or exception, before it is handled. Does not return if the debugger stopped the machine instead. */
void arch_debug_look(struct context *c);
static inline void debug_look(struct context *c)
{
	if (debug_on())
		arch_debug_look(c);
}
/* What lowered code did is about to be blamed on it. Stops with `,faults`. */
void debug_stop_fault(struct context *c);
static inline void debug_fault(struct context *c)
{
	if (debug_on())
		debug_stop_fault(c);
}
/* A panic begins: the others stand still from now on. */
void debug_panic_begins(void);
/* It has been told: serves the debugger. c: what panicked, nullptr: the caller of panic. */
void debug_serve_panic(struct context *c);
static inline void debug_panic(const struct context *c)
{
	if (debug_on())
		debug_serve_panic((struct context *)c);
}
/* The PCI function of the UART, which is not there for others; UINT32_MAX: none. */
extern uint32_t debug_function;
static inline bool debug_hides(uint32_t function)
{
	return ARCH_HAS_DEBUG && function == debug_function;
}
static inline bool debug_hides_some(uint32_t first, uint32_t last)
{
	return ARCH_HAS_DEBUG && debug_function >= first && debug_function <= last;
}
/* When a timer that is to be due at *at_ns (0: never), which becomes that, has to be, to look at the line. */
enum : uint64_t { DEBUG_LOOK_NS = 20'000'000 };
static inline uint64_t debug_timer(uint64_t *at_ns, uint64_t now)
{
	if (debug_on() && (!*at_ns || *at_ns > now + DEBUG_LOOK_NS))
		*at_ns = now + DEBUG_LOOK_NS;
	return *at_ns;
}

/* Whether the debugger wants the machine to stop: the caller is the owner then, and has to call debug_event. */
bool debug_wanted(void);

/* A CPU, from its event on until it goes on. */
struct debug_cpu {
	struct context *frame; /* nullptr: it runs */
	bool direct;	       /* it goes on from there, and not from where the stub was called */
	bool reports;	       /* `stop` has to be told */
	bool goes;	       /* it may leave */
	bool steps;	       /* one instruction */
	bool asked;	       /* to stand still */
	bool inside;	       /* on its way to do so by itself */
	struct gdb_stop stop;
	unsigned char *fpu;
	bool fpu_changed;
	struct arch_debug_cpu arch;
};
extern struct debug_cpu debug_cpus[CPUS_MAX];
static inline struct debug_cpu *debug_this(void)
{
	return &debug_cpus[cpu_this()->id];
}

/* This CPU has an event. Returns when it goes on. */
void debug_event(struct context *c, bool direct, const struct gdb_stop *stop);
/* This CPU was asked to stand still. */
void debug_stand(struct context *c);

/* --- points (debug/points.c) --- */
enum { DEBUG_HARDWARE_MAX = 16 };
struct debug_hardware {
	bool used;
	enum gdb_point kind;
	uint64_t address, bytes;
};
extern struct debug_hardware debug_hardware[DEBUG_HARDWARE_MAX];
enum gdb_point_result debug_point_set(enum gdb_point kind, uint64_t address, uint64_t bytes, bool on);
/* Those in the text: written, taken out. The kernel view. */
void debug_points_in(void);
void debug_points_out(void);
bool debug_point_at(uint64_t address);
void debug_points_forget(void);

/* --- what is debugged (debug/target.c) --- */
enum : uint64_t { DEBUG_RECORDS = 0x100 }; /* thread numbers of records begin here */
extern struct gdb_target debug_target;	   /* registers and cpus are set at boot */
size_t debug_memory_read(uint64_t thread, uint64_t address, uint8_t *out, size_t n);

/* --- the line (debug/uart.c) --- */
/* By its name on the command line. false: there is none such; said. */
bool debug_uart_open(const char *name, uint32_t speed);
int debug_uart_poll(void); /* a byte, or -1 */
void debug_uart_send(uint8_t byte);

/* --- the architecture's (arch/debug/) --- */
extern const unsigned arch_debug_hardware; /* how many points it has */
const struct gdb_registers *arch_debug_registers(void);
void arch_debug_init(void);
/* On the CPU that arrives: the kernel view, no hardware points; what is not in the frame is kept in d. And back. */
void arch_debug_arrive(struct debug_cpu *d);
void arch_debug_leave(struct debug_cpu *d);
/* Asks all CPUs that run but this one. */
void arch_debug_stop_others(void);
/* The caller's next instructions are stepped. */
void arch_debug_step_here(void);
/* Carries out the instruction that d is before, if it cannot be stepped. */
bool arch_debug_emulate(struct debug_cpu *d, uint64_t thread);
/* d: nullptr for a thread that no CPU runs, whose vector registers are in fpu. false: there is no such value now. */
bool arch_debug_register(struct context *c, struct debug_cpu *d, unsigned char *fpu, unsigned number, uint8_t *value,
			 bool write);
bool arch_debug_hardware_ok(enum gdb_point kind, uint64_t address, uint64_t bytes);
void arch_debug_text_changed(uint64_t address, void *at);
void arch_debug_break(void);
/* Where the caller of the function that calls it is, as far as that can be told. */
void arch_debug_here(struct context *c, uint64_t pc, uint64_t frame);
/* UARTs behind ports. */
uint8_t arch_debug_port_read(uint16_t port);
void arch_debug_port_write(uint16_t port, uint8_t value);

#endif
