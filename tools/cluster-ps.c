// SPDX-License-Identifier: GPL-2.0-only
/* cluster-ps: the processes of all nodes, with the options of ps. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "daemon.h"
#include "json.h"
#include "nodes.h"
#include "ps.h"
#include "table.h"

enum { ASK_NODES = 1, ASK_PROCESSES };

/* What the daemon told: the replies live as long as the command. */
struct answer {
	Pando__NodesReply *nodes;
	Pando__PsReply **part;
	size_t parts;
};

static void ask_processes(int sock, const struct ps_options *o)
{
	Pando__PsRequest request = PANDO__PS_REQUEST__INIT;
	Pando__Frame frame = PANDO__FRAME__INIT;
	uint32_t *pids = cli_alloc(o->pid.count, sizeof(*pids));
	bool only = o->pid.count && !o->every && !o->deselect &&
		    !o->ppid.count && !o->sid.count && !o->ruser.count &&
		    !o->euser.count && !o->comm.count && !o->tty.count &&
		    !o->with_tty && !o->no_leaders && !o->own && !o->all_tty;

	/* where PIDs are all that is asked for, only those need travel */
	for (size_t i = 0; i < o->pid.count; i++)
		pids[i] = cli_number(o->pid.word[i]);
	request.pids = pids;
	request.n_pids = only ? o->pid.count : 0;
	frame.id = ASK_PROCESSES;
	frame.body_case = PANDO__FRAME__BODY_PS_REQUEST;
	frame.ps_request = &request;
	daemon_send(sock, &frame, NULL, 0);
	free(pids);
}

/* Both questions at once: their waits overlap. */
static void ask(const struct ps_options *o, struct answer *a)
{
	int sock = daemon_connect();
	bool more = true;

	nodes_ask(sock, ASK_NODES);
	ask_processes(sock, o);
	while (more || !a->nodes) {
		Pando__Frame *frame = daemon_recv(sock);

		if (frame->id == ASK_NODES ||
		    frame->body_case == PANDO__FRAME__BODY_ERROR) {
			a->nodes = nodes_take(frame);
			continue;
		}
		if (frame->body_case != PANDO__FRAME__BODY_PS_REPLY)
			daemon_confused();
		a->part = cli_grow(a->part, a->parts + 1, sizeof(*a->part));
		a->part[a->parts++] = frame->ps_reply;
		more = frame->ps_reply->more;
	}
	close(sock);
}

static const char *node_name(const Pando__Node *node, uint32_t id)
{
	char *text;

	if (node && *node->name)
		return node->name;
	text = cli_alloc(16, 1);
	snprintf(text, 16, "%u", id);
	return text;
}

static void fill(struct proc *proc, const Pando__Process *p,
		 const Pando__NodesReply *nodes)
{
	const Pando__Node *node = nodes_find(nodes, p->node);
	uint64_t now = ps_now_ms();
	char *user;

	proc->p = p;
	proc->node = node_name(node, p->node);
	proc->home = node_name(nodes_find(nodes, p->home), p->home);
	proc->user = p->user;
	if (!*p->user) {
		user = cli_alloc(16, 1);
		snprintf(user, 16, "%u", p->euid);
		proc->user = user;
	}
	/* clocks of nodes may differ by a little: nothing starts in future */
	if (now > p->start_unix_ms)
		proc->elapsed_ms = now - p->start_unix_ms;
	if (proc->elapsed_ms)
		proc->pcpu = 100.0 * p->cpu_ms / proc->elapsed_ms;
	if (node && node->mem_total_kib)
		proc->pmem = 100.0 * p->rss_kib / node->mem_total_kib;
}

static void collect(const struct ps_options *o, const struct answer *a,
		    struct procs *procs)
{
	size_t total = 0;

	for (size_t i = 0; i < a->parts; i++)
		total += a->part[i]->n_processes;
	procs->proc = cli_alloc(total, sizeof(*procs->proc));
	for (size_t i = 0; i < a->parts; i++) {
		for (size_t k = 0; k < a->part[i]->n_processes; k++) {
			struct proc *proc = &procs->proc[procs->count];

			memset(proc, 0, sizeof(*proc));
			fill(proc, a->part[i]->processes[k], a->nodes);
			if (ps_selected(o, proc))
				procs->count++;
		}
	}
}

static const struct ps_options *ordering;	/* for qsort() */

