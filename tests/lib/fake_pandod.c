// SPDX-License-Identifier: GPL-2.0-only
/*
 * fake-pandod SOCKET: answers the commands as the daemon of a cluster of three
 * would, node1 being its own. Programs really run, as its children: with the
 * caller's descriptors on node1, over Data frames elsewhere. What it does is
 * as simple as can be; that it never waits for a client is not among it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pando.h"
#include "../../userspace/pando-init/terminal.h"

#define INIT(type) PANDO__##type##__INIT

static void reply(int sock, uint32_t id, Pando__Frame *f)
{
	f->id = id;
	if (pando_send(sock, f, NULL, 0))
		_exit(0);
}

static void reply_error(int sock, uint32_t id, int code, const char *text)
{
	Pando__Frame f = INIT(FRAME);
	Pando__Error e = INIT(ERROR);

	e.code = code;
	e.text = (char *)text;
	f.body_case = PANDO__FRAME__BODY_ERROR;
	f.error = &e;
	reply(sock, id, &f);
}

static void reply_nodes(int sock, uint32_t id)
{
	static const char *const name[] = { "node1", "node2", "node3" };
	static const char *const state[] = { "member", "member", "down" };
	static const char *const link[] = { "self", "up", "down" };
	Pando__Frame f = INIT(FRAME);
	Pando__NodesReply r = INIT(NODES_REPLY);
	Pando__Node node[3], *list[3];

	for (int i = 0; i < 3; i++) {
		pando__node__init(&node[i]);
		node[i].id = i + 1;
		node[i].name = (char *)name[i];
		node[i].state = (char *)state[i];
		node[i].link = (char *)link[i];
		node[i].transport = (char *)"rdma";
		node[i].address = (char *)"10.0.0.1";
		node[i].processes = 3 + i;
		node[i].guests = i;
		node[i].load1 = 0.25 * i;
		node[i].mem_total_kib = 2048 * 1024;
		node[i].mem_available_kib = 1024 * 1024;
		/* out of order: sorting is for the tool to do */
		list[2 - i] = &node[i];
	}
	r.epoch = 7;
	r.quorate = true;
	r.self = (char *)"node1";
	r.nodes = list;
	r.n_nodes = 3;
	f.body_case = PANDO__FRAME__BODY_NODES_REPLY;
	f.nodes_reply = &r;
	reply(sock, id, &f);
}

/* --- ps --------------------------------------------------------------------*/

#define NOW_MS	1700000000000ull

static const struct {
	uint32_t pid, ppid, sid, node, home, uid;
	const char *user, *state, *comm, *args;
	uint32_t tty, threads, rss, cpu;
} table[] = {
	{ 2000, 1, 2000, 1, 1, 0, "root", "S", "bash", "-bash",
	  0x8801, 1, 4000, 1500 },
	{ 2001, 2000, 2000, 2, 1, 1000, "alice", "R", "memcached",
	  "memcached -m 64 -l 0.0.0.0", 0x8801, 10, 65536, 61000 },
	{ 2002, 2001, 2000, 2, 1, 1000, "alice", "S", "worker",
	  "worker one", 0, 1, 100, 10 },
	{ 2003, 2000, 2000, 1, 1, 0, "root", "Z", "gone", "", 0, 1, 0, 0 },
	{ 3000, 1, 3000, 2, 2, 1001, "", "S", "od\"d\n",
	  "odd \"quoted\" \xff\x1b[31m caf\xc3\xa9", 0, 1, 10, 0 },
	/* each the other's parent, as a move under way may make it seem */
	{ 4000, 4001, 4000, 2, 2, 0, "root", "S", "left", "left", 0, 1, 1, 0 },
	{ 4001, 4000, 4000, 1, 2, 0, "root", "S", "right", "right", 0, 1, 1, 0 },
};

#define PROCESSES (sizeof(table) / sizeof(table[0]))

