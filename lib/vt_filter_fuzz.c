/* SPDX-License-Identifier: MIT */
/* libFuzzer: any output. What comes of it is read once more, and has to be what libvterm can bear. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include <lib/vt_filter.h>

enum state { PLAIN, ESCAPE, SEQUENCE, STRING };

static struct {
	enum state state;
	unsigned separators, digits, marks, held, length;
	uint32_t code;
	bool between, ascii; /* the last character was one of ASCII */
} r;

static bool is_mark(uint32_t c)
{
	return c >= 0x300 && c < 0x370;
}

static void read_character(unsigned char c)
{
	if (r.held == 0 && c < 0x80) {
		r.marks = 0;
		r.ascii = true;
		return;
	}
	if (r.held == 0) {
		assert(c >= 0xc2 && c < 0xf5);
		r.length = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
		r.code = c & (0x7fu >> r.length);
		r.held = 1;
		return;
	}
	assert((c & 0xc0) == 0x80);
	r.code = r.code << 6 | (c & 0x3f);
	if (++r.held < r.length)
		return;
	r.held = 0;
	assert(r.code >= (r.length == 2 ? 0xa0u : r.length == 3 ? 0x800u : 0x10000u) && r.code <= 0x10ffff);
	assert(r.code < 0xd800 || r.code >= 0xe000);
	r.ascii = false;
	r.marks = is_mark(r.code) ? r.marks + 1 : 0;
	assert(r.marks <= VT_FILTER_MARKS);
}

static void read_escape(unsigned char c)
{
	assert(c < 0x80);
	if (c < 0x30)
		r.between = true;
	else if (!r.between && c == '[')
		r.state = SEQUENCE;
	else
		r.state = !r.between && strchr("PX]^_", c) != nullptr ? STRING : PLAIN;
	r.separators = r.digits = 0;
}

static void read_sequence(unsigned char c)
{
	assert(c < 0x80);
	if (c >= '0' && c <= '9')
		assert(++r.digits <= VT_FILTER_DIGITS);
	if (c == ';' || c == ':') {
		assert(++r.separators <= VT_FILTER_SEPARATORS);
		r.digits = 0;
	}
	if (c < 0x40)
		return;
	assert(c != 'b' || r.ascii);
	r.state = PLAIN;
}

static void read_byte(unsigned char c)
{
	assert(c != 0 && c != 0x7f);
	assert(r.held == 0 || c >= 0x80);
	if (c == 0x18 || c == 0x1a) {
		r.state = PLAIN;
	} else if (c == 0x1b) {
		r.state = ESCAPE;
		r.between = false;
	} else if (c < 0x20) {
		assert(r.state != STRING);
	} else if (r.state == PLAIN) {
		read_character(c);
	} else if (r.state == ESCAPE) {
		read_escape(c);
	} else if (r.state == SEQUENCE) {
		read_sequence(c);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vt_filter f = {};
	char out[VT_FILTER_MAX];

	memset(&r, 0, sizeof(r));
	for (size_t i = 0; i < size; i++) {
		size_t n = vt_filter_byte(&f, data[i], is_mark, out);

		assert(n <= VT_FILTER_MAX);
		for (size_t k = 0; k < n; k++)
			read_byte((unsigned char)out[k]);
		/* Characters come whole. */
		assert(r.held == 0);
	}
	return 0;
}
