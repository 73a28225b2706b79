/* SPDX-License-Identifier: MIT */
/* Who may elevate (policy.h). Lock: the nucleus lock for changes. */
#include "gate/policy.h"
#include "boot/cmdline.h"
#include "gate/calls.h"
#include "gate/lock.h"
#include <abi/errno.h>
#include <lib/string.h>

static struct {
	char name[16];
	bool registered, may_elevate;
} components[COMPONENTS_MAX] = {[0] = {.name = "kernel"}};
static struct account_component accounts[COMPONENTS_MAX];
static char allowed[256] = "all";
static bool somebody_named; /* by `allowed`, of those who asked so far */

void policy_init(const char *cmdline)
{
	if (!cmdline_value(cmdline, "elevate", allowed, sizeof(allowed)))
		strlcpy(allowed, "all", sizeof(allowed));
}

/* Whether name is one of the comma-separated words of `allowed`. */
static bool allows(const char *name)
{
	size_t n = strlen(name);

	if (!strcmp(allowed, "all"))
		return true;
	for (const char *p = allowed; *p;) {
		const char *comma = strchr(p, ',');
		size_t len = comma ? (size_t)(comma - p) : strlen(p);

		if (len == n && !memcmp(p, name, n))
			return true;
		p += len + (comma != nullptr);
	}
	return false;
}

/* A list in which nobody recognises himself is a slip of the keyboard, not a policy: then the default holds. The kernel
 * announces first whom the list names, whether they ask or not. `off` stays off. */
static bool grants(const char *name)
{
	if (allows(name))
		somebody_named = true;
	return allows(name) || (!somebody_named && strcmp(allowed, "off") != 0);
}

bool policy_may_elevate(uint32_t component)
{
	return component < COMPONENTS_MAX && components[component].may_elevate;
}

const char *policy_component_name(uint32_t component)
{
	return component < COMPONENTS_MAX ? components[component].name : "?";
}

struct account_component *policy_account(uint32_t component)
{
	return &accounts[component < COMPONENTS_MAX ? component : 0];
}

long call_component_register(uint32_t id, uint64_t low, uint64_t high, uint32_t asks)
{
	long result;

	if (!id || id >= COMPONENTS_MAX)
		return -EINVAL;
	nucleus_lock_acquire();
	if (components[id].registered) {
		/* Once given, name and right stay: a component cannot be talked into more. */
		result = -EEXIST;
	} else {
		memcpy(components[id].name, &low, 8);
		memcpy(components[id].name + 8, &high, 8);
		components[id].name[15] = '\0';
		components[id].registered = true;
		/* One that does not ask may still be whom the list names. */
		components[id].may_elevate = grants(components[id].name) && asks;
		result = components[id].may_elevate;
	}
	nucleus_lock_release();
	return result;
}
