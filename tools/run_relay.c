// SPDX-License-Identifier: GPL-2.0-only
/*
 * The traffic of a running program. Two directions that do not wait for each
 * other, each with a bound on what it holds: stdin is read only while the
 * program takes it, the daemon only while our outputs take it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "run.h"
#include "term.h"

#define HELD_MAX	(256u << 10)	/* on its way out */
#define CHUNK		(128u << 10)
#define INPUT_PIPE	(256u << 10)	/* as the daemon has for outputs */
#define FRONT_MS	200	/* in the background: are we still? */
#define QUIET_MS	200	/* there is no more to come, for now */

/* Bytes on their way to our stdout or stderr. */
struct output {
	int fd;
	int own;		/* the same file, opened anew: never makes us wait */
	bool file;		/* so does this one */
	bool ended, broken;
	struct pando_bytes held;
};

struct relay {
	struct pando_stream *stream;
	uint32_t id;
	bool tty;
	bool terminal;		/* stdin was one; it does not say so after its end */
	bool front;		/* and we have ours, so it has its own */
	bool input;		/* stdin is still of interest */
	size_t under_way;	/* of it, and not yet taken by the program */
	bool lost;		/* the terminal is */
	int control, signals;
	int stopped;		/* the program was, by this signal */
	bool follows;		/* the daemon takes bytes behind a frame */
	int hold[2];		/* a pipe: of stdin, on its way, and not copied */
	struct output out[2];
	struct output *follow;	/* whose bytes come behind the frame */
	Pando__Frame *exit;
};

static void queue(struct relay *r, Pando__Frame *frame)
{
	int err;

	frame->id = r->id;
	err = pando_stream_queue(r->stream, frame, NULL, 0);
	if (err)
		cli_die("cannot talk to pandod: %s", strerror(-err));
}

static void queue_signal(struct relay *r, int signo)
{
	Pando__Signal signal = PANDO__SIGNAL__INIT;
	Pando__Frame frame = PANDO__FRAME__INIT;

	signal.signo = signo;
	frame.body_case = PANDO__FRAME__BODY_SIGNAL;
	frame.signal = &signal;
	queue(r, &frame);
}

static void queue_window(struct relay *r)
{
	Pando__Window window = PANDO__WINDOW__INIT;
	Pando__Frame frame = PANDO__FRAME__INIT;

	if (!term_size(&window.rows, &window.cols))
		return;
	frame.body_case = PANDO__FRAME__BODY_WINDOW;
	frame.window = &window;
	queue(r, &frame);
}

static void queue_front(struct relay *r, bool continued)
{
	Pando__Foreground foreground = PANDO__FOREGROUND__INIT;
	Pando__Frame frame = PANDO__FRAME__INIT;

	foreground.yes = r->front;
	foreground.go_on = continued;
	frame.body_case = PANDO__FRAME__BODY_FOREGROUND;
	frame.foreground = &foreground;
	queue(r, &frame);
}

/* Of a pipe, if it is one and that many may be had: a larger piece costs no more. */
static void widen(int pipe, unsigned int size)
{
	if (fcntl(pipe, F_GETPIPE_SZ) < (int)size)
		fcntl(pipe, F_SETPIPE_SZ, size);
}

/* --- input -----------------------------------------------------------------*/

/* Puts /dev/null in the place of what is done with; others may wait for it. */
static void let_go(int fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null >= 0) {
		dup2(null, fd);
		close(null);
	}
}

/* Moves it, if that is worth its while. */
static bool splice_input(struct relay *r, size_t room)
{
	Pando__Data data = PANDO__DATA__INIT;
	Pando__Frame frame = PANDO__FRAME__INIT;
	size_t n;
	int err;

	n = r->follows ? pando_hold_fill(r->hold, STDIN_FILENO, room) : 0;
	if (!n)
		return false;
	r->under_way += n;
	data.follows = n;
	frame.id = r->id;
	frame.body_case = PANDO__FRAME__BODY_DATA;
	frame.data = &data;
	err = pando_stream_queue_pipe(r->stream, &frame, r->hold[0], n);
	if (err)
		cli_die("cannot talk to pandod: %s", strerror(-err));
	return true;
}

