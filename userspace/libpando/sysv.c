// SPDX-License-Identifier: GPL-2.0-only
/* What is to become of SysV shared memory; see sysv.h. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/shm.h>
#include <unistd.h>

#include "pando.h"
#include "sysv.h"

int sysv_write(int fd, const struct sysv_note *n)
{
	return dprintf(fd, "%d %d %" PRId64 "\n", n->id, n->creator,
		       n->ctime) > 0 ? 0 : -errno;
}

/* Takes the descriptor. Whether @fn says so of any. */
static bool each(int fd, bool (*fn)(const struct sysv_note *n,
				    const struct shmid_ds *ds))
{
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	struct sysv_note n;
	bool any = false;
	char line[96];

	if (!f && fd >= 0)
		close(fd);
	if (f)
		rewind(f);
	while (f && fgets(line, sizeof(line), f)) {
		struct shmid_ds ds;

		if (sscanf(line, "%d %d %" SCNd64, &n.id, &n.creator,
			   &n.ctime) == 3 && !shmctl(n.id, IPC_STAT, &ds))
			any |= fn(&n, &ds);
	}
	if (f)
		fclose(f);
	return any;
}

/* Its id may be another's by now: by one of the two it is known. */
static bool is_it(const struct sysv_note *n, const struct shmid_ds *ds)
{
	return (n->creator && ds->shm_cpid == n->creator) ||
	       (n->ctime && ds->shm_ctime == n->ctime);
}

static bool unmake(const struct sysv_note *n, const struct shmid_ds *ds)
{
	if (!is_it(n, ds))
		return false;
	if (!ds->shm_nattch)
		shmctl(n->id, IPC_RMID, NULL);
	return ds->shm_nattch;
}

bool sysv_unmake(int fd)
{
	return each(fd, unmake);
}

static bool moved(const struct sysv_note *n, const struct shmid_ds *ds)
{
	/* what dies here still has it: it goes with the last of them */
	if (is_it(n, ds))
		shmctl(n->id, IPC_RMID, NULL);
	return false;
}

void sysv_path(char *buf, size_t size, uint64_t move)
{
	snprintf(buf, size, PANDO_RUN_DIR "/" SYSV_MOVES "%016" PRIx64, move);
}

void sysv_settle(uint64_t move, bool committed)
{
	char path[64];

	sysv_path(path, sizeof(path), move);
	if (committed)
		each(open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), moved);
	unlink(path);
}
