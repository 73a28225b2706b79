/* SPDX-License-Identifier: MIT */
/* /proc/sys/kernel/core_pattern and core_uses_pid (core(5), "Naming of core dump files"), and what they make. */
#include "core.h"

#include <kernel/base/clock.h>
#include <kernel/base/log.h>
#include <kernel/base/node.h>
#include <kernel/mem/slab.h>
#include <kernel/mem/text.h>
#include <kernel/vfs/vfs.h>
#include <lib/string.h>

constexpr size_t PATH_BYTES = 4096;

static struct mutex pattern_lock = MUTEX_INIT(pattern_lock, RANK_NONE);
static char pattern[CORE_PATTERN_BYTES] GUARDED_BY(&pattern_lock) = "core";
static int32_t uses_pid;

struct core_file_name {
	char *at;
	size_t size, used;
	bool has_pid;
};

static void put_char(struct core_file_name *n, char c)
{
	if (n->used < n->size)
		n->at[n->used] = c;
	n->used++;
}

/* What a process chooses must not lead elsewhere. */
static void put_text(struct core_file_name *n, const char *text)
{
	for (; *text != '\0'; text++)
		put_char(n, *text == '/' ? '!' : *text);
}

static void put_number(struct core_file_name *n, uint64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	put_text(n, text);
}

static void put_program(struct core_file_name *n, struct process *p, bool whole)
{
	char *path = kmalloc(PATH_BYTES);
	struct file *f = p->exe;

	if (path != nullptr && f != nullptr && file_describe(f, path, PATH_BYTES) > 0) {
		const char *last = strrchr(path, '/');
		put_text(n, whole || last == nullptr ? path : last + 1);
	} else {
		put_text(n, p->name);
	}
	kfree(path);
}

static void put_item(struct core_file_name *n, struct process *p, const struct core_dump *d, char item)
{
	char host[65];

	switch (item) {
	case '%': put_char(n, '%'); break;
	case 'p':
	case 'P':
		n->has_pid = true;
		put_number(n, p->pid);
		break;
	case 'i':
	case 'I': put_number(n, d->leader->tid); break;
	case 'u': put_number(n, p->cred.uid); break;
	case 'g': put_number(n, p->cred.gid); break;
	case 'd': put_number(n, p->dumpable); break;
	case 's': put_number(n, (uint64_t)d->info.signo); break;
	case 't': put_number(n, (uint64_t)clock_realtime_ns() / 1'000'000'000); break;
	case 'h':
		system_host_name(host, sizeof(host));
		put_text(n, host);
		break;
	case 'e': put_text(n, p->name); break;
	case 'f': put_program(n, p, false); break;
	case 'E': put_program(n, p, true); break;
	case 'c': put_number(n, process_rlimit(RLIMIT_CORE)); break;
	default: break; /* and nothing for what nobody knows */
	}
}

/* Words are told apart before values are put in, which may contain spaces. */
static void end_word(struct core_file_name *n)
{
	if (n->used > 0 && n->used <= n->size && n->at[n->used - 1] != '\0')
		put_char(n, '\0');
}

void core_pattern_read(char out[CORE_PATTERN_BYTES])
{
	mutex_lock(&pattern_lock);
	memcpy(out, pattern, sizeof(pattern));
	mutex_unlock(&pattern_lock);
}

bool core_name(struct process *p, const struct core_dump *d, char *out, size_t size)
{
	struct core_file_name n = {.at = out, .size = size};
	bool program = core_is_piped(d);

	for (const char *c = d->pattern + program; *c != '\0'; c++) {
		if (*c == '%' && c[1] != '\0')
			put_item(&n, p, d, *++c);
		else if (program && *c == ' ')
			end_word(&n);
		else if (*c != '%')
			put_char(&n, *c);
	}
	if (program)
		end_word(&n);
	if (!program && !n.has_pid && __atomic_load_n(&uses_pid, __ATOMIC_RELAXED) != 0) {
		put_char(&n, '.');
		put_number(&n, p->pid);
	}
	put_char(&n, '\0');
	return n.used > 1 && n.used <= size;
}

static int show_pattern(struct text_buffer *b, void *)
{
	mutex_lock(&pattern_lock);
	text_printf(b, "%s\n", pattern);
	mutex_unlock(&pattern_lock);
	return 0;
}

static long write_pattern(const char *text, size_t n, void *)
{
	size_t length = 0;

	while (length < n && text[length] != '\n' && text[length] != '\0')
		length++;
	if (length >= CORE_PATTERN_BYTES)
		return -EINVAL;
	/* A program has an absolute path. */
	if (length > 0 && text[0] == '|' && (length < 2 || text[1] != '/'))
		return -EINVAL;
	mutex_lock(&pattern_lock);
	memset(pattern, 0, sizeof(pattern));
	memcpy(pattern, text, length);
	mutex_unlock(&pattern_lock);
	return (long)n;
}

int32_t core_of_set_id;
static int32_t pipe_limit; /* programs are not waited for */
PROC_FILE(core_pattern, .component = &component_process, .name = "sys/kernel/core_pattern", .mode = 0644,
	  .show = show_pattern, .write = write_pattern);
PROC_KNOB(core_uses_pid, component_process, "sys/kernel/core_uses_pid", 0644, &uses_pid, 0, 1, 0);
PROC_KNOB(suid_dumpable, component_process, "sys/fs/suid_dumpable", 0644, &core_of_set_id, 0, 2, 0);
PROC_KNOB(core_pipe_limit, component_process, "sys/kernel/core_pipe_limit", 0644, &pipe_limit, 0, 0, 0);
