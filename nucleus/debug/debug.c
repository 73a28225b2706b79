/* SPDX-License-Identifier: MIT */
/* Stopping the machine and letting it go on, see debug.h. */
#include "debug/debug.h"
#include "boot/boot.h"
#include "regs.h"
#include "report/log.h"
#include "sched/sched.h"
#include <lib/cmdline.h>
#include <lib/string.h>

bool debug_enabled;
struct debug_cpu debug_cpus[CPUS_MAX];
static struct gdb_remote remote;
static uint32_t owner;	 /* CPU + 1 that serves the debugger, or looks at the line; 0: none */
static bool stop_faults; /* ,faults */
static bool panicked;	 /* nobody goes on */
static bool serving;

static bool debug_own(uint32_t id)
{
	uint32_t none = 0;

	return __atomic_load_n(&owner, __ATOMIC_ACQUIRE) == id + 1 ||
	       __atomic_compare_exchange_n(&owner, &none, id + 1, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

static void debug_disown(uint32_t id)
{
	__atomic_store_n(&owner, id, __ATOMIC_RELEASE);
}

static bool debug_stands(const struct debug_cpu *d)
{
	return __atomic_load_n(&d->frame, __ATOMIC_ACQUIRE) && !__atomic_load_n(&d->goes, __ATOMIC_ACQUIRE);
}

/* Who is on the way out is waited for until it runs. */
static void debug_stop_others(void)
{
	uint32_t me = cpu_this()->id;
	bool any = false;

	for (uint32_t i = 0; i < cpu_count; i++) {
		struct debug_cpu *d = &debug_cpus[i];

		if (i == me || !cpu_by_id(i)->online || debug_stands(d))
			continue;
		while (__atomic_load_n(&d->frame, __ATOMIC_ACQUIRE) && __atomic_load_n(&d->goes, __ATOMIC_ACQUIRE))
			cpu_relax();
		__atomic_store_n(&d->asked, true, __ATOMIC_RELEASE);
		any = true;
	}
	if (any)
		arch_debug_stop_others();
	for (uint32_t i = 0; any && i < cpu_count; i++)
		while (i != me && cpu_by_id(i)->online && !debug_stands(&debug_cpus[i]))
			cpu_relax();
}

/* Those of the mask, but who has something to tell becomes the owner instead. */
static void debug_release(uint64_t mask)
{
	debug_points_in();
	for (uint32_t i = 0; i < cpu_count; i++)
		if (mask >> i & 1 && !debug_cpus[i].reports)
			__atomic_store_n(&debug_cpus[i].goes, true, __ATOMIC_RELEASE);
	debug_disown(0);
}

/* The CPU stays the owner until it has arrived again. false: it is done already. */
static bool debug_step(uint64_t thread)
{
	struct debug_cpu *d = &debug_cpus[thread - 1];

	if (d->direct && !d->reports && arch_debug_emulate(d, thread))
		return false;
	debug_points_in();
	debug_disown((uint32_t)thread);
	if (d->reports)
		return true;
	d->steps = true;
	__atomic_store_n(&d->goes, true, __ATOMIC_RELEASE);
	return true;
}

/* The debugger leaves: nobody stops for what it asked for, who has something to tell already included. */
static void debug_forget(void)
{
	debug_points_forget();
	for (uint32_t i = 0; i < cpu_count; i++)
		__atomic_store_n(&debug_cpus[i].reports, false, __ATOMIC_RELAXED);
}

/* Serves the debugger until it lets the machine go. */
static void debug_serve(struct debug_cpu *me)
{
	enum gdb_action action;

	serving = true;
	/* Who was the owner before may have written them, and nobody have arrived since. */
	debug_points_out();
	debug_stop_others();
	me->reports = false;
	gdb_stopped(&remote, &me->stop);
	for (bool stays = true; stays || panicked;) {
		int byte = debug_uart_poll();

		if (byte < 0) {
			cpu_relax();
			continue;
		}
		action = gdb_talk(&remote, (uint8_t)byte);
		if (action == GDB_RESET)
			arch_power(false);
		if (action == GDB_DETACH)
			debug_forget();
		if (action == GDB_ANEW)
			debug_points_forget();
		if (panicked)
			continue;
		if (action == GDB_STEP && !debug_step(remote.step)) {
			gdb_stopped(&remote, &(struct gdb_stop){.thread = remote.step, .signal = GDB_SIGTRAP});
		} else if (action == GDB_GO || action == GDB_DETACH || action == GDB_STEP) {
			stays = false;
			serving = false;
			if (action != GDB_STEP)
				debug_release(action == GDB_GO ? remote.going : UINT64_MAX);
		}
	}
}

static void debug_wait(struct debug_cpu *me, struct context *c)
{
	uint32_t id = cpu_this()->id;

	__atomic_store_n(&me->goes, false, __ATOMIC_RELEASE);
	me->asked = false;
	__atomic_store_n(&me->frame, c, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&me->goes, __ATOMIC_ACQUIRE))
		if (!__atomic_load_n(&me->reports, __ATOMIC_RELAXED) || !debug_own(id))
			cpu_relax();
		else if (__atomic_load_n(&me->reports, __ATOMIC_RELAXED))
			debug_serve(me);
		else /* the one before has seen to it */
			debug_disown(0);
	arch_debug_leave(me);
	me->steps = false;
	/* In this order: who finds the frame gone asks. */
	__atomic_store_n(&me->inside, false, __ATOMIC_RELEASE);
	__atomic_store_n(&me->frame, nullptr, __ATOMIC_RELEASE);
}

void debug_event(struct context *c, bool direct, const struct gdb_stop *stop)
{
	struct debug_cpu *me = debug_this();

	me->inside = true;
	me->direct = direct;
	arch_debug_arrive(me);
	me->stop = *stop;
	me->stop.thread = cpu_this()->id + 1;
	me->reports = true;
	debug_wait(me, c);
	if (me->arch.stepping && !direct)
		arch_debug_step_here();
}

void debug_stand(struct context *c)
{
	struct debug_cpu *me = debug_this();

	me->direct = true;
	me->reports = false;
	arch_debug_arrive(me);
	debug_wait(me, c);
}

bool debug_wanted(void)
{
	uint32_t id = cpu_this()->id;

	if (__atomic_load_n(&owner, __ATOMIC_RELAXED) || !debug_own(id))
		return false;
	for (int byte; (byte = debug_uart_poll()) >= 0;)
		if (gdb_running(&remote, (uint8_t)byte))
			return true;
	debug_disown(0);
	return false;
}

void debug_stop_fault(struct context *c)
{
	if (stop_faults)
		debug_event(c, false, &(struct gdb_stop){.signal = GDB_SIGSEGV});
}

/* One that comes while the debugger is served is the stub's own, or is made of what it was told to do. */
void debug_panic_begins(void)
{
	while (!debug_own(cpu_this()->id))
		cpu_relax();
	if (serving)
		return;
	debug_points_out();
	debug_stop_others();
}

void debug_serve_panic(struct context *c)
{
	struct debug_cpu *me = debug_this();
	struct context here = {};

	if (serving)
		return;
	if (!c) {
		arch_debug_here(&here, (uint64_t)__builtin_return_address(0), (uint64_t)__builtin_frame_address(0));
		c = &here;
	}
	panicked = true;
	me->direct = false;
	arch_debug_arrive(me);
	me->goes = false;
	me->frame = c;
	me->stop = (struct gdb_stop){.thread = cpu_this()->id + 1, .signal = GDB_SIGABRT};
	log_printf("gdb: the panic can be looked at\n");
	debug_serve(me);
}

/* --- boot --- */

/* gdb-stub=NAME[,SPEED][,faults] */
static bool open_line(char *word)
{
	char *comma = strchr(word, ',');
	uint32_t speed = 115200;

	for (char *next; comma; comma = next) {
		*comma++ = '\0';
		next = strchr(comma, ',');
		if (next)
			*next = '\0';
		if (!strcmp(comma, "faults")) {
			stop_faults = true;
			continue;
		}
		speed = 0;
		const char *digit = comma;
		for (; *digit >= '0' && *digit <= '9' && speed < 1000000; digit++)
			speed = 10 * speed + (uint32_t)(*digit - '0');
		if (*digit || !speed || 115200 % speed) {
			log_printf("gdb: gdb-stub=…,%s: neither `faults` nor a speed that divides 115200\n", comma);
			return false;
		}
	}
	return debug_uart_open(word, speed);
}

void debug_begin(void)
{
	const char *line = boot_state.info->cmdline;
	char word[48] = "pci-serial0", none[2];

	if (!cmdline_find(line, "enable-gdb-stub", CMDLINE_LAST, none, sizeof(none)))
		return;
	(void)cmdline_find(line, "gdb-stub", CMDLINE_LAST, word, sizeof(word));
	if (!open_line(word))
		return;
	for (uint32_t i = 0; i < cpu_count; i++)
		if (!(debug_cpus[i].fpu = pool_alloc(1))) {
			log_printf("gdb: no memory\n");
			return;
		}
	debug_target.registers = arch_debug_registers();
	debug_target.cpus = cpu_count;
	remote.target = &debug_target;
	arch_debug_init();
	debug_enabled = true;
	log_printf("gdb: a debugger may come on %s\n", word);
	if (!cmdline_find(line, "gdb-wait", CMDLINE_LAST, none, sizeof(none)))
		return;
	log_printf("gdb: waiting for it\n");
	arch_debug_break();
}
