// SPDX-License-Identifier: GPL-2.0-only
/*
 * Programs that tools start. On this node: a child of pando-init, its output
 * read from pipes or a pty and sent as Data. On another node: that daemon does
 * the same over a link of its own, and we pass frames through. A slow side
 * stops the reading of the other: nothing piles up.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cluster.h"
#include "init.h"
#include "log.h"
#include "peer.h"
#include "serve.h"

#define LOG_NAME	"run"
#define CHUNK		32768
#define INPUT_MAX	(256u << 10)	/* waiting for a program to read */
#define LAST_WORDS_MS	250		/* of a terminal, after the exit */

struct run;

/* Output of a program: a pipe's read end, or the master of its pty. */
struct output {
	struct run *run;
	unsigned int number;	/* 1 or 2 */
	int fd;
	sd_event_source *io;
};

struct run {
	struct run *next;
	struct request *request;	/* NULL: nobody is interested any more */
	Pando__RunRequest *q;
	uint32_t pid;
	bool started;
	/* here */
	struct output out[2];
	int in;				/* write end, or the pty's master */
	sd_event_source *in_io;
	uint8_t *input;
	size_t input_len;
	bool input_end, exited, hangup;
	int status;
	sd_event_source *last_words;
	/* elsewhere */
	uint16_t node;			/* where it is, if not here */
	struct link *link;
	struct call *call;
};

static struct run *runs;

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static struct run *run_new(struct request *r, const Pando__RunRequest *q)
{
	size_t len = pando__run_request__get_packed_size(q);
	uint8_t *buf = malloc(len + 1);
	struct run *run = calloc(1, sizeof(*run));

	if (buf && run) {
		pando__run_request__pack(q, buf);
		run->q = pando__run_request__unpack(NULL, len, buf);
	}
	free(buf);
	if (!run || !run->q) {
		free(run);
		return NULL;
	}
	run->request = r;
	r->data = run;
	run->in = -1;
	for (int i = 0; i < 2; i++)
		run->out[i] = (struct output){ run, i + 1, -1, NULL };
	run->next = runs;
	runs = run;
	return run;
}

static void close_output(struct output *o)
{
	o->io = sd_event_source_disable_unref(o->io);
	/* a pty's master is input and output */
	if (o->fd != o->run->in)
		close_fd(&o->fd);
	o->fd = -1;
}

static void close_input(struct run *run)
{
	run->in_io = sd_event_source_disable_unref(run->in_io);
	for (int i = 0; i < 2; i++)
		if (run->out[i].fd == run->in && run->in >= 0)
			return;		/* still read from */
	close_fd(&run->in);
}

static void run_free(struct run *run)
{
	for (struct run **p = &runs; *p; p = &(*p)->next) {
		if (*p == run) {
			*p = run->next;
			break;
		}
	}
	close_output(&run->out[0]);
	close_output(&run->out[1]);
	close_input(run);
	sd_event_source_disable_unref(run->last_words);
	if (run->link) {
		struct link *l = run->link;

		run->link = NULL;
		link_set_data(l, NULL);
		link_close(l, 0);
	}
	pando__run_request__free_unpacked(run->q, NULL);
	free(run->input);
	free(run);
}

/* --- answers -------------------------------------------------------------------------*/

static void tell_exit(struct run *run, int status, int error, const char *text)
{
	Pando__Frame f = frame_of(PANDO__FRAME__BODY_EXIT);
	Pando__Exit e = PANDO__EXIT__INIT;
	struct request *r = run->request;

	run->request = NULL;
	if (!r)
		return;
	e.status = status;
	e.error = error;
	e.text = (char *)text;
	f.exit = &e;
	link_pause(r->link, false);
	request_end(r, &f);
}

static void finish(struct run *run)
{
	tell_exit(run, run->status, 0, "");
	run_free(run);
}

static void fail(struct run *run, int err, const char *text)
{
	struct request *r = run->request;

	run->request = NULL;
	if (r) {
		link_pause(r->link, false);
		request_fail(r, err, "%s", text);
	}
	run_free(run);
}

static void on_drained(struct request *r);

static void tell_started(struct run *run)
{
	Pando__Frame f = frame_of(PANDO__FRAME__BODY_RUN_STARTED);
	Pando__RunStarted s = PANDO__RUN_STARTED__INIT;
	Pando__Frame done = frame_of(PANDO__FRAME__BODY_DONE);
	Pando__Done d = PANDO__DONE__INIT;
	struct request *r = run->request;

	run->started = true;
	if (!r)
		return;
	s.pid = run->pid;
	s.node = pandod.name;
	f.run_started = &s;
	link_pause(r->link, false);
	request_reply(r, &f);
	on_drained(r);
	if (run->q->detach) {
		run->request = NULL;
		done.done = &d;
		request_end(r, &done);
	}
}

