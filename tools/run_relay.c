// SPDX-License-Identifier: GPL-2.0-only
/*
 * The traffic of a running program. Two directions that do not wait for each
 * other, each with a bound on what it holds: stdin is read only while the
 * daemon takes it, the daemon only while our outputs take it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "run.h"
#include "term.h"

#define HELD_MAX	(256u << 10)	/* in either direction */
#define CHUNK		32768

/* Bytes on their way to our stdout or stderr. */
struct output {
	int fd;
	bool file;		/* never makes us wait */
	bool ended, broken;
	uint8_t *buf;
	size_t len, off;
};

struct relay {
	struct pando_stream *stream;
	uint32_t id;
	bool tty;
	bool input;		/* stdin is still of interest */
	bool lost;		/* the terminal is */
	int signals;
	struct output out[2];
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

static void read_input(struct relay *r)
{
	Pando__Data data = PANDO__DATA__INIT;
	Pando__Frame frame = PANDO__FRAME__INIT;
	static uint8_t buf[CHUNK];
	ssize_t n = read(STDIN_FILENO, buf, sizeof(buf));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		/* a raw terminal has no other end than its own */
		r->lost = r->tty && isatty(STDIN_FILENO);
		r->lost = r->lost || (r->tty && n < 0 && errno == EIO);
		r->input = false;
		n = 0;
	}
	data.fd = 0;
	data.bytes.data = buf;
	data.bytes.len = n;
	frame.body_case = PANDO__FRAME__BODY_DATA;
	frame.data = &data;
	queue(r, &frame);
}

/* --- output ----------------------------------------------------------------*/

static void take_output(struct relay *r, const Pando__Data *data)
{
	struct output *o = &r->out[data->fd - 1];

	if (o->broken) {
		/* who writes where nobody reads is told by this signal */
		if (data->bytes.len)
			queue_signal(r, SIGPIPE);
		return;
	}
	if (!data->bytes.len) {
		o->ended = true;
	} else {
		memmove(o->buf, o->buf + o->off, o->len - o->off);
		o->len -= o->off;
		o->off = 0;
		o->buf = cli_grow(o->buf, o->len + data->bytes.len, 1);
		memcpy(o->buf + o->len, data->bytes.data, data->bytes.len);
		o->len += data->bytes.len;
	}
}

/* Once poll() has said that there is room. */
static void write_output(struct relay *r, struct output *o)
{
	size_t len = o->len - o->off;
	ssize_t n;

	/*
	 * The descriptor is shared with others and stays blocking. A pipe that
	 * polls writable takes this much without a wait.
	 */
	if (!o->file && len > PIPE_BUF)
		len = PIPE_BUF;
	n = write(o->fd, o->buf + o->off, len);
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
		n = o->len - o->off;
	}
	o->off += n;
}

static bool has_output(const struct output *o)
{
	return o->off < o->len;
}

static void end_output(struct output *o)
{
	/* its reader sees the end now and not when we exit */
	if (o->ended && !has_output(o) && o->fd == STDOUT_FILENO && !o->broken) {
		let_go(o->fd);
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

	while (!r->exit) {
		Pando__Frame *frame;
		int ret = pando_stream_next(r->stream, &frame, NULL, NULL);

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

/*
 * We stop as a job does. The program is the first of its session, and a
 * terminal's stop signal has no effect there; so it gets the one that has.
 */
static void stop(struct relay *r)
{
	if (r->tty) {
		term_restore();
	} else {
		queue_signal(r, SIGSTOP);
		pando_stream_flush(r->stream);
	}
	raise(SIGSTOP);
}

static void take_signal(struct relay *r, int signo)
{
	switch (signo) {
	case 0:
		break;
	case SIGWINCH:
		if (r->tty)
			queue_window(r);
		break;
	case SIGTSTP:
		stop(r);
		break;
	case SIGCONT:
		if (!r->tty) {
			queue_signal(r, SIGCONT);
		} else {
			if (isatty(STDIN_FILENO))
				term_raw();
			queue_window(r);
		}
		break;
	default:
		queue_signal(r, signo);
	}
}

/* --- the loop --------------------------------------------------------------*/

static int step(struct relay *r)
{
	enum { SOCK, SIGNALS, IN, OUT, ERR, ALL };
	struct pollfd p[ALL];
	bool full = false;

	for (int i = 0; i < ALL; i++)
		p[i] = (struct pollfd){ .fd = -1 };
	for (int i = 0; i < 2; i++) {
		struct output *o = &r->out[i];

		end_output(o);
		full = full || o->len - o->off > HELD_MAX;
		if (has_output(o))
			p[OUT + i] = (struct pollfd){ o->fd, POLLOUT, 0 };
	}
	p[SOCK].events = full ? 0 : POLLIN;
	if (pando_stream_pending(r->stream))
		p[SOCK].events |= POLLOUT;
	/* without a wish it would still report its end, again and again */
	if (p[SOCK].events)
		p[SOCK].fd = pando_stream_fd(r->stream);
	p[SIGNALS] = (struct pollfd){ r->signals, POLLIN, 0 };
	if (r->input && pando_stream_pending(r->stream) < HELD_MAX)
		p[IN] = (struct pollfd){ STDIN_FILENO, POLLIN, 0 };
	if (poll(p, ALL, -1) < 0)
		return errno == EINTR ? 0 : -errno;
	if (p[SIGNALS].revents)
		take_signal(r, run_signal_take(r->signals));
	if (p[IN].revents)
		read_input(r);
	for (int i = 0; i < 2; i++)
		if (p[OUT + i].revents)
			write_output(r, &r->out[i]);
	/* the Exit may wait behind a full pipe: errors show in reading */
	pando_stream_flush(r->stream);
	if (p[SOCK].revents & ~POLLOUT && !full)
		return take_frames(r);
	return 0;
}

static void last_output(struct relay *r)
{
	for (int i = 0; i < 2; i++) {
		r->out[i].file = true;		/* waiting is fine now */
		while (has_output(&r->out[i]))
			write_output(r, &r->out[i]);
		free(r->out[i].buf);
	}
}

int run_relay(const struct run_relay *how, Pando__Frame **frame)
{
	struct relay r = {
		.id = how->id,
		.tty = how->tty,
		.signals = how->signals,
		.input = !how->direct,
	};
	int err = 0;

	r.stream = pando_stream_new(how->sock);
	if (!r.stream)
		cli_die("out of memory");
	for (int i = 0; i < 2; i++) {
		struct stat st;

		r.out[i].fd = i + 1;
		r.out[i].file = !fstat(i + 1, &st) && S_ISREG(st.st_mode);
	}
	if (how->direct) {
		/* the program alone decides when its files are closed */
		let_go(STDIN_FILENO);
		let_go(STDOUT_FILENO);
	} else if (how->tty && isatty(STDIN_FILENO)) {
		term_raw();
		queue_window(&r);	/* it may have changed since */
	}
	take_signal(&r, how->early);
	while (!err && !r.exit && !r.lost)
		err = step(&r);
	if (r.lost) {
		queue_signal(&r, SIGHUP);
		pando_stream_flush(r.stream);
	}
	last_output(&r);
	term_restore();
	close(r.signals);
	pando_stream_free(r.stream);
	*frame = r.exit;
	return err ? err : r.exit ? 1 : 0;
}
