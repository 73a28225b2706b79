/* SPDX-License-Identifier: MIT */
/* Words of the kernel command line that only this architecture knows, each followed by a comma: none. */
#ifndef ARCH_OPTIONS_H
#define ARCH_OPTIONS_H

#define ARCH_OPTIONS

#endif
