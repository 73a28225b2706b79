/* SPDX-License-Identifier: MIT */
/* What the tests of AF_INET and AF_INET6 share. */
#pragma once
#include "ktap.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union inet_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* The address of a text: version 6 where it has a colon. */
static inline socklen_t inet_of_text(union inet_address *a, const char *text, uint16_t port)
{
	*a = (union inet_address){};
	if (strchr(text, ':') != nullptr) {
		a->v6.sin6_family = AF_INET6;
		a->v6.sin6_port = htons(port);
		EQUAL(inet_pton(AF_INET6, text, &a->v6.sin6_addr), 1);
		return sizeof(a->v6);
	}
	a->v4.sin_family = AF_INET;
	a->v4.sin_port = htons(port);
	EQUAL(inet_pton(AF_INET, text, &a->v4.sin_addr), 1);
	return sizeof(a->v4);
}

static inline int inet_bind(int fd, const char *text, uint16_t port)
{
	union inet_address a;
	socklen_t length = inet_of_text(&a, text, port);

	return bind(fd, &a.any, length);
}

static inline int inet_connect(int fd, const char *text, uint16_t port)
{
	union inet_address a;
	socklen_t length = inet_of_text(&a, text, port);

	return connect(fd, &a.any, length);
}

/* The port that the kernel chose, or the process. */
static inline uint16_t inet_port(int fd)
{
	union inet_address a = {};
	socklen_t length = sizeof(a);

	OK(getsockname(fd, &a.any, &length));
	CHECK(a.any.sa_family == AF_INET ? length == sizeof(a.v4) : length == sizeof(a.v6));
	return ntohs(a.any.sa_family == AF_INET ? a.v4.sin_port : a.v6.sin6_port);
}

static inline short inet_ready(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};

	OK(poll(&p, 1, 0));
	return p.revents;
}
