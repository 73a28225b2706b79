/* SPDX-License-Identifier: MIT */
/* The text consoles' terminals, which of them is in front, and the thread that does their work. */
#include "vt.h"

#include "kernel/thread/service.h"
#include "kernel/tty/tty_internal.h"

#include <abi/errno.h>
#include <kernel/base/clock.h>
#include <kernel/base/cmdline.h>
#include <kernel/base/log.h>
#include <kernel/vfs/vfs.h>
#include <lib/string.h>
#include <lib/types.h>

constexpr uint64_t FRAME_NS = 20'000'000;

struct mutex vt_lock = MUTEX_INIT(vt_lock, RANK_VT);
struct vt vts[VT_COUNT];
int vt_rows = 25, vt_columns = 80;
static struct vt *front GUARDED_BY(&vt_lock) = &vts[0];
static struct vt *wanted GUARDED_BY(&vt_lock); /* to be in front once the owner of the one that is has let go */
static struct video *screen GUARDED_BY(&vt_lock);
static bool screen_changed GUARDED_BY(&vt_lock);
static bool resized GUARDED_BY(&vt_lock); /* the terminals have yet to hear of it */
static struct wait_queue activated = WAIT_QUEUE_INIT(activated);
static bool made; /* of the one thread that sees the first screen */

struct vt *vt_of(const struct tty *t)
{
	return t->driver_data;
}

struct vt *vt_front(void)
{
	return front;
}

void vt_all_dirty(struct vt *v)
{
	for (int row = 0; v->dirty != nullptr && row < vt_rows; row++)
		v->dirty[row] = true;
}

void vt_text_again(void)
{
	screen_changed = true;
}

/* nullptr: there is none, or it is no more. */
static struct process *find_owner(const struct vt *v)
{
	struct process *p = v->owner != 0 ? process_find(v->owner) : nullptr;

	if (p != nullptr && (p->state >= PROCESS_ZOMBIE || p->start_ns != v->owner_born_ns)) {
		process_put(p);
		p = nullptr;
	}
	return p;
}

static void signal_owner(const struct vt *v, int signo)
{
	struct process *p = signo > 0 ? find_owner(v) : nullptr;

	if (p == nullptr)
		return;
	(void)signal_send_process(p, signo);
	process_put(p);
}

static bool owner_lives(const struct vt *v)
{
	struct process *p = find_owner(v);

	if (p != nullptr)
		process_put(p);
	return p != nullptr;
}

static void change(struct vt *v) REQUIRES(vt_lock)
{
	wanted = nullptr;
	front = v;
	(void)term_make(v);    /* without memory it shows nothing yet */
	screen_changed = true; /* a program may have drawn */
	signal_owner(v, v->acquire_signal);
	wait_wake_all(&activated);
	vt_wake();
}

void vt_activate(struct vt *v)
{
	if (v == front) {
		wanted = nullptr;
		return;
	}
	if (front->owner != 0 && owner_lives(front)) {
		wanted = v;
		signal_owner(front, front->release_signal);
		return;
	}
	front->owner = 0;
	change(v);
}

int vt_released(struct vt *v, bool may)
{
	if (v != front || wanted == nullptr)
		return -EINVAL;
	if (may)
		change(wanted);
	wanted = nullptr;
	return 0;
}

static bool is_front(struct vt *v)
{
	mutex_lock(&vt_lock);
	bool is = v == front;
	mutex_unlock(&vt_lock);
	return is;
}

int vt_wait_active(struct vt *v)
{
	return wait_event_interruptible(&activated, is_front(v));
}

/* Has the terminal act on some of what was written. False: there was nothing. */
static bool take_output(struct vt *v)
{
	char bytes[TTY_CHUNK], reply[VT_REPLY_MAX];
	size_t n = tty_take_output(v->tty, bytes, sizeof(bytes)), replied = 0;

	if (n == 0)
		return false;
	mutex_lock(&vt_lock);
	if (term_make(v) == 0) {
		term_write(v, bytes, n);
		replied = v->reply_count;
		memcpy(reply, v->reply, replied);
		v->reply_count = 0;
	}
	mutex_unlock(&vt_lock);
	if (replied > 0)
		tty_input(v->tty, reply, replied);
	return true;
}

static void set_size(struct vt *v, struct winsize size)
{
	struct tty *t = v->tty;

	mutex_lock(&t->lock);
	bool changed = memcmp(&t->size, &size, sizeof(size)) != 0;
	t->size = size;
	mutex_unlock(&t->lock);
	if (changed)
		tty_signal_foreground(t, SIGWINCH);
}

