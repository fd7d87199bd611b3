// SPDX-License-Identifier: GPL-2.0-only
/*
 * Starting a process. Made with the bare system calls: the C library's fork()
 * and setuid() know of threads that the child does not have.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "init.h"

#define HIGH_FD	16	/* descriptors wait above those they are to become */

extern char **environ;

/* Everything that the child needs, made ready before it exists. */
struct plan {
	const Pando__RunRequest *run;
	char **argv, **env;
	char *file;
	gid_t *groups;
	int fd[CHILD_FDS], nfds;
	int slave, events;
	int error_fd;
};

static void fail_with(const struct plan *p, const char *what, int status)
{
	struct failure f = { .error = errno, .status = status };

	snprintf(f.what, sizeof(f.what), "%s", what);
	while (write(p->error_fd, &f, sizeof(f)) < 0 && errno == EINTR)
		;
	_exit(status);
}

static void fail(const struct plan *p, const char *what)
{
	fail_with(p, what, 125);
}

static void child_credentials(const struct plan *p)
{
	const Pando__RunRequest *r = p->run;

	if (syscall(SYS_setgroups, r->n_groups, p->groups) < 0)
		fail(p, "setgroups");
	if (syscall(SYS_setresgid, r->gid, r->gid, r->gid) < 0)
		fail(p, "setgid");
	if (syscall(SYS_setresuid, r->uid, r->uid, r->uid) < 0)
		fail(p, "setuid");
}

static void child_limits(const struct plan *p)
{
	const Pando__RunRequest *r = p->run;

	/* after the credentials: nobody gets more than they could ask for */
	for (size_t i = 0; i < r->n_limits; i++) {
		struct rlimit now, want = { r->limits[i]->soft,
					    r->limits[i]->hard };

		if (getrlimit(r->limits[i]->resource, &now) < 0)
			continue;
		if (r->uid && want.rlim_max > now.rlim_max)
			want.rlim_max = now.rlim_max;
		if (want.rlim_cur > want.rlim_max)
			want.rlim_cur = want.rlim_max;
		setrlimit(r->limits[i]->resource, &want);
	}
	if (r->nice)
		setpriority(PRIO_PROCESS, 0, r->nice);
}

static void child(const struct plan *p)
{
	sigset_t none;

	setsid();
	if (p->slave >= 0 && (ioctl(p->slave, TIOCSCTTY, 0) < 0 ||
			      terminal_lead(p->slave, p->events,
					    !p->run->background) < 0))
		fail(p, "terminal");
	for (int i = 0; i < p->nfds; i++)
		if (dup2(p->fd[i], i) < 0)
			fail(p, "descriptors");
	for (int i = 0; i < 3 && p->slave >= 0; i++)
		dup2(p->slave, i);
	umask(p->run->umask);
	child_credentials(p);
	child_limits(p);
	if (*p->run->cwd && chdir(p->run->cwd) < 0 &&
	    !(p->run->cwd_implied && chdir("/") == 0))
		fail(p, p->run->cwd);
	environ = p->env;
	/* what was ignored by those before us must not be by a user's program */
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execvp(p->file, p->argv);
	fail_with(p, p->file, errno == ENOENT ? 127 : 126);
}

/*
 * clone3(); a node-local one gets the first free number of its own block. The
 * others are born where they can be frozen.
 */
static pid_t make_task(bool local)
{
	static pid_t cursor = LOCAL_FIRST;
	struct clone_args args = { .exit_signal = SIGCHLD };
	pid_t tid, pid;

	if (!local && guard_cgroup() >= 0) {
		args.flags = CLONE_INTO_CGROUP;
		args.cgroup = guard_cgroup();
	}
	if (!local)
		return syscall(SYS_clone3, &args, sizeof(args));
	args.set_tid = (uintptr_t)&tid;
	args.set_tid_size = 1;
	for (int i = LOCAL_FIRST; i < PANDO_LOCAL_PIDS; i++) {
		tid = cursor++;
		if (cursor == PANDO_LOCAL_PIDS)
			cursor = LOCAL_FIRST;
		pid = syscall(SYS_clone3, &args, sizeof(args));
		if (pid >= 0 || errno != EEXIST)
			return pid;
	}
	errno = EAGAIN;
	return -1;
}

