/* SPDX-License-Identifier: MIT */
/* The workload's part with what people and networks are at the other end of: screens, keys, text consoles, interfaces.
 */
#include "workload_io.h"

#include "uinput.h"

#include <abi/fb.h>
#include <abi/vt.h>
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>

enum { DRIVERS = 48, LOOKS = 200, LOOK_US = 500, TRIES = 5, ANSWER_US = 200'000, CONSOLE_FIRST = 2, CONSOLES = 5 };

/* Whoever asks is given so much time. */
#define LOOK_UNTIL(condition)                                                                                          \
	({                                                                                                             \
		bool good_ = false;                                                                                    \
		for (int look_ = 0; look_ < LOOKS && !(good_ = (condition)); look_++)                                  \
			usleep(LOOK_US);                                                                               \
		good_;                                                                                                 \
	})

/* So many devices of a driver were up at once, the most that was seen. */
static struct driver_seen {
	char name[32];
	int up;
} drivers_seen[DRIVERS];

/* What there is now, up to DRIVERS; false: a device is neither up nor absent, or nobody knows. */
static bool look_at_drivers(struct driver_seen now[DRIVERS], const char *driver)
{
	char line[256], name[32], state[32];
	FILE *f = fopen("/proc/hardware", "re");
	bool good = f != nullptr;

	while (f != nullptr && fgets(line, sizeof(line), f) != nullptr) {
		if (sscanf(line, "%*s %*s %*s %31s %31s", name, state) != 2)
			continue;
		if (strcmp(name, driver) == 0)
			good &= strcmp(state, "up") == 0 || strcmp(state, "absent") == 0;
		for (int n = 0; n < DRIVERS; n++) {
			if (now[n].name[0] == '\0')
				strcpy(now[n].name, name);
			if (strcmp(now[n].name, name) != 0)
				continue;
			now[n].up += strcmp(state, "up") == 0;
			break;
		}
	}
	if (f != nullptr)
		fclose(f);
	return good;
}

static int up_of(const struct driver_seen *seen, const char *driver)
{
	for (int n = 0; n < DRIVERS; n++)
		if (strcmp(seen[n].name, driver) == 0)
			return seen[n].up;
	return 0;
}

void drivers_remember(void)
{
	struct driver_seen now[DRIVERS] = {};

	(void)look_at_drivers(now, "");
	for (int n = 0; n < DRIVERS && now[n].name[0] != '\0'; n++) {
		struct driver_seen *seen = drivers_seen;

		while (seen < drivers_seen + DRIVERS && seen->name[0] != '\0' && strcmp(seen->name, now[n].name) != 0)
			seen++;
		if (seen < drivers_seen + DRIVERS && now[n].up >= seen->up)
			*seen = now[n];
	}
}

bool drivers_are_up(const char *driver)
{
	struct driver_seen now[DRIVERS] = {};

	return look_at_drivers(now, driver) && up_of(now, driver) >= up_of(drivers_seen, driver);
}

/* --- a screen --- */

/* Without text on it. Its descriptor and bytes; -1 with 0 bytes: the machine has none. */
static int open_screen(off_t *bytes)
{
	struct fb_fix_screeninfo fixed;
	struct fb_var_screeninfo mode;
	int console = open("/dev/tty0", O_RDWR | O_NOCTTY | O_CLOEXEC), fd = open("/dev/fb0", O_RDWR | O_CLOEXEC);

	(void)ioctl(console, KDSETMODE, KD_GRAPHICS);
	close(console);
	*bytes = fd < 0 && errno == ENOENT ? 0 : -1;
	if (fd >= 0 && ioctl(fd, FBIOGET_VSCREENINFO, &mode) == 0 && ioctl(fd, FBIOGET_FSCREENINFO, &fixed) == 0)
		*bytes = (off_t)fixed.line_length * mode.yres;
	return fd;
}

/* A word in its first line, each time at another place. */
bool use_screen(void)
{
	uint32_t wanted = workload_random() & 0x3f3f3f, is = 0;
	off_t bytes, at = workload_random() % 256 * 4;
	int fd = open_screen(&bytes);

	if (bytes == 0)
		return true;
	bool good = bytes > 0 && pwrite(fd, &wanted, sizeof(wanted), at) == sizeof(wanted) &&
		    LOOK_UNTIL(pread(fd, &is, sizeof(is), at) == sizeof(is) && is == wanted);
	close(fd);
	return good;
}

/* And one through a mapping. */
bool map_screen(void)
{
	off_t bytes;
	int fd = open_screen(&bytes);

	if (bytes == 0)
		return true;
	off_t first = bytes / 2 & ~(off_t)4095;
	uint32_t *at = bytes > 0 ? mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, first) : MAP_FAILED;
	bool good = at != MAP_FAILED;

