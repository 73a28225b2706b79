/* SPDX-License-Identifier: MIT */
/*
 * privtop: who crosses the kernel's privilege boundary, how often, and where the time goes.
 *
 *	privtop [-b] [-n COUNT] [-d SECONDS]
 *
 * Reads /proc/privilege every SECONDS (default 1) and shows, for each CPU and each component, the
 *crossings of the last interval per second, and for CPUs the share of time spent in each level. On
 *a terminal the screen is redrawn until `q` is pressed; -b prints one block after another instead.
 *Accounting that is off is switched on while privtop runs; `-` is what is not counted because that was refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static const char privilege_path[] = "/proc/privilege";

enum field : unsigned int {
	ELEVATE,
	NUCLEUS_CALL,
	SYSCALL,
	EXIT,
	IRQ,
	FAULT,
	VIEW_SWITCH,
	TLB_FLUSH,
	LOWERED_NS,
	ELEVATED_NS,
	NUCLEUS_NS,
	USER_NS,
	IDLE_NS,
	FIELD_COUNT,
};

static const char *const field_names[FIELD_COUNT] = {
	"elevate",   "nucleus_call", "syscall",	    "exit",	  "irq",     "fault",	"view_switch",
	"tlb_flush", "lowered_ns",   "elevated_ns", "nucleus_ns", "user_ns", "idle_ns",
};

constexpr size_t ROWS_MAX = 160;
constexpr size_t NAME_SIZE = 24;

constexpr uint64_t NOT_COUNTED = UINT64_MAX;

struct row {
	char name[NAME_SIZE];
	bool is_cpu;
	uint64_t value[FIELD_COUNT];
};

struct sample {
	char mode[16];
	bool accounting;
	uint64_t time_ns;
	size_t count;
	struct row rows[ROWS_MAX];
};

static struct sample samples[2];
static struct termios saved_tty;
static volatile sig_atomic_t stop;

static uint64_t now_ns(void)
{
	struct timespec now = {};

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1'000'000'000 + (uint64_t)now.tv_nsec;
}

static void parse_row(struct sample *sample, bool is_cpu, const char *name, char *rest)
{
	char *state = nullptr;

	if (sample->count == ROWS_MAX)
		return;
	struct row *row = &sample->rows[sample->count++];
	*row = (struct row){.is_cpu = is_cpu};
	snprintf(row->name, sizeof(row->name), "%s%s", is_cpu ? "cpu" : "", name);
	for (char *key = strtok_r(rest, " \n", &state); key != nullptr; key = strtok_r(nullptr, " \n", &state)) {
		char *value = strtok_r(nullptr, " \n", &state);
		for (size_t i = 0; value != nullptr && i < FIELD_COUNT; i++) {
			if (strcmp(key, field_names[i]) == 0)
				row->value[i] = strcmp(value, "-") == 0 ? NOT_COUNTED : strtoull(value, nullptr, 10);
		}
	}
}

static void parse_line(struct sample *sample, char *line)
{
	char *state = nullptr;
	char *kind = strtok_r(line, " \n", &state);
	char *name = strtok_r(nullptr, " \n", &state);

	if (kind == nullptr || name == nullptr)
		return;
	if (strcmp(kind, "mode") == 0)
		snprintf(sample->mode, sizeof(sample->mode), "%s", name);
	else if (strcmp(kind, "accounting") == 0)
		sample->accounting = strcmp(name, "on") == 0;
	else if (strcmp(kind, "cpu") == 0 || strcmp(kind, "component") == 0)
		parse_row(sample, kind[1] == 'p', name, state);
}

static void take_sample(struct sample *sample)
{
	char line[1024];
	FILE *file = fopen(privilege_path, "re");

	if (file == nullptr) {
		fprintf(stderr, "privtop: cannot read %s: %s%s\n", privilege_path, strerror(errno),
			errno == ENOENT ? " (this needs a Stellux kernel)" : "");
		exit(1);
	}
	*sample = (struct sample){.time_ns = now_ns()};
	if (fgets(line, sizeof(line), file) == nullptr || strcmp(line, "# stellux privilege 1\n") != 0) {
		fprintf(stderr, "privtop: %s is in a format that this version does not know\n", privilege_path);
		exit(1);
	}
	while (fgets(line, sizeof(line), file) != nullptr)
		parse_line(sample, line);
	fclose(file);
}

static void set_accounting(bool on)
{
	int fd = open(privilege_path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || dprintf(fd, on ? "on\n" : "off\n") < 0)
		fprintf(stderr, "privtop: cannot switch accounting %s: %s\n", on ? "on" : "off", strerror(errno));
	if (fd >= 0)
		close(fd);
}

static const struct row *find_row(const struct sample *sample, const struct row *like)
{
	for (size_t i = 0; i < sample->count; i++) {
		if (sample->rows[i].is_cpu == like->is_cpu && strcmp(sample->rows[i].name, like->name) == 0)
			return &sample->rows[i];
	}
	return nullptr;
}

/* What `row` gained in the interval; everything when it was not there before. */
static struct row difference(const struct row *row, const struct sample *before)
{
	struct row gained = *row;
	const struct row *old = find_row(before, row);

	for (size_t i = 0; old != nullptr && i < FIELD_COUNT; i++)
		gained.value[i] = gained.value[i] == NOT_COUNTED || old->value[i] == NOT_COUNTED
					  ? NOT_COUNTED
					  : gained.value[i] - old->value[i];
	return gained;
}

