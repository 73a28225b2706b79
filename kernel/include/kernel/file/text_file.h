/* SPDX-License-Identifier: MIT */
/*
 * Files whose text is made when they are read. A read at position 0 makes the text anew; later reads continue in the
 * same text, so that what a program reads in pieces fits together. The text is shared by reference: no lock is held
 * while it is made or copied. For the `read` and `write` of a file whose private data has a struct text_file.
 */
#ifndef KERNEL_TEXT_FILE_H
#define KERNEL_TEXT_FILE_H

#include <kernel/base/node.h>
#include <kernel/file/file.h>
#include <kernel/mem/text.h>

struct text_snapshot;
struct text_file {
	struct mutex lock;
	struct text_snapshot *current; /* under lock */
};
void text_file_init(struct text_file *t);
void text_file_end(struct text_file *t);
/* make fills b, and is called with nothing held: 0 or an error. */
long text_file_read(struct text_file *t, int (*make)(struct text_buffer *b, struct file *f), struct file *f,
		    struct io_buffer *buf, size_t n, uint64_t *pos);
/* take gets all that a process wrote at once, at most a page, with a zero behind it: bytes taken or an error. */
long text_file_write(long (*take)(const char *text, size_t n, struct file *f), struct file *f, struct io_buffer *buf,
		     size_t n, uint64_t *pos);

/* What a record shows and takes with an argument; under its component's guard. -EINVAL: it has no such function. */
[[nodiscard]] int node_file_show(const struct node_file *file, void *arg, struct text_buffer *b);
long node_file_write(const struct node_file *file, void *arg, const char *text, size_t n);

/* A number in decimal, white space around it. -EINVAL. (knob.c) */
[[nodiscard]] int knob_parse(const char *text, size_t n, int64_t *out);
int knob_show(struct text_buffer *b, const struct proc_knob *k);
/* Bytes taken, -EINVAL, -EPERM. */
long knob_write(const char *text, size_t n, const struct proc_knob *k);

#endif
