/* SPDX-License-Identifier: MIT */
/* The hubs' driver before hubs whose ports tell of changes that never go, do not answer, or are more than usual. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <kernel/driver/usb/usb_hub/usb_hub.c>

#include <stdio.h>
#include <stdlib.h>

enum : uint32_t { CAME = 1u << USB_FEATURE_C_CONNECTION, WAS_RESET = 1u << USB_FEATURE_C_RESET };

extern const struct driver driver_usb_hub;

static struct {
	unsigned ports;
	bool root, over, bitmap_given;
	uint32_t status[USB_PORTS_MAX + 1], stays[USB_PORTS_MAX + 1]; /* stays: changes that cannot be cleared */
	int refuses[USB_PORTS_MAX + 1], not_found[USB_PORTS_MAX + 1]; /* errors */
	bool has[USB_PORTS_MAX + 1], rests[USB_PORTS_MAX + 1];
	unsigned found, emptied, asked, waits, rounds, itself;
	unsigned char told[32]; /* what the interrupt endpoint says, when it is asked next */
	uint64_t now_ns;
	struct usb_transfer *transfer;
	const char *failing;
	char log[8192];
} m;
static void *private;
static struct usb_identity identity;
static unsigned char memory[64];
static const struct usb_endpoint_facts endpoint = {.number = 1, .in = true, .type = USB_INTERRUPT, .packet_max = 32};

/* --- the device --- */

