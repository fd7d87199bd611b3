// SPDX-License-Identifier: GPL-2.0-only
// LINK: userspace/pandod/terminal_modes.c build/userspace/gen/pando.pb-c.c
// PKGS: libsystemd libprotobuf-c
/* Modes that travel between two terminals, and output that is not done twice. */
#include <asm/ioctls.h>
#include <errno.h>
#include <string.h>

#include "tap.h"
#include "terminal.h"

TEST(modes_come_over_and_the_lines_do_not)
{
	struct termios a = { .c_iflag = 1, .c_oflag = 2, .c_cflag = 3,
			     .c_lflag = 4 | EXTPROC };
	struct termios b = { .c_cflag = 30, .c_lflag = 0 };
	Pando__Modes m = PANDO__MODES__INIT;

	a.c_cc[VEOF] = 4;
	CHECK(!terminal_modes_equal(&a, &b));
	terminal_modes_pack(&a, &m);
	CHECK_EQ(terminal_modes_unpack(&m, &b), 0);
	CHECK(terminal_modes_equal(&a, &b));
	CHECK(b.c_cflag == 30 && b.c_lflag == 4 && b.c_cc[VEOF] == 4);
	/* nor does EXTPROC, there or back */
	b.c_lflag = EXTPROC;
	m.lflag = 8 | EXTPROC;
	CHECK_EQ(terminal_modes_unpack(&m, &b), 0);
	CHECK_EQ(b.c_lflag, 8 | EXTPROC);
	m.cc.len--;
	CHECK_EQ(terminal_modes_unpack(&m, &b), -EPROTO);
}

TEST(tostop_alone)
{
	struct termios t = { .c_lflag = ECHO };

	CHECK(!terminal_modes_tostop(&t, ICANON));
	CHECK_EQ(t.c_lflag, ECHO);
	CHECK(terminal_modes_tostop(&t, ICANON | TOSTOP));
	CHECK_EQ(t.c_lflag, ECHO | TOSTOP);
	CHECK(!terminal_modes_tostop(&t, TOSTOP));
	CHECK(terminal_modes_tostop(&t, 0));
	CHECK_EQ(t.c_lflag, ECHO);
}

static void becomes(tcflag_t oflag, bool *cr, const char *in, const char *out)
{
	struct termios t = { .c_oflag = oflag };
	uint8_t buf[64];
	size_t n = strlen(in);

	memcpy(buf, in, n);
	n = terminal_output(&t, buf, n, cr);
	CHECK_EQ(n, strlen(out));
	CHECK(!memcmp(buf, out, strlen(out)));
}

TEST(a_line_end_is_made_once)
{
	bool cr = false;

	becomes(OPOST | ONLCR, &cr, "a\r\nb\r\n", "a\nb\n");
	/* a progress bar is none, nor is what the program made of it itself */
	becomes(OPOST | ONLCR, &cr, "50%\r60%\r\r\n", "50%\r60%\r\n");
	/* where it does not make them, all is the program's own */
	becomes(0, &cr, "a\r\nb\n", "a\r\nb\n");
	becomes(OPOST, &cr, "a\r\n", "a\r\n");
	becomes(ONLCR, &cr, "a\r\n", "a\r\n");
	/* in two pieces, a CR that was sent stays */
	becomes(OPOST | ONLCR, &cr, "a\r", "a\r");
	becomes(OPOST | ONLCR, &cr, "\nb\r\n", "\nb\n");
	becomes(OPOST | ONLCR, &cr, "\n", "\n");
	CHECK(!cr);
}

TAP_MAIN(T(modes_come_over_and_the_lines_do_not), T(tostop_alone),
	 T(a_line_end_is_made_once))
