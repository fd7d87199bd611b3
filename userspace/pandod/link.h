/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A connection in the event loop, in one of two roles. A client makes calls:
 * frames that it numbers, each answered by one or more frames of that number.
 * A server gets requests and answers them. No connection is both, so numbers
 * never meet.
 */
#ifndef PANDOD_LINK_H
#define PANDOD_LINK_H

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "pando.h"

#define LINK_PENDING_HIGH	(1u << 20)	/* stop reading the source */
#define LINK_PENDING_LOW	(256u << 10)	/* and go on */

struct link;

/* Who is on the other side of a server's link. */
struct cred {
	uid_t uid;
	gid_t gid;
	pid_t pid;
	int ngroups;
	gid_t *groups;
	uint16_t node;		/* 0: a tool on this node; else a daemon */
	bool sole;		/* of one request: a tool there holds it now */
};

/*
 * What the owner of a link is told. frame: one that belongs to no call and to
 * no request; the descriptors are the callee's. closed: once, the link is
 * freed after it returns; err is 0 at end of file.
 */
struct link_ops {
	void (*frame)(struct link *l, Pando__Frame *f, int *fds, int nfds);
	void (*drained)(struct link *l);	/* pending fell below LOW */
	void (*flushed)(struct link *l);	/* and nothing is pending */
	void (*closed)(struct link *l, int err);
};

struct link *link_new(sd_event *event, int sock, const struct link_ops *ops,
		      void *data);
void *link_data(struct link *l);
void link_set_data(struct link *l, void *data);
struct cred *link_cred(struct link *l);
int link_fd(struct link *l);
/* Ends it now: calls fail with -ECONNRESET, requests are gone, closed(). */
void link_close(struct link *l, int err);
/* Ends all links whose other side is such. */
void link_close_all(bool (*such)(const struct cred *c), int err);
/* 0, or a negative errno; a link that broke is closed soon, not in here. */
int link_send(struct link *l, const Pando__Frame *f, const int *fds, int nfds);
/* Its bytes are the next @n of @pipe: see pando_stream_queue_pipe(). */
int link_send_pipe(struct link *l, const Pando__Frame *f, int pipe, size_t n);
/* From now on bytes may follow frames: requests get them by follow(). */
void link_take_follows(struct link *l);
size_t link_pending(struct link *l);
void link_pause(struct link *l, bool paused);

/* --- client ----------------------------------------------------------------*/

struct call;
/*
 * @frame is NULL when the call failed (@err: -ETIMEDOUT, -ECONNRESET, ...).
 * Returns true when more frames are awaited; otherwise the call is over. The
 * callee owns @fds, not @frame.
 */
typedef bool (*call_fn)(void *data, Pando__Frame *frame, int *fds, int nfds,
			int err);
/*
 * Sends @f with a number of its own. @timeout_ms: the longest silence, 0 for
 * no bound. NULL when it could not be sent: @fn was not called.
 */
struct call *link_call(struct link *l, Pando__Frame *f, const int *fds,
		       int nfds, unsigned int timeout_ms, call_fn fn,
		       void *data);
/* Another frame of the same number, towards the server. */
int call_send(struct call *c, Pando__Frame *f);
struct link *call_link(struct call *c);
/* Forgets it; @fn is not called any more. */
void call_cancel(struct call *c);

/* --- server ----------------------------------------------------------------*/

struct request {
	struct request *next;
	struct link *link;
	uint32_t id;
	void *data;
	/* a later frame with this number; NULL: such frames are garbage */
	void (*frame)(struct request *r, Pando__Frame *f, int *fds, int nfds);
	/*
	 * Bytes follow its frame: takes some, of which it says how many (as
	 * pando_stream_follow_read() does). NULL: they are dropped.
	 */
	ssize_t (*follow)(struct request *r, struct pando_stream *s);
	/* the other side is gone; the request is freed after it returns */
	void (*gone)(struct request *r);
	void (*drained)(struct request *r);
};

/* Registers a request; NULL when the number is in use or memory is short. */
struct request *request_new(struct link *l, uint32_t id);
int request_reply(struct request *r, Pando__Frame *f);
int request_reply_pipe(struct request *r, Pando__Frame *f, int pipe, size_t n);
/* Replies and forgets it. */
void request_end(struct request *r, Pando__Frame *f);
void request_fail(struct request *r, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* A frame with @body_case set and everything else empty. */
Pando__Frame frame_of(Pando__Frame__BodyCase body);

#endif
