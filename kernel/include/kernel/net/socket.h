/* SPDX-License-Identifier: MIT */
/*
 * Sockets as the system calls know them (POSIX.1-2017 XSH 2.10; socket(7)), and what a family of protocols gives them.
 *
 * A struct socket is embedded in its family's own. It has a file, or none yet (a connection that nobody has accepted),
 * and lives as long as somebody has a reference. `lock` guards what the family says; it is never held while bytes pass
 * from or to a process, nor while anybody waits.
 */
#ifndef KERNEL_NET_SOCKET_H
#define KERNEL_NET_SOCKET_H

#include <abi/socket.h>
#include <kernel/base/lock.h>
#include <kernel/base/wait.h>
#include <kernel/file/async.h>
#include <kernel/file/file.h>

struct socket;
struct socket_filter;

struct socket_address {
	uint32_t length; /* 0: none */
	union {
		uint16_t family;
		uint8_t bytes[SOCKET_ADDRESS_MAX];
		struct sockaddr_un un;
	};
};

/* Open files that travel (SCM_RIGHTS): a reference to each. */
struct socket_rights {
	struct list link; /* the family's */
	uint32_t count, uid;
	struct file *files[];
};

/* What a family tells besides a message (cmsg(3)). Used ones have a length. */
struct socket_note {
	int32_t level, type;
	uint32_t length;
	uint8_t bytes[52];
};
enum : uint32_t { SOCKET_NOTES = 4 };

/* One call of send or receive. */
struct socket_message {
	struct io_buffer *buffer;
	size_t length;
	uint32_t flags;			/* MSG_* of the call */
	struct socket_address *address; /* to whom, or from whom; nullptr: not asked for */
	/* What goes along. Sent rights are the family's from a call that succeeds on; received ones the caller's. */
	struct socket_rights *rights;
	bool has_cred;
	struct ucred cred;
	uint32_t flags_out; /* MSG_TRUNC, MSG_EOR … of what was received */
	/* Received: SOCKET_NOTES of them, none of which is used; nullptr: nobody asks. */
	struct socket_note *notes;
	/* To be sent: what the family's `note` left here. */
	struct {
		uint32_t interface; /* number; 0: any */
		uint8_t source[16]; /* version 4: the first four bytes */
		bool has_source;
		uint8_t hops; /* 0: as the socket has it */
	} way;
};

/* What a family does with one type of its sockets. Results: 0 or more, or a negative errno; none may be nullptr but
 * where it is said. Called without a lock; all may sleep. */
struct socket_ops {
	int (*bind)(struct socket *s, const struct socket_address *a);
	int (*connect)(struct socket *s, const struct socket_address *a, bool may_wait);
	int (*listen)(struct socket *s, uint32_t backlog);
	int (*accept)(struct socket *s, bool may_wait, struct socket **out); /* with a reference */
	int (*name)(struct socket *s, bool peers, struct socket_address *out);
	long (*send)(struct socket *s, struct socket_message *m);
	long (*receive)(struct socket *s, struct socket_message *m);
	int (*shutdown)(struct socket *s, uint32_t sides); /* SIDE_* */
	uint32_t (*poll)(struct socket *s, struct poll_table *table);
	/* What has come and can be read (FIONREAD), what was sent and has not been read (TIOCOUTQ). */
	long (*bytes)(struct socket *s, bool sent);
	/* Whether what is read next was sent behind something urgent (SIOCATMARK). nullptr: -EOPNOTSUPP. */
	bool (*at_mark)(struct socket *s);
	bool (*listens)(struct socket *s);
	int (*peer_cred)(struct socket *s, struct ucred *out);
	/* Options of other levels than SOL_SOCKET; nullptr: it has none. *length: the process's room, then what was
	 * written. -ENOPROTOOPT: unknown, and counted. */
	int (*option_set)(struct socket *s, int level, int option, user_addr at, uint32_t length);
	int (*option_get)(struct socket *s, int level, int option, user_addr at, uint32_t *length);
	/* What the process sends along (cmsg(3)), of a level that is not SOL_SOCKET. nullptr: it is passed over. */
	int (*note)(struct socket *s, struct socket_message *m, int level, int type, const void *data, size_t n);
	/* It is of that interface alone; "": of all. -ENODEV, -EPERM. And its name, into IFNAMSIZ bytes. nullptr: it
	 * has none. */
	int (*bind_device)(struct socket *s, const char *name);
	void (*bound_device)(struct socket *s, char *name);
	/* A switch of SOL_SOCKET was set or reset; nullptr: whoever acts upon it looks. */
	void (*switched)(struct socket *s, int option, bool on);
	/* Its packets go through the filter, whose reference it takes, from now on; nullptr: through none. -ENOENT:
	 * there was none; -ENOMEM: its account has no room for it. nullptr: it has no packets. */
	int (*filter)(struct socket *s, struct socket_filter *f);
	void (*release)(struct socket *s); /* the file is gone */
	void (*free)(struct socket *s);	   /* the last reference is */
	bool peeks_at;			   /* it obeys peek_offset */
	bool has_ports;			   /* which may be shared (SO_REUSEPORT) */
};
enum : uint32_t { SIDE_RECEIVE = 1, SIDE_SEND = 2 };

/* The switches of SOL_SOCKET that are only kept: bit of SO_*. */
#define SOCKET_SWITCH(option) (UINT64_C(1) << (option))

