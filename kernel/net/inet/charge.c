/* SPDX-License-Identifier: MIT */
/* What sockets of TCP/IP hold is their user's (kernel/net/account.c): each socket, datagrams and bytes that nobody has
 * read, bytes that the other side has not acknowledged. What the stack itself needs is in its budget (port.c). */
#include "inet.h"

enum : size_t { SOCKET_BYTES = 1024 }; /* its record, lwIP's, and its file's */

int inet_account_open(struct inet_socket *i, const struct inet_socket *of)
{
	i->account = of != nullptr ? socket_account_share(of->account) : socket_account_get();
	if (i->account == nullptr)
		return -ENOMEM;
	i->exempt = of != nullptr ? of->exempt : subject_current() == nullptr || capable(CAP_SYS_RESOURCE);
	int error = socket_charge_of(i->account, i->exempt, SOCKET_BYTES);
	if (error != 0) {
		socket_account_put(i->account);
		i->account = nullptr;
	}
	return error;
}

void inet_account_close(struct inet_socket *i)
{
	socket_uncharge(i->account, SOCKET_BYTES);
	socket_account_put(i->account);
}

bool inet_charge(struct inet_socket *i, size_t bytes)
{
	return socket_charge_of(i->account, i->exempt, bytes) == 0;
}

void inet_uncharge(struct inet_socket *i, size_t bytes)
{
	socket_uncharge(i->account, bytes);
}
