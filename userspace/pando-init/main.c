// SPDX-License-Identifier: GPL-2.0-only
/* pid 1 of the cluster's PID namespace: the loop. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init.h"

static uint64_t incarnation;
static int64_t zero_ns;
static int proc_fd = -1;
static struct pando_stream *client;	/* pandod, while it is there */
static unsigned int client_number;
static struct child *children;
static int events[2] = { -1, -1 };	/* of terminals: read end, write end */

void say(const char *level, const char *fmt, ...)
{
	char line[512];
	va_list ap;
	int n = snprintf(line, sizeof(line), "%s pando-init: ", level);

	va_start(ap, fmt);
	vsnprintf(line + n, sizeof(line) - n - 1, fmt, ap);
	va_end(ap);
	n = strlen(line);
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, n) < 0)
		return;
}

/* --- what pandod is told -------------------------------------------------------*/

static void client_drop(void)
{
	pando_stream_free(client);
	client = NULL;
}

static void tell(Pando__Frame *f, const int *fds, int nfds)
{
	if (!client)
		return;
	/* a daemon that does not read is as good as gone */
	if (pando_stream_queue(client, f, fds, nfds) < 0 ||
	    pando_stream_flush(client) < 0) {
		say("warning", "pandod does not listen: connection dropped");
		client_drop();
	}
}

static void tell_exit(uint32_t id, int status, const struct failure *failure,
		      const struct pando_bytes *unread)
{
	Pando__Frame f = PANDO__FRAME__INIT;
	Pando__Exit e = PANDO__EXIT__INIT;
	char text[128];

	f.id = id;
	f.body_case = PANDO__FRAME__BODY_EXIT;
	f.exit = &e;
	e.status = status;
	if (unread && pando_bytes_left(unread)) {
		e.unread.data = unread->buf + unread->off;
		e.unread.len = pando_bytes_left(unread);
	}
	if (failure) {
		snprintf(text, sizeof(text), "%s: %s", failure->what,
			 strerror(failure->error));
		e.error = failure->error;
		e.text = text;
	}
	tell(&f, NULL, 0);
}

static void tell_error(uint32_t id, int code, const char *text)
{
	Pando__Frame f = PANDO__FRAME__INIT;
	Pando__Error e = PANDO__ERROR__INIT;

	f.id = id;
	f.body_case = PANDO__FRAME__BODY_ERROR;
	f.error = &e;
	e.code = code;
	e.text = (char *)text;
	tell(&f, NULL, 0);
}

static void tell_spawned(struct child *c)
{
	Pando__Frame f = PANDO__FRAME__INIT;
	Pando__Spawned s = PANDO__SPAWNED__INIT;

	f.id = c->id;
	f.body_case = PANDO__FRAME__BODY_SPAWNED;
	f.spawned = &s;
	s.pid = c->pid;
	if (c->client == client_number)
		tell(&f, &c->master, c->master >= 0);
	if (c->master >= 0)
		close(c->master);
	c->master = -1;
}

static void tell_stopped(uint32_t id, int signo)
{
	Pando__Frame f = PANDO__FRAME__INIT;
	Pando__Signal s = PANDO__SIGNAL__INIT;

	f.id = id;
	f.body_case = PANDO__FRAME__BODY_SIGNAL;
	f.signal = &s;
	s.signo = signo;
	tell(&f, NULL, 0);
}

static void tell_hello(void)
{
	Pando__Frame f = PANDO__FRAME__INIT;
	Pando__InitHello h = PANDO__INIT_HELLO__INIT;
	uint32_t *pids;

	f.body_case = PANDO__FRAME__BODY_INIT_HELLO;
	f.init_hello = &h;
	h.incarnation = incarnation;
	h.zero_ns = zero_ns;
	for (struct child *c = children; c; c = c->next)
		h.n_children += c->pid > 0;
	pids = h.children = calloc(h.n_children + 1, sizeof(*pids));
	if (!pids)
		h.n_children = 0;
	else
		for (struct child *c = children; c; c = c->next)
			if (c->pid)
				*pids++ = c->pid;
	tell(&f, &proc_fd, 1);
	free(h.children);
}

/* --- children ---------------------------------------------------------------*/

static void child_free(struct child *c)
{
	for (struct child **p = &children; *p; p = &(*p)->next) {
		if (*p == c) {
			*p = c->next;
			break;
		}
	}
	if (c->error_fd >= 0)
		close(c->error_fd);
	if (c->master >= 0)
		close(c->master);
	pando_bytes_free(&c->unread);
	free(c);
}

