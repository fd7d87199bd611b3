// SPDX-License-Identifier: GPL-2.0-only
/* Which transports there are: see transport.h. */
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>

#include "transport.h"

static DEFINE_MUTEX(lock);
static LIST_HEAD(transports);	/* lock */

static struct pando_transport *find(const char *name)
{
	struct pando_transport *t;

	list_for_each_entry(t, &transports, list)
		if (!strcmp(t->name, name))
			return t;
	return NULL;
}

/**
 * pando_transport_register - offer a kind of link
 * @t: its operations; stays with the caller
 *
 * Return: 0, or -EEXIST when the name is taken.
 */
int pando_transport_register(struct pando_transport *t)
{
	int err = -EEXIST;

	mutex_lock(&lock);
	if (!find(t->name)) {
		list_add_tail(&t->list, &transports);
		err = 0;
	}
	mutex_unlock(&lock);
	return err;
}
EXPORT_SYMBOL_GPL(pando_transport_register);

/**
 * pando_transport_unregister - withdraw it
 * @t: what was registered; in use by nobody, since users pin its module
 */
void pando_transport_unregister(struct pando_transport *t)
{
	mutex_lock(&lock);
	list_del(&t->list);
	mutex_unlock(&lock);
}
EXPORT_SYMBOL_GPL(pando_transport_unregister);

struct pando_transport *pando_transport_get(const char *name)
{
	struct pando_transport *t;

	mutex_lock(&lock);
	t = find(name);
	if (t && !try_module_get(t->owner))
		t = NULL;
	mutex_unlock(&lock);
	return t;
}

void pando_transport_put(struct pando_transport *t)
{
	module_put(t->owner);
}
