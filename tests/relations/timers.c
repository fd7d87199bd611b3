// SPDX-License-Identifier: GPL-2.0-only
/* alarm, setitimer, timer_create in children: death by each, handled ones; not inherited by fork; kept over exec. */
#include "relations.h"
int main(int argc, char **argv)
{
	static const char *nm[] = {"alarm", "ITIMER_REAL", "ITIMER_PROF", "ITIMER_VIRTUAL", "timer_create", "alarm over exec", "not inherited", "alarm while stopped",
		"alarm replaced"};
	enum { N = sizeof nm / sizeof *nm };
	pid_t p[N], g;
	struct itimerval it = {{0, 0}, {0, 200000}};
	d_init(argc, argv);
	for (int i = 0; i < N; i++) {
		if ((p[i] = Fork()))
			continue;
		switch (i) {
		case 0: alarm(1); break;
		case 1: setitimer(ITIMER_REAL, &it, NULL); break;
		case 2: setitimer(ITIMER_PROF, &it, NULL); for (;;) ;
		case 3: setitimer(ITIMER_VIRTUAL, &it, NULL); for (;;) ;
		case 4: {
			timer_t t;
			struct sigevent se;
			struct itimerspec ts = {{0, 0}, {0, 200000000}};
			siginfo_t si;
			blk(SIGRTMIN + 2, 0);
			memset(&se, 0, sizeof se);
			se.sigev_notify = SIGEV_SIGNAL;
			se.sigev_signo = SIGRTMIN + 2;
			se.sigev_value.sival_int = 88;
			if (timer_create(CLOCK_MONOTONIC, &se, &t) || timer_settime(t, 0, &ts, NULL))
				_exit(90);
			take(SIGRTMIN + 2, &si);
			_exit(si.si_code == SI_TIMER ? si.si_value.sival_int : 91);
		}
		case 5:
			alarm(1);
			execl("/bin/sh", "sh", "-c", "while :; do :; done", NULL);
			_exit(99);
		case 6: {
			int w;
			alarm(100);
			fflush(stdout);
			if ((g = fork()) == 0)
				_exit(alarm(0) == 0 ? 5 : 6);
			Wait(g, &w, 0);
			_exit(WEXITSTATUS(w));
		}
		case 7: alarm(1); raise(SIGSTOP); break;
		case 8: alarm(1000); _exit(alarm(0) > 800 ? 9 : 10);
		}
		for (;;)
			pause();
	}
	wi("stopped one", P_PID, p[7], WSTOPPED | WEXITED, p[7]);
	msleep(1300);
	wi("it does not die yet", P_PID, p[7], WEXITED | WNOHANG, p[7]);
	kill(p[7], SIGCONT);
	for (int i = 0; i < N; i++)
		reap(nm[i], p[i]);
	return d_end();
}
