// SPDX-License-Identifier: GPL-2.0-only
/*
 * rigd: the one long-lived process of a rig. Starts the nodes (and they die
 * with it), is their network (hub.c) and their command channel (mux.c).
 *
 * usage: rigd RIG_DIR [OWNER-PID]     ends when the owner does, if one is named
 *
 * RIG_DIR/rigd.sock takes one line a connection and answers "ok ..." or
 * "error ...":
 *   spawn N            start node N with the argv in nodeN/argv (NUL separated;
 *                      @NET@ and @AGENT@ stand for the descriptors)
 *   kill N             power off, at once
 *   exec N             then frames of proto.h
 *   cut A B | cut1 A B | isolate N | heal | shape N LOSS DELAY
 *   status             one line a node
 *   lost-after MS      silence after which a node counts as lost
 *   quit
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hub.h"
#include "loop.h"
#include "mux.h"

#define ARGV_MAX	256
#define SOCKET_BUFFER	(1024 * 1024)

struct request {
	struct source source;	/* first: request_ready() casts */
	char line[4096];
	size_t len;
};

static struct node {
	pid_t pid;
	int waiter;		/* who asked for the kill and waits for the end */
} nodes[NODES_MAX + 1];
static int lost_after_ms = 60000;
static int running = 1;

__attribute__((format(printf, 2, 3)))
static void answer(int fd, const char *format, ...)
{
	char text[NODES_MAX * 512];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (n > (int)sizeof(text) - 1)
		n = sizeof(text) - 1;
	(void)!send(fd, text, n, MSG_NOSIGNAL);
}

static int socket_pair(int fds[2])
{
	int size = SOCKET_BUFFER;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
		return -1;
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	return 0;
}

/* @arg with the one @NAME@ in it replaced by a number. */
static char *fill_in(char *arg, const char *name, int value)
{
	char *at = strstr(arg, name), *text;

	if (!at || asprintf(&text, "%.*s%d%s", (int)(at - arg), arg, value,
			    at + strlen(name)) < 0)
		return arg;
	return text;
}

static void run_qemu(int node, int net, int agent, pid_t parent)
{
	static char text[65536];
	char path[64], *argv[ARGV_MAX + 1];
	int fd, n = 0;
	ssize_t len;
	sigset_t none;
	char *p;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	/* A terminal's ^C is for the front end, which then says `down`. */
	setpgid(0, 0);
	snprintf(path, sizeof(path), "node%d/argv", node);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = read(fd, text, sizeof(text) - 1);
	if (len <= 0)
		_exit(1);
	for (p = text; p < text + len && n < ARGV_MAX; p += strlen(p) + 1)
		argv[n++] = fill_in(fill_in(p, "@NET@", net), "@AGENT@", agent);
	argv[n] = NULL;
	snprintf(path, sizeof(path), "node%d/qemu.log", node);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	dup2(open("/dev/null", O_RDONLY), 0);
	dup2(fd, 1);
	dup2(fd, 2);
	fcntl(net, F_SETFD, 0);
	fcntl(agent, F_SETFD, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execvp(argv[0], argv);
	perror(argv[0]);
	_exit(127);
}

static void spawn(int node, int client)
{
	int net[2], agent[2];
	pid_t parent = getpid();

	if (nodes[node].pid) {
		answer(client, "error node%d runs already\n", node);
		return;
	}
	if (socket_pair(net) || socket_pair(agent)) {
		answer(client, "error %s\n", strerror(errno));
		return;
	}
	nodes[node].pid = fork();
	if (!nodes[node].pid)
		run_qemu(node, net[1], agent[1], parent);
	close(net[1]);
	close(agent[1]);
	if (nodes[node].pid < 0) {
		nodes[node].pid = 0;
		close(net[0]);
		close(agent[0]);
		answer(client, "error fork: %s\n", strerror(errno));
		return;
	}
	hub_attach(node, net[0]);
	mux_attach(node, agent[0]);
	answer(client, "ok %d\n", nodes[node].pid);
}

static void reap(void)
{
	int status, node;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (node = 1; node <= NODES_MAX; node++) {
			if (nodes[node].pid != pid)
				continue;
			nodes[node].pid = 0;
			hub_detach(node);
			mux_detach(node, "has lost power");
			if (nodes[node].waiter) {
				answer(nodes[node].waiter, "ok\n");
				close(nodes[node].waiter);
				nodes[node].waiter = 0;
			}
		}
}

static void status(int client)
{
	char text[NODES_MAX * 512] = "ok\n", line[512];
	int i;

	for (i = 1; i <= NODES_MAX; i++) {
		if (!nodes[i].pid)
			continue;
		hub_status(i, line, sizeof(line));
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			 "node=%d pid=%d up=%d %s\n", i, nodes[i].pid, mux_is_up(i), line);
	}
	answer(client, "%s", text);
}

static int valid(int node)
{
	return node >= 1 && node <= NODES_MAX;
}

