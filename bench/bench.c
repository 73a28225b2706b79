/* SPDX-License-Identifier: MIT */
/*
 * The benchmark program: does each operation of rows.h some times, each time between two markers, which the counting
 * plugin (count.c) sees. Runs unchanged on Linux and on Stellux, as an ordinary program or as the first process; as the
 * first process it powers the machine off at the end. It measures nothing itself.
 */
#include <bench/measure.h>
#include <call.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { QUICK = 400, SLOW = 40, PAGES = 1000, PAGE = 4096 };

static char buffer[16 * PAGE];

static void calls(void)
{
	struct timespec now;
	struct stat st;
	int zero = open("/dev/zero", O_RDONLY), null = open("/dev/null", O_WRONLY);

	if (zero < 0 || null < 0)
		fail("/dev");
	REPEAT(nothing, QUICK, (void)0);
	REPEAT(getpid, QUICK, call0(SYS_getpid));
	REPEAT(getppid, QUICK, call0(SYS_getppid));
	REPEAT(getuid, QUICK, call0(SYS_getuid));
	REPEAT(clock_gettime, QUICK, clock_gettime(CLOCK_MONOTONIC, &now));
	REPEAT(read_zero, QUICK, must(read(zero, buffer, 1), "read"));
	REPEAT(write_null, QUICK, must(write(null, buffer, 1), "write"));
	REPEAT(open_close, QUICK, must(close(open("/dev/null", O_RDONLY)), "open"));
	REPEAT(stat_null, QUICK, must(stat("/dev/null", &st), "stat"));
	close(zero);
	close(null);
}

static void pipes(void)
{
	int ping[2], pong[2];
	pid_t child;

	must(pipe(ping), "pipe");
	must(pipe(pong), "pipe");
	REPEAT(pipe_1, QUICK, {
		must(write(ping[1], buffer, 1), "write");
		must(read(ping[0], buffer, 1), "read");
	});
	REPEAT(pipe_4096, QUICK, {
		must(write(ping[1], buffer, PAGE), "write");
		must(read(ping[0], buffer, PAGE), "read");
	});
	child = fork();
	if (child == 0) {
		close(ping[1]);
		while (read(ping[0], buffer, 1) == 1)
			must(write(pong[1], buffer, 1), "write");
		_exit(0);
	}
	REPEAT(ping_pong, QUICK, {
		must(write(ping[1], buffer, 1), "write");
		must(read(pong[0], buffer, 1), "read");
	});
	close(ping[1]);
	must(waitpid(child, nullptr, 0), "wait");
	close(ping[0]);
	close(pong[0]);
	close(pong[1]);
}

/* A connection to a listener, accepted and closed. */
static void connect_once(int listener, const struct sockaddr_un *address)
{
	int client = socket(AF_UNIX, SOCK_STREAM, 0);

	must(client, "socket");
	must(connect(client, (const struct sockaddr *)address, sizeof(*address)), "connect");
	int served = accept(listener, nullptr, nullptr);
	must(served, "accept");
	must(close(served), "close");
	must(close(client), "close");
}

static void sockets(void)
{
	const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "\0bench"};
	int ends[2], listener = socket(AF_UNIX, SOCK_STREAM, 0);
	pid_t child;

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), "socketpair");
	must(bind(listener, (const struct sockaddr *)&address, sizeof(address)), "bind");
	must(listen(listener, 1), "listen");
	REPEAT(socket_1, QUICK, {
		must(write(ends[1], buffer, 1), "write");
		must(read(ends[0], buffer, 1), "read");
	});
	REPEAT(socket_64k, QUICK, {
		must(write(ends[1], buffer, sizeof(buffer)), "write");
		must(recv(ends[0], buffer, sizeof(buffer), MSG_WAITALL), "recv");
	});
	REPEAT(socket_connect, QUICK, connect_once(listener, &address));
	child = fork();
	if (child == 0) {
		close(ends[1]);
		while (read(ends[0], buffer, 1) == 1)
			must(write(ends[0], buffer, 1), "write");
		_exit(0);
	}
	REPEAT(socket_ping_pong, QUICK, {
		must(write(ends[1], buffer, 1), "write");
		must(read(ends[1], buffer, 1), "read");
	});
	close(ends[1]);
	must(waitpid(child, nullptr, 0), "wait");
	close(ends[0]);
	close(listener);
}

/* Linux begins with it down. */
static void bring_lo_up(void)
{
	struct ifreq r = {.ifr_name = "lo"};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	must(fd, "socket");
	must(ioctl(fd, SIOCGIFFLAGS, &r), "SIOCGIFFLAGS");
	r.ifr_flags |= IFF_UP;
	must(ioctl(fd, SIOCSIFFLAGS, &r), "SIOCSIFFLAGS");
	close(fd);
}

static int inet_socket(int type, struct sockaddr_in *address)
{
	socklen_t length = sizeof(*address);
	int fd = socket(AF_INET, type, 0);

	*address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	must(fd, "socket");
	must(bind(fd, (const struct sockaddr *)address, length), "bind");
	must(getsockname(fd, (struct sockaddr *)address, &length), "getsockname");
	return fd;
}

