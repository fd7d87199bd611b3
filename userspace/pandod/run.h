/* SPDX-License-Identifier: GPL-2.0-only */
/* What run.c (requests, other nodes, moves) and run_local.c share. */
#ifndef PANDOD_RUN_H
#define PANDOD_RUN_H

#include "pandod.h"

struct run;

/* Exit status of a run whose program's end nobody can tell: cluster-run(1). */
#define RUN_FAILED	125

/* Output of a program: a pipe's read end, or the master of its pty. */
struct output {
	struct run *run;
	unsigned int number;	/* 1 or 2 */
	int fd;
	int hold[2];		/* a pipe: on its way, and not copied */
	sd_event_source *io;
};

struct run {
	struct run *next;
	struct request *request;	/* NULL: nobody is interested any more */
	Pando__RunRequest *q;
	uint32_t pid;
	bool started;
	/* here */
	struct call *init;		/* pando-init tells its end */
	struct output out[2];
	bool moves;			/* by splice, to the other side */
	int in;				/* write end, or the pty's master */
	sd_event_source *in_io;
	struct pando_bytes input;
	size_t taken;			/* of it, and not yet told */
	bool input_end, exited, hangup;
	int status;
	struct pando_bytes unread;	/* with a terminal: typed, and not read by it */
	sd_event_source *last_words;
	/* elsewhere */
	uint16_t node;			/* where it is, if not here */
	struct link *link;
	bool handed;			/* that link is the tool's now */
};

/* Forgets it, wherever it is. */
void run_free(struct run *run);
/* Answers to who asked, if they are still there. */
void run_tell_started(struct run *run);
void run_tell_exit(struct run *run, int status, int error, const char *text);
/* With Exit, or with an Error; the run is freed. */
void run_finish(struct run *run);
void run_fail(struct run *run, int err, const char *text);

/* Starts it on this node; the descriptors stay the caller's. */
void run_local(struct run *run, const int *fds, int nfds);
/* It ended, here or wherever it had moved. */
void run_on_exit(struct run *run, const Pando__Exit *e);
/* Ends it, if it has ended and all that it wrote was sent. */
void run_maybe_finish(struct run *run);
/* The other side has read: sources that were stopped go on. */
void run_on_drained(struct request *r);
void run_close_output(struct output *o);
void run_close_input(struct run *run);

#endif
