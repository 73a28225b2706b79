/* SPDX-License-Identifier: MIT */
/* Where the entry code that counts finds the counts; for assembly too. */
#ifndef NUCLEUS_ACCOUNT_OFFSETS_H
#define NUCLEUS_ACCOUNT_OFFSETS_H

/* struct account_cpu, struct account_component */
#define COUNT_ELEVATE	       0x00
#define COUNT_NUCLEUS_CALL     0x08
#define COUNT_SYSCALL	       0x10
#define COUNT_EXIT	       0x18
#define COUNT_VIEW_SWITCH      0x30
#define COUNT_LOWERED	       0x40
#define COUNT_ELEVATED	       0x48
#define COUNT_NUCLEUS	       0x50
#define COUNT_USER	       0x58
#define COMPONENT_ELEVATE      0x00
#define COMPONENT_NUCLEUS_CALL 0x08
#define COMPONENT_LOWERED      0x18
#define COMPONENT_ELEVATED     0x20

#ifndef __ASSEMBLER__
#include <nucleus/thread_page.h>
#include <stddef.h>

static_assert(offsetof(struct account_cpu, elevate) == COUNT_ELEVATE &&
	      offsetof(struct account_cpu, nucleus_call) == COUNT_NUCLEUS_CALL);
static_assert(offsetof(struct account_cpu, syscall) == COUNT_SYSCALL &&
	      offsetof(struct account_cpu, exit) == COUNT_EXIT);
static_assert(offsetof(struct account_cpu, view_switch) == COUNT_VIEW_SWITCH &&
	      offsetof(struct account_cpu, lowered_ticks) == COUNT_LOWERED);
static_assert(offsetof(struct account_cpu, elevated_ticks) == COUNT_ELEVATED &&
	      offsetof(struct account_cpu, nucleus_ticks) == COUNT_NUCLEUS);
static_assert(offsetof(struct account_cpu, user_ticks) == COUNT_USER);
static_assert(offsetof(struct account_component, elevate) == COMPONENT_ELEVATE &&
	      offsetof(struct account_component, nucleus_call) == COMPONENT_NUCLEUS_CALL);
static_assert(offsetof(struct account_component, lowered_ticks) == COMPONENT_LOWERED &&
	      offsetof(struct account_component, elevated_ticks) == COMPONENT_ELEVATED);
#endif

#endif
