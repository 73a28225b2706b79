/* SPDX-License-Identifier: MIT */
/* The stub of GDB's remote serial protocol, see gdb_remote.h. Sections named are those of its appendix E. */
#include <lib/annotate.h>
#include <lib/gdb_remote.h>
#include <lib/string.h>

/* What one request of memory may be: its hex fits into an answer. */
constexpr size_t MEMORY_MAX = GDB_PACKET_MAX / 2, CHUNK = 64;
constexpr unsigned CPUS_MAX = 64;

static void send_byte(void *context, uint8_t byte)
{
	((const struct gdb_remote *)context)->target->send(byte);
}

static void put(struct gdb_remote *g, const char *text)
{
	gdb_put_text(&g->out, text);
}

/* "OK", or an error, whose number nobody reads. */
static void put_result(struct gdb_remote *g, bool good)
{
	g->out.length = 0;
	put(g, good ? "OK" : "E01");
}

/* --- stops ("Stop Reply Packets") --- */

static void put_stop(struct gdb_remote *g)
{
	static const char *const reasons[] = {"swbreak", "hwbreak", "watch", "rwatch", "awatch"};
	const struct gdb_stop *s = &g->stop;

	put(g, "T");
	gdb_put_hex(&g->out, &s->signal, 1);
	put(g, "thread:");
	gdb_put_number(&g->out, s->thread);
	put(g, ";");
	if (!s->at_point)
		return;
	put(g, reasons[s->kind]);
	put(g, ":");
	if (s->kind > GDB_POINT_HARDWARE)
		gdb_put_number(&g->out, s->address);
	put(g, ";");
}

void gdb_stopped(struct gdb_remote *g, const struct gdb_stop *stop)
{
	g->stop = *stop;
	g->chosen = stop->thread;
	if (!g->owes_stop)
		return;
	g->owes_stop = false;
	gdb_begin(&g->out);
	put_stop(g);
	gdb_send(&g->out, send_byte, g);
}

/* --- threads --- */

/* Any (0) and all (-1) are the one that stopped. */
static bool take_thread(struct gdb_remote *g, struct gdb_cursor *c, uint64_t *thread)
{
	if (gdb_take_text(c, "-1"))
		*thread = 0;
	else if (!gdb_take_number(c, thread))
		return false;
	if (!*thread)
		*thread = g->stop.thread;
	return true;
}

/* H ("Packets"): the operation c is vCont's predecessor. */
static void choose(struct gdb_remote *g, struct gdb_cursor *c)
{
	bool general = gdb_take(c, 'g');
	uint64_t thread;
	bool good = (general || gdb_take(c, 'c')) && take_thread(g, c, &thread) && !gdb_left(c) &&
		    g->target->thread_is(thread);

	if (good && general)
		g->chosen = thread;
	put_result(g, good);
}

/* As many as fit, and then the next time. */
static void list_threads(struct gdb_remote *g, bool first)
{
	uint64_t thread;
	bool any = false;

	if (first)
		g->listed = 0;
	while (g->out.length < GDB_PACKET_MAX - 32 && (thread = g->target->thread_after(g->listed))) {
		put(g, any ? "," : "m");
		gdb_put_number(&g->out, thread);
		g->listed = thread;
		any = true;
	}
	if (!any)
		put(g, "l");
}

static void describe_thread(struct gdb_remote *g, struct gdb_cursor *c)
{
	char text[96] = "";
	uint64_t thread;

	if (!gdb_take_number(c, &thread) || gdb_left(c) || !g->target->thread_is(thread)) {
		put_result(g, false);
		return;
	}
	g->target->thread_describe(thread, text, sizeof(text));
	gdb_put_hex(&g->out, text, strnlen(text, sizeof(text)));
}

/* --- registers --- */

static void put_register(struct gdb_remote *g, unsigned number, size_t bytes)
{
	uint8_t value[GDB_REGISTER_MAX];

	if (g->target->register_read(g->chosen, number, value))
		gdb_put_hex(&g->out, value, bytes);
	else
		for (size_t i = 0; i < 2 * bytes; i++)
			gdb_put(&g->out, 'x');
}