	if (good) {
		uint32_t wanted = workload_random() & 0x3f3f3f, is = 0, word = workload_random() % 1024;
		at[word] = wanted;
		good = LOOK_UNTIL(pread(fd, &is, sizeof(is), first + (off_t)word * 4) == sizeof(is) && is == wanted);
		munmap(at, 4096);
	}
	close(fd);
	return good;
}

bool is_screen_up(void)
{
	return drivers_are_up("framebuffer");
}

/* --- text consoles --- */

static bool shows(const char *cells, const char *word)
{
	uint32_t row[16] = {};
	int fd = open(cells, O_RDONLY | O_CLOEXEC);
	bool good = read(fd, row, sizeof(row)) == sizeof(row);

	for (size_t i = 0; word[i] != '\0'; i++)
		good &= row[i] == (uint32_t)word[i];
	close(fd);
	return good;
}

/* A word in the first row of one of some consoles, which comes to the front. */
bool use_text_console(void)
{
	int number = CONSOLE_FIRST + getpid() % CONSOLES;
	char path[32], cells[32], word[16], text[64];

	snprintf(path, sizeof(path), "/dev/tty%d", number);
	snprintf(cells, sizeof(cells), "/dev/vcsu%d", number);
	snprintf(word, sizeof(word), "<%d>", getpid());
	snprintf(text, sizeof(text), "\33[2J\33[H%s\r\n\33[31m%s", word, word);
	int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 && (errno == ENOENT || errno == ENXIO || errno == ENODEV))
		return access("/dev/fb0", F_OK) != 0;
	(void)ioctl(fd, VT_ACTIVATE, number);
	/* Written anew each time: another's word may have come between. */
	bool good = fd >= 0 && LOOK_UNTIL(write(fd, text, strlen(text)) == (ssize_t)strlen(text) && shows(cells, word));
	close(fd);
	return good;
}

/* --- keys --- */

/* A button of a mouse that does not exist, which whoever reads it sees come down. */
bool use_input(void)
{
	struct setup s = {.id = {6, 1, 2, 3}, .name = "workload"};
	const struct event down[] = {{.type = EV_KEY, .code = BTN_LEFT, .value = 1}, {.type = EV_SYN}};
	struct event seen = {};
	char number[32] = "", path[96];
	int fd = open("/dev/uinput", O_RDWR | O_CLOEXEC), node = -1;

	bool good = fd >= 0 && ioctl(fd, UI_SET_EVBIT, EV_KEY) == 0 && ioctl(fd, UI_SET_KEYBIT, BTN_LEFT) == 0 &&
		    ioctl(fd, UI_DEV_SETUP, &s) == 0 && ioctl(fd, UI_DEV_CREATE, 0) == 0 &&
		    ioctl(fd, UI_GET_SYSNAME(sizeof(number)), number) >= 0;
	for (int n = 0; good && n < 64 && node < 0; n++) {
		snprintf(path, sizeof(path), "/sys/class/input/%s/event%d", number, n);
		if (access(path, F_OK) != 0)
			continue;
		snprintf(path, sizeof(path), "/dev/input/event%d", n);
		node = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	}
	good = good && node >= 0 && write(fd, down, sizeof(down)) == sizeof(down) &&
	       LOOK_UNTIL(read(node, &seen, sizeof(seen)) == sizeof(seen)) && seen.type == EV_KEY &&
	       seen.code == BTN_LEFT && seen.value == 1;
	close(node);
	close(fd);
	return good;
}

/* The lamps of what has some, by its driver; any is asked its name. */
static bool light_lamps(void)
{
	bool good = true;

	for (int n = 0; n < 16; n++) {
		const struct event lamp[] = {{.type = EV_LED, .code = LED_NUML, .value = workload_random() & 1},
					     {.type = EV_SYN}};
		char path[32], name[64];

		snprintf(path, sizeof(path), "/dev/input/event%d", n);
		int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
		/* Another's may just be leaving. */
		if (fd < 0)
			continue;
		if (ioctl(fd, EVIOC_R(6, sizeof(name)), name) < 0 || write(fd, lamp, sizeof(lamp)) < 0)
			good &= errno == ENODEV;
		close(fd);
	}
	return good;
}

bool use_virtio_lamps(void)
{
	return light_lamps() && drivers_are_up("virtio_input");
}

bool use_pc_lamps(void)
{
	return light_lamps() && drivers_are_up("i8042");
}

/* --- interfaces --- */

static bool is_interface(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/class/net/%s", name);
	return access(path, F_OK) == 0;
}