void *device_private(const struct device *)
{
	return private;
}
const char *device_name(const struct device *)
{
	return "hub";
}
bool device_stopping(const struct device *)
{
	return m.over || m.failing != nullptr;
}
void device_fail(struct device *, const char *why)
{
	m.failing = why;
}
/* Without a limit: nothing happens any more, and the round ends. */
int device_wait(struct device *, uint64_t deadline_ns)
{
	if (m.transfer != nullptr && m.bitmap_given) {
		struct usb_transfer *t = m.transfer;

		memcpy(memory, m.told, sizeof(m.told));
		t->actual = sizeof(m.told);
		t->state = USB_DONE;
		m.transfer = nullptr;
		m.rounds++;
		if (deadline_ns == 0)
			return 0;
	}
	if (deadline_ns == 0) {
		m.over = true;
		return -ECANCELED;
	}
	m.waits++;
	m.now_ns = MAX(m.now_ns, deadline_ns);
	/* A driver that never ends is stopped. */
	if (m.now_ns > 3000'000'000'000)
		m.over = true;
	return m.over ? -ECANCELED : -ETIMEDOUT;
}
uint64_t clock_monotonic_ns(void)
{
	return m.now_ns;
}
int dma_alloc(struct device *, size_t bytes, struct dma_buffer *b)
{
	*b = (struct dma_buffer){.at = memory, .bytes = bytes};
	return 0;
}
void log_write(enum log_level, const char *format, ...)
{
	size_t used = strlen(m.log);
	va_list args;

	va_start(args, format);
	vsnprintf(m.log + used, sizeof(m.log) - used, format, args);
	va_end(args);
}
uint32_t fault_point_armed;
volatile uint8_t *fault_point_victim;
uint64_t fault_point_address;
bool fault_point_due(void)
{
	return false;
}

/* --- the bus --- */

const struct bus usb_bus = {.name = "usb"};

bool usb_is_root(const struct device *)
{
	return m.root;
}
bool usb_is_there(const struct device *)
{
	return !m.over;
}
unsigned usb_root_ports(const struct device *)
{
	return m.ports;
}
unsigned usb_depth(const struct device *)
{
	return 1;
}
const struct usb_identity *usb_identity(const struct device *)
{
	return &identity;
}
const struct usb_endpoint_facts *usb_find_endpoint(const struct device *, enum usb_transfer_type, bool)
{
	return &endpoint;
}
int usb_set_hub(struct device *, const struct usb_hub_facts *)
{
	return 0;
}
int usb_clear_halt(struct device *, const struct usb_endpoint_facts *)
{
	return 0;
}
int usb_submit(struct device *dev, struct usb_transfer *t)
{
	t->device = dev;
	t->state = USB_GIVEN;
	m.transfer = t;
	return 0;
}

static void set(unsigned port, uint32_t feature, bool on)
{
	assert_true(port >= 1 && port <= m.ports);
	if (on && feature == USB_FEATURE_RESET)
		m.status[port] |= USB_PORT_ENABLED | WAS_RESET;
	else if (!on)
		m.status[port] &= ~(1u << feature) | m.stays[port];
}
int usb_root_port(struct device *, unsigned port, uint32_t *status, enum usb_speed *speed)
{
	/* One that spins asks for ever. */
	if (++m.asked > 100'000)
		m.over = true;
	*status = m.status[port];
	*speed = USB_HIGH;
	return m.over ? -ENODEV : 0;
}
void usb_root_set_port(struct device *, unsigned port, enum usb_port_feature feature, bool on)
{
	set(port, feature, on);
}
int usb_control(struct device *, const struct usb_setup *s, void *data)
{
	unsigned char *bytes = data;

	if (m.over)
		return -ENODEV;
	if (s->request == USB_GET_DESCRIPTOR) {
		const unsigned char hub[] = {9, USB_DESCRIPTOR_HUB, (unsigned char)m.ports, 0, 0, 1, 0, 0, 0xff};

		memcpy(data, hub, sizeof(hub));
		return sizeof(hub);
	}
	if (s->index == 0) {
		m.itself += s->request == USB_CLEAR_FEATURE;
		if (s->request == USB_GET_STATUS)
			memcpy(data, "\0\0\1\0", 4);
		return 4;
	}
	if (m.refuses[s->index] < 0 && s->request == USB_GET_STATUS)
		return m.refuses[s->index];
	if (s->request == USB_GET_STATUS) {
		for (unsigned n = 0; n < 4; n++)
			bytes[n] = (unsigned char)(m.status[s->index] >> 8 * n);
		return 4;
	}
	set(s->index, s->value, s->request == USB_SET_FEATURE);
	return 0;
}

int usb_ports_begin(struct device *, unsigned count, struct usb_ports **)
{
	assert_int_equal(count, m.ports);
	return 0;
}
bool usb_ports_has(const struct usb_ports *, unsigned port)
{
	return m.has[port] && !m.rests[port];
}
bool usb_ports_was_pulled(const struct usb_ports *, unsigned port)
{
	return m.root && m.has[port] && m.rests[port];
}
int usb_ports_found(struct usb_ports *, unsigned port, enum usb_speed)
{
	if (m.not_found[port] < 0)
		return m.not_found[port];
	m.found++;
	m.has[port] = true;
	m.rests[port] = false;
	return 0;
}
void usb_ports_empty(struct usb_ports *, unsigned port)
{
	m.emptied += m.has[port];
	m.has[port] = false;
}

/* --- the tests --- */

static int setup(void **)
{
	memset(&m, 0, sizeof(m));
	m.ports = 4;
	m.root = true;
	identity.speed = USB_HIGH;
	return 0;
}

static void plug(unsigned port)
{
	m.status[port] |= USB_PORT_CONNECTED | CAME;
}

static int run(void)
{
	private = calloc(1, driver_usb_hub.private_bytes);
	int error = driver_usb_hub.attach(nullptr);
	if (error == 0)
		driver_usb_hub.serve(nullptr);
	free(private);
	return error;
}

static bool said(const char *text)
{
	return strstr(m.log, text) != nullptr;
}

static void finds_what_is_there(void **)
{
	for (unsigned root = 0; root < 2; root++) {
		setup(nullptr);
		m.root = root != 0;
		plug(2);
		plug(4);
		assert_int_equal(run(), 0);
		assert_int_equal(m.found, 2);
		assert_true(m.has[2] && m.has[4]);
		assert_null(m.failing);
		assert_int_equal(m.status[2] & USB_PORT_CHANGED, 0);
	}
}

static void of_many_ports(void **)
{
	for (unsigned root = 0; root < 2; root++) {
		setup(nullptr);
		m.root = root != 0;
		m.ports = USB_PORTS_MAX;
		plug(1);
		plug(40);
		plug(USB_PORTS_MAX);
		assert_int_equal(run(), 0);
		assert_int_equal(m.found, 3);
	}
}

/* Each change that a port can tell of stays; the neighbours come and go, and the driver rests. */
static void changes_that_stay(void **)
{
	for (unsigned bit = USB_PORT_CHANGE_SHIFT; bit < USB_PORT_CHANGE_SHIFT + 5; bit++) {
		setup(nullptr);
		m.status[3] = m.stays[3] = 1u << bit;
		plug(3);
		plug(4);
		assert_int_equal(run(), 0);
		assert_true(m.has[3] && m.has[4]);
		assert_true(m.asked < 1000);
		assert_null(m.failing);
		assert_true(said("stays, however often it is heard"));
	}
}

static void a_hub_that_tells_without_end(void **)
{
	m.root = false;
	m.status[3] = m.stays[3] = CAME;
	m.told[0] = 1 | 1 << 3;
	m.bitmap_given = true;
	assert_int_equal(run(), 0);
	/* In the 3000 seconds of the model it was asked no more often than ten times in each. */
	assert_true(m.over && m.rounds > 100 && m.rounds < 40'000);
	assert_true(m.itself > 0);
	assert_null(m.failing);
}

/* A port that does not answer, and one whose device does not come back. */
static void others_go_on(void **)
{
	static const int errors[] = {-EPIPE, -EIO, -ENODEV, -ENOMEM, -ESTALE};

	for (size_t n = 0; n < ARRAY_LEN(errors); n++) {
		setup(nullptr);
		m.root = false;
		m.refuses[1] = errors[n];
		plug(1);
		plug(2);
		plug(3);
		m.not_found[2] = errors[n];
		assert_int_equal(run(), 0);
		assert_true(m.has[3]);
		assert_int_equal(m.found, 1);
		assert_true(said("port 1 does not answer"));
		assert_true(said("port 2: the device does not answer as it is to"));
	}
}

/* While the hub's driver began anew: what stayed goes on, and what was put in is another one. */
static void pulled_meanwhile(void **)
{
	for (unsigned port = 1; port <= 2; port++) {
		m.has[port] = m.rests[port] = true;
		m.status[port] = USB_PORT_CONNECTED;
	}
	plug(2);
	assert_int_equal(run(), 0);
	assert_int_equal(m.found, 2);
	assert_int_equal(m.emptied, 1);
}

static void comes_and_goes(void **)
{
	plug(1);
	plug(2);
	m.stays[1] = CAME;
	assert_int_equal(run(), 0);
	assert_true(m.has[2]);
	m.over = false;
	assert_true(m.now_ns < 60'000'000'000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(finds_what_is_there, setup),
		cmocka_unit_test_setup(of_many_ports, setup),
		cmocka_unit_test_setup(changes_that_stay, setup),
		cmocka_unit_test_setup(a_hub_that_tells_without_end, setup),
		cmocka_unit_test_setup(others_go_on, setup),
		cmocka_unit_test_setup(pulled_meanwhile, setup),
		cmocka_unit_test_setup(comes_and_goes, setup),
	};

	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