/* What says x for a digit is not known to the debugger either. */
static bool take_register(struct gdb_remote *g, struct gdb_cursor *c, unsigned number, size_t bytes)
{
	uint8_t value[GDB_REGISTER_MAX];

	if (gdb_left(c) >= 2 * bytes && *c->at == 'x') {
		c->at += 2 * bytes;
		return true;
	}
	return gdb_take_hex(c, value, bytes) && g->target->register_write(g->chosen, number, value);
}

/* A short answer to g: what it lacks the debugger asks for by p, if it wants it. A line is slow. */
static void read_registers(struct gdb_remote *g)
{
	for (unsigned n = 0; n < g->target->registers->general; n++)
		put_register(g, n, gdb_register_bytes(g->target->registers, n));
}

/* Those that cannot be changed are left as they are: the debugger sends all of them. */
static void write_registers(struct gdb_remote *g, struct gdb_cursor *c)
{
	bool good = true;

	for (unsigned n = 0; n < gdb_register_count(g->target->registers) && gdb_left(c); n++) {
		size_t bytes = gdb_register_bytes(g->target->registers, n);
		const uint8_t *at = c->at;

		if (gdb_left(c) < 2 * bytes) {
			good = false;
			break;
		}
		(void)take_register(g, c, n, bytes);
		c->at = at + 2 * bytes;
	}
	put_result(g, good && !gdb_left(c));
}

static void one_register(struct gdb_remote *g, struct gdb_cursor *c, bool write)
{
	uint64_t number;
	size_t bytes = gdb_take_number(c, &number) ? gdb_register_bytes(g->target->registers, number) : 0;

	if (bytes && write)
		put_result(g, gdb_take(c, '=') && take_register(g, c, (unsigned)number, bytes) && !gdb_left(c));
	else if (bytes && !gdb_left(c))
		put_register(g, (unsigned)number, bytes);
	else
		put_result(g, false);
}

/* --- memory --- */

static bool take_range(struct gdb_cursor *c, uint64_t *address, uint64_t *bytes)
{
	return gdb_take_number(c, address) && gdb_take(c, ',') && gdb_take_number(c, bytes);
}

static void read_memory(struct gdb_remote *g, struct gdb_cursor *c)
{
	uint8_t chunk[CHUNK];
	uint64_t address, bytes;
	size_t n, got;

	if (!take_range(c, &address, &bytes) || gdb_left(c)) {
		put_result(g, false);
		return;
	}
	bytes = bytes < MEMORY_MAX ? bytes : MEMORY_MAX;
	for (uint64_t done = 0; done < bytes; done += got) {
		n = bytes - done < CHUNK ? bytes - done : CHUNK;
		got = g->target->memory_read(g->chosen, address + done, chunk, n);
		gdb_put_hex(&g->out, chunk, got);
		if (got < n)
			break;
	}
	if (bytes && !g->out.length)
		put_result(g, false);
}

/* M has digits, X bytes, of which none only asks whether X is understood. */
static void write_memory(struct gdb_remote *g, struct gdb_cursor *c, bool binary)
{
	uint8_t chunk[CHUNK];
	uint64_t address, bytes;
	bool good = take_range(c, &address, &bytes) && gdb_take(c, ':') &&
		    bytes == (binary ? gdb_left(c) : gdb_left(c) / 2);

	for (uint64_t done = 0, n; good && done < bytes; done += n) {
		n = bytes - done < CHUNK ? bytes - done : CHUNK;
		if (binary) {
			memcpy(chunk, c->at, n);
			c->at += n;
		} else {
			good = gdb_take_hex(c, chunk, n);
		}
		good = good && g->target->memory_write(g->chosen, address + done, chunk, n) == n;
	}
	put_result(g, good && !gdb_left(c));
}

static void set_point(struct gdb_remote *g, struct gdb_cursor *c, bool on)
{
	uint64_t kind, address, bytes;
	enum gdb_point_result result;

	if (!gdb_take_number(c, &kind) || !gdb_take(c, ',') || !take_range(c, &address, &bytes)) {
		put_result(g, false);
		return;
	}
	/* Conditions and commands may follow; they were not offered, so a debugger evaluates them itself. */
	result = kind > GDB_POINT_ACCESS ? GDB_POINT_UNKNOWN
					 : g->target->point_set((enum gdb_point)kind, address, bytes, on);
	if (result != GDB_POINT_UNKNOWN)
		put_result(g, result == GDB_POINT_DONE);
}

