/* SPDX-License-Identifier: MIT */
/* Core dumps (core(5)): when there is one, under which name, and what a debugger finds in it. */
#include "ktap.h"

#include <elf.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATTERN "/proc/sys/kernel/core_pattern"
#define PAGE	4096

static char text[64] = "what a debugger looks for";

static void allow(rlim_t bytes)
{
	struct rlimit limit = {bytes, RLIM_INFINITY};

	OK(setrlimit(RLIMIT_CORE, &limit));
}

/* Each case in a folder of its own, where the name is "core". */
static void prepare(void)
{
	char folder[] = "cores.XXXXXX";

	CHECK(mkdtemp(folder) != nullptr);
	OK(chdir(folder));
	allow(RLIM_INFINITY);
}

static void tidy(void)
{
	char folder[256];

	CHECK(getcwd(folder, sizeof(folder)) != nullptr);
	OK(chdir(".."));
	OK(rmdir(folder));
}

static int status_of(pid_t child)
{
	int status;

	EQUAL(waitpid(child, &status, 0), child);
	return status;
}

static void die(int signal_number)
{
	signal(signal_number, SIG_DFL);
	raise(signal_number);
	_exit(1);
}

/* The file's content; removed. */
static char *take(const char *name, size_t *size)
{
	struct stat st;
	int fd = OK(open(name, O_RDONLY));

	OK(fstat(fd, &st));
	char *bytes = malloc((size_t)st.st_size);
	CHECK(bytes != nullptr);
	EQUAL(read(fd, bytes, (size_t)st.st_size), st.st_size);
	OK(close(fd));
	OK(unlink(name));
	*size = (size_t)st.st_size;
	return bytes;
}

static const Elf64_Phdr *headers(const char *core, size_t size, unsigned *count)
{
	const Elf64_Ehdr *h = (const void *)core;

	CHECK(size > sizeof(*h));
	EQUAL(memcmp(h->e_ident, ELFMAG, SELFMAG), 0);
	EQUAL(h->e_type, ET_CORE);
	*count = h->e_phnum;
	return (const void *)(core + h->e_phoff);
}

/* Calls fn with each note's type and content. */
static void each_note(const char *core, size_t size, void (*fn)(unsigned type, const char *content, size_t n))
{
	unsigned count;
	const Elf64_Phdr *p = headers(core, size, &count);

	EQUAL(p->p_type, PT_NOTE);
	for (size_t at = p->p_offset; at < p->p_offset + p->p_filesz;) {
		const Elf64_Nhdr *n = (const void *)(core + at);
		size_t content = at + sizeof(*n) + (n->n_namesz + 3) / 4 * 4;

		CHECK(content + n->n_descsz <= size);
		fn(n->n_type, core + content, n->n_descsz);
		at = content + (n->n_descsz + 3) / 4 * 4;
	}
}

/* The byte of the core that stands for an address; nullptr: it is not in it. */
static const char *memory_at(const char *core, size_t size, const void *address)
{
	unsigned count;
	const Elf64_Phdr *p = headers(core, size, &count);

	for (unsigned n = 0; n < count; n++) {
		if (p[n].p_type == PT_LOAD && (uintptr_t)address - p[n].p_vaddr < p[n].p_filesz)
			return core + p[n].p_offset + ((uintptr_t)address - p[n].p_vaddr);
	}
	return nullptr;
}

static void signals_that_dump(void)
{
	static const int dumping[] = {SIGQUIT, SIGILL,	SIGTRAP, SIGABRT, SIGBUS,
				      SIGFPE,  SIGSEGV, SIGXCPU, SIGXFSZ, SIGSYS};
	static const int others[] = {SIGTERM, SIGINT, SIGKILL, SIGUSR1, SIGALRM, SIGIO};
	siginfo_t info;
	size_t size;

	prepare();
	for (unsigned n = 0; n < sizeof(dumping) / sizeof(*dumping); n++) {
		pid_t child = CHILD(die(dumping[n]));
		OK(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT));
		EQUAL(info.si_code, CLD_DUMPED);
		EQUAL(info.si_status, dumping[n]);
		EQUAL(status_of(child), dumping[n] | 0x80);
		free(take("core", &size));
	}
	for (unsigned n = 0; n < sizeof(others) / sizeof(*others); n++)
		EQUAL(status_of(CHILD(die(others[n]))), others[n]);
	FAILS(ENOENT, open("core", O_RDONLY));
	tidy();
}