static int in_order(const void *a, const void *b)
{
	const struct proc *x = a, *y = b;

	for (size_t i = 0; i < ordering->sorts; i++) {
		const struct ps_sort *s = &ordering->sort[i];
		int diff = ps_column_compare(s->column, x, y);

		if (diff)
			return s->down ? -diff : diff;
	}
	if (x->p->pid != y->p->pid)
		return x->p->pid < y->p->pid ? -1 : 1;
	return x->p->node < y->p->node ? -1 : x->p->node > y->p->node;
}

static void print_table(const struct ps_options *o, const struct procs *procs)
{
	struct table_column *columns = cli_alloc(o->columns, sizeof(*columns));
	char *text = cli_alloc(PS_TEXT, 1);
	struct table *t;

	for (size_t i = 0; i < o->columns; i++) {
		const struct ps_shown *s = &o->shown[i];

		columns[i].title = s->title ? s->title : s->column->title;
		columns[i].width = s->width ? s->width : s->column->width;
		columns[i].right = s->column->right;
		columns[i].fixed = s->width;
	}
	t = table_new(columns, o->columns);
	for (size_t i = 0; i < procs->count; i++) {
		const struct proc *p = &procs->proc[i];

		for (size_t c = 0; c < o->columns; c++) {
			const struct ps_column *column = o->shown[c].column;

			if (column->text) {
				column->text(p, text, PS_TEXT);
				table_text(t, TABLE_PLAIN, text);
			} else {
				table_cell(t, "%.0f", column->num(p));
			}
		}
	}
	table_print(t, stdout, o->headers, o->width, false);
	table_free(t);
	free(columns);
	free(text);
}

static void print_process(struct json *j, const struct proc *proc)
{
	const Pando__Process *p = proc->p;
	char tty[32];

	ps_tty(p->tty, tty, sizeof(tty));
	json_object(j, NULL);
	json_uint(j, "pid", p->pid);
	json_uint(j, "ppid", p->ppid);
	json_uint(j, "pgid", p->pgid);
	json_uint(j, "sid", p->sid);
	json_string(j, "node", proc->node);
	json_string(j, "home", proc->home);
	json_string(j, "user", proc->user);
	json_string(j, "state", p->state);
	json_uint(j, "rss_kib", p->rss_kib);
	json_uint(j, "cpu_ms", p->cpu_ms);
	json_string(j, "comm", p->comm);
	json_string(j, "args", p->args);
	json_uint(j, "node_id", p->node);
	json_uint(j, "home_id", p->home);
	json_uint(j, "uid", p->uid);
	json_uint(j, "euid", p->euid);
	json_uint(j, "vsz_kib", p->vsz_kib);
	json_uint(j, "threads", p->threads);
	json_int(j, "nice", p->nice);
	if (p->tty)
		json_string(j, "tty", tty);
	else
		json_null(j, "tty");
	json_uint(j, "start_unix_ms", p->start_unix_ms);
	json_end(j);
}

static void print_json(const struct procs *procs, const struct answer *a)
{
	struct json j;

	json_start(&j, stdout);
	json_object(&j, NULL);
	json_list(&j, "processes");
	for (size_t i = 0; i < procs->count; i++)
		print_process(&j, &procs->proc[i]);
	json_end(&j);
	json_list(&j, "unreachable");
	for (size_t i = 0; i < a->parts; i++)
		for (size_t k = 0; k < a->part[i]->n_unreachable; k++)
			json_string(&j, NULL, a->part[i]->unreachable[k]);
	json_end(&j);
	json_end(&j);
}

static void warn_unreachable(const struct answer *a)
{
	for (size_t i = 0; i < a->parts; i++)
		for (size_t k = 0; k < a->part[i]->n_unreachable; k++)
			cli_warn("%s does not answer: its processes are missing here",
				 a->part[i]->unreachable[k]);
}

int main(int argc, char **argv)
{
	struct answer answer = { 0 };
	struct procs procs = { 0 };
	struct ps_options o;

	cli_start();
	ps_options_parse(&o, argc, argv);
	ask(&o, &answer);
	if (answer.parts)
		ps_set_now_ms(answer.part[answer.parts - 1]->now_unix_ms);
	collect(&o, &answer, &procs);
	ordering = &o;
	qsort(procs.proc, procs.count, sizeof(*procs.proc), in_order);
	if (o.forest || o.indent)
		ps_tree(&procs, o.forest);
	if (o.json)
		print_json(&procs, &answer);
	else
		print_table(&o, &procs);
	fflush(stdout);
	warn_unreachable(&answer);
	cli_exit(procs.count ? 0 : 1);
}
