/* SPDX-License-Identifier: MIT */
/*
 * A terminal's settings: tcgetattr and tcsetattr in their three shapes (struct termios, termios2 with speeds, and
 * System V's termio with 16 bits of each), and the bits that root has locked against change (TIOCSLCKTRMIOS); Linux
 * ioctl_tty(2). User memory is copied with nothing held.
 */
#include "tty_internal.h"

#include <abi/errno.h>
#include <kernel/process/process.h>
#include <kernel/vm/user.h>
#include <lib/string.h>

constexpr uint32_t SPEED_OF_LINE = 115200;

/* How a command shows settings to a process. */
enum shape : uint8_t { SHAPE_TERMIOS, SHAPE_TERMIOS2, SHAPE_TERMIO };

static void to_termio(struct termio *out, const struct termios *in)
{
	*out = (struct termio){
		.c_iflag = (uint16_t)in->c_iflag,
		.c_oflag = (uint16_t)in->c_oflag,
		.c_cflag = (uint16_t)in->c_cflag,
		.c_lflag = (uint16_t)in->c_lflag,
		.c_line = in->c_line,
	};
	memcpy(out->c_cc, in->c_cc, sizeof(out->c_cc));
}

static uint32_t low_half(uint32_t whole, uint16_t low)
{
	return (whole & 0xffff0000) | low;
}

/* What it has no room for stays as it is. */
static void from_termio(struct termios *out, const struct termio *in)
{
	out->c_iflag = low_half(out->c_iflag, in->c_iflag);
	out->c_oflag = low_half(out->c_oflag, in->c_oflag);
	out->c_cflag = low_half(out->c_cflag, in->c_cflag);
	out->c_lflag = low_half(out->c_lflag, in->c_lflag);
	out->c_line = in->c_line;
	memcpy(out->c_cc, in->c_cc, sizeof(in->c_cc));
}

static struct termios settings_of(struct tty *t)
{
	mutex_lock(&t->lock);
	struct termios now = t->line.termios;
	mutex_unlock(&t->lock);
	return now;
}

static long get_termios(struct tty *t, user_addr at, enum shape shape)
{
	struct termios2 copy = {.t = settings_of(t), .c_ispeed = SPEED_OF_LINE, .c_ospeed = SPEED_OF_LINE};
	struct termio old;

	if (shape == SHAPE_TERMIO) {
		to_termio(&old, &copy.t);
		return put_user(at, old);
	}
	return copy_to_user(at, &copy, shape == SHAPE_TERMIOS2 ? sizeof(copy) : sizeof(copy.t));
}

static int read_termios(struct tty *t, user_addr at, enum shape shape, struct termios *out)
{
	struct termio old;
	struct termios2 copy;

	if (shape == SHAPE_TERMIO) {
		if (get_user(old, at) < 0)
			return -EFAULT;
		*out = settings_of(t);
		from_termio(out, &old);
		return 0;
	}
	int error = copy_from_user(&copy, at, shape == SHAPE_TERMIOS2 ? sizeof(copy) : sizeof(copy.t));
	*out = copy.t;
	return error;
}

/* Whether ^S and ^Q are what stops and starts, which a remote terminal may do at its end. */
static bool usual_flow(const struct termios *s)
{
	return (s->c_iflag & IXON) != 0 && s->c_cc[VSTOP] == ('S' & 0x1f) && s->c_cc[VSTART] == ('Q' & 0x1f);
}

static void note_flow(struct tty *t, const struct termios *before, const struct termios *now) REQUIRES(t -> lock)
{
	if (usual_flow(before) != usual_flow(now))
		tty_packet_note(t, usual_flow(now) ? TIOCPKT_DOSTOP : TIOCPKT_NOSTOP, TIOCPKT_DOSTOP | TIOCPKT_NOSTOP);
	if (((before->c_lflag | now->c_lflag) & EXTPROC) != 0)
		tty_packet_note(t, TIOCPKT_IOCTL, 0);
}

