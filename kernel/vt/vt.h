/* SPDX-License-Identifier: MIT */
/*
 * Text consoles on the screen: six terminals, /dev/tty1 … tty6, of which one is in front (console_codes(4), vt(4)).
 *
 *	vt.c       the terminals, which is in front, the thread that has the work done
 *	term.c     what a terminal shows: libvterm, which keeps the cells, and the lines that have scrolled off
 *	paint.c    cells to pixels
 *	ioctl.c    what programs ask: VT_* and KD* (ioctl_console(2))
 *	keyboard.c what keys say to the one in front
 *	vcs.c      /dev/vcsN: the cells as files (vcs(4))
 *
 * vt_lock guards all of it. The thread takes what was written from a terminal, has libvterm act on it, and brings the
 * screen up to date when there is no more, or when the picture is FRAME_NS old. A fault of it may have left a terminal
 * half changed: that one begins anew, empty.
 */
#ifndef VT_VT_H
#define VT_VT_H

#include <kernel/base/lock.h>
#include <kernel/thread/component.h>
#include <kernel/tty/tty.h>
#include <kernel/video/video.h>
#include <lib/vt_filter.h>
#include <vterm.h>

DECLARE_COMPONENT(vt);

constexpr unsigned VT_COUNT = 6;
constexpr uint32_t VT_MAJOR = 4, VCS_MAJOR = 7;
constexpr unsigned VT_HISTORY = 1000; /* lines of each terminal that have scrolled off */
constexpr size_t VT_REPLY_MAX = 256;

enum vt_attribute : uint16_t { VT_BOLD = 1, VT_UNDERLINE = 2, VT_STRIKE = 4, VT_CURSOR_LINE = 8, VT_CURSOR_BAR = 16 };
/* As it is to be seen: colours are 0xRRGGBB, reversed already. */
struct vt_cell {
	uint32_t character; /* 0: nothing; VT_WIDE_REST: the right half of the one before */
	uint32_t front, back;
	uint16_t attributes;
};
constexpr uint32_t VT_WIDE_REST = UINT32_MAX;

struct vt_line {
	unsigned columns;
	struct vt_cell cell[];
};

struct vt {
	struct tty *tty; /* nullptr: there was no screen so far */
	VTerm *term;	 /* nullptr: nobody has used it */
	VTermScreen *screen;
	bool *dirty;			     /* of each row */
	struct vt_line *history[VT_HISTORY]; /* a ring, the newest before history_next */
	size_t reply_count;
	unsigned number; /* from 1 */
	unsigned history_next, history_count;
	unsigned back; /* the view begins so many lines before the screen */
	VTermPos cursor;
	int cursor_shape, mouse;
	struct vt_filter filter;
	bool cursor_visible, alternate;
	bool busy;		  /* libvterm is at it: after a fault it may be half changed */
	char reply[VT_REPLY_MAX]; /* what it says to the program; of the thread alone */
	/* ioctl.c */
	bool graphics; /* KD_GRAPHICS: a program draws */
	int keyboard_mode;
	uint32_t flags; /* lamps */
	uint8_t switch_mode, wait_mode;
	int16_t release_signal, acquire_signal;
	uint32_t owner;		/* process of VT_PROCESS; 0: none */
	uint64_t owner_born_ns; /* tells it from a later one of the same number */
};

/* vt.c */
extern struct mutex vt_lock;
extern struct vt vts[VT_COUNT];
extern int vt_rows, vt_columns; /* of all; under vt_lock */
struct vt *vt_of(const struct tty *t);
/* The one in front. */
struct vt *vt_front(void) REQUIRES(vt_lock);
/* Brings it to the front. Of one in front that wants to be asked, its owner is. */
void vt_activate(struct vt *v) REQUIRES(vt_lock);
/* The owner of the one in front has said whether it may be changed. -EINVAL: nobody had asked. */
int vt_released(struct vt *v, bool may) REQUIRES(vt_lock);
/* The screen shows what a program drew, and is to show text. */
void vt_text_again(void) REQUIRES(vt_lock);
/* Waits until it is in front; -ERESTARTSYS. */
int vt_wait_active(struct vt *v) EXCLUDES(vt_lock);
/* The picture is to be looked at. Any context. */
void vt_wake(void);
void vt_all_dirty(struct vt *v) REQUIRES(vt_lock);

/* term.c. What libvterm is, if nobody has used the terminal so far. -ENOMEM. */
int term_make(struct vt *v) REQUIRES(vt_lock);
void term_drop(struct vt *v) REQUIRES(vt_lock);
/* After a fault: forgets it, without looking into it. */
void term_abandon(struct vt *v) REQUIRES(vt_lock);
void term_write(struct vt *v, const char *bytes, size_t n) REQUIRES(vt_lock);
void term_resize(struct vt *v) REQUIRES(vt_lock);
/* The row-th line of the view, counted from its top. */
void term_row(struct vt *v, int row, struct vt_cell *out) REQUIRES(vt_lock);
/* The cell of the screen itself. */
struct vt_cell term_cell(struct vt *v, int row, int column) REQUIRES(vt_lock);
/* Lines back (positive) or forth. */
void term_scroll(struct vt *v, int lines) REQUIRES(vt_lock);

/* paint.c */
/* The screen came, has another mode, or may have lost its picture; nullptr: there is none any more. *changed: other
 * numbers of rows and columns. */
void paint_use(struct video *screen, bool *changed) REQUIRES(vt_lock);
/* Brings the screen up to date. */
void paint(struct vt *v) REQUIRES(vt_lock);

/* font.c: 16 bytes, the leftmost pixel in bit 7; of a character that the font has not, its replacement. */
constexpr int FONT_WIDTH = 8, FONT_HEIGHT = 16;
const unsigned char *font_glyph(uint32_t character, bool bold);

/* ioctl.c */
long vt_ioctl(struct tty *t, uint32_t command, uint64_t arg);
/* vcs.c: the nodes. */
[[nodiscard]] int vcs_start(void);

#endif
