/* SPDX-License-Identifier: MIT */
/* The nucleus's polled console on aarch64; log.h has the rest of it. */
#ifndef ARCH_CONSOLE_H
#define ARCH_CONSOLE_H

/* The platform's console is known, in the kernel view: prints what was kept until now. */
void console_start(void);

#endif
