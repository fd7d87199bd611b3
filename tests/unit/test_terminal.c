// SPDX-License-Identifier: GPL-2.0-only
// LINK: userspace/pando-init/terminal.c
// PKGS: libprotobuf-c
/* The leader of a session with a terminal, and a person at its keyboard. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"
#include "../../userspace/pando-init/terminal.h"

#define PATIENCE_MS	20000

static int master = -1, events[2];
static pid_t leader, program;

static bool next(struct terminal_event *e)
{
	struct pollfd p = { events[0], POLLIN, 0 };

	return poll(&p, 1, PATIENCE_MS) == 1 &&
	       read(events[0], e, sizeof(*e)) == sizeof(*e);
}

/* The next event is this one, of our leader. */
static bool event(int kind, int value)
{
	struct terminal_event e = { 0 };

	if (next(&e) && e.leader == leader && e.kind == kind && e.value == value)
		return true;
	printf("# event %d %#x, wanted %d %#x\n", e.kind, e.value, kind, value);
	return false;
}

static void begin(bool front, const char *command)
{
	struct terminal_event e = { 0 };
	sigset_t all, old;
	int slave;

	CHECK(!pipe2(events, O_CLOEXEC));
	master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	CHECK(master >= 0 && !grantpt(master) && !unlockpt(master));
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
	CHECK(slave >= 0);
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);	/* as pando-init has it */
	leader = fork();
	if (!leader) {
		setsid();
		if (ioctl(slave, TIOCSCTTY, 0) ||
		    terminal_lead(slave, events[1], front))
			_exit(99);
		for (int i = 0; i < 3; i++)
			dup2(slave, i);
		if (slave > 2)
			close(slave);
		signal(SIGHUP, SIG_DFL);
		/* who runs us in the background may have it ignored */
		signal(SIGINT, SIG_DFL);
		sigemptyset(&all);
		sigprocmask(SIG_SETMASK, &all, NULL);
		execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(98);
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	close(slave);
	CHECK(next(&e) && e.leader == leader && e.kind == TERMINAL_PROGRAM);
	program = e.value;
}

static void end(void)
{
	int status;

	if (master >= 0)
		close(master);
	close(events[0]);
	close(events[1]);
	CHECK_EQ(waitpid(leader, &status, 0), leader);
}

static void type(const char *text)
{
	CHECK_EQ(write(master, text, strlen(text)), (ssize_t)strlen(text));
}

/* Reads until it has seen that. */
static bool shows(const char *text)
{
	char seen[4096] = "";
	size_t n = 0;

	while (n < sizeof(seen) - 1) {
		struct pollfd p = { master, POLLIN, 0 };
		ssize_t got;

		if (poll(&p, 1, PATIENCE_MS) != 1)
			break;
		got = read(master, seen + n, sizeof(seen) - 1 - n);
		if (got <= 0)
			break;
		n += got;
		seen[n] = 0;
		if (strstr(seen, text))
			return true;
	}
	printf("# wanted %s, saw %s\n", text, seen);
	return false;
}

TEST(stops_and_goes_on)
{
	begin(true, "exec cat");
	type("one\n");
	CHECK(shows("one\r\none\r\n"));
	type("\x1a");
	CHECK(event(TERMINAL_STOPPED, SIGTSTP));
	terminal_front(leader, true, true);
	type("two\n");
	CHECK(shows("two\r\ntwo\r\n"));
	type("\x03");
	CHECK(event(TERMINAL_ENDED, SIGINT));
	end();
}

TEST(who_reads_in_the_background_is_stopped)
{
	begin(false, "cat; exit 5");
	CHECK(event(TERMINAL_STOPPED, SIGTTIN));
	terminal_front(leader, false, true);
	CHECK(event(TERMINAL_STOPPED, SIGTTIN));
	terminal_front(leader, true, true);
	type("words\n");
	CHECK(shows("words\r\nwords\r\n"));
	type("\x04");
	CHECK(event(TERMINAL_ENDED, 5 << 8));
	end();
}

/* A shell that has somebody else in front gets that back, not itself. */
TEST(the_foreground_is_given_back)
{
	begin(true, "set -m; sh -c 'echo rea\"\"dy; exec cat'; exit 6");
	CHECK(shows("ready"));
	/* it reads: now only somebody new would be stopped */
	type("one\n");
	CHECK(shows("one\r\none\r\n"));
	CHECK(tcgetpgrp(master) != program);
	terminal_front(leader, false, true);
	while (tcgetpgrp(master) != leader)
		;
	terminal_front(leader, true, true);
	while (tcgetpgrp(master) == leader)
		;
	CHECK(tcgetpgrp(master) != program);
	type("\x04");
	CHECK(event(TERMINAL_ENDED, 6 << 8));
	end();
}

/* Orders are obeyed one after the other, and stopped stays who is not let go on. */
TEST(signals_keep_their_place)
{
	begin(false, "trap 'echo got' USR1; kill -STOP $$; while :; do :; done");
	CHECK(event(TERMINAL_STOPPED, SIGSTOP));
	terminal_front(leader, true, false);
	terminal_signal(leader, SIGUSR1);
	terminal_front(leader, true, true);
	CHECK(shows("got"));
	terminal_front(leader, true, true);
	terminal_signal(leader, SIGTSTP);
	CHECK(event(TERMINAL_STOPPED, SIGTSTP));
	terminal_front(leader, false, true);
	terminal_signal(leader, SIGTERM);
	CHECK(event(TERMINAL_ENDED, SIGTERM));
	end();
}

TEST(a_hang_up_is_the_programs)
{
	begin(true, "sleep 1000");
	close(master);
	master = -1;
	CHECK(event(TERMINAL_ENDED, SIGHUP));
	end();
	begin(true, "trap 'exit 7' HUP; kill -STOP $$; while :; do sleep 1; done");
	CHECK(event(TERMINAL_STOPPED, SIGSTOP));
	close(master);
	master = -1;
	CHECK(event(TERMINAL_ENDED, 7 << 8));
	end();
}

TEST(nobody_else_tells_it_what_to_do)
{
	begin(true, "exec cat");
	if (!fork()) {
		terminal_front(leader, false, true);
		kill(leader, SIGTERM);
		_exit(0);
	}
	CHECK(wait(NULL) > 0);
	type("one\n");
	CHECK(shows("one\r\none\r\n"));
	type("\x04");
	CHECK(event(TERMINAL_ENDED, 0));
	end();
}

int main(void)
{
	static const struct tap_test tests[] = {
		T(stops_and_goes_on),
		T(who_reads_in_the_background_is_stopped),
		T(the_foreground_is_given_back), T(a_hang_up_is_the_programs),
		T(signals_keep_their_place),
		T(nobody_else_tells_it_what_to_do),
	};

	signal(SIGHUP, SIG_IGN);
	return tap_run(tests, sizeof(tests) / sizeof(tests[0]));
}
