// SPDX-License-Identifier: GPL-2.0-only
/* The columns of cluster-ps: a row a column, names and widths as those of ps. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ps.h"

#define NUM(fn, expr) \
	static double fn(const struct proc *p) \
	{ \
		return (expr); \
	}

NUM(pid, p->p->pid)
NUM(ppid, p->p->ppid)
NUM(pgid, p->p->pgid)
NUM(sid, p->p->sid)
NUM(node_id, p->p->node)
NUM(home_id, p->p->home)
NUM(uid, p->p->uid)
NUM(euid, p->p->euid)
NUM(rss, p->p->rss_kib)
NUM(vsz, p->p->vsz_kib)
NUM(pages, p->p->vsz_kib / 4)
NUM(cpu, p->p->cpu_ms)
NUM(cpu_seconds, p->p->cpu_ms / 1000)
NUM(start, p->p->start_unix_ms)
NUM(elapsed, p->elapsed_ms)
NUM(elapsed_seconds, p->elapsed_ms / 1000)
NUM(nice, p->p->nice)
NUM(threads, p->p->threads)
NUM(pcpu, p->pcpu)
NUM(pcpu_whole, p->pcpu > 99 ? 99 : (int)p->pcpu)
NUM(pmem, p->pmem)

#define TEXT(fn) \
	static void fn(const struct proc *p, char *buf, size_t size)

TEXT(node)
{
	snprintf(buf, size, "%s", p->node);
}

TEXT(home)
{
	snprintf(buf, size, "%s", p->home);
}

TEXT(user)
{
	snprintf(buf, size, "%s", p->user);
}

TEXT(state)
{
	snprintf(buf, size, "%.1s", p->p->state);
}

TEXT(stat)
{
	snprintf(buf, size, "%.1s%s%s%s", p->p->state,
		 p->p->nice < 0 ? "<" : p->p->nice > 0 ? "N" : "",
		 p->p->pid == p->p->sid ? "s" : "",
		 p->p->threads > 1 ? "l" : "");
}

TEXT(percent_cpu)
{
	snprintf(buf, size, "%.1f", p->pcpu);
}

TEXT(percent_mem)
{
	snprintf(buf, size, "%.1f", p->pmem);
}

TEXT(cputime)
{
	ps_duration(p->p->cpu_ms / 1000, true, buf, size);
}

TEXT(bsdtime)
{
	uint64_t s = p->p->cpu_ms / 1000;

	snprintf(buf, size, "%" PRIu64 ":%02u", s / 60, (unsigned int)(s % 60));
}

TEXT(etime)
{
	ps_duration(p->elapsed_ms / 1000, false, buf, size);
}

TEXT(stime)
{
	ps_start(p->p->start_unix_ms, buf, size);
}

TEXT(start_time)
{
	bool day = p->elapsed_ms < 24 * 3600 * 1000;

	ps_date(day ? "%H:%M:%S" : "%b %d", p->p->start_unix_ms, buf, size);
}

TEXT(lstart)
{
	ps_date("%a %b %e %H:%M:%S %Y", p->p->start_unix_ms, buf, size);
}

TEXT(tty)
{
	ps_tty(p->p->tty, buf, size);
}

static const char *defunct(const struct proc *p)
{
	return *p->p->state == 'Z' ? " <defunct>" : "";
}

TEXT(comm)
{
	snprintf(buf, size, "%s%s%s", p->branch ? p->branch : "", p->p->comm,
		 defunct(p));
}

TEXT(args)
{
	bool bare = !*p->p->args || *p->p->state == 'Z';

	/* who has no arguments left is shown by name, in brackets */
	snprintf(buf, size, bare ? "%s[%s]%s" : "%s%s%s",
		 p->branch ? p->branch : "", bare ? p->p->comm : p->p->args,
		 defunct(p));
}

