// SPDX-License-Identifier: GPL-2.0-only
/* cluster-nodes: the nodes of the cluster, what they are and what they do. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "daemon.h"
#include "json.h"
#include "nodes.h"
#include "table.h"
#include "term.h"

static const char help[] =
"Usage: cluster-nodes [options]\n"
" or:   cluster-nodes --expel NODE [--off]\n"
"Shows the nodes of the cluster: state, load, memory, processes and guests; or\n"
"declares one dead that is no member.\n"
"\n"
"  -l, --long            also address, link and PIDs\n"
"  -o, --output LIST     these columns: id name state transport procs guests\n"
"                        load mem address link used free\n"
"  -n, --no-headers      neither titles nor the line on the cluster\n"
"      --json            {\"epoch\", \"quorate\", \"self\", \"nodes\": [...]}\n"
"      --expel NODE      what ran on it is over, and its PIDs can be used again;\n"
"                        should it come back, it ends what it had and joins anew\n"
"      --off             with --expel: it is off, I have seen to it. Then there\n"
"                        is no wait, and no quorum is needed\n"
"      --help            this text\n"
"      --version         the version\n"
"\n"
"Exits with 0, with 1 if the daemon cannot tell or the node was not declared\n"
"dead, with 2 for a wrong call.\n";

static const struct table_column columns[] = {
	{ "ID", 0, true, false },
	{ "NAME", 0, false, false },
	{ "STATE", 0, false, false },
	{ "TRANSPORT", 0, false, false },
	{ "PROCS", 0, true, false },
	{ "GUESTS", 0, true, false },
	{ "LOAD", 5, true, false },
	{ "MEM", 0, true, false },
	{ "ADDRESS", 0, false, false },
	{ "LINK", 0, false, false },
	{ "USED", 0, true, false },
	{ "FREE", 0, true, false },
};

#define COLUMNS (sizeof(columns) / sizeof(columns[0]))
#define DEFAULT 8	/* the first ones */

static bool present(const Pando__Node *node)
{
	return strcmp(node->state, "down") &&
	       strcmp(node->state, "expelled") &&
	       strcmp(node->state, "joining");
}

static enum table_colour colour(const char *state)
{
	if (!strcmp(state, "member") || !strcmp(state, "standalone") ||
	    !strcmp(state, "up") || !strcmp(state, "self"))
		return TABLE_GOOD;
	if (!strcmp(state, "down") || !strcmp(state, "refused") ||
	    !strcmp(state, "expelled"))
		return TABLE_BAD;
	return TABLE_WARN;
}

static void memory(struct table *t, const Pando__Node *node)
{
	char used[HUMAN_SIZE], total[HUMAN_SIZE];
	uint64_t available = node->mem_available_kib;

	if (available > node->mem_total_kib)
		available = node->mem_total_kib;
	table_cell(t, "%s/%s", human_kib(used, node->mem_total_kib - available),
		   human_kib(total, node->mem_total_kib));
}

static void cell(struct table *t, const Pando__Node *node, unsigned int column)
{
	/* a node that is gone has a name, and no load of 0.00 */
	if (!present(node) && column >= 4 && column != 8 && column != 9) {
		table_cell(t, "-");
		return;
	}
	switch (column) {
	case 0:
		table_cell(t, "%u", node->id);
		break;
	case 1:
		table_text(t, TABLE_PLAIN, node->name);
		break;
	case 2:
		table_text(t, colour(node->state), node->state);
		break;
	case 3:
		table_text(t, TABLE_PLAIN, node->transport);
		break;
	case 4:
		table_cell(t, "%u", node->processes);
		break;
	case 5:
		table_cell(t, "%u", node->guests);
		break;
	case 6:
		table_cell(t, "%.2f", node->load1);
		break;
	case 7:
		memory(t, node);
		break;
	case 8:
		table_text(t, TABLE_PLAIN, node->address);
		break;
	case 9:
		table_text(t, colour(node->link), node->link);
		break;
	case 10:
		table_cell(t, "%u", node->pids_used);
		break;
	case 11:
		table_cell(t, "%u", node->pids_free);
		break;
	}
}

static void print_table(const Pando__NodesReply *reply,
			const unsigned int *chosen, int count, bool headers)
{
	struct table_column shown[COLUMNS];
	struct table *t;

	for (int i = 0; i < count; i++)
		shown[i] = columns[chosen[i]];
	t = table_new(shown, count);
	for (size_t n = 0; n < reply->n_nodes; n++)
		for (int i = 0; i < count; i++)
			cell(t, reply->nodes[n], chosen[i]);
	table_print(t, stdout, headers, term_width(STDOUT_FILENO),
		    term_colour(STDOUT_FILENO));
	table_free(t);
}

/* On stderr: the table stays a table, and the word on quorum is not missed. */
static void print_summary(const Pando__NodesReply *reply)
{
	size_t members = 0;

	for (size_t i = 0; i < reply->n_nodes; i++)
		members += present(reply->nodes[i]);
	fflush(stdout);
	fprintf(stderr, "epoch %llu, %s, %zu of %zu nodes present, seen from %s\n",
		(unsigned long long)reply->epoch,
		reply->quorate ? "quorate" : "NO QUORUM", members,
		reply->n_nodes, reply->self);
}

