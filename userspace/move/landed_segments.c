// SPDX-License-Identifier: GPL-2.0-only
/* SysV shared memory at the target; see landed_segments.h. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/securebits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "landed_segments.h"
#include "pages.h"
#include "sysv.h"
#include "sysv_image.h"

#define NEXT_ID		"/proc/sys/kernel/shm_next_id"
#define SIZE_LIMIT	(1ull << 47)	/* of an address space */
#define IMAGE_LIMIT	(256u << 20)
#define PERMS		0777u
#define HUGE_SHIFT	26		/* SHM_HUGE_SHIFT, linux/shm.h */
#define TRIES		3		/* others make segments too */

static int no_sense(struct move *m)
{
	return move_fail(m, "the source's list of SysV shared memory makes no sense");
}

/* --- making --------------------------------------------------------------------*/

/* Said before it is made, and again when its time is known. */
static int note(struct landed_segments *l, struct move *m, int id,
		int64_t ctime)
{
	struct sysv_note n = { id, getpid(), ctime };

	return sysv_write(l->record, &n) ?
	       move_fail(m, "cannot write into %s: %s", m->path,
			 strerror(errno)) : 0;
}

/* The keeper has it open: the daemon, where we die, takes its name away. */
static int open_record(struct landed_segments *l, struct move *m,
		       struct keeper *k)
{
	if (l->record >= 0)
		return 0;
	l->record = openat(m->dir, SYSV_MADE, O_RDWR | O_CREAT | O_APPEND |
			   O_CLOEXEC, 0600);
	if (l->record < 0)
		return move_fail(m, "cannot write into %s: %s", m->path,
				 strerror(errno));
	return keeper_record(m, k, l->record);
}

static bool put_next(uint32_t id)
{
	int fd = open(NEXT_ID, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && dprintf(fd, "%u", id) > 0;

	if (fd >= 0)
		close(fd);
	return ok;
}

/* Its creator is who makes it; that of the thread, so no other notices. */
static int get_as(const struct peer_segment *is, int flags)
{
	int id = -1, err;

	/* and it may have huge pages all the same */
	prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP);
	if (syscall(SYS_setresgid, -1, is->cgid, -1) ||
	    syscall(SYS_setresuid, -1, is->cuid, -1))
		err = errno;
	else
		id = shmget(is->key, is->size, flags), err = errno;
	if (syscall(SYS_setresuid, -1, 0, -1) ||
	    syscall(SYS_setresgid, -1, 0, -1)) {
		fputs("pando-move: cannot be root again\n", stderr);
		_exit(1);
	}
	prctl(PR_SET_SECUREBITS, 0);
	errno = err;
	return id;
}

/* The slot of its id is another's, or it was taken at this moment. */
static int busy(struct move *m, const struct peer_segment *is)
{
	char host[65] = "this node";

	gethostname(host, sizeof(host) - 1);
	return move_fail(m, "SysV shared memory with the id %u, or one that excludes it, is in use on %s: move, end or remove what has it there (ipcs -m, ipcrm -m)",
			 is->id, host);
}

static int cannot(struct move *m, const struct peer_segment *is, int err)
{
	char host[65] = "this node";

	gethostname(host, sizeof(host) - 1);
	if (err == EEXIST)
		return move_fail(m, "SysV shared memory with the key %#x is in use on %s: move, end or remove what has it there (ipcs -m, ipcrm -M)",
				 is->key, host);
	return move_fail(m, "SysV shared memory of %llu bytes%s cannot be made on %s: %s",
			 (unsigned long long)is->size,
			 is->huge ? " in huge pages" : "", host, strerror(err));
}

static int make_id(struct move *m, const struct peer_segment *is)
{
	/* until its tree is here nobody but root is to find it by its key */
	int flags = IPC_CREAT | IPC_EXCL;

	if (is->huge)
		flags |= SHM_HUGETLB | is->huge << HUGE_SHIFT;
	for (int i = 0; i < TRIES; i++) {
		int id;

		if (!put_next(is->id))
			return move_fail(m, "%s cannot be written: %s", NEXT_ID,
					 strerror(errno));
		id = get_as(is, flags);
		/* it may have been made so, which nothing tells */
		if (id < 0 && errno == ENOMEM && !is->huge && put_next(is->id))
			id = get_as(is, flags | SHM_NORESERVE);
		if (id < 0)
			return cannot(m, is, errno);
		if (id == (int)is->id)
			return 0;
		shmctl(id, IPC_RMID, NULL);
	}
	return busy(m, is);
}