static const struct ps_column columns[] = {
	{ "pid", "PID", 7, true, pid, NULL },
	{ "ppid", "PPID", 7, true, ppid, NULL },
	{ "pgid", "PGID", 7, true, pgid, NULL },
	{ "pgrp", "PGRP", 7, true, pgid, NULL },
	{ "sid", "SID", 7, true, sid, NULL },
	{ "sess", "SESS", 7, true, sid, NULL },
	{ "session", "SESS", 7, true, sid, NULL },
	{ "node", "NODE", 5, false, node_id, node },
	{ "node_id", "NODE", 4, true, node_id, NULL },
	{ "home", "HOME", 5, false, home_id, home },
	{ "home_id", "HOME", 4, true, home_id, NULL },
	{ "user", "USER", 8, false, NULL, user },
	{ "euser", "EUSER", 8, false, NULL, user },
	{ "uname", "USER", 8, false, NULL, user },
	{ "ruid", "RUID", 5, true, uid, NULL },
	{ "uid", "UID", 5, true, euid, NULL },
	{ "euid", "EUID", 5, true, euid, NULL },
	{ "s", "S", 1, false, NULL, state },
	{ "state", "S", 1, false, NULL, state },
	{ "stat", "STAT", 4, false, NULL, stat },
	{ "c", "C", 2, true, pcpu_whole, NULL },
	{ "pcpu", "%CPU", 4, true, pcpu, percent_cpu },
	{ "%cpu", "%CPU", 4, true, pcpu, percent_cpu },
	{ "pmem", "%MEM", 4, true, pmem, percent_mem },
	{ "%mem", "%MEM", 4, true, pmem, percent_mem },
	{ "rss", "RSS", 5, true, rss, NULL },
	{ "rssize", "RSS", 5, true, rss, NULL },
	{ "rsz", "RSZ", 5, true, rss, NULL },
	{ "vsz", "VSZ", 6, true, vsz, NULL },
	{ "vsize", "VSZ", 6, true, vsz, NULL },
	{ "sz", "SZ", 5, true, pages, NULL },
	{ "time", "TIME", 8, true, cpu, cputime },
	{ "cputime", "TIME", 8, true, cpu, cputime },
	{ "times", "TIME", 8, true, cpu_seconds, NULL },
	{ "cputimes", "TIME", 8, true, cpu_seconds, NULL },
	{ "bsdtime", "TIME", 6, true, cpu, bsdtime },
	{ "etime", "ELAPSED", 11, true, elapsed, etime },
	{ "etimes", "ELAPSED", 7, true, elapsed_seconds, NULL },
	{ "stime", "STIME", 5, false, start, stime },
	{ "bsdstart", "START", 5, false, start, stime },
	{ "start_time", "START", 5, false, start, stime },
	{ "start", "STARTED", 8, true, start, start_time },
	{ "lstart", "STARTED", 24, true, start, lstart },
	{ "tty", "TTY", 8, false, NULL, tty },
	{ "tt", "TT", 8, false, NULL, tty },
	{ "tname", "TTY", 8, false, NULL, tty },
	{ "ni", "NI", 3, true, nice, NULL },
	{ "nice", "NI", 3, true, nice, NULL },
	{ "nlwp", "NLWP", 4, true, threads, NULL },
	{ "thcount", "THCNT", 5, true, threads, NULL },
	{ "comm", "COMMAND", 15, false, NULL, comm },
	{ "ucmd", "CMD", 15, false, NULL, comm },
	{ "ucomm", "COMMAND", 15, false, NULL, comm },
	{ "args", "COMMAND", 27, false, NULL, args },
	{ "cmd", "CMD", 27, false, NULL, args },
	{ "command", "COMMAND", 27, false, NULL, args },
};

#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

const struct ps_column *ps_column_find(const char *name)
{
	for (size_t i = 0; i < COLUMNS; i++)
		if (!strcmp(columns[i].name, name))
			return &columns[i];
	return NULL;
}

int ps_column_compare(const struct ps_column *c, const struct proc *a,
		      const struct proc *b)
{
	char x[4096], y[4096];

	if (c->num)
		return c->num(a) < c->num(b) ? -1 : c->num(a) > c->num(b);
	c->text(a, x, sizeof(x));
	c->text(b, y, sizeof(y));
	return strcmp(x, y);
}

const char *ps_column_names(void)
{
	static char names[2048];
	size_t used = 0, line = 0;

	for (size_t i = 0; i < COLUMNS; i++) {
		size_t len = strlen(columns[i].name);
		bool turn = line + len > 70;

		line = turn ? len + 1 : line + len + 1;
		used += snprintf(names + used, sizeof(names) - used, "%s%s",
				 !i ? "  " : turn ? "\n  " : " ",
				 columns[i].name);
	}
	return names;
}
