// SPDX-License-Identifier: GPL-2.0-only
/* The options of ps, in its three dialects: -f, --forest and aux. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "ps.h"
#include "term.h"

static const char help[] =
"Usage: cluster-ps [options of ps]\n"
"Shows the processes of all nodes. Without a selection: all of them.\n"
"\n"
"Selection (one of those given is enough; --node limits all of them):\n"
"  -e, -A                every process\n"
"  -a, -d                with a terminal; all, both without session leaders\n"
"  -p, --pid LIST        by PID (a bare number, too)\n"
"      --ppid LIST       children of these\n"
"  -s, --sid LIST        by session\n"
"  -u, --user LIST       by effective user, name or number\n"
"  -U, --User LIST       by real user\n"
"  -C NAME               by name of the command\n"
"  -t, --tty LIST        by terminal\n"
"  -N, --deselect        all but those\n"
"      --node LIST       only on these nodes, name or id\n"
"\n"
"Output:\n"
"  -f, -F, -l, -j        full, extra full, long, jobs\n"
"  -o, --format LIST     columns; NAME=TITLE and NAME:WIDTH as with ps\n"
"      --sort LIST       by these columns, falling with - before the name\n"
"      --forest, -H      as a tree, with and without lines\n"
"  -w, --cols N          wide (twice: without limit); N columns\n"
"      --no-headers      no line of titles\n"
"      --json            {\"processes\": [...], \"unreachable\": [...]}\n"
"      --help            this text\n"
"      --version         the version\n"
"\n"
"BSD letters: a x u j l f e w h H, and o k p U t with a list: cluster-ps auxf\n"
"\n"
"Columns:\n";

static const char help_end[] =
"\n\n"
"A node that does not answer in time is named on stderr; the others are shown.\n"
"Exits with 0, with 1 if no process was found or the daemon cannot tell, with\n"
"2 for a wrong call.\n";

#define FORMAT_SHORT	"pid,node,tty,time,ucmd"
#define FORMAT_FULL	"user=UID,pid,ppid,node,c,stime,tty,time,cmd"
#define FORMAT_EXTRA	"user=UID,pid,ppid,node,c,sz,rss,stime,tty,time,cmd"
#define FORMAT_LONG	"s,uid,pid,ppid,node,c,ni,sz,tty,time,ucmd"
#define FORMAT_JOBS	"pid,pgid,sid,node,tty,time,ucmd"
#define FORMAT_USER	"user,pid,node,pcpu,pmem,vsz,rss,tty,stat,start_time," \
			"bsdtime,command"
#define FORMAT_BSD	"pid,node,tty,stat,bsdtime,command"
#define FORMAT_BSD_JOBS	"ppid,pid,pgid,sid,node,tty,stat,uid,bsdtime,command"
#define FORMAT_BSD_LONG	"uid,pid,ppid,node,ni,vsz,rss,stat,tty,bsdtime,command"

/* What only the whole command line decides. */
struct dialect {
	const char *format;
	bool bsd, bsd_a, bsd_x;
	int wide;
};

static void add_column(struct ps_options *o, char *name, char *title)
{
	char *width = strchr(name, ':');
	struct ps_shown *s;

	o->shown = cli_grow(o->shown, o->columns + 1, sizeof(*o->shown));
	s = &o->shown[o->columns++];
	memset(s, 0, sizeof(*s));
	if (width) {
		*width++ = '\0';
		s->width = cli_number(width);
		if (s->width < 0 || s->width > 4096)
			cli_misuse("the width of column %s is not a number",
				   name);
	}
	s->column = ps_column_find(name);
	if (!s->column)
		cli_misuse("there is no column %s", name);
	if (title)
		s->title = cli_strdup(title);
}

/*
 * "pid,user:20 args=WHAT": a title goes to the end of a user's list, as it may
 * hold commas with ps; in our own formats to the next comma.
 */
static void add_columns(struct ps_options *o, const char *list, bool users)
{
	char *copy = cli_strdup(list), *at = copy;

	while (*at) {
		char *name = at, *title = NULL;

		at += strcspn(at, users ? ", \t\n=" : ",=");
		if (*at == '=') {
			*at++ = '\0';
			title = at;
			at += users ? strlen(at) : strcspn(at, ",");
		}
		if (*at)
			*at++ = '\0';
		if (*name)
			add_column(o, name, title);
	}
	free(copy);
}

