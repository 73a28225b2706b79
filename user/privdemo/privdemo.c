/* SPDX-License-Identifier: MIT */
/*
 * privdemo: makes the kernel's deliberately broken component misbehave, and shows that it is
 * caught.
 *
 *	privdemo --list
 *	privdemo NAME|all [--seed N]
 *
 * Each case is started by writing "case NAME seed N" to /proc/stray; the seed chooses the victim.
 * Reading the file gives the cases, "case NAME what it tries", and the results, "NAME
 * caught|survived|refused victim=... culprit=...". The kernel's own report appears on the console.
 * Exit status: 0 when every case that ran was caught, 1 when one was not, 2 on an error.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <termios.h>
#include <unistd.h>

struct stray_case {
	char name[32];
	char what[128];
};

static struct stray_case cases[64];
static size_t case_count;

static const char stray_path[] = "/proc/stray";

[[noreturn]] static void fail(const char *doing)
{
	fprintf(stderr, "privdemo: cannot %s %s: %s%s\n", doing, stray_path, strerror(errno),
		errno == ENOENT ? " (this needs a Stellux kernel with its demonstration component)" : "");
	exit(2);
}

/* What this machine's kernel offers: they differ between architectures. */
static void read_cases(void)
{
	FILE *file = fopen(stray_path, "re");
	char text[512];

	if (file == nullptr)
		fail("read");
	while (case_count < sizeof(cases) / sizeof(*cases) && fgets(text, sizeof(text), file) != nullptr) {
		struct stray_case *c = &cases[case_count];
		if (sscanf(text, "case %31s %127[^\n]", c->name, c->what) == 2)
			case_count++;
	}
	fclose(file);
}

static const struct stray_case *find_case(const char *name)
{
	for (size_t i = 0; i < case_count; i++) {
		if (strcmp(cases[i].name, name) == 0)
			return &cases[i];
	}
	return nullptr;
}

/* Copies the last line of /proc/stray that speaks of `name` to `line`. */
static void read_result(const char *name, char *line, size_t size)
{
	FILE *file = fopen(stray_path, "re");
	char text[512];

	line[0] = '\0';
	if (file == nullptr)
		fail("read");
	while (fgets(text, sizeof(text), file) != nullptr) {
		size_t length = strlen(name);
		if (strncmp(text, name, length) != 0 || text[length] != ' ')
			continue;
		text[strcspn(text, "\n")] = '\0';
		snprintf(line, size, "%s", text + length + 1);
	}
	fclose(file);
}

/* Returns true when the kernel caught it. */
static bool run_case(const struct stray_case *stray, unsigned long seed)
{
	char request[128];
	char result[512];
	int fd = open(stray_path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		fail("open");
	printf("%s (seed %lu): trying to %s\n", stray->name, seed, stray->what);
	fflush(stdout);
	/* The nucleus prints the head of a report at once, past the terminal's queue; the kernel its rest. */
	tcdrain(STDOUT_FILENO);
	int length = snprintf(request, sizeof(request), "case %s seed %lu\n", stray->name, seed);
	/* The write may fail because the component was stopped in it: the result line tells. */
	ssize_t written = write(fd, request, (size_t)length);
	int error = errno;
	close(fd);
	tcdrain(STDOUT_FILENO);
	read_result(stray->name, result, sizeof(result));
	if (result[0] == '\0') {
		printf("  no result: %s\n", written < 0 ? strerror(error) : "the kernel reported nothing");
		return false;
	}
	printf("  %s\n", result);
	return strncmp(result, "caught", 6) == 0;
}

[[noreturn]] static void usage(void)
{
	fputs("usage: privdemo --list\n       privdemo NAME|all [--seed N]\n", stderr);
	exit(2);
}

static unsigned long random_seed(void)
{
	unsigned int seed = 1;

	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		seed = (unsigned int)getpid();
	return seed;
}

int main(int argc, char **argv)
{
	const char *name = nullptr;
	unsigned long seed = random_seed();
	size_t caught = 0, tried = 0;

	read_cases();
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--list") == 0) {
			for (size_t n = 0; n < case_count; n++)
				printf("%-20s %s\n", cases[n].name, cases[n].what);
			return 0;
		}
		if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
			char *end;
			seed = strtoul(argv[++i], &end, 0);
			if (*end != '\0')
				usage();
		} else if (argv[i][0] != '-' && name == nullptr) {
			name = argv[i];
		} else {
			usage();
		}
	}
	if (name == nullptr)
		usage();
	bool all = strcmp(name, "all") == 0;
	if (!all && find_case(name) == nullptr) {
		fprintf(stderr, "privdemo: there is no case '%s'; see privdemo --list\n", name);
		return 2;
	}
	for (size_t i = 0; i < case_count; i++) {
		if (!all && strcmp(cases[i].name, name) != 0)
			continue;
		tried++;
		caught += run_case(&cases[i], seed);
	}
	printf("%zu of %zu caught\n", caught, tried);
	return caught == tried ? 0 : 1;
}
