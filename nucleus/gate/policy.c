/* SPDX-License-Identifier: MIT */
/* Who may elevate, and whose code is whose (policy.h). Lock: the nucleus lock for changes. */
#include "gate/policy.h"
#include "boot/boot.h"
#include "boot/image.h"
#include "gate/calls.h"
#include "gate/lock.h"
#include "mmu/mmu.h"
#include <abi/errno.h>
#include <nucleus/component.h>

static struct account_component accounts[COMPONENTS_MAX];
static uint64_t may_elevate; /* bit n: component n */
static bool sealed;

bool policy_may_elevate(uint32_t component)
{
	return component < COMPONENTS_MAX && (may_elevate >> component & 1);
}

/* Entry `number` of the image's table, by the direct map, which every report has; nullptr: there is none. */
static const struct component_body *body(uint32_t number)
{
	struct image_range table = image_header()->components;
	uint64_t at = table.start + (number - 1) * sizeof(struct component_body);

	return number && image_range_has(table, at) ? direct_map(boot_state.kernel_phys + (at - IMAGE_BASE)) : nullptr;
}

const char *policy_component_name(uint32_t component)
{
	const struct component_body *b = body(component);

	return b ? b->name : component ? "?" : "kernel";
}

uint32_t policy_component_at(uint64_t pc)
{
	const struct component_body *b;

	for (uint32_t number = 1; (b = body(number)) != nullptr; number++) {
		if (pc >= b->text.start && pc < b->text.end)
			return number;
	}
	return 0;
}

struct account_component *policy_account(uint32_t component)
{
	return &accounts[component < COMPONENTS_MAX ? component : 0];
}

long call_components_seal(uint64_t mask)
{
	long result = -EPERM;

	nucleus_lock_acquire();
	if (!sealed) {
		sealed = true;
		may_elevate = mask & ~UINT64_C(1);
		result = 0;
	}
	nucleus_lock_release();
	return result;
}
