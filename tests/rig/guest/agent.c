// SPDX-License-Identifier: GPL-2.0-only
/*
 * The agent: process 1 of a node. Runs the commands that `rig exec` sends over
 * the virtio port and reaps whatever is orphaned. Being process 1 it outlives
 * every kill(-1) that a test may do.
 *
 * One poll loop, no threads. All descriptors are non-blocking; what cannot be
 * written at once waits in a buffer that WINDOW bounds (see host/proto.h).
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../host/proto.h"

#define ARGS_MAX	4096
#define ENV_FILE	"/etc/environment"

struct buf {
	char *data;
	size_t len, cap;
};

struct chan {
	int used, closed;	/* closed: no client any more, only reap */
	pid_t pid;		/* 0 once reaped */
	int status;
	int timed_out;
	int in, out, err;	/* -1 when closed; a terminal has out only */
	int tty, in_eof;
	int64_t deadline;	/* ms, 0: none */
	uint32_t window;	/* bytes that may still be sent to the client */
	struct buf stdin_buf;
};

static struct chan chans[CHANNELS_MAX];
static struct buf to_host;
static struct buf from_host;
static int port = -1;
static sigset_t original_mask;

static void die(const char *what)
{
	fprintf(stderr, "rig-agent: %s: %s\n", what, strerror(errno));
	_exit(1);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static void buf_add(struct buf *b, const void *data, size_t len)
{
	if (!len)
		return;
	if (b->len + len > b->cap) {
		b->cap = (b->len + len) * 2;
		b->data = realloc(b->data, b->cap);
		if (!b->data)
			die("realloc");
	}
	memcpy(b->data + b->len, data, len);
	b->len += len;
}

static void buf_drop(struct buf *b, size_t len)
{
	b->len -= len;
	memmove(b->data, b->data + len, b->len);
}

static void send_frame(int type, int chan, const void *data, uint32_t len)
{
	struct frame f = { .len = len, .type = type, .chan = chan };

	buf_add(&to_host, &f, sizeof(f));
	buf_add(&to_host, data, len);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void close_stdin(struct chan *c)
{
	if (c->tty) {
		/* A terminal has one descriptor for all; its end is a character. */
		if (c->out >= 0)
			(void)!write(c->out, "\004", 1);
		return;
	}
	close_fd(&c->in);
}

static void chan_free(struct chan *c)
{
	if (!c->used)
		return;
	close_fd(&c->in);
	close_fd(&c->out);
	close_fd(&c->err);
	free(c->stdin_buf.data);
	memset(c, 0, sizeof(*c));
}

/* The channel is forgotten at once, its processes are ended. */
static void chan_abandon(struct chan *c)
{
	if (c->pid) {
		kill(-c->pid, SIGHUP);
		kill(-c->pid, SIGKILL);
	}
	chan_free(c);
}

static void send_exit(int id, uint32_t status)
{
	send_frame(F_EXIT, id, &status, sizeof(status));
	chan_free(&chans[id]);
}

/* PATH and friends, with the lines of /etc/environment on top. */
static void child_environment(const char *term)
{
	char line[1024];
	FILE *f;

	clearenv();
	setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
	setenv("HOME", "/root", 1);
	setenv("USER", "root", 1);
	setenv("LOGNAME", "root", 1);
	setenv("SHELL", "/bin/bash", 1);
	setenv("LANG", "C.UTF-8", 1);
	if (*term)
		setenv("TERM", term, 1);
	f = fopen(ENV_FILE, "re");
	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		char *eq = strchr(line, '=');

		line[strcspn(line, "\n")] = '\0';
		if (!eq || *line == '#')
			continue;
		*eq = '\0';
		setenv(line, eq + 1, 1);
	}
	fclose(f);
}

static void child(int fds[3], const char *tty, char **argv)
{
	int i, code;

	setsid();
	if (tty) {
		fds[0] = open(tty, O_RDWR);
		fds[1] = fds[0];
		fds[2] = fds[0];
		ioctl(fds[0], TIOCSCTTY, 0);
	}
	for (i = 0; i < 3; i++)
		if (dup2(fds[i], i) < 0)
			_exit(126);
	close_range(3, ~0U, 0);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &original_mask, NULL);
	child_environment(argv[0]);
	if (chdir("/root") < 0)
		(void)!chdir("/");
	execvp(argv[1], argv + 1);
	code = errno == ENOENT ? 127 : 126;
	fprintf(stderr, "%s: %s\n", argv[1], strerror(errno));
	_exit(code);
}

