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

bool policy_may_elevate(uint32_t component);
bool policy_may_claim(uint32_t component);     /* devices for itself */
bool policy_keeps_devices(uint32_t component); /* finds them, and takes them back from others */
struct account_component *policy_account(uint32_t component);

#endif
