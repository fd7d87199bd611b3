// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"
#include "daemon.h"
#include "json.h"
#include "nodes.h"
#include "run.h"
#include "term.h"

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
	frame = daemon_recv(sock);
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
		return WEXITSTATUS(e->status);
	}
	if (*e->text)
		cli_warn("%s", e->text);
	if (WIFSIGNALED(e->status))
		return 128 + WTERMSIG(e->status);
	return WEXITSTATUS(e->status);
}

/* Our daemon may refer us to another: then that one answers. */
static Pando__Frame *relay_recv(struct run_relay *relay)
{
	int fds[PANDO_FRAME_FDS], nfds = 0;
	Pando__Frame *frame;
	int ret = pando_recv(relay->sock, &frame, fds, &nfds);

	if (ret <= 0)
		daemon_lost(ret);
	if (frame->body_case != PANDO__FRAME__BODY_RUN_LINK) {
		while (nfds)
			close(fds[--nfds]);
		return frame;
	}
	if (nfds != 1 || relay->control >= 0)
		daemon_confused();
	pando_frame_free(frame);
	relay->control = relay->sock;
	relay->sock = fds[0];
	return NULL;
}

/*
 * The answer to the request. A signal that comes before is passed on if the
 * program starts within a second; else we have nothing to stay for.
 */
static Pando__Frame *first_frame(struct run_relay *relay)
{
	struct pollfd p[] = {
		{ relay->sock, POLLIN, 0 },
		{ relay->control, POLLIN, 0 },
		{ relay->signals, POLLIN, 0 },
	};
	sigset_t set;
	int n;

	while (!p[0].revents && !p[1].revents) {
		n = poll(p, relay->early ? 2 : 3, relay->early ? 1000 : -1);
		if (n > 0 && p[2].revents && !relay->early)
			relay->early = run_signal_take(relay->signals);
		if (n || !relay->early)
			continue;
		sigemptyset(&set);
		sigaddset(&set, relay->early);
		signal(relay->early, SIG_DFL);
		sigprocmask(SIG_UNBLOCK, &set, NULL);
		raise(relay->early);
		relay->early = 0;	/* it was one that does not kill */
	}
	return p[0].revents ? relay_recv(relay) : daemon_recv(relay->control);
}

/* Until it runs: true and where. If it never does: false and our *@status. */
static bool started(const struct run *r, struct run_relay *relay,
		    Pando__Frame **frame, int *status)
{
	Pando__Frame *f;

	do
		f = first_frame(relay);
	while (!f);
	switch (f->body_case) {
	case PANDO__FRAME__BODY_RUN_STARTED:
		*frame = f;
		return true;
	case PANDO__FRAME__BODY_EXIT:
		*status = exit_status(r, f->exit);
		break;
	case PANDO__FRAME__BODY_ERROR:
		cli_warn("%s", daemon_error(f->error));
		*status = RUN_FAILED;
		break;
	default:
		daemon_confused();
	}
	pando_frame_free(f);
	return false;
}

static int follow(const struct run *r, const struct run_relay *relay,
		  const Pando__RunStarted *s)
{
	Pando__Frame *end = NULL;
	int ret = run_relay(relay, &end);
	const char *whose = relay->control < 0 ? "pandod" : s->node;
	int status = RUN_FAILED;

	if (!ret)
		return 128 + SIGHUP;
	if (ret < 0) {
		cli_warn("lost %s (%s); if it lives on: cluster-ps -p %u",
			 whose, strerror(-ret), s->pid);
	} else if (end->body_case == PANDO__FRAME__BODY_ERROR) {
		cli_warn("%s", daemon_error(end->error));
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
	struct run_relay relay = { .id = ASK_RUN, .signals = -1, .control = -1 };
	Pando__Frame *frame;
	int status;

	open_missing();
	relay.sock = daemon_connect();
	relay.tty = r->tty == RUN_TTY_ALWAYS;
	if (r->tty == RUN_TTY_AUTO && !r->detach)
		relay.tty = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	/* a program with a terminal of its own has no use for ours */
	relay.direct = !relay.tty && stays_here(relay.sock, r->node);
	if (!r->detach)
		relay.signals = run_signals();
	relay.front = term_front();
	run_request(relay.sock, relay.id, r, relay.tty, relay.front,
		    relay.direct);
	if (!started(r, &relay, &frame, &status))
		return status;
	if (r->detach) {
		print_started(r, frame->run_started);
		status = 0;
	} else {
		relay.follows = frame->run_started->follows;
		status = follow(r, &relay, frame->run_started);
	}
	pando_frame_free(frame);
	free(r->env);
	return status;
}
