// SPDX-License-Identifier: GPL-2.0-only
/*
 * sigwatch FILE: writes a line for every signal it gets, with all that the
 * siginfo says; SIGTERM ends it with status 15.
 *   ready PID TID2          TID2: a second thread, for directed signals
 *   sig SIGNO code CODE pid PID uid UID value VALUE tid TID
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static FILE *out;
static sigset_t set;

static void *watch(void *unused)
{
	siginfo_t si;

	(void)unused;
	for (;;) {
		if (sigwaitinfo(&set, &si) < 0)
			continue;
		fprintf(out, "sig %d code %d pid %d uid %d value %d tid %d\n",
			si.si_signo, si.si_code, si.si_pid, si.si_uid,
			si.si_code == SI_QUEUE ? si.si_value.sival_int : 0,
			gettid());
		fflush(out);
		if (si.si_signo == SIGTERM)
			_exit(15);
	}
	return NULL;
}

static int second_tid;

static void *second(void *unused)
{
	sigset_t usr2;
	int sig;

	(void)unused;
	sigemptyset(&usr2);
	sigaddset(&usr2, SIGUSR2);
	__atomic_store_n(&second_tid, gettid(), __ATOMIC_SEQ_CST);
	for (;;) {
		sigwait(&usr2, &sig);
		fprintf(out, "thread %d\n", gettid());
		fflush(out);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	sigset_t all;
	pthread_t t;

	if (argc != 2)
		return 2;
	out = fopen(argv[1], "w");
	if (!out)
		return 1;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	set = all;
	sigdelset(&set, SIGUSR2);
	pthread_create(&t, NULL, second, NULL);
	while (!__atomic_load_n(&second_tid, __ATOMIC_SEQ_CST))
		usleep(1000);
	fprintf(out, "ready %d %d\n", getpid(), second_tid);
	fflush(out);
	watch(NULL);
	return 0;
}
