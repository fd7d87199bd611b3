// SPDX-License-Identifier: GPL-2.0-only
/* Programs that run on this node: their pipes, terminals and ends. */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "init.h"
#include "quorum.h"
#include "run.h"

#define CHUNK		(128u << 10)	/* of a pipe, and half of what it holds */
#define TAKEN_STEP	(64u << 10)	/* is told when there is more to take */
#define TYPED_AHEAD	4096		/* as much as a terminal holds */
#define LAST_WORDS_MS	250		/* of a terminal, after the exit */

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void run_close_output(struct output *o)
{
	o->io = sd_event_source_disable_unref(o->io);
	/* what is under way has descriptors of its own */
	pando_hold_close(o->hold);
	/* a pty's master is input and output */
	if (o->fd != o->run->in)
		close_fd(&o->fd);
	o->fd = -1;
}

void run_close_input(struct run *run)
{
	run->in_io = sd_event_source_disable_unref(run->in_io);
	for (int i = 0; i < 2; i++)
		if (run->out[i].fd == run->in && run->in >= 0)
			return;		/* still read from */
	close_fd(&run->in);
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

/* Moves it, if that is worth its while and the other side takes it so. */
static bool splice_output(struct output *o)
{
	Pando__Frame f = frame_of(PANDO__FRAME__BODY_DATA);
	Pando__Data d = PANDO__DATA__INIT;
	struct run *run = o->run;
	size_t n;

	if (!run->moves || !run->request)
		return false;
	n = pando_hold_fill(o->hold, o->fd, PANDO_FOLLOW_MAX);
	if (!n)
		return false;
	d.fd = o->number;
	d.follows = n;
	f.data = &d;
	request_reply_pipe(run->request, &f, o->hold[0], n);
	return true;
}

/* How much there was; 0: nothing now; -1: the end. */
static int read_output(struct output *o)
{
	static uint8_t buf[CHUNK];
	ssize_t n = read(o->fd, buf, sizeof(buf));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n > 0) {
		tell_output(o, buf, n);
		return n;
	}
	/* a pty ends with EIO when its last user has closed it */
	run_close_output(o);
	tell_output(o, NULL, 0);
	return -1;
}

/* What is there now and no more: somebody in the background may go on. */
static void drain(struct output *o)
{
	int left = 0, n;

	if (o->fd < 0 || ioctl(o->fd, FIONREAD, &left) < 0)
		return;
	do {
		n = read_output(o);
		left -= n;
	} while (n > 0 && left > 0);
}

void run_maybe_finish(struct run *run)
{
	if (!run->exited)
		return;
	/* what was written before the exit comes before the Exit */
	drain(&run->out[0]);
	drain(&run->out[1]);
	if (run->q->tty && run->out[0].fd >= 0 && run->last_words)
		return;
	run_finish(run);
}

static int on_last_words(sd_event_source *source, uint64_t usec, void *data)
{
	struct run *run = data;

	(void)source;
	(void)usec;
	run->last_words = sd_event_source_disable_unref(run->last_words);
	run_maybe_finish(run);
	return 0;
}

static int on_output(sd_event_source *source, int fd, uint32_t events,
		     void *data)
{
	struct output *o = data;
	struct run *run = o->run;

	(void)fd;
	(void)events;
	if (!splice_output(o))
		read_output(o);
	if (run->exited)
		run_maybe_finish(run);
	else if (o->fd >= 0 && run->request &&
		 link_pending(run->request->link) > LINK_PENDING_HIGH)
		sd_event_source_set_enabled(source, SD_EVENT_OFF);
	return 0;
}