static void without_permission(void)
{
	prepare();
	EQUAL(status_of(CHILD({
		      allow(0);
		      die(SIGABRT);
	      })),
	      SIGABRT);
	EQUAL(status_of(CHILD({
		      allow(PAGE - 1);
		      die(SIGABRT);
	      })),
	      SIGABRT);
	EQUAL(status_of(CHILD({
		      OK(prctl(PR_SET_DUMPABLE, 0));
		      die(SIGABRT);
	      })),
	      SIGABRT);
	FAILS(ENOENT, open("core", O_RDONLY));
	/* Only a file of one's own without other names is overwritten, and no link is followed. */
	OK(symlink("elsewhere", "core"));
	EQUAL(status_of(CHILD(die(SIGABRT))), SIGABRT);
	FAILS(ENOENT, open("elsewhere", O_RDONLY));
	OK(unlink("core"));
	OK(close(OK(open("core", O_CREAT | O_WRONLY, 0600))));
	OK(link("core", "second"));
	EQUAL(status_of(CHILD(die(SIGABRT))), SIGABRT);
	OK(unlink("second"));
	OK(unlink("core"));
	tidy();
}

static unsigned threads_noted, fpus_noted, extended_noted, infos_noted, files_noted;
static int first_signal, first_pid;
static uint64_t auxv_page;

static void look(unsigned type, const char *content, size_t n)
{
	if (type == NT_PRSTATUS && threads_noted++ == 0) {
		memcpy(&first_signal, content, sizeof(int));
		memcpy(&first_pid, content + 32, sizeof(int));
	}
	fpus_noted += type == NT_FPREGSET;
	if (type == NT_X86_XSTATE) {
		uint64_t parts, used;

		/* The image of XSAVE, with the parts that there can be at 464 and those that it has at 512. */
		CHECK(n >= 576);
		memcpy(&parts, content + 464, sizeof(parts));
		memcpy(&used, content + 512, sizeof(used));
		CHECK((parts & 3) == 3 && (used & ~parts) == 0);
		extended_noted++;
	}
	infos_noted += type == NT_SIGINFO && *(const int *)(const void *)content == SIGABRT;
	files_noted += type == NT_FILE;
	for (size_t at = 0; type == NT_AUXV && at < n; at += sizeof(Elf64_auxv_t)) {
		const Elf64_auxv_t *a = (const void *)(content + at);
		if (a->a_type == AT_PAGESZ)
			auxv_page = a->a_un.a_val;
	}
}

static pthread_barrier_t all_there;
static int never[2];

static void *wait_for_ever(void *)
{
	char c;

	pthread_barrier_wait(&all_there);
	(void)!read(never[0], &c, 1);
	return nullptr;
}

static void *spin_for_ever(void *)
{
	pthread_barrier_wait(&all_there);
	for (volatile unsigned n = 0;; n++)
		;
	return nullptr;
}

static char *kept, *left_out;

static void die_with_threads(void)
{
	pthread_t t;

	OK(pipe(never));
	pthread_barrier_init(&all_there, nullptr, 3);
	EQUAL(pthread_create(&t, nullptr, wait_for_ever, nullptr), 0);
	EQUAL(pthread_create(&t, nullptr, spin_for_ever, nullptr), 0);
	pthread_barrier_wait(&all_there);
	text[0] = 'W';
	strcpy(kept, "kept");
	strcpy(left_out, "left out");
	OK(madvise(left_out, PAGE, MADV_DONTDUMP));
	abort();
}

static bool processor_has(const char *word)
{
	static char info[16384];

	ktap_read_file("/proc/cpuinfo", info, sizeof(info));
	return strstr(info, word) != nullptr;
}

