// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"
#include "json.h"
#include "nodes.h"
#include "run.h"

enum { ASK_NODES = 1, ASK_RUN };

bool run_option(struct run *r, int opt, char *arg)
{
	switch (opt) {
	case CLI_OPT_VERSION:
		cli_version();
	case CLI_OPT_JSON:
		r->json = true;
		return true;
	case 'n':
		if (!*arg)
			cli_misuse("the name of the node is empty");
		r->node = arg;
		return true;
	case 'w':
		r->cwd = arg;
		return true;
	case 'e':
		if (!strchr(arg, '=') || *arg == '=')
			cli_misuse("-e takes NAME=VALUE, not %s", arg);
		r->env = cli_grow(r->env, r->envs + 1, sizeof(*r->env));
		r->env[r->envs++] = arg;
		return true;
	case 't':
		r->tty = RUN_TTY_ALWAYS;
		return true;
	case 'T':
		r->tty = RUN_TTY_NEVER;
		return true;
	}
	return false;
}

/* Descriptors 0 to 2 exist, whoever started us. */
static void open_missing(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= 2);
	if (fd > 2)
		close(fd);
}

/* Is this node meant? Only then can descriptors be handed over. */
static bool stays_here(int sock, const char *node)
{
	Pando__Frame *frame;
	const Pando__NodesReply *nodes;
	bool here = false;

	if (!strcmp(node, "self"))
		return true;
	if (!strcmp(node, "any"))
		return false;
	nodes_ask(sock, ASK_NODES);
	frame = cli_recv(sock);
	nodes = nodes_take(frame);
	for (size_t i = 0; i < nodes->n_nodes; i++)
		if (!strcmp(nodes->nodes[i]->name, nodes->self))
			here = !strcmp(node, nodes->self) ||
			       cli_number(node) == (int)nodes->nodes[i]->id;
	pando_frame_free(frame);
	return here;
}

static void print_started(const struct run *r, const Pando__RunStarted *s)
{
	struct json j;

	if (!r->json) {
		printf("%u\n", s->pid);
		return;
	}
	json_start(&j, stdout);
	json_object(&j, NULL);
	json_uint(&j, "pid", s->pid);
	json_string(&j, "node", s->node);
	json_end(&j);
}

/* stdout is the program's: what became of it is told on stderr. */
static void print_ended(uint32_t pid, const char *node, const Pando__Exit *e)
{
	struct json j;

	json_start(&j, stderr);
	json_object(&j, NULL);
	json_uint(&j, "pid", pid);
	json_string(&j, "node", node);
	if (WIFSIGNALED(e->status)) {
		json_null(&j, "exit_status");
		json_uint(&j, "signal", WTERMSIG(e->status));
	} else {
		json_uint(&j, "exit_status", WEXITSTATUS(e->status));
		json_null(&j, "signal");
	}
	json_end(&j);
}

static int exit_status(const struct run *r, const Pando__Exit *e)
{
	if (e->error) {
		if (*e->text)
			cli_warn("%s", e->text);
		else
			cli_warn("%s: %s", r->argc ? r->argv[0] : "shell",
				 strerror(e->error));
		return e->error == ENOENT ? RUN_NOT_FOUND : RUN_NOT_EXECUTABLE;
	}
	if (*e->text)
		cli_warn("%s", e->text);
	if (WIFSIGNALED(e->status))
		return 128 + WTERMSIG(e->status);
	return WEXITSTATUS(e->status);
}

/* Until it runs; then 1 and where. Else the status to exit with is @status. */
static bool started(const struct run *r, int sock, Pando__Frame **frame,
		    int *status)
{
	Pando__Frame *f = cli_recv(sock);

	switch (f->body_case) {
	case PANDO__FRAME__BODY_RUN_STARTED:
		*frame = f;
		return true;
	case PANDO__FRAME__BODY_EXIT:
		*status = exit_status(r, f->exit);
		break;
	case PANDO__FRAME__BODY_ERROR:
		cli_warn("%s", cli_error_text(f->error));
		*status = RUN_FAILED;
		break;
	default:
		cli_die("pandod answered something else; are tools and daemon of one version?");
	}
	pando_frame_free(f);
	return false;
}

static int follow(const struct run *r, int sock, const Pando__RunStarted *s,
		  bool tty, bool direct)
{
	Pando__Frame *end = NULL;
	int ret = run_relay(sock, ASK_RUN, tty, direct, &end);
	int status = RUN_FAILED;

	if (!ret)
		return 128 + SIGHUP;
	if (ret < 0) {
		cli_warn("lost pandod (%s); if it lives on: cluster-ps -p %u",
			 strerror(-ret), s->pid);
	} else if (end->body_case == PANDO__FRAME__BODY_ERROR) {
		cli_warn("%s", cli_error_text(end->error));
	} else {
		status = exit_status(r, end->exit);
		if (r->json)
			print_ended(s->pid, s->node, end->exit);
	}
	pando_frame_free(end);
	return status;
}

int run(struct run *r)
{
	bool tty = r->tty == RUN_TTY_ALWAYS, direct;
	Pando__Frame *frame;
	int sock, status;

	open_missing();
	sock = cli_connect();
	if (r->tty == RUN_TTY_AUTO && !r->detach)
		tty = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	/* a program with a terminal of its own has no use for ours */
	direct = !tty && stays_here(sock, r->node);
	run_request(sock, ASK_RUN, r, tty, direct);
	if (!started(r, sock, &frame, &status))
		return status;
	if (r->detach) {
		print_started(r, frame->run_started);
		status = 0;
	} else {
		status = follow(r, sock, frame->run_started, tty, direct);
	}
	pando_frame_free(frame);
	free(r->env);
	return status;
}