static void fill(Pando__Process *p, size_t i)
{
	pando__process__init(p);
	p->pid = table[i].pid;
	p->ppid = table[i].ppid;
	p->pgid = table[i].sid;
	p->sid = table[i].sid;
	p->node = table[i].node;
	p->home = table[i].home;
	p->uid = p->euid = table[i].uid;
	p->user = (char *)table[i].user;
	p->state = (char *)table[i].state;
	p->comm = (char *)table[i].comm;
	p->args = (char *)table[i].args;
	p->tty = table[i].tty;
	p->threads = table[i].threads;
	p->rss_kib = table[i].rss;
	p->vsz_kib = 2 * table[i].rss;
	p->cpu_ms = table[i].cpu;
	p->start_unix_ms = NOW_MS - 100000 * (PROCESSES - i);
}

static void reply_ps(int sock, uint32_t id, const Pando__PsRequest *q)
{
	static char *gone[] = { (char *)"node3" };
	Pando__Process process, *list = &process;

	/* one a reply: long answers come in parts */
	for (size_t i = 0; i <= PROCESSES; i++) {
		Pando__Frame f = INIT(FRAME);
		Pando__PsReply r = INIT(PS_REPLY);
		bool wanted = i < PROCESSES && !q->n_pids;

		for (size_t k = 0; k < q->n_pids && i < PROCESSES; k++)
			wanted = wanted || q->pids[k] == table[i].pid;
		if (wanted) {
			fill(&process, i);
			r.processes = &list;
			r.n_processes = 1;
		}
		r.more = i < PROCESSES;
		r.now_unix_ms = NOW_MS;
		if (!r.more) {
			r.unreachable = gone;
			r.n_unreachable = 1;
		}
		f.body_case = PANDO__FRAME__BODY_PS_REPLY;
		f.ps_reply = &r;
		reply(sock, id, &f);
	}
}

/* --- mv --------------------------------------------------------------------*/

static void reply_move(int sock, uint32_t id, const Pando__MoveRequest *q)
{
	static char *blockers[] = { (char *)"it has an io_uring",
				    (char *)"fd 7 is a device" };
	Pando__Frame f = INIT(FRAME);
	Pando__MoveProgress p = INIT(MOVE_PROGRESS);
	Pando__MoveReply r = INIT(MOVE_REPLY);
	Pando__Move move[8], *list[8];

	if (!strcmp(q->node, "nowhere")) {
		reply_error(sock, id, EHOSTUNREACH, "no member is called nowhere");
		return;
	}
	p.phase = (char *)"memory";
	p.total = 64 << 20;
	p.rate = 1e9;
	f.body_case = PANDO__FRAME__BODY_MOVE_PROGRESS;
	f.move_progress = &p;
	for (size_t i = 0; i < q->n_pids && i < 8; i++) {
		Pando__Move *m = list[i] = &move[i];

		p.pid = q->pids[i];
		p.bytes = 32 << 20;
		reply(sock, id, &f);
		pando__move__init(m);
		m->pid = q->pids[i];
		m->from = (char *)"node1";
		m->to = q->node;
		m->fabric = (char *)"rdma";
		m->result = (char *)(q->why ? "unchanged" : "moved");
		m->bytes = 64 << 20;
		m->pages = 16384;
		m->freeze_ms = 12.34;
		m->total_ms = 380.5;
		if (m->pid == 2003) {
			m->result = (char *)"refused";
			m->reason = (char *)(q->why ? "" : "it cannot be moved");
			m->blockers = blockers;
			m->n_blockers = 2;
		} else if (!strcmp(q->node, "node1")) {
			m->result = (char *)"unchanged";
		}
		r.n_moves++;
	}
	r.moves = list;
	f.body_case = PANDO__FRAME__BODY_MOVE_REPLY;
	f.move_reply = &r;
	reply(sock, id, &f);
}

/* --- run -------------------------------------------------------------------*/

struct child {
	pid_t pid;
	int in, out[2];		/* our ends; out[1] is stderr's */
	int error;		/* the child's errno comes here, if exec fails */
	pid_t leader;		/* of its session, if it has a terminal */
	int events[2], status;	/* what that one tells */
	bool ended;
};