static void what_is_in_it(void)
{
	size_t size;

	prepare();
	kept = mmap(nullptr, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	left_out = mmap(nullptr, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(kept != MAP_FAILED && left_out != MAP_FAILED);
	pid_t child = CHILD(die_with_threads());
	EQUAL(status_of(child), SIGABRT | 0x80);
	char *core = take("core", &size);
	each_note(core, size, look);
	EQUAL(threads_noted, 3);
	EQUAL(fpus_noted, 3);
	EQUAL(extended_noted, processor_has(" xsave") ? 3 : 0);
	EQUAL(infos_noted, 1);
	EQUAL(files_noted, 1);
	EQUAL(first_signal, SIGABRT);
	EQUAL(first_pid, child);
	EQUAL(auxv_page, PAGE);
	const char *at = memory_at(core, size, text);
	CHECK(at != nullptr && at + sizeof(text) <= core + size);
	EQUAL(memcmp(at, "What a debugger looks for", 26), 0);
	at = memory_at(core, size, kept);
	CHECK(at != nullptr);
	EQUAL(strcmp(at, "kept"), 0);
	/* What was never touched reads as zeros. */
	at = memory_at(core, size, kept + 63 * PAGE);
	CHECK(at != nullptr && at < core + size);
	EQUAL(*at, 0);
	CHECK(memory_at(core, size, left_out) == nullptr);
	free(core);
	tidy();
}

static void limits_and_filters(void)
{
	char value[16] = "";
	size_t size, small;

	prepare();
	EQUAL(status_of(CHILD({
		      allow(2 * PAGE);
		      die(SIGABRT);
	      })),
	      SIGABRT | 0x80);
	free(take("core", &size));
	CHECK(size > 0 && size <= 2 * PAGE);
	EQUAL(status_of(CHILD(die(SIGABRT))), SIGABRT | 0x80);
	free(take("core", &size));
	int fd = OK(open("/proc/self/coredump_filter", O_RDONLY));
	EQUAL(read(fd, value, sizeof(value)), 9);
	EQUAL(strcmp(value, "00000033\n"), 0);
	OK(close(fd));
	EQUAL(status_of(CHILD({
		      ktap_put("/proc/self/coredump_filter", "0x0\n");
		      die(SIGABRT);
	      })),
	      SIGABRT | 0x80);
	char *core = take("core", &small);
	CHECK(small < size);
	CHECK(memory_at(core, small, text) == nullptr);
	free(core);
	tidy();
}

static void names(void)
{
	char before[128] = "", name[64];
	size_t size;

	if (getuid() != 0)
		ktap_skip("needs root");
	prepare();
	int fd = OK(open(PATTERN, O_RDONLY));
	OK(read(fd, before, sizeof(before) - 1));
	OK(close(fd));
	ktap_put(PATTERN, "c.%e.%p.%s.%u.%%%z\n");
	pid_t child = CHILD({
		OK(prctl(PR_SET_NAME, "odd/name"));
		die(SIGABRT);
	});
	int status = status_of(child);
	fd = OK(open(PATTERN, O_WRONLY));
	FAILS(EINVAL, write(fd, "|bin/true", 9));
	OK(close(fd));
	ktap_put(PATTERN, before);
	EQUAL(status, SIGABRT | 0x80);
	snprintf(name, sizeof(name), "c.odd!name.%d.6.0.%%", child);
	free(take(name, &size));
	ktap_put("/proc/sys/kernel/core_uses_pid", "1");
	child = CHILD(die(SIGQUIT));
	status = status_of(child);
	ktap_put("/proc/sys/kernel/core_uses_pid", "0");
	EQUAL(status, SIGQUIT | 0x80);
	snprintf(name, sizeof(name), "core.%d", child);
	free(take(name, &size));
	tidy();
}

/* Where a mapping is far longer than its file nothing is looked for page by page. */
static void mappings_without_end(void)
{
	prepare();
	pid_t child = CHILD({
		int file = OK(open("short", O_RDWR | O_CREAT | O_EXCL, 0600));

		OK(unlink("short"));
		OK(ftruncate(file, PAGE));
		char *at = OK(
			mmap(nullptr, (size_t)1 << 40, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, file, 0));
		at[1] = 1;
		die(SIGABRT);
	});
	EQUAL(status_of(child), SIGABRT | 0x80);
	OK(unlink("core"));
	tidy();
}

KTAP_MAIN(CASE(signals_that_dump), CASE(without_permission), CASE(what_is_in_it), CASE(limits_and_filters), CASE(names),
	  STELLUX_CASE(mappings_without_end))