void run_on_drained(struct request *r)
{
	struct run *run = r->data;

	for (int i = 0; i < 2; i++)
		if (run->out[i].io)
			sd_event_source_set_enabled(run->out[i].io,
						    SD_EVENT_ON);
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

static void tell_taken(struct run *run, bool closed)
{
	Pando__Frame f = frame_of(PANDO__FRAME__BODY_TAKEN);
	Pando__Taken t = PANDO__TAKEN__INIT;

	t.bytes = run->taken;
	t.closed = closed;
	f.taken = &t;
	run->taken = 0;
	if (run->request)
		request_reply(run->request, &f);
}

static void push_input(struct run *run)
{
	struct pando_bytes *in = &run->input;
	ssize_t n = 0;

	while (run->in >= 0 && pando_bytes_left(in)) {
		n = write(run->in, in->buf + in->off, pando_bytes_left(in));
		if (n <= 0)
			break;
		pando_bytes_take(in, n);
		run->taken += n;
	}
	if (n < 0 && errno != EAGAIN) {
		/* it does not read any more: what comes is dropped */
		run->taken += pando_bytes_left(in);
		pando_bytes_free(in);
		run->input_end = true;
		/* of a terminal nobody need be told: it has its hang-up */
		tell_taken(run, !run->q->tty);
	} else if (run->taken &&
		   (!pando_bytes_left(in) || run->taken >= TAKEN_STEP)) {
		tell_taken(run, false);
	}
	if (pando_bytes_left(in) && !run->in_io) {
		/* of its own: a pty's master is watched for output as well */
		int fd = fcntl(run->in, F_DUPFD_CLOEXEC, 3);

		if (fd >= 0 && sd_event_add_io(pandod.event, &run->in_io, fd,
					       EPOLLOUT, on_input_ready,
					       run) >= 0)
			sd_event_source_set_io_fd_own(run->in_io, true);
	} else if (!pando_bytes_left(in)) {
		run->in_io = sd_event_source_disable_unref(run->in_io);
		if (run->input_end && !run->q->tty)
			run_close_input(run);
	}
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

static bool takes_none(const struct run *run)
{
	return run->in < 0 || run->input_end;
}

/* Input behind its frame: into the program's pipe, or what that takes later. */
static ssize_t on_follow(struct request *r, struct pando_stream *s)
{
	struct run *run = r->data;
	struct pando_bytes *in = &run->input;
	ssize_t n = -EAGAIN;
	uint8_t *to;

	if (!takes_none(run) && !run->q->tty && !pando_bytes_left(in))
		n = pando_stream_follow_splice(s, run->in);
	if (n > 0) {
		run->taken += n;
		if (!pando_stream_follows(s) || run->taken >= TAKEN_STEP)
			tell_taken(run, false);
	}
	if (n >= 0)
		return n;
	/* it is full, or nobody reads it: writing will tell */
	to = pando_bytes_reserve(in, CHUNK);
	if (!to)
		return -ENOMEM;
	n = pando_stream_follow_read(s, to, CHUNK);
	if (n > 0 && !takes_none(run)) {
		in->len += n;
		push_input(run);
	}
	return n;
}

/* It is a courtesy, and without memory it is lost. */
static void add_unread(struct run *run, const void *bytes, size_t n)
{
	size_t room = TYPED_AHEAD - pando_bytes_left(&run->unread);

	if (n)
		pando_bytes_add(&run->unread, bytes, n < room ? n : room);
}

static void add_input(struct run *run, const Pando__Data *data)
{
	static const uint8_t end_of_file = 4;	/* ^D, to a terminal */
	const void *bytes = data->bytes.data;
	size_t n = data->bytes.len;

	if (run->exited && run->q->tty) {
		add_unread(run, bytes, n);
		return;
	}
	if (takes_none(run))
		return;
	if (pando_bytes_left(&run->input) + n + data->follows >
	    2 * PANDO_RUN_INPUT) {
		link_close(run->request->link, -EPROTO);
		return;
	}
	if (data->follows)
		return;
	if (!n && run->q->tty) {
		bytes = &end_of_file;
		n = 1;
	} else if (!n) {
		run->input_end = true;
	}
	if (!pando_bytes_add(&run->input, bytes, n))
		push_input(run);
}

static void send_signal(struct run *run, unsigned int signo)
{
	if (!signo || signo >= (unsigned int)NSIG || !run->pid)
		return;
	/* as if typed at the terminal: to what is in the foreground there */
	if (run->q->tty)
		init_type(run->pid, signo);
	else
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
		add_input(run, f->data);
	else if (f->body_case == PANDO__FRAME__BODY_WINDOW)
		set_window(run, f->window);
	else if (f->body_case == PANDO__FRAME__BODY_SIGNAL)
		send_signal(run, f->signal->signo);
	else if (f->body_case == PANDO__FRAME__BODY_FOREGROUND)
		init_foreground(run->pid, f->foreground->yes,
				f->foreground->go_on);
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
	run_close_output(&run->out[0]);
	run_close_output(&run->out[1]);
	pando_bytes_free(&run->input);
	run_close_input(run);	/* the kernel hangs up the session of a pty */
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

void run_on_exit(struct run *run, const Pando__Exit *e)
{
	if (e->error) {
		run_tell_exit(run, e->status, e->error, e->text);
		run_free(run);
		return;
	}
	/* the original of what moved away was put out: that is no end */
	if (run->node)
		return;
	run->exited = true;
	run->status = e->status;
	add_unread(run, e->unread.data, e->unread.len);
	/* and what had no room there yet: nobody else gets it now */
	if (run->q->tty) {
		add_unread(run, run->input.buf + run->input.off, pando_bytes_left(&run->input));
		pando_bytes_take(&run->input, pando_bytes_left(&run->input));
	}
	if (run->q->tty && run->out[0].fd >= 0)
		sd_event_add_time_relative(pandod.event, &run->last_words,
					   CLOCK_MONOTONIC,
					   bound_ms(LAST_WORDS_MS) * 1000ull, 0,
					   on_last_words, run);
	run_maybe_finish(run);
}

static bool on_init(void *data, Pando__Frame *f, int *fds, int nfds, int err)
{
	struct run *run = data;
	int used = 0;

	if (!f || f->body_case != PANDO__FRAME__BODY_SPAWNED)
		run->init = NULL;	/* the call is over */
	if (!f) {
		run_fail(run, err, "pando-init is gone");
		return false;
	}
	if (f->body_case == PANDO__FRAME__BODY_SPAWNED) {
		run->pid = f->spawned->pid;
		if (nfds == 1 && run->q->tty) {
			run->in = fds[used++];
			watch_output(&run->out[0], run->in);
		}
		run_tell_started(run);
		if (run->hangup)
			hang_up(run);
	}
	for (int i = used; i < nfds; i++)
		close(fds[i]);
	if (f->body_case == PANDO__FRAME__BODY_SIGNAL && run->request) {
		/* what it wrote before comes before */
		drain(&run->out[0]);
		request_reply(run->request, f);
	}
	if (f->body_case == PANDO__FRAME__BODY_EXIT) {
		run_on_exit(run, f->exit);
		return false;
	}
	if (f->body_case == PANDO__FRAME__BODY_ERROR) {
		run_fail(run, f->error->code, f->error->text);
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
			/* fewer and larger steps; or as many as were */
			fcntl(pipefd[0], F_SETPIPE_SZ, 2 * CHUNK);
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

/*
 * May what it writes be moved to the other side? A tool on this node could keep
 * us in the kernel by the way it reads.
 */
static bool may_move(const struct run *run)
{
	int domain = AF_UNIX;
	socklen_t len = sizeof(domain);

	return run->q->follows && !run->q->tty &&
	       !getsockopt(link_fd(run->request->link), SOL_SOCKET, SO_DOMAIN,
			   &domain, &len) && domain != AF_UNIX;
}

void run_local(struct run *run, const int *fds, int nfds)
{
	int child[3] = { -1, -1, -1 }, err = 0;

	if (!init_alive()) {
		run_fail(run, EAGAIN, "this node has no cluster namespace yet: "
		     "pandod is joining, or there is no quorum");
		return;
	}
	if (quorum_frozen()) {
		run_fail(run, EAGAIN, "this node has no quorum: what it runs "
			 "for the cluster is frozen (cluster-nodes shows who "
			 "is missing)");
		return;
	}
	complete(run->q);
	if (!run->q->n_argv) {
		run_fail(run, EINVAL, "no command");
		return;
	}
	if (!run->q->tty)
		err = make_stdio(run, fds, nfds, child);
	if (!err)
		run->init = init_spawn(run->q, false, child,
				       run->q->tty ? 0 : 3, on_init, run);
	for (int i = 0; i < 3; i++)
		close_fd(&child[i]);
	if (!run->init) {
		run_fail(run, err ? -err : EIO, err ? strerror(-err) :
		     "pando-init does not answer");
		return;
	}
	run->request->frame = on_local_frame;
	run->request->gone = on_local_gone;
	run->request->drained = run_on_drained;
	run->request->follow = on_follow;
	link_take_follows(run->request->link);
	run->moves = may_move(run);
	/* nothing can be done with input before it runs */
	link_pause(run->request->link, true);
}
