// SPDX-License-Identifier: GPL-2.0-only
/* From frames to those who answer them. */
#include <errno.h>
#include <unistd.h>

#include "clock.h"
#include "expel.h"
#include "log.h"
#include "move.h"
#include "serve.h"
#include "terminal.h"

#define LOG_NAME	"serve"

static void close_all(int *fds, int nfds)
{
	for (int i = 0; i < nfds; i++)
		close(fds[i]);
}

static void garbage(struct link *l, const char *who, Pando__Frame *f)
{
	log_warn("garbage from %s uid=%u node=%u frame=%d", who,
		 link_cred(l)->uid, link_cred(l)->node, f->body_case);
	link_close(l, -EPROTO);
}

void serve_control(struct link *l, Pando__Frame *f, int *fds, int nfds)
{
	struct request *r;

	switch (f->body_case) {
	case PANDO__FRAME__BODY_NODES_REQUEST:
	case PANDO__FRAME__BODY_PS_REQUEST:
	case PANDO__FRAME__BODY_RUN_REQUEST:
	case PANDO__FRAME__BODY_MOVE_REQUEST:
	case PANDO__FRAME__BODY_SHUTDOWN_REQUEST:
	case PANDO__FRAME__BODY_EXPEL_REQUEST:
		break;
	case PANDO__FRAME__BODY_DATA:
	case PANDO__FRAME__BODY_WINDOW:
	case PANDO__FRAME__BODY_SIGNAL:
	case PANDO__FRAME__BODY_FOREGROUND:
		/* for a run that has just ended */
		close_all(fds, nfds);
		return;
	default:
		close_all(fds, nfds);
		garbage(l, "a tool", f);
		return;
	}
	r = request_new(l, f->id);
	if (!r) {
		close_all(fds, nfds);
		garbage(l, "a tool: too many requests", f);
		return;
	}
	if (f->body_case == PANDO__FRAME__BODY_RUN_REQUEST) {
		run_request(r, f->run_request, fds, nfds);
		return;
	}
	close_all(fds, nfds);
	if (f->body_case == PANDO__FRAME__BODY_NODES_REQUEST)
		load_nodes(r);
	else if (f->body_case == PANDO__FRAME__BODY_PS_REQUEST)
		ps_request(r, f->ps_request);
	else if (f->body_case == PANDO__FRAME__BODY_MOVE_REQUEST)
		move_request(r, f->move_request);
	else if (f->body_case == PANDO__FRAME__BODY_EXPEL_REQUEST)
		expel_request(r, f->expel_request);
	else
		shutdown_request(r, f->shutdown_request);
}

void serve_peer(struct link *l, Pando__Frame *f)
{
	struct request *r;

	/* what a daemon may say, a tool that its link was given to may not */
	if (link_cred(l)->sole) {
		if (f->body_case != PANDO__FRAME__BODY_DATA &&
		    f->body_case != PANDO__FRAME__BODY_WINDOW &&
		    f->body_case != PANDO__FRAME__BODY_SIGNAL &&
		    f->body_case != PANDO__FRAME__BODY_FOREGROUND)
			garbage(l, "a tool elsewhere", f);
		return;
	}
	switch (f->body_case) {
	case PANDO__FRAME__BODY_PEER_PS:
	case PANDO__FRAME__BODY_PEER_LOAD:
	case PANDO__FRAME__BODY_PEER_CLOCK:
	case PANDO__FRAME__BODY_PEER_RUN:
	case PANDO__FRAME__BODY_PEER_MOVE:
	case PANDO__FRAME__BODY_MOVE_PREPARE:
	case PANDO__FRAME__BODY_PEER_TERMINAL:
		break;
	case PANDO__FRAME__BODY_PEER_EXIT:
		run_peer_exit(f->peer_exit);
		return;
	case PANDO__FRAME__BODY_MOVE_ABORT:
		move_peer_abort(link_cred(l)->node, f->move_abort);
		return;
	case PANDO__FRAME__BODY_DATA:
	case PANDO__FRAME__BODY_WINDOW:
	case PANDO__FRAME__BODY_SIGNAL:
	case PANDO__FRAME__BODY_FOREGROUND:
	case PANDO__FRAME__BODY_MODES:
	case PANDO__FRAME__BODY_TAKEN:
		return;		/* for a run, or a terminal, that has just ended */
	default:
		garbage(l, "a daemon", f);
		return;
	}
	r = request_new(l, f->id);
	if (!r) {
		garbage(l, "a daemon: too many requests", f);
		return;
	}
	link_cred(l)->sole = f->body_case == PANDO__FRAME__BODY_PEER_RUN;
	if (f->body_case == PANDO__FRAME__BODY_PEER_PS)
		ps_peer(r, f->peer_ps);
	else if (f->body_case == PANDO__FRAME__BODY_PEER_LOAD)
		load_peer(r);
	else if (f->body_case == PANDO__FRAME__BODY_PEER_CLOCK)
		clock_peer(r);
	else if (f->body_case == PANDO__FRAME__BODY_PEER_RUN)
		run_peer(r, f->peer_run);
	else if (f->body_case == PANDO__FRAME__BODY_PEER_MOVE)
		move_peer(r, f->peer_move);
	else if (f->body_case == PANDO__FRAME__BODY_PEER_TERMINAL)
		terminal_near_join(r, f->peer_terminal);
	else
		move_peer_prepare(r, f->move_prepare);
}
