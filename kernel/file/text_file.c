/* SPDX-License-Identifier: MIT */
/* Files whose text is made when they are read (kernel/file/text_file.h). */
#include "internal.h"

#include <kernel/file/text_file.h>

enum : size_t { WRITE_MAX = 4096 };

struct text_snapshot {
	uint32_t refs;
	struct text_buffer text;
};

static void snapshot_put(struct text_snapshot *s)
{
	if (s == nullptr || __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	text_free(&s->text);
	kfree(s);
}

void text_file_init(struct text_file *t)
{
	mutex_init(&t->lock, RANK_FS);
	t->current = nullptr;
}

void text_file_end(struct text_file *t)
{
	snapshot_put(t->current);
}

/* A new text with one reference. */
static int make_snapshot(int (*make)(struct text_buffer *b, struct file *f), struct file *f, struct text_snapshot **out)
{
	struct text_snapshot *s = kmalloc(sizeof(*s));

	if (s == nullptr)
		return -ENOMEM;
	s->refs = 1;
	int error = make(&s->text, f);
	if (error == 0 && s->text.failed)
		error = -ENOMEM;
	if (error != 0) {
		snapshot_put(s);
		return error;
	}
	*out = s;
	return 0;
}

/* Takes over the reference to s; gives one on what is current. */
static struct text_snapshot *snapshot_exchange(struct text_file *t, struct text_snapshot *s)
{
	struct text_snapshot *old = nullptr;

	mutex_lock(&t->lock);
	if (s != nullptr) {
		old = t->current;
		t->current = s;
	}
	struct text_snapshot *now = t->current;
	if (now != nullptr)
		__atomic_fetch_add(&now->refs, 1, __ATOMIC_RELAXED);
	mutex_unlock(&t->lock);
	snapshot_put(old);
	return now;
}

long text_file_read(struct text_file *t, int (*make)(struct text_buffer *b, struct file *f), struct file *f,
		    struct io_buffer *buf, size_t n, uint64_t *pos)
{
	struct text_snapshot *s = nullptr;
	size_t done = 0;

	if (*pos == 0) {
		int error = make_snapshot(make, f, &s);
		if (error != 0)
			return error;
	}
	s = snapshot_exchange(t, s);
	if (s == nullptr) {
		/* pread in the middle of a file nobody has begun to read */
		int error = make_snapshot(make, f, &s);
		if (error != 0)
			return error;
	}
	bool fault = false;
	if (*pos < s->text.length) {
		n = MIN(n, s->text.length - *pos);
		done = io_copy_out(buf, 0, s->text.data + *pos, n);
		fault = done == 0 && n > 0;
		*pos += done;
	}
	snapshot_put(s);
	return fault ? -EFAULT : (long)done;
}

long text_file_write(long (*take)(const char *text, size_t n, struct file *f), struct file *f, struct io_buffer *buf,
		     size_t n, uint64_t *pos)
{
	if (n > WRITE_MAX)
		return -EINVAL;
	char *text = kmalloc(n + 1);
	if (text == nullptr)
		return -ENOMEM;
	long result = io_copy_in(text, buf, 0, n) == n ? take(text, n, f) : -EFAULT;
	kfree(text);
	if (result > 0)
		*pos += (uint64_t)result;
	return result;
}

int node_file_show(const struct node_file *file, void *arg, struct text_buffer *b)
{
	if (file->knob != nullptr)
		return (int)guard_run(file->component, knob_show(b, file->knob));
	return file->show != nullptr ? (int)guard_run(file->component, file->show(b, arg)) : -EINVAL;
}

long node_file_write(const struct node_file *file, void *arg, const char *text, size_t n)
{
	if (file->knob != nullptr)
		return guard_run(file->component, knob_write(text, n, file->knob));
	return file->write != nullptr ? guard_run(file->component, file->write(text, n, arg)) : -EINVAL;
}