static void print_json(const Pando__NodesReply *reply)
{
	struct json j;

	json_start(&j, stdout);
	json_object(&j, NULL);
	json_uint(&j, "epoch", reply->epoch);
	json_bool(&j, "quorate", reply->quorate);
	json_string(&j, "self", reply->self);
	json_list(&j, "nodes");
	for (size_t i = 0; i < reply->n_nodes; i++) {
		const Pando__Node *n = reply->nodes[i];

		json_object(&j, NULL);
		json_uint(&j, "id", n->id);
		json_string(&j, "name", n->name);
		json_string(&j, "state", n->state);
		json_string(&j, "transport", n->transport);
		json_uint(&j, "processes", n->processes);
		json_uint(&j, "guests", n->guests);
		json_double(&j, "load1", n->load1);
		json_uint(&j, "mem_total_kib", n->mem_total_kib);
		json_uint(&j, "mem_available_kib", n->mem_available_kib);
		json_string(&j, "address", n->address);
		json_string(&j, "link", n->link);
		json_uint(&j, "pids_used", n->pids_used);
		json_uint(&j, "pids_free", n->pids_free);
		json_end(&j);
	}
	json_end(&j);
	json_end(&j);
}

static int choose(const char *list, unsigned int chosen[COLUMNS])
{
	char *copy = cli_strdup(list), *save = NULL;
	unsigned int count = 0;

	for (char *name = strtok_r(copy, ", ", &save); name;
	     name = strtok_r(NULL, ", ", &save)) {
		unsigned int c = 0;

		while (c < COLUMNS && strcasecmp(columns[c].title, name))
			c++;
		if (c == COLUMNS)
			cli_misuse("there is no column %s", name);
		if (count >= COLUMNS)
			cli_misuse("too many columns");
		else
			chosen[count++] = c;
	}
	if (!count)
		cli_misuse("no column is named");
	free(copy);
	return count;
}

/* Answered when the node is dead, or will not be. */
static void expel(const char *node, bool off, bool json)
{
	Pando__ExpelRequest request = PANDO__EXPEL_REQUEST__INIT;
	Pando__Frame frame = PANDO__FRAME__INIT, *answer;
	int sock = daemon_connect();
	struct json j;

	request.node = (char *)node;
	request.off = off;
	frame.id = 1;
	frame.body_case = PANDO__FRAME__BODY_EXPEL_REQUEST;
	frame.expel_request = &request;
	daemon_send(sock, &frame, NULL, 0);
	if (!off && isatty(STDERR_FILENO))
		fprintf(stderr, "waiting until %s has frozen what it runs ...\n",
			node);
	answer = daemon_recv(sock);
	if (answer->body_case == PANDO__FRAME__BODY_ERROR)
		cli_die("%s", daemon_error(answer->error));
	if (answer->body_case != PANDO__FRAME__BODY_DONE)
		daemon_confused();
	if (json) {
		json_start(&j, stdout);
		json_object(&j, NULL);
		json_string(&j, "expelled", node);
		json_end(&j);
	}
	pando_frame_free(answer);
	close(sock);
}

int main(int argc, char **argv)
{
	enum { EXPEL = CLI_OPT_FIRST, OFF };
	static const struct option options[] = {
		CLI_OPTIONS,
		{ "long", no_argument, NULL, 'l' },
		{ "expel", required_argument, NULL, EXPEL },
		{ "off", no_argument, NULL, OFF },
		{ "output", required_argument, NULL, 'o' },
		{ "no-headers", no_argument, NULL, 'n' },
		{ "noheadings", no_argument, NULL, 'n' },
		{ NULL, 0, NULL, 0 },
	};
	unsigned int chosen[COLUMNS];
	bool json = false, headers = true, off = false;
	const char *dead = NULL;
	Pando__NodesReply *reply;
	int opt, count = DEFAULT;

	cli_start();
	for (unsigned int i = 0; i < COLUMNS; i++)
		chosen[i] = i;
	while ((opt = getopt_long(argc, argv, "lo:n", options, NULL)) != -1) {
		switch (opt) {
		case CLI_OPT_HELP:
			cli_help(help);
		case CLI_OPT_VERSION:
			cli_version();
		case CLI_OPT_JSON:
			json = true;
			break;
		case 'l':
			count = COLUMNS;
			break;
		case 'o':
			count = choose(optarg, chosen);
			break;
		case 'n':
			headers = false;
			break;
		case EXPEL:
			dead = optarg;
			break;
		case OFF:
			off = true;
			break;
		default:
			cli_usage();
		}
	}
	if (optind < argc)
		cli_misuse("unexpected argument %s", argv[optind]);
	if (off && !dead)
		cli_misuse("--off goes with --expel");
	if (dead) {
		expel(dead, off, json);
		cli_exit(0);
	}
	reply = nodes_get();
	if (json) {
		print_json(reply);
	} else {
		print_table(reply, chosen, count, headers);
		if (headers)
			print_summary(reply);
	}
	cli_exit(0);
}
