/* SPDX-License-Identifier: MIT */
/* Control messages (cmsg(3), unix(7)): files and credentials that go along with a message. */
#include "internal.h"

#include <kernel/base/subject.h>

enum : uint64_t { ALIGN = 8, HEADER = sizeof(struct cmsghdr), CONTROL_MAX = 20480 };

static uint64_t aligned(uint64_t n)
{
	return (n + ALIGN - 1) & ~(ALIGN - 1);
}

/* Each of the process's files with a reference. */
static int take_files(struct socket_message *m, const unsigned char *data, uint64_t bytes)
{
	uint32_t count = (uint32_t)(bytes / sizeof(int32_t)), before = m->rights != nullptr ? m->rights->count : 0;

	if (bytes % sizeof(int32_t) != 0 || count > SCM_RIGHTS_MAX - before)
		return -EINVAL;
	if (count == 0)
		return 0;
	struct socket_rights *r = kmalloc(sizeof(*r) + SCM_RIGHTS_MAX * sizeof(r->files[0]));
	if (r == nullptr)
		return -ENOMEM;
	for (uint32_t n = 0; n < before; n++)
		r->files[n] = m->rights->files[n];
	r->count = before;
	kfree(m->rights);
	m->rights = r;
	for (uint32_t n = 0; n < count; n++) {
		int32_t fd;

		memcpy(&fd, data + n * sizeof(fd), sizeof(fd));
		struct file_ref ref; /* O_PATH's may travel, too */
		int error = file_ref_get_any(fd, &ref);
		if (error != 0)
			return error;
		if (!ref.counted)
			file_get(ref.file);
		r->files[r->count++] = ref.file;
	}
	return 0;
}

/* Whoever is not privileged tells the truth. */
static int take_cred(struct socket_message *m, const unsigned char *data, uint64_t bytes)
{
	const struct subject *p = subject_current();
	const struct credentials *c = &p->cred;

	if (bytes != sizeof(m->cred))
		return -EINVAL;
	memcpy(&m->cred, data, sizeof(m->cred));
	bool uid = m->cred.uid == c->uid || m->cred.uid == c->euid || m->cred.uid == c->suid || capable(CAP_SETUID);
	bool gid = m->cred.gid == c->gid || m->cred.gid == c->egid || m->cred.gid == c->sgid || capable(CAP_SETGID);
	if (m->cred.uid == UINT32_MAX || m->cred.gid == UINT32_MAX)
		return -EINVAL;
	if (!uid || !gid || (m->cred.pid != p->pid && !capable(CAP_SYS_ADMIN)))
		return -EPERM;
	m->has_cred = true;
	return 0;
}

static int take_one(struct socket *s, struct socket_message *m, const struct cmsghdr *h, const unsigned char *data)
{
	if (h->level != SOL_SOCKET)
		return s->ops->note == nullptr ? 0 : s->ops->note(s, m, h->level, h->type, data, h->length - HEADER);
	if (s->family != AF_UNIX)
		return -EINVAL;
	switch (h->type) {
	case SCM_RIGHTS: return take_files(m, data, h->length - HEADER);
	case SCM_CREDENTIALS: return take_cred(m, data, h->length - HEADER);
	default: return -EINVAL;
	}
}

static int take_all(struct socket *s, struct socket_message *m, const unsigned char *control, uint64_t length)
{
	uint64_t at = 0;
	int error = 0;

	while (error == 0 && at + HEADER <= length) {
		struct cmsghdr h;

		memcpy(&h, control + at, sizeof(h));
		if (h.length < HEADER || h.length > length - at)
			return -EINVAL;
		error = take_one(s, m, &h, control + at + HEADER);
		at += aligned(h.length);
	}
	return error;
}

int control_from_user(struct socket *s, struct socket_message *m, user_addr at, uint64_t length)
{
	if (length > CONTROL_MAX)
		return -ENOBUFS;
	if (length == 0)
		return 0;
	unsigned char *control = kmalloc(length);
	if (control == nullptr)
		return -ENOMEM;
	int error = copy_from_user(control, at, length) != 0 ? -EFAULT : take_all(s, m, control, length);
	kfree(control);
	if (error != 0) {
		socket_rights_free(m->rights);
		m->rights = nullptr;
	}
	return error;
}

