// SPDX-License-Identifier: GPL-2.0-only
/* cluster-mv: moves running processes to another node. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "daemon.h"
#include "json.h"
#include "mv_all.h"
#include "progress.h"
#include "table.h"

static const char help[] =
"Usage: cluster-mv [options] PID... NODE\n"
"       cluster-mv --all-from FROM NODE\n"
"       cluster-mv --why PID... [NODE]\n"
"Moves each process, with its threads and descendants, to a node (its name or\n"
"id) while it runs; whoever talks to it stays connected.\n"
"\n"
"  -a, --all-from FROM   instead of PIDs: all that run on node FROM, or of them\n"
"                        those of the caller\n"
"  -f, --fabric FABRIC   how memory travels: rdma, dpdk, tcp or auto (default)\n"
"  -l, --lazy[=auto]     its memory follows it, page by page as it is touched; auto:\n"
"                        only what changes faster than it travels\n"
"  -m, --max-freeze MS   leave it where it is if its changing memory alone would\n"
"                        stop it for longer than that\n"
"  -w, --why             move nothing; say what would keep it from moving\n"
"  -q, --quiet           no progress and no line for what went well\n"
"      --json            {\"moves\": [{\"pid\", \"from\", \"to\", \"fabric\", \"bytes\",\n"
"                        \"pages\", \"rounds\", \"freeze_ms\", \"total_ms\",\n"
"                        \"result\", \"phases\": [{\"name\", \"ms\", \"frozen\"}]}]}\n"
"      --help            this text\n"
"      --version         the version\n"
"\n"
"A process that cannot be moved runs on where it is. Exits with 0 if all were\n"
"moved or were there already (--why: if nothing keeps them), with 1 if not,\n"
"with 2 for a wrong call.\n";

struct mv {
	uint32_t *pids;
	size_t count;
	char *node;
	char *from;		/* --all-from */
	char *fabric;
	int max_freeze, lazy;
	bool why, quiet, json;
};

static bool is(const char *a, const char *b)
{
	return !strcmp(a, b);
}

/* Every process is where it was asked to be, or free to go there. */
static bool fine(const struct mv *mv, const Pando__Move *m)
{
	if (m->n_blockers || is(m->result, "failed") || is(m->result, "refused"))
		return false;
	return mv->why || is(m->result, "moved") || is(m->result, "unchanged");
}

static void print_phases(struct json *j, const Pando__Move *m)
{
	json_list(j, "phases");
	for (size_t i = 0; i < m->n_phases; i++) {
		json_object(j, NULL);
		json_string(j, "name", m->phases[i]->name);
		json_double(j, "ms", m->phases[i]->ms);
		json_bool(j, "frozen", m->phases[i]->frozen);
		json_end(j);
	}
	json_end(j);
}

static void print_json(const struct mv *mv, Pando__Move **moves, size_t count)
{
	struct json j;

	json_start(&j, stdout);
	json_object(&j, NULL);
	json_list(&j, "moves");
	for (size_t i = 0; i < count; i++) {
		const Pando__Move *m = moves[i];

		json_object(&j, NULL);
		json_uint(&j, "pid", m->pid);
		json_string(&j, "from", m->from);
		json_string(&j, "to", m->to);
		json_string(&j, "fabric", m->fabric);
		json_uint(&j, "bytes", m->bytes);
		json_uint(&j, "pages", m->pages);
		json_uint(&j, "rounds", m->rounds);
		json_double(&j, "freeze_ms", m->freeze_ms);
		json_double(&j, "total_ms", m->total_ms);
		json_string(&j, "result", m->result);
		if (!is(m->result, "moved") && !(mv->why && fine(mv, m)))
			json_string(&j, "reason", m->reason);
		if (mv->why || m->n_blockers) {
			json_list(&j, "blockers");
			for (size_t b = 0; b < m->n_blockers; b++)
				json_string(&j, NULL, m->blockers[b]);
			json_end(&j);
		}
		print_phases(&j, m);
		json_end(&j);
	}
	json_end(&j);
	json_end(&j);
}

