// SPDX-License-Identifier: GPL-2.0-only
/* /proc/CHILD comm, cmdline, environ, status Name, exe before and after exec; of a zombie. */
#include "relations.h"
static void show(const char *what, pid_t p)
{
	char b[5000], *q;
	int n;
	printf("%s\n", what);
	rproc(b, sizeof b, "/proc/%d/comm", (int)p);
	printf(" comm %s", b);
	rproc(b, sizeof b, "/proc/%d/status", (int)p);
	printf(" %.*s\n", (int)strcspn(b, "\n"), b);
	q = strstr(b, "\nPPid:");
	printf(" parent %s\n", YN(q && atoi(q + 6) == d_main));
	n = rproc(b, sizeof b, "/proc/%d/cmdline", (int)p);
	for (int i = 0; i < n - 1; i++)
		if (!b[i])
			b[i] = '|';
	q = n > 0 ? strrchr(b, '/') : NULL;
	printf(" cmdline %s\n", n == 0 ? "empty" : q && strstr(q, "names") ? "ours" : b);
	n = rproc(b, sizeof b, "/proc/%d/environ", (int)p);
	for (int i = 0; i < n; i++)
		if (!b[i])
			b[i] = '\n';
	printf(" environ has FIRST %s\n", YN(n > 0 && strstr(b, "FIRST=1\n")));
}
int main(int argc, char **argv)
{
	pid_t c;
	siginfo_t si;
	char par[40];
	if (argc == 4 && !strcmp(argv[1], "execd")) {
		alarm(100);
		raise(SIGSTOP);
		raise(SIGSTOP);
		return getppid() == atoi(argv[2]) ? 8 : 9;
	}
	d_init(argc, argv);
	snprintf(par, sizeof par, "%d", (int)d_main);
	if ((c = Fork()) == 0) {
		prctl(PR_SET_NAME, "renamed");
		raise(SIGSTOP);
		setenv("FIRST", "1", 1);
		setenv("SECOND", "2", 1);
		execl("/proc/self/exe", "argzero", "execd", par, "last arg", NULL);
		_exit(99);
	}
	wi("stop", P_PID, c, WSTOPPED | WEXITED, c);
	show("before exec", c);
	kill(c, SIGCONT);
	wi("stop", P_PID, c, WSTOPPED | WEXITED, c);
	{
		char b[300];
		rproc(b, sizeof b, "/proc/%d/comm", (int)c);
		printf("comm %s", b);
		int n = rproc(b, sizeof b, "/proc/%d/cmdline", (int)c);
		b[300 - 1] = 0;
		printf("cmdline parts:");
		for (char *q = b; q < b + n; q += strlen(q) + 1)
			printf(" [%s]", q == b + strlen("argzero") + 1 + 6 ? "PID" : q);
		printf("\n");
	}
	{
		static char e[100000];
		int n = rproc(e, sizeof e, "/proc/%d/environ", (int)c);
		for (int i = 0; i < n; i++)
			if (!e[i])
				e[i] = '\n';
		printf("environ FIRST %s SECOND %s\n", YN(strstr(e, "FIRST=1\n")), YN(strstr(e, "SECOND=2\n")));
	}
	char l1[600], l2[600];
	ssize_t n1 = readlink("/proc/self/exe", l1, sizeof l1), n2;
	snprintf(par, sizeof par, "/proc/%d/exe", (int)c);
	n2 = readlink(par, l2, sizeof l2);
	SAY("exe the same", n1 == n2 && n1 > 0 && !memcmp(l1, l2, n1));
	kill(c, SIGCONT);
	wi("stop", P_PID, c, WSTOPPED | WEXITED, c);
	kill(c, SIGCONT);
	waitid(P_PID, c, &si, WEXITED | WNOWAIT);
	{
		char b[300];
		rproc(b, sizeof b, "/proc/%d/comm", (int)c);
		printf("zombie comm %s", b);
		printf("zombie cmdline length %d\n", rproc(b, sizeof b, "/proc/%d/cmdline", (int)c));
		SAY("zombie exe", readlink(par, l2, sizeof l2) >= 0);
	}
	reap("it", c);
	return d_end();
}
