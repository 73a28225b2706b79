/* SPDX-License-Identifier: MIT */
/* Who may elevate (policy.h). Lock: the nucleus lock for changes. */
#include "gate/policy.h"
#include "gate/calls.h"
#include "gate/lock.h"
#include <abi/errno.h>

static struct account_component accounts[COMPONENTS_MAX];
static uint64_t may_elevate, may_claim, keeps_devices; /* bit n: component n */
static bool sealed;

bool policy_may_elevate(uint32_t component)
{
	return component < COMPONENTS_MAX && (may_elevate >> component & 1);
}

bool policy_may_claim(uint32_t component)
{
	return component < COMPONENTS_MAX && (may_claim >> component & 1);
}

bool policy_keeps_devices(uint32_t component)
{
	return component < COMPONENTS_MAX && (keeps_devices >> component & 1);
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
	may_elevate = elevate & ~UINT64_C(1);
	may_claim = claim & ~UINT64_C(1);
	keeps_devices = keep & ~UINT64_C(1);
	return 0;
}
