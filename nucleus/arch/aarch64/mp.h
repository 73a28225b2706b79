/* SPDX-License-Identifier: MIT */
/* What starting CPUs (boot/mp.c) is on aarch64, where they need not be alike (features.h). */
#ifndef ARCH_MP_H
#define ARCH_MP_H

#include "features.h"
#include "psci.h"
#include "regs.h"
#include <boot/limine_protocol.h>

#define mp_response limine_mp_response_aarch64
#define mp_info	    limine_mp_info_aarch64
#define MP_ID	    "MPIDR"

struct mp_identity {
	struct arm_id_registers registers;
};

/* The affinity part of MPIDR_EL1, as all that names CPUs. */
static inline uint64_t mp_own_id(const volatile struct mp_response *)
{
	return sysreg_read(mpidr_el1) & MPIDR_AFFINITY;
}
static inline uint64_t mp_hardware_id(const struct mp_info *info)
{
	return info->mpidr & MPIDR_AFFINITY;
}
static inline void mp_identify(struct mp_identity *i)
{
	features_identify(&i->registers);
}
static inline const char *mp_lacking(const struct mp_identity *i)
{
	return features_admit(&i->registers);
}
/* Until there is an event: it comes after what was stored, and is remembered if it comes before. */
static inline void mp_wait(void)
{
	__asm__ volatile("wfe" : : : "memory");
}
static inline void mp_wake(void)
{
	dsb_sy();
	__asm__ volatile("sev" : : : "memory");
}
[[noreturn]] static inline void mp_stay_off(void)
{
	psci_end(PSCI_CPU_OFF);
	cpu_halt_forever();
}

#endif
