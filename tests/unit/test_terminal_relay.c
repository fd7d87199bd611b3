// SPDX-License-Identifier: GPL-2.0-only
// LINK: userspace/pandod/terminal_near.c userspace/pandod/terminal_far.c userspace/pandod/terminal_modes.c userspace/pandod/link.c userspace/pandod/log.c userspace/libpando/frame.c userspace/libpando/stream.c userspace/libpando/bytes.c build/userspace/gen/pando.pb-c.c
// PKGS: libsystemd libprotobuf-c
/*
 * Both sides of the relay between two terminals, on this machine: A with a session, of
 * which a child of ours is the shell and another the job that has "moved"; B, whose
 * slave we have as the job would.
 */
#include <asm/ioctls.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tap.h"
#include "../../userspace/pandod/init.h"
#include "../../userspace/pandod/peer.h"
#include "terminal.h"

#define PATIENCE_S	20
#define ID		0x1122334455667788ull

struct pandod pandod;
static int proc = -1, hangups;
static int a_master, a_slave, b_slave, shell_in;
static pid_t shell, job;
static int server_fd = -1;
static Pando__Frame *evil;	/* the answer of a side that makes no sense */

/* --- what the relay needs of the daemon ------------------------------------------*/

int init_proc_fd(void)
{
	return proc;
}

void init_kill(uint32_t pid, int signo, bool group)
{
	(void)pid;
	(void)group;
	hangups += signo == SIGHUP;
}

static void on_frame(struct link *l, Pando__Frame *f, int *fds, int nfds)
{
	struct request *r;

	(void)fds;
	(void)nfds;
	if (f->body_case != PANDO__FRAME__BODY_PEER_TERMINAL)
		return;
	r = request_new(l, f->id);
	if (r && evil)
		request_reply(r, evil);
	else if (r)
		terminal_near_join(r, f->peer_terminal);
}

int peer_open(uint16_t node, const struct link_ops *ops, void *data,
	      void (*ready)(void *data, struct link *l, int err))
{
	static const struct link_ops served = { .frame = on_frame };
	int sk[2];

	(void)node;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sk))
		return -errno;
	server_fd = sk[0];
	link_new(pandod.event, sk[0], &served, NULL);
	ready(data, link_new(pandod.event, sk[1], ops, data), 0);
	return 0;
}

/* --- the stage ----------------------------------------------------------------------*/

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* Lets the daemons work until it is so. */
#define UNTIL(cond)							\
	do {								\
		double end_ = now() + PATIENCE_S;			\
		bool so_ = cond;					\
									\
		for (; !so_ && now() < end_; so_ = cond)		\
			sd_event_run(pandod.event, 10000);		\
		if (!so_)						\
			tap_bad(__FILE__, __LINE__, #cond);		\
	} while (0)

static void settle(int ms)
{
	double end = now() + ms / 1e3;

	while (now() < end)
		sd_event_run(pandod.event, 10000);
}

static int open_pty(int *slave)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (master < 0 || unlockpt(master))
		exit(1);
	*slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	return master;
}

