/* SPDX-License-Identifier: MIT */
/*
 * Hardware privilege as a capability of clang's thread-safety analysis: elevate() acquires it, lower() releases it
 * (arch/privilege.h), and what may sleep or enters the nucleus excludes it, so that none of it compiles inside a
 * bracket. The object exists only for the analysis.
 */
#ifndef NUCLEUS_PRIVILEGE_H
#define NUCLEUS_PRIVILEGE_H

#include <lib/annotate.h>

struct CAPABILITY("privilege") privilege {
	char none;
};
extern struct privilege privilege;

/* Behind the declaration of a function that may not be called in a bracket. */
#define NOT_ELEVATED EXCLUDES(privilege)

#endif
