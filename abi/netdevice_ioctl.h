/* SPDX-License-Identifier: MIT */
/* What ioctl(2) asks of interfaces and routes (netdevice(7)), as in Linux's ABI. */
#ifndef ABI_NETDEVICE_IOCTL_H
#define ABI_NETDEVICE_IOCTL_H

#include <abi/inet.h>
#include <abi/netdevice.h>

enum : uint32_t {
	SIOCADDRT = 0x890b,
	SIOCDELRT = 0x890c,
	SIOCGIFNAME = 0x8910,
	SIOCGIFCONF = 0x8912,
	SIOCGIFFLAGS = 0x8913,
	SIOCSIFFLAGS = 0x8914,
	SIOCGIFADDR = 0x8915,
	SIOCSIFADDR = 0x8916,
	SIOCGIFDSTADDR = 0x8917,
	SIOCGIFBRDADDR = 0x8919,
	SIOCSIFBRDADDR = 0x891a,
	SIOCGIFNETMASK = 0x891b,
	SIOCSIFNETMASK = 0x891c,
	SIOCGIFMETRIC = 0x891d,
	SIOCGIFMTU = 0x8921,
	SIOCSIFMTU = 0x8922,
	SIOCGIFHWADDR = 0x8927,
	SIOCGIFINDEX = 0x8933,
	SIOCGIFTXQLEN = 0x8942,
	SIOCGIFMAP = 0x8970,
};
enum : uint16_t { RTF_UP = 1, RTF_GATEWAY = 2, RTF_HOST = 4 };

constexpr uint32_t IFNAMSIZ = 16;
constexpr uint32_t IFCONF_MAX = 64;
union ifreq_value {
	struct sockaddr_in address;
	struct {
		uint16_t family;
		uint8_t bytes[14];
	} hardware;
	uint16_t flags;
	int32_t number;
	uint64_t words[3];
};
struct ifreq {
	char name[IFNAMSIZ];
	union ifreq_value value;
};
static_assert(sizeof(struct ifreq) == 40);
struct ifconf {
	int32_t length, pad;
	uint64_t at;
};
struct rtentry {
	uint64_t pad1;
	struct sockaddr_in to, gateway, mask;
	uint16_t flags;
	int16_t pad2;
	uint64_t pad3;
	uint8_t tos, class;
	int16_t pad4[3];
	int16_t metric; /* and one */
	uint64_t device;
	uint64_t mtu, window;
	uint16_t irtt;
};
static_assert(sizeof(struct rtentry) == 120);

#endif
