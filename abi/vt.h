/* SPDX-License-Identifier: MIT */
/* Virtual terminals and the console's keyboard, as in Linux's ABI (linux/vt.h, linux/kd.h; ioctl_console(2)). */
#ifndef ABI_VT_H
#define ABI_VT_H

#include <stdint.h>

enum : uint32_t {
	KIOCSOUND = 0x4b2f,
	KDMKTONE = 0x4b30,
	KDGETLED = 0x4b31,
	KDSETLED = 0x4b32,
	KDGKBTYPE = 0x4b33,
	KDSETMODE = 0x4b3a,
	KDGETMODE = 0x4b3b,
	KDGKBMODE = 0x4b44,
	KDSKBMODE = 0x4b45,
	KDGKBLED = 0x4b64,
	KDSKBLED = 0x4b65,
	VT_OPENQRY = 0x5600,
	VT_GETMODE = 0x5601,
	VT_SETMODE = 0x5602,
	VT_GETSTATE = 0x5603,
	VT_RELDISP = 0x5605,
	VT_ACTIVATE = 0x5606,
	VT_WAITACTIVE = 0x5607,
	VT_DISALLOCATE = 0x5608,
};

enum : uint32_t { KD_TEXT = 0, KD_GRAPHICS = 1 };
enum : int32_t { K_RAW = 0, K_XLATE = 1, K_MEDIUMRAW = 2, K_UNICODE = 3, K_OFF = 4 };
enum : uint8_t { KB_101 = 2, VT_AUTO = 0, VT_PROCESS = 1 };
enum : uint64_t { VT_ACKACQ = 2 };

struct vt_mode {
	uint8_t mode, waitv;
	int16_t relsig, acqsig, frsig;
};
static_assert(sizeof(struct vt_mode) == 8);

struct vt_stat {
	uint16_t v_active, v_signal, v_state; /* v_state: bit n: the n-th is in use; bit 0 always */
};
static_assert(sizeof(struct vt_stat) == 6);

#endif
