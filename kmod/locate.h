/* SPDX-License-Identifier: GPL-2.0-only */
/* Where does a PID live? The directory of this node and its messages. */
#ifndef _PANDO_LOCATE_H
#define _PANDO_LOCATE_H

#include <linux/types.h>
#include <linux/uio.h>
#include <pando/wire.h>

/**
 * pando_locate_may_be_remote - cheap test before anything is sent
 *
 * False for numbers of block 0, of nobody's lease, and of our own leases that
 * have not moved away. Any context.
 */
bool pando_locate_may_be_remote(u32 pid);

/**
 * pando_locate_call - ask the node where @pid lives
 *
 * As pando_rpc_call(), but finds the node: hint, else home, else where the
 * home says (at most one redirect), and the hint is kept. Handlers answer
 * -ESRCH when the PID is not theirs; then the home is asked (LOCATE) once.
 * Return: the handler's status; -ESRCH also when nobody has it, when its home
 * is gone, or when it turned out to live here (then *@here is set true, and
 * the caller tries the local call again). -EINTR when killed.
 */
int pando_locate_call(u32 pid, enum pando_msg type,
		      const struct kvec *vec, int nvec,
		      void *reply, size_t reply_cap, size_t *reply_len,
		      bool *here);

#endif
