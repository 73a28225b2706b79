/* SPDX-License-Identifier: MIT */
/* Who may elevate (policy.h). Lock: the nucleus lock for changes. */
#include "gate/policy.h"
#include "gate/calls.h"
#include "gate/lock.h"
#include <abi/errno.h>

static struct account_component accounts[COMPONENTS_MAX];
static uint64_t may_elevate; /* bit n: component n */
static bool sealed;

bool policy_may_elevate(uint32_t component)
{
	return component < COMPONENTS_MAX && (may_elevate >> component & 1);
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
