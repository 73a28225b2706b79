/* SPDX-License-Identifier: MIT */
/*
 * The parts of execve(2): strings gathered from the caller, the image mapped into a fresh space,
 * the initial stack, the switch. Everything up to the switch works on the new space alone, so a
 * failure leaves the caller as it was.
 */
#ifndef PROCESS_EXEC_H
#define PROCESS_EXEC_H

#include "internal.h"

#include <kernel/process/process.h>
#include <lib/list.h>

enum : size_t {
	EXEC_HEAD_BYTES = 4096, /* of the file, looked at for magic numbers and program headers */
	EXEC_SCRIPT_LINE = 256,
	EXEC_STRING_MAX = 131072,
	EXEC_PREFIX_MAX = 16,
	EXEC_SCRIPT_DEPTH = 5,
};

/* Zero-terminated strings, one after the other, in pages. */
struct exec_strings {
	struct list chunks;
	uint64_t bytes, count;
	uint64_t first_length; /* of the first string, with its terminator */
};
struct exec_chunk {
	struct list link;
	size_t used;
	char text[4096 - sizeof(struct list) - sizeof(size_t)];
};
void exec_strings_init(struct exec_strings *s);
void exec_strings_free(struct exec_strings *s);
/* -E2BIG, -EFAULT, -ENOMEM. limit: bytes that s may hold. */
[[nodiscard]] int exec_strings_add(struct exec_strings *s, const char *text, uint64_t limit);
[[nodiscard]] int exec_strings_add_user(struct exec_strings *s, user_addr text, uint64_t limit);
/* All strings of a user array of pointers that a null ends. */
[[nodiscard]] int exec_strings_add_user_array(struct exec_strings *s, user_addr array, uint64_t limit);

struct exec_image {
	uint64_t entry; /* where the process begins: the interpreter's, if there is one */
	uint64_t program_entry, phdr, phdr_size, phdr_count, interpreter_base;
	uint64_t end; /* of the program's last segment */
	uint64_t code_start, code_end;
};

struct exec {
	struct process_work work;
	struct file *file;
	bool running; /* exe_begin was done for file */
	char *name;   /* path of the program as called: AT_EXECFN */
	uint8_t *head;
	size_t head_bytes;
	struct exec_strings args, env;
	char *prefix[EXEC_PREFIX_MAX]; /* strings before args, which then lose their first */
	unsigned prefix_count, depth;
	struct vm_space *space;
	struct exec_image image;
	struct credentials cred, old_cred; /* of the program, and what they were made from */
	uint32_t personality;
	bool secure, randomise, unreadable;
	uint64_t stack_pointer;
	struct vm_exec_info info;
	struct signal_state *handlers; /* if those there are have to be copied */
	struct path path;	       /* while the program is opened */
	struct fs_context *held_fs;    /* nobody else has it */
};

/* Maps program and interpreter into e->space. -ENOEXEC, -ENOMEM, -ELIBBAD… */
[[nodiscard]] int exec_map_image(struct exec *e);
/* Maps the stack and fills it with strings, vectors and the auxiliary vector. */
[[nodiscard]] int exec_build_stack(struct exec *e);
/* Opens the program or interpreter that path names, for executing it. */
[[nodiscard]] int exec_open(const char *path, struct file **out);
/* Reads the file's first bytes. */
[[nodiscard]] int exec_read_head(struct file *f, uint8_t *head, size_t *bytes);
/* Random page-aligned offset below pages * 4096, 0 if randomisation is off. */
uint64_t exec_random(const struct exec *e, uint64_t pages);

/* Reads e->file's head; as long as that is a script, its interpreter takes its place. -ENOEXEC, -ELOOP, -E2BIG,
 * -ENOMEM, and what opening and reading answer. */
[[nodiscard]] int exec_find_program(struct exec *e);
/* The point of no return: the caller is the new program then, its registers too; e is freed. */
void exec_become(struct exec *e);
/* Gives back what e holds, and e. What is given back is forgotten first, so that it can be called again after a fault
 * in it. */
void exec_free(struct exec *e);

#endif
