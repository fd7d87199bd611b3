// SPDX-License-Identifier: GPL-2.0-only
/*
 * pando-move: one side of one move. The daemon starts it inside the cluster's
 * PID, mount and time namespaces with a socket on descriptor 3, and it lives
 * no longer than the move. It keeps nothing: whoever dies, what it held is
 * let go, and before the commit that means that the process runs on where it
 * was.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fault.h"
#include "move.h"

/*
 * Descriptors 0 to 2 must be taken, or the first socket we open becomes the
 * stdout of criu.
 */
static void fill_stdio(void)
{
	struct stat st;

	for (int fd = 0; fd < 3; fd++)
		if (fstat(fd, &st) && open("/dev/null", O_RDWR) != fd)
			_exit(1);
}

int main(int argc, char **argv)
{
	struct move m = { .daemon = MOVE_DAEMON_FD, .peer = -1, .dir = -1,
			  .slave = -1 };
	struct stat st;
	int err;

	if (argc > 1) {
		if (!strcmp(argv[1], "--version")) {
			printf("pando-move %s\n", PANDO_VERSION);
			return 0;
		}
		fputs("pando-move is started by pandod, never by hand\n",
		      stderr);
		return 2;
	}
	if (fstat(MOVE_DAEMON_FD, &st) || !S_ISSOCK(st.st_mode)) {
		fputs("pando-move: no daemon on descriptor 3; it is started by pandod\n",
		      stderr);
		return 2;
	}
	fcntl(MOVE_DAEMON_FD, F_SETFD, FD_CLOEXEC);
	fill_stdio();
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	/* a session of our own: a group kill meant for others is not ours */
	setsid();
	umask(077);
	/*
	 * We hold the memory of others in our buffers: no core dump, and no
	 * look at us by anyone but root.
	 */
	prctl(PR_SET_DUMPABLE, 0);

	/* while we are small: what it makes has what we have now */
	if (nursery_start(&m.nursery))
		fputs("pando-move: no nursery for stubs\n", stderr);
	fault_load();
	err = report_start(&m);
	if (err) {
		fprintf(stderr, "pando-move: no order from the daemon: %s\n",
			strerror(-err));
		return 1;
	}
	err = m.start->source ? source_run(&m) : target_run(&m);
	workdir_remove(&m);
	nursery_end(&m.nursery);
	if (err) {
		Pando__MoveEvent ev = PANDO__MOVE_EVENT__INIT;

		if (!m.reason[0])
			move_fail(&m, "%s", strerror(-err));
		ev.text = m.reason;
		report(&m, "failed", &ev);
	}
	return err ? 1 : 0;
}