static uint32_t keep(uint32_t wanted, uint32_t now, uint32_t locked)
{
	return (wanted & ~locked) | (now & locked);
}

/* A control character is locked as a whole. */
static void keep_locked(struct termios *wanted, const struct termios *now, const struct termios *locked)
{
	wanted->c_iflag = keep(wanted->c_iflag, now->c_iflag, locked->c_iflag);
	wanted->c_oflag = keep(wanted->c_oflag, now->c_oflag, locked->c_oflag);
	wanted->c_cflag = keep(wanted->c_cflag, now->c_cflag, locked->c_cflag);
	wanted->c_lflag = keep(wanted->c_lflag, now->c_lflag, locked->c_lflag);
	if (locked->c_line != 0)
		wanted->c_line = now->c_line;
	for (unsigned n = 0; n < TERMIOS_CC_COUNT; n++)
		if (locked->c_cc[n] != 0)
			wanted->c_cc[n] = now->c_cc[n];
}

static long set_termios(struct tty *t, user_addr at, enum shape shape, bool drain, bool flush)
{
	struct termios wanted;
	int error = read_termios(t, at, shape, &wanted);

	if (error == 0 && drain)
		error = tty_drain(t);
	if (error < 0)
		return error;
	mutex_lock(&t->lock);
	if (flush) {
		line_flush_input(&t->line);
		tty_packet_note(t, TIOCPKT_FLUSHREAD, 0);
	}
	keep_locked(&wanted, &t->line.termios, &t->locked_settings);
	note_flow(t, &t->line.termios, &wanted);
	/* The line runs at one speed; what was asked for is remembered, as a terminal without wires
	 * does. */
	line_set_termios(&t->line, &wanted);
	mutex_unlock(&t->lock);
	/* Waiting readers and writers look at the new rules; output may have been resumed. */
	wait_wake_all(&t->read_wait);
	wait_wake_all(&t->write_wait);
	tty_kick_driver(t);
	return 0;
}

static long get_locked_settings(struct tty *t, user_addr at)
{
	mutex_lock(&t->lock);
	struct termios locked = t->locked_settings;
	mutex_unlock(&t->lock);
	return put_user(at, locked);
}

static long lock_settings(struct tty *t, user_addr at)
{
	struct termios locked;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (get_user(locked, at) < 0)
		return -EFAULT;
	mutex_lock(&t->lock);
	t->locked_settings = locked;
	mutex_unlock(&t->lock);
	return 0;
}

long tty_termios_ioctl(struct tty *t, uint32_t command, user_addr at)
{
	switch (command) {
	case TCGETS: return get_termios(t, at, SHAPE_TERMIOS);
	case TCGETS2: return get_termios(t, at, SHAPE_TERMIOS2);
	case TCGETA: return get_termios(t, at, SHAPE_TERMIO);
	case TCSETS: return set_termios(t, at, SHAPE_TERMIOS, false, false);
	case TCSETSW: return set_termios(t, at, SHAPE_TERMIOS, true, false);
	case TCSETSF: return set_termios(t, at, SHAPE_TERMIOS, true, true);
	case TCSETS2: return set_termios(t, at, SHAPE_TERMIOS2, false, false);
	case TCSETSW2: return set_termios(t, at, SHAPE_TERMIOS2, true, false);
	case TCSETSF2: return set_termios(t, at, SHAPE_TERMIOS2, true, true);
	case TCSETA: return set_termios(t, at, SHAPE_TERMIO, false, false);
	case TCSETAW: return set_termios(t, at, SHAPE_TERMIO, true, false);
	case TCSETAF: return set_termios(t, at, SHAPE_TERMIO, true, true);
	case TIOCGLCKTRMIOS: return get_locked_settings(t, at);
	case TIOCSLCKTRMIOS: return lock_settings(t, at);
	default: return -ENOTTY;
	}
}