/* --- going on --- */

static enum gdb_action go(struct gdb_remote *g)
{
	g->owes_stop = true;
	return g->step ? GDB_STEP : GDB_GO;
}

static uint64_t all_cpus(const struct gdb_remote *g)
{
	return g->target->cpus >= CPUS_MAX ? UINT64_MAX : (1ull << g->target->cpus) - 1;
}

/*
 * vCont: a list of actions, of which for each thread the first that names it counts. Threads that are no CPU go on when
 * a CPU takes them. If one is to be stepped, nothing else runs meanwhile.
 */
static enum gdb_action continue_threads(struct gdb_remote *g, struct gdb_cursor *c)
{
	uint64_t going = 0, told = 0, step = 0;

	while (gdb_take(c, ';')) {
		uint8_t action = gdb_left(c) ? *c->at++ : 0;
		uint64_t signal, thread = 0, which = all_cpus(g);
		bool upper = action == 'C' || action == 'S';

		if ((action != 'c' && action != 's' && action != 't' && !upper) ||
		    (upper && !gdb_take_number(c, &signal)))
			goto wrong;
		if (gdb_take(c, ':') && !gdb_take_text(c, "-1")) {
			if (!take_thread(g, c, &thread) || !g->target->thread_is(thread))
				goto wrong;
			which = thread <= g->target->cpus ? 1ull << (thread - 1) : 0;
			/* A thread that no CPU runs has nothing to execute an instruction. */
			if (!which && (action | 0x20) == 's')
				goto wrong;
		}
		which &= ~told;
		told |= which;
		if (which && (action | 0x20) == 's' && !step)
			step = thread ? thread : g->stop.thread;
		if ((action | 0x20) == 'c')
			going |= which;
	}
	if (gdb_left(c) || !(going || step) || (step && !(step <= g->target->cpus)))
		goto wrong;
	g->going = going;
	g->step = step;
	return go(g);
wrong:
	put_result(g, false);
	return GDB_STAY;
}

/* c, C, s, S, from a debugger that has not asked for vCont; going on elsewhere is for who sets the register. */
static enum gdb_action continue_all(struct gdb_remote *g, struct gdb_cursor *c, uint8_t action)
{
	uint64_t signal;

	if (((action == 'C' || action == 'S') && !gdb_take_number(c, &signal)) || gdb_left(c) ||
	    !g->target->thread_is(g->stop.thread)) {
		put_result(g, false);
		return GDB_STAY;
	}
	g->going = all_cpus(g);
	g->step = (action | 0x20) == 's' ? g->stop.thread : 0;
	return go(g);
}

/* --- questions ("General Query Packets") --- */

static void read_description(struct gdb_remote *g, struct gdb_cursor *c)
{
	char text[CHUNK];
	uint64_t offset, bytes, done = 0;
	size_t n = sizeof(text);

	if (!take_range(c, &offset, &bytes) || gdb_left(c)) {
		put_result(g, false);
		return;
	}
	/* Escapes could double it, but there is nothing in it to be escaped. */
	bytes = bytes < GDB_PACKET_MAX - 1 ? bytes : GDB_PACKET_MAX - 1;
	gdb_put(&g->out, 'm');
	while (done < bytes && n == sizeof(text)) {
		size_t wanted = bytes - done < sizeof(text) ? bytes - done : sizeof(text);

		n = gdb_describe(g->target->registers, offset + done, text, wanted);
		for (size_t i = 0; i < n; i++)
			gdb_put(&g->out, (uint8_t)text[i]);
		done += n;
		if (n < wanted)
			g->out.data[0] = 'l';
	}
}

static void question(struct gdb_remote *g, struct gdb_cursor *c)
{
	if (gdb_take_text(c, "Supported")) {
		put(g, "QStartNoAckMode+;qXfer:features:read+;vContSupported+;swbreak+;hwbreak+;PacketSize=");
		gdb_put_number(&g->out, GDB_PACKET_MAX);
	} else if (gdb_take_text(c, "Xfer:features:read:target.xml:")) {
		read_description(g, c);
	} else if (gdb_take_text(c, "fThreadInfo")) {
		list_threads(g, true);
	} else if (gdb_take_text(c, "sThreadInfo")) {
		list_threads(g, false);
	} else if (gdb_take_text(c, "ThreadExtraInfo,")) {
		describe_thread(g, c);
	} else if (gdb_take_text(c, "Attached")) {
		put(g, "1"); /* who leaves lets it go on */
	} else if (gdb_take(c, 'C') && !gdb_left(c)) {
		put(g, "QC");
		gdb_put_number(&g->out, g->chosen);
	}
}