/* Gives the terminal to whom it is told. */
static void be_shell(int orders, int answers)
{
	pid_t shell = getpid();
	char order;

	signal(SIGTTOU, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	setsid();
	ioctl(a_slave, TIOCSCTTY, 0);
	job = fork();
	if (!job) {
		/* however the shell ends: whoever waits for our output waits for it */
		end_with(shell);
		signal(SIGTTOU, SIG_DFL);
		for (;;)
			pause();
	}
	setpgid(job, job);
	if (write(answers, &job, sizeof(job)) != sizeof(job))
		_exit(1);
	while (read(orders, &order, 1) == 1) {
		tcsetpgrp(a_slave, order == 'j' ? job : getpid());
		if (write(answers, &order, 1) != 1)
			break;
	}
	kill(job, SIGKILL);
	_exit(0);
}

static int shell_out;

static void in_front(char who)
{
	CHECK_EQ(write(shell_in, &who, 1), 1);
	CHECK_EQ(read(shell_out, &who, 1), 1);
}

static void begin(void)
{
	Pando__MoveTerminal t = PANDO__MOVE_TERMINAL__INIT, *its;
	int in[2], out[2], b_master;
	char path[64];

	hangups = 0;
	a_master = open_pty(&a_slave);
	CHECK(!pipe2(in, O_CLOEXEC) && !pipe2(out, O_CLOEXEC));
	shell = fork();
	if (!shell) {
		close(in[1]);
		close(a_master);
		be_shell(in[0], out[1]);
	}
	close(in[0]);
	close(out[1]);
	shell_in = in[1];
	shell_out = out[0];
	CHECK_EQ(read(shell_out, &job, sizeof(job)), sizeof(job));
	in_front('j');
	t.sid = shell;
	t.groups = (uint32_t *)&job;
	t.n_groups = 1;
	t.reads = true;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", a_slave);
	its = terminal_near_take(ID, open(path, O_RDWR | O_NOCTTY | O_CLOEXEC), &t);
	CHECK(its && its->id == ID && its->node == 1);
	b_master = open_pty(&b_slave);
	terminal_far_start(job, b_master, its);
	pando__move_terminal__free_unpacked(its, NULL);
	fcntl(a_master, F_SETFL, O_RDWR | O_NONBLOCK);
	fcntl(b_slave, F_SETFL, O_RDWR | O_NONBLOCK);
	settle(150);
}

static size_t far_count(void)
{
	Pando__MoveTerminal *list, **pointers;
	size_t n = terminal_far_list(&list, &pointers);

	free(list);
	free(pointers);
	return n;
}

static void end(void)
{
	close(b_slave);
	UNTIL(!far_count());
	settle(100);
	terminal_near_decided(ID, true);
	close(a_master);
	close(shell_in);
	close(shell_out);
	close(a_slave);
	waitpid(shell, NULL, 0);
	UNTIL(terminal_near_slave(ID) < 0);
}

static void type(const char *text)
{
	CHECK_EQ(write(a_master, text, strlen(text)), (ssize_t)strlen(text));
}

static char got[65536];

/* What there is to read, and whether that is it. */
static bool reads(int fd, const char *want)
{
	ssize_t n = read(fd, got, sizeof(got) - 1);

	if (n < 0)
		return false;
	got[n] = 0;
	CHECK(!strcmp(got, want));
	if (strcmp(got, want))
		printf("# '%s', not '%s'\n", got, want);
	return true;
}

static bool ready(int fd)
{
	struct pollfd p = { fd, POLLIN, 0 };

	return poll(&p, 1, 0) > 0;
}

/* --- the tests -----------------------------------------------------------------------*/

TEST(lines_ends_and_output)
{
	begin();
	type("hello\n");
	UNTIL(reads(b_slave, "hello\n"));
	UNTIL(reads(a_master, "hello\r\n"));
	CHECK_EQ(write(b_slave, "out\nput\n", 8), 8);
	UNTIL(ready(a_master));
	UNTIL(reads(a_master, "out\r\nput\r\n"));
	/* A is drained at once, and a read gets a line nevertheless */
	type("one\ntwo\n\x04" "three\n");
	UNTIL(reads(b_slave, "one\n"));
	UNTIL(reads(b_slave, "two\n"));
	UNTIL(reads(b_slave, ""));
	UNTIL(reads(b_slave, "three\n"));
	end();
}

TEST(modes_go_both_ways)
{
	struct termios cooked, raw, t;

	begin();
	tcgetattr(a_slave, &cooked);
	CHECK(!(cooked.c_lflag & EXTPROC));
	/* as saved before it moved */
	raw = cooked;
	cfmakeraw(&raw);
	tcsetattr(b_slave, TCSANOW, &raw);
	UNTIL(!tcgetattr(a_slave, &t) && !(t.c_lflag & ICANON));
	CHECK(!(t.c_lflag & EXTPROC));
	UNTIL(!tcgetattr(b_slave, &t) && t.c_lflag & EXTPROC);
	type("x");
	UNTIL(reads(b_slave, "x"));
	CHECK(!ready(a_master));
	CHECK_EQ(write(b_slave, "a\nb", 3), 3);
	UNTIL(reads(a_master, "a\nb"));
	/* the shell has its own, which are not the job's */
	in_front('s');
	settle(150);
	tcsetattr(a_slave, TCSANOW, &cooked);
	settle(150);
	CHECK(!tcgetattr(b_slave, &t) && !(t.c_lflag & ICANON));
	/* in the background what the job sets has to wait */
	tcsetattr(b_slave, TCSANOW, &cooked);
	settle(150);
	tcsetattr(a_slave, TCSANOW, &raw);
	settle(150);
	CHECK(!tcgetattr(a_slave, &t) && !(t.c_lflag & ICANON));
	/* but for one: it has to know whether it may write */
	tcgetattr(a_slave, &t);
	t.c_lflag |= TOSTOP;
	tcsetattr(a_slave, TCSANOW, &t);
	UNTIL(!tcgetattr(b_slave, &t) && t.c_lflag & TOSTOP);
	CHECK(t.c_lflag & ICANON && t.c_lflag & EXTPROC);
	in_front('j');
	UNTIL(!tcgetattr(a_slave, &t) && t.c_lflag & ICANON);
	CHECK(t.c_lflag & TOSTOP);
	/* those that it is given */
	in_front('s');
	settle(150);
	cooked.c_cc[VEOF] = 'E' - '@';
	tcsetattr(a_slave, TCSANOW, &cooked);
	in_front('j');
	UNTIL(!tcgetattr(b_slave, &t) && t.c_cc[VEOF] == 'E' - '@');
	CHECK(t.c_lflag & EXTPROC);
	type("\x05");
	UNTIL(reads(b_slave, ""));
	end();
}

TEST(the_window_is_as_large)
{
	struct winsize ws = { .ws_row = 31, .ws_col = 77 };

	begin();
	ioctl(a_master, TIOCSWINSZ, &ws);
	UNTIL(!ioctl(b_slave, TIOCGWINSZ, &ws) && ws.ws_row == 31 && ws.ws_col == 77);
	ws.ws_row = 12;
	ioctl(a_master, TIOCSWINSZ, &ws);
	UNTIL(!ioctl(b_slave, TIOCGWINSZ, &ws) && ws.ws_row == 12);
	end();
}

TEST(what_is_typed_ahead_is_the_shells)
{
	struct termios t;

	begin();
	/* nobody is to see it twice */
	tcgetattr(a_slave, &t);
	t.c_lflag &= ~ECHO;
	tcsetattr(a_slave, TCSANOW, &t);
	fcntl(a_slave, F_SETFL, O_RDWR | O_NONBLOCK);
	settle(150);
	type("for the job\n");
	UNTIL(reads(b_slave, "for the job\n"));
	type("ls\nps\n");
	settle(300);
	CHECK(!ready(a_slave));
	in_front('s');
	if (!geteuid()) {
		UNTIL(reads(a_slave, "ls\n"));
		UNTIL(reads(a_slave, "ps\n"));
	}
	/* and what is typed now is left to it */
	type("more\n");
	settle(300);
	UNTIL(reads(a_slave, "more\n"));
	CHECK(!ready(b_slave));
	end();
}

TEST(who_does_not_read_is_not_read_for)
{
	static char line[] = "0123456789012345678901234567890123456789012345678901234567890\n";
	size_t sent = 0, had = 0;
	double since = now();
	ssize_t n;

	begin();
	while (now() < since + PATIENCE_S) {
		n = write(b_slave, line, sizeof(line) - 1);
		if (n > 0) {
			sent += n;
			since = now();
		} else if (now() > since + 0.5) {
			break;
		}
		sd_event_run(pandod.event, 0);
	}
	/* a link's worth of it, and buffers of sockets and terminals */
	CHECK(sent > 16384 && sent < 4u << 20);
	printf("# %zu bytes under way\n", sent);
	since = now();
	while (now() < since + PATIENCE_S && had < sent) {
		sd_event_run(pandod.event, 1000);
		while ((n = read(a_master, got, sizeof(got))) > 0)
			for (ssize_t i = 0; i < n; i++)
				had += got[i] != '\r';
	}
	CHECK_EQ(had, sent);
	end();
}

TEST(its_end_and_the_terminals_end)
{
	begin();
	CHECK_EQ(write(b_slave, "last words\n", 11), 11);
	close(b_slave);
	UNTIL(reads(a_master, "last words\r\n"));
	UNTIL(!far_count());
	CHECK_EQ(hangups, 0);
	b_slave = open("/dev/null", O_RDONLY);
	end();

	begin();
	close(a_master);
	UNTIL(!far_count());
	/* the kernel of A has told those who are to know */
	CHECK_EQ(hangups, 0);
	UNTIL(ready(b_slave) && read(b_slave, got, 1) <= 0);
	a_master = open("/dev/null", O_RDONLY);
	end();

	begin();
	shutdown(server_fd, SHUT_RDWR);
	UNTIL(!far_count());
	CHECK_EQ(hangups, 1);
	UNTIL(read(b_slave, got, 1) == 0);
	end();
}

/* What a far side may not be told. */
TEST(a_near_side_that_makes_no_sense)
{
	Pando__Frame f = frame_of(PANDO__FRAME__BODY_DATA);
	Pando__Data d = PANDO__DATA__INIT;
	Pando__Modes m = PANDO__MODES__INIT;

	d.bytes.data = (uint8_t *)got;
	d.bytes.len = 2 * TERMINAL_AHEAD + 1;
	f.data = &d;
	evil = &f;
	begin();
	UNTIL(!far_count());
	CHECK_EQ(hangups, 1);
	end();

	d.bytes.len = 1;
	d.fd = 1;
	begin();
	UNTIL(!far_count());
	CHECK_EQ(hangups, 1);
	end();

	f = frame_of(PANDO__FRAME__BODY_MODES);
	m.cc.data = (uint8_t *)got;
	m.cc.len = 3;
	f.modes = &m;
	begin();
	UNTIL(!far_count());
	CHECK_EQ(hangups, 1);
	end();
	evil = NULL;
}

static unsigned int refused;
static bool closed;

static bool on_answer(void *data, Pando__Frame *f, int *fds, int nfds, int err)
{
	(void)data;
	(void)fds;
	(void)nfds;
	(void)err;
	if (f && f->body_case == PANDO__FRAME__BODY_ERROR)
		refused = f->error->code;
	return f && f->body_case != PANDO__FRAME__BODY_ERROR;
}

static void on_closed(struct link *l, int err)
{
	(void)l;
	(void)err;
	closed = true;
}

static void on_ready(void *data, struct link *l, int err)
{
	(void)err;
	*(struct link **)data = l;
}

/* And what a near side is not to be asked, or told. */
TEST(a_far_side_that_makes_no_sense)
{
	static const struct link_ops ops = { .closed = on_closed };
	Pando__PeerTerminal q = PANDO__PEER_TERMINAL__INIT;
	Pando__Data d = PANDO__DATA__INIT;
	uint32_t group[TERMINAL_GROUPS + 1] = { 0 };
	Pando__Frame f;
	struct link *l;
	struct call *c;

	begin();
	for (int bad = 0; bad < 2; bad++) {
		CHECK(!peer_open(1, &ops, &l, on_ready));
		q.id = ID + !bad;
		q.groups = group;
		q.n_groups = bad ? TERMINAL_GROUPS + 1 : 1;
		f = frame_of(PANDO__FRAME__BODY_PEER_TERMINAL);
		f.peer_terminal = &q;
		refused = 0;
		link_call(l, &f, NULL, 0, 0, on_answer, NULL);
		UNTIL(refused == (bad ? E2BIG : ENOENT));
		link_close(l, 0);
	}
	/* too much at once, more taken than there was, and input that it makes itself */
	for (int bad = 0; bad < 3; bad++) {
		Pando__Taken t = PANDO__TAKEN__INIT;

		CHECK(!peer_open(1, &ops, &l, on_ready));
		closed = false;
		q.id = ID;
		q.n_groups = 0;
		f = frame_of(PANDO__FRAME__BODY_PEER_TERMINAL);
		f.peer_terminal = &q;
		c = link_call(l, &f, NULL, 0, 0, on_answer, NULL);
		f = frame_of(bad == 1 ? PANDO__FRAME__BODY_TAKEN : PANDO__FRAME__BODY_DATA);
		t.bytes = 1;
		d.fd = !bad;
		d.bytes.data = (uint8_t *)got;
		d.bytes.len = bad ? 2 * TERMINAL_AHEAD + 1 : TERMINAL_CHUNK + 1;
		if (bad == 1)
			f.taken = &t;
		else
			f.data = &d;
		CHECK(!call_send(c, &f));
		UNTIL(closed);
	}
	/* the one that was there goes on */
	type("still\n");
	UNTIL(reads(b_slave, "still\n"));
	end();
}

static size_t descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

TEST(nothing_is_left)
{
	size_t before = descriptors();

	begin();
	type("unread\n");
	settle(100);
	/* in front yet, but nobody is to be asked again and again */
	kill(job, SIGKILL);
	fcntl(a_slave, F_SETFL, O_RDWR | O_NONBLOCK);
	if (!geteuid())
		UNTIL(reads(a_slave, "unread\n"));
	end();
	settle(100);
	CHECK_EQ(descriptors(), before);
}

int main(void)
{
	static const struct tap_test tests[] = {
		T(lines_ends_and_output), T(modes_go_both_ways),
		T(the_window_is_as_large), T(what_is_typed_ahead_is_the_shells),
		T(who_does_not_read_is_not_read_for),
		T(its_end_and_the_terminals_end), T(a_near_side_that_makes_no_sense),
		T(a_far_side_that_makes_no_sense), T(nothing_is_left),
	};

	signal(SIGPIPE, SIG_IGN);
	pandod.self = 1;
	pandod.config.timescale = 1;
	proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (sd_event_default(&pandod.event) < 0)
		return 1;
	return tap_run(tests, sizeof(tests) / sizeof(tests[0]));
}
