/* SPDX-License-Identifier: MIT */
/*
 * Pseudo-terminals (Linux pty(7)): opening /dev/ptmx gives a master and makes its slave /dev/pts/N,
 * a terminal whose wire is the master's file. What is written to the master is the slave's
 * keyboard; reading the master gives the slave's output.
 *
 * A slot is in use while the master or the slave is open; its memory stays for the next use, so
 * that a late open of a vanished slave finds a terminal that refuses. pool_lock guards the slots;
 * the slave's own lock the rest.
 */
#include "tty_internal.h"

#include <abi/errno.h>
#include <abi/fcntl.h>
#include <abi/poll.h>
#include <kernel/mem/slab.h>
#include <kernel/process/process.h>
#include <kernel/vfs/vfs.h>
#include <kernel/vm/user.h>
#include <lib/string.h>
#include <lib/types.h>

constexpr uint32_t MAJOR_PTS = 136;

struct pty {
	struct tty slave;
	char path[16]; /* pts/N */
	unsigned index;
	struct wait_queue wait;	  /* of the master: output to read, room to write */
	struct async_list async;  /* the master's */
	uint32_t announced;	  /* so much output, under the slave's lock */
	bool in_use, master_open; /* under pool_lock */
};

static struct mutex pool_lock = MUTEX_INIT(pool_lock, RANK_TTY - 1);
static struct pty *pool[TTY_PTYS_MAX] GUARDED_BY(&pool_lock);

static struct pty *pty_of(struct tty *slave)
{
	return container_of(slave, struct pty, slave);
}

/* Only what is new is announced by a signal. */
static void slave_output(struct tty *slave)
{
	struct pty *p = pty_of(slave);

	wait_wake_all(&p->wait);
	mutex_lock(&slave->lock);
	bool grew = slave->line.queued != p->announced && line_output_count(&slave->line) > 0;
	p->announced = slave->line.queued;
	mutex_unlock(&slave->lock);
	if (grew)
		async_notify(&p->async, POLL_IN, FILE_READ | FILE_WRITE);
}

static unsigned slave_opens(struct pty *p)
{
	mutex_lock(&p->slave.lock);
	unsigned opens = p->slave.opens;
	mutex_unlock(&p->slave.lock);
	return opens;
}

static void slave_closed(struct tty *slave)
{
	struct pty *p = pty_of(slave);

	mutex_lock(&pool_lock);
	/* The slot may have been given away since, and be open again. */
	if (!p->master_open && slave_opens(p) == 0)
		p->in_use = false;
	mutex_unlock(&pool_lock);
	wait_wake_all(&p->wait);
}

static const struct tty_driver slave_driver = {
	.component = &component_tty, .is_pseudo = true, .start_output = slave_output, .last_close = slave_closed};

static struct pty *create(unsigned index)
{
	struct pty *p = kmalloc(sizeof(*p));

	if (p == nullptr)
		return nullptr;
	p->index = index;
	snprintf(p->path, sizeof(p->path), "pts/%u", index);
	wait_queue_init(&p->wait);
	async_list_init(&p->async);
	tty_init(&p->slave, p->path, MAJOR_PTS, index, &slave_driver, p);
	return p;
}

/* For each use anew. Whoever opens the vanished slave late may hold its locks meanwhile: they stay as they are. */
static void set_up(struct pty *p)
{
	mutex_lock(&p->slave.lock);
	line_init(&p->slave.line);
	p->slave.line.termios.c_cflag = B38400 | CS8 | CREAD;
	p->slave.size = (struct winsize){};
	p->slave.locked_settings = (struct termios){};
	p->slave.session = p->slave.foreground = 0;
	p->slave.opens = 0;
	p->slave.exclusive = p->slave.throttled = p->slave.packet = p->slave.write_short = false;
	p->slave.packet_status = 0;
	p->announced = p->slave.line.queued;
	p->slave.generation++;
	p->slave.locked = true;
	p->slave.other_closed = p->slave.was_open = false;
	mutex_unlock(&p->slave.lock);
	p->in_use = p->master_open = true;
}

unsigned tty_count_ptys(void)
{
	unsigned n = 0;

	mutex_lock(&pool_lock);
	for (unsigned i = 0; i < TTY_PTYS_MAX; i++)
		n += pool[i] != nullptr && pool[i]->in_use;
	mutex_unlock(&pool_lock);
	return n;
}

