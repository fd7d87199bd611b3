// SPDX-License-Identifier: GPL-2.0-only
/* The modes of the two terminals of a process that has moved; see terminal.h. */
#include <asm/ioctls.h>
#include <errno.h>
#include <string.h>

#include "terminal.h"

bool terminal_modes_equal(const struct termios *a, const struct termios *b)
{
	return a->c_iflag == b->c_iflag && a->c_oflag == b->c_oflag &&
	       !((a->c_lflag ^ b->c_lflag) & ~EXTPROC) &&
	       !memcmp(a->c_cc, b->c_cc, sizeof(a->c_cc));
}

bool terminal_modes_tostop(struct termios *t, tcflag_t lflag)
{
	tcflag_t change = (t->c_lflag ^ lflag) & TOSTOP;

	t->c_lflag ^= change;
	return change;
}

void terminal_modes_pack(const struct termios *t, Pando__Modes *m)
{
	m->iflag = t->c_iflag;
	m->oflag = t->c_oflag;
	m->lflag = t->c_lflag & ~EXTPROC;
	m->cc.data = (uint8_t *)t->c_cc;
	m->cc.len = sizeof(t->c_cc);
}

int terminal_modes_unpack(const Pando__Modes *m, struct termios *t)
{
	if (m->cc.len != sizeof(t->c_cc))
		return -EPROTO;
	t->c_iflag = m->iflag;
	t->c_oflag = m->oflag;
	t->c_lflag = (m->lflag & ~EXTPROC) | (t->c_lflag & EXTPROC);
	memcpy(t->c_cc, m->cc.data, sizeof(t->c_cc));
	return 0;
}

size_t terminal_output(const struct termios *t, uint8_t *buf, size_t n, bool *cr)
{
	bool made = (t->c_oflag & (OPOST | ONLCR)) == (OPOST | ONLCR);
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		/* one that is sent already is a CR too many, and seen by nobody */
		if (buf[i] == '\n' && kept && *cr && made)
			kept--;
		*cr = buf[i] == '\r';
		buf[kept++] = buf[i];
	}
	return kept;
}
