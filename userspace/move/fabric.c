// SPDX-License-Identifier: GPL-2.0-only
/* What all fabrics share: the table, and their making and ending. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "fabric.h"

const struct fabric_ops *const fabric_table[] = {
	&fabric_rdma,
	&fabric_dpdk,		/* if it is configured */
	&fabric_tcp,
	NULL,
};

const struct fabric_ops *fabric_find(const char *name)
{
	for (int i = 0; fabric_table[i]; i++)
		if (!strcmp(fabric_table[i]->name, name))
			return fabric_table[i];
	return NULL;
}

struct fabric *fabric_new(const struct fabric_ops *ops, const void *token,
			  size_t len)
{
	struct fabric *f = calloc(1, ops->size);

	if (!f)
		return NULL;
	f->ops = ops;
	f->fd = -1;
	f->token = token;
	f->token_len = len;
	return f;
}

void fabric_free(struct fabric *f)
{
	if (!f)
		return;
	f->ops->close(f);
	free(f);
}

void *fabric_map(size_t len)
{
	void *p = mmap(NULL, len + FABRIC_PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

void fabric_unmap(void *mem, size_t len)
{
	if (mem)
		munmap(mem, len + FABRIC_PAGE);
}

int fabric_error(struct fabric *f, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (!f->error[0])
		vsnprintf(f->error, sizeof(f->error), fmt, ap);
	va_end(ap);
	return err;
}