static int open_terminal(const struct exec_req *req, char *name, size_t size)
{
	struct winsize ws = { .ws_row = req->rows, .ws_col = req->columns };
	int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);

	if (master < 0 || grantpt(master) || unlockpt(master) ||
	    ptsname_r(master, name, size)) {
		close_fd(&master);
		return -1;
	}
	ioctl(master, TIOCSWINSZ, &ws);
	return master;
}

static void start_command(int id, const struct exec_req *req, char **argv)
{
	struct chan *c = &chans[id];
	int in[2], out[2], err[2], fds[3];
	char tty[64];

	memset(c, 0, sizeof(*c));
	c->used = 1;
	c->in = c->out = c->err = -1;
	c->window = WINDOW;
	c->tty = req->tty;
	if (req->tty) {
		c->out = open_terminal(req, tty, sizeof(tty));
		if (c->out < 0)
			return send_exit(id, 126);
	} else {
		if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
			return send_exit(id, 126);
		fds[0] = in[0];
		fds[1] = out[1];
		fds[2] = err[1];
		c->in = in[1];
		c->out = out[0];
		c->err = err[0];
		fcntl(c->in, F_SETFL, O_NONBLOCK);
		fcntl(c->out, F_SETFL, O_NONBLOCK);
		fcntl(c->err, F_SETFL, O_NONBLOCK);
	}
	c->pid = fork();
	if (!c->pid)
		child(fds, req->tty ? tty : NULL, argv);
	if (!req->tty) {
		close(in[0]);
		close(out[1]);
		close(err[1]);
	}
	if (c->pid < 0)
		return send_exit(id, 126);
	/* The child does it too; whoever is first, a timeout finds the group. */
	if (req->timeout_ms)
		c->deadline = now_ms() + req->timeout_ms;
}

static void on_exec(int id, char *data, uint32_t len)
{
	static char *argv[ARGS_MAX + 1];
	struct exec_req req;
	char *p, *end = data + len;
	int n = 0;

	if (len < sizeof(req))
		return send_exit(id, 126);
	memcpy(&req, data, sizeof(req));
	for (p = data + sizeof(req); p < end && n < req.argc && n < ARGS_MAX; n++) {
		char *nul = memchr(p, '\0', end - p);

		if (!nul)
			break;
		argv[n] = p;
		p = nul + 1;
	}
	if (n != req.argc || n < 2)
		return send_exit(id, 126);
	argv[n] = NULL;
	start_command(id, &req, argv);
}

static void on_hello(const char *data)
{
	struct {
		int bits, size;
		uint8_t seed[32];
	} entropy = { .bits = 256, .size = 32 };
	static uint64_t nonce;
	struct hello h;
	struct timespec ts;
	int fd, i;

	memcpy(&h, data, sizeof(h));
	/* The same again is one that rigd repeated while we booted. */
	for (i = 0; h.nonce != nonce && i < CHANNELS_MAX; i++)
		if (chans[i].used)
			chan_abandon(&chans[i]);
	if (h.nonce != nonce)
		to_host.len = 0;
	nonce = h.nonce;
	ts.tv_sec = h.sec;
	ts.tv_nsec = h.nsec;
	clock_settime(CLOCK_REALTIME, &ts);
	memcpy(entropy.seed, h.seed, sizeof(entropy.seed));
	fd = open("/dev/urandom", O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		ioctl(fd, RNDADDENTROPY, &entropy);
		ioctl(fd, RNDRESEEDCRNG);
		close(fd);
	}
	send_frame(F_HELLO_ACK, 0, &h.nonce, sizeof(h.nonce));
}

