// SPDX-License-Identifier: GPL-2.0-only
/* Children that exec: true, false, sh killing itself, exit 7, stop themselves, exec of nothing, exec chain; env and args. */
#include "relations.h"
int main(int argc, char **argv)
{
	static const char *sh[] = {"kill -9 $$", "exit 7", "kill -TERM $$; exit 1", "exec sh -c 'exec sh -c \"exit 19\"'", "(exit 5); exit $(( $? + 1 ))",
		"(kill -USR1 $$); exit 3", "kill -STOP $$; exit 21", "test $PPID = $P && exit 31", "sh -c 'kill -KILL $$' 2>/dev/null; exit $(( $? - 100 ))",
		"sh -c 'exit 4' & wait $!; exit $?", "trap 'exit 44' USR2; kill -USR2 $$; exit 1", "no_such_command_at_all 2>/dev/null"};
	enum { N = sizeof sh / sizeof *sh };
	pid_t p[N + 4];
	char e[30];
	d_init(argc, argv);
	snprintf(e, sizeof e, "%d", (int)d_main);
	setenv("P", e, 1);
	for (int i = 0; i < N + 4; i++)
		if ((p[i] = Fork()) == 0) {
			if (i < N)
				execl("/bin/sh", "sh", "-c", sh[i], NULL);
			else if (i == N)
				execl("/bin/true", "true", NULL);
			else if (i == N + 1)
				execl("/bin/false", "false", NULL);
			else if (i == N + 2)
				execl("/nonexistent/x", "x", NULL);
			else
				execlp("env", "env", "-i", "/bin/sh", "-c", "test -z \"$P\" && exit 61", NULL);
			_exit(errno == ENOENT ? 127 : 126);
		}
	wi("stopped sh", P_PID, p[6], WSTOPPED | WEXITED, p[6]);
	kill(p[6], SIGCONT);
	for (int i = 0; i < N + 4; i++)
		reap(i < N ? sh[i] : i == N ? "true" : i == N + 1 ? "false" : i == N + 2 ? "no such" : "env -i", p[i]);
	return d_end();
}