static void read_input(struct relay *r)
{
	Pando__Data data = PANDO__DATA__INIT;
	Pando__Frame frame = PANDO__FRAME__INIT;
	static uint8_t buf[CHUNK];
	size_t room = PANDO_RUN_INPUT - r->under_way;
	ssize_t n;

	if (splice_input(r, room))
		return;
	n = read(STDIN_FILENO, buf, room < CHUNK ? room : CHUNK);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		/* a raw terminal has no other end than its own */
		r->lost = r->tty && r->terminal;
		r->input = false;
		n = 0;
	}
	r->under_way += n;
	data.fd = 0;
	data.bytes.data = buf;
	data.bytes.len = n;
	frame.body_case = PANDO__FRAME__BODY_DATA;
	frame.data = &data;
	queue(r, &frame);
}

static void take_taken(struct relay *r, const Pando__Taken *t)
{
	r->under_way -= t->bytes < r->under_way ? t->bytes : r->under_way;
	if (!t->closed || !r->input)
		return;
	/* who writes to us is told, as if the program had been at that pipe */
	r->input = false;
	let_go(STDIN_FILENO);
}

/* --- output ----------------------------------------------------------------*/

static bool has_output(const struct output *o)
{
	return pando_bytes_left(&o->held);
}

static void put_output(struct relay *r, struct output *o, const uint8_t *data,
		       size_t len)
{
	ssize_t n = 0;

	if (o->broken) {
		/* who writes where nobody reads is told by this signal */
		queue_signal(r, SIGPIPE);
		return;
	}
	/* errors are seen when the rest of it is written */
	if (o->own >= 0 && !has_output(o))
		n = write(o->own, data, len);
	if (n < 0)
		n = 0;
	if (pando_bytes_add(&o->held, data + n, len - n))
		cli_die("out of memory");
}

static void take_output(struct relay *r, const Pando__Data *data)
{
	struct output *o = &r->out[data->fd - 1];

	if (data->follows)
		r->follow = o;
	else if (data->bytes.len)
		put_output(r, o, data->bytes.data, data->bytes.len);
	else if (!o->broken)
		o->ended = true;
}

/* Some of what comes behind a frame; what is left is in the socket still. */
static int take_follow(struct relay *r)
{
	static uint8_t buf[CHUNK];
	struct output *o = r->follow;
	size_t taken = 0;
	ssize_t n = 1;

	for (; n > 0 && taken < CHUNK && pando_stream_follows(r->stream);
	     taken += n > 0 ? n : 0) {
		n = -EAGAIN;
		if (!o->broken && o->own >= 0 && !has_output(o))
			n = pando_stream_follow_splice(r->stream, o->own);
		if (n >= 0)
			continue;
		/* it is full, or broken: writing will tell */
		n = pando_stream_follow_read(r->stream, buf, sizeof(buf));
		if (n > 0)
			put_output(r, o, buf, n);
	}
	if (!n)
		return -EPIPE;
	return n > 0 || n == -EAGAIN || n == -EINTR ? 0 : n;
}

/* Once poll() has said that there is room. */
static void write_output(struct relay *r, struct output *o)
{
	size_t len = pando_bytes_left(&o->held);
	ssize_t n;

	/*
	 * The descriptor is shared with others and stays blocking. A pipe that
	 * polls writable takes this much without a wait.
	 */
	if (!o->file && o->own < 0 && len > PIPE_BUF)
		len = PIPE_BUF;
	n = write(o->own < 0 ? o->fd : o->own, o->held.buf + o->held.off, len);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		if (errno == EPIPE)
			queue_signal(r, SIGPIPE);
		else
			cli_warn("cannot write to standard %s: %s",
				 o->fd == STDOUT_FILENO ? "output" : "error",
				 strerror(errno));
		o->broken = true;
		pando_bytes_free(&o->held);
		return;
	}
	pando_bytes_take(&o->held, n);
}

static void end_output(struct output *o)
{
	/* its reader sees the end now and not when we exit */
	if (o->ended && !has_output(o) && o->fd == STDOUT_FILENO && !o->broken) {
		let_go(o->fd);
		if (o->own >= 0)
			close(o->own);
		o->own = -1;
		o->broken = true;
	}
}

