/* SPDX-License-Identifier: MIT */
/*
 * The content of a core file (core.h; the layout is lib/core_file.h's): headers, notes, memory. Which memory is dumped
 * says the process's filter (/proc/PID/coredump_filter). Pages that were never touched become holes of the file. The
 * limit, a full disk or SIGKILL ends the file where it is then.
 */
#include "core.h"

#include <abi/mman.h>
#include <kernel/file/pipe.h>
#include <kernel/mem/page.h>
#include <kernel/mem/slab.h>
#include <kernel/vfs/vfs.h>
#include <kernel/vm/vm.h>
#include <lib/core_file.h>
#include <lib/elf.h>
#include <lib/string.h>

constexpr size_t AUXV_ENTRIES_MAX = 64, FILES_BYTES_MAX = 256 << 10;

enum : uint32_t { /* bits of the filter, as in core(5) */
		  DUMP_PRIVATE = 1,
		  DUMP_SHARED = 2,
		  DUMP_FILE_PRIVATE = 4,
		  DUMP_FILE_SHARED = 8,
		  DUMP_ELF_HEADERS = 16,
};

struct segment {
	uint64_t start, end, offset, dumped; /* bytes from the start that are written */
	uint32_t prot;
	bool shared, omitted, is_vdso;
	struct file *file; /* with a reference */
};

struct writer {
	struct process *p;
	struct core_dump *d;
	struct file *f;
	uint64_t at, written; /* where the next goes; so far what went into a pipe */
	struct segment *segments;
	size_t count, room;
};

/* What would be a hole of a file is zeros. */
static bool emit_to_pipe(struct writer *w, const void *bytes, size_t n)
{
	static const char zeros[PAGE_SIZE];
	bool good = true;

	while (good && w->written < w->at) {
		size_t part = MIN(sizeof(zeros), w->at - w->written);

		good = pipe_write_all(w->f, zeros, part) == 0;
		w->written += part;
	}
	good = good && pipe_write_all(w->f, bytes, n) == 0;
	w->at += n;
	w->written = w->at;
	return good;
}

/* False: no more can be written. */
static bool emit(struct writer *w, const void *bytes, size_t n)
{
	if (w->p->group_exit || w->at >= w->d->limit)
		return false;
	if (core_is_piped(w->d))
		return emit_to_pipe(w, bytes, n);
	size_t part = MIN(n, w->d->limit - w->at);
	long done = file_write_at(w->f, bytes, part, w->at);

	w->at += done > 0 ? (uint64_t)done : 0;
	return done == (long)n;
}

static int add_segment(void *context, const struct vm_area_info *a)
{
	struct writer *w = context;

	if (w->segments == nullptr) {
		w->room++;
		return 0;
	}
	if (w->count == w->room)
		return 1;
	w->segments[w->count++] = (struct segment){
		.start = a->start,
		.end = a->end,
		.offset = a->offset,
		.prot = a->prot,
		.shared = a->shared,
		.omitted = a->dont_dump || (a->special && strcmp(a->label, "[vdso]") != 0),
		.is_vdso = a->special,
		.file = file_of_object(a->object),
	};
	if (w->segments[w->count - 1].file != nullptr)
		vm_object_get(a->object);
	return 0;
}

/* What a linker made read-only after it had written to it stands right before what is still writable of the file. */
static bool was_written(const struct segment *s, const struct segment *next)
{
	return (s->prot & PROT_WRITE) ||
	       (!(s->prot & PROT_EXEC) && next != nullptr && next->file != nullptr &&
		next->file->inode == s->file->inode && next->start == s->end && (next->prot & PROT_WRITE));
}

static uint64_t dumped_bytes(const struct segment *s, const struct segment *next, uint32_t filter)
{
	uint64_t all = s->end - s->start;

	if (s->omitted)
		return 0;
	if (s->is_vdso)
		return all;
	if (s->file == nullptr)
		return filter & (s->shared ? DUMP_SHARED : DUMP_PRIVATE) ? all : 0;
	if (s->shared)
		return filter & DUMP_FILE_SHARED ? all : 0;
	if ((filter & DUMP_FILE_PRIVATE) || ((filter & DUMP_PRIVATE) && was_written(s, next)))
		return all;
	/* The first page tells a debugger which build of the program or library it was. */
	return (filter & DUMP_ELF_HEADERS) && s->offset == 0 && (s->prot & PROT_READ) ? PAGE_SIZE : 0;
}

static bool gather(struct writer *w)
{
	struct vm_space *space = w->p->space;

	(void)vm_for_each_area(space, add_segment, w);
	if (w->room == 0 || w->room >= CORE_SEGMENTS_MAX)
		return false;
	w->segments = kmalloc(w->room * sizeof(*w->segments));
	if (w->segments == nullptr)
		return false;
	(void)vm_for_each_area(space, add_segment, w);
	for (size_t n = 0; n < w->count; n++)
		w->segments[n].dumped = dumped_bytes(&w->segments[n], n + 1 < w->count ? &w->segments[n + 1] : nullptr,
						     w->p->dump_filter);
	return true;
}

