/* SPDX-License-Identifier: MIT */
/* Interfaces and routes of IP: netdevice(7), route(8), and what /proc/net tells of them. */
#include "inet_sockets.h"

#include <net/if.h>
#include <net/route.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

static struct ifreq ask(int fd, unsigned long command)
{
	struct ifreq r = {.ifr_name = "lo"};

	OK(ioctl(fd, command, &r));
	return r;
}

static uint32_t address_of(const struct sockaddr *a)
{
	EQUAL(a->sa_family, AF_INET);
	return ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr);
}

static void loopback_is_up(void)
{
	int fd = OK(socket(AF_INET, SOCK_DGRAM, 0));
	struct ifreq r = ask(fd, SIOCGIFFLAGS), nobody = {.ifr_name = "nobody0"};

	EQUAL(r.ifr_flags & (IFF_UP | IFF_LOOPBACK | IFF_RUNNING), IFF_UP | IFF_LOOPBACK | IFF_RUNNING);
	r = ask(fd, SIOCGIFADDR);
	EQUAL(address_of(&r.ifr_addr), INADDR_LOOPBACK);
	r = ask(fd, SIOCGIFNETMASK);
	EQUAL(address_of(&r.ifr_netmask), 0xff000000);
	r = ask(fd, SIOCGIFMTU);
	CHECK(r.ifr_mtu >= 1500);
	r = ask(fd, SIOCGIFHWADDR);
	EQUAL(r.ifr_hwaddr.sa_family, 772);
	r = ask(fd, SIOCGIFINDEX);
	EQUAL(r.ifr_ifindex, if_nametoindex("lo"));
	struct ifreq named = {.ifr_ifindex = r.ifr_ifindex};
	OK(ioctl(fd, SIOCGIFNAME, &named));
	CHECK(strcmp(named.ifr_name, "lo") == 0);
	FAILS(ENODEV, ioctl(fd, SIOCGIFADDR, &nobody));
	FAILS(EFAULT, ioctl(fd, SIOCGIFADDR, (void *)8));
}

static void all_are_listed(void)
{
	struct ifreq list[16];
	struct ifconf c = {.ifc_len = sizeof(list), .ifc_req = list};
	int fd = OK(socket(AF_INET, SOCK_STREAM, 0));
	bool found = false;

	OK(ioctl(fd, SIOCGIFCONF, &c));
	for (size_t n = 0; n < (size_t)c.ifc_len / sizeof(list[0]); n++)
		found |= strcmp(list[n].ifr_name, "lo") == 0 && address_of(&list[n].ifr_addr) == INADDR_LOOPBACK;
	CHECK(found);
	c.ifc_len = sizeof(list[0]) - 1;
	OK(ioctl(fd, SIOCGIFCONF, &c));
	EQUAL(c.ifc_len, 0);
}

static void changes_need_a_right(void)
{
	pid_t child = CHILD({
		struct ifreq r = {.ifr_name = "lo"};
		struct rtentry e = {};

		ktap_become(65534);
		int fd = OK(socket(AF_INET, SOCK_DGRAM, 0));
		FAILS(EPERM, ioctl(fd, SIOCSIFFLAGS, &r));
		FAILS(EPERM, ioctl(fd, SIOCADDRT, &e));
	});
	EXITS(child, 0);
}

static void set_address(struct sockaddr *a, const char *text)
{
	union inet_address in;

	inet_of_text(&in, text, 0);
	memcpy(a, &in.v4, sizeof(in.v4));
}

static void routes_come_and_go(void)
{
	struct rtentry e = {.rt_flags = RTF_UP, .rt_metric = 1, .rt_dev = "lo"};
	static char text[65536];
	int fd = OK(socket(AF_INET, SOCK_DGRAM, 0));

	set_address(&e.rt_dst, "198.51.100.0");
	set_address(&e.rt_genmask, "255.255.255.0");
	OK(ioctl(fd, SIOCADDRT, &e));
	FAILS(EEXIST, ioctl(fd, SIOCADDRT, &e));
	ktap_read_file("/proc/net/route", text, sizeof(text));
	CHECK(strstr(text, "lo\t006433C6\t00000000\t0001\t0\t0\t0\t00FFFFFF\t") != nullptr);
	OK(inet_connect(fd, "198.51.100.7", 9));
	OK(ioctl(fd, SIOCDELRT, &e));
	FAILS(ESRCH, ioctl(fd, SIOCDELRT, &e));
	ktap_read_file("/proc/net/route", text, sizeof(text));
	CHECK(strstr(text, "006433C6") == nullptr);
	set_address(&e.rt_genmask, "255.0.255.0");
	FAILS(EINVAL, ioctl(fd, SIOCADDRT, &e));
	e.rt_dev = "nobody0";
	set_address(&e.rt_genmask, "255.255.255.0");
	FAILS(ENODEV, ioctl(fd, SIOCADDRT, &e));
}

