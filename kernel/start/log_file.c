/* SPDX-License-Identifier: MIT */
/*
 * The log for programs: /dev/kmsg (one record a read, "level,number,microseconds,-;text\n"; a write
 * adds a record) and syslog(2), whose actions are numbered as in its manual page. Lowered; copies
 * to users hold no lock.
 */
#include "kernel/base/log_read.h"
#include "kernel/thread/core.h"

#include <abi/errno.h>
#include <abi/fcntl.h>
#include <abi/poll.h>
#include <kernel/base/log.h>
#include <kernel/base/node.h>
#include <kernel/base/syscall.h>
#include <kernel/mem/slab.h>
#include <kernel/process/process.h>
#include <kernel/vfs/vfs.h>
#include <kernel/vm/user.h>
#include <lib/string.h>

constexpr uint32_t MAJOR_MEM = 1, MINOR_KMSG = 11;

enum syslog_action : int {
	ACTION_CLOSE,
	ACTION_OPEN,
	ACTION_READ,
	ACTION_READ_ALL,
	ACTION_READ_CLEAR,
	ACTION_CLEAR,
	ACTION_CONSOLE_OFF,
	ACTION_CONSOLE_ON,
	ACTION_CONSOLE_LEVEL,
	ACTION_SIZE_UNREAD,
	ACTION_SIZE_BUFFER,
};

static struct mutex syslog_lock = MUTEX_INIT(syslog_lock, RANK_NONE);
static struct log_cursor syslog_cursor GUARDED_BY(&syslog_lock); /* action READ */
static struct log_cursor clear_cursor GUARDED_BY(&syslog_lock);
static uint32_t saved_level GUARDED_BY(&syslog_lock);

struct line {
	char text[LOG_TEXT_MAX * 4 + 48]; /* every byte of a record may need four */
	char raw[LOG_TEXT_MAX];
	size_t length;
};

/* "<6>[    0.123456] text\n" of the record at the cursor. False: none left. */
static bool next_line(struct log_cursor *c, struct line *line)
{
	struct log_record record;
	char *text = line->text;
	size_t room = sizeof(line->text);

	/* The text goes to its place behind a prefix whose length is known only afterwards. */
	constexpr size_t PREFIX_MAX = 40;
	if (!log_get(c, &record, text + PREFIX_MAX, LOG_TEXT_MAX))
		return false;
	int n = scnprintf(text, PREFIX_MAX, "<%u>", record.level);
	n += log_format_stamp(text + n, PREFIX_MAX - (size_t)n, record.ns);
	memmove(text + n, text + PREFIX_MAX, record.length);
	line->length = (size_t)n + record.length;
	if (line->length < room)
		text[line->length++] = '\n';
	return true;
}

static size_t size_from(struct log_cursor c, struct line *line)
{
	size_t total = 0;

	while (next_line(&c, line))
		total += line->length;
	return total;
}

/* The newest lines that fit into n bytes. */
static long read_all(user_addr buf, size_t n, struct log_cursor from, struct line *line)
{
	size_t total = size_from(from, line), done = 0;

	while (total > n && next_line(&from, line))
		total -= line->length;
	while (next_line(&from, line) && done + line->length <= n) {
		if (copy_to_user(user_addr_add(buf, done), line->text, line->length) < 0)
			return -EFAULT;
		done += line->length;
	}
	return (long)done;
}

static struct log_cursor load_cursor(const struct log_cursor *c)
{
	mutex_lock(&syslog_lock);
	struct log_cursor copy = *c;
	mutex_unlock(&syslog_lock);
	return copy;
}

static void store_cursor(struct log_cursor *c, struct log_cursor value)
{
	mutex_lock(&syslog_lock);
	*c = value;
	mutex_unlock(&syslog_lock);
}

static struct log_cursor syslog_position(void) NO_THREAD_SAFETY
{
	return load_cursor(&syslog_cursor);
}

static struct log_cursor clear_position(void) NO_THREAD_SAFETY
{
	return load_cursor(&clear_cursor);
}

static void syslog_seek(struct log_cursor c) NO_THREAD_SAFETY
{
	store_cursor(&syslog_cursor, c);
}

static void clear_seek(struct log_cursor c) NO_THREAD_SAFETY
{
	store_cursor(&clear_cursor, c);
}