static int tcp_client(const struct sockaddr_in *address)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	must(fd, "socket");
	must(connect(fd, (const struct sockaddr *)address, sizeof(*address)), "connect");
	return fd;
}

static void tcp_connect_once(int listener, const struct sockaddr_in *address)
{
	int client = tcp_client(address), served = accept(listener, nullptr, nullptr);

	must(served, "accept");
	must(close(served), "close");
	must(close(client), "close");
}

/* Answers each message of that many bytes with one byte. */
static pid_t answer(int fd, size_t bytes)
{
	pid_t child = fork();

	must(child, "fork");
	if (child != 0)
		return child;
	while (recv(fd, buffer, bytes, MSG_WAITALL) > 0)
		must(write(fd, buffer, 1), "write");
	_exit(0);
}

static void tcp(void)
{
	struct sockaddr_in address;
	int listener = inet_socket(SOCK_STREAM, &address), on = 1;

	must(listen(listener, 1), "listen");
	for (size_t bytes = 1; bytes <= sizeof(buffer); bytes += sizeof(buffer) - 1) {
		int client = tcp_client(&address), served = accept(listener, nullptr, nullptr);

		must(served, "accept");
		must(setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), "TCP_NODELAY");
		pid_t child = answer(served, bytes);
		close(served);
		if (bytes == 1)
			REPEAT(tcp_ping_pong, QUICK, {
				must(write(client, buffer, 1), "write");
				must(read(client, buffer, 1), "read");
			});
		else
			REPEAT(tcp_64k, QUICK, {
				must(write(client, buffer, sizeof(buffer)), "write");
				must(read(client, buffer, 1), "read");
			});
		must(shutdown(client, SHUT_WR), "shutdown");
		must(waitpid(child, nullptr, 0), "wait");
		close(client);
	}
	REPEAT(tcp_connect, QUICK, tcp_connect_once(listener, &address));
	close(listener);
}

static void udp(void)
{
	struct sockaddr_in here, there;
	int client = inet_socket(SOCK_DGRAM, &here), server = inet_socket(SOCK_DGRAM, &there);

	must(connect(client, (const struct sockaddr *)&there, sizeof(there)), "connect");
	must(connect(server, (const struct sockaddr *)&here, sizeof(here)), "connect");
	pid_t child = fork();
	must(child, "fork");
	if (child == 0)
		while (true) {
			must(read(server, buffer, 1), "read");
			must(write(server, buffer, 1), "write");
		}
	REPEAT(udp_echo, QUICK, {
		must(write(client, buffer, 1), "write");
		must(read(client, buffer, 1), "read");
	});
	must(kill(child, SIGKILL), "kill");
	must(waitpid(child, nullptr, 0), "wait");
	close(client);
	close(server);
}

static void fork_and_wait(void)
{
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	must(waitpid(child, nullptr, 0), "fork");
}

static int exec_self(void *self)
{
	execl(self, "bench", "nothing", nullptr);
	return 1;
}

/* What vfork asks for: not every C library has a vfork that is one. */
static void exec_and_wait(const char *self)
{
	static char stack[16 * PAGE];
	pid_t child =
		clone(exec_self, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, (void *)(uintptr_t)self);

	must(child, "clone");
	must(waitpid(child, nullptr, 0), "exec");
}

static char *map(size_t bytes)
{
	char *p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		fail("mmap");
	return p;
}

static void map_and_touch(size_t pages)
{
	volatile char *p = map(pages * PAGE);

	for (size_t i = 0; i < pages; i++)
		p[i * PAGE] = 1;
	must(munmap((void *)p, pages * PAGE), "munmap");
}

static void memory(void)
{
	REPEAT(touch_1, QUICK, map_and_touch(1));
	REPEAT(touch_1000, SLOW / 4, map_and_touch(PAGES));

	volatile char *p = map(PAGES * PAGE);
	/* From the end, so that nothing is guessed ahead. */
	for (size_t i = PAGES; i-- > 0;) {
		MARK(MARKER_BEGIN | ROW_fault);
		p[i * PAGE] = 1;
		MARK(MARKER_END | ROW_fault);
	}
	munmap((void *)p, PAGES * PAGE);
}

/* The kernel's own rows; Linux has no such file. */
static void kernel_rows(void)
{
	static const char *const jobs[] = {"elevate 400\n", "call 400\n"};

	for (size_t i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++) {
		int fd = open("/proc/measure", O_WRONLY);

		if (fd < 0)
			return;
		must(write(fd, jobs[i], strlen(jobs[i])), "/proc/measure");
		close(fd);
	}
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "nothing"))
		return 0;
	setvbuf(stdout, nullptr, _IOLBF, 0);
	if (getpid() == 1) {
		mount("proc", "/proc", "proc", 0, nullptr);
		mount("dev", "/dev", "devtmpfs", 0, nullptr);
	}
	kernel_rows();
	calls();
	pipes();
	sockets();
	bring_lo_up();
	tcp();
	udp();
	REPEAT(fork, SLOW, fork_and_wait());
	REPEAT(exec, SLOW, exec_and_wait(getpid() == 1 ? "/bench" : argv[0]));
	memory();
	printf("bench: done\n");
	if (getpid() == 1)
		reboot(RB_POWER_OFF);
	return 0;
}
