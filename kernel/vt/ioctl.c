/* SPDX-License-Identifier: MIT */
/*
 * What programs ask of text consoles beyond what they ask of terminals (ioctl_console(2)). Changes are for who has the
 * terminal as his own, or CAP_SYS_TTY_CONFIG.
 */
#include "vt.h"

#include "kernel/tty/tty_internal.h"

#include <abi/errno.h>
#include <abi/vt.h>
#include <kernel/base/subject.h>
#include <kernel/process/process.h>
#include <kernel/vm/user.h>
#include <lib/types.h>

constexpr uint64_t LAMPS = 7;

static bool may_change(const struct tty *t)
{
	return process_current()->tty == t || capable(CAP_SYS_TTY_CONFIG);
}

static bool is_used(struct vt *v)
{
	mutex_lock(&v->tty->lock);
	bool used = v->tty->opens > 0;
	mutex_unlock(&v->tty->lock);
	return used;
}

static long query_free(user_addr at)
{
	int32_t number = -1;

	for (unsigned i = 0; i < VT_COUNT && number < 0; i++) {
		if (!is_used(&vts[i]))
			number = (int32_t)i + 1;
	}
	return put_user(at, number);
}

static long get_state(user_addr at)
{
	struct vt_stat s = {.v_state = 1};

	for (unsigned i = 0; i < VT_COUNT; i++)
		s.v_state |= is_used(&vts[i]) ? (uint16_t)(2u << i) : 0;
	mutex_lock(&vt_lock);
	s.v_active = (uint16_t)vt_front()->number;
	mutex_unlock(&vt_lock);
	return put_user(at, s);
}

static long get_mode(struct vt *v, user_addr at)
{
	struct vt_mode m;

	mutex_lock(&vt_lock);
	m = (struct vt_mode){.mode = v->switch_mode,
			     .waitv = v->wait_mode,
			     .relsig = v->release_signal,
			     .acqsig = v->acquire_signal};
	mutex_unlock(&vt_lock);
	return put_user(at, m);
}

static long set_mode(struct vt *v, user_addr at)
{
	struct vt_mode m;

	if (get_user(m, at) < 0)
		return -EFAULT;
	if (m.mode != VT_AUTO && m.mode != VT_PROCESS)
		return -EINVAL;
	mutex_lock(&vt_lock);
	v->switch_mode = m.mode;
	v->wait_mode = m.waitv;
	v->release_signal = m.mode == VT_PROCESS ? m.relsig : 0;
	v->acquire_signal = m.mode == VT_PROCESS ? m.acqsig : 0;
	v->owner = m.mode == VT_PROCESS ? process_current()->pid : 0;
	v->owner_born_ns = process_current()->start_ns;
	mutex_unlock(&vt_lock);
	return 0;
}

static struct vt *numbered(uint64_t number)
{
	return number >= 1 && number <= VT_COUNT ? &vts[number - 1] : nullptr;
}

static long activate(uint64_t number)
{
	struct vt *v = numbered(number);

	if (v == nullptr)
		return -ENXIO;
	mutex_lock(&vt_lock);
	vt_activate(v);
	mutex_unlock(&vt_lock);
	return 0;
}

static long wait_active(uint64_t number)
{
	struct vt *v = numbered(number);

	return v == nullptr ? -ENXIO : vt_wait_active(v);
}

static long released(struct vt *v, uint64_t how)
{
	mutex_lock(&vt_lock);
	long result = v->switch_mode != VT_PROCESS ? -EINVAL : how == VT_ACKACQ ? 0 : vt_released(v, how != 0);
	mutex_unlock(&vt_lock);
	return result;
}

/* Frees what an unused one keeps. */
static long drop(struct vt *v)
{
	long result = -EBUSY;

	if (is_used(v))
		return result;
	mutex_lock(&vt_lock);
	if (v != vt_front()) {
		term_drop(v);
		result = 0;
	}
	mutex_unlock(&vt_lock);
	return result;
}

static long disallocate(uint64_t number)
{
	struct vt *v = numbered(number);

	if (number != 0)
		return v == nullptr ? -ENXIO : drop(v);
	for (unsigned i = 0; i < VT_COUNT; i++)
		(void)drop(&vts[i]);
	return 0;
}

static long set_graphics(struct vt *v, uint64_t how)
{
	if (how != KD_TEXT && how != KD_GRAPHICS)
		return -EINVAL;
	mutex_lock(&vt_lock);
	bool was = v->graphics;
	v->graphics = how == KD_GRAPHICS;
	if (was && !v->graphics && v == vt_front())
		vt_text_again();
	mutex_unlock(&vt_lock);
	vt_wake();
	return 0;
}

static long set_keyboard(struct vt *v, uint64_t how)
{
	if (how > K_OFF || how == K_RAW) /* scan codes of a PC's keyboard: no device has them any more */
		return -EINVAL;
	mutex_lock(&vt_lock);
	v->keyboard_mode = (int)how;
	mutex_unlock(&vt_lock);
	return 0;
}

static long set_lamps(struct vt *v, uint64_t lamps)
{
	if (lamps & ~LAMPS)
		return -EINVAL;
	mutex_lock(&vt_lock);
	v->flags = (uint32_t)lamps;
	mutex_unlock(&vt_lock);
	return 0;
}

static long query(struct vt *v, uint32_t command, user_addr at)
{
	uint8_t type = KB_101;

	mutex_lock(&vt_lock);
	int32_t shown = v->graphics ? KD_GRAPHICS : KD_TEXT, keyboard = v->keyboard_mode;
	uint8_t lamps = (uint8_t)v->flags;
	mutex_unlock(&vt_lock);
	switch (command) {
	case KDGETMODE: return put_user(at, shown);
	case KDGKBTYPE: return put_user(at, type);
	case KDGKBMODE: return put_user(at, keyboard);
	case KDGETLED:
	case KDGKBLED: return put_user(at, lamps);
	case VT_OPENQRY: return query_free(at);
	case VT_GETMODE: return get_mode(v, at);
	case VT_GETSTATE: return get_state(at);
	default: return -ENOTTY;
	}
}

long vt_ioctl(struct tty *t, uint32_t command, uint64_t arg)
{
	struct vt *v = vt_of(t);
	long result = query(v, command, USER_ADDR(arg));

	if (result != -ENOTTY)
		return result;
	switch (command) {
	case KIOCSOUND:
	case KDMKTONE:
	case KDSETMODE:
	case KDSKBMODE:
	case KDSETLED:
	case KDSKBLED:
	case VT_SETMODE:
	case VT_RELDISP:
	case VT_ACTIVATE:
	case VT_WAITACTIVE:
		if (!may_change(t))
			return -EPERM;
		break;
	case VT_DISALLOCATE: return disallocate(arg);
	default: return -ENOTTY;
	}
	switch (command) {
	case KDSETMODE: return set_graphics(v, arg);
	case KDSKBMODE: return set_keyboard(v, arg);
	case KDSETLED:
	case KDSKBLED: return set_lamps(v, arg);
	case VT_SETMODE: return set_mode(v, USER_ADDR(arg));
	case VT_RELDISP: return released(v, arg);
	case VT_ACTIVATE: return activate(arg);
	case VT_WAITACTIVE: return wait_active(arg);
	default: return 0; /* no loudspeaker */
	}
}