/* Returns 1 when the connection goes on under another owner. */
static int command(char *line, int fd, const char *rest, size_t rest_len)
{
	char word[32] = "";
	double loss;
	int a = 0, b = 0, args, delay;

	args = sscanf(line, "%31s %d %d", word, &a, &b);
	if (!strcmp(word, "quit")) {
		running = 0;
	} else if (!strcmp(word, "heal")) {
		hub_heal();
	} else if (!strcmp(word, "status")) {
		status(fd);
		return 0;
	} else if (!strcmp(word, "lost-after") && args == 2) {
		lost_after_ms = a;
	} else if (args < 2 || !valid(a)) {
		answer(fd, "error what is '%s'?\n", line);
		return 0;
	} else if (!strcmp(word, "exec")) {
		mux_client(a, fd, rest, rest_len);
		return 1;
	} else if (!strcmp(word, "spawn")) {
		spawn(a, fd);
		return 0;
	} else if (!strcmp(word, "kill")) {
		if (nodes[a].pid && !nodes[a].waiter) {
			nodes[a].waiter = fd;
			kill(nodes[a].pid, SIGKILL);
			return 1;
		}
	} else if (!strcmp(word, "isolate")) {
		hub_cut_all(a);
	} else if (!strcmp(word, "shape") &&
		   sscanf(line, "%*s %*d %lf %d", &loss, &delay) == 2) {
		hub_shape(a, loss, delay);
	} else if (args == 3 && valid(b) && !strncmp(word, "cut", 3)) {
		hub_cut(a, b);
		if (!word[3])
			hub_cut(b, a);
	} else {
		answer(fd, "error what is '%s'?\n", line);
		return 0;
	}
	answer(fd, "ok\n");
	return 0;
}

static void request_ready(struct source *s, int events)
{
	struct request *r = (struct request *)s;
	char *nl;
	ssize_t n;
	int fd;

	(void)events;
	n = recv(s->fd, r->line + r->len, sizeof(r->line) - 1 - r->len, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		r->len += n;
	r->line[r->len] = '\0';
	nl = memchr(r->line, '\n', r->len);
	if (!nl && n > 0 && r->len < sizeof(r->line) - 1)
		return;
	/* The descriptor lives on under a new owner, or is closed below. */
	fd = fcntl(s->fd, F_DUPFD_CLOEXEC, 3);
	loop_remove(s);
	if (nl) {
		*nl++ = '\0';
		if (!command(r->line, fd, nl, r->line + r->len - nl))
			close(fd);
	} else {
		close(fd);
	}
	free(r);
}

static void accept_ready(struct source *s, int events)
{
	struct request *r;
	int size = SOCKET_BUFFER;
	int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);

	(void)events;
	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	r = calloc(1, sizeof(*r));
	if (!r)
		abort();
	r->source = (struct source){ .fd = fd, .ready = request_ready };
	loop_add(&r->source);
}

static void signal_ready(struct source *s, int events)
{
	struct signalfd_siginfo si;

	(void)events;
	while (read(s->fd, &si, sizeof(si)) == sizeof(si))
		if (si.ssi_signo != SIGCHLD)
			running = 0;
	reap();
}

static void owner_ready(struct source *s, int events)
{
	(void)events;
	loop_remove(s);
	running = 0;
}

static void die(const char *what)
{
	fprintf(stderr, "rigd: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void set_up(const char *dir, const char *owner)
{
	static struct source listener = { .ready = accept_ready };
	static struct source signals = { .ready = signal_ready };
	static struct source pidfd = { .ready = owner_ready };
	/* Relative: the path of a rig may be longer than a socket's may. */
	struct sockaddr_un sun = { .sun_family = AF_UNIX, .sun_path = "rigd.sock" };
	sigset_t mask;

	if (chdir(dir))
		die(dir);
	umask(077);
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGHUP);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signal(SIGPIPE, SIG_IGN);
	signals.fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals.fd < 0)
		die("signalfd");
	loop_add(&signals);
	if (owner) {
		pidfd.fd = syscall(SYS_pidfd_open, atoi(owner), 0);
		if (pidfd.fd < 0)
			die("owner");
		loop_add(&pidfd);
	}
	unlink(sun.sun_path);
	listener.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener.fd < 0 || bind(listener.fd, (void *)&sun, sizeof(sun)) ||
	    listen(listener.fd, 128))
		die("rigd.sock");
	loop_add(&listener);
}

int main(int argc, char **argv)
{
	int64_t ticked = 0;
	int node, ms;

	if (argc < 2) {
		fprintf(stderr, "usage: rigd RIG_DIR [OWNER-PID]\n");
		return 2;
	}
	set_up(argv[1], argc > 2 ? argv[2] : NULL);
	while (running) {
		ms = hub_tick();
		loop_once(ms < 0 || ms > 200 ? 200 : ms);
		if (now_ms() - ticked >= 200) {
			ticked = now_ms();
			mux_tick(lost_after_ms);
		}
	}
	for (node = 1; node <= NODES_MAX; node++)
		if (nodes[node].pid)
			kill(nodes[node].pid, SIGKILL);
	while (wait(NULL) > 0)
		;
	unlink("rigd.sock");
	return 0;
}