/* --- output ----------------------------------------------------------------------------*/

static void tell_output(struct output *o, const void *buf, size_t n)
{
	Pando__Frame f = frame_of(PANDO__FRAME__BODY_DATA);
	Pando__Data d = PANDO__DATA__INIT;

	if (!o->run->request)
		return;
	d.fd = o->number;
	d.bytes.data = (uint8_t *)buf;
	d.bytes.len = n;
	f.data = &d;
	request_reply(o->run->request, &f);
}

/* 1: there may be more; 0: not now; -1: the end. */
static int read_output(struct output *o)
{
	static uint8_t buf[CHUNK];
	ssize_t n = read(o->fd, buf, sizeof(buf));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n > 0) {
		tell_output(o, buf, n);
		return 1;
	}
	/* a pty ends with EIO when its last user has closed it */
	close_output(o);
	tell_output(o, NULL, 0);
	return -1;
}

static void maybe_finish(struct run *run)
{
	if (!run->exited)
		return;
	/* what was written before the exit comes before the Exit */
	for (int i = 0; i < 2; i++)
		while (run->out[i].fd >= 0 && read_output(&run->out[i]) > 0)
			;
	if (run->q->tty && run->out[0].fd >= 0 && run->last_words)
		return;
	finish(run);
}

static int on_last_words(sd_event_source *source, uint64_t usec, void *data)
{
	struct run *run = data;

	(void)source;
	(void)usec;
	run->last_words = sd_event_source_disable_unref(run->last_words);
	maybe_finish(run);
	return 0;
}

static int on_output(sd_event_source *source, int fd, uint32_t events,
		     void *data)
{
	struct output *o = data;
	struct run *run = o->run;

	(void)fd;
	(void)events;
	read_output(o);
	if (run->exited)
		maybe_finish(run);
	else if (o->fd >= 0 && run->request &&
		 link_pending(run->request->link) > LINK_PENDING_HIGH)
		sd_event_source_set_enabled(source, SD_EVENT_OFF);
	return 0;
}

static void on_drained(struct request *r)
{
	struct run *run = r->data;

	for (int i = 0; i < 2; i++)
		if (run->out[i].io)
			sd_event_source_set_enabled(run->out[i].io,
						    SD_EVENT_ON);
	if (run->link)
		link_pause(run->link, false);
}

static void watch_output(struct output *o, int fd)
{
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	o->fd = fd;
	sd_event_add_io(pandod.event, &o->io, fd, EPOLLIN, on_output, o);
	/* RunStarted comes first, however fast the program is */
	if (!o->run->started)
		sd_event_source_set_enabled(o->io, SD_EVENT_OFF);
}

/* --- input -----------------------------------------------------------------------------*/

static int on_input_ready(sd_event_source *source, int fd, uint32_t events,
			  void *data);

static void push_input(struct run *run)
{
	size_t off = 0;
	ssize_t n = 0;

	while (run->in >= 0 && off < run->input_len) {
		n = write(run->in, run->input + off, run->input_len - off);
		if (n <= 0)
			break;
		off += n;
	}
	if (off)
		memmove(run->input, run->input + off, run->input_len - off);
	run->input_len -= off;
	if (n < 0 && errno != EAGAIN) {
		/* it does not read any more: what comes is dropped */
		run->input_len = 0;
		run->input_end = true;
	}
	if (run->input_len && !run->in_io) {
		/* of its own: a pty's master is watched for output as well */
		int fd = fcntl(run->in, F_DUPFD_CLOEXEC, 3);

		if (fd >= 0 && sd_event_add_io(pandod.event, &run->in_io, fd,
					       EPOLLOUT, on_input_ready,
					       run) >= 0)
			sd_event_source_set_io_fd_own(run->in_io, true);
	} else if (!run->input_len) {
		run->in_io = sd_event_source_disable_unref(run->in_io);
		if (run->input_end && !run->q->tty)
			close_input(run);
	}
	if (run->request)
		link_pause(run->request->link, run->input_len > INPUT_MAX);
}

static int on_input_ready(sd_event_source *source, int fd, uint32_t events,
			  void *data)
{
	(void)source;
	(void)fd;
	(void)events;
	push_input(data);
	return 0;
}