/* Waits for records, then gives whole lines while they fit. */
static long read_new(user_addr buf, size_t n, struct line *line)
{
	struct log_cursor c = syslog_position();
	size_t done = 0;
	int error = wait_event_interruptible(&log_readers, log_has(&c));

	if (error < 0)
		return error;
	for (struct log_cursor next = c; next_line(&next, line); c = next) {
		size_t part = line->length;

		if (done + part > n) {
			if (done > 0)
				break;
			part = n;
		}
		if (copy_to_user(user_addr_add(buf, done), line->text, part) < 0)
			return -EFAULT;
		done += part;
	}
	syslog_seek(c);
	return (long)done;
}

static long set_level(enum syslog_action action, int level)
{
	mutex_lock(&syslog_lock);
	if (action == ACTION_CONSOLE_OFF && saved_level == 0) {
		saved_level = log_console_level;
		log_console_level = 1;
	} else if (action == ACTION_CONSOLE_ON && saved_level != 0) {
		log_console_level = saved_level;
		saved_level = 0;
	} else if (action == ACTION_CONSOLE_LEVEL) {
		log_console_level = (uint32_t)level;
		saved_level = 0;
	}
	mutex_unlock(&syslog_lock);
	return 0;
}

static long read_action(enum syslog_action action, user_addr buf, int n)
{
	if (buf.value == 0 || n < 0)
		return -EINVAL;
	if (n == 0)
		return 0;
	struct line *line = kmalloc(sizeof(*line));
	if (line == nullptr)
		return -ENOMEM;
	struct log_cursor newest = log_newest();
	long result = action == ACTION_READ ? read_new(buf, (size_t)n, line)
					    : read_all(buf, (size_t)n, clear_position(), line);
	if (action == ACTION_READ_CLEAR && result >= 0)
		clear_seek(newest);
	kfree(line);
	return result;
}

/* Debian's kernel hides the log from users. */
static int32_t dmesg_restrict = 1;

static bool may_read_log(int action)
{
	bool harmless = action == ACTION_READ_ALL || action == ACTION_SIZE_BUFFER;

	return (harmless && !__atomic_load_n(&dmesg_restrict, __ATOMIC_RELAXED)) || capable(CAP_SYSLOG);
}

static long sys_syslog(int action, user_addr buf, int n)
{
	if (!may_read_log(action))
		return -EPERM;
	log_drain_nucleus();
	switch ((enum syslog_action)action) {
	case ACTION_CLOSE:
	case ACTION_OPEN: return 0;
	case ACTION_READ:
	case ACTION_READ_ALL:
	case ACTION_READ_CLEAR: return read_action((enum syslog_action)action, buf, n);
	case ACTION_CLEAR: clear_seek(log_newest()); return 0;
	case ACTION_CONSOLE_LEVEL:
		if (n < 1 || n > 8)
			return -EINVAL;
		[[fallthrough]];
	case ACTION_CONSOLE_OFF:
	case ACTION_CONSOLE_ON: return set_level((enum syslog_action)action, n);
	case ACTION_SIZE_UNREAD: {
		struct line *line = kmalloc(sizeof(*line));
		size_t size = line == nullptr ? 0 : size_from(syslog_position(), line);

		kfree(line);
		return (long)size;
	}
	case ACTION_SIZE_BUFFER: return (long)LOG_RING_BYTES;
	default: return -EINVAL;
	}
}
SYSCALL(syslog);

struct reader {
	struct mutex lock;
	struct log_cursor cursor GUARDED_BY(&lock);
};

static int kmsg_open(struct file *f)
{
	if ((f->mode & FILE_READ) && !may_read_log(ACTION_READ_ALL))
		return -EPERM;
	struct reader *r = kmalloc(sizeof(*r));

	if (r == nullptr)
		return -ENOMEM;
	mutex_init(&r->lock, RANK_NONE);
	mutex_lock(&r->lock);
	r->cursor = log_oldest();
	mutex_unlock(&r->lock);
	f->private_data = r;
	return 0;
}

static void kmsg_release(struct file *f)
{
	kfree(f->private_data);
}

/* Control bytes, those beyond ASCII and backslashes as \xNN, so that a record is one line. */
static size_t append_escaped(char *out, size_t room, const char *text, size_t n)
{
	size_t length = 0;

	for (size_t k = 0; k < n && length + 4 < room; k++) {
		if (log_is_control(text[k]) || (unsigned char)text[k] >= 0x7f || text[k] == '\\')
			length += (size_t)scnprintf(out + length, room - length, "\\x%02x", (unsigned char)text[k]);
		else
			out[length++] = text[k];
	}
	return length;
}