/* A line of a table of sockets with the local port, in the state. */
static bool is_listed(const char *path, uint16_t port, unsigned state)
{
	static char text[1 << 16];
	char wanted[16], *line, *at;

	snprintf(wanted, sizeof(wanted), ":%04X ", port);
	ktap_read_file(path, text, sizeof(text));
	for (line = strtok_r(text, "\n", &at); line != nullptr; line = strtok_r(nullptr, "\n", &at)) {
		char local[64], remote[64];
		unsigned found;

		if (sscanf(line, " %*[0-9]: %63s %63s %x", local, remote, &found) == 3 && found == state) {
			strcat(local, " ");
			if (strstr(local, wanted) != nullptr)
				return true;
		}
	}
	return false;
}

static void sockets_are_listed(void)
{
	int l = OK(socket(AF_INET, SOCK_STREAM, 0)), six = OK(socket(AF_INET6, SOCK_STREAM, 0));
	int udp = OK(socket(AF_INET, SOCK_DGRAM, 0)), client = OK(socket(AF_INET, SOCK_STREAM, 0));

	OK(inet_bind(l, "127.0.0.1", 0));
	OK(listen(l, 1));
	OK(inet_bind(six, "::1", 0));
	OK(listen(six, 1));
	OK(inet_bind(udp, "127.0.0.1", 0));
	OK(inet_connect(client, "127.0.0.1", inet_port(l)));
	CHECK(is_listed("/proc/net/tcp", inet_port(l), 10));
	CHECK(is_listed("/proc/net/tcp", inet_port(client), 1));
	CHECK(is_listed("/proc/net/tcp6", inet_port(six), 10));
	CHECK(is_listed("/proc/net/udp", inet_port(udp), 7));
	CHECK(!is_listed("/proc/net/udp6", inet_port(udp), 7));
	char text[4096];
	CHECK(ktap_read_file("/proc/net/if_inet6", text, sizeof(text)) > 0);
	CHECK(strstr(text, "00000000000000000000000000000001 01 80 10 80       lo\n") != nullptr);
}

/* A packet to another address of 127 faults on its way into the stack: lo has its own address all the same. */
static void lo_keeps_its_address_through_a_fault(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(0x7f010203)};
	int fd = OK(socket(AF_INET, SOCK_DGRAM, 0));
	struct ifreq r = {.ifr_name = "lo"};
	char points[8192];

	/* The call fails with its process, or without. */
	ktap_put("/proc/stray_points", "driver_lo_deliver thread inet_interfaces pass 1 faults 1");
	pid_t child = CHILD(FAILS(EFAULT, sendto(fd, "fault", 5, 0, (struct sockaddr *)&to, sizeof(to))));
	int status = ktap_wait(child);
	CHECK(status == 0 || WTERMSIG(status) == SIGKILL);
	ktap_read_file("/proc/stray_points", points, sizeof(points));
	ktap_put("/proc/stray_points", "none");
	CHECK(strstr(points, "armed driver_lo_deliver passed 1 faulted 1") != nullptr);
	OK(ioctl(fd, SIOCGIFADDR, &r));
	struct sockaddr_in own;
	memcpy(&own, &r.ifr_addr, sizeof(own));
	EQUAL(ntohl(own.sin_addr.s_addr), 0x7f000001);
	/* And what comes after goes its way, by another socket: the first may have got its port before the fault. */
	fd = OK(socket(AF_INET, SOCK_DGRAM, 0));
	to.sin_port = 0;
	OK(bind(fd, (struct sockaddr *)&to, sizeof(to)));
	to.sin_port = htons(inet_port(fd));
	EQUAL(sendto(fd, "well", 4, 0, (struct sockaddr *)&to, sizeof(to)), 4);
	EQUAL(recv(fd, points, sizeof(points), 0), 4);
}

KTAP_MAIN(CASE(loopback_is_up), CASE(all_are_listed), CASE(changes_need_a_right), STELLUX_CASE(routes_come_and_go),
	  CASE(sockets_are_listed), STELLUX_CASE(lo_keeps_its_address_through_a_fault))