static int set_owner(struct landed_segments *l, struct move *m,
		     const struct peer_segment *is)
{
	struct shmid_ds ds;

	if (!shmctl(is->id, IPC_STAT, &ds)) {
		ds.shm_perm.uid = is->uid;
		ds.shm_perm.gid = is->gid;
		ds.shm_perm.mode = is->mode & PERMS;
		if (!shmctl(is->id, IPC_SET, &ds) &&
		    !shmctl(is->id, IPC_STAT, &ds))
			return note(l, m, is->id, ds.shm_ctime);
	}
	return move_fail(m, "SysV shared memory (id %u) cannot be given to its owner: %s",
			 is->id, strerror(errno));
}

static int make(struct landed_segments *l, struct move *m,
		struct landed_segment *s)
{
	uint64_t page = s->is.huge ? 1ull << s->is.huge : PAGE;
	struct shmid_ds ds;
	int err;

	s->pages = (s->is.size + page - 1) / page * (page / PAGE);
	/* another's: who reads the record later is not to take it for ours */
	if (!shmctl(s->is.id, IPC_STAT, &ds))
		return busy(m, &s->is);
	err = note(l, m, s->is.id, 0);
	if (!err)
		err = make_id(m, &s->is);
	if (err)
		return err;
	s->mem = shmat(s->is.id, NULL, 0);
	if (s->mem == (void *)-1 || shmctl(s->is.id, IPC_STAT, &ds)) {
		s->mem = NULL;
		return move_fail(m, "SysV shared memory (id %u) cannot be attached: %s",
				 s->is.id, strerror(errno));
	}
	s->written = calloc(1, s->pages / 8 + 1);
	return s->written ? note(l, m, s->is.id, ds.shm_ctime) :
			    move_fail(m, "the target has no memory left");
}

static void let_go(struct landed_segment *s)
{
	if (s->mem)
		shmdt(s->mem);
	free(s->written);
	s->mem = s->written = NULL;
}

static void read_wire(const uint8_t *at, struct peer_segment *is)
{
	memcpy(is, at, sizeof(*is));
	is->size = le64toh(is->size);
	is->id = le32toh(is->id);
	is->key = le32toh(is->key);
	is->mode = le32toh(is->mode);
	is->uid = le32toh(is->uid);
	is->gid = le32toh(is->gid);
	is->cuid = le32toh(is->cuid);
	is->cgid = le32toh(is->cgid);
	is->huge = le32toh(is->huge);
	is->flags = le32toh(is->flags);
}

static bool sane(const struct peer_segment *is)
{
	return is->size && is->size < SIZE_LIMIT && is->id <= INT32_MAX &&
	       (!is->huge || (is->huge > 12 && is->huge < 40));
}

/* One that was there before: its size cannot have changed. */
static int update(struct landed_segments *l, struct move *m,
		  struct landed_segment *s, const struct peer_segment *is)
{
	if (s->is.id != is->id || s->is.size != is->size ||
	    s->is.huge != is->huge)
		return no_sense(m);
	s->is = *is;
	if (is->flags & PEER_SEGMENT_GONE) {
		bool was = s->mem;

		let_go(s);
		/* nobody has it yet, and it bears our number */
		if (was)
			shmctl(is->id, IPC_RMID, NULL);
		return 0;
	}
	return s->mem ? 0 : make(l, m, s);
}

int landed_segments_take(struct landed_segments *l, struct move *m,
			 struct keeper *k, const struct peer_message *msg)
{
	size_t n = msg->len / sizeof(struct peer_segment);

	if (msg->len % sizeof(struct peer_segment) || n < l->n ||
	    n > PEER_SEGMENTS_MAX)
		return no_sense(m);
	if (open_record(l, m, k))
		return -ECANCELED;
	l->v = xrealloc(l->v, n, sizeof(*l->v));
	for (size_t i = 0; i < n; i++) {
		struct peer_segment is;
		int err = 0;

		read_wire(msg->data + i * sizeof(is), &is);
		if (!sane(&is))
			return no_sense(m);
		if (i < l->n) {
			err = update(l, m, &l->v[i], &is);
		} else {
			l->v[i] = (struct landed_segment){ .is = is };
			l->n = i + 1;
			if (!(is.flags & PEER_SEGMENT_GONE))
				err = make(l, m, &l->v[i]);
		}
		if (err)
			return err;
	}
	return 0;
}

/* --- pages ----------------------------------------------------------------------*/

bool landed_segments_has(const struct landed_segments *l, uint32_t which,
			 uint64_t addr, uint64_t pages)
{
	return which < l->n && l->v[which].mem &&
	       addr / PAGE < l->v[which].pages &&
	       pages <= l->v[which].pages - addr / PAGE;
}

