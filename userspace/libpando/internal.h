/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of libpando share with each other and with nobody else. */
#ifndef PANDO_INTERNAL_H
#define PANDO_INTERNAL_H

#include <sys/socket.h>
#include "pando.h"

#define FRAME_HEADER	4	/* u32 length, little-endian */

/* Room for the descriptors that one message may carry. */
union fd_control {
	struct cmsghdr align;
	char buf[CMSG_SPACE(PANDO_FRAME_FDS * sizeof(int))];
};

/* Descriptors that arrived and that no frame has claimed yet, in order. */
struct fd_queue {
	int fd[4 * PANDO_FRAME_FDS];
	int n;
};

/* Header and body of a frame in one malloc'ed buffer; -EMSGSIZE, -ENOMEM. */
int pando_frame_encode(const Pando__Frame *frame, int nfds, uint8_t **buf,
		       size_t *len);
/* Length of the body that follows a header, or -EMSGSIZE. */
ssize_t pando_frame_length(const uint8_t *header);
/*
 * Makes a frame of a body and gives it its descriptors from @queue (closes
 * them when @fds is NULL). -EPROTO when either does not fit.
 */
int pando_frame_decode(const uint8_t *body, size_t len, struct fd_queue *queue,
		       Pando__Frame **frame, int *fds, int *nfds);

/* sendmsg() and recvmsg() with descriptors, never raising SIGPIPE. */
ssize_t pando_sendmsg(int sock, const void *buf, size_t len, const int *fds,
		      int nfds, int flags);
ssize_t pando_recvmsg(int sock, void *buf, size_t len, struct fd_queue *queue,
		      int flags);
void pando_fd_queue_close(struct fd_queue *queue);

#endif
