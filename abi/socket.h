/* SPDX-License-Identifier: MIT */
/* Numbers and structures of socket(2), socket(7), unix(7), send(2), recv(2) and cmsg(3), as in Linux's ABI. */
#ifndef ABI_SOCKET_H
#define ABI_SOCKET_H

#include <stdint.h>

enum : int { AF_UNSPEC = 0, AF_UNIX = 1, AF_FAMILY_END = 46 };
enum : uint32_t {
	SOCK_STREAM = 1,
	SOCK_DGRAM = 2,
	SOCK_RAW = 3,
	SOCK_SEQPACKET = 5,
	SOCK_TYPE_END = 11,
	SOCK_TYPE_MASK = 0xf
};

enum : uint32_t {
	MSG_OOB = 1,
	MSG_PEEK = 2,
	MSG_DONTROUTE = 4,
	MSG_CTRUNC = 8,
	MSG_TRUNC = 0x20,
	MSG_DONTWAIT = 0x40,
	MSG_EOR = 0x80,
	MSG_WAITALL = 0x100,
	MSG_CONFIRM = 0x800,
	MSG_ERRQUEUE = 0x2000,
	MSG_NOSIGNAL = 0x4000,
	MSG_MORE = 0x8000,
	MSG_WAITFORONE = 0x10000,
	MSG_CMSG_CLOEXEC = 0x40000000,
	MSG_CMSG_COMPAT = 0x80000000,
};

enum : int { SHUT_RD = 0, SHUT_WR = 1, SHUT_RDWR = 2 };

enum : int { SOL_SOCKET = 1 };
enum : int {
	SO_DEBUG = 1,
	SO_REUSEADDR = 2,
	SO_TYPE = 3,
	SO_ERROR = 4,
	SO_DONTROUTE = 5,
	SO_BROADCAST = 6,
	SO_SNDBUF = 7,
	SO_RCVBUF = 8,
	SO_KEEPALIVE = 9,
	SO_OOBINLINE = 10,
	SO_PRIORITY = 12,
	SO_LINGER = 13,
	SO_REUSEPORT = 15,
	SO_PASSCRED = 16,
	SO_PEERCRED = 17,
	SO_RCVLOWAT = 18,
	SO_SNDLOWAT = 19,
	SO_RCVTIMEO = 20,
	SO_SNDTIMEO = 21,
	SO_BINDTODEVICE = 25,
	SO_ATTACH_FILTER = 26,
	SO_DETACH_FILTER = 27,
	SO_ACCEPTCONN = 30,
	SO_SNDBUFFORCE = 32,
	SO_RCVBUFFORCE = 33,
	SO_PROTOCOL = 38,
	SO_DOMAIN = 39,
	SO_PEEK_OFF = 42,
	SO_LOCK_FILTER = 44,
	SO_COOKIE = 57,
	SO_PEERGROUPS = 59,
	SO_RCVTIMEO_NEW = 66,
	SO_SNDTIMEO_NEW = 67,
};

enum : int { SCM_RIGHTS = 1, SCM_CREDENTIALS = 2 };
enum : uint32_t { SCM_RIGHTS_MAX = 253 };

constexpr uint32_t SOCKET_ADDRESS_MAX = 128; /* struct sockaddr_storage */
constexpr uint32_t UNIX_PATH_MAX = 108;
struct sockaddr_un {
	uint16_t family;
	char path[UNIX_PATH_MAX];
};
constexpr uint32_t UNIX_PATH_AT = 2;

struct ucred {
	uint32_t pid, uid, gid;
};
struct linger {
	int32_t on, seconds;
};
/* With 64-bit pointers, as processes have it. */
struct msghdr {
	uint64_t name;
	uint32_t name_length, pad0;
	uint64_t vector, vector_count;
	uint64_t control, control_length;
	uint32_t flags, pad1;
};
static_assert(sizeof(struct msghdr) == 56);
struct mmsghdr {
	struct msghdr header;
	uint32_t length, pad;
};
static_assert(sizeof(struct mmsghdr) == 64);
struct cmsghdr {
	uint64_t length; /* with the header */
	int32_t level, type;
};
static_assert(sizeof(struct cmsghdr) == 16);

#endif
