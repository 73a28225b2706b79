/* SPDX-License-Identifier: MIT */
/*
 * Elevation policy. A component asks for the right in its manifest; the command line decides: elevate=all (default),
 * elevate=off, or elevate=name,name (all, if nobody is called that). The nucleus knows components by number and by the
 * name they announced, none by itself.
 */
#ifndef NUCLEUS_POLICY_H
#define NUCLEUS_POLICY_H

#include <nucleus/thread_page.h>
#include <stdint.h>

enum { COMPONENTS_MAX = 64 };

void policy_init(const char *cmdline);
bool policy_may_elevate(uint32_t component);
const char *policy_component_name(uint32_t component);
struct account_component *policy_account(uint32_t component);

#endif