void landed_segments_put(struct landed_segments *l, uint32_t which,
			 uint64_t addr, unsigned int n, uint64_t zero,
			 const uint8_t *data)
{
	struct landed_segment *s = &l->v[which];

	if (!landed_segments_has(l, which, addr, n))
		return;
	for (unsigned int i = 0; i < n; i++, addr += PAGE) {
		uint64_t page = addr / PAGE;
		uint8_t bit = 1 << page % 8;

		if (!(zero >> i & 1)) {
			memcpy(s->mem + addr, data, PAGE);
			s->written[page / 8] |= bit;
			data += PAGE;
		} else if (s->written[page / 8] & bit) {
			memset(s->mem + addr, 0, PAGE);
		}
	}
}

/* --- images ----------------------------------------------------------------------*/

static uint8_t *read_image(struct move *m, const char *name, size_t *len)
{
	int fd = openat(m->dir, name, O_RDONLY | O_CLOEXEC);
	uint8_t *image = NULL;
	struct stat st;

	if (fd >= 0 && !fstat(fd, &st) && st.st_size <= IMAGE_LIMIT) {
		*len = st.st_size;
		image = xcalloc(1, *len + 1);
		if (read(fd, image, *len) != (ssize_t)*len) {
			free(image);
			image = NULL;
		}
	}
	if (fd >= 0)
		close(fd);
	return image;
}

static int write_image(struct move *m, const char *name, const uint8_t *image,
		       size_t len)
{
	int fd = openat(m->dir, name, O_WRONLY | O_TRUNC | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, image, len) == (ssize_t)len;

	if (fd >= 0)
		close(fd);
	return ok ? 0 : move_fail(m, "cannot write %s: %s", name,
				  strerror(errno));
}

static int adopt_mm(struct move *m, uint32_t pid, const uint32_t *made,
		    size_t n)
{
	uint8_t *image, *new;
	size_t len, new_len;
	char name[32];
	int err = 0;

	snprintf(name, sizeof(name), "mm-%u.img", pid);
	/* a thread has none, nor has a zombie */
	if (faccessat(m->dir, name, F_OK, 0))
		return 0;
	image = read_image(m, name, &len);
	new = image ? sysv_mm_adopt(image, len, made, n, &new_len) : NULL;
	if (!new)
		err = move_fail(m, "%s cannot be read, or is not of the segments that came",
				name);
	else if (new_len != len || memcmp(image, new, len))
		err = write_image(m, name, new, new_len);
	free(image);
	free(new);
	return err;
}

int landed_segments_adopt(const struct landed_segments *l, struct move *m,
			  const uint32_t *pids, size_t n)
{
	static const char name[] = "inventory.img";
	uint8_t *ids, *image, *new = NULL;
	size_t len, new_len, count = 0;
	uint32_t *made;
	char of[32];
	int err = 0;

	if (!l->n || !n)
		return 0;
	made = xcalloc(l->n, sizeof(*made));
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].mem)
			made[count++] = l->v[i].is.id;
	for (size_t i = 0; i < n && !err; i++)
		err = adopt_mm(m, pids[i], made, count);
	free(made);
	if (err)
		return err;
	snprintf(of, sizeof(of), "ids-%u.img", pids[0]);
	ids = read_image(m, of, &len);
	image = ids ? read_image(m, name, &new_len) : NULL;
	if (image)
		new = sysv_inventory_adopt(image, new_len, ids, len, &new_len);
	err = new ? write_image(m, name, new, new_len) :
		    move_fail(m, "%s or %s cannot be read", name, of);
	free(ids);
	free(image);
	free(new);
	return err;
}

/* --- the end -------------------------------------------------------------------------*/

int landed_segments_finish(struct landed_segments *l, struct move *m)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct peer_segment *is = &l->v[i].is;
		const char *what = "locked";
		int err = 0;

		if (!l->v[i].mem)
			continue;
		if (set_owner(l, m, is))
			return -ECANCELED;
		if (is->mode & SHM_LOCKED)
			err = shmctl(is->id, SHM_LOCK, NULL);
		if (!err && is->mode & SHM_DEST) {
			what = "marked for its end";
			err = shmctl(is->id, IPC_RMID, NULL);
		}
		if (err)
			return move_fail(m, "SysV shared memory (id %u) cannot be %s: %s",
					 is->id, what, strerror(errno));
		let_go(&l->v[i]);
	}
	return 0;
}

void landed_segments_keep(struct move *m)
{
	unlinkat(m->dir, SYSV_MADE, 0);
}

void landed_segments_free(struct landed_segments *l)
{
	for (size_t i = 0; i < l->n; i++)
		let_go(&l->v[i]);
	free(l->v);
	if (l->record >= 0)
		close(l->record);
	*l = LANDED_SEGMENTS_NONE;
}
