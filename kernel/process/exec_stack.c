/* SPDX-License-Identifier: MIT */
/*
 * The initial stack of a program (System V ABI, x86_64 3.4.1 "Initial Stack and Register State";
 * AArch64 alike; auxiliary vector: getauxval(3)). From the top down: eight zero bytes, the path it
 * was called by, environment strings, argument strings, the platform's name, 16 random bytes, then
 * aligned: argc, argv[], 0, envp[], 0, auxv[].
 */
#include "exec.h"
#include "internal.h"
#include <arch/signal.h>
#include <kernel/base/init.h>
#include <kernel/base/random.h>
#include <lib/string.h>
#include <nucleus/layout.h>

enum : uint64_t { STACK_RANDOM_PAGES = UINT64_C(1) << 22, STACK_GAP = 4096, STACK_LEAST = 256 * 1024 };
enum auxv : uint64_t {
	AT_NULL = 0,
	AT_PHDR = 3,
	AT_PHENT = 4,
	AT_PHNUM = 5,
	AT_PAGESZ = 6,
	AT_BASE = 7,
	AT_FLAGS = 8,
	AT_ENTRY = 9,
	AT_UID = 11,
	AT_EUID = 12,
	AT_GID = 13,
	AT_EGID = 14,
	AT_PLATFORM = 15,
	AT_HWCAP = 16,
	AT_CLKTCK = 17,
	AT_SECURE = 23,
	AT_RANDOM = 25,
	AT_HWCAP2 = 26,
	AT_EXECFN = 31,
	AT_SYSINFO_EHDR = 33,
	AT_MINSIGSTKSZ = 51,
	AUXV_ENTRIES = 22,
};

/* Ascending 64-bit words, written in pieces. */
struct word_writer {
	struct vm_space *space;
	uint64_t at;
	unsigned used;
	int error;
	uint64_t words[48];
};

static void flush(struct word_writer *w)
{
	if (w->error == 0 && w->used > 0)
		w->error = vm_write(w->space, w->at, w->words, w->used * sizeof(uint64_t));
	w->at += w->used * sizeof(uint64_t);
	w->used = 0;
}

static void put(struct word_writer *w, uint64_t word)
{
	if (w->used == ARRAY_LEN(w->words))
		flush(w);
	w->words[w->used++] = word;
}

static void put_aux(struct word_writer *w, uint64_t type, uint64_t value)
{
	put(w, type);
	put(w, value);
}

/* Copies the strings to *at, without the first `skip` bytes. */
static int write_strings(struct exec *e, const struct exec_strings *s, uint64_t skip, uint64_t *at)
{
	struct exec_chunk *c;

	list_for_each(c, &s->chunks, link) {
		size_t from = MIN(skip, c->used);
		skip -= from;
		if (from == c->used)
			continue;
		int error = vm_write(e->space, *at, c->text + from, c->used - from);
		if (error != 0)
			return error;
		*at += c->used - from;
	}
	return 0;
}

/* Pointers to the strings that write_strings put at `at`. */
static void put_pointers(struct word_writer *w, const struct exec_strings *s, uint64_t skip, uint64_t at)
{
	struct exec_chunk *c;
	bool at_start = true;

	list_for_each(c, &s->chunks, link) {
		size_t from = MIN(skip, c->used);
		skip -= from;
		for (size_t i = from; i < c->used; i++, at++) {
			if (at_start)
				put(w, at);
			at_start = c->text[i] == '\0';
		}
	}
}

struct stack_plan {
	uint64_t skip, prefix_bytes;
	uint64_t args_at, env_at, name_at, platform_at, random_at;
	uint64_t argc, words_at, vdso;
};

static void plan_strings(struct exec *e, uint64_t top, struct stack_plan *plan)
{
	uint64_t name_bytes = strlen(e->name) + 1;

	plan->skip = e->prefix_count > 0 ? e->args.first_length : 0;
	for (unsigned i = 0; i < e->prefix_count; i++)
		plan->prefix_bytes += strlen(e->prefix[i]) + 1;
	plan->argc = e->args.count + e->prefix_count - (plan->skip != 0 ? 1 : 0);
	plan->name_at = top - sizeof(uint64_t) - name_bytes;
	plan->env_at = plan->name_at - e->env.bytes;
	plan->args_at = plan->env_at - (e->args.bytes - plan->skip) - plan->prefix_bytes;
	plan->platform_at = plan->args_at - sizeof(ARCH_PLATFORM_NAME);
	plan->random_at = align_down(plan->platform_at - 16, 16);
	uint64_t words = 1 + plan->argc + 1 + e->env.count + 1 + 2 * AUXV_ENTRIES;
	plan->words_at = align_down(plan->random_at - words * sizeof(uint64_t), ARCH_STACK_ALIGN);
}

