// SPDX-License-Identifier: GPL-2.0-only
/* pandod: options, start and end. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "cluster.h"
#include "init.h"
#include "kernel.h"
#include "log.h"
#include "peer.h"
#include "serve.h"
#include "worker.h"

#define LOG_NAME	"main"
#define KEY_MIN		16
#define KEY_MAX		4096

struct pandod pandod;

static struct request *shutdown_asker;
static char **arguments;

static const char usage[] =
"Usage: pandod [options]\n"
"The daemon of a Pando cluster; one on every node. See pandod(8).\n"
"\n"
"  -c, --config FILE   instead of " PANDO_CONFIG "\n"
"  -s, --standalone    this node alone, without corosync\n"
"      --check         check the configuration and exit\n"
"      --shutdown      end the cluster's processes on this node, detach the\n"
"                      kernel, and end the running pandod\n"
"      --force         with --shutdown: even when there are processes\n"
"      --foreground    do not detach from the terminal (it never does)\n"
"      --no-kernel     do without the kernel module, for tests of the daemon\n"
"      --version, --help\n";

/* --- start ---------------------------------------------------------------------*/

static int read_key(void)
{
	const char *path = pandod.config.key_file;
	struct stat st;
	ssize_t n;
	int fd;

	pandod.key = calloc(1, KEY_MAX + 1);
	if (!pandod.key)
		return -ENOMEM;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && pandod.standalone) {
		/* nobody to share it with */
		pandod.keylen = 64;
		return getrandom(pandod.key, 64, 0) == 64 ? 0 : -EIO;
	}
	n = fd < 0 ? -1 : read(fd, pandod.key, KEY_MAX + 1);
	if (n < 0) {
		log_err("cluster key %s: %s (corosync-keygen makes one; all "
			"nodes need the same)", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -ENOKEY;
	}
	if (!fstat(fd, &st) && st.st_mode & 0077)
		log_warn("cluster key %s can be read by others than its owner",
			 path);
	close(fd);
	if (n < KEY_MIN || n > KEY_MAX) {
		log_err("cluster key %s has %zd bytes; %d to %d are needed",
			path, n, KEY_MIN, KEY_MAX);
		return -ENOKEY;
	}
	pandod.keylen = n;
	return 0;
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *si,
		     void *data)
{
	(void)source;
	(void)data;
	log_notice("signal %u: leaving; the processes of the cluster stay",
		   si->ssi_signo);
	pandod_leave(0);
	return 0;
}

static int open_kernel(void)
{
	static const struct kernel_events events = {
		.done = cluster_kernel_done,
		.lease_low = cluster_lease_low,
		.peer = cluster_kernel_peer,
	};
	int err;

	if (pandod.no_kernel)
		return 0;
	err = kernel_open(pandod.event, &events, pandod.config.transport);
	if (err)
		log_err("the kernel module 'pando' is not there: %s (is it "
			"built for kernel %s? Try: modprobe pando)",
			strerror(-err), kernel_release());
	return err;
}

static int start(void)
{
	sigset_t set;
	int err;

	mkdir(PANDO_RUN_DIR, 0755);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	err = sd_event_default(&pandod.event);
	if (err < 0)
		return err;
	sd_event_add_signal(pandod.event, NULL, SIGTERM, on_signal, NULL);
	sd_event_add_signal(pandod.event, NULL, SIGINT, on_signal, NULL);
	sd_event_set_watchdog(pandod.event, true);
	err = worker_init(pandod.event);
	if (err >= 0)
		err = read_key();
	if (err >= 0)
		err = control_listen();
	if (err >= 0)
		err = open_kernel();
	if (err >= 0)
		err = cluster_open();
	if (err >= 0)
		err = peer_listen();
	if (err >= 0)
		err = cluster_join();
	if (err < 0)
		return err;
	log_notice("pandod " PANDO_VERSION " node=%u name=%s address=%s "
		   "cluster=%s", pandod.self, pandod.name, pandod.address,
		   pandod.cluster);
	/* systemd need not wait for the other nodes */
	sd_notify(0, "READY=1\nSTATUS=joining");
	return 0;
}

/* --- end -----------------------------------------------------------------------*/

void pandod_leave(int status)
{
	if (pandod.leaving)
		return;
	pandod.leaving = true;
	sd_notify(0, "STOPPING=1");
	cluster_leave();
	sd_event_exit(pandod.event, status);
}

void pandod_again(int err)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (!err && n > 0) {
		path[n] = 0;
		sd_notify(0, "RELOADING=1");
		closefrom(3);
		/* by its name: that is what it is known by */
		execv(path, arguments);
		log_err("cannot start anew: %s", strerror(errno));
	}
	sd_event_exit(pandod.event, 1);
}

static void on_asker_gone(struct request *r)
{
	(void)r;
	shutdown_asker = NULL;
}

