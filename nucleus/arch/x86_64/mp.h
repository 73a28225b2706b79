/* SPDX-License-Identifier: MIT */
/* What starting CPUs (boot/mp.c) is on x86_64: they are taken to be alike, and wait in a loop. */
#ifndef ARCH_MP_H
#define ARCH_MP_H

#include "regs.h"
#include <boot/limine_protocol.h>

#define mp_response limine_mp_response_x86_64
#define mp_info	    limine_mp_info_x86_64
#define MP_ID	    "APIC id"

struct mp_identity {
	char none;
};

static inline uint64_t mp_own_id(const volatile struct mp_response *response)
{
	return response ? response->bsp_lapic_id : 0;
}
static inline uint64_t mp_hardware_id(const struct mp_info *info)
{
	return info->lapic_id;
}
static inline void mp_identify(struct mp_identity *)
{
}
static inline const char *mp_lacking(const struct mp_identity *)
{
	return nullptr;
}
static inline void mp_wait(void)
{
	cpu_relax();
}
static inline void mp_wake(void)
{
}
[[noreturn]] static inline void mp_stay_off(void)
{
	cpu_halt_forever();
}

#endif
