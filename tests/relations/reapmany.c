// SPDX-License-Identifier: GPL-2.0-only
/* A subreaper of many: six parents with four children each end, half of them killed with all of theirs; each status comes once. */
#include "relations.h"
#define MIDS 6
#define KIDS 4
static pid_t pids[MIDS][KIDS + 1];	/* children, and behind them their parent */

static void kid(int i, int j)
{
	sq(d_main, SIGRTMIN, i * KIDS + j);
	if (j == 0)	/* nobody has waited for it when its parent ends */
		_exit(40 + i);
	if (j < 3)
		end_on(SIGUSR1, 40 + 10 * j + i);
	for (int n = 0; n < 10000; n++) {
		if (getppid() == d_main)
			_exit(70 + i);
		msleep(10);
	}
	_exit(99);
}

static void mid(int i)
{
	siginfo_t si;
	pid_t p;

	setpgid(0, 0);
	for (int j = 0; j < KIDS; j++) {
		if ((p = Fork()) == 0)
			kid(i, j);
		if (j == 0)
			waitid(P_PID, p, &si, WEXITED | WNOWAIT);
	}
	sq(d_main, SIGRTMIN + 1, i);
	end_on(SIGUSR1, i);
}

int main(int argc, char **argv)
{
	int w, got[MIDS][KIDS + 1] = {{0}}, twice = 0, others = 0;
	static char said[MIDS][KIDS + 1][48];
	siginfo_t si;
	pid_t p;

	d_init(argc, argv);
	blk(SIGUSR1, SIGRTMIN, SIGRTMIN + 1, 0);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (int i = 0; i < MIDS; i++)
		if ((pids[i][KIDS] = Fork()) == 0)
			mid(i);
	for (int n = 0; n < MIDS * KIDS; n++) {
		take(SIGRTMIN, &si);
		pids[si.si_value.sival_int / KIDS][si.si_value.sival_int % KIDS] = si.si_pid;
	}
	for (int n = 0; n < MIDS; n++)
		take(SIGRTMIN + 1, &si);
	for (int i = 0; i < MIDS; i++)
		kill(i % 2 ? -pids[i][KIDS] : pids[i][KIDS], i % 2 ? SIGKILL : SIGUSR1);
	for (int i = 0; i < MIDS; i += 2)
		for (int j = 1; j < 3; j++)
			kill(pids[i][j], SIGUSR1);
	while ((p = wait(&w)) > 0) {
		int *n = &others;

		for (int i = 0; i < MIDS; i++)
			for (int j = 0; j <= KIDS; j++)
				if (pids[i][j] == p) {
					n = &got[i][j];
					snprintf(said[i][j], sizeof(said[i][j]), "%s", st(w));
				}
		twice += n != &others && *n;
		++*n;
	}
	printf("then %s, others %d, twice %d\n", en(-1), others, twice);
	for (int i = 0; i < MIDS; i++) {
		printf("parent %d: %s, its children:", i, said[i][KIDS]);
		for (int j = 0; j < KIDS; j++)
			printf(" %d %s;", got[i][j], said[i][j]);
		printf("\n");
	}
	return d_end();
}