static _Noreturn void child_exec(const Pando__RunRequest *q, int error)
{
	char **argv = calloc(q->n_argv + 2, sizeof(char *));
	char **env = calloc(q->n_env + 1, sizeof(char *));
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	memcpy(argv, q->argv, q->n_argv * sizeof(char *));
	if (!q->n_argv)
		argv[0] = (char *)"/bin/sh";
	memcpy(env, q->env, q->n_env * sizeof(char *));
	environ = env;
	if (!*q->cwd || !chdir(q->cwd))
		execvp(argv[0], argv);
	if (write(error, &errno, sizeof(errno)) < 0)
		_exit(1);
	_exit(127);
}

static void start(struct child *c, const Pando__RunRequest *q, const int *fds,
		  int nfds)
{
	struct winsize size = { .ws_row = q->rows, .ws_col = q->cols };
	int error[2], pipes[3][2], slave = -1;
	struct terminal_event e;
	sigset_t all, old;

	*c = (struct child){ .in = -1, .out = { -1, -1 }, .events = { -1, -1 } };
	if (pipe2(error, O_CLOEXEC))
		abort();
	for (int i = 0; i < 3; i++)
		if (pipe2(pipes[i], O_CLOEXEC))
			abort();
	if (q->tty && (pipe2(c->events, O_CLOEXEC) ||
		       openpty(&c->in, &slave, NULL, NULL, &size)))
		abort();
	/* a leader waits with everything blocked, as pando-init does */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	c->pid = fork();
	if (!c->pid && q->tty) {
		setsid();
		if (ioctl(slave, TIOCSCTTY, 0) ||
		    terminal_lead(slave, c->events[1], !q->background))
			_exit(125);
		for (int i = 0; i < 3; i++)
			dup2(slave, i);
		close(slave);
		close(c->in);
	}
	if (!c->pid) {
		for (int i = 0; i < 3 && !q->tty; i++)
			dup2(nfds == 3 ? fds[i] : pipes[i][!!i], i);
		if (!q->tty)
			setsid();
		child_exec(q, error[1]);
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	if (q->tty) {
		close(slave);
		c->leader = c->pid;
		if (read(c->events[0], &e, sizeof(e)) != sizeof(e))
			abort();
		c->pid = e.value;
	}
	close(error[1]);
	c->error = error[0];
	for (int i = 0; i < 3; i++)
		close(pipes[i][!!i]);
	for (int i = 0; i < nfds; i++)
		close(fds[i]);
	if (q->tty) {
		c->out[0] = c->in;
	} else if (q->n_stdio_data) {
		c->in = pipes[0][1];
		c->out[0] = pipes[1][0];
		c->out[1] = pipes[2][0];
		fcntl(c->in, F_SETFL, O_NONBLOCK);
	}
}

static void send_data(int sock, uint32_t id, int fd, uint8_t *buf, size_t len)
{
	Pando__Frame f = INIT(FRAME);
	Pando__Data d = INIT(DATA);

	d.fd = fd;
	d.bytes.data = buf;
	d.bytes.len = len;
	f.body_case = PANDO__FRAME__BODY_DATA;
	f.data = &d;
	reply(sock, id, &f);
}

static bool pass_output(int sock, uint32_t id, struct child *c, int i)
{
	static uint8_t buf[32768];
	ssize_t n = read(c->out[i], buf, sizeof(buf));

	if (n > 0) {
		send_data(sock, id, i + 1, buf, n);
		return true;
	}
	send_data(sock, id, i + 1, NULL, 0);
	c->out[i] = -1;
	return false;
}

/* Input of a program that does not read waits here, in a frame or two. */
static struct {
	uint8_t data[PANDO_RUN_INPUT + 1];
	size_t len;
	bool end;
} input;

static void send_taken(int sock, uint32_t id, size_t n, bool closed)
{
	Pando__Frame f = INIT(FRAME);
	Pando__Taken t = INIT(TAKEN);

	t.bytes = n;
	t.closed = closed;
	f.body_case = PANDO__FRAME__BODY_TAKEN;
	f.taken = &t;
	reply(sock, id, &f);
}

static void push_input(int sock, uint32_t id, struct child *c)
{
	ssize_t n = c->in < 0 ? (ssize_t)input.len :
		    write(c->in, input.data, input.len);
	bool broken = n < 0 && errno != EAGAIN;

	if (broken)
		n = input.len;
	if (n > 0)
		send_taken(sock, id, n, broken && c->in != c->out[0]);
	if (n > 0) {
		memmove(input.data, input.data + n, input.len - n);
		input.len -= n;
	}
	if (!input.len && input.end && c->in >= 0 && c->in != c->out[0]) {
		close(c->in);
		c->in = -1;
	}
}

static void take_frame(int sock, uint32_t id, struct child *c,
		       const Pando__Frame *f)
{
	static uint8_t eof[] = { 4 };
	const Pando__Data *d = f->data;
	const uint8_t *bytes;
	size_t len;

	if (f->body_case == PANDO__FRAME__BODY_SIGNAL && c->leader) {
		terminal_signal(c->leader, f->signal->signo);
	} else if (f->body_case == PANDO__FRAME__BODY_FOREGROUND) {
		terminal_front(c->leader, f->foreground->yes,
			       f->foreground->go_on);
	} else if (f->body_case == PANDO__FRAME__BODY_SIGNAL) {
		kill(c->pid, f->signal->signo);
	} else if (f->body_case == PANDO__FRAME__BODY_WINDOW) {
		struct winsize size = { .ws_row = f->window->rows,
					.ws_col = f->window->cols };

		ioctl(c->in, TIOCSWINSZ, &size);
	} else if (f->body_case == PANDO__FRAME__BODY_DATA) {
		bytes = d->bytes.data;
		len = d->bytes.len;
		if (!len && c->in == c->out[0]) {
			bytes = eof;
			len = 1;
		}
		input.end = input.end || !len;
		if (input.len + len > sizeof(input.data))
			abort();
		if (len)
			memcpy(input.data + input.len, bytes, len);
		input.len += len;
		push_input(sock, id, c);
	}
}

static void send_exit(int sock, uint32_t id, int status, int error,
		      const char *text)
{
	Pando__Frame f = INIT(FRAME);
	Pando__Exit e = INIT(EXIT);

	e.status = status;
	e.error = error;
	e.text = (char *)text;
	f.body_case = PANDO__FRAME__BODY_EXIT;
	f.exit = &e;
	reply(sock, id, &f);
}

static void take_event(int sock, uint32_t id, struct child *c)
{
	Pando__Frame f = INIT(FRAME);
	Pando__Signal s = INIT(SIGNAL);
	struct terminal_event e;

	if (read(c->events[0], &e, sizeof(e)) != sizeof(e))
		abort();
	if (e.kind == TERMINAL_ENDED) {
		c->ended = true;
		c->status = e.value;
	} else if (e.kind == TERMINAL_STOPPED) {
		s.signo = e.value;
		f.body_case = PANDO__FRAME__BODY_SIGNAL;
		f.signal = &s;
		reply(sock, id, &f);
	}
}

static bool has_ended(struct child *c)
{
	if (!c->leader && waitpid(c->pid, &c->status, WNOHANG) == c->pid)
		c->ended = true;
	return c->ended;
}

static void follow(int sock, uint32_t id, struct child *c)
{
	sigset_t set;
	int child;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	child = signalfd(-1, &set, SFD_CLOEXEC);
	while (!has_ended(c)) {
		struct pollfd p[] = {
			{ child, POLLIN, 0 },
			{ sock, POLLIN, 0 },
			{ c->out[0], POLLIN, 0 },
			{ c->out[1], POLLIN, 0 },
			{ input.len ? c->in : -1, POLLOUT, 0 },
			{ c->events[0], POLLIN, 0 },
		};
		struct signalfd_siginfo info;
		Pando__Frame *f;

		poll(p, 6, -1);
		if (p[0].revents && read(child, &info, sizeof(info)) < 0)
			abort();
		if (p[1].revents) {
			if (pando_recv(sock, &f, NULL, NULL) <= 0) {
				kill(c->pid, SIGHUP);
				_exit(0);
			}
			take_frame(sock, id, c, f);
			pando_frame_free(f);
		}
		for (int i = 0; i < 2; i++)
			if (p[2 + i].revents)
				pass_output(sock, id, c, i);
		if (p[4].revents)
			push_input(sock, id, c);
		if (p[5].revents)
			take_event(sock, id, c);
	}
	for (int i = 0; i < 2; i++)
		while (c->out[i] >= 0 && pass_output(sock, id, c, i))
			;
	send_exit(sock, id, c->status, 0, "");
}

static void reply_run(int sock, uint32_t id, const Pando__RunRequest *q,
		      const int *fds, int nfds)
{
	bool here = !strcmp(q->node, "self") || !strcmp(q->node, "node1") ||
		    !strcmp(q->node, "1");
	Pando__Frame f = INIT(FRAME);
	Pando__RunStarted s = INIT(RUN_STARTED);
	struct child c;
	char text[256];
	int error;

	if (!strcmp(q->node, "node3")) {
		reply_error(sock, id, EHOSTUNREACH, "node node3 left the cluster");
		return;
	}
	if (nfds && !here) {
		reply_error(sock, id, EXDEV,
			    "descriptors cannot go to another node");
		return;
	}
	start(&c, q, fds, nfds);
	if (read(c.error, &error, sizeof(error)) == sizeof(error)) {
		snprintf(text, sizeof(text), "%s: %s", q->argv[0],
			 strerror(error));
		send_exit(sock, id, (error == ENOENT ? 127 : 126) << 8, error, text);
		return;
	}
	s.pid = c.pid;
	s.node = (char *)(here ? "node1" : "node2");
	f.body_case = PANDO__FRAME__BODY_RUN_STARTED;
	f.run_started = &s;
	reply(sock, id, &f);
	if (getenv("FAKE_DIES"))
		_exit(0);
	if (!q->detach)
		follow(sock, id, &c);
}

/* node3 is down, and dead when asked for; node1 is a member. */
static void reply_expel(int sock, uint32_t id, const Pando__ExpelRequest *q)
{
	Pando__Frame f = INIT(FRAME);
	Pando__Done done = INIT(DONE);

	f.body_case = PANDO__FRAME__BODY_DONE;
	f.done = &done;
	if (!strcmp(q->node, "node1"))
		reply_error(sock, id, EBUSY, "node1 is a member");
	else if (!strcmp(q->node, "node2") && !q->off)
		reply_error(sock, id, EAGAIN, "this side has no quorum");
	else
		reply(sock, id, &f);
}

/* --- service ---------------------------------------------------------------*/

static void serve(int sock)
{
	int fds[PANDO_FRAME_FDS], nfds;
	Pando__Frame *f;

	while (pando_recv(sock, &f, fds, &nfds) > 0) {
		switch (f->body_case) {
		case PANDO__FRAME__BODY_NODES_REQUEST:
			reply_nodes(sock, f->id);
			break;
		case PANDO__FRAME__BODY_PS_REQUEST:
			reply_ps(sock, f->id, f->ps_request);
			break;
		case PANDO__FRAME__BODY_MOVE_REQUEST:
			reply_move(sock, f->id, f->move_request);
			break;
		case PANDO__FRAME__BODY_EXPEL_REQUEST:
			reply_expel(sock, f->id, f->expel_request);
			break;
		case PANDO__FRAME__BODY_RUN_REQUEST:
			reply_run(sock, f->id, f->run_request, fds, nfds);
			break;
		default:
			reply_error(sock, f->id, EPROTO, "unexpected frame");
		}
		pando_frame_free(f);
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (argc != 2 || strlen(argv[1]) >= sizeof(sun.sun_path))
		return 2;
	strcpy(sun.sun_path, argv[1]);
	unlink(argv[1]);
	if (bind(sock, (struct sockaddr *)&sun, sizeof(sun)) ||
	    listen(sock, 64)) {
		perror(argv[1]);
		return 1;
	}
	signal(SIGPIPE, SIG_IGN);
	for (;;) {
		int client = accept4(sock, NULL, NULL, SOCK_CLOEXEC);

		if (client < 0)
			continue;
		/* the handler's child is the program: nobody else's to reap */
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (!fork()) {
			serve(client);
			_exit(0);
		}
		close(client);
	}
}