static void tell_sizes(void)
{
	struct winsize size;

	mutex_lock(&vt_lock);
	size = (struct winsize){.ws_row = (uint16_t)vt_rows,
				.ws_col = (uint16_t)vt_columns,
				.ws_xpixel = (uint16_t)(vt_columns * FONT_WIDTH),
				.ws_ypixel = (uint16_t)(vt_rows * FONT_HEIGHT)};
	bool tell = resized;
	resized = false;
	mutex_unlock(&vt_lock);
	for (unsigned i = 0; tell && i < VT_COUNT; i++)
		set_size(&vts[i], size);
}

static void use_screen(void) REQUIRES(vt_lock)
{
	bool changed;

	if (!screen_changed || front->graphics) /* a program's picture stays */
		return;
	screen_changed = false;
	for (unsigned i = 0; i < VT_COUNT; i++)
		vts[i].back = 0;
	paint_use(screen, &changed);
	/* Also those that a fault kept from it when the size changed. */
	for (unsigned i = 0; i < VT_COUNT; i++)
		term_resize(&vts[i]);
	resized = resized || changed;
	(void)term_make(front);
	vt_all_dirty(front);
}

static void show(void)
{
	mutex_lock(&vt_lock);
	use_screen();
	paint(front);
	mutex_unlock(&vt_lock);
	tell_sizes();
}

static void loop(void)
{
	uint64_t next_ns = 0;

	for (;;) {
		bool worked = false;

		for (unsigned i = 0; i < VT_COUNT; i++)
			worked = take_output(&vts[i]) || worked;
		if (!worked || clock_monotonic_ns() >= next_ns) {
			show();
			next_ns = clock_monotonic_ns() + FRAME_NS;
		}
		if (worked ? thread_should_stop() : service_park(0))
			return;
	}
}

/* What libvterm was in the middle of may be anything, and so may be what the screen shows. */
static void mend(void)
{
	mutex_lock(&vt_lock);
	for (unsigned i = 0; i < VT_COUNT; i++) {
		if (vts[i].busy)
			term_abandon(&vts[i]);
	}
	screen_changed = true;
	resized = true;
	mutex_unlock(&vt_lock);
}

static struct service worker = {.name = "vt", .component = &component_vt, .loop = loop, .mend = mend};

void vt_wake(void)
{
	service_wake(&worker);
}

static void start_output(struct tty *)
{
	service_wake(&worker);
}

static const struct tty_driver driver = {
	.component = &component_vt, .start_output = start_output, .is_screen = true, .ioctl = vt_ioctl};

static int open_front(struct file *f)
{
	mutex_lock(&vt_lock);
	struct tty *t = front->tty;
	mutex_unlock(&vt_lock);
	return tty_file_open(f, t, false);
}

static struct file_ops front_ops; /* tty_file_ops but for open */

/* When the first screen is there. */
static int make_terminals(void)
{
	static struct class_entry entries[VT_COUNT + 1];
	char name[16], console[32];
	int error = 0;

	if (cmdline_get("console", console, sizeof(console)) == nullptr)
		console[0] = '\0';
	for (unsigned i = 0; error == 0 && i < VT_COUNT; i++) {
		vts[i].number = i + 1;
		vts[i].cursor_visible = true;
		vts[i].keyboard_mode = 3; /* K_UNICODE */
		snprintf(name, sizeof(name), "tty%u", i + 1);
		error = tty_create(name, VT_MAJOR, i + 1, &driver, &vts[i], &vts[i].tty);
		if (error == 0)
			tty_show(&entries[i], nullptr, name, VT_MAJOR, i + 1);
	}
	if (error == 0) {
		front_ops = tty_file_ops;
		front_ops.open = open_front;
		error = chrdev_register("tty0", VT_MAJOR, 0, 0620, &front_ops, nullptr);
	}
	if (error == 0) {
		tty_show(&entries[VT_COUNT], nullptr, "tty0", VT_MAJOR, 0);
		error = vcs_start();
	}
	if (error == 0)
		error = service_start(&worker);
	if (error == 0 && strcmp(console, "tty0") == 0)
		tty_set_console(vts[0].tty);
	return error;
}

static struct mutex making = MUTEX_INIT(making, RANK_NONE);

/* The consoles are on the first screen that there is. */
static void screen_event(struct video *v, enum video_change what)
{
	mutex_lock(&making);
	if (!made && what == VIDEO_NEW) {
		int error = make_terminals();

		if (error < 0)
			log_error("vt: no text consoles: error %d", -error);
		made = true;
	}
	mutex_unlock(&making);
	mutex_lock(&vt_lock);
	if (screen == nullptr && what == VIDEO_NEW)
		screen = v;
	if (screen == v) {
		screen_changed = true;
		if (what == VIDEO_GONE)
			screen = nullptr;
	}
	mutex_unlock(&vt_lock);
	vt_wake();
}

static int start(void)
{
	video_set_user(screen_event);
	return 0;
}
COMPONENT_START(vt, start);

DEFINE_COMPONENT(vt, .stage = STAGE_BUS,
		 .users = "the text console that it was at begins anew, empty; its programs and what waits stay");
