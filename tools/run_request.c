// SPDX-License-Identifier: GPL-2.0-only
/* What a program inherits, put into a request. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "daemon.h"
#include "run.h"
#include "term.h"

static void set_env(char ***env, size_t *count, char *entry)
{
	size_t len = strcspn(entry, "=") + 1;

	for (size_t i = 0; i < *count; i++) {
		if (!strncmp((*env)[i], entry, len)) {
			(*env)[i] = entry;
			return;
		}
	}
	*env = cli_grow(*env, *count + 1, sizeof(**env));
	(*env)[(*count)++] = entry;
}

/* What a login shell is told; the rest it makes up where it runs. */
static bool for_login(const char *entry)
{
	static const char *const names[] = {
		"TERM=", "COLORTERM=", "NO_COLOR=", "LANG=", "LANGUAGE=",
		"LC_", "TZ=",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strncmp(entry, names[i], strlen(names[i])))
			return true;
	return false;
}

/* The caller's environment with what -e says. */
static void take_env(Pando__RunRequest *request, const struct run *r)
{
	for (char **e = environ; *e; e++)
		if (strchr(*e, '=') && (!r->login || for_login(*e)))
			set_env(&request->env, &request->n_env, *e);
	for (size_t i = 0; i < r->envs; i++)
		set_env(&request->env, &request->n_env, r->env[i]);
}

static char *take_cwd(const struct run *r)
{
	char *cwd, *path;

	if (r->cwd && *r->cwd == '/')
		return cli_strdup(r->cwd);
	/* empty: the home directory there */
	if (r->login && !r->cwd)
		return cli_strdup("");
	cwd = getcwd(NULL, 0);
	if (!cwd)
		cli_die("the working directory is gone: %s; name one with -w",
			strerror(errno));
	if (!r->cwd)
		return cwd;
	if (asprintf(&path, "%s/%s", cwd, r->cwd) < 0)
		cli_die("out of memory");
	free(cwd);
	return path;
}

static void take_limits(Pando__RunRequest *request)
{
	static Pando__Limit limits[RLIM_NLIMITS];
	static Pando__Limit *list[RLIM_NLIMITS];

	request->limits = list;
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		Pando__Limit *limit = &limits[request->n_limits];
		struct rlimit now;

		if (getrlimit(i, &now))
			continue;
		pando__limit__init(limit);
		limit->resource = i;
		limit->soft = now.rlim_cur;
		limit->hard = now.rlim_max;
		list[request->n_limits++] = limit;
	}
}

static void take_terminal(Pando__RunRequest *request)
{
	char *term = getenv("TERM");

	request->rows = 24;
	request->cols = 80;
	term_size(&request->rows, &request->cols);
	request->term = term ? term : (char *)"dumb";
}

/*
 * A detached program keeps files that it writes to and nothing else: who waits
 * for the end of a pipe would wait for the program.
 */
static int detached(int fd, int null)
{
	struct stat st;

	if (fd && !fstat(fd, &st) && S_ISREG(st.st_mode))
		return fd;
	return null;
}

void run_request(int sock, uint32_t id, const struct run *r, bool tty,
		 bool front, bool direct)
{
	static uint32_t relayed[] = { 0, 1, 2 };
	Pando__RunRequest request = PANDO__RUN_REQUEST__INIT;
	Pando__Frame frame = PANDO__FRAME__INIT;
	int fds[3] = { 0, 1, 2 };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		cli_die("cannot open /dev/null: %s", strerror(errno));
	request.node = (char *)r->node;
	request.login = (char *)(r->login ? "login" : "");
	request.argv = r->argv;
	request.n_argv = r->argc;
	request.cwd = take_cwd(r);
	request.cwd_implied = !r->cwd;
	request.detach = r->detach;
	request.tty = tty;
	request.follows = !tty;
	request.background = tty && !front;
	request.umask = umask(0);
	umask(request.umask);
	request.nice = getpriority(PRIO_PROCESS, 0);
	take_env(&request, r);
	take_limits(&request);
	if (tty)
		take_terminal(&request);
	if (r->detach) {
		for (int fd = 0; fd < 3; fd++)
			fds[fd] = detached(fd, null);
	} else if (!direct) {
		request.stdio_data = relayed;
		/* a terminal carries both outputs */
		request.n_stdio_data = tty ? 2 : 3;
	}
	frame.id = id;
	frame.body_case = PANDO__FRAME__BODY_RUN_REQUEST;
	frame.run_request = &request;
	daemon_send(sock, &frame, fds, direct ? 3 : 0);
	close(null);
	free(request.cwd);
	free(request.env);
}
