/* SPDX-License-Identifier: MIT */
/*
 * Every component faults, at functions that the seed chooses, while processes keep it busy with a mixed workload
 * (strikes/workload.h): afterwards the machine serves, and so does the component; whoever waited for something can be
 * ended, and no thread is left over. From time to time a component that can is asked to begin anew.
 *
 * Runs alone (test/matrix.txt): what held memory when it was struck has lost it. `strikes=N` on the kernel's command
 * line says how often each is struck (2), `seed=N` where, `quiet=1` that the log and reports are not to be printed.
 * With each component's result comes how long the service was away, by the clock: instructions, where the machine
 * counts them (test/devices/strike_test.py).
 */
#include "points.h"
#include "strikes/workload_io.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { WORKERS = 3, STRIKES_MAX = 1000, ROW = 8, PROBES = 1000, COUNTED = 4 };

static const char strike_file[] = "/proc/strike";

struct strike {
	unsigned passed, struck;
	unsigned long long at_ns, function;
	char thread[16];
};

static void read_strike(struct strike *s)
{
	char text[256] = "";
	int fd = open(strike_file, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	close(fd);
	if (n <= 0 || sscanf(text, "passed %u struck %u at %llu thread %15s function %llx", &s->passed, &s->struck,
			     &s->at_ns, s->thread, &s->function) != 5)
		ktap_fail(__FILE__, __LINE__, "%s tells nothing", strike_file);
}

static void strike_command(const char *text)
{
	int fd = OK(open(strike_file, O_WRONLY));

	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		ktap_fail(__FILE__, __LINE__, "%s: errno %d", text, errno);
	close(fd);
}

static void arm_strike(const char *component, unsigned pass)
{
	char text[64];

	snprintf(text, sizeof(text), "component %s pass %u", component, pass);
	strike_command(text);
}

static unsigned long long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (unsigned long long)now.tv_sec * 1'000'000'000 + (unsigned long long)now.tv_nsec;
}

/* --- the workload --- */

static const struct served *find_served(const char *component)
{
	for (const struct served *s = served; s->component != nullptr; s++)
		if (strcmp(s->component, component) == 0)
			return s;
	ktap_fail(__FILE__, __LINE__, "nothing is known that %s serves", component);
}

/* What disturbs what is measured, or floods the log, is only for the component whose it is. */
static bool is_common(const struct served *s)
{
	return strcmp(s->component, "stray") != 0 && strcmp(s->component, "device") != 0 &&
	       strcmp(s->component, "pci") != 0 && strcmp(s->component, "pcie_port") != 0;
}

/* Of all processes: devices are left as they are, since somebody looks whether they serve. */
static volatile bool *calm;

static void make_calm(void)
{
	if (calm != nullptr)
		return;
	void *page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(page != MAP_FAILED);
	calm = page;
}

static void do_all(const struct served *s)
{
	for (int i = 0; i < OPERATIONS_MAX && s->operations[i] != nullptr; i++)
		(void)s->operations[i]();
	if (s->restarts != nullptr && !*calm)
		(void)workload_restart(s->restarts);
}

/* Of the component every other turn, of any the others. */
[[noreturn]] static void work(const struct served *of, unsigned seed)
{
	size_t count = 0;

	while (served[count].component != nullptr)
		count++;
	prctl(PR_SET_NAME, "worker");
	setpgid(0, 0);
	workload_seed(seed);
	for (;;) {
		const struct served *any = &served[workload_random() % count];

		do_all(of);
		if (is_common(any) && any->operations[0] != nullptr)
			(void)any->operations[0]();
	}
}

static pid_t start_worker(const struct served *of)
{
	unsigned seed = workload_random();
	pid_t pid = OK(fork());

	if (pid == 0)
		work(of, seed);
	return pid;
}

/* They and what they started are gone, whatever they were waiting for. */
static void end_workers(const pid_t *workers, const char *component)
{
	for (int i = 0; i < WORKERS; i++) {
		/* A group may have lost its leader. */
		kill(workers[i], SIGKILL);
		kill(-workers[i], SIGKILL);
	}
	FOR_MS(LIMIT_MS) {
		pid_t pid;

		while ((pid = waitpid(-1, nullptr, WNOHANG)) > 0)
			;
		if (pid < 0 && errno == ECHILD)
			return;
	}
	ktap_fail(__FILE__, __LINE__, "%s: a process is left that cannot be ended", component);
}

/* --- whether all is served --- */

/* The first operation that is not done right, or 0; in a process of its own, since that may hang. `whole`: devices
 * begin anew, too. */