static void on_destroyed(void)
{
	Pando__Frame f = frame_of(PANDO__FRAME__BODY_DONE);
	Pando__Done d = PANDO__DONE__INIT;
	int err = cluster_detach();

	if (shutdown_asker && err) {
		request_fail(shutdown_asker, err, "the kernel does not detach: "
			     "%s", strerror(-err));
	} else if (shutdown_asker) {
		f.done = &d;
		request_end(shutdown_asker, &f);
	}
	log_notice("shut down");
	sd_notify(0, "STOPPING=1");
	sd_event_exit(pandod.event, err ? 1 : 0);
}

void shutdown_request(struct request *r, const Pando__ShutdownRequest *q)
{
	unsigned int n = load_processes();
	int err;

	if (link_cred(r->link)->uid) {
		request_fail(r, EPERM, "only root may do that");
		return;
	}
	if (n && !q->force) {
		request_fail(r, EBUSY, "%u processes of the cluster are on "
			     "this node: move or end them, or use --force", n);
		return;
	}
	if (pandod.leaving) {
		request_fail(r, EALREADY, "pandod is ending already");
		return;
	}
	log_notice("shutting down processes=%u", n);
	shutdown_asker = r;
	r->gone = on_asker_gone;
	pandod.leaving = true;
	err = init_destroy(on_destroyed);
	if (err) {
		pandod.leaving = false;
		shutdown_asker = NULL;
		request_fail(r, err, "the namespace does not end: %s",
			     strerror(-err));
	}
}

/* The other side of it: "pandod --shutdown". */
static int ask_shutdown(bool force)
{
	Pando__Frame f = frame_of(PANDO__FRAME__BODY_SHUTDOWN_REQUEST);
	Pando__ShutdownRequest q = PANDO__SHUTDOWN_REQUEST__INIT;
	Pando__Frame *answer;
	int sock = pando_connect(true);
	int err;

	if (sock < 0)
		return 1;
	q.force = force;
	f.id = 1;
	f.shutdown_request = &q;
	err = pando_send(sock, &f, NULL, 0);
	if (!err)
		err = pando_recv(sock, &answer, NULL, NULL);
	if (err <= 0) {
		fprintf(stderr, "pandod: no answer from the daemon: %s\n",
			strerror(err ? -err : EPIPE));
		return 1;
	}
	err = 0;
	if (answer->body_case == PANDO__FRAME__BODY_ERROR) {
		fprintf(stderr, "pandod: %s\n", answer->error->text);
		err = 1;
	}
	pando_frame_free(answer);
	return err;
}

/* --- options --------------------------------------------------------------------*/

static int configure(const char *path)
{
	struct config *c = &pandod.config;
	char err[512];

	config_defaults(c);
	if (config_load(c, path ? path : PANDO_CONFIG, path != NULL, err,
			sizeof(err)) < 0) {
		fprintf(stderr, "pandod: %s\n", err);
		return -1;
	}
	if (pandod.standalone) {
		strcpy(c->transport, "loop");
	} else if (!strcmp(c->transport, "loop")) {
		fprintf(stderr, "pandod: transport 'loop' reaches no other "
			"node: use it with --standalone\n");
		return -1;
	}
	snprintf(pandod.name, sizeof(pandod.name), "%s", c->node_name);
	if (strlen(c->address) < sizeof(pandod.address))
		strcpy(pandod.address, c->address);
	return 0;
}

int main(int argc, char **argv)
{
	enum { CHECK = 256, SHUTDOWN, FORCE, FOREGROUND, NO_KERNEL, VERSION,
	       HELP };
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "standalone", no_argument, NULL, 's' },
		{ "check", no_argument, NULL, CHECK },
		{ "shutdown", no_argument, NULL, SHUTDOWN },
		{ "force", no_argument, NULL, FORCE },
		{ "foreground", no_argument, NULL, FOREGROUND },
		{ "no-kernel", no_argument, NULL, NO_KERNEL },
		{ "version", no_argument, NULL, VERSION },
		{ "help", no_argument, NULL, HELP },
		{ NULL, 0, NULL, 0 },
	};
	bool check = false, shutdown = false, force = false;
	const char *config = NULL;
	int c;

	arguments = argv;
	while ((c = getopt_long(argc, argv, "c:s", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			config = optarg;
			break;
		case 's':
			pandod.standalone = true;
			break;
		case CHECK:
			check = true;
			break;
		case SHUTDOWN:
			shutdown = true;
			break;
		case FORCE:
			force = true;
			break;
		case FOREGROUND:
			break;
		case NO_KERNEL:
			pandod.no_kernel = true;
			break;
		case VERSION:
			puts("pandod " PANDO_VERSION);
			return 0;
		case HELP:
			fputs(usage, stdout);
			return 0;
		default:
			fputs("Try: pandod --help\n", stderr);
			return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "pandod: what is '%s'? Try: pandod --help\n",
			argv[optind]);
		return 2;
	}
	if (shutdown)
		return ask_shutdown(force);
	if (configure(config))
		return 1;
	if (check) {
		puts("The configuration is fine.");
		return 0;
	}
	log_open(pandod.config.log_level);
	if (geteuid()) {
		log_err("pandod needs to be root");
		return 1;
	}
	if (start() < 0)
		return 1;
	return sd_event_loop(pandod.event) ? 1 : 0;
}
