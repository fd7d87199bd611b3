// SPDX-License-Identifier: GPL-2.0-only
/* The terminal of a tree that moves; see terminal.h. */
#include <asm/ioctls.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "terminal.h"
#include "tty_image.h"

#define IMAGE_MAX	(1u << 20)

static void name_it(struct terminal *t, uint64_t rdev, uint64_t dev)
{
	snprintf(t->key, sizeof(t->key), "tty[%llx:%llx]",
		 (unsigned long long)rdev, (unsigned long long)dev);
}

/* --- at the source --------------------------------------------------------------*/

void terminal_look(const struct move *m, const struct tree *t,
		   struct tree_terminal *found, struct words *why)
{
	size_t n = m->start->n_terminals;
	uint64_t *relayed = xcalloc(n + 1, sizeof(*relayed));

	for (size_t i = 0; i < n; i++)
		relayed[i] = m->start->terminals[i]->rdev;
	tree_terminal(t, relayed, n, found, why);
	free(relayed);
}

int terminal_take(struct move *m, const struct tree_terminal *found,
		  struct terminal *t, Pando__MoveTerminal *out)
{
	char path[64];
	struct stat st;

	*t = TERMINAL_NONE;
	pando__move_terminal__init(out);
	out->rdev = found->rdev;
	out->dev = found->dev;
	out->sid = found->sid;
	out->groups = (uint32_t *)found->group;
	out->n_groups = found->groups;
	out->reads = found->reads;
	out->nonblock = found->nonblock;
	name_it(t, found->rdev, found->dev);
	for (size_t i = 0; i < m->start->n_terminals; i++) {
		const Pando__MoveTerminal *known = m->start->terminals[i];

		if (known->rdev != found->rdev)
			continue;
		out->id = known->id;
		out->node = known->node;
		out->sid = known->sid;
		return 0;
	}
	/* by the process's own descriptor: no name leads elsewhere meanwhile */
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", found->pid, found->fd);
	t->slave = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (t->slave < 0 || fstat(t->slave, &st) || !S_ISCHR(st.st_mode) ||
	    st.st_rdev != found->rdev || st.st_dev != found->dev)
		return move_fail(m, "the terminal of %d cannot be opened: %s",
				 found->pid, t->slave < 0 ? strerror(errno) :
				 "it is another one by now");
	return 0;
}

/* --- at the target ----------------------------------------------------------------*/

static int make_pty(struct move *m, struct terminal *t)
{
	t->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (t->master < 0 || grantpt(t->master) || unlockpt(t->master))
		return move_fail(m, "cannot make a terminal: %s", strerror(errno));
	t->slave = ioctl(t->master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC |
			 (m->start->terminals[0]->nonblock ? O_NONBLOCK : 0));
	return t->slave < 0 ?
	       move_fail(m, "cannot open a terminal: %s", strerror(errno)) : 0;
}

int terminal_make(struct move *m, struct terminal *t)
{
	const Pando__MoveTerminal *its;
	char path[64];

	*t = TERMINAL_NONE;
	if (!m->start->n_terminals)
		return 0;
	its = m->start->terminals[0];
	name_it(t, its->rdev, its->dev);
	if (m->slave < 0)
		return make_pty(m, t);
	/* the daemon's is set not to block, and that is shared by who shares it */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", m->slave);
	t->slave = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC |
			(its->nonblock ? O_NONBLOCK : 0));
	return t->slave < 0 ? move_fail(m, "its terminal is gone: %s",
					strerror(errno)) : 0;
}

/* Coming home it finds the modes as they are there: they are not its to set now. */
static uint8_t *adopt(const struct terminal *t, const uint8_t *image, size_t len,
		      size_t *new_len)
{
	struct termios modes;
	struct winsize window;

	if (t->master >= 0)
		return tty_image_adopt(image, len, new_len, NULL, NULL, EXTPROC);
	if (tcgetattr(t->slave, &modes) || ioctl(t->slave, TIOCGWINSZ, &window) < 0)
		return NULL;
	return tty_image_adopt(image, len, new_len, &modes, &window, 0);
}

int terminal_adopt(struct move *m, const struct terminal *t)
{
	static const char name[] = "tty-info.img";
	uint8_t *image, *new = NULL;
	struct stat st;
	size_t len;
	int fd;

	if (!*t->key)
		return 0;
	fd = openat(m->dir, name, O_RDWR | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) || st.st_size > IMAGE_MAX) {
		if (fd >= 0)
			close(fd);
		return move_fail(m, "the source sent no %s", name);
	}
	image = xcalloc(1, st.st_size + 1);
	if (pread(fd, image, st.st_size, 0) == st.st_size)
		new = adopt(t, image, st.st_size, &len);
	free(image);
	if (!new || ftruncate(fd, 0) || pwrite(fd, new, len, 0) != (ssize_t)len) {
		free(new);
		close(fd);
		return move_fail(m, "%s cannot be read, or written", name);
	}
	free(new);
	close(fd);
	return 0;
}

void terminal_hand_over(struct move *m, struct terminal *t)
{
	Pando__MoveEvent ev = PANDO__MOVE_EVENT__INIT;

	if (t->master < 0)
		return;
	ev.terminal = m->start->terminals[0];
	report_fd(m, "terminal", &ev, t->master);
	close(t->master);
	t->master = -1;
}

void terminal_free(struct terminal *t)
{
	if (t->slave >= 0)
		close(t->slave);
	if (t->master >= 0)
		close(t->master);
	t->slave = t->master = -1;
}