/* --- frames ----------------------------------------------------------------*/

static int take_frame(struct relay *r, Pando__Frame *frame)
{
	switch (frame->body_case) {
	case PANDO__FRAME__BODY_DATA:
		if (frame->data->fd == 1 || frame->data->fd == 2)
			take_output(r, frame->data);
		break;
	case PANDO__FRAME__BODY_TAKEN:
		take_taken(r, frame->taken);
		break;
	case PANDO__FRAME__BODY_SIGNAL:
		r->stopped = frame->signal->signo;
		break;
	case PANDO__FRAME__BODY_EXIT:
	case PANDO__FRAME__BODY_ERROR:
		r->exit = frame;
		return 0;
	default:
		pando_frame_free(frame);
		return -EPROTO;
	}
	pando_frame_free(frame);
	return 0;
}

static int take_frames(struct relay *r)
{
	int alive = pando_stream_fill(r->stream);

	while (!r->exit && !r->stopped) {
		Pando__Frame *frame;
		int ret = take_follow(r);

		if (ret < 0)
			return ret;
		ret = pando_stream_next(r->stream, &frame, NULL, NULL);
		if (ret > 0)
			ret = take_frame(r, frame);
		else if (!ret)
			break;
		if (ret < 0)
			return ret;
	}
	if (r->exit || alive > 0)
		return 0;
	return alive ? alive : -EPIPE;
}

/* Our own daemon has but one thing to say: the other is gone. */
static int take_news(struct relay *r)
{
	Pando__Frame *frame;
	int ret = pando_recv(r->control, &frame, NULL, NULL);

	if (ret <= 0)
		return ret ? ret : -EPIPE;
	r->exit = frame;
	return frame->body_case == PANDO__FRAME__BODY_ERROR ? 0 : -EPROTO;
}

/* --- signals ---------------------------------------------------------------*/

int run_signals(void)
{
	static const int list[] = {
		SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGTSTP,
		SIGCONT, SIGWINCH,
	};
	sigset_t set;
	int fd;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		struct sigaction old;

		/* nohup and its like: what was ignored stays so */
		sigaction(list[i], NULL, &old);
		if (old.sa_handler != SIG_IGN)
			sigaddset(&set, list[i]);
	}
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		cli_die("cannot watch signals: %s", strerror(errno));
	return fd;
}

int run_signal_take(int signals)
{
	struct signalfd_siginfo info;

	if (read(signals, &info, sizeof(info)) != sizeof(info))
		return 0;
	return info.ssi_signo;
}

/* Where our shell wants us the program is too; @continued: and it goes on. */
static void follow_shell(struct relay *r, bool continued)
{
	r->front = term_front();
	if (r->front && r->terminal)
		term_raw();
	queue_front(r, continued);
	if (r->front)
		queue_window(r);
}

/* All that has come by now, beyond stops of the program too: of interest is its end. */
static int take_late(struct relay *r)
{
	struct pollfd p = { r->control, POLLIN, 0 };
	int err = 0, stopped = r->stopped;

	do {
		r->stopped = 0;
		err = take_frames(r);
	} while (!err && !r->exit && r->stopped);
	if (!r->exit && poll(&p, 1, 0) > 0)
		err = take_news(r);
	r->stopped = stopped;
	return err;
}

static size_t held(const struct relay *r)
{
	return pando_bytes_left(&r->out[0].held) + pando_bytes_left(&r->out[1].held);
}

/* The end comes in pieces: until nothing has come for a moment. */
static int take_news_of_it(struct relay *r)
{
	struct pollfd p[2] = { { pando_stream_fd(r->stream), POLLIN, 0 },
			       { r->control, POLLIN, 0 } };
	int err;

	do {
		err = take_late(r);
	} while (!err && !r->exit && held(r) <= HELD_MAX && poll(p, 2, QUIET_MS) > 0);
	return err;
}

