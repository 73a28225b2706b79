/* SPDX-License-Identifier: MIT */
/*
 * A program that is linked dynamically: the kernel maps it and the interpreter that it names, and starts that one,
 * which finds the program by the auxiliary vector, loads what it needs (its C library is the interpreter itself),
 * relocates all and goes to AT_ENTRY (System V ABI, chapter 5, "Program Interpreter"; getauxval(3)).
 */
#include "ktap.h"

#include <elf.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

enum : uintptr_t { PAGE = 4096 };

extern const Elf64_Ehdr __ehdr_start;

static bool constructed;

[[gnu::constructor]] static void construct(void)
{
	constructed = true;
}

static const Elf64_Phdr *header_of(uint32_t type)
{
	const Elf64_Phdr *h = (const Elf64_Phdr *)getauxval(AT_PHDR);

	for (unsigned long n = 0; n < getauxval(AT_PHNUM); n++)
		if (h[n].p_type == type)
			return &h[n];
	ktap_fail(__FILE__, __LINE__, "there is no program header of type %u", type);
}

static const char *interpreter(void)
{
	return (const char *)&__ehdr_start + header_of(PT_INTERP)->p_vaddr;
}

/* Whether the address lies in what is mapped of that file. */
static bool maps(uintptr_t address, const char *path)
{
	static char text[16384];

	ktap_read_file("/proc/self/maps", text, sizeof(text));
	for (char *line = strtok(text, "\n"); line != nullptr; line = strtok(nullptr, "\n")) {
		char *end;
		uintptr_t from = strtoul(line, &end, 16), to = strtoul(end + 1, nullptr, 16);
		const char *name = strchr(line, '/');

		if (address >= from && address < to)
			return name != nullptr && strcmp(name, path) == 0;
	}
	return false;
}

static void the_vector_tells_of_both(void)
{
	uintptr_t own = (uintptr_t)&__ehdr_start, base = getauxval(AT_BASE);

	EQUAL(__ehdr_start.e_type, ET_DYN);
	EQUAL(own % PAGE, 0);
	EQUAL(getauxval(AT_PHDR), own + __ehdr_start.e_phoff);
	EQUAL(getauxval(AT_PHENT), sizeof(Elf64_Phdr));
	EQUAL(getauxval(AT_PHNUM), __ehdr_start.e_phnum);
	EQUAL(getauxval(AT_ENTRY), own + __ehdr_start.e_entry);
	CHECK(base != 0 && base != own);
	EQUAL(base % PAGE, 0);
	CHECK(memcmp((const void *)base, ELFMAG, SELFMAG) == 0);
	CHECK(maps(base, interpreter()));
	CHECK(maps(getauxval(AT_ENTRY), "/test/exec_dynamic"));
}

static int value = 17;
static int *volatile relocated = &value;

static void all_is_linked(void)
{
	CHECK(constructed);
	CHECK(relocated == &value);
	/* Of the program, and of the library: functions by address, variables by copy. */
	CHECK(maps((uintptr_t)all_is_linked, "/test/exec_dynamic"));
	CHECK(maps((uintptr_t)getauxval, interpreter()));
	CHECK(environ != nullptr && getenv("PATH") != nullptr);
	EQUAL(fprintf(stderr, "%s", ""), 0);
}

static _Thread_local int own_value = 5;

static void *change_own(void *)
{
	EQUAL(own_value, 5);
	own_value = 6;
	return malloc(100'000);
}

static void threads_have_their_own(void)
{
	pthread_t thread;
	void *memory;

	(void)header_of(PT_TLS);
	EQUAL(pthread_create(&thread, nullptr, change_own, nullptr), 0);
	EQUAL(pthread_join(thread, &memory), 0);
	CHECK(memory != nullptr);
	free(memory);
	EQUAL(own_value, 5);
}

/* Called as a program itself, it loads the one it is given. */
static void the_interpreter_as_a_program(void)
{
	EXITS(CHILD(char *name = (char *)interpreter();
		    execve(name, (char *[]){name, "/test/exec_dynamic", "@exit", nullptr}, environ); _exit(1)),
	      17);
}

/* A copy of this program with another interpreter's name. */
static void copy_with(const char *path, const char *name)
{
	static char image[1 << 20];
	const Elf64_Phdr *h = header_of(PT_INTERP);
	int in = OK(open("/proc/self/exe", O_RDONLY)), out = OK(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755));
	ssize_t n = OK(read(in, image, sizeof(image)));

	CHECK(n > 0 && n < (ssize_t)sizeof(image) && strlen(name) < h->p_filesz);
	memset(image + h->p_offset, 0, h->p_filesz);
	strcpy(image + h->p_offset, name);
	/* What is named must fill the segment up to its zero. */
	for (Elf64_Phdr *p = (Elf64_Phdr *)(image + ((Elf64_Ehdr *)image)->e_phoff);; p++) {
		if (p->p_type != PT_INTERP)
			continue;
		p->p_filesz = p->p_memsz = strlen(name) + 1;
		break;
	}
	EQUAL(write(out, image, (size_t)n), n);
	OK(close(in));
	OK(close(out));
}

static void interpreters_that_are_none(void)
{
	char *argv[] = {"copy", "@exit", nullptr}, text[200];

	ktap_enter_dir();
	copy_with("copy", interpreter());
	EXITS(CHILD(execve("copy", argv, environ); _exit(1)), 17);
	copy_with("copy", "/nowhere");
	FAILS(ENOENT, execve("copy", argv, environ));
	copy_with("copy", "./text");
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	ktap_write_file("text", text);
	FAILS(EACCES, execve("copy", argv, environ));
	OK(chmod("text", 0755));
	FAILS(ELIBBAD, execve("copy", argv, environ));
}

static const struct ktap_case cases[] = {CASE(the_vector_tells_of_both), CASE(all_is_linked),
					 CASE(threads_have_their_own), CASE(the_interpreter_as_a_program),
					 CASE(interpreters_that_are_none)};

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "@exit") == 0)
		return constructed ? *relocated : 1;
	return ktap_main(argc, argv, cases, sizeof(cases) / sizeof(*cases));
}
