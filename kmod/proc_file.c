// SPDX-License-Identifier: GPL-2.0-only
/*
 * Open files and directories of a process that runs on another node: reading,
 * writing, listing. Asked under the opener's credentials, as a file is worth
 * what it was worth when it was opened, whoever it is passed to.
 *
 * The mutexes here are of one open file each and guard its buffer; they are
 * held over a question, and waited for killably.
 */
#include <linux/jhash.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "proc.h"

/* What most files fit in: asked for first, so that they cost one small page. */
#define READ_FIRST	4096
/* No file of procfs takes more in one write. */
#define WRITE_MAX	4096

/* Out of reach is for an open file what an ended process is in procfs. */
static int io_error(int err)
{
	switch (err) {
	case -EHOSTDOWN:
	case -ENOTCONN:
	case -EREMCHG:
		return -ESRCH;
	}
	return err;
}

/* An open regular file: a piece of its contents as of one moment. */
struct remote_file {
	struct mutex lock;	/* everything below */
	char *buf;
	size_t cap;
	size_t len;
	loff_t base;		/* position of buf[0] */
	bool eof;		/* nothing follows buf[len - 1] */
};

static int remote_open(struct inode *inode, struct file *file)
{
	struct pando_remote *r = inode->i_private;
	struct remote_file *rf;

	if ((file->f_mode & FMODE_WRITE) &&
	    !pando_proc_path_writable(r->path, r->len))
		return -EOPNOTSUPP;
	rf = kzalloc(sizeof(*rf), GFP_KERNEL_ACCOUNT);
	if (!rf)
		return -ENOMEM;
	mutex_init(&rf->lock);
	file->private_data = rf;
	return 0;
}

static int remote_release(struct inode *inode, struct file *file)
{
	struct remote_file *rf = file->private_data;

	kvfree(rf->buf);
	mutex_destroy(&rf->lock);
	kfree(rf);
	return 0;
}

static int make_room(struct remote_file *rf, size_t need)
{
	size_t cap;
	char *buf;

	if (need <= rf->cap)
		return 0;
	cap = max(need, 2 * rf->cap);
	buf = kvrealloc(rf->buf, rf->cap, cap, GFP_KERNEL_ACCOUNT);
	if (!buf)
		return -ENOMEM;
	rf->buf = buf;
	rf->cap = cap;
	return 0;
}

/* Fills the buffer from @pos on, with up to @want bytes. */
static int fetch(struct file *file, struct remote_file *rf, loff_t pos,
		 size_t want)
{
	size_t chunk = min_t(size_t, READ_FIRST, want);
	struct pando_question q;
	int err = 0;

	rf->base = pos;
	rf->len = 0;
	rf->eof = false;
	if (!pos && !make_room(rf, PANDO_BULK_FILE)) {
		ssize_t n = pando_bulk_read(file_inode(file)->i_private,
					    file->f_cred, rf->buf);

		if (n >= 0) {
			rf->len = n;
			rf->eof = true;
			return 0;
		}
	}
	while (rf->len < want) {
		err = make_room(rf, rf->len + chunk);
		if (err)
			break;
		pando_remote_about(&q, PANDO_MSG_PROC_READ,
				   file_inode(file)->i_private, file);
		q.pos = pos + rf->len;
		q.want = chunk;
		q.reply = rf->buf + rf->len;
		q.cap = chunk;
		err = pando_remote_ask(&q);
		if (err)
			break;
		rf->len += q.got;
		if (q.got < chunk) {
			rf->eof = true;
			break;
		}
		chunk = min_t(size_t, PANDO_WIRE_PAYLOAD, want - rf->len);
	}
	/* What came before an error is delivered; the next read meets it. */
	return rf->len ? 0 : io_error(err);
}

static ssize_t remote_read(struct file *file, char __user *ubuf, size_t count,
			   loff_t *ppos)
{
	struct remote_file *rf = file->private_data;
	loff_t pos = *ppos, end;
	ssize_t ret = 0;
	size_t want;

	if (!count)
		return 0;
	if (mutex_lock_killable(&rf->lock))
		return -EINTR;

	end = rf->base + rf->len;
	if (!pos || pos < rf->base || (pos >= end && !rf->eof)) {
		/* In sequence as much as is kept; a jump means a look. */
		want = PANDO_PROC_SNAPSHOT;
		if (pos && pos != end)
			want = min_t(size_t, count, PANDO_WIRE_PAYLOAD);
		ret = fetch(file, rf, pos, want);
		if (ret)
			goto out;
		end = rf->base + rf->len;
	}
	if (pos < end) {
		count = min_t(size_t, count, end - pos);
		if (copy_to_user(ubuf, rf->buf + (pos - rf->base), count)) {
			ret = -EFAULT;
			goto out;
		}
		*ppos = pos + count;
		ret = count;
	}
out:
	mutex_unlock(&rf->lock);
	return ret;
}