/* Until our shell lets us go on, or there is nobody any more who could. */
static int stay_stopped(struct relay *r, int signo, enum run_stop *how)
{
	int fds[2] = { pando_stream_fd(r->stream), r->control };
	int err = take_late(r);		/* what is in our hands nobody wakes us for */
	size_t had = held(r);

	*how = RUN_STOP_NEWS;
	while (!err && !r->exit) {
		*how = run_stop(signo, fds);
		if (*how != RUN_STOP_NEWS && *how != RUN_STOP_EARLY)
			break;
		err = take_news_of_it(r);
		/* others there may write: once it is known that they do that wakes us no more */
		if (held(r) > had)
			fds[0] = -1;
		/* who has put us in front wants us to go on, and its word comes but once */
		if (*how == RUN_STOP_NEWS && r->tty && term_front()) {
			*how = RUN_STOP_GO_ON;
			break;
		}
	}
	return err;
}

/*
 * We stop as a job does. A program without a terminal is the first of its session,
 * and a terminal's stop signal has no effect there; so it gets the one that has.
 */
static int stop(struct relay *r)
{
	enum run_stop how;
	sigset_t waits;
	int err;

	queue_signal(r, SIGSTOP);
	pando_stream_flush(r->stream);
	err = stay_stopped(r, SIGTSTP, &how);
	if (err || r->exit)
		return err;
	/* a stop takes away a SIGCONT that waits; else that is taken as any signal */
	sigpending(&waits);
	if (how != RUN_STOP_NONE)
		queue_signal(r, SIGCONT);
	else if (!sigismember(&waits, SIGCONT))
		raise(SIGSTOP);
	return 0;
}

/*
 * The program, which has a terminal, was stopped, by its keyboard or because it
 * is in the background; so we are. Where no shell would let us go on the kernel
 * does not stop us, and the program goes on too, unless somebody stopped it who
 * can let it go on.
 */
static int follow_stop(struct relay *r)
{
	int signo = r->stopped == SIGSTOP ? SIGTSTP : r->stopped, err;
	enum run_stop how;

	term_restore();
	err = stay_stopped(r, signo, &how);
	if (!err && !r->exit && (how == RUN_STOP_GO_ON || r->stopped != SIGSTOP))
		follow_shell(r, true);
	r->stopped = 0;
	return err;
}

static int take_signal(struct relay *r, int signo)
{
	switch (signo) {
	case 0:
		break;
	case SIGWINCH:
		if (r->tty)
			queue_window(r);
		break;
	case SIGTSTP:
		/* with a terminal we shall hear what it makes of that */
		if (r->tty)
			queue_signal(r, SIGTSTP);
		else
			return stop(r);
		break;
	case SIGCONT:
		if (r->tty)
			follow_shell(r, true);
		else
			queue_signal(r, SIGCONT);
		break;
	default:
		queue_signal(r, signo);
	}
	return 0;
}

/* --- the loop --------------------------------------------------------------*/

static int step(struct relay *r)
{
	enum { SOCK, CONTROL, SIGNALS, IN, OUT, ERR, ALL };
	struct pollfd p[ALL];
	bool full = false, front = term_front();
	int err = 0;

	for (int i = 0; i < ALL; i++)
		p[i] = (struct pollfd){ .fd = -1 };
	for (int i = 0; i < 2; i++) {
		struct output *o = &r->out[i];

		end_output(o);
		full = full || pando_bytes_left(&o->held) > HELD_MAX;
		if (has_output(o))
			p[OUT + i] = (struct pollfd){ o->fd, POLLOUT, 0 };
	}
	p[SOCK].events = full ? 0 : POLLIN;
	if (pando_stream_pending(r->stream))
		p[SOCK].events |= POLLOUT;
	/* without a wish it would still report its end, again and again */
	if (p[SOCK].events)
		p[SOCK].fd = pando_stream_fd(r->stream);
	p[CONTROL] = (struct pollfd){ r->control, POLLIN, 0 };
	p[SIGNALS] = (struct pollfd){ r->signals, POLLIN, 0 };
	/* what is typed is for who is in the foreground */
	if (r->input && front && r->under_way < PANDO_RUN_INPUT)
		p[IN] = (struct pollfd){ STDIN_FILENO, POLLIN, 0 };
	if (r->tty && front && !r->front)
		follow_shell(r, false);
	/* nothing tells us that we have come there */
	if (poll(p, ALL, front ? -1 : FRONT_MS) < 0)
		return errno == EINTR ? 0 : -errno;
	if (p[SIGNALS].revents)
		err = take_signal(r, run_signal_take(r->signals));
	if (err || r->exit)
		return err;
	if (p[IN].revents)
		read_input(r);
	for (int i = 0; i < 2; i++)
		if (p[OUT + i].revents)
			write_output(r, &r->out[i]);
	/* the Exit may wait behind a full pipe: errors show in reading */
	pando_stream_flush(r->stream);
	if (p[SOCK].revents & ~POLLOUT && !full)
		err = take_frames(r);
	if (p[CONTROL].revents && !r->exit)
		err = take_news(r);
	return err;
}