/* A free slot, set up. nullptr: none left, or no memory. */
static struct pty *take_slot(void)
{
	struct pty *p = nullptr;

	mutex_lock(&pool_lock);
	for (unsigned i = 0; i < TTY_PTYS_MAX && p == nullptr; i++) {
		if (pool[i] != nullptr && pool[i]->in_use)
			continue;
		if (pool[i] == nullptr)
			pool[i] = create(i);
		if (pool[i] == nullptr)
			break;
		p = pool[i];
		set_up(p);
	}
	mutex_unlock(&pool_lock);
	return p;
}

/* All who had opened the slave have closed it. */
static bool slave_gone(struct pty *p)
{
	return p->slave.was_open && slave_opens(p) == 0;
}

static void give_slot(struct pty *p)
{
	mutex_lock(&pool_lock);
	p->master_open = false;
	if (slave_opens(p) == 0)
		p->in_use = false;
	mutex_unlock(&pool_lock);
}

static int open_master(struct file *f)
{
	struct pty *p = take_slot();

	if (p == nullptr)
		return -ENOSPC;
	int error = chrdev_register(p->path, MAJOR_PTS, p->index, 0620, &tty_file_ops, &p->slave);
	if (error < 0) {
		give_slot(p);
		return error;
	}
	f->private_data = p;
	return 0;
}

static void release_master(struct file *f)
{
	struct pty *p = f->private_data;
	struct tty *t = &p->slave;

	chrdev_unregister(MAJOR_PTS, p->index);
	__atomic_store_n(&t->other_closed, true, __ATOMIC_RELEASE);
	tty_hang_up_now(t);
	give_slot(p);
}

/* Something to read, or a change to be told in packet mode. */
static bool has_output(struct pty *p)
{
	mutex_lock(&p->slave.lock);
	bool has = (line_output_count(&p->slave.line) > 0 && !p->slave.line.stopped) || p->slave.packet_status != 0;
	mutex_unlock(&p->slave.lock);
	return has;
}

/* Whether a read would end: bytes, or a slave that was closed by all. */
static bool master_readable(struct pty *p)
{
	return has_output(p) || slave_gone(p);
}

/* In packet mode a read begins with a byte of its own: what changed, and nothing else, or zero before the output.
 * Bytes of the header in *size. */
static unsigned char take_header(struct pty *p, size_t *size)
{
	mutex_lock(&p->slave.lock);
	unsigned char status = p->slave.packet_status;
	p->slave.packet_status = 0;
	*size = p->slave.packet ? 1 : 0;
	mutex_unlock(&p->slave.lock);
	return status;
}

static long read_master(struct file *f, struct io_buffer *buf, size_t n, uint64_t *)
{
	struct pty *p = f->private_data;
	unsigned char bytes[TTY_CHUNK];
	size_t header, got;
	unsigned char status = n > 0 ? take_header(p, &header) : 0;

	if (n == 0)
		return 0;
	if (status != 0)
		return io_copy_out(buf, 0, &status, 1) == 1 ? 1 : -EFAULT;
	got = header;
	while (got < n) {
		size_t part = tty_take_output(&p->slave, bytes, MIN(n - got, sizeof(bytes)));

		if (part > 0) {
			if (io_copy_out(buf, got, bytes, part) < part)
				return got > 0 ? (long)got : -EFAULT;
			got += part;
			continue;
		}
		if (got > header)
			break;
		if (header > 0 && (status = take_header(p, &header)) != 0)
			return io_copy_out(buf, 0, &status, 1) == 1 ? 1 : -EFAULT;
		if (slave_gone(p))
			return -EIO;
		if ((f->flags & O_NONBLOCK) != 0)
			return -EAGAIN;
		int error = wait_event_interruptible(&p->wait, master_readable(p));
		if (error < 0)
			return error;
	}
	if (header > 0 && io_copy_out(buf, 0, &status, 1) < 1)
		return -EFAULT;
	return (long)got;
}

static long write_master(struct file *f, struct io_buffer *buf, size_t n, uint64_t *)
{
	struct pty *p = f->private_data;
	unsigned char bytes[TTY_CHUNK];
	size_t sent = 0;
	int error = 0;

	while (sent < n && error == 0) {
		size_t room = tty_input_room(&p->slave);
		size_t part = MIN(MIN(n - sent, sizeof(bytes)), room);

		if (room == 0) {
			error = (f->flags & O_NONBLOCK) != 0
					? -EAGAIN
					: wait_event_interruptible(&p->wait, tty_input_room(&p->slave) > 0);
			continue;
		}
		part = io_copy_in(bytes, buf, sent, part);
		if (part == 0)
			error = -EFAULT;
		tty_input(&p->slave, bytes, part);
		sent += part;
	}
	return sent > 0 ? (long)sent : error;
}