static int fails_now(const struct served *s, bool whole)
{
	int status = -1;
	pid_t pid = fork(), ended = 0;

	if (pid == 0) {
		prctl(PR_SET_NAME, "probe");
		for (int i = 0; i < OPERATIONS_MAX && s->operations[i] != nullptr; i++)
			if (!s->operations[i]())
				_exit(i + 1);
		_exit(whole && s->restarts != nullptr && !workload_restart(s->restarts) ? OPERATIONS_MAX : 0);
	}
	if (pid < 0)
		return OPERATIONS_MAX + 1;
	for (int turn = 0; turn < LIMIT_MS && ended == 0; turn++) {
		ended = waitpid(pid, &status, WNOHANG);
		if (ended == 0)
			usleep(turn < 1000 ? 20 : 1000);
	}
	if (ended != pid) {
		kill(pid, SIGKILL);
		return OPERATIONS_MAX + 2;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : OPERATIONS_MAX + 3;
}

/* What became of the devices, for whoever reads why something is not served. */
static void note_devices(void)
{
	char line[256];
	FILE *f = fopen("/proc/hardware", "re");

	while (f != nullptr && fgets(line, sizeof(line), f) != nullptr) {
		line[strcspn(line, "\n")] = '\0';
		ktap_note("%s", line);
	}
	if (f != nullptr)
		fclose(f);
}

/* Until its operations are done right. */
static void until_served(const struct served *s, bool whole, const struct strike *strike)
{
	int bad = 0;

	for (int probe = 0; probe < PROBES; probe++) {
		bad = fails_now(s, whole);
		if (bad == 0) {
			drivers_remember();
			return;
		}
		if (bad == OPERATIONS_MAX + 2)
			break;
		pause_ms(probe < 20 ? 1 : 20);
	}
	note_devices();
	ktap_fail(
		__FILE__, __LINE__,
		"%s does not serve: operation %d (%d: no restart, %d: cannot fork, %d: hangs, %d: dies); struck at %#llx in %s",
		s->component, bad, OPERATIONS_MAX, OPERATIONS_MAX + 1, OPERATIONS_MAX + 2, OPERATIONS_MAX + 3,
		strike->function, strike->thread);
}

/* A column of a component's line in /proc/components; an empty word: there is no such component. */
static void column(const char *component, int number, char word[16])
{
	char line[256], *words;
	FILE *f = fopen("/proc/components", "re");

	word[0] = '\0';
	while (f != nullptr && fgets(line, sizeof(line), f) != nullptr) {
		char *at = strtok_r(line, " \n", &words);

		if (at == nullptr || strcmp(at, component) != 0)
			continue;
		for (int i = 0; i < number && at != nullptr; i++)
			at = strtok_r(nullptr, " \n", &words);
		snprintf(word, 16, "%s", at != nullptr ? at : "");
		break;
	}
	if (f != nullptr)
		fclose(f);
}

static void until_up(const char *component)
{
	char state[16];

	FOR_MS(LIMIT_MS) {
		column(component, 3, state);
		if (strcmp(state, "up") == 0 || strcmp(state, "passive") == 0)
			return;
	}
	ktap_fail(__FILE__, __LINE__, "%s is %s", component, state);
}

/* 0, or why it was refused. */
static int restart(const char *component)
{
	char text[64];
	int fd = OK(open("/proc/components", O_WRONLY)), error = 0;

	snprintf(text, sizeof(text), "restart %s", component);
	if (write(fd, text, strlen(text)) < 0)
		error = errno;
	close(fd);
	return error;
}

static void begin_anew(const char *component)
{
	int error = restart(component);

	if (error != 0 && error != EOPNOTSUPP)
		ktap_fail(__FILE__, __LINE__, "restart %s: errno %d", component, error);
}

/* Its threads are the processes', and end with them. */
static bool is_of_processes(const char *component)
{
	return strcmp(component, "process") == 0;
}

/* --- strikes --- */

/* How many functions of the component are called while its operations are done a few times. */
static unsigned count_passes(const struct served *s)
{
	struct strike strike = {};

	arm_strike(s->component, 0);
	for (int i = 0; i < COUNTED; i++)
		until_served(s, true, &strike);
	read_strike(&strike);
	strike_command("none");
	return strike.passed;
}

static void strike_once(const struct served *s, unsigned passes, struct strike *strike)
{
	pid_t workers[WORKERS];

	strike->struck = 0;
	*calm = false;
	arm_strike(s->component, 1 + (workload_random() << 15 | workload_random()) % passes);
	for (int i = 0; i < WORKERS; i++)
		workers[i] = start_worker(s);
	FOR_MS(LIMIT_MS) {
		read_strike(strike);
		if (strike->struck)
			break;
	}
	strike_command("none");
	*calm = true;
	if (!strike->struck) {
		end_workers(workers, s->component);
		return;
	}
	until_served(s, true, strike);
	strike->passed = (unsigned)((now_ns() - strike->at_ns) / 1000);
	end_workers(workers, s->component);
}

static int compare(const void *a, const void *b)
{
	const unsigned *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Threads of before may end a moment later. */
static void threads_are(const char *component, const char *before)
{
	char after[16] = "";

	FOR_MS(LIMIT_MS) {
		column(component, 4, after);
		if (strcmp(before, after) == 0)
			return;
	}
	ktap_fail(__FILE__, __LINE__, "%s had %s threads and has %s", component, before, after);
}

static void strike(const char *component)
{
	static unsigned micros[STRIKES_MAX];
	const struct served *s = find_served(component);
	unsigned strikes = workload_option("strikes", 2), struck = 0, passes;
	char threads[16], before[16], after[16];
	struct strike one = {};

	make_calm();
	if (access(strike_file, R_OK) != 0)
		ktap_skip("the kernel has no strikes");
	column(component, 4, threads);
	if (threads[0] == '\0')
		ktap_skip("there is no such component");
	/* Of the console, whose session is another's. */
	signal(SIGTTOU, SIG_IGN);
	unlink(workload_program);
	OK(symlink("/test/alone_components", workload_program));
	OK(prctl(PR_SET_CHILD_SUBREAPER, 1));
	workload_seed(workload_option("seed", 7) * 64 + (unsigned)(s - served));
	if (workload_option("quiet", 0))
		OK(klogctl(8, nullptr, 1));
	until_served(s, true, &one);
	passes = count_passes(s);
	if (passes == 0)
		ktap_skip("this machine has nothing of it that works");
	column(component, 5, before);
	for (unsigned n = 0; n < strikes && n < STRIKES_MAX; n++) {
		strike_once(s, passes, &one);
		if (!one.struck)
			ktap_fail(__FILE__, __LINE__, "%s was not struck: %u of %u passes", component, one.passed,
				  passes);
		micros[struck++] = one.passed;
		for (const struct served *other = served; other->component != nullptr; other++)
			if (is_common(other))
				until_served(other, false, &one);
		until_up(component);
		if (n % ROW == ROW - 1)
			begin_anew(component);
	}
	column(component, 5, after);
	if (!is_of_processes(component))
		threads_are(component, threads);
	qsort(micros, struck, sizeof(*micros), compare);
	if (struck > 0)
		ktap_note("%s struck %u functions %u faults %ld served-after-us median %u most %u", component, struck,
			  passes, atol(after) - atol(before), micros[struck / 2], micros[struck - 1]);
}

/* --- asked for --- */

static bool is_of_tests(const char *component)
{
	return strcmp(component, "ktest") == 0 || strcmp(component, "scratch") == 0 || strcmp(component, "strike") == 0;
}

/* Names of all components; their number. */
static int list_components(char names[][16], int most)
{
	char line[256];
	FILE *f = fopen("/proc/components", "re");
	int count = -1; /* the head */

	while (f != nullptr && fgets(line, sizeof(line), f) != nullptr && count < most)
		if (count++ >= 0)
			sscanf(line, "%15s", names[count - 1]);
	if (f != nullptr)
		fclose(f);
	return count;
}

/* Whatever has threads does, and what hangs on one that has none, where it can: then it is served as before. What each
 * component does is known here, a new one's, too. */
static void each_begins_anew(void)
{
	static char names[64][16];
	int count = list_components(names, 64);

	CHECK(count > 10 && count < 64);
	signal(SIGTTOU, SIG_IGN);
	unlink(workload_program);
	OK(symlink("/test/alone_components", workload_program));
	for (int n = 0; n < count; n++) {
		char threads[16], after[16];
		struct strike none = {};

		if (is_of_tests(names[n]))
			continue;
		const struct served *s = find_served(names[n]);
		until_served(s, true, &none);
		column(names[n], 4, threads);
		column(names[n], 6, after);
		int error = restart(names[n]);
		long before = atol(after);
		column(names[n], 6, after);
		/* One whose devices are not there has nothing that could. */
		bool may_refuse = error == EOPNOTSUPP && (atol(threads) == 0 || is_of_processes(names[n])) &&
				  strcmp(names[n], "block") != 0 && strcmp(names[n], "stray") != 0;
		if (error != 0 && !may_refuse)
			ktap_fail(__FILE__, __LINE__, "%s has %s threads and is not restarted: errno %d", names[n],
				  threads, error);
		if (error == 0 && atol(after) == before)
			ktap_fail(__FILE__, __LINE__, "%s: its restart is not counted", names[n]);
		until_served(s, true, &none);
		until_up(names[n]);
		/* One of the core's gathers random numbers, and ends when there are enough. */
		if (strcmp(names[n], "core") != 0 && !is_of_processes(names[n]))
			threads_are(names[n], threads);
	}
}

/* --- sockets that are closed --- */

/* Whatever came of one: the lists of all can be read, to their ends. */
static void lists_can_be_read(unsigned pass)
{
	static const char *const lists[] = {"unix", "tcp", "udp", "raw", "packet", "netlink"};

	for (size_t n = 0; n < sizeof(lists) / sizeof(*lists); n++) {
		char path[32], text[1024];
		ssize_t got;

		snprintf(path, sizeof(path), "/proc/net/%s", lists[n]);
		int fd = OK(open(path, O_RDONLY));
		while ((got = read(fd, text, sizeof(text))) > 0)
			;
		if (got < 0)
			ktap_fail(__FILE__, __LINE__, "%s after pass %u: errno %d", path, pass, errno);
		close(fd);
	}
}

/* By another process, as those that arm a strike are spared; it has the last descriptor. */
static void close_struck(int fd, const char *component, unsigned pass)
{
	int cue[2];
	char word;

	OK(pipe(cue));
	pid_t pid = OK(fork());
	if (pid == 0) {
		(void)!read(cue[0], &word, 1);
		close(fd);
		_exit(0);
	}
	close(fd);
	arm_strike(component, pass);
	CHECK(write(cue[1], "x", 1) == 1);
	OK(waitpid(pid, nullptr, 0));
	close(cue[0]);
	close(cue[1]);
}

/* Closed while its component is struck at a function after the other: the file is gone, wherever that was, and nobody
 * who looks at what is left of the socket looks for the file. */
static void close_is_struck_at_each_step(void)
{
	static const struct {
		const char *component;
		int family, type, protocol;
	} kinds[] = {{"net", AF_UNIX, SOCK_STREAM, 0},	  {"net", AF_UNIX, SOCK_DGRAM, 0},
		     {"inet", AF_INET, SOCK_STREAM, 0},	  {"inet", AF_INET, SOCK_DGRAM, 0},
		     {"inet", AF_INET, SOCK_RAW, 1},	  {"packet", AF_PACKET, SOCK_RAW, 0},
		     {"netlink", AF_NETLINK, SOCK_RAW, 0}};
	enum { PASSES_MAX = 40 };
	struct strike one = {};

	if (access(strike_file, R_OK) != 0)
		ktap_skip("the kernel has no strikes");
	for (size_t k = 0; k < sizeof(kinds) / sizeof(*kinds); k++) {
		unsigned pass = 0;

		do {
			int fds[2] = {-1, -1};

			if (kinds[k].family == AF_UNIX)
				OK(socketpair(AF_UNIX, kinds[k].type, 0, fds));
			else
				fds[0] = OK(socket(kinds[k].family, kinds[k].type, kinds[k].protocol));
			close_struck(fds[0], kinds[k].component, ++pass);
			read_strike(&one);
			strike_command("none");
			lists_can_be_read(pass);
			close(fds[1]);
			lists_can_be_read(pass);
		} while (one.struck && pass < PASSES_MAX);
		ktap_note("%s %d %d: struck at %u functions", kinds[k].component, kinds[k].family, kinds[k].type,
			  pass - 1);
		CHECK(pass > 2);
	}
}

#define STRIKE(name)                                                                                                   \
	static void name##_is_struck(void)                                                                             \
	{                                                                                                              \
		strike(#name);                                                                                         \
	}
#define OF_EACH(x)                                                                                                     \
	x(measure) x(stray) x(virtio_rng) x(hwrng) x(virtio_blk) x(nvme) x(ahci) x(ram) x(virtio) x(block) x(serial)   \
		x(tty) x(video) x(framebuffer) x(vt) x(input) x(virtio_input) x(i8042) x(netdev) x(virtio_net) x(net)  \
			x(inet) x(packet) x(netlink) x(usb) x(xhci) x(usb_hub) x(usb_hid) x(usb_storage) x(pci)        \
				x(platform) x(device) x(pcie_port) x(ext4) x(sysfs) x(procfs) x(devfs) x(tmpfs) x(vfs) \
					x(ipc) x(inotify) x(aio) x(process) x(vm) x(core)
OF_EACH(STRIKE)
#define STRIKE_CASE(name) CASE(name##_is_struck),

static const struct ktap_case cases[] = {CASE(each_begins_anew),
					 OF_EACH(STRIKE_CASE) CASE(close_is_struck_at_each_step)};

int main(int argc, char **argv)
{
	if (strcmp(argv[0], workload_program) == 0) {
		if (argc > 1 && strcmp(argv[1], "hello") == 0)
			printf("hello\n");
		return 0;
	}
	return ktap_main(argc, argv, cases, sizeof(cases) / sizeof(*cases));
}
