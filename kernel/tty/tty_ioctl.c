/* SPDX-License-Identifier: MIT */
/*
 * Terminal control: window size, flushing, flow, queue sizes (Linux ioctl_tty(2)); tty_termios.c has tcgetattr and
 * tcsetattr. Commands that change something stop a background process first. User memory is copied with nothing held.
 */
#include "tty_internal.h"

#include <abi/errno.h>
#include <kernel/process/process.h>
#include <kernel/vm/user.h>
#include <lib/string.h>

int32_t tty_users_simulate = 1;

static long get_size(struct tty *t, user_addr at)
{
	mutex_lock(&t->lock);
	struct winsize size = t->size;
	mutex_unlock(&t->lock);
	return put_user(at, size);
}

static long set_size(struct tty *t, user_addr at)
{
	struct winsize size;

	if (get_user(size, at) < 0)
		return -EFAULT;
	mutex_lock(&t->lock);
	bool changed = memcmp(&size, &t->size, sizeof(size)) != 0;
	t->size = size;
	mutex_unlock(&t->lock);
	if (changed)
		tty_signal_foreground(t, SIGWINCH);
	return 0;
}

static long flush(struct tty *t, uint64_t which)
{
	if (which > TCIOFLUSH)
		return -EINVAL;
	mutex_lock(&t->lock);
	if (which != TCOFLUSH)
		line_flush_input(&t->line);
	if (which != TCIFLUSH)
		line_flush_output(&t->line);
	tty_packet_note(t, (which != TCOFLUSH ? TIOCPKT_FLUSHREAD : 0) | (which != TCIFLUSH ? TIOCPKT_FLUSHWRITE : 0),
			0);
	mutex_unlock(&t->lock);
	wait_wake_all(&t->write_wait);
	tty_kick_driver(t);
	return 0;
}

static long control_flow(struct tty *t, uint64_t what)
{
	unsigned char c = 0;

	if (what > TCION)
		return -EINVAL;
	mutex_lock(&t->lock);
	if (what == TCOOFF || what == TCOON) {
		if (t->line.stopped != (what == TCOOFF))
			tty_packet_note(t, what == TCOOFF ? TIOCPKT_STOP : TIOCPKT_START,
					what == TCOOFF ? TIOCPKT_START : TIOCPKT_STOP);
		t->line.stopped = what == TCOOFF;
	} else
		c = t->line.termios.c_cc[what == TCIOFF ? VSTOP : VSTART];
	if (c != 0) {
		/* To the other end as it is, not through output processing. */
		uint32_t oflag = t->line.termios.c_oflag;

		t->line.termios.c_oflag = 0;
		(void)line_write(&t->line, &c, 1);
		t->line.termios.c_oflag = oflag;
	}
	mutex_unlock(&t->lock);
	tty_kick_driver(t);
	return 0;
}

static long queue_size(struct tty *t, user_addr at, bool input)
{
	mutex_lock(&t->lock);
	int32_t n = (int32_t)(input ? line_input_count(&t->line) : line_output_count(&t->line));
	mutex_unlock(&t->lock);
	return put_user(at, n);
}