/* QEMU's user network: 10.0.2.0/24, where 10.0.2.2 answers. */
static bool set_up_interface(const char *name)
{
	struct ifreq r = {};
	struct sockaddr_in *a = (struct sockaddr_in *)&r.ifr_addr;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	bool good = fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &r) == 0;
	if (good && !(r.ifr_flags & IFF_UP)) {
		r.ifr_flags = IFF_UP;
		good = ioctl(fd, SIOCSIFFLAGS, &r) == 0;
	}
	memset(&r.ifr_addr, 0, sizeof(r.ifr_addr));
	if (good && (ioctl(fd, SIOCGIFADDR, &r) != 0 || a->sin_addr.s_addr == 0)) {
		a->sin_family = AF_INET;
		a->sin_addr.s_addr = htonl(0x0a00020f);
		good = ioctl(fd, SIOCSIFADDR, &r) == 0;
		a->sin_addr.s_addr = htonl(0xffffff00);
		good = good && ioctl(fd, SIOCSIFNETMASK, &r) == 0;
	}
	close(fd);
	return good;
}

/* A question for a file that the host has not is answered by an error of TFTP (RFC 1350, section 5): there and back. */
bool use_network(void)
{
	static const char question[] = "\0\1workload\0octet";
	struct sockaddr_in host = {.sin_family = AF_INET, .sin_port = htons(69), .sin_addr = {htonl(0x0a000202)}};
	struct timeval patience = {.tv_usec = ANSWER_US};
	unsigned char answer[64];
	bool good = false;

	if (!is_interface("eth0"))
		return true;
	int fd = set_up_interface("eth0") ? socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;
	if (fd < 0)
		return false;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	for (int n = 0; n < TRIES && !good; n++) {
		(void)sendto(fd, question, sizeof(question), 0, (struct sockaddr *)&host, sizeof(host));
		good = recv(fd, answer, sizeof(answer), 0) >= 4 && answer[0] == 0 && answer[1] == 5;
	}
	close(fd);
	return good && drivers_are_up("virtio_net");
}

static int inet_socket(int type, struct sockaddr_in *bound)
{
	struct timeval patience = {.tv_sec = 2};
	socklen_t length = sizeof(*bound);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	*bound = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (bind(fd, (struct sockaddr *)bound, length) == 0 && getsockname(fd, (struct sockaddr *)bound, &length) == 0)
		return fd;
	close(fd);
	return -1;
}

/* A datagram, and a word over a connection, to this machine itself. */
bool use_loopback(void)
{
	struct sockaddr_in to, from, unused;
	char text[8] = "";
	int receiver = inet_socket(SOCK_DGRAM, &to), sender = inet_socket(SOCK_DGRAM, &unused),
	    listener = inet_socket(SOCK_STREAM, &from), client = inet_socket(SOCK_STREAM, &unused), server = -1;
	bool good = receiver >= 0 && sender >= 0 && listener >= 0 && client >= 0 &&
		    sendto(sender, "word", 4, 0, (struct sockaddr *)&to, sizeof(to)) == 4 &&
		    recv(receiver, text, sizeof(text), 0) == 4 && memcmp(text, "word", 4) == 0;

	good = good && listen(listener, 1) == 0 && connect(client, (struct sockaddr *)&from, sizeof(from)) == 0 &&
	       (server = accept(listener, nullptr, nullptr)) >= 0 && write(client, "more", 4) == 4 &&
	       recv(server, text, 4, 0) == 4 && memcmp(text, "more", 4) == 0;
	close(receiver);
	close(sender);
	close(server);
	close(client);
	close(listener);
	return good;
}

/* A frame that use_network() sends or gets, as it is on the wire. */
bool use_packets(void)
{
	enum { ALL_PROTOCOLS = 3, HEADER = 14 };
	struct timeval patience = {.tv_usec = ANSWER_US};
	unsigned char frame[128];

	if (!is_interface("eth0"))
		return true;
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ALL_PROTOCOLS));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	bool good = fd >= 0 && use_network() && recv(fd, frame, sizeof(frame), 0) >= HEADER;
	close(fd);
	return good;
}

/* The list of interfaces (RFC 3549, section 3.1.1), of which each message is of type 16. */
bool use_netlink(void)
{
	enum { GET_LINK = 18, NEW_LINK = 16, REQUEST_DUMP = 0x301, HEADER = 16 };
	struct {
		uint32_t length;
		uint16_t type, flags;
		uint32_t sequence, port;
		unsigned char more[16];
	} question = {.length = sizeof(question), .type = GET_LINK, .flags = REQUEST_DUMP, .sequence = 1};
	struct timeval patience = {.tv_usec = ANSWER_US};
	static unsigned char answer[8192];
	uint16_t type = 0;

	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	bool good = fd >= 0 && send(fd, &question, sizeof(question), 0) == sizeof(question) &&
		    recv(fd, answer, sizeof(answer), 0) >= HEADER;
	memcpy(&type, answer + 4, sizeof(type));
	close(fd);
	return good && type == NEW_LINK;
}

/* --- what hangs on USB --- */

bool use_usb_lamps(void)
{
	return light_lamps() && drivers_are_up("usb_hid");
}

bool is_usb_up(void)
{
	return drivers_are_up("xhci") && drivers_are_up("usb_hub") && drivers_are_up("usb_hid") &&
	       drivers_are_up("usb_storage");
}
