/* SPDX-License-Identifier: MIT */
/*
 * The terminal line discipline as a pure state machine: bytes of the keyboard go in, bytes for
 * programs come out, and the echo and the output of programs, processed, collect in an output queue
 * (POSIX.1-2017 XBD 11; Linux termios(3)). No locks, no allocation, no waiting: the caller
 * serialises and does what the returned events say.
 */
#ifndef TTY_LINE_H
#define TTY_LINE_H

#include <abi/termios.h>
#include <stddef.h>

constexpr size_t LINE_QUEUE_BYTES = 4096;

/* What the caller has to do after line_input; a set of bits. */
enum line_event : unsigned {
	LINE_READABLE = 1,  /* readers may go on */
	LINE_OUTPUT = 2,    /* the output queue has bytes, or output was resumed */
	LINE_INTERRUPT = 4, /* signals for the foreground group */
	LINE_QUIT = 8,
	LINE_SUSPEND = 16,
	LINE_FLUSHED = 32, /* writers have room again */
};

struct line {
	struct termios termios;
	/* Free-running positions in the input ring: read <= canon <= end. [read, canon) are
	 * complete lines. */
	uint32_t read, canon, end;
	/* Output ring: sent <= queued. */
	uint32_t sent, queued;
	uint32_t column;       /* of the output */
	uint32_t canon_column; /* where the line being edited began */
	bool literal;	       /* LNEXT was typed */
	bool stopped;	       /* output, by STOP */
	bool erasing;	       /* inside an ECHOPRT \.../ section */
	bool peer_stopped;     /* IXOFF: STOP was sent */
	unsigned char input[LINE_QUEUE_BYTES];
	unsigned char output[LINE_QUEUE_BYTES];
	uint8_t line_end[LINE_QUEUE_BYTES / 8];	   /* a line ends with this byte */
	uint8_t end_of_file[LINE_QUEUE_BYTES / 8]; /* the byte is an EOF mark, not data */
};

void line_init(struct line *l);
void line_set_termios(struct line *l, const struct termios *t);

/* A byte from the keyboard; events. */
unsigned line_input(struct line *l, unsigned char c);
/* A break condition on the wire; events. */
unsigned line_break(struct line *l);
/* How many more bytes the discipline can take without losing one; SIZE_MAX when what does not fit
 * is to be dropped. */
size_t line_input_room(const struct line *l);

/* Whether a read would get something now, or the end of file. */
bool line_readable(const struct line *l);
size_t line_input_count(const struct line *l); /* bytes a read could get */
/* Takes at most n bytes; *done: the read is complete (end of a line or of the file), else more may
 * follow. */
size_t line_read(struct line *l, void *bytes, size_t n, bool *done);

/* Processes output of a program; the number of bytes taken, fewer when the queue is full. */
size_t line_write(struct line *l, const void *bytes, size_t n);
size_t line_output_room(const struct line *l);
size_t line_output_count(const struct line *l);
/* For the driver: up to n bytes to send; none while stopped. */
size_t line_take_output(struct line *l, void *bytes, size_t n);

void line_flush_input(struct line *l);
void line_flush_output(struct line *l);

#endif