static ssize_t remote_write(struct file *file, const char __user *ubuf,
			    size_t count, loff_t *ppos)
{
	struct remote_file *rf = file->private_data;
	struct pando_question q;
	__le64 written;
	void *data;
	int err;

	if (!count)
		return 0;
	count = min_t(size_t, count, WRITE_MAX);
	data = memdup_user(ubuf, count);
	if (IS_ERR(data))
		return PTR_ERR(data);

	pando_remote_about(&q, PANDO_MSG_PROC_WRITE,
			   file_inode(file)->i_private, file);
	q.pos = *ppos;
	q.data = data;
	q.datalen = count;
	q.reply = &written;
	q.cap = sizeof(written);
	err = pando_remote_ask(&q);
	kfree(data);
	if (err)
		return io_error(err);
	if (q.got != sizeof(written) || le64_to_cpu(written) > count)
		return -EIO;

	/* What was read before is the past now. */
	if (mutex_lock_killable(&rf->lock) == 0) {
		rf->len = 0;
		rf->eof = false;
		mutex_unlock(&rf->lock);
	}
	count = le64_to_cpu(written);
	*ppos += count;
	return count;
}

/* An open directory: the entries from @first on, as many as one reply holds. */
struct remote_dir {
	struct mutex lock;	/* everything below */
	loff_t first;		/* index of the first entry in buf */
	u32 count;
	u32 next;		/* the owner's cookie for what follows, or 0 */
	bool valid;
	u8 buf[PANDO_WIRE_PAYLOAD];
};

static int remote_dir_open(struct inode *inode, struct file *file)
{
	struct remote_dir *rd;

	rd = kvmalloc(sizeof(*rd), GFP_KERNEL_ACCOUNT);
	if (!rd)
		return -ENOMEM;
	mutex_init(&rd->lock);
	rd->valid = false;
	file->private_data = rd;
	return 0;
}

static int remote_dir_release(struct inode *inode, struct file *file)
{
	struct remote_dir *rd = file->private_data;

	mutex_destroy(&rd->lock);
	kvfree(rd);
	return 0;
}

/* The entry at @at of the buffer; returns where the next one begins, or 0. */
static size_t dir_entry(const struct remote_dir *rd, size_t at, size_t len,
			const struct pando_wire_proc_dirent **ent,
			const char **name)
{
	size_t n;

	if (len - at < sizeof(**ent))
		return 0;
	*ent = (const void *)(rd->buf + at);
	at += sizeof(**ent);
	n = le16_to_cpu((*ent)->namelen);
	if (!n || n > PANDO_PROC_NAME_MAX || len - at < ALIGN(n, 4))
		return 0;
	*name = (const char *)(rd->buf + at);
	if (memchr(*name, '/', n) || memchr(*name, 0, n))
		return 0;
	return at + ALIGN(n, 4);
}

static int fetch_dir(struct file *file, struct remote_dir *rd, u32 cookie)
{
	const struct pando_wire_proc_dirent *ent;
	const struct pando_wire_proc_dir *head = (const void *)rd->buf;
	const char *name;
	struct pando_question q;
	size_t at;
	u32 i;
	int err;

	rd->valid = false;
	pando_remote_about(&q, PANDO_MSG_PROC_READDIR,
			   file_inode(file)->i_private, file);
	q.pos = cookie;
	q.want = sizeof(rd->buf);
	q.reply = rd->buf;
	q.cap = sizeof(rd->buf);
	err = pando_remote_ask(&q);
	if (err)
		return io_error(err);
	if (q.got < sizeof(*head))
		return -EIO;
	rd->count = le32_to_cpu(head->count);
	rd->next = le32_to_cpu(head->next);
	/* Cookies grow, or this would never end. */
	if (rd->next && rd->next <= cookie)
		return -EIO;
	for (i = 0, at = sizeof(*head); i < rd->count; i++) {
		at = dir_entry(rd, at, q.got, &ent, &name);
		if (!at)
			return -EIO;
	}
	rd->valid = true;
	return 0;
}

static int remote_iterate(struct file *file, struct dir_context *ctx)
{
	const struct pando_wire_proc_dirent *ent;
	struct remote_dir *rd = file->private_data;
	struct pando_remote *r = file_inode(file)->i_private;
	u32 hash = pando_remote_hash(r->path, r->len);
	const char *name;
	loff_t index;
	size_t at;
	int err = 0;
	u32 i, n, ino;

	if (!dir_emit_dots(file, ctx))
		return 0;
	if (mutex_lock_killable(&rd->lock))
		return -EINTR;

	if (ctx->pos == 2 || !rd->valid || ctx->pos - 2 < rd->first) {
		rd->first = 0;
		err = fetch_dir(file, rd, 0);
	}
	while (!err) {
		at = sizeof(struct pando_wire_proc_dir);
		for (i = 0; i < rd->count; i++) {
			at = dir_entry(rd, at, sizeof(rd->buf), &ent, &name);
			index = rd->first + i;
			if (index < ctx->pos - 2)
				continue;
			n = le16_to_cpu(ent->namelen);
			ino = pando_remote_hash_ino(jhash(name, n, hash));
			if (!dir_emit(ctx, name, n, ino, ent->type & 15))
				goto out;
			ctx->pos = index + 3;
		}
		if (!rd->next)
			break;
		rd->first += rd->count;
		err = fetch_dir(file, rd, rd->next);
	}
out:
	mutex_unlock(&rd->lock);
	return err;
}

const struct file_operations pando_remote_fops = {
	.owner		= THIS_MODULE,
	.open		= remote_open,
	.release	= remote_release,
	.read		= remote_read,
	.write		= remote_write,
	.llseek		= generic_file_llseek,
};

const struct file_operations pando_remote_dir_fops = {
	.owner		= THIS_MODULE,
	.open		= remote_dir_open,
	.release	= remote_dir_release,
	.read		= generic_read_dir,
	.iterate_shared	= remote_iterate,
	.llseek		= generic_file_llseek,
};