struct socket {
	uint32_t refs; /* atomic */
	const struct socket_ops *ops;
	uint16_t family, protocol;
	uint32_t type;
	uint64_t cookie; /* no other socket has or had it */
	struct mutex lock;
	struct wait_queue readable, writable;
	struct async_list async;
	struct file *file; /* whose it is, while it is open */
	/* That file's, for /proc: by value, as a release that faulted may have left `file`. 0: never had any. */
	uint64_t ino;
	uint32_t uid;
	/* Options; atomic words. Limits in bytes, times in nanoseconds, 0: for ever. */
	uint64_t switches;
	uint64_t send_timeout_ns, receive_timeout_ns;
	uint32_t send_limit, receive_limit, receive_least, priority;
	struct linger linger;
	int32_t error; /* atomic: told once, by the next call or SO_ERROR */
	/* Atomic, SO_PEEK_OFF: behind so many unread bytes the next MSG_PEEK looks; below 0: at the first, always. */
	int32_t peek_offset;
};

/* Limits and defaults of buffers, and how long a backlog may be: /proc/sys/net/core. */
extern int32_t socket_send_default, socket_receive_default, socket_send_max, socket_receive_max, socket_backlog_max;

/* Fills the general part, with one reference. */
void socket_init(struct socket *s, const struct socket_ops *ops, int family, uint32_t type, uint32_t protocol);
void socket_get(struct socket *s);
void socket_put(struct socket *s); /* may sleep; no lock of it held */
/* The socket of a file, or nullptr. Borrowed. */
struct socket *socket_of_file(const struct file *f);
/* The socket at a descriptor, for the length of a call: file_ref_put(*r). -EBADF, -ENOTSOCK. */
[[nodiscard]] int socket_ref_get(int fd, struct file_ref *r, struct socket **out);
/* What a socket of any family answers that is about interfaces and routes (netdevice(7)), or -ENOTTY: the network's, at
 * boot. */
void socket_set_ioctl(long (*ioctl)(uint32_t command, user_addr at));
/* The pending error as a negative errno, which is told now; 0. */
int socket_take_error(struct socket *s);
void socket_set_error(struct socket *s, int error);
static inline bool socket_switch(const struct socket *s, int option)
{
	return __atomic_load_n(&s->switches, __ATOMIC_RELAXED) & SOCKET_SWITCH(option);
}
/* Until when a call that waits may wait: 0: for ever. */
uint64_t socket_deadline(uint64_t timeout_ns);
/* What a wait that ended by a signal or in time answers. */
int socket_wait_error(int error, uint64_t timeout_ns);
/* Somebody can read; somebody can write. Any lock below RANK_ASYNC. */
void socket_wake_readers(struct socket *s);
void socket_wake_writers(struct socket *s);
/* Where a call with such flags begins to look: 0 unless it is a MSG_PEEK and an offset was set. */
size_t socket_peek_begin(const struct socket *s, uint32_t flags);
/* So many bytes were looked at with MSG_PEEK, or else taken out. May sleep. */
void socket_peek_move(struct socket *s, uint32_t flags, size_t n);
/* What a user's sockets hold of the kernel's memory. The current process's real user's, with a reference; nullptr: out
 * of memory. May sleep. */
struct socket_account;
[[nodiscard]] struct socket_account *socket_account_get(void);
void socket_account_put(struct socket_account *a); /* may sleep */
/* So many bytes are held from now on, until socket_uncharge. -ENOBUFS: they are more than the user may have
 * (user_socket_pages; not with CAP_SYS_RESOURCE), or than all may (socket_pages), which the log tells. */
[[nodiscard]] int socket_charge(struct socket_account *a, size_t bytes);
/* The same for what comes by itself, in whatever thread: exempt: whether who made the socket had CAP_SYS_RESOURCE. Any
 * context. */
[[nodiscard]] int socket_charge_of(struct socket_account *a, bool exempt, size_t bytes);
/* One more reference, for who has one. Any context. */
struct socket_account *socket_account_share(struct socket_account *a);
void socket_uncharge(struct socket_account *a, size_t bytes); /* any context */
/* A line for the log that a limit refused the user something; now and then, however often it is called. */
void socket_limit_tell(const char *what, uint32_t uid);
/* Lets go of the files. May sleep. nullptr is fine. */
void socket_rights_free(struct socket_rights *r);

/* A filter of packets (lib/bpf.h): it does not change, and lives as long as somebody has a reference. */
struct bpf_packet;
struct socket_filter;
/* How many of the packet's bytes are wanted. Any context. */
uint32_t socket_filter_run(const struct socket_filter *f, const struct bpf_packet *p);
size_t socket_filter_bytes(const struct socket_filter *f); /* of memory; of nullptr none */
void socket_filter_get(struct socket_filter *f);
void socket_filter_put(struct socket_filter *f); /* may sleep; nullptr is fine */
/* Notes something for who receives, if anybody asks and there is room. length: at most that of a note's bytes. */
void socket_note(struct socket_message *m, int level, int type, const void *bytes, uint32_t length);

/* A family makes a socket of a type: -EPROTONOSUPPORT, -ESOCKTNOSUPPORT, -ENOMEM. One reference. */
struct socket_family {
	int family;
	int (*create)(uint32_t type, int protocol, struct socket **out);
	int (*pair)(struct socket *a, struct socket *b); /* -EOPNOTSUPP: nullptr */
};
/* Puts a family into the image's table. */
#define SOCKET_FAMILY(ident, ...)                                                                                      \
	static const struct socket_family socket_family_##ident                                                        \
		__attribute__((section(".socket_families"), used)) = {__VA_ARGS__}

#endif
