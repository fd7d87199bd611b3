// SPDX-License-Identifier: GPL-2.0-only
/* Groups whose last two connections with the session end one after the other, in either order, at once, or with it: SIGHUP and SIGCONT come then, once to each member. */
#include "relations.h"
#define WAYS 5
/*
 * Of the session leader L two children, A and B, are in the group of A; A has a child X
 * there that is stopped, B one that is not. The way they end: A first, B first, both at once,
 * both killed, or their parent L does.
 */
static const char *const ways[WAYS] = { "a, b", "b, a", "at once", "killed", "the leader" };
static pid_t l;

static char *name(const char *what, int way)
{
	static char s[32];

	snprintf(s, sizeof(s), "%s%d", what, way);
	return s;
}

static void hears(const char *what, int way)
{
	siginfo_t si;
	int r;

	put(name(what, way), "%d", getpid());
	take(SIGHUP, &si);
	r = si.si_code == SI_KERNEL && !si.si_pid;
	take(SIGCONT, &si);
	r |= (si.si_code == SI_KERNEL && !si.si_pid) << 1;
	r |= none(SIGHUP, 200) << 2 | none(SIGCONT, 200) << 3;
	put(name(*what == 'x' ? "xsays" : "ysays", way), "%d", r);
	end_on(SIGUSR1, 20);
}

static pid_t anchor(int way, pid_t group, const char *kid)
{
	pid_t p = Fork();
	siginfo_t si;

	if (p)
		return p;
	setpgid(0, group);
	if (!Fork())
		hears(kid, way);
	getn(name(kid, way));
	sq(l, SIGRTMIN, way);
	if (way == WAYS - 1) {	/* these two are left without a parent, and hear it as well */
		take(SIGHUP, &si);
		take(SIGCONT, &si);
		put(name(*kid == 'x' ? "asays" : "bsays", way), "%d",
		    none(SIGHUP, 200) | none(SIGCONT, 200) << 1);
		_exit(30);
	}
	end_on(SIGUSR1, 30);
}

static void leader(void)
{
	pid_t a[WAYS], b[WAYS];
	siginfo_t si;

	l = getpid();
	setsid();
	for (int i = 0; i < WAYS; i++) {
		a[i] = anchor(i, 0, "x");
		take(SIGRTMIN, &si);
		b[i] = anchor(i, a[i], "y");
		take(SIGRTMIN, &si);
		kill(getn(name("x", i)), SIGSTOP);
	}
	sq(d_main, SIGRTMIN, 0);
	for (int i = 0; i < WAYS - 1; i++) {
		pid_t first = i == 1 ? b[i] : a[i], second = i == 1 ? a[i] : b[i];

		take(SIGRTMIN + 1, &si);
		kill(first, i == 3 ? SIGKILL : SIGUSR1);
		if (i < 2) {
			Wait(first, NULL, 0);
			put(name("first", i), "1");
			take(SIGRTMIN + 1, &si);
		}
		kill(second, i == 3 ? SIGKILL : SIGUSR1);
		Wait(-1, NULL, 0);
		if (i >= 2)
			Wait(-1, NULL, 0);
	}
	end_on(SIGUSR1, 40);
}

static int is_there(const char *what, int way)
{
	char path[800];

	snprintf(path, sizeof(path), "%s%s", d_pre, name(what, way));
	return !access(path, F_OK);
}

int main(int argc, char **argv)
{
	siginfo_t si;
	pid_t p;

	d_init(argc, argv);
	blk(SIGUSR1, SIGHUP, SIGCONT, SIGRTMIN, SIGRTMIN + 1, 0);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if ((p = Fork()) == 0)
		leader();
	take(SIGRTMIN, &si);
	for (int i = 0; i < WAYS; i++) {
		printf("%s\n", ways[i]);
		if (i == WAYS - 1)
			kill(p, SIGUSR1);
		else
			sq(p, SIGRTMIN + 1, 0);
		if (i < 2) {
			getn(name("first", i));
			msleep(200);
			SAY("nothing yet", !is_there("xsays", i) && !is_there("ysays", i));
			sq(p, SIGRTMIN + 1, 0);
		}
		printf("x 0x%lx", getn(name("xsays", i)));
		printf(" y 0x%lx\n", getn(name("ysays", i)));
		if (i == WAYS - 1) {
			printf("a 0x%lx", getn(name("asays", i)));
			printf(" b 0x%lx\n", getn(name("bsays", i)));
			reap("leader", p);
			for (int n = 0, w; n < 2; n++)
				if (Wait(-1, &w, 0) > 0)
					printf("a or b: %s\n", st(w));
		}
		kill(getn(name("x", i)), SIGUSR1);
		kill(getn(name("y", i)), SIGUSR1);
		reap("x", getn(name("x", i)));
		reap("y", getn(name("y", i)));
	}
	return d_end();
}
