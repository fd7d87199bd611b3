/* SPDX-License-Identifier: GPL-2.0-only */
/* What the daemon is asked for, by tools and by other daemons. */
#ifndef PANDOD_SERVE_H
#define PANDOD_SERVE_H

#include "pandod.h"

/* The socket for tools; SO_PEERCRED says who may do what. */
int control_listen(void);
/* A first frame of a number; garbage ends the link. */
void serve_control(struct link *l, Pando__Frame *f, int *fds, int nfds);
void serve_peer(struct link *l, Pando__Frame *f);

/* load.c */
void load_nodes(struct request *r);		/* NodesRequest */
void load_peer(struct request *r);		/* PeerLoad */
unsigned int load_processes(void);		/* in the cluster namespace */
/*
 * Finds the least loaded member; picked() may be called before this returns.
 * Never fails: this node is always there.
 */
void load_pick(void (*picked)(void *data, uint16_t node), void *data);

/* ps.c */
void ps_request(struct request *r, const Pando__PsRequest *q);
void ps_peer(struct request *r, const Pando__PeerPs *q);

/* run.c */
void run_request(struct request *r, const Pando__RunRequest *q, int *fds,
		 int nfds);
void run_peer(struct request *r, const Pando__PeerRun *q);
void run_peer_exit(const Pando__PeerExit *e);
/* The node whose daemon wants to know how a process ends; 0: nobody. */
uint16_t run_origin(uint32_t pid);
/*
 * A move was decided; told on every node, before the process goes on. The end
 * of a run that moved is told to its origin by PeerExit.
 */
void run_moved(uint32_t pid, uint16_t to, uint16_t origin);
/* The view changed: runs on lost nodes are over. */
void run_view(void);

/* main.c */
void shutdown_request(struct request *r, const Pando__ShutdownRequest *q);

#endif