/* The process's buffer, and how much of it is used. */
struct control {
	user_addr at;
	uint64_t room, used;
};

static user_addr place(const struct control *c, uint64_t offset)
{
	return USER_ADDR(c->at.value + c->used + offset);
}

/* Writes the header of one whose data are there; the next begins behind. */
static int finish(struct control *c, int level, int type, uint64_t bytes)
{
	struct cmsghdr h = {.length = HEADER + bytes, .level = level, .type = type};

	if (put_user(place(c, 0), h) != 0)
		return -EFAULT;
	c->used += MIN(aligned(h.length), c->room - c->used);
	return 0;
}

/* As many of its bytes as there is room for. */
static int give_bytes(struct control *c, struct socket_message *m, int level, int type, const void *data,
		      uint64_t bytes)
{
	uint64_t room = c->room - c->used;

	if (room < HEADER) {
		m->flags_out |= MSG_CTRUNC;
		return 0;
	}
	if (room < HEADER + bytes) {
		m->flags_out |= MSG_CTRUNC;
		bytes = room - HEADER;
	}
	return copy_to_user(place(c, HEADER), data, bytes) != 0 ? -EFAULT : finish(c, level, type, bytes);
}

/* A descriptor of the file in the process's buffer. */
static int give_file(struct control *c, struct file *f, uint64_t offset, bool close_on_exec)
{
	int32_t fd = file_reserve(close_on_exec);

	if (fd < 0)
		return fd;
	int error = put_user(place(c, offset), fd) != 0 ? -EFAULT : 0;
	if (error == 0)
		file_get(f);
	file_fill_reserved(fd, error == 0 ? f : nullptr);
	return error;
}

static int give_files(struct control *c, struct socket_message *m)
{
	uint64_t room = c->room - c->used, fit = room < HEADER ? 0 : (room - HEADER) / sizeof(int32_t);
	uint32_t given = 0;
	int error = 0;

	while (given < m->rights->count && given < fit && error == 0) {
		error = give_file(c, m->rights->files[given], HEADER + given * sizeof(int32_t),
				  m->flags & MSG_CMSG_CLOEXEC);
		given += error == 0;
	}
	if (given < m->rights->count)
		m->flags_out |= MSG_CTRUNC;
	return given > 0 ? finish(c, SOL_SOCKET, SCM_RIGHTS, given * sizeof(int32_t)) : 0;
}

static int give_notes(struct control *c, struct socket_message *m)
{
	int error = 0;

	for (uint32_t n = 0; n < SOCKET_NOTES && m->notes != nullptr && error == 0; n++) {
		const struct socket_note *note = &m->notes[n];

		if (note->length > 0)
			error = give_bytes(c, m, note->level, note->type, note->bytes, note->length);
	}
	return error;
}

void socket_note(struct socket_message *m, int level, int type, const void *bytes, uint32_t length)
{
	for (uint32_t n = 0; n < SOCKET_NOTES && m->notes != nullptr; n++) {
		struct socket_note *note = &m->notes[n];

		if (note->length > 0)
			continue;
		note->level = level;
		note->type = type;
		note->length = MIN(length, (uint32_t)sizeof(note->bytes));
		memcpy(note->bytes, bytes, note->length);
		return;
	}
}

int control_to_user(const struct socket *s, struct socket_message *m, user_addr at, uint64_t *length)
{
	struct control c = {.at = at, .room = *length};
	int error = 0;

	if (socket_switch(s, SO_PASSCRED) && m->has_cred)
		error = give_bytes(&c, m, SOL_SOCKET, SCM_CREDENTIALS, &m->cred, sizeof(m->cred));
	error = error != 0 ? error : give_notes(&c, m);
	if (error == 0 && m->rights != nullptr)
		error = give_files(&c, m);
	socket_rights_free(m->rights);
	m->rights = nullptr;
	*length = c.used;
	return error;
}
