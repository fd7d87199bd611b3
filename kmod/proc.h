/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pando_proc.ko: procfs under a type of our own, with the processes of the
 * other members in it.
 *
 *   proc_main.c    the type, the root directory, the module
 *   proc_remote.c  files and directories of a process that runs elsewhere
 *   proc_file.c    reading, writing and listing them
 *   proc_bulk.c    those that ps and top read, for many processes at once
 *   proc_serve.c   what other members ask of the processes here
 *   proc_serve_bulk.c  the same, for many at once
 *   proc_path.c    which paths may be asked for (pure)
 *   proc_record.c  what a node says of many processes (pure)
 */
#ifndef _PANDO_PROC_H
#define _PANDO_PROC_H

#include "pure.h"
#include <pando/wire.h>
#include <uapi/linux/pando.h>

/*
 * A path is what follows "/proc/". The deepest in use has six components
 * (PID/task/TID/net/dev_snmp6/eth0).
 */
#define PANDO_PROC_PATH_MAX	512
#define PANDO_PROC_NAME_MAX	255
#define PANDO_PROC_DEPTH_MAX	8

int pando_proc_name_to_pid(const char *name, size_t len, u32 *pid);
int pando_proc_path_check(const char *path, size_t len, u32 *pid);
bool pando_proc_path_hides(const char *dir, size_t len,
			   const char *name, size_t namelen);
bool pando_proc_path_writable(const char *path, size_t len);
bool pando_proc_path_is_common(const char *path, size_t len);

#ifdef __KERNEL__
#include <linux/fs.h>
#include <linux/proc_fs.h>

/*
 * What was learnt of a remote file (existence, attributes) is believed for
 * this long, and that it is still the same process: so a stat() followed by
 * an open() costs one question. Contents are taken from a cache of that age
 * only by who reads one process after the other, and from their own: see
 * proc_bulk.c.
 */
#define PANDO_PROC_FRESH_MS	100

/*
 * A file read from its beginning is fetched as a whole up to this size, so
 * that a program that reads it in small pieces sees one state of it.
 */
#define PANDO_PROC_SNAPSHOT	(1024 * 1024)

/*
 * Which process is meant, beside its number: the server's answer to STAT has
 * in @ino the start time of the process (ns of the cluster's clock), and a
 * request may name in reserved[0] the one it is about (0: whoever has the
 * number). A number that was given to somebody else is -ESRCH then.
 */
static inline void pando_proc_set_start(struct pando_wire_proc *w, u64 start)
{
	w->reserved[0] = cpu_to_le64(start);
}

static inline u64 pando_proc_get_start(const struct pando_wire_proc *w)
{
	return le64_to_cpu(w->reserved[0]);
}

/* proc_main.c */
bool pando_proc_is_cluster(struct super_block *sb);
bool pando_proc_is_local(struct super_block *sb, u32 nr);

/**
 * struct pando_remote - what an inode of a remote file is about
 * @rcu: readers of i_private in RCU mode may still look
 * @start: of the process, see pando_proc_set_start()
 * @checked: when the owner was asked last, jiffies
 * @pid: first component of @path
 * @len: of @path
 * @path: "70123/task/70124/stat", terminated
 */
struct pando_remote {
	struct rcu_head rcu;
	u64 start;
	unsigned long checked;
	u32 pid;
	u16 len;
	char path[];
};

/**
 * struct pando_question - one request about a path
 * @type: PANDO_MSG_PROC_*
 * @as: whose credentials, NULL for current's
 * @path: what about
 * @len: of @path
 * @pid: its first component
 * @start: which process, 0 for any
 * @pos: file position or cookie
 * @want: bytes wanted
 * @data: to write
 * @datalen: of @data
 * @reply: where the answer goes
 * @cap: room there
 * @got: out, bytes of the answer
 * @here: out, the process is not remote (any more)
 */
struct pando_question {
	enum pando_msg type;
	const struct cred *as;
	const char *path;
	size_t len;
	u32 pid;
	u64 start;
	u64 pos;
	u32 want;
	const void *data;
	size_t datalen;
	void *reply;
	size_t cap;
	size_t got;
	bool here;
};

/* proc_remote.c */
int pando_remote_ask(struct pando_question *q);
void pando_remote_about(struct pando_question *q, enum pando_msg type,
			const struct pando_remote *r, struct file *file);
u32 pando_remote_hash(const char *path, size_t len);
u32 pando_remote_hash_ino(u32 hash);
struct dentry *pando_remote_lookup_pid(struct inode *dir,
				       struct dentry *dentry, u32 pid,
				       bool *here);
int pando_remote_may_see(struct super_block *sb, u32 pid, u64 start,
			 enum proc_hidepid min);
bool pando_remote_is_ours(const struct inode *inode);
void pando_remote_free(void *private);

/* proc_bulk.c */
bool pando_bulk_stat(u32 pid, struct pando_wire_proc_stat *st,
		     unsigned long *when);
umode_t pando_bulk_mode(const struct pando_remote *r);
ssize_t pando_bulk_read(const struct pando_remote *r, const struct cred *cred,
			void *buf);
void pando_bulk_forget(void);
void pando_bulk_exit(void);

/* proc_file.c */
extern const struct file_operations pando_remote_fops;
extern const struct file_operations pando_remote_dir_fops;

/* proc_serve.c */
int pando_proc_serve_init(void);
void pando_proc_serve_exit(void);
#endif /* __KERNEL__ */

#endif
