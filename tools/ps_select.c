// SPDX-License-Identifier: GPL-2.0-only
/* Which processes are meant. */
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ps.h"

static bool number_in(const struct ps_list *l, uint32_t n)
{
	for (size_t i = 0; i < l->count; i++)
		if (strtoul(l->word[i], NULL, 10) == n)
			return true;
	return false;
}

static bool word_in(const struct ps_list *l, const char *word)
{
	for (size_t i = 0; i < l->count; i++)
		if (!strcmp(l->word[i], word))
			return true;
	return false;
}

/*
 * By number, by the name this node knows for it, or, for the effective user,
 * by the name that the process's own node has told.
 */
static bool user_in(const struct ps_list *l, uint32_t uid, const char *told)
{
	for (size_t i = 0; i < l->count; i++) {
		const char *word = l->word[i];
		const struct passwd *pw;
		char *end;
		unsigned long n = strtoul(word, &end, 10);

		if (!*end && n == uid)
			return true;
		if (told && !strcmp(word, told))
			return true;
		pw = getpwnam(word);
		if (pw && pw->pw_uid == uid)
			return true;
	}
	return false;
}

static bool tty_in(const struct ps_list *l, uint32_t device)
{
	char name[32];

	ps_tty(device, name, sizeof(name));
	for (size_t i = 0; i < l->count; i++) {
		const char *word = l->word[i];

		if (!strncmp(word, "/dev/", 5))
			word += 5;
		/* as ps: 1 is tty1, and - is none at all */
		if (!strcmp(word, name) ||
		    (!strncmp(name, "tty", 3) && !strcmp(word, name + 3)) ||
		    (!device && !strcmp(word, "-")))
			return true;
	}
	return false;
}

static bool chosen(const struct ps_options *o, const Pando__Process *p)
{
	bool leader = p->pid == p->sid, mine = p->euid == geteuid();

	return o->every ||
	       (o->with_tty && p->tty && !leader) ||
	       (o->no_leaders && !leader) ||
	       (o->own && mine) ||
	       (o->all_tty && p->tty) ||
	       number_in(&o->pid, p->pid) ||
	       number_in(&o->ppid, p->ppid) ||
	       number_in(&o->sid, p->sid) ||
	       user_in(&o->euser, p->euid, p->user) ||
	       user_in(&o->ruser, p->uid, NULL) ||
	       word_in(&o->comm, p->comm) ||
	       tty_in(&o->tty, p->tty);
}

bool ps_selected(const struct ps_options *o, const struct proc *p)
{
	if (o->node.count && !word_in(&o->node, p->node) &&
	    !number_in(&o->node, p->p->node))
		return false;
	return chosen(o, p->p) != o->deselect;
}
