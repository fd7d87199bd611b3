// SPDX-License-Identifier: GPL-2.0-only
/* Four generations, each waits for the next and passes an arithmetic result up; each checks its line. */
#include "relations.h"
static int gen(int depth, pid_t parent, pid_t grand)
{
	int w;
	if (getppid() != parent)
		return 250;
	if (depth == 4)
		return 5;
	pid_t me = getpid(), c = Fork();
	if (c == 0)
		_exit(gen(depth + 1, me, parent));
	if (Wait(c, &w, 0) != c || !WIFEXITED(w))
		return 251;
	if (getppid() != parent || kill(grand, 0) < 0)
		return 252;
	if (Wait(c, &w, WNOHANG) != -1 || errno != ECHILD)
		return 253;
	return WEXITSTATUS(w) * 2 + depth;
}
int main(int argc, char **argv)
{
	pid_t c;
	d_init(argc, argv);
	if ((c = Fork()) == 0)
		_exit(gen(1, d_main, d_main));
	reap("chain", c);     /* (((5*2+3)*2+2)*2+1) = 57 */
	if ((c = Fork()) == 0) {    /* killed at the bottom, status turned into a signal upwards */
		pid_t g = Fork();
		int w;
		if (g == 0) {
			if ((g = Fork()) == 0)
				raise(SIGUSR2);
			Wait(g, &w, 0);
			raise(WTERMSIG(w));
			_exit(1);
		}
		Wait(g, &w, 0);
		raise(WTERMSIG(w));
		_exit(1);
	}
	reap("signal chain", c);
	return d_end();
}