static void add_words(struct ps_list *l, const char *list)
{
	char *copy = cli_strdup(list), *save = NULL;

	for (char *word = strtok_r(copy, ", ", &save); word;
	     word = strtok_r(NULL, ", ", &save)) {
		l->word = cli_grow(l->word, l->count + 1, sizeof(*l->word));
		l->word[l->count++] = cli_strdup(word);
	}
	free(copy);
	if (!l->count)
		cli_misuse("a list is empty");
}

static void add_numbers(struct ps_list *l, const char *list)
{
	size_t i = l->count;

	add_words(l, list);
	for (; i < l->count; i++)
		if (cli_number(l->word[i]) < 0)
			cli_misuse("%s is not a PID", l->word[i]);
}

static void add_sorts(struct ps_options *o, const char *list)
{
	struct ps_list names = { 0 };

	add_words(&names, list);
	for (size_t i = 0; i < names.count; i++) {
		const char *name = names.word[i];
		struct ps_sort *s;

		o->sort = cli_grow(o->sort, o->sorts + 1, sizeof(*o->sort));
		s = &o->sort[o->sorts++];
		s->down = *name == '-';
		name += *name == '-' || *name == '+';
		s->column = ps_column_find(name);
		if (!s->column)
			cli_misuse("there is no column %s to sort by", name);
		free(names.word[i]);
	}
	free(names.word);
}

static void add_width(struct ps_options *o, const char *arg)
{
	o->width = cli_number(arg);
	if (o->width < 0)
		cli_misuse("the width %s is not a number", arg);
}

static void parse_bsd(struct ps_options *o, struct dialect *d, char *word,
		      int argc, char **argv)
{
	for (char *c = word; *c; c++) {
		const char *arg = NULL;

		if (strchr("okpUt", *c)) {
			arg = c[1] ? c + 1 : optind < argc ? argv[optind++] :
							     NULL;
			if (!arg)
				cli_misuse("BSD option %c needs a list", *c);
		}
		switch (*c) {
		case 'a':
			d->bsd_a = true;
			break;
		case 'x':
			d->bsd_x = true;
			break;
		case 'u':
			d->format = FORMAT_USER;
			break;
		case 'j':
			d->format = FORMAT_BSD_JOBS;
			break;
		case 'l':
			d->format = FORMAT_BSD_LONG;
			break;
		case 'f':
			o->forest = true;
			break;
		case 'H':
			o->indent = true;
			break;
		case 'h':
			o->headers = false;
			break;
		case 'e':	/* environment: is not shown */
			break;
		case 'w':
			d->wide++;
			break;
		case 'o':
			add_columns(o, arg, true);
			break;
		case 'k':
			add_sorts(o, arg);
			break;
		case 'p':
			add_numbers(&o->pid, arg);
			break;
		case 'U':
			add_words(&o->euser, arg);
			break;
		case 't':
			add_words(&o->tty, arg);
			break;
		default:
			cli_misuse("unknown BSD option %c in %s", *c, word);
		}
		if (arg)
			break;
	}
	d->bsd = true;
}

static void parse_word(struct ps_options *o, struct dialect *d, char *word,
		       int argc, char **argv)
{
	if (*word >= '0' && *word <= '9')
		add_numbers(&o->pid, word);
	else
		parse_bsd(o, d, word, argc, argv);
}

static void conclude(struct ps_options *o, const struct dialect *d)
{
	const char *format = d->format;
	bool lists = o->pid.count || o->ppid.count || o->sid.count ||
		     o->ruser.count || o->euser.count || o->comm.count ||
		     o->tty.count || o->with_tty || o->no_leaders;

	/* in BSD's world a means everybody's, x those without a terminal */
	if (d->bsd_a && d->bsd_x)
		o->every = true;
	else if (d->bsd_a)
		o->all_tty = true;
	else if (d->bsd_x)
		o->own = true;
	if (!lists && !o->own && !o->all_tty)
		o->every = true;
	if (!format)
		format = d->bsd ? FORMAT_BSD : FORMAT_SHORT;
	if (!o->columns)
		add_columns(o, format, false);
	if (!o->width)
		o->width = term_width(STDOUT_FILENO);
	if (d->wide == 1 && o->width && o->width < 132)
		o->width = 132;
	if (d->wide > 1)
		o->width = 0;
}