static bool emit_note(struct writer *w, const char *name, enum core_note_type type, const void *content, size_t n)
{
	size_t bytes = core_note_bytes(name, n);
	void *note = kmalloc(bytes);

	if (note == nullptr)
		return false;
	memcpy(core_note_put(note, name, type, n), content, n);
	bool good = emit(w, note, bytes);
	kfree(note);
	return good;
}

static void set_times(uint64_t *pair, uint64_t ns)
{
	pair[0] = ns / 1'000'000'000;
	pair[1] = ns % 1'000'000'000 / 1000;
}

static bool emit_thread(struct writer *w, struct core_thread *t)
{
	struct {
		struct core_status head;
		uint64_t regs[ARCH_CORE_REGS];
		int32_t has_fpu, padding;
	} status = {};
	struct process *p = w->p;
	bool first = &t->link == w->d->threads.next;
	uint64_t times[4];

	process_times(p, &times[0], &times[1], &times[2], &times[3]);
	status.head = (struct core_status){
		.signo = w->d->info.signo,
		.code = first ? w->d->info.code : 0,
		.current_signal = (int16_t)w->d->info.signo,
		.pending = t->pending,
		.blocked = t->blocked,
		.pid = t->tid,
		.parent = p->parent_pid,
		.group = p->pgid,
		.session = p->sid,
	};
	for (unsigned n = 0; n < 4; n++)
		set_times(&status.head.times[2 * n], times[n]);
	static_assert(ARCH_CORE_REGS_KNOWN * sizeof(uint64_t) <= sizeof(t->regs));
	memcpy(status.regs, &t->regs, ARCH_CORE_REGS_KNOWN * sizeof(uint64_t));
	status.has_fpu = 1;
	uint64_t tls = arch_core_tls(&t->regs);
	if (!emit_note(w, "CORE", CORE_NOTE_STATUS, &status, sizeof(status)) ||
	    !emit_note(w, "CORE", CORE_NOTE_FPU, t->fpu, ARCH_CORE_FPU_BYTES))
		return false;
	size_t extended = arch_core_xstate(t->fpu);
	return (extended == 0 || emit_note(w, "LINUX", CORE_NOTE_X86_XSTATE, t->fpu, extended)) &&
	       (!ARCH_CORE_HAS_TLS || emit_note(w, "LINUX", CORE_NOTE_ARM_TLS, &tls, sizeof(tls)));
}

static size_t thread_bytes(void)
{
	size_t status = sizeof(struct core_status) + (ARCH_CORE_REGS + 1) * sizeof(uint64_t);
	size_t extended = arch_core_xstate(nullptr);

	return core_note_bytes("CORE", status) + core_note_bytes("CORE", ARCH_CORE_FPU_BYTES) +
	       (extended != 0 ? core_note_bytes("LINUX", extended) : 0) +
	       (ARCH_CORE_HAS_TLS ? core_note_bytes("LINUX", sizeof(uint64_t)) : 0);
}

static void describe_process(struct writer *w, struct core_process *out)
{
	struct process *p = w->p;
	struct vm_exec_info info;

	*out = (struct core_process){
		.state_name = 'R',
		.uid = p->cred.uid,
		.gid = p->cred.gid,
		.pid = p->pid,
		.parent = p->parent_pid,
		.group = p->pgid,
		.session = p->sid,
	};
	memcpy(out->name, p->name, sizeof(out->name));
	vm_get_exec_info(p->space, &info);
	size_t n = vm_read_partial(p->space, info.arg_start, out->arguments,
				   MIN(sizeof(out->arguments) - 1, info.arg_end - info.arg_start));
	for (size_t i = 0; i + 1 < n; i++) {
		if (out->arguments[i] == '\0')
			out->arguments[i] = ' ';
	}
	out->arguments[n] = '\0';
}

/* Addresses and names of the files that are mapped (NT_FILE); *size bytes, to be freed. nullptr: no memory. */
static unsigned char *describe_files(struct writer *w, size_t *size)
{
	uint64_t *words, count = 0, most;
	char path[256];
	size_t names = 0;

	for (size_t n = 0; n < w->count; n++)
		count += w->segments[n].file != nullptr;
	most = MIN(count, FILES_BYTES_MAX / (3 * sizeof(uint64_t) + sizeof(path)));
	unsigned char *note = kmalloc((2 + 3 * most) * sizeof(uint64_t) + most * sizeof(path));
	if (note == nullptr)
		return nullptr;
	words = (uint64_t *)note;
	words[0] = most;
	words[1] = PAGE_SIZE;
	words += 2;
	char *name = (char *)(words + 3 * most);
	for (size_t n = 0; n < w->count && most > 0; n++) {
		const struct segment *s = &w->segments[n];

		if (s->file == nullptr)
			continue;
		*words++ = s->start;
		*words++ = s->end;
		*words++ = s->offset / PAGE_SIZE;
		if (file_describe(s->file, path, sizeof(path)) < 0)
			path[0] = '\0';
		strlcpy(name + names, path, sizeof(path));
		names += strlen(path) + 1;
		most--;
	}
	*size = (size_t)((unsigned char *)name - note) + names;
	return note;
}