static uint64_t per_second(uint64_t count, uint64_t interval_ns)
{
	return interval_ns == 0 ? 0 : (uint64_t)((double)count * 1e9 / (double)interval_ns + 0.5);
}

static void print_rate(uint64_t count, uint64_t interval_ns)
{
	if (count == NOT_COUNTED)
		printf("        -");
	else
		printf(" %8" PRIu64, per_second(count, interval_ns));
}

static void print_share(uint64_t part_ns, uint64_t interval_ns)
{
	if (part_ns == NOT_COUNTED)
		printf("      -");
	else
		printf(" %6.2f", interval_ns == 0 ? 0.0 : 100.0 * (double)part_ns / (double)interval_ns);
}

static void print_table(const struct sample *now, const struct sample *before, uint64_t interval_ns, bool cpus)
{
	static const enum field cpu_counts[] = {ELEVATE, NUCLEUS_CALL, SYSCALL, IRQ, FAULT, VIEW_SWITCH, TLB_FLUSH};
	static const enum field component_counts[] = {ELEVATE, NUCLEUS_CALL, FAULT};
	const enum field *counts = cpus ? cpu_counts : component_counts;
	size_t count_columns = cpus ? 7 : 3;

	printf(cpus ? "cpu      elevate    ncall  syscall      irq    fault     view    flush"
		      "  user%%  lowr%%  elev%%  nucl%%  idle%%\n"
		    : "component           elevate    ncall    fault  lowered%%  elevated%%\n");
	for (size_t i = 0; i < now->count; i++) {
		if (now->rows[i].is_cpu != cpus)
			continue;
		struct row gained = difference(&now->rows[i], before);
		printf(cpus ? "%-7s" : "%-18s", gained.name);
		for (size_t column = 0; column < count_columns; column++)
			print_rate(gained.value[counts[column]], interval_ns);
		if (cpus)
			print_share(gained.value[USER_NS], interval_ns);
		printf(cpus ? "" : "  ");
		print_share(gained.value[LOWERED_NS], interval_ns);
		printf(cpus ? "" : "    ");
		print_share(gained.value[ELEVATED_NS], interval_ns);
		if (cpus) {
			print_share(gained.value[NUCLEUS_NS], interval_ns);
			print_share(gained.value[IDLE_NS], interval_ns);
		}
		putchar('\n');
	}
}

static void print_block(const struct sample *now, const struct sample *before)
{
	uint64_t interval_ns = now->time_ns - before->time_ns;

	printf("dynpriv=%s  accounting %s  per second, over the last %.1f s\n\n", now->mode,
	       now->accounting ? "on" : "off", (double)interval_ns / 1e9);
	print_table(now, before, interval_ns, true);
	putchar('\n');
	print_table(now, before, interval_ns, false);
	fflush(stdout);
}

static void on_signal(int signal)
{
	(void)signal;
	stop = 1;
}

static void raw_terminal(void)
{
	struct termios tty;

	if (tcgetattr(STDIN_FILENO, &tty) != 0)
		return;
	saved_tty = tty;
	tty.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	tcsetattr(STDIN_FILENO, TCSANOW, &tty);
}

/* Waits an interval. Returns true when the user wants to leave. */
static bool pause_or_quit(bool batch, int interval_ms)
{
	struct pollfd key = {.fd = STDIN_FILENO, .events = POLLIN};
	char c = 0;

	if (poll(&key, batch ? 0 : 1, interval_ms) > 0 && read(STDIN_FILENO, &c, 1) <= 0)
		return true;
	return stop || c == 'q';
}

static const char usage[] = "usage: privtop [-b] [-n COUNT] [-d SECONDS]\n";

static bool parse_options(int argc, char **argv, bool *batch, long *count, int *interval_ms)
{
	for (int option; (option = getopt(argc, argv, "bn:d:")) != -1;) {
		if (option == 'b')
			*batch = true;
		else if (option == 'n')
			*count = strtol(optarg, nullptr, 10);
		else if (option == 'd')
			*interval_ms = (int)(strtod(optarg, nullptr) * 1000);
		else
			return false;
	}
	return optind == argc && *count > 0 && *interval_ms > 0;
}

int main(int argc, char **argv)
{
	bool batch = false;
	long count = INT32_MAX;
	int interval_ms = 1000;

	if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		fputs(usage, stdout);
		return 0;
	}
	if (!parse_options(argc, argv, &batch, &count, &interval_ms)) {
		fputs(usage, stderr);
		return 2;
	}
	batch = batch || !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO);
	take_sample(&samples[1]);
	bool was_off = !samples[1].accounting;
	if (was_off)
		set_accounting(true);
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	if (!batch)
		raw_terminal();
	take_sample(&samples[1]);
	for (long i = 0; i < count && !pause_or_quit(batch, interval_ms); i++) {
		struct sample *now = &samples[i % 2];
		take_sample(now);
		if (!batch)
			fputs("\033[H\033[J", stdout);
		else if (i > 0)
			putchar('\n');
		print_block(now, &samples[(i + 1) % 2]);
	}
	if (!batch)
		tcsetattr(STDIN_FILENO, TCSANOW, &saved_tty);
	if (was_off)
		set_accounting(false);
	return 0;
}
