// SPDX-License-Identifier: GPL-2.0-only
/* What fork and exec keep: mask, ignored signals, pending (not by fork, kept by exec), handlers reset by exec, nice, rlimits, umask, cwd. */
#include "relations.h"
static void h(int s) { (void)s; }
static int look(void)
{
	sigset_t m;
	struct sigaction sa;
	struct rlimit rl;
	char cwd[300];
	int r = 0;
	sigprocmask(SIG_BLOCK, NULL, &m);
	r |= sigismember(&m, SIGUSR1) << 0;
	r |= pending(SIGUSR1) << 1;
	sigaction(SIGUSR2, NULL, &sa);
	r |= (sa.sa_handler == SIG_IGN) << 2;
	sigaction(SIGURG, NULL, &sa);
	r |= (sa.sa_handler == SIG_DFL ? 0 : 1) << 3;
	r |= (getpriority(PRIO_PROCESS, 0) == 3) << 4;
	getrlimit(RLIMIT_NOFILE, &rl);
	r |= (rl.rlim_cur == 123) << 5;
	mode_t u = umask(0);
	r |= (u == 027) << 6;
	r |= (getcwd(cwd, sizeof cwd) && !strcmp(cwd, "/usr")) << 7;
	return r;
}
int main(int argc, char **argv)
{
	pid_t c[2];
	struct rlimit rl = {123, 200};
	if (argc == 2 && !strcmp(argv[1], "look"))
		return look();
	d_init(argc, argv);
	blk(SIGUSR1, 0);
	signal(SIGUSR2, SIG_IGN);
	signal(SIGURG, h);
	kill(getpid(), SIGUSR1);
	if (setpriority(PRIO_PROCESS, 0, 3) || setrlimit(RLIMIT_NOFILE, &rl) || chdir("/usr"))
		return 1;
	umask(027);
	printf("me: 0x%x\n", look());
	umask(027);
	for (int i = 0; i < 2; i++)
		if ((c[i] = Fork()) == 0) {
			if (i == 0)
				_exit(look());
			kill(getpid(), SIGUSR1);
			execl("/proc/self/exe", "x", "look", NULL);
			_exit(99);
		}
	for (int i = 0; i < 2; i++) {
		int w;
		Wait(c[i], &w, 0);
		printf("%s: 0x%x %s\n", i ? "exec" : "fork", WEXITSTATUS(w), YN(WIFEXITED(w)));
	}
	return d_end();
}