static long simulate_input(struct tty *t, user_addr at)
{
	unsigned char c;

	if (__atomic_load_n(&tty_users_simulate, __ATOMIC_RELAXED) == 0 && !capable(CAP_SYS_ADMIN))
		return -EIO;
	if (process_current()->tty != t && !capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (get_user(c, at) < 0)
		return -EFAULT;
	tty_input(t, &c, 1);
	return 0;
}

static long set_discipline(user_addr at)
{
	int32_t number;

	if (get_user(number, at) < 0)
		return -EFAULT;
	return number == 0 ? 0 : -EINVAL;
}

static long set_exclusive(struct tty *t, bool on)
{
	mutex_lock(&t->lock);
	t->exclusive = on;
	mutex_unlock(&t->lock);
	return 0;
}

static long get_exclusive(struct tty *t, user_addr at)
{
	mutex_lock(&t->lock);
	int32_t on = t->exclusive;
	mutex_unlock(&t->lock);
	return put_user(at, on);
}

/* The old way to ask for CLOCAL alone. */
static long get_clocal(struct tty *t, user_addr at)
{
	mutex_lock(&t->lock);
	int32_t on = (t->line.termios.c_cflag & CLOCAL) != 0;
	mutex_unlock(&t->lock);
	return put_user(at, on);
}

static long set_clocal(struct tty *t, user_addr at)
{
	int32_t on;

	if (get_user(on, at) < 0)
		return -EFAULT;
	mutex_lock(&t->lock);
	t->line.termios.c_cflag = (t->line.termios.c_cflag & ~(uint32_t)CLOCAL) | (on != 0 ? CLOCAL : 0);
	mutex_unlock(&t->lock);
	return 0;
}

/* Commands that a background process must not give. */
static bool changes_terminal(uint32_t command)
{
	switch (command) {
	case TCSETS:
	case TCSETSW:
	case TCSETSF:
	case TCSETS2:
	case TCSETSW2:
	case TCSETSF2:
	case TCSETA:
	case TCSETAW:
	case TCSETAF:
	case TCSBRK:
	case TCSBRKP:
	case TCXONC:
	case TCFLSH:
	case TIOCSTI:
	case TIOCSETD: return true;
	default: return false;
	}
}

static long query_ioctl(struct tty *t, uint32_t command, user_addr at)
{
	int32_t zero = 0;
	uint32_t device = (uint32_t)tty_device(t);

	switch (command) {
	case TIOCGWINSZ: return get_size(t, at);
	case FIONREAD: return queue_size(t, at, true);
	case TIOCOUTQ: return queue_size(t, at, false);
	case TIOCGETD: return put_user(at, zero);
	case TIOCGEXCL: return get_exclusive(t, at);
	case TIOCGSOFTCAR: return get_clocal(t, at);
	case TIOCGDEV: return put_user(at, device);
	default: return tty_termios_ioctl(t, command, at);
	}
}

long tty_settings_ioctl(struct tty *t, uint32_t command, uint64_t arg)
{
	user_addr at = USER_ADDR(arg);

	switch (command) {
	case TIOCSWINSZ: return set_size(t, at);
	case TCFLSH: return flush(t, arg);
	case TCXONC: return control_flow(t, arg);
	/* A break has no meaning on a line that cannot send one; what is queued is sent first all
	 * the same. */
	case TCSBRK:
	case TCSBRKP: return tty_drain(t);
	/* Only a pseudo-terminal has nothing that could be broken. */
	case TIOCSBRK:
	case TIOCCBRK: return t->driver->is_pseudo ? 0 : -ENOTTY;
	case TIOCSTI: return simulate_input(t, at);
	case TIOCSETD: return set_discipline(at);
	case TIOCSSOFTCAR: return set_clocal(t, at);
	case TIOCEXCL: return set_exclusive(t, true);
	case TIOCNXCL: return set_exclusive(t, false);
	default: return query_ioctl(t, command, at);
	}
}

long tty_ioctl(struct file *f, uint32_t command, uint64_t arg)
{
	struct tty_file *tf = tty_file_of(f);
	struct tty *t = tf->tty;

	if (tty_hung_up(tf))
		return command == TIOCSPGRP ? -ENOTTY : -EIO;
	if (changes_terminal(command)) {
		int error = tty_check_foreground(t, SIGTTOU);

		if (error < 0)
			return error;
	}
	switch (command) {
	case TIOCSCTTY:
	case TIOCNOTTY:
	case TIOCSPGRP:
	case TIOCGPGRP:
	case TIOCGSID: return tty_job_ioctl(f, t, command, arg);
	case TIOCGPTPEER: return -EIO;
	case TIOCVHANGUP:
		if (!capable(CAP_SYS_ADMIN))
			return -EPERM;
		tty_hang_up_now(t);
		return 0;
	default: break;
	}
	long result = tty_settings_ioctl(t, command, arg);
	if (result == -ENOTTY && t->driver->ioctl != nullptr)
		result = guard_run(t->driver->component, t->driver->ioctl(t, command, arg));
	return result;
}
