/* SPDX-License-Identifier: GPL-2.0-only */
/* What proc_serve.c and proc_serve_bulk.c share: one request under way. */
#ifndef _PANDO_PROC_SERVE_H
#define _PANDO_PROC_SERVE_H

#include <linux/fs.h>
#include <linux/path.h>
#include <linux/types.h>
#include <pando/wire.h>

struct cred;
struct pando_rpc_req;
struct pid;
struct pid_namespace;
struct vfsmount;

/**
 * struct serving - one request under way
 * @w: its fixed part
 * @path: what it is about
 * @len: of @path
 * @data: to be written
 * @datalen: of @data
 * @nr: first component of @path
 * @start: of that process
 * @pid: its struct pid, to see that it is still the same one afterwards
 * @mnt: procfs
 * @cred: the requester's
 * @old: what they replace
 * @at: where @path leads
 */
struct serving {
	const struct pando_wire_proc *w;
	const char *path;
	size_t len;
	const void *data;
	size_t datalen;
	u32 nr;
	u64 start;
	struct pid *pid;
	struct vfsmount *mnt;
	struct cred *cred;
	const struct cred *old;
	struct path at;
};

/*
 * All in a serving thread. begin: finds the process and walks the path of the
 * request; on success the requester's credentials are in force until end().
 */
int pando_serving_begin(struct serving *s, const struct pando_rpc_req *req);
void pando_serving_end(struct serving *s);

/* The namespace that a mount of procfs shows. */
struct pid_namespace *pando_serving_ns(struct vfsmount *mnt);
/* Who has the number @s->nr now, with a reference, and since when; or NULL. */
struct pid *pando_serving_find(struct serving *s, u64 *start);
/* Is it still @s->pid? */
bool pando_serving_same(struct serving *s);
/* Follows @s->path to @s->at, which gets a reference on its dentry alone. */
int pando_serving_walk(struct serving *s);
/* The file at @s->at, of the given @kind (S_IFREG, S_IFDIR); or ERR_PTR. */
struct file *pando_serving_open(struct serving *s, int flags, umode_t kind);
ssize_t pando_serving_read(struct file *file, void *buf, size_t len,
			   loff_t *pos);
void pando_serving_close(struct file *file);
/*
 * @text is the stat of thread @s->pid or one of its process, from the beginning: the
 * terminal it names is the one that the process had before it moved, not what stands for
 * that here. Its new length, at most @cap.
 */
size_t pando_serving_terminal(struct serving *s, char *text, size_t len, size_t cap);

/* proc_serve_bulk.c: the handler of PROC_BULK */
int pando_proc_serve_bulk(struct pando_rpc_req *req);

#endif
