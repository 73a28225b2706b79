/* SPDX-License-Identifier: MIT */
/* What the files of this floor share. */
#ifndef START_START_H
#define START_START_H

void privilege_init(void);

#endif
