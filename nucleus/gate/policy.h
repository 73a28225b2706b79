/* SPDX-License-Identifier: MIT */
/*
 * Elevation policy. Lowered code reads the manifests and elevate= and says once which components may elevate, claim
 * devices and keep them; until then none may, and after that nothing changes it.
 */
#ifndef NUCLEUS_POLICY_H
#define NUCLEUS_POLICY_H

#include <nucleus/thread_page.h>
#include <stdint.h>

enum { COMPONENTS_MAX = 64 };

enum policy_right : uint8_t {
	MAY_ELEVATE,
	MAY_CLAIM,    /* devices for itself */
	KEEPS_DEVICES /* finds them, and takes them back from others */
};
bool policy_allows(enum policy_right right, uint32_t component);
struct account_component *policy_account(uint32_t component);

#endif