static int write_text(struct exec *e, const struct stack_plan *plan)
{
	unsigned char random[16];
	uint64_t at = plan->args_at;
	int error = 0;

	for (unsigned i = 0; i < e->prefix_count && error == 0; i++) {
		size_t n = strlen(e->prefix[i]) + 1;
		error = vm_write(e->space, at, e->prefix[i], n);
		at += n;
	}
	if (error == 0)
		error = write_strings(e, &e->args, plan->skip, &at);
	if (error == 0)
		error = write_strings(e, &e->env, 0, &at);
	if (error == 0)
		error = vm_write(e->space, plan->name_at, e->name, strlen(e->name) + 1);
	if (error == 0)
		error = vm_write(e->space, plan->platform_at, ARCH_PLATFORM_NAME, sizeof(ARCH_PLATFORM_NAME));
	random_bytes(random, sizeof(random));
	if (error == 0)
		error = vm_write(e->space, plan->random_at, random, sizeof(random));
	return error;
}

static void put_auxv(struct word_writer *w, const struct exec *e, const struct stack_plan *plan)
{
	const struct exec_image *i = &e->image;

	if (plan->vdso != 0)
		put_aux(w, AT_SYSINFO_EHDR, plan->vdso);
	put_aux(w, AT_HWCAP, boot_info()->hwcap);
	put_aux(w, AT_HWCAP2, boot_info()->hwcap2);
	put_aux(w, AT_PAGESZ, PAGE_SIZE);
	put_aux(w, AT_CLKTCK, 100);
	put_aux(w, AT_PHDR, i->phdr);
	put_aux(w, AT_PHENT, i->phdr_size);
	put_aux(w, AT_PHNUM, i->phdr_count);
	put_aux(w, AT_BASE, i->interpreter_base);
	put_aux(w, AT_FLAGS, 0);
	put_aux(w, AT_ENTRY, i->program_entry);
	put_aux(w, AT_UID, e->cred.uid);
	put_aux(w, AT_EUID, e->cred.euid);
	put_aux(w, AT_GID, e->cred.gid);
	put_aux(w, AT_EGID, e->cred.egid);
	put_aux(w, AT_SECURE, e->secure);
	put_aux(w, AT_RANDOM, plan->random_at);
	put_aux(w, AT_EXECFN, plan->name_at);
	put_aux(w, AT_PLATFORM, plan->platform_at);
	put_aux(w, AT_MINSIGSTKSZ, arch_signal_frame_bytes());
	put_aux(w, AT_NULL, 0);
}

static int write_words(struct exec *e, const struct stack_plan *plan)
{
	struct word_writer w = {.space = e->space, .at = plan->words_at};
	uint64_t at = plan->args_at;

	put(&w, plan->argc);
	for (unsigned i = 0; i < e->prefix_count; i++) {
		put(&w, at);
		at += strlen(e->prefix[i]) + 1;
	}
	put_pointers(&w, &e->args, plan->skip, at);
	put(&w, 0);
	put_pointers(&w, &e->env, 0, plan->env_at);
	put(&w, 0);
	put_auxv(&w, e, plan);
	flush(&w);
	return w.error;
}

int exec_build_stack(struct exec *e)
{
	uint64_t top = USER_END - STACK_GAP - exec_random(e, STACK_RANDOM_PAGES);
	uint64_t limit = MIN(process_rlimit(RLIMIT_STACK), UINT64_C(1) << 30);
	struct stack_plan plan = {};
	int error = vm_map_vdso(e->space, &plan.vdso);

	if (error != 0)
		return error;
	plan_strings(e, top, &plan);
	uint64_t needed = align_up(top - plan.words_at, PAGE_SIZE) + STACK_LEAST;
	error = vm_map_stack(e->space, top, align_up(MAX(limit, needed), PAGE_SIZE));
	if (error == 0)
		error = write_text(e, &plan);
	if (error == 0)
		error = write_words(e, &plan);
	e->stack_pointer = plan.words_at;
	e->info = (struct vm_exec_info){
		.arg_start = plan.args_at,
		.arg_end = plan.env_at,
		.env_start = plan.env_at,
		.env_end = plan.name_at,
		.stack_start = plan.words_at,
		.code_start = e->image.code_start,
		.code_end = e->image.code_end,
		.vdso = plan.vdso,
	};
	return error;
}

/* The first address after a list of pointers that ends in a null pointer. */
static uint64_t skip_pointers(struct vm_space *space, uint64_t at, uint64_t end)
{
	uint64_t word = 1;

	while (word != 0 && at < end && vm_read(space, at, &word, sizeof(word)) == 0)
		at += sizeof(word);
	return at;
}

/* The initial stack has argc, argv, null, environment, null, auxiliary vector (System V ABI, process initialization).
 */
size_t process_auxv(struct vm_space *space, uint64_t *out, size_t entries)
{
	struct vm_exec_info info;
	size_t n = 0;

	vm_get_exec_info(space, &info);
	uint64_t at = skip_pointers(space, info.stack_start + sizeof(uint64_t), info.arg_start);
	at = skip_pointers(space, at, info.arg_start);
	while (n < entries && vm_read(space, at, &out[2 * n], 2 * sizeof(uint64_t)) == 0) {
		at += 2 * sizeof(uint64_t);
		if (out[2 * n++] == AT_NULL)
			break;
	}
	return n * 2 * sizeof(uint64_t);
}
