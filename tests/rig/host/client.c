// SPDX-License-Identifier: GPL-2.0-only
/*
 * rig-client: the fast half of `rig`, for what tests do a thousand times.
 *
 * usage: rig-client RIG_DIR exec NODE [-t SECONDS] [-T] [--] CMD...
 *        rig-client RIG_DIR call WORD...      one line to rigd, prints the answer
 *
 * With a terminal on stdin and stdout the command gets one, too (-T: never).
 * Exit status: the command's; 124 after a timeout, 128 when the node is lost.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "proto.h"

#define GRACE_MS	15000	/* past a timeout, for the node to say so */

static int sock = -1;
static const char *node;
static struct termios saved;
static int raw;
static volatile sig_atomic_t resized;

static void restore(void)
{
	if (raw)
		tcsetattr(0, TCSANOW, &saved);
	raw = 0;
}

__attribute__((noreturn))
static void lost(const char *why, int len)
{
	restore();
	fprintf(stderr, "rig: node%s %.*s\n", node, len, why);
	exit(LOST_STATUS);
}

static void write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		if (n < 0 && errno == ENOTSOCK)
			n = write(fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			struct pollfd pfd = { .fd = fd, .events = POLLOUT };

			poll(&pfd, 1, -1);
			continue;
		}
		if (n < 0) {
			/*
			 * Closed already; why stands in what is still to be
			 * read, perhaps just that the command is over.
			 */
			if (fd == sock)
				return;
			/* Our reader went away, as in `rig exec ... | head`. */
			restore();
			signal(SIGPIPE, SIG_DFL);
			raise(SIGPIPE);
			exit(1);
		}
		p += n;
		len -= n;
	}
}

static void send_frame(int type, const void *data, uint32_t len)
{
	char out[sizeof(struct frame) + FRAME_MAX];
	struct frame f = { .len = len, .type = type };

	memcpy(out, &f, sizeof(f));
	if (len)
		memcpy(out + sizeof(f), data, len);
	write_all(sock, out, sizeof(f) + len);
}

static void connect_rigd(const char *dir)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	/* Through the descriptor: RIG_DIR may be longer than a socket's path. */
	snprintf(sun.sun_path, sizeof(sun.sun_path), "/proc/self/fd/%d/rigd.sock", fd);
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || sock < 0 || connect(sock, (void *)&sun, sizeof(sun))) {
		fprintf(stderr, "rig: no rig is up in %s\n", dir);
		exit(LOST_STATUS);
	}
	close(fd);
}

static void on_winch(int sig)
{
	(void)sig;
	resized = 1;
}

static void window_size(uint16_t size[2])
{
	struct winsize ws = { .ws_row = 24, .ws_col = 80 };

	ioctl(0, TIOCGWINSZ, &ws);
	size[0] = ws.ws_row;
	size[1] = ws.ws_col;
}

static void send_exec(char **argv, int64_t timeout_ms, int tty)
{
	char data[FRAME_MAX];
	struct exec_req req = { .timeout_ms = timeout_ms, .argc = 1, .tty = tty };
	const char *term = tty && getenv("TERM") ? getenv("TERM") : tty ? "linux" : "";
	size_t at = sizeof(req);
	uint16_t size[2];

	window_size(size);
	req.rows = size[0];
	req.columns = size[1];
	at += snprintf(data + at, 64, "%.60s", term) + 1;
	for (; *argv; argv++, req.argc++) {
		size_t len = strlen(*argv) + 1;

		if (at + len > sizeof(data)) {
			fprintf(stderr, "rig: the command is too long; put it into a file\n");
			exit(126);
		}
		memcpy(data + at, *argv, len);
		at += len;
	}
	memcpy(data, &req, sizeof(req));
	send_frame(F_EXEC, data, at);
}

/* One frame has come whole; leaves the program when it is the last. */
static void on_frame(const struct frame *f, const char *data, uint32_t *window)
{
	uint32_t n;

	switch (f->type) {
	case F_STDOUT:
	case F_STDERR:
		write_all(f->type == F_STDOUT ? 1 : 2, data, f->len);
		send_frame(F_CREDIT, &f->len, sizeof(f->len));
		break;
	case F_CREDIT:
		memcpy(&n, data, sizeof(n));
		*window += n;
		break;
	case F_EXIT:
		memcpy(&n, data, sizeof(n));
		restore();
		exit(n);
	case F_LOST:
		lost(data, f->len);
	}
}