static void feed_stdin(int id)
{
	struct chan *c = &chans[id];
	int fd = c->tty ? c->out : c->in;
	uint32_t done;
	ssize_t n;

	if (fd < 0) {
		done = c->stdin_buf.len;	/* nobody reads it: gone */
	} else {
		n = write(fd, c->stdin_buf.data, c->stdin_buf.len);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		done = n < 0 ? c->stdin_buf.len : (size_t)n;
		if (n < 0)
			close_fd(&c->in);
	}
	buf_drop(&c->stdin_buf, done);
	send_frame(F_CREDIT, id, &done, sizeof(done));
	if (c->in_eof && !c->stdin_buf.len)
		close_stdin(c);
}

static void on_frame(const struct frame *f, char *data)
{
	struct chan *c = &chans[f->chan % CHANNELS_MAX];
	int id = c - chans;
	uint32_t credit;
	struct winsize ws = { 0 };

	switch (f->type) {
	case F_HELLO:
		if (f->len == sizeof(struct hello))
			on_hello(data);
		return;
	case F_PING:
		send_frame(F_PONG, 0, NULL, 0);
		return;
	case F_EXEC:
		if (c->used)
			chan_abandon(c);
		on_exec(id, data, f->len);
		return;
	}
	if (!c->used)
		return;		/* crossed with its exit */
	switch (f->type) {
	case F_STDIN:
		buf_add(&c->stdin_buf, data, f->len);
		feed_stdin(id);
		break;
	case F_STDIN_EOF:
		c->in_eof = 1;
		if (!c->stdin_buf.len)
			close_stdin(c);
		break;
	case F_RESIZE:
		if (f->len == 4 && c->tty) {
			memcpy(&ws.ws_row, data, 2);
			memcpy(&ws.ws_col, data + 2, 2);
			ioctl(c->out, TIOCSWINSZ, &ws);
		}
		break;
	case F_CREDIT:
		if (f->len == 4) {
			memcpy(&credit, data, 4);
			c->window += credit;
		}
		break;
	case F_CLOSE:
		chan_abandon(c);
		break;
	}
}

static void parse_frames(void)
{
	struct frame f;
	size_t at = 0;

	while (from_host.len - at >= sizeof(f)) {
		memcpy(&f, from_host.data + at, sizeof(f));
		if (f.len > FRAME_MAX) {	/* lost step: wait for the next HELLO */
			at = from_host.len;
			break;
		}
		if (from_host.len - at < sizeof(f) + f.len)
			break;
		on_frame(&f, from_host.data + at + sizeof(f));
		at += sizeof(f) + f.len;
	}
	buf_drop(&from_host, at);
}

