/* SPDX-License-Identifier: MIT */
/* What the files of kernel/net share with each other. */
#ifndef KERNEL_NET_INTERNAL_H
#define KERNEL_NET_INTERNAL_H

#include <abi/errno.h>
#include <abi/fcntl.h>
#include <kernel/mem/slab.h>
#include <kernel/net/socket.h>
#include <kernel/thread/component.h>
#include <kernel/vm/user.h>
#include <lib/string.h>
#include <lib/types.h>

DECLARE_COMPONENT(net);

/* --- socket.c --- */
/* A file of the socket, whose reference it takes over if it succeeds. -ENOMEM, -ENFILE. */
[[nodiscard]] int socket_file(struct socket *s, uint32_t flags, struct file **out);

/* --- address.c --- */
/* -EINVAL: no length that an address can have; -EFAULT. */
[[nodiscard]] int address_from_user(struct socket_address *a, user_addr at, int length);
/* What fits into the process's buffer, and the true length into *length_at. -EINVAL: a length below 0; -EFAULT. */
[[nodiscard]] int address_to_user(const struct socket_address *a, user_addr at, user_addr length_at);

/* --- control.c --- */
/* What goes along with a message that is sent: at most one of a kind. -EINVAL, -EFAULT, -EBADF, -EPERM, -ENOMEM,
 * -ETOOMANYREFS. */
[[nodiscard]] int control_from_user(struct socket *s, struct socket_message *m, user_addr at, uint64_t length);
/* What came along with one: into the process's buffer of *length bytes, of which those used are left in it. Files get
 * descriptors; what does not fit is let go, and MSG_CTRUNC set. */
[[nodiscard]] int control_to_user(const struct socket *s, struct socket_message *m, user_addr at, uint64_t *length);

/* --- filter.c --- */
/* SO_ATTACH_FILTER, SO_DETACH_FILTER, SO_LOCK_FILTER: by the process's option. -EINVAL, -EFAULT, -EPERM: it is locked;
 * -ENOENT, -ENOPROTOOPT, -ENOMEM. */
[[nodiscard]] int filter_option(struct socket *s, int option, user_addr at, uint32_t length);

/* --- account.c --- */
void socket_account_start(void); /* once, at boot */

/* --- unix/rights.c --- */
[[nodiscard]] int unix_start(void); /* once, at boot. -ENOMEM */

#endif