static void print_why(const struct mv *mv, const Pando__Move *m)
{
	if (fine(mv, m)) {
		printf("%u: nothing keeps it from moving\n", m->pid);
		return;
	}
	if (*m->reason || !m->n_blockers)
		printf("%u: %s\n", m->pid, *m->reason ? m->reason : m->result);
	for (size_t b = 0; b < m->n_blockers; b++)
		printf("%u: %s\n", m->pid, m->blockers[b]);
}

static void print_moved(const struct mv *mv, const Pando__Move *m)
{
	char size[HUMAN_SIZE];

	if (mv->quiet)
		return;
	if (is(m->result, "unchanged")) {
		printf("%u: is on %s already\n", m->pid, m->to);
		return;
	}
	printf("%u: %s -> %s over %s, %s in %llu pages, frozen %.1f ms, %.1f ms in all\n",
	       m->pid, m->from, m->to, m->fabric, human_bytes(size, m->bytes),
	       (unsigned long long)m->pages, m->freeze_ms, m->total_ms);
}

static void print_failed(const Pando__Move *m)
{
	cli_warn("%u was not moved%s%s: %s", m->pid, *m->from ? " from " : "",
		 m->from, *m->reason ? m->reason :
		 m->n_blockers ? m->blockers[0] : m->result);
	for (size_t b = !*m->reason; b < m->n_blockers; b++)
		cli_warn("%u: %s", m->pid, m->blockers[b]);
}

static int report(const struct mv *mv, Pando__Move **moves, size_t count)
{
	bool all = count > 0 || mv->from;

	progress_clear();
	for (size_t i = 0; i < count; i++)
		all = fine(mv, moves[i]) && all;
	if (mv->json) {
		print_json(mv, moves, count);
		return !all;
	}
	for (size_t i = 0; i < count; i++) {
		if (mv->why)
			print_why(mv, moves[i]);
		else if (fine(mv, moves[i]))
			print_moved(mv, moves[i]);
		else
			print_failed(moves[i]);
	}
	return !all;
}

/*
 * The daemon refused the whole request. With --json that is said of every
 * process, so that who reads the result need not read stderr.
 */
static int report_error(const struct mv *mv, const Pando__Error *error)
{
	Pando__Move *moves = cli_alloc(mv->count, sizeof(*moves));
	Pando__Move **list = cli_alloc(mv->count, sizeof(*list));

	progress_clear();
	cli_warn("%s", daemon_error(error));
	if (!mv->json)
		return 1;
	for (size_t i = 0; i < mv->count; i++) {
		pando__move__init(&moves[i]);
		moves[i].pid = mv->pids[i];
		moves[i].to = mv->node;
		moves[i].result = (char *)"failed";
		moves[i].reason = (char *)daemon_error(error);
		list[i] = &moves[i];
	}
	print_json(mv, list, mv->count);
	free(list);
	free(moves);
	return 1;
}

static void show(const struct mv *mv, const Pando__MoveProgress *p)
{
	char done[HUMAN_SIZE], total[HUMAN_SIZE], rate[HUMAN_SIZE];
	char dirty[HUMAN_SIZE];

	if (mv->quiet)
		return;
	if (p->round)
		progress_show("%u: round %u  %s of %s  %s/s, changes %s/s  freeze of %.0f ms expected",
			      p->pid, p->round, human_bytes(done, p->bytes),
			      human_bytes(total, p->total),
			      human_bytes(rate, p->rate),
			      human_bytes(dirty, p->dirty_rate),
			      p->expected_ms);
	else if (!p->total && !p->bytes)
		progress_show("%u: %s", p->pid, p->phase);
	else if (!p->total)
		progress_show("%u: %s  %s  %s/s", p->pid, p->phase,
			      human_bytes(done, p->bytes),
			      human_bytes(rate, p->rate));
	else
		progress_show("%u: %s  %s of %s  %d%%  %s/s", p->pid, p->phase,
			      human_bytes(done, p->bytes),
			      human_bytes(total, p->total),
			      (int)(100.0 * p->bytes / p->total),
			      human_bytes(rate, p->rate));
}

