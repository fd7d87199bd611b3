// SPDX-License-Identifier: GPL-2.0-only
/* The simulator's command line: seeds, one world each. See sim.h. */
#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define STEPS		100000	/* of small clusters; more nodes take more */
#define SETTLE_TIME	(120 * SECOND)
#define SHRINK_TRIES	400

struct world w;

static const char *const bug_names[BUGS] = {
	[BUG_NONE] = "none",
	[BUG_SKIP_ACK] = "skip_ack",
	[BUG_HEIR_ALLOCATES] = "heir_allocates",
	[BUG_FORGET_AWAY] = "forget_away",
	[BUG_DOUBLE_COMMIT] = "double_commit",
	[BUG_EARLY_PURGE] = "early_purge",
	[BUG_BLIND_PURGE] = "blind_purge",
	[BUG_EARLY_UNRESERVE] = "early_unreserve",
	[BUG_STALE_HOME] = "stale_home",
	[BUG_LATE_GONE] = "late_gone",
	[BUG_GONE_TWICE] = "gone_twice",
	[BUG_OLD_REPORT] = "old_report",
	[BUG_HASTY_GRIEF] = "hasty_grief",
	[BUG_LONG_WAIT] = "long_wait",
	[BUG_LATE_FREEZE] = "late_freeze",
	[BUG_UNHEARD_PULSE] = "unheard_pulse",
	[BUG_IMPATIENT] = "impatient",
	[BUG_BLIND_THAW] = "blind_thaw",
	[BUG_LIE] = "lie",
	[BUG_SMALL_QUORUM] = "small_quorum",
	[BUG_OLD_OFF] = "old_off",
	[BUG_NO_WAIT] = "no_wait",
	[BUG_REVENANT] = "revenant",
	[BUG_STATUS_LOST] = "status_lost",
	[BUG_TOLD_TWICE] = "told_twice",
	[BUG_RASH_GRIEF] = "rash_grief",
	[BUG_EARLY_GRIEF] = "early_grief",
	[BUG_MERCY] = "mercy",
};

struct options {
	u64 from, to, steps;
	u32 watch;
	unsigned int nodes, procs;	/* 0: as the seed says */
	enum bug bug;
	bool verbose, tap, quiet, no_rebirth, no_shrink, figures;
	struct acts faults, work;	/* to be left out */
};

static void usage(FILE *to)
{
	unsigned int i;

	fprintf(to, "usage: sim --seeds FROM-TO [--nodes N] [--procs N] [--steps N] [--verbose] [--tap]\n"
		"           [--no-rebirth]  who loses power stays away until the end\n"
		"           [--without-faults LIST] [--without-work LIST]\n"
		"           these acts are left out: 3,7-9; a seed that fails is run\n"
		"           again until few are left (--no-shrink: it is not)\n"
		"           [--figures]  sizes and counts, for the bench\n"
		"           [--watch PID]  notes what becomes of that number\n"
		"           [--bug NAME]  plants a bug; then a seed that finds none is not ok\n"
		"bugs:");
	for (i = BUG_NONE + 1; i < BUGS; i++)
		fprintf(to, " %s", bug_names[i]);
	fprintf(to, "\n");
}

static bool settle(bool moves_too)
{
	u64 until = w.now + SETTLE_TIME, n = 0;

	while (!w.broken && w.now < until && event_run_one())
		if (!(++n % (1 + w.nodes / MANY)) && !(moves_too && w.move) &&
		    check_settled())
			return true;
	return false;
}

static void say_why(void)
{
	struct node *n;

	for_each_node(n)
		trace("node %llu: up %llu, daemon in phase %llu, kernel %llu, epoch %llu",
		      n->id, n->up * 10 + n->d.up, n->d.state.phase,
		      n->k.epoch.phase, n->k.epoch.number);
	for_each_node(n)
		kin_say_why(n);
}

/* Once all is well, another view: what was left to the next report is told. */
static void run_to_the_end(void)
{
	w.calm = true;
	faults_heal();
	if (settle(false)) {
		daemon_ask_round(&w.node[1], 0);
		if (settle(true)) {
			check_end();
			return;
		}
	}
	if (w.broken)
		return;
	say_why();
	violated("it does not come to rest in %llu seconds; %u moves",
		 (unsigned long long)(SETTLE_TIME / SECOND), moves_active());
}

