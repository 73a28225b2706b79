/* SPDX-License-Identifier: MIT */
/* Numbers of network interfaces, as in Linux's ABI (netdevice(7)). */
#ifndef ABI_NETDEVICE_H
#define ABI_NETDEVICE_H

#include <stdint.h>

enum : uint32_t {
	IFF_UP = 1,
	IFF_BROADCAST = 2,
	IFF_LOOPBACK = 8,
	IFF_RUNNING = 0x40,
	IFF_PROMISC = 0x100,
	IFF_ALLMULTI = 0x200,
	IFF_MULTICAST = 0x1000,
	IFF_LOWER_UP = 0x10000,
};

#endif
