// SPDX-License-Identifier: GPL-2.0-only
/*
 * stops LOG N: forks N children that sleep, and writes to LOG what wait() says:
 * "child PID" of each, "parent PID", "ready", and then "status PID 0x137f". SIGTERM
 * ends a child with status 42; the parent ends with its last child.
 *
 * stops LOG storm [LOST]: stops the children of LOG and lets them go on, each as soon as
 * LOG says that its parent was told of the last one, after a pause of any length,
 * until there is a file LOG.end. A parent that is not told within a minute, is told
 * twice or of something else is a line that begins with "bad", and the end. Else the
 * last line is "done N", with how often a signal was sent. The child LOST may be killed
 * meanwhile, of which its parent is told once and then of nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST	16
#define STOPPED	0x137f
#define GOES_ON	0xffff
#define TOLD_MS	60000
#define PAUSE_MS 400

static int out;

static void say(const char *word, int pid, int status)
{
	char line[64];
	int len;

	if (status >= 0)
		len = snprintf(line, sizeof(line), "%s %d %#x\n", word, pid, status);
	else if (pid)
		len = snprintf(line, sizeof(line), "%s %d\n", word, pid);
	else
		len = snprintf(line, sizeof(line), "%s\n", word);
	if (write(out, line, len) != len)
		exit(2);
}

static void end(int sig)
{
	(void)sig;
	_exit(42);
}

static int parent(int n)
{
	int status;
	pid_t pid;

	for (int i = 0; i < n; i++) {
		pid = fork();
		if (pid < 0)
			return 2;
		if (!pid) {
			/* it grows, which criu does not expect of what it moves */
			close(out);
			signal(SIGTERM, end);
			for (;;)
				pause();
		}
		say("child", pid, -1);
	}
	say("parent", getpid(), -1);
	say("ready", 0, -1);
	while ((pid = waitpid(-1, &status, WUNTRACED | WCONTINUED)) > 0)
		say("status", pid, status);
	say("done", 0, -1);
	return 0;
}

/* --- the storm ------------------------------------------------------------------ */

struct child {
	int pid;
	int told;		/* how often the parent was */
	int last;		/* of what */
	int wanted;		/* of how much it should have been */
	long long due_ms;	/* the next signal, or by then it must have been told */
	bool may_end, ended;
};

static struct child child[MOST];
static int children, sent, lost;

static long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static struct child *find(int pid)
{
	for (int i = 0; i < children; i++)
		if (child[i].pid == pid)
			return &child[i];
	return NULL;
}

/* One that was stopped goes on next, and the reverse. */
static int next_status(const struct child *c)
{
	return c->last == STOPPED ? GOES_ON : STOPPED;
}

/* False: of something that did not happen, or twice. */
static bool take(struct child *c, int status)
{
	if (status == SIGKILL && c->may_end && !c->ended) {
		c->ended = true;
		return true;
	}
	if (!c->ended && status == next_status(c) && c->told < c->wanted) {
		c->told++;
		c->last = status;
		c->due_ms = now_ms() + rand() % PAUSE_MS;
		return true;
	}
	printf("bad: %d: its parent was told %#x, after %#x, %d of %d\n", c->pid, status,
	       c->last, c->told, c->wanted);
	return false;
}

/* Reads what is new in the log, line by line. */
static bool hear(FILE *log)
{
	char line[128];
	long at = ftell(log);

	while (fgets(line, sizeof(line), log)) {
		struct child *c;
		unsigned int status;
		int pid;

		if (!strchr(line, '\n')) {	/* half of one: later */
			fseek(log, at, SEEK_SET);
			break;
		}
		at = ftell(log);
		if (sscanf(line, "child %d", &pid) == 1 && children < MOST)
			child[children++] = (struct child){ .pid = pid,
							    .may_end = pid == lost };
		if (sscanf(line, "status %d %x", &pid, &status) != 2)
			continue;
		c = find(pid);
		/* what was before the storm */
		if (c && !sent)
			c->last = status;
		else if (!c || !take(c, status))
			return false;
	}
	clearerr(log);
	return true;
}

/* For one whose parent comes to it this waits, and not for ever: once more is no harm. */
static bool send(const struct child *c)
{
	int sig = next_status(c) == STOPPED ? SIGSTOP : SIGCONT;

	for (int i = 0; i < 5; i++) {
		if (!kill(c->pid, sig) || (errno == ESRCH && c->may_end))
			return true;
		if (errno != ETIMEDOUT)
			break;
	}
	return false;
}

static bool act(struct child *c, bool over, bool *busy)
{
	if (c->ended)
		return true;
	if (c->told < c->wanted) {
		*busy = true;
		if (now_ms() < c->due_ms)
			return true;
		printf("bad: %d: its parent was not told %#x\n", c->pid, next_status(c));
		return false;
	}
	if (over || now_ms() < c->due_ms)
		return true;
	c->wanted++;
	c->due_ms = now_ms() + TOLD_MS;
	sent++;
	if (send(c))
		return true;
	printf("bad: %d: %s\n", c->pid, strerror(errno));
	return false;
}

static int storm(const char *path)
{
	const struct timespec nap = { 0, 10000000 };
	bool good = true, over, busy = true;
	char ends[256];
	FILE *log = fopen(path, "r");

	if (!log)
		return 2;
	srand(time(NULL) ^ getpid());
	snprintf(ends, sizeof(ends), "%s.end", path);
	do {
		over = !access(ends, F_OK);
		good = hear(log);
		busy = false;
		for (int i = 0; i < children && good; i++)
			good = act(&child[i], over, &busy);
		nanosleep(&nap, NULL);
	} while (good && (!over || busy));
	/* nor is it told anything afterwards */
	sleep(1);
	good = good && hear(log);
	if (good)
		printf("done %d\n", sent);
	return !good;
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!strcmp(argv[2], "storm")) {
		lost = argc > 3 ? atoi(argv[3]) : 0;
		return storm(argv[1]);
	}
	out = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0644);
	return out < 0 ? 2 : parent(atoi(argv[2]));
}
