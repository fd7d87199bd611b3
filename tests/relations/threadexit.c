// SPDX-License-Identifier: GPL-2.0-only
/* Exit of multi-threaded children: exit_group from a thread, last thread's code, killed by a signal to a thread. */
#include "relations.h"
static void *e(void *a) { _exit((int)(intptr_t)a); }
static void *xe(void *a) { exit((int)(intptr_t)a); }
static void *sl(void *a) { for (;;) pause(); return a; }
static void *kt(void *a) { syscall(SYS_tgkill, getpid(), getpid(), SIGUSR2); for (;;) pause(); return a; }
static void *ks(void *a) { *(volatile int *)a = 1; return NULL; }
static void *joins(void *a) { pthread_join(*(pthread_t *)a, NULL); syscall(SYS_exit, 33); return NULL; }
static void *jz(void *a) { pthread_join(*(pthread_t *)a, NULL); return NULL; }
static void *ks2(void *a) { raise(SIGSTOP); _exit((int)(intptr_t)a); }
static pthread_t lead;
int main(int argc, char **argv)
{
	static const char *n[] = {"_exit by thread", "exit by thread", "main _exit, threads live", "return of main", "signal to leader", "fault in thread",
		"leader exits, thread _exits", "all leave by pthread_exit", "leader raw exit 22, last thread raw exit 33", "thread stops all, then exits"};
	enum { N = sizeof n / sizeof *n };
	pid_t p[N];
	d_init(argc, argv);
	for (int i = 0; i < N; i++) {
		if ((p[i] = Fork()))
			continue;
		pthread_t t, u;
		lead = pthread_self();
		pthread_create(&u, NULL, i == 6 ? sl : i == 7 ? jz : i == 8 ? joins : sl, &lead);
		switch (i) {
		case 0: pthread_create(&t, NULL, e, (void *)71); sl(NULL); break;
		case 1: pthread_create(&t, NULL, xe, (void *)72); sl(NULL); break;
		case 2: _exit(73);
		case 3: return 74;
		case 4: pthread_create(&t, NULL, kt, NULL); sl(NULL); break;
		case 5: pthread_create(&t, NULL, ks, (void *)8); sl(NULL); break;
		case 6: pthread_create(&t, NULL, e, (void *)76); pthread_exit(NULL);
		case 7: pthread_exit(NULL);
		case 8: syscall(SYS_exit, 22); break;
		case 9: pthread_create(&t, NULL, ks2, (void *)79); sl(NULL); break;
		}
		_exit(99);
	}
	for (int i = 0; i < N; i++) {
		if (i == 9) {
			wi("stopped", P_PID, p[i], WSTOPPED, p[i]);
			kill(p[i], SIGCONT);
		}
		reap(n[i], p[i]);
	}
	return d_end();
}