enum {
	OPT_PPID = CLI_OPT_FIRST,
	OPT_FOREST,
	OPT_SORT,
	OPT_NODE,
	OPT_COLS,
	OPT_NO_HEADERS,
	OPT_HEADERS,
};

static const struct option options[] = {
	CLI_OPTIONS,
	{ "pid", required_argument, NULL, 'p' },
	{ "ppid", required_argument, NULL, OPT_PPID },
	{ "sid", required_argument, NULL, 's' },
	{ "user", required_argument, NULL, 'u' },
	{ "User", required_argument, NULL, 'U' },
	{ "tty", required_argument, NULL, 't' },
	{ "deselect", no_argument, NULL, 'N' },
	{ "node", required_argument, NULL, OPT_NODE },
	{ "format", required_argument, NULL, 'o' },
	{ "sort", required_argument, NULL, OPT_SORT },
	{ "forest", no_argument, NULL, OPT_FOREST },
	{ "cols", required_argument, NULL, OPT_COLS },
	{ "columns", required_argument, NULL, OPT_COLS },
	{ "width", required_argument, NULL, OPT_COLS },
	{ "no-headers", no_argument, NULL, OPT_NO_HEADERS },
	{ "no-heading", no_argument, NULL, OPT_NO_HEADERS },
	{ "headers", no_argument, NULL, OPT_HEADERS },
	{ NULL, 0, NULL, 0 },
};

void ps_options_parse(struct ps_options *o, int argc, char **argv)
{
	struct dialect d = { 0 };
	int opt;

	memset(o, 0, sizeof(*o));
	o->headers = true;
	/* the leading - hands us words that are no options, in their place */
	while ((opt = getopt_long(argc, argv, "-eAadp:s:u:U:C:t:No:fFljHwhy",
				  options, NULL)) != -1) {
		switch (opt) {
		case CLI_OPT_HELP:
			fputs(help, stdout);
			fputs(ps_column_names(), stdout);
			cli_help(help_end);
		case CLI_OPT_VERSION:
			cli_version();
		case CLI_OPT_JSON:
			o->json = true;
			break;
		case 1:
			parse_word(o, &d, optarg, argc, argv);
			break;
		case 'e':
		case 'A':
			o->every = true;
			break;
		case 'a':
			o->with_tty = true;
			break;
		case 'd':
			o->no_leaders = true;
			break;
		case 'p':
			add_numbers(&o->pid, optarg);
			break;
		case OPT_PPID:
			add_numbers(&o->ppid, optarg);
			break;
		case 's':
			add_numbers(&o->sid, optarg);
			break;
		case 'u':
			add_words(&o->euser, optarg);
			break;
		case 'U':
			add_words(&o->ruser, optarg);
			break;
		case 'C':
			add_words(&o->comm, optarg);
			break;
		case 't':
			add_words(&o->tty, optarg);
			break;
		case 'N':
			o->deselect = true;
			break;
		case OPT_NODE:
			add_words(&o->node, optarg);
			break;
		case 'o':
			add_columns(o, optarg, true);
			break;
		case 'f':
			d.format = FORMAT_FULL;
			break;
		case 'F':
			d.format = FORMAT_EXTRA;
			break;
		case 'l':
			d.format = FORMAT_LONG;
			break;
		case 'j':
			d.format = FORMAT_JOBS;
			break;
		case 'y':	/* of -ly: we never show flags */
			break;
		case OPT_SORT:
			add_sorts(o, optarg);
			break;
		case OPT_FOREST:
			o->forest = true;
			break;
		case 'H':
			o->indent = true;
			break;
		case OPT_COLS:
			add_width(o, optarg);
			break;
		case 'w':
			d.wide++;
			break;
		case 'h':
		case OPT_NO_HEADERS:
			o->headers = false;
			break;
		case OPT_HEADERS:
			o->headers = true;
			break;
		default:
			cli_usage();
		}
	}
	for (; optind < argc; optind++)
		parse_word(o, &d, argv[optind], argc, argv);
	conclude(o, &d);
}