static void add_input(struct run *run, const ProtobufCBinaryData *d)
{
	static const uint8_t end_of_file = 4;	/* ^D, to a terminal */
	const void *bytes = d->data;
	size_t n = d->len;
	uint8_t *input;

	if (run->in < 0 || run->input_end)
		return;
	if (!n && run->q->tty) {
		bytes = &end_of_file;
		n = 1;
	} else if (!n) {
		run->input_end = true;
	}
	input = realloc(run->input, run->input_len + n + 1);
	if (!input)
		return;
	run->input = input;
	if (n)
		memcpy(input + run->input_len, bytes, n);
	run->input_len += n;
	push_input(run);
}

static void send_signal(struct run *run, unsigned int signo)
{
	pid_t group;

	if (!signo || signo >= (unsigned int)NSIG || !run->pid)
		return;
	/* as if typed at the terminal: to what is in the foreground there */
	if (run->q->tty && run->in >= 0 && !run->node &&
	    !ioctl(run->in, TIOCGPGRP, &group) && group > 1 &&
	    !kill(-group, signo))
		return;
	init_kill(run->pid, signo, false);
}

static void set_window(struct run *run, const Pando__Window *w)
{
	struct winsize ws = { .ws_row = w->rows, .ws_col = w->cols };

	if (run->q->tty && run->in >= 0)
		ioctl(run->in, TIOCSWINSZ, &ws);
}

static void on_local_frame(struct request *r, Pando__Frame *f, int *fds,
			   int nfds)
{
	struct run *run = r->data;

	for (int i = 0; i < nfds; i++)
		close(fds[i]);
	if (f->body_case == PANDO__FRAME__BODY_DATA && !f->data->fd)
		add_input(run, &f->data->bytes);
	else if (f->body_case == PANDO__FRAME__BODY_WINDOW)
		set_window(run, f->window);
	else if (f->body_case == PANDO__FRAME__BODY_SIGNAL)
		send_signal(run, f->signal->signo);
	else
		link_close(r->link, -EPROTO);
}

/* The user's end is gone, as when a terminal's line drops. */
static void hang_up(struct run *run)
{
	run->hangup = true;
	run->request = NULL;
	if (run->q->detach)
		return;
	close_output(&run->out[0]);
	close_output(&run->out[1]);
	run->input_len = 0;
	close_input(run);	/* the kernel hangs up the session of a pty */
	if (run->started && !run->q->tty)
		init_kill(run->pid, SIGHUP, true);
}

static void on_local_gone(struct request *r)
{
	struct run *run = r->data;

	hang_up(run);
	if (run->exited)
		run_free(run);
}

/* --- on this node ----------------------------------------------------------------------*/

static void on_exit_status(struct run *run, const Pando__Exit *e)
{
	if (e->error) {
		tell_exit(run, e->status, e->error, e->text);
		run_free(run);
		return;
	}
	/* the original of what moved away was put out: that is no end */
	if (run->node)
		return;
	run->exited = true;
	run->status = e->status;
	if (run->q->tty && run->out[0].fd >= 0)
		sd_event_add_time_relative(pandod.event, &run->last_words,
					   CLOCK_MONOTONIC,
					   bound_ms(LAST_WORDS_MS) * 1000ull, 0,
					   on_last_words, run);
	maybe_finish(run);
}

static bool on_init(void *data, Pando__Frame *f, int *fds, int nfds, int err)
{
	struct run *run = data;
	int used = 0;

	if (!f) {
		fail(run, err, "pando-init is gone");
		return false;
	}
	if (f->body_case == PANDO__FRAME__BODY_SPAWNED) {
		run->pid = f->spawned->pid;
		if (nfds == 1 && run->q->tty) {
			run->in = fds[used++];
			watch_output(&run->out[0], run->in);
		}
		tell_started(run);
		if (run->hangup)
			hang_up(run);
	}
	for (int i = used; i < nfds; i++)
		close(fds[i]);
	if (f->body_case == PANDO__FRAME__BODY_EXIT) {
		on_exit_status(run, f->exit);
		return false;
	}
	if (f->body_case == PANDO__FRAME__BODY_ERROR) {
		fail(run, f->error->code, f->error->text);
		return false;
	}
	return true;
}

static bool relayed(const Pando__RunRequest *q, unsigned int fd)
{
	for (size_t i = 0; i < q->n_stdio_data; i++)
		if (q->stdio_data[i] == fd)
			return true;
	return false;
}

