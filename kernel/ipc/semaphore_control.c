/* SPDX-License-Identifier: MIT */
/* semctl(2), and /proc/sysvipc/sem. */
#include "semaphore.h"

#include <kernel/base/component.h>

enum : uint32_t { READ_RIGHT = 0444, ALTER_RIGHT = 0222 };

static long set_status(int32_t id, int32_t command, user_addr at)
{
	struct ipc_object *o;
	struct abi_semid out;

	int error = ipc_find_to_tell(&semaphore_sets, id, command != IPC_STAT, command == SEM_STAT_ANY, &o);
	if (error != 0)
		return error;
	out = (struct abi_semid){.otime = set_of(o)->operated_s, .ctime = o->changed_s, .nsems = set_of(o)->count};
	ipc_tell(o, &out.perm);
	long result = command == IPC_STAT ? 0 : o->id;
	ipc_leave(o);
	return put_user(at, out) == 0 ? result : -EFAULT;
}

static long set_owner(int32_t id, user_addr at)
{
	struct abi_semid in;

	if (get_user(in, at) != 0)
		return -EFAULT;
	struct ipc_object *o;
	int error = ipc_find_owned(&semaphore_sets, id, &o);
	if (error != 0)
		return error;
	ipc_set(o, &in.perm);
	ipc_leave(o);
	return 0;
}

static long set_remove(int32_t id)
{
	struct ipc_object *o = ipc_find(&semaphore_sets, id);

	if (o == nullptr)
		return -EINVAL;
	int error = ipc_owned(o);
	if (error == 0) {
		o->gone = true;
		semaphore_undos_free(set_of(o));
		semaphores_changed(set_of(o));
	}
	ipc_unlock(o);
	if (error == 0)
		ipc_remove(o);
	ipc_object_put(o);
	return error;
}

static uint32_t count_semaphores(void)
{
	uint32_t count = 0;

	for (int32_t n = 0, last = ipc_last_place(&semaphore_sets); n <= last; n++) {
		struct ipc_object *o = ipc_at(&semaphore_sets, n);

		if (o == nullptr)
			continue;
		count += set_of(o)->count;
		ipc_leave(o);
	}
	return count;
}

static long sets_info(int32_t command, user_addr at)
{
	struct abi_seminfo out;

	semaphore_limits(&out);
	if (command == SEM_INFO) {
		out.usz = (int32_t)ipc_count(&semaphore_sets);
		out.aem = (int32_t)count_semaphores();
	}
	return put_user(at, out) == 0 ? ipc_last_place(&semaphore_sets) : -EFAULT;
}

/* One semaphore's. */
static long get_one(const struct semaphore *sem, int32_t command)
{
	switch (command) {
	case GETVAL: return sem->value;
	case GETPID: return sem->pid;
	case GETNCNT: return sem->wait_rise;
	default: return sem->wait_zero;
	}
}

static void set_one(struct semaphore_set *s, uint32_t number, int32_t value)
{
	s->semaphores[number].value = value;
	s->semaphores[number].pid = ipc_pid();
	semaphore_undo_forget(s, number);
}

static long one(int32_t id, uint32_t number, int32_t command, int32_t value)
{
	if (command == SETVAL && (value < 0 || value > SEMAPHORE_MOST))
		return -ERANGE;
	struct ipc_object *o = ipc_find(&semaphore_sets, id);
	if (o == nullptr)
		return -EINVAL;
	struct semaphore_set *s = set_of(o);
	long result = number < s->count ? 0 : -EINVAL;
	if (result == 0)
		result = ipc_permitted(o, command == SETVAL ? ALTER_RIGHT : READ_RIGHT);
	if (result == 0 && command != SETVAL) {
		result = get_one(&s->semaphores[number], command);
	} else if (result == 0) {
		set_one(s, number, value);
		o->changed_s = ipc_seconds();
		semaphores_changed(s);
	}
	ipc_leave(o);
	return result;
}

static int check_values(const uint16_t *values, uint32_t count)
{
	for (uint32_t n = 0; n < count; n++)
		if (values[n] > SEMAPHORE_MOST)
			return -ERANGE;
	return 0;
}

/* How many semaphores a set has never changes. */
static long get_all(struct semaphore_set *s, uint16_t *values)
{
	for (uint32_t n = 0; n < s->count; n++)
		values[n] = (uint16_t)s->semaphores[n].value;
	return 0;
}

static long set_all(struct semaphore_set *s, const uint16_t *values)
{
	if (s->object.gone)
		return -EIDRM;
	for (uint32_t n = 0; n < s->count; n++)
		set_one(s, n, values[n]);
	s->object.changed_s = ipc_seconds();
	semaphores_changed(s);
	return 0;
}

static long all(int32_t id, int32_t command, user_addr at)
{
	struct ipc_object *o = ipc_find(&semaphore_sets, id);

	if (o == nullptr)
		return -EINVAL;
	long result = ipc_permitted(o, command == SETALL ? ALTER_RIGHT : READ_RIGHT);
	ipc_unlock(o);
	size_t bytes = set_of(o)->count * sizeof(uint16_t);
	uint16_t *values = result == 0 ? kmalloc(bytes) : nullptr;
	if (result == 0 && values == nullptr)
		result = -ENOMEM;
	if (result == 0 && command == SETALL)
		result = copy_from_user(values, at, bytes) != 0 ? -EFAULT : check_values(values, set_of(o)->count);
	if (result == 0) {
		ipc_lock(o);
		result = command == SETALL ? set_all(set_of(o), values) : get_all(set_of(o), values);
		ipc_unlock(o);
	}
	if (result == 0 && command == GETALL && copy_to_user(at, values, bytes) != 0)
		result = -EFAULT;
	kfree(values);
	ipc_object_put(o);
	return result;
}

static long sys_semctl(int32_t id, int32_t number, int32_t command, uint64_t argument)
{
	if (id < 0)
		return -EINVAL;
	switch (command) {
	case IPC_INFO:
	case SEM_INFO: return sets_info(command, USER_ADDR(argument));
	case IPC_STAT:
	case SEM_STAT:
	case SEM_STAT_ANY: return set_status(id, command, USER_ADDR(argument));
	case IPC_SET: return set_owner(id, USER_ADDR(argument));
	case IPC_RMID: return set_remove(id);
	case GETALL:
	case SETALL: return all(id, command, USER_ADDR(argument));
	case GETVAL:
	case GETPID:
	case GETNCNT:
	case GETZCNT:
	case SETVAL: return one(id, (uint32_t)number, command, (int32_t)argument);
	default: return -EINVAL;
	}
}
SYSCALL(semctl);

static void show_line(const struct ipc_object *o, struct text_buffer *b)
{
	const struct semaphore_set *s = container_of(o, const struct semaphore_set, object);

	text_printf(b, "%10d %10d  %4o %10u %5u %5u %5u %5u %10lld %10lld\n", o->key, o->id, o->mode, s->count, o->uid,
		    o->gid, o->cuid, o->cgid, (long long)s->operated_s, (long long)o->changed_s);
}

static int show(struct text_buffer *b, void *)
{
	text_printf(b, "%10s %10s %5s %10s %5s %5s %5s %5s %10s %10s\n", "key", "semid", "perms", "nsems", "uid", "gid",
		    "cuid", "cgid", "otime", "ctime");
	ipc_show(&semaphore_sets, b, show_line);
	return 0;
}
PROC_FILE(sysvipc_sem, .component = &component_ipc, .name = "sysvipc/sem", .mode = 0444, .show = show);