static long kmsg_take(struct reader *r, struct line *line)
{
	struct log_record record;
	long lost = 0;
	char *text = line->raw;

	mutex_lock(&r->lock);
	struct log_cursor c = r->cursor;
	if (!log_get(&c, &record, text, LOG_TEXT_MAX)) {
		line->length = 0;
	} else if (record.lost > 0) {
		/* The reader is told once that it was overtaken, and goes on with the oldest. */
		r->cursor = log_oldest();
		lost = -EPIPE;
	} else {
		size_t n = (size_t)scnprintf(line->text, sizeof(line->text), "%u,%lu,%lu,-;", record.level, record.seq,
					     record.ns / 1000);
		line->length = n + append_escaped(line->text + n, sizeof(line->text) - n - 1, text, record.length);
		line->text[line->length++] = '\n';
		r->cursor = c;
	}
	mutex_unlock(&r->lock);
	return lost;
}

static bool kmsg_has(struct reader *r)
{
	mutex_lock(&r->lock);
	bool has = log_has(&r->cursor);
	mutex_unlock(&r->lock);
	return has;
}

static long kmsg_read(struct file *f, struct io_buffer *buf, size_t n, uint64_t *)
{
	struct line *line = kmalloc(sizeof(*line));
	struct reader *r = f->private_data;
	long result = line == nullptr ? -ENOMEM : 0;

	log_drain_nucleus();
	while (result == 0) {
		result = kmsg_take(r, line);
		if (result < 0)
			break;
		if (line->length > 0) {
			if (line->length > n)
				result = -EINVAL;
			else if (io_copy_out(buf, 0, line->text, line->length) < line->length)
				result = -EFAULT;
			else
				result = (long)line->length;
			break;
		}
		if ((f->flags & O_NONBLOCK) != 0)
			result = -EAGAIN;
		else
			result = wait_event_interruptible(&log_readers, kmsg_has(r));
	}
	kfree(line);
	return result;
}

/* Whole digits of a number in front of a text; -1: none. */
static int leading_number(const char *text, size_t n, size_t *used)
{
	int value = -1;

	for (*used = 0; *used < n && *used < 4 && text[*used] >= '0' && text[*used] <= '9'; (*used)++)
		value = (value < 0 ? 0 : value * 10) + (text[*used] - '0');
	return value;
}

static long kmsg_write(struct file *, struct io_buffer *buf, size_t n, uint64_t *)
{
	char text[LOG_TEXT_MAX - 80];
	size_t length = io_copy_in(text, buf, 0, MIN(n, sizeof(text)));
	size_t start = 0, digits;
	int level = LOG_INFO;

	if (length < MIN(n, sizeof(text)))
		return -EFAULT;
	if (length > 2 && text[0] == '<') {
		int given = leading_number(text + 1, length - 1, &digits);

		if (given >= 0 && digits + 1 < length && text[digits + 1] == '>') {
			level = given & 7;
			start = digits + 2;
		}
	}
	log_write((enum log_level)level, "%.*s", (int)(length - start), text + start);
	return (long)n;
}

static uint32_t kmsg_poll(struct file *f, struct poll_table *table)
{
	poll_watch(table, &log_readers);
	return kmsg_has(f->private_data) ? POLLIN | POLLRDNORM : 0;
}

static long kmsg_seek(struct file *f, int64_t offset, int whence)
{
	struct reader *r = f->private_data;
	struct log_cursor to;

	if (offset != 0)
		return -ESPIPE;
	switch (whence) {
	case SEEK_SET: to = log_oldest(); break;
	case SEEK_DATA: to = clear_position(); break;
	case SEEK_END: to = log_newest(); break;
	default: return -EINVAL;
	}
	mutex_lock(&r->lock);
	r->cursor = to;
	mutex_unlock(&r->lock);
	return 0;
}

static const struct file_ops kmsg_ops = {
	.component = &component_core,
	.open = kmsg_open,
	.release = kmsg_release,
	.read = kmsg_read,
	.write = kmsg_write,
	.poll = kmsg_poll,
	.seek = kmsg_seek,
};

PROC_KNOB(dmesg_restrict, component_core, "sys/kernel/dmesg_restrict", 0644, &dmesg_restrict, 0, 1, CAP_SYS_ADMIN);

static int log_file_init(void)
{
	return chrdev_register("kmsg", MAJOR_MEM, MINOR_KMSG, 0644, &kmsg_ops, nullptr);
}
COMPONENT_START(core, log_file_init); /* needs devfs */
