/* SPDX-License-Identifier: MIT */
/*
 * Terminal settings and ioctl numbers, as in Linux's ABI on x86_64 and aarch64 (asm-generic/termbits.h,
 * asm-generic/ioctls.h). The names are the kernel's own where the C library's structure differs (its struct termios has
 * more control characters).
 */
#ifndef ABI_TERMIOS_H
#define ABI_TERMIOS_H

#include <stdint.h>

constexpr unsigned TERMIOS_CC_COUNT = 19;

struct termios {
	uint32_t c_iflag, c_oflag, c_cflag, c_lflag;
	uint8_t c_line;
	uint8_t c_cc[TERMIOS_CC_COUNT];
};
static_assert(sizeof(struct termios) == 36);

/* TCGETS2 and its relatives. */
struct termios2 {
	struct termios t;
	uint32_t c_ispeed, c_ospeed;
};
static_assert(sizeof(struct termios2) == 44);

/* TCGETA and its relatives, of System V. */
struct termio {
	uint16_t c_iflag, c_oflag, c_cflag, c_lflag;
	uint8_t c_line;
	uint8_t c_cc[8];
};
static_assert(sizeof(struct termio) == 18);

struct winsize {
	uint16_t ws_row, ws_col, ws_xpixel, ws_ypixel;
};

/* Indexes of c_cc. */
enum : unsigned {
	VINTR = 0,
	VQUIT,
	VERASE,
	VKILL,
	VEOF,
	VTIME,
	VMIN,
	VSWTC,
	VSTART,
	VSTOP,
	VSUSP,
	VEOL,
	VREPRINT,
	VDISCARD,
	VWERASE,
	VLNEXT,
	VEOL2,
};

enum : uint32_t {
	/* c_iflag */
	IGNBRK = 01,
	BRKINT = 02,
	IGNPAR = 04,
	PARMRK = 010,
	INPCK = 020,
	ISTRIP = 040,
	INLCR = 0100,
	IGNCR = 0200,
	ICRNL = 0400,
	IUCLC = 01000,
	IXON = 02000,
	IXANY = 04000,
	IXOFF = 010000,
	IMAXBEL = 020000,
	IUTF8 = 040000,
	/* c_oflag */
	OPOST = 01,
	OLCUC = 02,
	ONLCR = 04,
	OCRNL = 010,
	ONOCR = 020,
	ONLRET = 040,
	TABDLY = 014000,
	XTABS = 014000,
	/* c_lflag */
	ISIG = 01,
	ICANON = 02,
	XCASE = 04,
	ECHO = 010,
	ECHOE = 020,
	ECHOK = 040,
	ECHONL = 0100,
	NOFLSH = 0200,
	TOSTOP = 0400,
	ECHOCTL = 01000,
	ECHOPRT = 02000,
	ECHOKE = 04000,
	EXTPROC = 0200000,
	IEXTEN = 0100000,
	/* c_cflag */
	CBAUD = 0010017,
	B115200 = 0010002,
	B38400 = 017,
	BOTHER = 0010000,
	CS8 = 060,
	CREAD = 0200,
	HUPCL = 02000,
	CLOCAL = 04000,
};

enum : uint32_t {
	TCGETS = 0x5401,
	TCSETS,
	TCSETSW,
	TCSETSF,
	TCGETA,
	TCSETA,
	TCSETAW,
	TCSETAF,
	TCSBRK,
	TCXONC,
	TCFLSH,
	TIOCEXCL,
	TIOCNXCL,
	TIOCSCTTY,
	TIOCGPGRP,
	TIOCSPGRP,
	TIOCOUTQ,
	TIOCSTI,
	TIOCGWINSZ,
	TIOCSWINSZ,
	TIOCMGET,
	TIOCMBIS,
	TIOCMBIC,
	TIOCMSET,
	FIONREAD = 0x541b,
	TIOCNOTTY = 0x5422,
	TIOCSETD,
	TIOCGETD,
	TCSBRKP,
	TIOCSBRK = 0x5427,
	TIOCCBRK,
	TIOCGSID,
	TIOCGLCKTRMIOS = 0x5456,
	TIOCSLCKTRMIOS,
	TCGETS2 = 0x802c542a,
	TCSETS2 = 0x402c542b,
	TCSETSW2 = 0x402c542c,
	TCSETSF2 = 0x402c542d,
	TIOCGPTN = 0x80045430,
	TIOCSPTLCK = 0x40045431,
	TIOCGDEV = 0x80045432,
	TIOCVHANGUP = 0x5437,
	TIOCGSOFTCAR = 0x5419,
	TIOCSSOFTCAR,
	TIOCPKT = 0x5420,
	TIOCSIG = 0x40045436,
	TIOCGPKT = 0x80045438,
	TIOCGEXCL = 0x80045440,
	TIOCGPTLCK = 0x80045439,
	TIOCGPTPEER = 0x5441,
};
/* What the first byte of a read says of a master in packet mode; 0: output follows. */
enum : unsigned {
	TIOCPKT_FLUSHREAD = 1,
	TIOCPKT_FLUSHWRITE = 2,
	TIOCPKT_STOP = 4,
	TIOCPKT_START = 8,
	TIOCPKT_NOSTOP = 16,
	TIOCPKT_DOSTOP = 32,
	TIOCPKT_IOCTL = 64,
};
enum : uint32_t { TCIFLUSH = 0, TCOFLUSH = 1, TCIOFLUSH = 2 };
enum : uint32_t { TCOOFF = 0, TCOON = 1, TCIOFF = 2, TCION = 3 };

#endif