/*
 * 0, 1 and 2 of the child: a pipe for what is relayed, then the descriptors
 * that came along, /dev/null where there are none.
 */
static int make_stdio(struct run *run, const int *fds, int nfds, int *child)
{
	int pipefd[2], passed = 0;

	for (int i = 0; i < 3; i++) {
		if (relayed(run->q, i) && !run->q->detach) {
			if (pipe2(pipefd, O_CLOEXEC) < 0)
				return -errno;
			child[i] = pipefd[!i ? 0 : 1];
			if (!i) {
				run->in = pipefd[1];
				fcntl(run->in, F_SETFL, O_NONBLOCK);
			} else {
				watch_output(&run->out[i - 1], pipefd[0]);
			}
		} else if (passed < nfds) {
			child[i] = fcntl(fds[passed++], F_DUPFD_CLOEXEC, 3);
		} else {
			child[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
		}
		if (child[i] < 0)
			return -errno;
	}
	return 0;
}

static char **add_env(char **env, size_t *n, const char *name,
		      const char *value)
{
	size_t len = strlen(name);
	char **more;

	for (size_t i = 0; i < *n; i++)
		if (!strncmp(env[i], name, len) && env[i][len] == '=')
			return env;
	more = realloc(env, (*n + 1) * sizeof(*env));
	if (!more)
		return env;
	if (asprintf(&more[*n], "%s=%s", name, value) >= 0)
		(*n)++;
	return more;
}

/* A login shell is the user's as this node knows them. */
static void complete(Pando__RunRequest *q)
{
	struct passwd *pw = *q->login ? getpwuid(q->uid) : NULL;

	if (*q->term)
		q->env = add_env(q->env, &q->n_env, "TERM", q->term);
	if (!pw)
		return;
	if (!q->n_argv) {
		free(q->argv);
		q->argv = calloc(1, sizeof(*q->argv));
		if (q->argv && (q->argv[0] = strdup(*pw->pw_shell ?
						    pw->pw_shell : "/bin/sh")))
			q->n_argv = 1;
	}
	q->env = add_env(q->env, &q->n_env, "HOME", pw->pw_dir);
	q->env = add_env(q->env, &q->n_env, "USER", pw->pw_name);
	q->env = add_env(q->env, &q->n_env, "LOGNAME", pw->pw_name);
	q->env = add_env(q->env, &q->n_env, "SHELL", pw->pw_shell);
	q->env = add_env(q->env, &q->n_env, "PATH",
			 q->uid ? "/usr/local/bin:/usr/bin:/bin" :
				  "/usr/local/sbin:/usr/local/bin:/usr/sbin:"
				  "/usr/bin:/sbin:/bin");
	if (!*q->cwd) {
		char *home = strdup(pw->pw_dir);

		if (home)
			q->cwd = home;
	}
}

static void run_local(struct run *run, const int *fds, int nfds)
{
	int child[3] = { -1, -1, -1 }, err = 0;
	bool sent;

	if (!init_alive()) {
		fail(run, EAGAIN, "this node has no cluster namespace yet: "
		     "pandod is joining, or there is no quorum");
		return;
	}
	complete(run->q);
	if (!run->q->n_argv) {
		fail(run, EINVAL, "no command");
		return;
	}
	if (!run->q->tty)
		err = make_stdio(run, fds, nfds, child);
	sent = !err && init_spawn(run->q, false, child, run->q->tty ? 0 : 3,
				  on_init, run);
	for (int i = 0; i < 3; i++)
		close_fd(&child[i]);
	if (!sent) {
		fail(run, err ? -err : EIO, err ? strerror(-err) :
		     "pando-init does not answer");
		return;
	}
	run->request->frame = on_local_frame;
	run->request->gone = on_local_gone;
	run->request->drained = on_drained;
	/* nothing can be done with input before it runs */
	link_pause(run->request->link, true);
}

/* --- on another node -----------------------------------------------------------------*/

static void on_link_drained(struct link *l)
{
	struct run *run = link_data(l);

	if (run && run->request)
		link_pause(run->request->link, false);
}

static void on_link_closed(struct link *l, int err)
{
	struct run *run = link_data(l);

	(void)err;
	if (run)
		run->link = NULL;
}

static const struct link_ops stream_ops = {
	.drained = on_link_drained,
	.closed = on_link_closed,
};

static bool on_remote(void *data, Pando__Frame *f, int *fds, int nfds, int err)
{
	struct run *run = data;
	struct request *r = run->request;

	for (int i = 0; i < nfds; i++)
		close(fds[i]);
	if (!f) {
		run->call = NULL;
		if (run->started) {
			tell_exit(run, SIGKILL, 0, peer_error(run->node, err));
			run_free(run);
		} else {
			fail(run, err, peer_error(run->node, err));
		}
		return false;
	}
	if (f->body_case == PANDO__FRAME__BODY_RUN_STARTED) {
		run->started = true;
		run->pid = f->run_started->pid;
	}
	switch (f->body_case) {
	case PANDO__FRAME__BODY_RUN_STARTED:
	case PANDO__FRAME__BODY_DATA:
		if (!r)
			return true;
		request_reply(r, f);
		if (link_pending(r->link) > LINK_PENDING_HIGH && run->link)
			link_pause(run->link, true);
		return true;
	default:
		run->call = NULL;
		run->request = NULL;
		if (r) {
			link_pause(r->link, false);
			request_end(r, f);
		}
		run_free(run);
		return false;
	}
}

static void on_relay_frame(struct request *r, Pando__Frame *f, int *fds,
			   int nfds)
{
	struct run *run = r->data;

	for (int i = 0; i < nfds; i++)
		close(fds[i]);
	switch (f->body_case) {
	case PANDO__FRAME__BODY_DATA:
	case PANDO__FRAME__BODY_WINDOW:
	case PANDO__FRAME__BODY_SIGNAL:
		if (!run->call)
			return;
		call_send(run->call, f);
		if (run->link && link_pending(run->link) > LINK_PENDING_HIGH)
			link_pause(r->link, true);
		return;
	default:
		link_close(r->link, -EPROTO);
	}
}

static void on_relay_gone(struct request *r)
{
	struct run *run = r->data;

	run->request = NULL;
	/* the other daemon sees its link end and hangs up there */
	if (run->call) {
		call_cancel(run->call);
		run->call = NULL;
		run_free(run);
	}
}

static void on_link(void *data, struct link *l, int err)
{
	struct run *run = data;
	Pando__Frame f = frame_of(PANDO__FRAME__BODY_PEER_RUN);
	Pando__PeerRun q = PANDO__PEER_RUN__INIT;

	run->link = l;
	if (!l) {
		fail(run, err, peer_error(run->node, err));
		return;
	}
	if (!run->request) {
		run_free(run);
		return;
	}
	q.run = run->q;
	f.peer_run = &q;
	run->call = link_call(l, &f, NULL, 0, 0, on_remote, run);
	if (!run->call) {
		fail(run, EIO, peer_error(run->node, -ECONNRESET));
		return;
	}
	link_pause(run->request->link, false);
}

static void run_remote(struct run *run, uint16_t node, int nfds)
{
	int err;

	if (nfds) {
		fail(run, EXDEV, "descriptors cannot go to another node");
		return;
	}
	run->node = node;
	run->request->frame = on_relay_frame;
	run->request->gone = on_relay_gone;
	run->request->drained = on_drained;
	link_pause(run->request->link, true);
	err = peer_open(node, &stream_ops, run, on_link);
	if (err)
		fail(run, err, peer_error(node, err));
}

/* --- requests --------------------------------------------------------------------------*/

static void on_picked(void *data, uint16_t node)
{
	struct run *run = data;

	if (!run->request)
		run_free(run);
	else if (node == pandod.self)
		run_local(run, NULL, 0);
	else
		run_remote(run, node, 0);
}

static void on_early_gone(struct request *r)
{
	struct run *run = r->data;

	run->request = NULL;
}

static bool set_credentials(Pando__RunRequest *q, const struct cred *c)
{
	free(q->groups);
	q->groups = calloc(c->ngroups + 1, sizeof(*q->groups));
	if (!q->groups)
		return false;
	for (int i = 0; i < c->ngroups; i++)
		q->groups[i] = c->groups[i];
	q->n_groups = c->ngroups;
	q->uid = c->uid;
	q->gid = c->gid;
	return true;
}

void run_request(struct request *r, const Pando__RunRequest *q, int *fds,
		 int nfds)
{
	struct run *run = run_new(r, q);
	const struct member *m;

	if (!run || !set_credentials(run->q, link_cred(r->link))) {
		request_fail(r, ENOMEM, "out of memory");
	} else if (!*q->node || !strcmp(q->node, "self")) {
		run_local(run, fds, nfds);
	} else if (!strcmp(q->node, "any") && nfds) {
		run_local(run, fds, nfds);	/* where its files are open */
	} else if (!strcmp(q->node, "any")) {
		r->gone = on_early_gone;
		link_pause(r->link, true);
		load_pick(on_picked, run);
	} else if (!(m = cluster_find(q->node))) {
		char text[128];

		snprintf(text, sizeof(text), "no member is called '%.64s'; see "
			 "cluster-nodes", q->node);
		fail(run, EHOSTUNREACH, text);
	} else if (m->id == pandod.self) {
		run_local(run, fds, nfds);
	} else {
		run_remote(run, m->id, nfds);
	}
	for (int i = 0; i < nfds; i++)
		close(fds[i]);
}

void run_peer(struct request *r, const Pando__PeerRun *q)
{
	struct run *run = q->run ? run_new(r, q->run) : NULL;

	if (run)
		run_local(run, NULL, 0);
	else
		request_fail(r, EINVAL, "no program");
}

/* --- runs that move ---------------------------------------------------------------------*/

static struct run *find(uint32_t pid)
{
	for (struct run *run = runs; run; run = run->next)
		if (run->pid == pid && run->started && !run->exited &&
		    !run->call)
			return run;
	return NULL;
}

/* A guest whose end is of interest elsewhere. */
struct guest {
	struct guest *next;
	uint32_t pid;
	uint16_t origin;
};

static struct guest *guests;

uint16_t run_origin(uint32_t pid)
{
	if (find(pid))
		return pandod.self;
	for (struct guest *g = guests; g; g = g->next)
		if (g->pid == pid)
			return g->origin;
	return 0;
}

static void forget_guest(struct guest *g)
{
	for (struct guest **p = &guests; *p; p = &(*p)->next) {
		if (*p == g) {
			*p = g->next;
			break;
		}
	}
	free(g);
}

static bool ignore(void *data, Pando__Frame *f, int *fds, int nfds, int err)
{
	(void)data;
	(void)f;
	(void)err;
	for (int i = 0; i < nfds; i++)
		close(fds[i]);
	return false;
}

static bool on_guest(void *data, Pando__Frame *f, int *fds, int nfds, int err)
{
	Pando__Frame out = frame_of(PANDO__FRAME__BODY_PEER_EXIT);
	Pando__PeerExit e = PANDO__PEER_EXIT__INIT;
	struct guest *g = data;

	(void)err;
	for (int i = 0; i < nfds; i++)
		close(fds[i]);
	/* when it moved on, what ended here was the original */
	if (f && f->body_case == PANDO__FRAME__BODY_EXIT && g->origin) {
		e.pid = g->pid;
		e.status = f->exit->status;
		out.peer_exit = &e;
		peer_call(g->origin, &out, 1000, ignore, NULL);
	}
	forget_guest(g);
	return false;
}

static bool on_return(void *data, Pando__Frame *f, int *fds, int nfds, int err)
{
	struct run *run = find((uintptr_t)data);

	(void)err;
	for (int i = 0; i < nfds; i++)
		close(fds[i]);
	if (run && f && f->body_case == PANDO__FRAME__BODY_EXIT)
		on_exit_status(run, f->exit);
	return false;
}

void run_moved(uint32_t pid, uint16_t to, uint16_t origin)
{
	struct run *run = origin == pandod.self ? find(pid) : NULL;
	struct guest *g;

	for (g = guests; g; g = g->next)
		if (g->pid == pid && to != pandod.self)
			g->origin = 0;
	if (run) {
		run->node = to == pandod.self ? 0 : to;
		if (!run->node)
			init_watch(pid, on_return, (void *)(uintptr_t)pid);
	} else if (to == pandod.self && origin) {
		g = calloc(1, sizeof(*g));
		if (!g)
			return;
		g->pid = pid;
		g->origin = origin;
		g->next = guests;
		guests = g;
		if (!init_watch(pid, on_guest, g))
			forget_guest(g);
	}
}

void run_peer_exit(const Pando__PeerExit *e)
{
	struct run *run = find(e->pid);

	if (!run || !run->node)
		return;
	run->node = 0;
	run->exited = true;
	run->status = e->status;
	maybe_finish(run);
}

void run_view(void)
{
	for (struct run *run = runs, *next; run; run = next) {
		next = run->next;
		/* those with a link learn it from the link */
		if (!run->node || run->link || run->call || !run->started ||
		    state_member(cluster_state(), run->node))
			continue;
		tell_exit(run, SIGKILL, 0, "its node left the cluster");
		run_free(run);
	}
}