/* The exec happened (end of file) or did not; true: the child is done with. */
static bool child_executed(struct child *c)
{
	struct failure failure;
	ssize_t n = read(c->error_fd, &failure, sizeof(failure));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (!n && !c->pid)
		return false;	/* its number is on its way */
	close(c->error_fd);
	c->error_fd = -1;
	if (n == sizeof(failure)) {
		if (c->client == client_number)
			tell_exit(c->id, failure.status << 8, &failure, NULL);
		child_free(c);
		return true;
	}
	tell_spawned(c);
	return false;
}

static void child_ended(struct child *c, int status)
{
	if (c->error_fd >= 0 && child_executed(c))
		return;
	if (c->client == client_number)
		tell_exit(c->id, status, NULL, &c->unread);
	child_free(c);
}

/* What the leaders of sessions with a terminal have to tell. */
static void on_events(void)
{
	struct terminal_event e;
	struct child *c;

	while (read(events[0], &e, sizeof(e)) == sizeof(e)) {
		for (c = children; c && c->leader != e.leader; c = c->next)
			;
		if (!c)
			continue;
		if (e.kind == TERMINAL_PROGRAM)
			c->pid = e.value;
		else if (e.kind == TERMINAL_UNREAD && e.value > 0 && e.value <= TERMINAL_PIECE)
			pando_bytes_add(&c->unread, e.byte, e.value);
		else if (e.kind == TERMINAL_ENDED)
			child_ended(c, e.value);
		else if (c->client == client_number)
			tell_stopped(c->id, e.value);
	}
}

static void reap(void)
{
	struct child *c;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		/* a leader's last words come before its end */
		on_events();
		for (c = children; c; c = c->next)
			if (c->leader ? c->leader == pid : c->pid == pid)
				break;
		if (c)
			child_ended(c, status);
	}
}

static void do_spawn(Pando__Frame *f, const int *fds, int nfds)
{
	struct failure failure;
	struct child *c = spawn(f->spawn, fds, nfds, events[1], &failure);

	if (!c) {
		tell_exit(f->id, failure.status << 8, &failure, NULL);
		return;
	}
	c->id = f->id;
	c->client = client_number;
	c->next = children;
	children = c;
}

static void do_watch(Pando__Frame *f)
{
	pid_t pid = f->watch->pid;
	struct child *c;

	/* one that is being restored becomes our child when its mover ends */
	if (pid <= 1 || (kill(pid, 0) < 0 && errno == ESRCH)) {
		tell_error(f->id, ESRCH, "no such process");
		return;
	}
	for (c = children; c && c->pid != pid; c = c->next)
		;
	if (!c) {
		c = calloc(1, sizeof(*c));
		if (!c) {
			tell_error(f->id, ENOMEM, "out of memory");
			return;
		}
		c->pid = pid;
		c->error_fd = c->master = -1;
		c->next = children;
		children = c;
	}
	c->id = f->id;
	c->client = client_number;
}

static struct child *find_leader(pid_t pid)
{
	struct child *c;

	for (c = children; c && (c->pid != pid || !c->leader); c = c->next)
		;
	return c;
}

static void do_kill(Pando__Frame *f)
{
	pid_t pid = f->kill->pid;
	struct child *c = f->kill->terminal ? find_leader(pid) : NULL;

	if (c) {
		terminal_signal(c->leader, f->kill->signo);
		return;
	}
	if (pid <= 1 || (f->kill->group && !kill(-pid, f->kill->signo)))
		return;
	kill(pid, f->kill->signo);
}

static void do_foreground(Pando__Frame *f)
{
	const Pando__Foreground *order = f->foreground;
	struct child *c = find_leader(order->pid);

	if (c)
		terminal_front(c->leader, order->yes, order->go_on);
}

/* --- the loop -----------------------------------------------------------------*/

static void on_frame(Pando__Frame *f, int *fds, int nfds)
{
	switch (f->body_case) {
	case PANDO__FRAME__BODY_SPAWN:
		do_spawn(f, fds, nfds);
		break;
	case PANDO__FRAME__BODY_WATCH:
		do_watch(f);
		break;
	case PANDO__FRAME__BODY_KILL:
		do_kill(f);
		break;
	case PANDO__FRAME__BODY_FOREGROUND:
		do_foreground(f);
		break;
	case PANDO__FRAME__BODY_LEASE:
		guard_until(f->lease->until_ns, f->lease->length_ns);
		break;
	case PANDO__FRAME__BODY_SERVE:
		serve_go();
		break;
	default:
		say("warning", "unknown request %d", f->body_case);
		tell_error(f->id, EOPNOTSUPP, "pando-init does not know that");
	}
	for (int i = 0; i < nfds; i++)
		close(fds[i]);
}

