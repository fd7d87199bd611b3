// SPDX-License-Identifier: GPL-2.0-only
/* /proc/CHILD/limits, oom_score_adj, cwd, fd of a child read (and written) by the parent. */
#include "relations.h"
static void lim(const char *what, pid_t p)
{
	char b[5000], *q;
	unsigned long x = 0, y = 0;
	rproc(b, sizeof b, "/proc/%d/limits", (int)p);
	q = strstr(b, "Max open files");
	if (q)
		sscanf(q + 14, "%lu %lu", &x, &y);
	printf("%s: open files %lu %lu\n", what, x, y);
}
int main(int argc, char **argv)
{
	pid_t c;
	siginfo_t si;
	struct rlimit n = {77, 99};
	char f[60], b[600];
	ssize_t k;
	d_init(argc, argv);
	blk(SIGUSR1, SIGRTMIN, 0);
	if ((c = Fork()) == 0) {
		struct rlimit r = {60, 120};
		setrlimit(RLIMIT_NOFILE, &r);
		if (chdir("/etc") || dup2(0, 42) != 42)
			_exit(90);
		sq(d_main, SIGRTMIN, 0);
		take(SIGUSR1, NULL);
		getrlimit(RLIMIT_NOFILE, &r);
		rproc(b, sizeof b, "/proc/self/oom_score_adj");
		sq(d_main, SIGRTMIN, r.rlim_cur == 77 && r.rlim_max == 99 ? atoi(b) : -1);
		end_on(SIGUSR1, 5);
	}
	take(SIGRTMIN, &si);
	lim("set by the child", c);
	printf("prlimit %s\n", en(prlimit(c, RLIMIT_NOFILE, &n, NULL)));
	lim("set by us", c);
	snprintf(f, sizeof f, "/proc/%d/cwd", (int)c);
	k = readlink(f, b, sizeof b - 1);
	b[k < 0 ? 0 : k] = 0;
	printf("cwd %s\n", b);
	snprintf(f, sizeof f, "/proc/%d/fd/42", (int)c);
	k = readlink(f, b, sizeof b - 1);
	b[k < 0 ? 0 : k] = 0;
	printf("fd 42 %s\n", b);
	snprintf(f, sizeof f, "/proc/%d/oom_score_adj", (int)c);
	int fd = open(f, O_WRONLY | O_CLOEXEC);
	SAY("oom_score_adj written", fd >= 0 && write(fd, "321", 3) == 3);
	close(fd);
	rproc(b, sizeof b, "/proc/%d/oom_score_adj", (int)c);
	printf("oom_score_adj %s", b);
	kill(c, SIGUSR1);
	take(SIGRTMIN, &si);
	printf("child sees %d\n", si.si_value.sival_int);
	kill(c, SIGUSR1);
	waitid(P_PID, c, &si, WEXITED | WNOWAIT);
	lim("zombie", c);
	snprintf(f, sizeof f, "/proc/%d/cwd", (int)c);
	SAY("zombie has a cwd", readlink(f, b, sizeof b) >= 0);
	reap("it", c);
	printf("limits of the reaped: %s\n", en(rproc(b, sizeof b, "/proc/%d/limits", (int)c)));
	return d_end();
}