struct notes {
	uint64_t auxv[2 * AUXV_ENTRIES_MAX];
	size_t auxv_bytes, files_bytes, bytes;
	unsigned char *files;
	struct core_process process;
};

static bool prepare_notes(struct writer *w, struct notes *n)
{
	const struct core_thread *t;

	describe_process(w, &n->process);
	n->auxv_bytes = process_auxv(w->p->space, n->auxv, AUXV_ENTRIES_MAX);
	n->files = describe_files(w, &n->files_bytes);
	if (n->files == nullptr)
		return false;
	n->bytes = core_note_bytes("CORE", sizeof(n->process)) + core_note_bytes("CORE", SIGINFO_BYTES) +
		   core_note_bytes("CORE", n->auxv_bytes) + core_note_bytes("CORE", n->files_bytes);
	list_for_each(t, &w->d->threads, link)
		n->bytes += thread_bytes();
	return true;
}

static bool emit_notes(struct writer *w, const struct notes *n)
{
	unsigned char siginfo[SIGINFO_BYTES] = {};
	struct core_thread *t;
	bool good;

	memcpy(siginfo, &w->d->info, sizeof(w->d->info));
	t = list_first(&w->d->threads, struct core_thread, link);
	good = emit_thread(w, t) && emit_note(w, "CORE", CORE_NOTE_PROCESS, &n->process, sizeof(n->process)) &&
	       emit_note(w, "CORE", CORE_NOTE_SIGINFO, siginfo, sizeof(siginfo)) &&
	       emit_note(w, "CORE", CORE_NOTE_AUXV, n->auxv, n->auxv_bytes) &&
	       emit_note(w, "CORE", CORE_NOTE_FILES, n->files, n->files_bytes);
	list_for_each(t, &w->d->threads, link) {
		if (&t->link != w->d->threads.next)
			good = good && emit_thread(w, t);
	}
	return good;
}

static bool emit_headers(struct writer *w, uint64_t notes_bytes)
{
	unsigned char header[CORE_HEADER_BYTES];
	uint64_t offset = CORE_HEADER_BYTES + (w->count + 1) * CORE_SEGMENT_BYTES;

	core_header_put(header, ARCH_ELF_MACHINE, (uint16_t)(w->count + 1));
	bool good = emit(w, header, CORE_HEADER_BYTES);
	core_notes_segment_put(header, offset, notes_bytes);
	good = good && emit(w, header, CORE_SEGMENT_BYTES);
	offset = align_up(offset + notes_bytes, CORE_PAGE);
	for (size_t n = 0; n < w->count && good; n++) {
		const struct segment *s = &w->segments[n];
		uint32_t flags = (s->prot & PROT_READ ? ELF_R : 0) | (s->prot & PROT_WRITE ? ELF_W : 0) |
				 (s->prot & PROT_EXEC ? ELF_X : 0);

		core_memory_segment_put(header, s->start, s->end - s->start, offset, s->dumped, flags);
		good = emit(w, header, CORE_SEGMENT_BYTES);
		offset += s->dumped;
	}
	return good;
}

static bool emit_memory(struct writer *w, void *page)
{
	struct vm_space *space = w->p->space;
	uint64_t end = 0;
	bool good = true;

	w->at = align_up(w->at, CORE_PAGE);
	for (size_t n = 0; n < w->count && good; n++) {
		const struct segment *s = &w->segments[n];

		for (uint64_t at = s->start; at < s->start + s->dumped && good;) {
			uint64_t next = vm_dump_next(space, at, s->start + s->dumped, page);

			w->at += MIN(next, s->start + s->dumped) - at;
			at = next;
			if (at >= s->start + s->dumped)
				break;
			good = emit(w, page, PAGE_SIZE);
			at += PAGE_SIZE;
			end = w->at;
		}
		good = good && !w->p->group_exit;
	}
	/* The last hole belongs to the file. */
	if (good && w->at > end && w->at <= w->d->limit) {
		w->at--;
		good = emit(w, "", 1);
	}
	return good;
}

bool core_write(struct process *p, struct core_dump *d, struct file *f)
{
	struct writer w = {.p = p, .d = d, .f = f};
	struct notes *notes = kmalloc(sizeof(*notes));
	void *page = kmalloc(PAGE_SIZE);
	bool begun = false;

	if (notes != nullptr && page != nullptr && gather(&w) && prepare_notes(&w, notes)) {
		begun = true;
		(void)(emit_headers(&w, notes->bytes) && emit_notes(&w, notes) && emit_memory(&w, page));
		kfree(notes->files);
	}
	for (size_t n = 0; n < w.count; n++) {
		if (w.segments[n].file != nullptr)
			file_put(w.segments[n].file);
	}
	kfree(w.segments);
	kfree(page);
	kfree(notes);
	return begun;
}
