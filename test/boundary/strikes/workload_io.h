/* SPDX-License-Identifier: MIT */
/* Operations of the workload that workload.c lists (workload.h says what an operation is). */
#pragma once

#include "workload.h"

bool use_screen(void), map_screen(void), is_screen_up(void);
bool use_text_console(void);
bool use_input(void), use_virtio_lamps(void), use_pc_lamps(void);
bool use_network(void), use_loopback(void), use_packets(void), use_netlink(void);
bool use_usb_lamps(void), is_usb_up(void);
bool use_message_queue(void), use_semaphores(void), use_segment(void);
/* Notes how many devices each driver has; the most that was seen counts. For the process that starts the others. */
void drivers_remember(void);
/* All devices of the driver that are not absent have it, and are as many as there were. */
bool drivers_are_up(const char *driver);
