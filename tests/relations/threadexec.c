// SPDX-License-Identifier: GPL-2.0-only
/* A non-leader thread of the child execs: pid stays, one thread, status and parent remain; grandchild inherited. */
#include "relations.h"
static pid_t leader;
static int dead;
static char exe[600];
static void *sl(void *a) { for (;;) pause(); return a; }
static void *ex(void *a)
{
	char arg[32], par[32];
	pid_t g = Fork();
	if (g == 0)
		_exit(12);
	for (int k = 0; dead && k < 10000; k++) {       /* until the leader is a zombie */
		char b[600], *q;
		rproc(b, sizeof b, "/proc/self/task/%d/stat", (int)leader);
		q = strrchr(b, ')');
		if (q && q[2] == 'Z')
			break;
		msleep(10);
	}
	snprintf(arg, sizeof arg, "%d", g);
	snprintf(par, sizeof par, "%d", leader);
	execl(exe, "x23", "again", arg, par, d_pre, NULL);
	return a;
}
int main(int argc, char **argv)
{
	pid_t c, c2;
	char b[4000], *q;
	if (argc == 5 && !strcmp(argv[1], "again")) {
		int w, g = atoi(argv[2]);
		alarm(100);
		if (getpid() != atoi(argv[3]) || gettid() != getpid())
			return 50;
		if (waitpid(g, &w, 0) != g)
			return 51;
		raise(SIGSTOP);
		return WEXITSTATUS(w) + 1;
	}
	d_init(argc, argv);
	/* a zombie leader has no /proc/self/exe any more */
	if (readlink("/proc/self/exe", exe, sizeof exe - 1) < 0)
		return 1;
	if ((c = Fork()) == 0) {
		pthread_t t;
		leader = getpid();
		pthread_create(&t, NULL, sl, NULL);
		pthread_create(&t, NULL, ex, NULL);
		sl(NULL);
	}
	if ((c2 = Fork()) == 0) {       /* the same, its leader dead already */
		pthread_t t;
		leader = getpid();
		dead = 1;
		pthread_create(&t, NULL, ex, NULL);
		pthread_exit(NULL);
	}
	for (int i = 0; i < 2; i++) {
		pid_t p = i ? c2 : c;
		printf("child %d\n", i);
		wi("stopped after exec", P_PID, p, WSTOPPED | WEXITED, p);
		rproc(b, sizeof b, "/proc/%d/status", p);
		q = strstr(b, "Threads:");
		printf("%.10s\n", q ? q : "?");
		rproc(b, sizeof b, "/proc/%d/cmdline", p);
		printf("argv0 %s\n", b);
		kill(p, SIGCONT);
		reap("end", p);
	}
	return d_end();
}