static void plan_free(struct plan *p)
{
	for (int i = 0; i < p->nfds; i++)
		close(p->fd[i]);
	if (p->slave >= 0)
		close(p->slave);
	free(p->file);
	free(p->groups);
	if (p->argv && p->argv[0])
		free(p->argv[0]);
	free(p->argv);
	free(p->env);
}

static bool plan_words(struct plan *p, const Pando__RunRequest *r)
{
	size_t i;

	p->argv = calloc(r->n_argv + 1, sizeof(char *));
	p->env = calloc(r->n_env + 2, sizeof(char *));
	p->groups = calloc(r->n_groups + 1, sizeof(gid_t));
	p->file = strdup(r->argv[0]);
	if (!p->argv || !p->env || !p->groups || !p->file)
		return false;
	for (i = 1; i < r->n_argv; i++)
		p->argv[i] = r->argv[i];
	/* a login shell knows itself by the dash */
	if (asprintf(&p->argv[0], "%s%s", *r->login ? "-" : "",
		     *r->login ? basename(r->argv[0]) : r->argv[0]) < 0) {
		p->argv[0] = NULL;
		return false;
	}
	for (i = 0; i < r->n_env; i++)
		p->env[i] = r->env[i];
	for (i = 0; i < r->n_groups; i++)
		p->groups[i] = r->groups[i];
	return true;
}

static int open_pty(const Pando__RunRequest *r, int *slave)
{
	struct winsize ws = { .ws_row = r->rows, .ws_col = r->cols };
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (master < 0)
		return -1;
	if (grantpt(master) < 0 || unlockpt(master) < 0 ||
	    (*slave = ioctl(master, TIOCGPTPEER,
			    O_RDWR | O_NOCTTY | O_CLOEXEC)) < 0) {
		close(master);
		return -1;
	}
	ioctl(master, TIOCSWINSZ, &ws);
	/* the user's own, as a login would make it */
	if (fchown(*slave, r->uid, -1) < 0)
		say("warning", "cannot give a terminal away: %s",
		    strerror(errno));
	return master;
}

static bool plan_descriptors(struct plan *p, const int *fds, int nfds)
{
	if (nfds > CHILD_FDS) {
		errno = EINVAL;
		return false;
	}
	for (int i = 0; i < nfds; i++) {
		p->fd[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, HIGH_FD);
		if (p->fd[i] < 0)
			return false;
		p->nfds++;
	}
	return true;
}

struct child *spawn(const Pando__Spawn *s, const int *fds, int nfds, int events,
		    struct failure *f)
{
	struct plan p = { .run = s->run, .slave = -1, .events = events,
			  .error_fd = -1 };
	struct child *c = calloc(1, sizeof(*c));
	const char *what = "memory";
	int error_pipe[2] = { -1, -1 };

	errno = ENOMEM;
	if (!c)
		goto fail;
	c->master = c->error_fd = -1;
	if (!s->run || !s->run->n_argv || !*s->run->argv[0]) {
		errno = EINVAL;
		what = "no command";
		goto fail;
	}
	if (!plan_words(&p, s->run))
		goto fail;
	what = "descriptors";
	if (!plan_descriptors(&p, fds, nfds))
		goto fail;
	if (pipe2(error_pipe, O_CLOEXEC) < 0)
		goto fail;
	what = "terminal";
	if (s->run->tty) {
		c->master = open_pty(s->run, &p.slave);
		if (c->master < 0)
			goto fail;
	}
	/* above the numbers that the child's own are to have */
	p.error_fd = fcntl(error_pipe[1], F_DUPFD_CLOEXEC, HIGH_FD);
	what = "fork";
	if (p.error_fd < 0)
		goto fail;
	c->pid = make_task(s->local);
	if (!c->pid)
		child(&p);
	if (c->pid < 0)
		goto fail;
	if (s->run->tty) {
		c->leader = c->pid;
		c->pid = 0;
	}
	close(p.error_fd);
	close(error_pipe[1]);
	c->error_fd = error_pipe[0];
	fcntl(c->error_fd, F_SETFL, O_NONBLOCK);
	plan_free(&p);
	return c;
fail:
	f->error = errno;
	f->status = 125;
	snprintf(f->what, sizeof(f->what), "%s", what);
	for (int i = 0; i < 2; i++)
		if (error_pipe[i] >= 0)
			close(error_pipe[i]);
	if (p.error_fd >= 0)
		close(p.error_fd);
	plan_free(&p);
	if (c && c->master >= 0)
		close(c->master);
	free(c);
	return NULL;
}