static void open_output(struct output *o, int fd, bool used)
{
	struct stat st;
	char path[32];

	o->fd = fd;
	o->own = -1;
	if (fstat(fd, &st))
		return;
	o->file = S_ISREG(st.st_mode);
	if (!used || !S_ISFIFO(st.st_mode))
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	o->own = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (o->own >= 0)
		widen(o->own, CHUNK);	/* a frame at once */
}

static void last_output(struct relay *r)
{
	for (int i = 0; i < 2; i++) {
		struct output *o = &r->out[i];

		o->file = true;			/* waiting is fine now */
		if (o->own >= 0)
			close(o->own);
		o->own = -1;
		while (has_output(o))
			write_output(r, o);
		pando_bytes_free(&o->held);
	}
}

/* What was typed for the program and it has not read, before what was typed since. */
static void give_back(const Pando__Exit *e)
{
	struct pollfd p = { STDIN_FILENO, POLLIN, 0 };
	unsigned char since[CHUNK / 32];
	ssize_t n = 0;

	if (!e->unread.len || !term_is_raw())
		return;
	if (poll(&p, 1, 0) > 0 && p.revents & POLLIN)
		n = read(STDIN_FILENO, since, sizeof(since));
	term_unread(e->unread.data, e->unread.len);
	if (n > 0)
		term_unread(since, n);
}

int run_relay(const struct run_relay *how, Pando__Frame **frame)
{
	struct relay r = {
		.id = how->id,
		.control = how->control,
		.tty = how->tty,
		.front = how->front,
		.signals = how->signals,
		.input = !how->direct,
		.follows = how->follows && !how->tty,
		.hold = { -1, -1 },
		.terminal = isatty(STDIN_FILENO),
	};
	int err = 0;

	r.stream = pando_stream_new(how->sock);
	if (!r.stream)
		return -ENOMEM;
	pando_stream_take_follows(r.stream);
	r.follow = &r.out[0];
	if (r.input && r.follows)
		widen(STDIN_FILENO, INPUT_PIPE);
	for (int i = 0; i < 2; i++)
		open_output(&r.out[i], i + 1, !how->direct);
	if (how->direct) {
		/* the program alone decides when its files are closed */
		let_go(STDIN_FILENO);
		let_go(STDOUT_FILENO);
	} else if (how->tty && how->front && r.terminal) {
		term_raw();
		queue_window(&r);	/* it may have changed since */
	}
	err = take_signal(&r, how->early);
	while (!err && !r.exit && !r.lost) {
		err = step(&r);
		if (err || !r.stopped || has_output(&r.out[0]))
			continue;
		err = follow_stop(&r);
		if (!err && !r.exit)
			err = take_frames(&r);	/* that came behind it */
	}
	if (r.lost) {
		queue_signal(&r, SIGHUP);
		pando_stream_flush(r.stream);
	}
	last_output(&r);
	if (r.exit && r.exit->body_case == PANDO__FRAME__BODY_EXIT && term_front())
		give_back(r.exit->exit);
	term_restore();
	close(r.signals);
	pando_hold_close(r.hold);
	if (r.control >= 0)
		close(r.control);
	pando_stream_free(r.stream);
	*frame = r.exit;
	return err ? err : r.exit ? 1 : 0;
}