/* Moves what a command has written; returns 0 once there is nothing to get. */
static int pump(int id, int *fd, int type)
{
	struct chan *c = &chans[id];
	char data[16384];
	size_t room = c->window < sizeof(data) ? c->window : sizeof(data);
	ssize_t n;

	if (*fd < 0 || !room)
		return 0;
	n = read(*fd, data, room);
	if (n > 0) {
		c->window -= n;
		send_frame(type, id, data, n);
		return 1;
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		close_fd(fd);
	return 0;
}

/*
 * A command is over when its process is: a daemon that it left behind holds
 * the pipes open for ever. What was written until then is still sent.
 */
static void finish_if_done(int id)
{
	struct chan *c = &chans[id];

	if (!c->used || c->pid)
		return;
	while (pump(id, &c->out, F_STDOUT))
		;
	while (pump(id, &c->err, F_STDERR))
		;
	if (!c->window)
		return;		/* more to come when the client has read this */
	if (c->timed_out)
		send_exit(id, TIMEOUT_STATUS);
	else if (WIFSIGNALED(c->status))
		send_exit(id, 128 + WTERMSIG(c->status));
	else
		send_exit(id, WEXITSTATUS(c->status));
}

static void reap(void)
{
	int status, i;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (i = 0; i < CHANNELS_MAX; i++)
			if (chans[i].used && chans[i].pid == pid) {
				chans[i].pid = 0;
				chans[i].status = status;
				finish_if_done(i);
			}
}

static int expire(void)
{
	int64_t now = now_ms(), next = -1;
	int i;

	for (i = 0; i < CHANNELS_MAX; i++) {
		struct chan *c = &chans[i];

		if (!c->used || !c->pid || !c->deadline)
			continue;
		if (c->deadline <= now) {
			c->timed_out = 1;
			c->deadline = 0;
			kill(-c->pid, SIGKILL);
		} else if (next < 0 || c->deadline - now < next) {
			next = c->deadline - now;
		}
	}
	return next;
}

static void open_port(void)
{
	char path[512], name[64];
	struct dirent *e;
	DIR *d;
	FILE *f;

	d = opendir("/sys/class/virtio-ports");
	while (d && (e = readdir(d))) {
		snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name", e->d_name);
		f = fopen(path, "re");
		if (!f)
			continue;
		if (fgets(name, sizeof(name), f) && !strncmp(name, PORT_NAME, strlen(PORT_NAME))) {
			snprintf(path, sizeof(path), "/dev/%s", e->d_name);
			port = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
		}
		fclose(f);
	}
	if (d)
		closedir(d);
	if (port < 0)
		die("no port named " PORT_NAME);
}

static void port_read(void)
{
	static char data[FRAME_MAX];
	ssize_t n;

	while ((n = read(port, data, sizeof(data))) > 0) {
		buf_add(&from_host, data, n);
		parse_frames();
	}
}

static void port_write(void)
{
	while (to_host.len) {
		/* The driver takes at most a few pages at once. */
		ssize_t n = write(port, to_host.data, to_host.len > 32768 ? 32768 : to_host.len);

		if (n <= 0)
			return;
		buf_drop(&to_host, n);
	}
}

static void loop(int sigs)
{
	static struct pollfd pfd[2 + 3 * CHANNELS_MAX];
	static int owner[2 + 3 * CHANNELS_MAX];
	struct signalfd_siginfo si;
	int hung_up = 0;

	for (;;) {
		int wait = expire(), n = 2, i;

		pfd[0] = (struct pollfd){ .fd = sigs, .events = POLLIN };
		/*
		 * While the host side is away the port hangs up for ever: look
		 * again in a moment instead of spinning.
		 */
		pfd[1] = (struct pollfd){ .fd = hung_up ? -1 : port,
			.events = POLLIN | (to_host.len ? POLLOUT : 0) };
		if (hung_up && (wait < 0 || wait > 20))
			wait = 20;
		for (i = 0; i < CHANNELS_MAX; i++) {
			struct chan *c = &chans[i];

			if (!c->used)
				continue;
			if (c->out >= 0 && (c->window || (c->tty && c->stdin_buf.len))) {
				owner[n] = i;
				pfd[n++] = (struct pollfd){ .fd = c->out,
					.events = (c->window ? POLLIN : 0) |
						  (c->tty && c->stdin_buf.len ? POLLOUT : 0) };
			}
			if (c->err >= 0 && c->window) {
				owner[n] = i;
				pfd[n++] = (struct pollfd){ .fd = c->err, .events = POLLIN };
			}
			if (c->in >= 0 && c->stdin_buf.len) {
				owner[n] = i;
				pfd[n++] = (struct pollfd){ .fd = c->in, .events = POLLOUT };
			}
		}
		if (poll(pfd, n, wait) < 0 && errno != EINTR)
			die("poll");
		hung_up = !hung_up && (pfd[1].revents & POLLHUP);
		if (!hung_up)
			port_read();
		for (i = 2; i < n; i++) {
			struct chan *c = &chans[owner[i]];

			if (!pfd[i].revents || !c->used)
				continue;
			if (c->stdin_buf.len && (pfd[i].revents & (POLLOUT | POLLERR)))
				feed_stdin(owner[i]);
			pump(owner[i], &c->out, F_STDOUT);
			pump(owner[i], &c->err, F_STDERR);
		}
		while (read(sigs, &si, sizeof(si)) > 0)
			;
		reap();
		for (i = 0; i < CHANNELS_MAX; i++)
			finish_if_done(i);
		port_write();
	}
}

int main(void)
{
	sigset_t mask;
	int sigs;

	open_port();
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &mask, &original_mask);
	sigs = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (sigs < 0)
		die("signalfd");
	signal(SIGPIPE, SIG_IGN);
	loop(sigs);
}
