// SPDX-License-Identifier: GPL-2.0-only
/* The child's leader thread ends while another thread runs: state Z, not waitable, still alive for kill; then it ends. */
#include "relations.h"
static void *thr(void *a)
{
	int w;
	pid_t g = Fork();       /* a child of the non-leader */
	if (g == 0)
		_exit(getppid() == (pid_t)(intptr_t)a ? 3 : 4);
	if (Wait(g, &w, 0) != g || WEXITSTATUS(w) != 3)
		_exit(91);
	sq(d_main, SIGRTMIN, gettid());
	take(SIGUSR1, NULL);
	sq(d_main, SIGRTMIN, getppid() == d_main);
	raise(SIGSTOP);         /* thread-directed, stops the whole process */
	end_on(SIGUSR1, 66);
}
int main(int argc, char **argv)
{
	pid_t c, t;
	siginfo_t si;
	char b[2000], *q = NULL;
	int w;
	d_init(argc, argv);
	blk(SIGUSR1, SIGRTMIN, 0);
	if ((c = Fork()) == 0) {
		pthread_t th;
		pthread_create(&th, NULL, thr, (void *)(intptr_t)getpid());
		pthread_exit(NULL);
	}
	take(SIGRTMIN, &si);
	t = si.si_value.sival_int;
	SAY("sender is the process", si.si_pid == c);
	SAY("tid differs", t != c);
	for (int k = 0; k < 10000; k++) {
		rproc(b, sizeof b, "/proc/%d/stat", c);
		q = strrchr(b, ')');
		if (q && q[2] == 'Z')
			break;
		msleep(10);
	}
	printf("leader's state: %c\n", q ? q[2] : '?');
	rproc(b, sizeof b, "/proc/%d/task/%d/stat", c, t);
	q = strrchr(b, ')');
	SAY("thread's state is S or R", q && (q[2] == 'S' || q[2] == 'R'));
	printf("not waitable: %d\n", (int)Wait(c, &w, WNOHANG));
	wi("by P_ALL", P_ALL, 0, WEXITED | WNOHANG | WNOWAIT, c);
	printf("kill 0: %s\n", en(kill(c, 0)));
	printf("getpgid: %s\n", YN(getpgid(c) == getpgrp()));
	printf("tgkill 0 to thread: %s\n", en(syscall(SYS_tgkill, c, t, 0)));
	kill(c, SIGUSR1);
	take(SIGRTMIN, &si);
	SAY("it still knows its parent", si.si_value.sival_int);
	wi("stop of the leaderless", P_PID, c, WSTOPPED | WEXITED, c);
	kill(c, SIGCONT);
	wi("continued", P_PID, c, WCONTINUED | WEXITED, c);
	kill(c, SIGUSR1);
	wi("end", P_PID, c, WEXITED, c);
	printf("kill 0 now: %s\n", en(kill(c, 0)));
	return d_end();
}
