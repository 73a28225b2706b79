/* SPDX-License-Identifier: MIT */
/* The nucleus's polled console on aarch64; log.h has the rest of it. */
#ifndef ARCH_CONSOLE_H
#define ARCH_CONSOLE_H

/* The platform's console is known, and its registers are here: prints what was kept until now. */
void console_start(volatile void *uart);
bool console_started(void);
/* Boot ends before that: finds the console and prints there, from whatever view the loader made. Once, and then only
 * psci_end. */
void console_last_words(void);

#endif