static void run_seed(u64 seed, const struct options *o)
{
	struct node *n;
	u64 i, steps, most = UINT64_MAX;

	memset(&w, 0, sizeof(w));
	event_init(seed);
	check_init();
	rpc_reset();
	w.seed = seed;
	w.bug = o->bug;
	w.verbose = o->verbose;
	w.quiet = o->quiet;
	w.watch = o->watch;
	w.faults = o->faults;
	w.work = o->work;
	w.rebirth = !o->no_rebirth;
	w.nodes = 3 + rnd(5);
	if (o->nodes)
		w.nodes = o->nodes;
	w.node = calloc(w.nodes + 1, sizeof(*w.node));
	if (!w.node) {
		perror("sim");
		exit(2);
	}
	w.population = o->procs ? o->procs / w.nodes : 60;
	steps = o->steps;
	/* each node sends to all others, whatever happens */
	if (w.nodes > 8)
		steps = steps * w.nodes / 8 * (1 + w.nodes / 64) + 4 * o->procs;
	w.slow = 1 + w.nodes / 128;
	if (w.nodes > MANY)
		most = (20 + 6 * w.slow) * SECOND;
	w.loss = rnd(3) * rnd(15);
	w.expel_after = rnd(3) * 4 * SECOND;
	w.wait_for_all = chance(40);
	w.fault_every = (6 + rnd(2) * rnd(60)) * SECOND;
	w.away = (10 + rnd(2) * rnd(90)) * SECOND;
	for (i = 1; i <= w.nodes; i++) {
		w.node[i].id = i;
		w.node[i].clock_zero = 1 + rnd(1000 * SECOND);
		w.node[i].permille = (s64)rnd(11) - 5;
		state_init(&w.node[i].d.state, i);
	}
	for_each_node(n)
		node_power_on(n);
	faults_start();
	while (w.events < steps && w.now < most && !w.broken && event_run_one())
		;
	if (!w.broken)
		run_to_the_end();
}

static void end_seed(void)
{
	struct node *n;

	moves_free();
	w.broken = true;	/* what follows is no crash to judge */
	for_each_node(n) {
		kernel_free(n);
		daemon_forget(n);
		free(n->saved);
	}
	group_free();
	event_exit();
	check_exit();
	free(w.node);
	w.node = NULL;
}

static void say_again(const struct options *o)
{
	unsigned long long seed = w.seed;

	printf("# again: build/sim/sim --seeds %llu-%llu%s", seed, seed,
	       o->no_rebirth ? " --no-rebirth" : "");
	if (o->bug)
		printf(" --bug %s", bug_names[o->bug]);
	if (o->nodes)
		printf(" --nodes %u", o->nodes);
	if (o->procs)
		printf(" --procs %u", o->procs);
	if (o->steps != STEPS)
		printf(" --steps %llu", (unsigned long long)o->steps);
	acts_print(&o->faults, " --without-faults ");
	acts_print(&o->work, " --without-work ");
	printf("\n");
}

static struct options shrunk;
static const char *rule;

static bool same_again(const struct acts *faults, const struct acts *work)
{
	bool same;

	shrunk.faults = *faults;
	shrunk.work = *work;
	run_seed(w.seed, &shrunk);
	same = w.broken && w.rule == rule;
	end_seed();
	return same;
}

/* The last world failed: why, with as little as can be. */
static void shrink_seed(const struct options *o)
{
	static struct acts faults, work;

	shrunk = *o;
	shrunk.quiet = true;
	rule = w.rule;
	faults = o->faults;
	work = o->work;
	shrink(same_again, &faults, &work, SHRINK_TRIES);
	shrunk.faults = faults;
	shrunk.work = work;
	shrunk.quiet = o->quiet;
	run_seed(w.seed, &shrunk);
	say_again(&shrunk);
	end_seed();
}

/* Returns whether it went as it should. */
static bool one(u64 seed, u64 number, const struct options *o)
{
	bool bad, failed;

	run_seed(seed, o);
	bad = w.broken != (o->bug != BUG_NONE);
	if (!o->quiet) {
		if (o->tap)
			printf("%sok %llu - ", bad ? "not " : "",
			       (unsigned long long)number);
		printf("seed %llu%s: %s (%u nodes, %.0f s, %llu events, %llu forks, %llu moves, %llu views, %llu of %llu lookups, %llu statuses, %llu crashes, %llu freezes, %llu expelled, %llu off, hops %u)\n",
		       (unsigned long long)seed, o->bug ? " with a bug" : "",
		       w.broken ? o->bug ? "found" : "FAILED" : o->bug ?
		       "NOT FOUND" : "ok", w.nodes, w.now / 1e6,
		       (unsigned long long)w.events, (unsigned long long)w.forks,
		       (unsigned long long)w.moves, (unsigned long long)w.views,
		       (unsigned long long)w.found,
		       (unsigned long long)w.lookups,
		       (unsigned long long)w.statuses,
		       (unsigned long long)w.crashes,
		       (unsigned long long)w.freezes,
		       (unsigned long long)w.expelled,
		       (unsigned long long)w.off, w.hops_max);
		if (w.broken)
			say_again(o);
	}
	failed = w.broken;
	end_seed();
	if (failed && !o->quiet && !o->no_shrink && w.nodes < 16)
		shrink_seed(o);
	return !bad;
}