static void receive(uint32_t *window)
{
	static char in[2 * (sizeof(struct frame) + FRAME_MAX)];
	static size_t len;
	struct frame f;
	size_t at = 0;
	ssize_t n;

	n = recv(sock, in + len, sizeof(in) - len, 0);
	if (n < 0 && errno == EINTR)
		return;
	if (n <= 0)
		lost("has no rigd any more", 20);
	len += n;
	while (len - at >= sizeof(f)) {
		memcpy(&f, in + at, sizeof(f));
		if (len - at < sizeof(f) + f.len)
			break;
		on_frame(&f, in + at + sizeof(f), window);
		at += sizeof(f) + f.len;
	}
	len -= at;
	memmove(in, in + at, len);
}

/* Returns 0 once stdin has ended. */
static int forward_stdin(uint32_t *window)
{
	char data[32768];
	ssize_t n = read(0, data, *window < sizeof(data) ? *window : sizeof(data));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 1;
	if (n <= 0) {
		send_frame(F_STDIN_EOF, NULL, 0);
		return 0;
	}
	*window -= n;
	send_frame(F_STDIN, data, n);
	return 1;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static int exec_command(char **argv, int64_t timeout_ms, int tty)
{
	int64_t give_up = timeout_ms ? now_ms() + timeout_ms + GRACE_MS : 0;
	uint32_t window = WINDOW;
	int reading = 1;

	if (tty && !tcgetattr(0, &saved)) {
		struct termios t = saved;
		struct sigaction sa = { .sa_handler = on_winch };

		cfmakeraw(&t);
		raw = !tcsetattr(0, TCSANOW, &t);
		sigaction(SIGWINCH, &sa, NULL);
	}
	send_exec(argv, timeout_ms, tty);
	for (;;) {
		struct pollfd pfd[2] = {
			{ .fd = sock, .events = POLLIN },
			{ .fd = reading && window ? 0 : -1, .events = POLLIN },
		};
		int64_t wait = give_up ? give_up - now_ms() : -1;

		if (give_up && wait <= 0)
			lost("did not say in time that the command's time is up", 49);
		if (poll(pfd, 2, wait) < 0 && errno != EINTR)
			return 1;
		if (resized) {
			uint16_t size[2];

			resized = 0;
			window_size(size);
			send_frame(F_RESIZE, size, sizeof(size));
			continue;
		}
		if (pfd[0].revents)
			receive(&window);
		if (pfd[1].revents)
			reading = forward_stdin(&window);
	}
}

static int call(char **words)
{
	char text[4096];
	size_t len = 0;
	ssize_t n;
	int ok = -1;

	for (; *words; words++)
		len += snprintf(text + len, sizeof(text) - len, "%s%s", *words,
				words[1] ? " " : "\n");
	write_all(sock, text, len);
	while ((n = recv(sock, text, sizeof(text), 0)) > 0) {
		if (ok < 0)
			ok = n >= 2 && !memcmp(text, "ok", 2);
		write_all(ok ? 1 : 2, text, n);
	}
	return ok == 1 ? 0 : 1;
}

static int has_node(const char *dir, const char *name)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s%s", dir, name);
	return !access(path, F_OK);
}

static int usage(void)
{
	fprintf(stderr, "usage: rig exec NODE [-t SECONDS] [-T] -- CMD...\n");
	return 2;
}

int main(int argc, char **argv)
{
	int64_t timeout_ms = 0;
	char line[64], *end;
	int tty, i;

	if (argc < 4)
		return usage();
	signal(SIGPIPE, SIG_IGN);
	if (!strcmp(argv[2], "call")) {
		connect_rigd(argv[1]);
		return call(argv + 3);
	}
	node = argv[3];
	if (!strncmp(node, "node", 4))
		node += 4;
	snprintf(line, sizeof(line), "/node%.10s", node);
	if (strtol(node, &end, 10) < 1 || *end || !has_node(argv[1], line)) {
		fprintf(stderr, "rig: no such node: %s\n", argv[3]);
		return 2;
	}
	tty = isatty(0) && isatty(1);
	for (i = 4; i < argc && argv[i][0] == '-'; i++) {
		if (!strcmp(argv[i], "--")) {
			i++;
			break;
		}
		if (!strcmp(argv[i], "-T"))
			tty = 0;
		else if (!strcmp(argv[i], "-t") && i + 1 < argc)
			timeout_ms = strtod(argv[++i], NULL) * 1000;
		else
			return usage();
	}
	if (i >= argc)
		return usage();
	connect_rigd(argv[1]);
	write_all(sock, line, snprintf(line, sizeof(line), "exec %s\n", node));
	return exec_command(argv + i, timeout_ms, tty);
}
