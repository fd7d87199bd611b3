/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * libpando: frames over a socket, and what all programs of Pando share.
 * Functions return 0 or a count, or a negative errno, unless said otherwise.
 */
#ifndef PANDO_H
#define PANDO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "pando.pb-c.h"

#define PANDO_RUN_DIR		"/run/pando"
#define PANDO_CONTROL_SOCKET	PANDO_RUN_DIR "/control"
#define PANDO_INIT_SOCKET	PANDO_RUN_DIR "/init"
#define PANDO_RUN_INPUT		(1u << 20)	/* bytes: see Taken in pando.proto */
/* Of Pando's own, and of the cluster's processes on this node. */
#define PANDO_CGROUP		"/sys/fs/cgroup/pando"
#define PANDO_CGROUP_INIT	PANDO_CGROUP "/init"
#define PANDO_CGROUP_TASKS	PANDO_CGROUP "/tasks"
#define PANDO_CONFIG		"/etc/pando/pando.conf"
/* In front of a move's number: the control group of what is leaving. */
#define PANDO_MOVE_GROUP	"pando-move-"
#define PANDO_LANDING_GROUP	"pando-landing-"
#define PANDO_FRAME_MAX		(1024u * 1024u)
#define PANDO_FRAME_FDS		8

/* --- frames, blocking (tools, pando-init, pando-move) ------------------- */

/*
 * Writes one whole frame with its descriptors (fds may be NULL, nfds 0).
 * -EPIPE when the other side is gone; never raises SIGPIPE.
 */
int pando_send(int sock, const Pando__Frame *frame, const int *fds, int nfds);

/*
 * Reads one whole frame into a new message (pando_frame_free). @fds receives
 * at most PANDO_FRAME_FDS descriptors (close-on-exec) and @nfds their count;
 * NULL: any that come are closed. Returns 1, 0 at end of file, -EPROTO for
 * garbage, -EMSGSIZE for a length out of range.
 */
int pando_recv(int sock, Pando__Frame **frame, int *fds, int *nfds);
void pando_frame_free(Pando__Frame *frame);

/* --- frames, not blocking (pandod): a buffer that bytes are fed to ------- */

struct pando_stream;	/* one direction pair of a non-blocking socket */
struct pando_stream *pando_stream_new(int sock);	/* owns sock */
void pando_stream_free(struct pando_stream *s);
int pando_stream_fd(const struct pando_stream *s);
/*
 * Reads what is there. Call pando_stream_next() until it returns 0. Returns
 * 1 while the stream lives, 0 at end of file, or a negative errno.
 */
int pando_stream_fill(struct pando_stream *s);
/* 1 and a frame (with fds as pando_recv()), 0 for none, -EPROTO, -EMSGSIZE */
int pando_stream_next(struct pando_stream *s, Pando__Frame **frame,
		      int *fds, int *nfds);
/* Queues a frame (its fds are dup'ed); flush writes what the socket takes. */
int pando_stream_queue(struct pando_stream *s, const Pando__Frame *frame,
		       const int *fds, int nfds);
/* 1: all is written; 0: wait for POLLOUT; negative errno. */
int pando_stream_flush(struct pando_stream *s);
/* Bytes queued and not written, for flow control. */
size_t pando_stream_pending(const struct pando_stream *s);

/*
 * Bytes behind a frame (Data.follows). To queue: the next @n bytes of @pipe,
 * which nobody else reads and which is dup'ed, behind @frame, which says so.
 */
#define PANDO_FOLLOW_MAX	(1u << 20)
int pando_stream_queue_pipe(struct pando_stream *s, const Pando__Frame *frame,
			    int pipe, size_t n);
/*
 * Moves at most @max bytes from the pipe @from into the pipe @hold, to be queued
 * from there. @hold is made when it is first needed: it starts as { -1, -1 }, and
 * pando_hold_close() closes it, whatever is under way. How many; 0: so few that
 * they are copied sooner than moved, or they cannot be moved.
 */
size_t pando_hold_fill(int hold[2], int from, size_t max);
void pando_hold_close(int hold[2]);
/* From here on such frames may come; until then they are garbage. */
void pando_stream_take_follows(struct pando_stream *s);
/*
 * How many of them are still to come: until then there is no next frame, and
 * pando_stream_fill() reads nothing. They are read, or moved into a pipe, which
 * returns how many were, 0 at the end of file, -EAGAIN, or another negative errno.
 */
size_t pando_stream_follows(const struct pando_stream *s);
ssize_t pando_stream_follow_read(struct pando_stream *s, void *buf, size_t n);
ssize_t pando_stream_follow_splice(struct pando_stream *s, int pipe);

/* --- bytes that wait to be read or written ---------------------------------*/

/* Those of buf from off to len; {0} is an empty one. */
struct pando_bytes {
	uint8_t *buf;
	size_t off, len, cap;
};

static inline size_t pando_bytes_left(const struct pando_bytes *b)
{
	return b->len - b->off;
}

/* Where n more can be written; then add them to len. NULL: out of memory. */
uint8_t *pando_bytes_reserve(struct pando_bytes *b, size_t n);
/* Copies n more behind the others. 0 or -ENOMEM. */
int pando_bytes_add(struct pando_bytes *b, const void *data, size_t n);
/* The first n are done with; n is at most what is left. */
void pando_bytes_take(struct pando_bytes *b, size_t n);
void pando_bytes_free(struct pando_bytes *b);

/* --- connecting ----------------------------------------------------------*/

/*
 * Connects to the daemon on this node (PANDO_CONTROL in the environment
 * overrides the path). On failure prints one line that says what to do to
 * stderr when @loud, and returns a negative errno.
 */
int pando_connect(bool loud);

/*
 * Mutual proof of a shared secret over a stream socket, blocking with
 * @timeout_ms: HMAC-SHA256 over both nonces and @context. Used between daemons
 * (cluster key) and between movers (token). 0, -EACCES, -ETIMEDOUT, -EPIPE.
 */
int pando_auth(int sock, bool initiator, const void *secret, size_t len,
	       const char *context, int timeout_ms);

#endif