static int run_all(const struct options *o)
{
	u64 seed, bad = 0, count = o->to - o->from + 1;

	if (o->tap)
		printf("TAP version 13\n1..%llu\n", (unsigned long long)count);
	for (seed = o->from; seed <= o->to; seed++)
		bad += !one(seed, seed - o->from + 1, o);
	if (!o->tap && count > 1)
		printf("%llu of %llu seeds are not ok\n",
		       (unsigned long long)bad, (unsigned long long)count);
	return bad ? 1 : 0;
}

/* A line each: name, value, unit, in words. */
static int figures(const struct options *o)
{
	struct options silent = *o;
	unsigned int hops = 0;
	u64 seed, messages = 0, views = 0, lookups = 0;
	bool good = true;

	silent.quiet = true;
	silent.nodes = o->nodes ? o->nodes : 16;
	for (seed = 1; seed <= 5; seed++) {
		good &= one(seed, 1, &silent);
		hops = max(hops, w.hops_max);
		messages += w.messages;
		views += w.views;
		lookups += w.found;
	}
	printf("scale.bytes_per_process\t%.1f\tbytes\ttables of a home, 100,000 processes all away\n",
	       figure_bytes_per_process());
	printf("scale.hops_max\t%u\thops\tto what does not move just then; %llu lookups among %u nodes\n",
	       hops, (unsigned long long)lookups, silent.nodes);
	printf("scale.messages_per_view\t%.1f\tmessages\tof a member to the group, pulses and rounds called off with them\n",
	       (double)messages / views);
	return good ? 0 : 1;
}

/* A planted bug need not show in every seed: it has to in one of them. */
static int run_until_found(const struct options *o)
{
	struct options silent = *o;
	u64 seed;

	silent.quiet = true;
	for (seed = o->from; seed <= o->to; seed++)
		if (one(seed, 1, &silent)) {
			printf("bug %s: found by seed %llu\n",
			       bug_names[o->bug], (unsigned long long)seed);
			if (o->verbose || !o->tap) {
				silent = *o;
				one(seed, 1, &silent);
			}
			return 0;
		}
	printf("bug %s: not found in seeds %llu-%llu\n", bug_names[o->bug],
	       (unsigned long long)o->from, (unsigned long long)o->to);
	return 1;
}

static bool parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "seeds", required_argument, NULL, 's' },
		{ "nodes", required_argument, NULL, 'n' },
		{ "procs", required_argument, NULL, 'p' },
		{ "steps", required_argument, NULL, 'c' },
		{ "bug", required_argument, NULL, 'b' },
		{ "watch", required_argument, NULL, 'w' },
		{ "without-faults", required_argument, NULL, 'F' },
		{ "without-work", required_argument, NULL, 'W' },
		{ "figures", no_argument, NULL, 'f' },
		{ "no-shrink", no_argument, NULL, 'k' },
		{ "no-rebirth", no_argument, NULL, 'r' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "tap", no_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 }
	};
	unsigned long long from, to;
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 's':
			if (sscanf(optarg, "%llu-%llu", &from, &to) != 2)
				to = from = strtoull(optarg, NULL, 10);
			o->from = from;
			o->to = to;
			break;
		case 'n':
			o->nodes = strtoul(optarg, NULL, 10);
			break;
		case 'p':
			o->procs = strtoul(optarg, NULL, 10);
			break;
		case 'c':
			o->steps = strtoull(optarg, NULL, 10);
			break;
		case 'b':
			while (++o->bug < BUGS)
				if (!strcmp(bug_names[o->bug], optarg))
					break;
			break;
		case 'w':
			o->watch = strtoul(optarg, NULL, 10);
			break;
		case 'F':
		case 'W':
			if (!acts_parse(c == 'F' ? &o->faults : &o->work,
					optarg))
				return false;
			break;
		case 'f':
			o->figures = true;
			break;
		case 'k':
			o->no_shrink = true;
			break;
		case 'r':
			o->no_rebirth = true;
			break;
		case 'v':
			o->verbose = true;
			break;
		case 't':
			o->tap = true;
			break;
		case 'h':
			usage(stdout);
			exit(0);
		default:
			return false;
		}
	}
	return optind == argc && o->from <= o->to && o->nodes <= NODES_MAX &&
	       o->bug < BUGS;
}

int main(int argc, char **argv)
{
	struct options o = { .from = 1, .to = 1, .steps = STEPS };

	setvbuf(stdout, NULL, _IOLBF, 0);
	/* what large worlds free they need again soon */
	mallopt(M_MMAP_THRESHOLD, 1 << 30);
	mallopt(M_TRIM_THRESHOLD, 1 << 30);
	if (!parse(argc, argv, &o)) {
		usage(stderr);
		return 2;
	}
	if (o.figures)
		return figures(&o);
	return o.bug ? run_until_found(&o) : run_all(&o);
}