static bool has_status(struct pty *p)
{
	mutex_lock(&p->slave.lock);
	bool has = p->slave.packet_status != 0;
	mutex_unlock(&p->slave.lock);
	return has;
}

static uint32_t poll_master(struct file *f, struct poll_table *table)
{
	struct pty *p = f->private_data;
	uint32_t ready = 0;

	poll_watch(table, &p->wait);
	if (has_output(p))
		ready |= POLLIN | POLLRDNORM;
	if (has_status(p))
		ready |= POLLPRI;
	if (slave_gone(p))
		ready |= POLLHUP;
	if (tty_input_room(&p->slave) > 0)
		ready |= POLLOUT | POLLWRNORM;
	return ready;
}

static long set_lock(struct pty *p, user_addr at)
{
	int32_t locked;

	if (get_user(locked, at) < 0)
		return -EFAULT;
	mutex_lock(&p->slave.lock);
	p->slave.locked = locked != 0;
	mutex_unlock(&p->slave.lock);
	return 0;
}

static long set_packet(struct pty *p, user_addr at)
{
	int32_t on;

	if (get_user(on, at) < 0)
		return -EFAULT;
	mutex_lock(&p->slave.lock);
	if (!p->slave.packet || on == 0)
		p->slave.packet_status = 0;
	p->slave.packet = on != 0;
	mutex_unlock(&p->slave.lock);
	return 0;
}

/* A key that the other end recognised. */
static long send_signal(struct pty *p, uint64_t signo)
{
	if (signo != SIGINT && signo != SIGQUIT && signo != SIGTSTP)
		return -EINVAL;
	tty_signal_foreground(&p->slave, (int)signo);
	return 0;
}

/* The slave, whatever the caller finds at its name. */
static long open_peer(struct pty *p, uint32_t flags)
{
	char name[8];
	struct file *f;

	if (flags & ~(uint32_t)(O_ACCMODE | O_NOCTTY | O_NONBLOCK | O_CLOEXEC | O_LARGEFILE))
		return -EINVAL;
	snprintf(name, sizeof(name), "%u", p->index);
	int error = file_open_single("devpts", name, flags & ~(uint32_t)O_CLOEXEC, &f);
	if (error < 0)
		return error;
	int fd = file_install(f, (flags & O_CLOEXEC) != 0);
	if (fd < 0)
		file_put(f);
	return fd;
}

static struct async_list *async_master(struct file *f)
{
	struct pty *p = f->private_data;

	return &p->async;
}

static long master_ioctl(struct file *f, uint32_t command, uint64_t arg)
{
	struct pty *p = f->private_data;
	struct tty *t = &p->slave;
	user_addr at = USER_ADDR(arg);
	int32_t value;

	switch (command) {
	case TIOCGPTN: value = (int32_t)p->index; return put_user(at, value);
	case TIOCSPTLCK: return set_lock(p, at);
	case TIOCGPTLCK:
		mutex_lock(&t->lock);
		value = t->locked;
		mutex_unlock(&t->lock);
		return put_user(at, value);
	case TIOCPKT: return set_packet(p, at);
	case TIOCGPKT:
		mutex_lock(&t->lock);
		value = t->packet;
		mutex_unlock(&t->lock);
		return put_user(at, value);
	case TIOCSIG: return send_signal(p, arg);
	case TIOCGPTPEER: return open_peer(p, (uint32_t)arg);
	case TIOCGPGRP: value = (int32_t)tty_foreground_group(t); return put_user(at, value);
	case FIONREAD: /* what is output there is input here */ return tty_settings_ioctl(t, TIOCOUTQ, arg);
	case TIOCSTI: return -ENOTTY;
	default: return tty_settings_ioctl(t, command, arg);
	}
}

static const struct file_ops master_ops = {
	.component = &component_tty,
	.open = open_master,
	.release = release_master,
	.read = read_master,
	.write = write_master,
	.poll = poll_master,
	.ioctl = master_ioctl,
	.async = async_master,
	.async_owner = true,
};

int pty_init(void)
{
	return chrdev_register("ptmx", MAJOR_TTYAUX, MINOR_PTMX, 0666, &master_ops, nullptr);
}
