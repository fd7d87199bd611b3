// SPDX-License-Identifier: GPL-2.0-only
/* pando-move, the helper that does one side of one move. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "init.h"
#include "log.h"
#include "move.h"

#define LOG_NAME	"mover"

struct mover {
	struct link *link;
	void (*event)(void *data, Pando__MoveEvent *e, int fd);
	void (*gone)(void *data);
	void *data;
	char workdir[64];
};

static void on_frame(struct link *l, Pando__Frame *f, int *fds, int nfds)
{
	struct mover *m = link_data(l);

	for (int i = m ? 1 : 0; i < nfds; i++)
		close(fds[i]);
	if (!m)
		return;
	if (f->body_case == PANDO__FRAME__BODY_MOVE_EVENT) {
		m->event(m->data, f->move_event, nfds ? fds[0] : -1);
		return;
	}
	if (nfds)
		close(fds[0]);
	log_warn("unexpected frame=%d", f->body_case);
}

static void on_closed(struct link *l, int err)
{
	struct mover *m = link_data(l);

	(void)err;
	if (!m)
		return;
	/* if it was killed */
	left_workdir(m->workdir);
	m->gone(m->data);
	free(m);
}

static const struct link_ops ops = { .frame = on_frame, .closed = on_closed };

static bool on_init(void *data, Pando__Frame *f, int *fds, int nfds, int err)
{
	(void)data;
	(void)err;
	for (int i = 0; i < nfds; i++)
		close(fds[i]);
	/* that it is gone is told by its socket; here is why */
	if (f && f->body_case == PANDO__FRAME__BODY_EXIT && f->exit->error)
		log_err("cannot start pando-move: %s", f->exit->text);
	else if (f && f->body_case == PANDO__FRAME__BODY_EXIT &&
		 f->exit->status)
		log_info("pando-move ended status=0x%x", f->exit->status);
	return f && f->body_case == PANDO__FRAME__BODY_SPAWNED;
}

static bool spawn(int sock)
{
	Pando__RunRequest run = PANDO__RUN_REQUEST__INIT;
	char program[CONFIG_TEXT + 16], dpdk[CONFIG_TEXT + 16];
	char *argv[] = { program };
	char *env[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C", dpdk,
			"PANDO_MOVE_DEBUG=1" };
	int fds[4];
	bool ok;

	snprintf(program, sizeof(program), "%s/pando-move",
		 pandod.config.libexec);
	snprintf(dpdk, sizeof(dpdk), "PANDO_DPDK=%s", pandod.config.dpdk);
	run.argv = argv;
	run.n_argv = 1;
	run.env = env;
	run.n_env = pandod.config.log_level >= LOG_DEBUG ? 4 : 3;
	run.cwd = "/";
	run.umask = 077;
	fds[0] = open("/dev/null", O_RDWR | O_CLOEXEC);
	fds[1] = fds[2] = STDERR_FILENO;
	fds[3] = sock;
	ok = fds[0] >= 0 && init_spawn(&run, true, fds, 4, on_init, NULL);
	if (fds[0] >= 0)
		close(fds[0]);
	return ok;
}

struct mover *mover_start(Pando__MoveStart *order, int fd,
			  void (*event)(void *data, Pando__MoveEvent *e,
					int fd),
			  void (*gone)(void *data), void *data)
{
	Pando__Frame f = frame_of(PANDO__FRAME__BODY_MOVE_START);
	struct mover *m = calloc(1, sizeof(*m));
	int sock[2];

	if (!m || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock) < 0) {
		free(m);
		return NULL;
	}
	snprintf(m->workdir, sizeof(m->workdir), "%s", order->workdir);
	m->event = event;
	m->gone = gone;
	m->data = data;
	m->link = link_new(pandod.event, sock[0], &ops, m);
	if (!m->link || !spawn(sock[1])) {
		if (m->link) {
			link_set_data(m->link, NULL);
			link_close(m->link, 0);
		}
		close(sock[1]);
		free(m);
		return NULL;
	}
	close(sock[1]);
	f.move_start = order;
	link_send(m->link, &f, &fd, fd >= 0);
	return m;
}

void mover_verdict(struct mover *m, bool commit)
{
	Pando__Frame f = frame_of(PANDO__FRAME__BODY_MOVE_VERDICT);
	Pando__MoveVerdict v = PANDO__MOVE_VERDICT__INIT;

	v.commit = commit;
	f.move_verdict = &v;
	link_send(m->link, &f, NULL, 0);
}

void mover_reserved(struct mover *m)
{
	Pando__Frame f = frame_of(PANDO__FRAME__BODY_MOVE_PREPARED);
	Pando__MovePrepared p = PANDO__MOVE_PREPARED__INIT;

	f.move_prepared = &p;
	link_send(m->link, &f, NULL, 0);
}

void mover_drop(struct mover *m)
{
	link_set_data(m->link, NULL);
	link_close(m->link, 0);
	free(m);
}
