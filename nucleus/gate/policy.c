/* SPDX-License-Identifier: MIT */
/* Who may elevate (policy.h). Lock: the nucleus lock for changes. */
#include "gate/policy.h"
#include "gate/calls.h"
#include "gate/lock.h"
#include <abi/errno.h>

static struct account_component accounts[COMPONENTS_MAX];
static uint64_t rights[KEEPS_DEVICES + 1]; /* bit n: component n */
static bool sealed;

bool policy_allows(enum policy_right right, uint32_t component)
{
	return component < COMPONENTS_MAX && (rights[right] >> component & 1);
}

struct account_component *policy_account(uint32_t component)
{
	return &accounts[component < COMPONENTS_MAX ? component : 0];
}

long call_components_seal(uint64_t elevate, uint64_t claim, uint64_t keep)
{
	NUCLEUS_LOCKED;
	if (sealed)
		return -EPERM;
	sealed = true;
	rights[MAY_ELEVATE] = elevate & ~UINT64_C(1);
	rights[MAY_CLAIM] = claim & ~UINT64_C(1);
	rights[KEEPS_DEVICES] = keep & ~UINT64_C(1);
	return 0;
}