static int move(const struct mv *mv)
{
	Pando__MoveRequest request = PANDO__MOVE_REQUEST__INIT;
	Pando__Frame frame = PANDO__FRAME__INIT;
	int sock = daemon_connect();

	request.pids = mv->pids;
	request.n_pids = mv->count;
	request.node = mv->node;
	request.fabric = mv->fabric;
	request.why = mv->why;
	request.max_freeze_ms = mv->max_freeze;
	request.lazy = mv->lazy;
	frame.id = 1;
	frame.body_case = PANDO__FRAME__BODY_MOVE_REQUEST;
	frame.move_request = &request;
	daemon_send(sock, &frame, NULL, 0);
	for (;;) {
		Pando__Frame *reply = daemon_recv(sock);
		int status;

		switch (reply->body_case) {
		case PANDO__FRAME__BODY_MOVE_PROGRESS:
			show(mv, reply->move_progress);
			pando_frame_free(reply);
			continue;
		case PANDO__FRAME__BODY_MOVE_REPLY:
			status = report(mv, reply->move_reply->moves,
					reply->move_reply->n_moves);
			break;
		case PANDO__FRAME__BODY_ERROR:
			status = report_error(mv, reply->error);
			break;
		default:
			daemon_confused();
		}
		pando_frame_free(reply);
		return status;
	}
}

static void take_arguments(struct mv *mv, int count, char **args)
{
	/* with --why the node may be left out, and then all are numbers */
	bool node = count && (!mv->why || cli_number(args[count - 1]) < 0);

	if (node)
		mv->node = args[--count];
	if (mv->from && (count || !node || mv->why))
		cli_misuse("--all-from takes a node to move to, and no PIDs");
	if (mv->from) {
		mv->pids = mv_all_from(mv->from, &mv->count);
		return;
	}
	if (!count)
		cli_misuse(node ? "which process is to be moved?" :
				  "PIDs and a node are missing");
	if (!*mv->node && !mv->why)
		cli_misuse("the name of the node is empty");
	mv->pids = cli_alloc(count, sizeof(*mv->pids));
	for (int i = 0; i < count; i++) {
		int pid = cli_number(args[i]);

		if (pid < 0)
			cli_misuse("%s is not a PID", args[i]);
		mv->pids[mv->count++] = pid;
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		CLI_OPTIONS,
		{ "all-from", required_argument, NULL, 'a' },
		{ "fabric", required_argument, NULL, 'f' },
		{ "lazy", optional_argument, NULL, 'l' },
		{ "max-freeze", required_argument, NULL, 'm' },
		{ "why", no_argument, NULL, 'w' },
		{ "quiet", no_argument, NULL, 'q' },
		{ NULL, 0, NULL, 0 },
	};
	struct mv mv = { .node = (char *)"", .fabric = (char *)"auto" };
	int opt, status;

	cli_start();
	while ((opt = getopt_long(argc, argv, "a:f:l::m:wq", options, NULL)) != -1) {
		switch (opt) {
		case CLI_OPT_HELP:
			cli_help(help);
		case CLI_OPT_VERSION:
			cli_version();
		case CLI_OPT_JSON:
			mv.json = true;
			break;
		case 'a':
			mv.from = optarg;
			break;
		case 'f':
			mv.fabric = optarg;
			break;
		case 'l':
			if (optarg && !is(optarg, "auto"))
				cli_misuse("--lazy is %s: it takes auto or nothing",
					   optarg);
			mv.lazy = optarg ? 1 : 2;
			break;
		case 'm':
			mv.max_freeze = cli_number(optarg);
			if (mv.max_freeze <= 0)
				cli_misuse("%s is no number of milliseconds",
					   optarg);
			break;
		case 'w':
			mv.why = true;
			break;
		case 'q':
			mv.quiet = true;
			break;
		default:
			cli_usage();
		}
	}
	if (!is(mv.fabric, "auto") && !is(mv.fabric, "rdma") &&
	    !is(mv.fabric, "dpdk") && !is(mv.fabric, "tcp"))
		cli_misuse("there is no fabric %s: rdma, dpdk, tcp or auto",
			   mv.fabric);
	take_arguments(&mv, argc - optind, argv + optind);
	/* an empty node: all of nothing is moved */
	status = mv.from && !mv.count ? report(&mv, NULL, 0) : move(&mv);
	free(mv.pids);
	cli_exit(status);
}