static void on_client(short events)
{
	int fds[PANDO_FRAME_FDS], nfds, more = 1;
	Pando__Frame *f;

	if (events & POLLOUT && pando_stream_flush(client) < 0) {
		client_drop();
		return;
	}
	if (!(events & (POLLIN | POLLHUP | POLLERR)))
		return;
	more = pando_stream_fill(client);
	while (client) {
		int got = pando_stream_next(client, &f, fds, &nfds);

		if (got < 0)
			more = got;
		if (got <= 0)
			break;
		on_frame(f, fds, nfds);
		pando_frame_free(f);
	}
	if (client && more <= 0)
		client_drop();
}

static void on_connect(int listener)
{
	int sock = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	socklen_t len = sizeof(struct ucred);
	struct ucred cred;

	if (sock < 0)
		return;
	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 ||
	    cred.uid) {
		close(sock);
		return;
	}
	/* a new daemon: the old one is gone, or soon will be */
	if (client)
		client_drop();
	client_number++;
	client = pando_stream_new(sock);
	if (!client) {
		close(sock);
		return;
	}
	tell_hello();
}

static int listen_at(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	mode_t old;

	if (sock < 0 || strlen(path) >= sizeof(sun.sun_path))
		return -1;
	strcpy(sun.sun_path, path);
	unlink(path);
	old = umask(0177);
	if (bind(sock, (struct sockaddr *)&sun, sizeof(sun)) < 0 ||
	    listen(sock, 4) < 0) {
		close(sock);
		sock = -1;
	}
	umask(old);
	return sock;
}

static void loop(int listener, int signals)
{
	struct signalfd_siginfo info;

	for (;;) {
		struct pollfd p[64] = {
			{ signals, POLLIN, 0 },
			{ listener, POLLIN, 0 },
			{ -1, POLLIN, 0 },
			{ events[0], POLLIN, 0 },
		};
		struct child *waiting[64] = { NULL };
		int n = 4;

		if (client) {
			p[2].fd = pando_stream_fd(client);
			if (pando_stream_pending(client))
				p[2].events |= POLLOUT;
		}
		/* more than these at once have to wait their turn */
		for (struct child *c = children; c && n < 64; c = c->next) {
			if (c->error_fd < 0)
				continue;
			waiting[n] = c;
			p[n++] = (struct pollfd){ c->error_fd, POLLIN, 0 };
		}
		if (poll(p, n, -1) < 0)
			continue;
		for (int i = 4; i < n; i++)
			if (p[i].revents)
				child_executed(waiting[i]);
		if (p[3].revents)
			on_events();
		if (p[0].revents) {
			while (read(signals, &info, sizeof(info)) > 0)
				;
			reap();
		}
		if (p[2].revents && client)
			on_client(p[2].revents);
		if (p[1].revents)
			on_connect(listener);
	}
}

static const char usage[] =
"usage: pando-init --incarnation N --zero NS [--threads N] [--socket PATH]\n"
"pid 1 of a cluster's PID namespace; started by pandod, see pando-init(8).\n";

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "incarnation", required_argument, NULL, 'i' },
		{ "zero", required_argument, NULL, 'z' },
		{ "threads", required_argument, NULL, 't' },
		{ "socket", required_argument, NULL, 's' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *path = PANDO_INIT_SOCKET;
	unsigned int threads = 8;
	int c, listener, signals;
	sigset_t all;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'i':
			incarnation = strtoull(optarg, NULL, 0);
			break;
		case 'z':
			zero_ns = strtoll(optarg, NULL, 0);
			break;
		case 't':
			threads = strtoul(optarg, NULL, 0);
			break;
		case 's':
			path = optarg;
			break;
		case 'V':
			puts("pando-init " PANDO_VERSION);
			return 0;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (getpid() != 1) {
		fputs("pando-init: not pid 1 of a namespace; pandod starts "
		      "it\n", stderr);
		return 1;
	}
	prctl(PR_SET_NAME, "pando-init");
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	proc_fd = mounts_setup();
	if (signals < 0 || proc_fd < 0)
		return 1;
	if (pipe2(events, O_CLOEXEC) < 0 ||
	    fcntl(events[0], F_SETFL, O_NONBLOCK) < 0)
		return 1;
	if (guard_start() < 0)
		return 1;
	if (nurse_start() < 0)
		say("warning", "orphans of other nodes will not find their subreapers here");
	if (serve_start(threads) < 0) {
		say("error", "cannot make the serving threads");
		return 1;
	}
	listener = listen_at(path);
	if (listener < 0) {
		say("error", "cannot listen at %s: %s", path, strerror(errno));
		return 1;
	}
	loop(listener, signals);
}
