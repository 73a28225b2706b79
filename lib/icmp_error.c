/* SPDX-License-Identifier: MIT */
/* lib/icmp_error.h */
#include <abi/errno.h>
#include <lib/icmp_error.h>
#include <lib/string.h>

enum : size_t { HEADER = 8, V4_LEAST = 20, V6_HEADER = 40, PORTS = 4 };
enum : uint8_t { V4_UNREACHABLE = 3, V4_EXCEEDED = 11, V4_PARAMETER = 12 };
enum : uint8_t { V6_UNREACHABLE = 1, V6_TOO_BIG = 2, V6_EXCEEDED = 3, V6_PARAMETER = 4 };

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void get_ports(const uint8_t *p, struct icmp_error *out)
{
	out->from_port = get16(p);
	out->to_port = get16(p + 2);
}

static void tell_place(const uint8_t *m, size_t header, struct icmp_error *out)
{
	out->type = m[0];
	out->code = m[1];
	out->inner = HEADER;
	out->behind = (uint16_t)(HEADER + header);
}

/* RFC 792, RFC 1122 (3.2.2.1), and what ip(7) makes of them. */
static void tell4(uint8_t type, uint8_t code, const uint8_t *m, struct icmp_error *out)
{
	static const struct {
		int error;
		bool is_final;
	} unreachable[] = {
		{-ENETUNREACH, false},	{-EHOSTUNREACH, false}, {-ENOPROTOOPT, true},  {-ECONNREFUSED, true},
		{-EMSGSIZE, false},	{-EOPNOTSUPP, false},	{-ENETUNREACH, true},  {-EHOSTUNREACH, true},
		{-EHOSTUNREACH, true},	{-ENETUNREACH, true},	{-EHOSTUNREACH, true}, {-ENETUNREACH, false},
		{-EHOSTUNREACH, false}, {-EHOSTUNREACH, true},	{-EHOSTUNREACH, true}, {-EHOSTUNREACH, true},
	};

	if (type == V4_UNREACHABLE) {
		bool known = code < sizeof(unreachable) / sizeof(unreachable[0]);

		out->error = known ? unreachable[code].error : -EHOSTUNREACH;
		out->is_final = known && unreachable[code].is_final;
		out->info = out->mtu = out->error == -EMSGSIZE ? get16(m + 6) : 0;
	} else {
		out->error = type == V4_EXCEEDED ? -EHOSTUNREACH : -EPROTO;
		out->is_final = type == V4_PARAMETER;
		out->info = type == V4_PARAMETER ? m[4] : 0;
	}
}

bool icmp4_error_parse(const void *message, size_t n, struct icmp_error *out)
{
	const uint8_t *m = message, *ip = m + HEADER;

	*out = (struct icmp_error){};
	if (n < HEADER + V4_LEAST + PORTS)
		return false;
	if (m[0] != V4_UNREACHABLE && m[0] != V4_EXCEEDED && m[0] != V4_PARAMETER)
		return false;
	size_t header = (size_t)(ip[0] & 0xf) * 4;
	if (ip[0] >> 4 != 4 || header < V4_LEAST || n < HEADER + header + PORTS)
		return false;
	if (get16(ip + 6) & 0x1fff) /* a fragment that is not the first has no ports */
		return false;
	tell4(m[0], m[1], m, out);
	out->protocol = ip[9];
	memcpy(out->from, ip + 12, 4);
	memcpy(out->to, ip + 16, 4);
	get_ports(ip + header, out);
	tell_place(m, header, out);
	return true;
}

bool icmp6_error_parse(const void *message, size_t n, struct icmp_error *out)
{
	const uint8_t *m = message, *ip = m + HEADER;

	*out = (struct icmp_error){};
	if (n < HEADER + V6_HEADER + PORTS || ip[0] >> 4 != 6)
		return false;
	switch (m[0]) {
	case V6_UNREACHABLE:
		out->error = m[1] == 0 ? -ENETUNREACH : m[1] == 4 ? -ECONNREFUSED : m[1] == 3 ? -EHOSTUNREACH : -EACCES;
		out->is_final = m[1] == 1 || m[1] >= 4;
		break;
	case V6_TOO_BIG:
		out->error = -EMSGSIZE;
		out->mtu = (uint32_t)get16(m + 4) << 16 | get16(m + 6);
		break;
	case V6_EXCEEDED: out->error = -EHOSTUNREACH; break;
	case V6_PARAMETER:
		out->error = -EPROTO;
		out->is_final = true;
		break;
	default: return false;
	}
	out->protocol = ip[6]; /* what stands behind extension headers is told by nobody */
	memcpy(out->from, ip + 8, 16);
	memcpy(out->to, ip + 24, 16);
	get_ports(ip + V6_HEADER, out);
	tell_place(m, V6_HEADER, out);
	out->info = (uint32_t)get16(m + 4) << 16 | get16(m + 6);
	return true;
}
