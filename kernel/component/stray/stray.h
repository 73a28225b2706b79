/* SPDX-License-Identifier: MIT */
/* The deliberately broken component: its cases, and what each does to whom. */
#ifndef STRAY_STRAY_H
#define STRAY_STRAY_H

#include <stddef.h>
#include <stdint.h>

/* The victim that the seed chose, and the function that a report has to name. */
struct stray_victim {
	uint64_t address; /* or number, for instructions */
	char name[96];	  /* one word */
};

struct stray_case {
	const char *name;
	const char *what; /* "trying to …" */
	const char *culprit;
	/* Chooses the victim. -ENOENT: there is none. */
	int (*choose)(uint64_t seed, struct stray_victim *v);
	/* Misbehaves. Returns only if it was not stopped. */
	void (*run)(uint64_t address);
	/* In place of run: a nucleus call that has to be refused with -EPERM. */
	long (*call)(uint64_t address);
	/* Would do real damage where nothing stops it: not run by a privileged thread. */
	bool needs_lowered;
};

#define STRAY_CASE(case_name, what_, choose_, function, ...)                                                           \
	{.name = case_name, .what = what_, .culprit = #function, .choose = choose_, .run = function, __VA_ARGS__}

/* victims.c */
int stray_choose_page_table(uint64_t seed, struct stray_victim *v);
int stray_choose_nucleus_data(uint64_t seed, struct stray_victim *v);
int stray_choose_nucleus_text(uint64_t seed, struct stray_victim *v);
int stray_choose_kernel_text(uint64_t seed, struct stray_victim *v);
int stray_choose_thread_record(uint64_t seed, struct stray_victim *v);
int stray_choose_entry_page(uint64_t seed, struct stray_victim *v);
int stray_choose_nucleus_frame(uint64_t seed, struct stray_victim *v); /* its number */
int stray_choose_number(uint64_t seed, struct stray_victim *v);	       /* any */

/* writes.c: each writes to the byte at the address. */
void stray_write_page_table(uint64_t address);
void stray_write_nucleus_data(uint64_t address);
void stray_write_nucleus_text(uint64_t address);
void stray_write_kernel_text(uint64_t address);
void stray_write_thread_record(uint64_t address);
void stray_write_entry_page(uint64_t address);
void stray_write_by_memset(uint64_t address); /* the report has to name it, not what it calls */

/* paths.c: acts in disguise. */
extern const struct stray_case stray_path_cases[];

/* devices.c: calls about devices. */
extern const struct stray_case stray_device_cases[];

/* stray.c: the next word of [*p, end), its length, 0 at the end; and a word as a number. */
size_t stray_next_word(const char **p, const char *end, const char **word);
bool stray_parse_number(const char *word, size_t length, uint64_t *out);

/* arch: forbidden instructions. The list ends with a case without a name. */
extern const struct stray_case stray_arch_cases[];

#endif