/* An empty answer is that of who does not know the question. */
static enum gdb_action answer(struct gdb_remote *g, struct gdb_cursor *c)
{
	uint8_t command = gdb_left(c) ? *c->at++ : 0;
	uint64_t thread;

	switch (command) {
	case '?': put_stop(g); return GDB_STAY;
	case 'H': choose(g, c); return GDB_STAY;
	case 'T':
		put_result(g, gdb_take_number(c, &thread) && !gdb_left(c) && g->target->thread_is(thread));
		return GDB_STAY;
	case 'g': read_registers(g); return GDB_STAY;
	case 'G': write_registers(g, c); return GDB_STAY;
	case 'p':
	case 'P': one_register(g, c, command == 'P'); return GDB_STAY;
	case 'm': read_memory(g, c); return GDB_STAY;
	case 'M':
	case 'X': write_memory(g, c, command == 'X'); return GDB_STAY;
	case 'Z':
	case 'z': set_point(g, c, command == 'Z'); return GDB_STAY;
	case 'q': question(g, c); return GDB_STAY;
	case 'c':
	case 'C':
	case 's':
	case 'S': return continue_all(g, c, command);
	case 'D': put_result(g, !gdb_left(c)); return gdb_left(c) ? GDB_STAY : GDB_DETACH;
	case 'k': return GDB_RESET;
	default: break;
	}
	if (command == 'v' && gdb_take_text(c, "Cont?"))
		put(g, "vCont;c;C;s;S;t");
	else if (command == 'v' && gdb_take_text(c, "Cont"))
		return continue_threads(g, c);
	else if (command == 'Q' && gdb_take_text(c, "StartNoAckMode"))
		put(g, "OK");
	return GDB_STAY;
}

static enum gdb_action serve(struct gdb_remote *g)
{
	struct gdb_cursor c = {g->in.data, g->in.data + g->in.length}, name = c;
	enum gdb_action action;

	/* Whoever comes anew begins with this question, and with acknowledgments, however the one before went. */
	bool anew = gdb_take_text(&name, "qSupported");

	if (anew)
		g->no_acknowledgment = false;
	if (!g->no_acknowledgment)
		g->target->send('+');
	gdb_begin(&g->out);
	action = answer(g, &c);
	/* Who let the machine go hears of it when it stops. */
	if (action == GDB_STAY || action == GDB_DETACH)
		gdb_send(&g->out, send_byte, g);
	name = (struct gdb_cursor){g->in.data, g->in.data + g->in.length};
	if (gdb_take_text(&name, "QStartNoAckMode"))
		g->no_acknowledgment = true;
	return anew ? GDB_ANEW : action;
}

bool gdb_running(struct gdb_remote *g, uint8_t byte)
{
	bool interrupt = gdb_receive(&g->in, byte) == GDB_INTERRUPT, packet = g->in.state == GDB_INSIDE;

	/* Who begins a packet has just come: the one who let the machine go would wait. */
	if (packet)
		g->owes_stop = false;
	return interrupt || packet;
}

enum gdb_action gdb_talk(struct gdb_remote *g, uint8_t byte)
{
	switch (gdb_receive(&g->in, byte)) {
	case GDB_PACKET: return serve(g);
	case GDB_OVERLONG:
		if (!g->no_acknowledgment)
			g->target->send('+');
		gdb_begin(&g->out);
		put_result(g, false);
		gdb_send(&g->out, send_byte, g);
		return GDB_STAY;
	case GDB_DAMAGED:
		if (!g->no_acknowledgment)
			g->target->send('-');
		return GDB_STAY;
	case GDB_RETRANSMIT:
		if (!g->no_acknowledgment)
			gdb_send(&g->out, send_byte, g);
		return GDB_STAY;
	default: return GDB_STAY;
	}
}
