// SPDX-License-Identifier: GPL-2.0-only
// LINK: userspace/move/tree.c userspace/move/tree_files.c userspace/move/tree_terminal.c userspace/move/blockers.c userspace/move/clock.c userspace/move/sockets.c userspace/move/util.c
// PKGS: libprotobuf-c
/* What keeps a tree from moving, in words, out of a /proc made of files. */
#include <stdarg.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tap.h"
#include "../../userspace/move/tree.h"

static char root[] = "/tmp/test_blockers.XXXXXX";
static struct tree tree;
static struct words words;

static void file(const char *text, const char *fmt, ...)
{
	char path[256], *s;
	va_list ap;
	size_t n = snprintf(path, sizeof(path), "%s/", root);
	FILE *f;

	va_start(ap, fmt);
	vsnprintf(path + n, sizeof(path) - n, fmt, ap);
	va_end(ap);
	for (s = path + strlen(root) + 1; (s = strchr(s, '/')); *s++ = '/') {
		*s = 0;
		mkdir(path, 0700);
	}
	f = fopen(path, "w");
	if (f) {
		fputs(text, f);
		fclose(f);
	}
}

static void link_to(const char *to, const char *fmt, ...)
{
	char path[256], dir[256];
	va_list ap;
	size_t n = snprintf(path, sizeof(path), "%s/", root);

	va_start(ap, fmt);
	vsnprintf(path + n, sizeof(path) - n, fmt, ap);
	va_end(ap);
	snprintf(dir, sizeof(dir), "%s", path);
	*strrchr(dir, '/') = 0;
	mkdir(dir, 0700);
	unlink(path);
	CHECK(!symlink(to, path));
}

static void process(int pid, const char *comm, int ppid, int pgid, int sid,
		    int tty, const char *children)
{
	char text[256];

	snprintf(text, sizeof(text), "%d (%s) S %d %d %d %d -1 0 0", pid, comm,
		 ppid, pgid, sid, tty);
	file(text, "%d/stat", pid);
	snprintf(text, sizeof(text), "%s\n", comm);
	file(text, "%d/comm", pid);
	file("Name:\tx\nTracerPid:\t0\nRssAnon:\t   100 kB\nRssShmem:\t 20 kB\nVmSwap:\t 3 kB\n",
	     "%d/status", pid);
	file(children, "%d/task/%d/children", pid, pid);
	file("", "%d/maps", pid);
}

static void begin(void)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "rm -rf %s && mkdir %s", root, root);
	CHECK(!system(cmd));
	tree_proc = root;
	file("", "self/ns/x");
	link_to("net:[1]", "self/ns/net");
	/* a session of its own, below pid 1, with a child */
	file("", "70001/ns/x");
	file("", "70002/ns/x");
	process(70001, "app (x) y", 1, 70001, 70001, 0, "70002 ");
	process(70002, "kid", 70001, 70001, 70001, 0, "");
}

static size_t look(void)
{
	words_free(&words);
	tree_free(&tree);
	CHECK_EQ(tree_collect(&tree, 70001), 0);
	tree_blockers(&tree, &words);
	for (size_t i = 0; i < words.n; i++)
		printf("# %s\n", words.v[i]);
	return words.n;
}

static bool said(const char *part)
{
	for (size_t i = 0; i < words.n; i++)
		if (strstr(words.v[i], part))
			return true;
	return false;
}

static void end(void)
{
	char cmd[128];

	tree_free(&tree);
	words_free(&words);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", root);
	CHECK(!system(cmd));
}

TEST(a_plain_tree_moves)
{
	size_t n;
	uint32_t *pids;

	begin();
	file("", "70001/task/70005/children");
	CHECK_EQ(look(), 0);
	CHECK_EQ(tree.n, 2);
	CHECK(!strcmp(tree.task[0].comm, "app (x) y"));
	CHECK_EQ(tree.memory_kib, 246);
	pids = tree_pids(&tree, &n);
	CHECK_EQ(n, 3);
	CHECK_EQ(pids[0], 70001);
	CHECK_EQ(pids[1], 70002);
	CHECK_EQ(pids[2], 70005);
	free(pids);
	end();
	begin();
	CHECK_EQ(tree_collect(&tree, 70009), -3 /* ESRCH */);
	end();
}

TEST(relations_outside_are_named)
{
	begin();
	/* those of the cluster are kept, those of the node's tools cannot be */
	process(69000, "bash", 1, 69000, 69000, 0, "70001 ");
	process(70001, "app", 69000, 69000, 69000, 34816 + 3, "70002 ");
	process(70002, "kid", 70001, 70002, 70002, 0, "");
	CHECK_EQ(look(), 0);
	process(700, "tool", 1, 700, 700, 0, "70001 ");
	process(70001, "app", 700, 0, 0, 0, "70002 ");
	CHECK_EQ(look(), 2);
	CHECK(said("the parent of 70001 (app), 700 (tool), is a tool"));
	CHECK(said("belongs to a session from outside"));
	end();
}

TEST(a_tracer_and_namespaces_are_named)
{
	begin();
	process(69000, "gdb", 1, 69000, 69000, 0, "");
	file("TracerPid:\t69000\n", "70002/status");
	link_to("net:[2]", "70001/ns/net");
	link_to("net:[1]", "70002/ns/net");
	CHECK_EQ(look(), 2);
	CHECK(said("70002 (kid) is traced by 69000 (gdb)"));
	CHECK(said("in a network namespace of its own"));
	end();
}

TEST(one_clock_moves_two_do_not)
{
	begin();
	/* not the node's, but the same one for all */
	link_to("time:[1]", "self/ns/time");
	link_to("time:[2]", "70001/ns/time");
	link_to("time:[2]", "70001/ns/time_for_children");
	link_to("time:[2]", "70002/ns/time");
	link_to("time:[2]", "70002/ns/time_for_children");
	CHECK_EQ(look(), 0);
	link_to("time:[3]", "70002/ns/time_for_children");
	CHECK_EQ(look(), 1);
	CHECK(said("70002 (kid) is in another time namespace than 70001 (app (x) y)"));
	end();
}

TEST(pipes_need_both_ends)
{
	begin();
	file("", "70001/fd/x");
	file("", "70002/fd/x");
	link_to("pipe:[11]", "70001/fd/0");
	file("pos:\t0\nflags:\t00\n", "70001/fdinfo/0");
	link_to("pipe:[11]", "70002/fd/1");
	file("pos:\t0\nflags:\t01\n", "70002/fdinfo/1");
	CHECK_EQ(look(), 0);
	link_to("pipe:[12]", "70002/fd/4");
	file("pos:\t0\nflags:\t0100001\n", "70002/fdinfo/4");
	CHECK_EQ(look(), 1);
	CHECK(said("70002 (kid) holds a pipe (descriptor 4) whose reading end"));
	end();
}

TEST(a_pipe_is_shared_with_who_stays_though_both_its_ends_move)
{
	char fifo[64];

	begin();
	file("", "70001/fd/x");
	file("", "70002/fd/x");
	file("", "69000/fd/x");
	file("", "69000/maps");
	file("make\n", "69000/comm");
	link_to("pipe:[11]", "70001/fd/3");
	file("pos:\t0\nflags:\t00\n", "70001/fdinfo/3");
	link_to("pipe:[11]", "70002/fd/4");
	file("pos:\t0\nflags:\t01\n", "70002/fdinfo/4");
	link_to("pipe:[111]", "69000/fd/3");
	link_to("socket:[11]", "69000/fd/4");
	CHECK_EQ(look(), 0);
	link_to("pipe:[11]", "69000/fd/5");
	CHECK_EQ(look(), 1);
	CHECK(said("70001 (app (x) y) shares a pipe (descriptor 3) with 69000 (make), which does not"));
	link_to("/dev/null", "69000/fd/5");
	CHECK_EQ(look(), 0);

	/* one that has a name */
	snprintf(fifo, sizeof(fifo), "%s/fifo", root);
	CHECK(!mkfifo(fifo, 0600));
	link_to(fifo, "70001/fd/6");
	file("pos:\t0\nflags:\t02\n", "70001/fdinfo/6");
	CHECK_EQ(look(), 0);
	link_to(fifo, "69000/fd/6");
	CHECK_EQ(look(), 1);
	CHECK(said("shares a FIFO (descriptor 6) with 69000 (make)"));
	end();
}

TEST(connections_are_named_and_listeners_are_not)
{
	begin();
	file("", "70001/fd/x");
	file("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	     "   0: 00000000:2BCB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 501 1 0 100\n"
	     "   1: 0100000A:2BCB 0500000A:C350 01 00000000:00000000 00:00000000 00000000     0        0 502 1 0 100\n",
	     "70001/net/tcp");
	link_to("socket:[501]", "70001/fd/3");
	CHECK_EQ(look(), 0);
	link_to("socket:[502]", "70001/fd/4");
	CHECK_EQ(look(), 1);
	CHECK(said("an established TCP connection with 10.0.0.5:50000"));
	end();
}

TEST(what_cannot_be_carried_is_named)
{
	begin();
	file("", "70001/fd/x");
	link_to("anon_inode:[eventfd]", "70001/fd/3");
	link_to("anon_inode:[io_uring]", "70001/fd/4");
	link_to("anon_inode:[perf_event]", "70001/fd/5");
	link_to("/tmp/was (deleted)", "70001/fd/6");
	link_to("/memfd:x (deleted)", "70001/fd/7");
	link_to("/dev/null", "70001/fd/0");
	link_to("/dev/tty", "70001/fd/8");
	file("00400000-00401000 rw-s 00000000 00:01 1    /SYSV00000000 (deleted)\n"
	     "00500000-00501000 rw-s 00000000 00:01 1    /dev/zero (deleted)\n"
	     "00600000-00601000 r-xp 00000000 00:01 1    /usr/lib/old.so (deleted)\n"
	     "00700000-00701000 rw-p 00000000 00:00 0    [heap]\n"
	     "00800000-00801000 rw-p 00000000 00:00 0\n", "70002/maps");
	look();
	CHECK(said("70001 (app (x) y) uses io_uring"));
	CHECK(said("descriptor of a kind that cannot be carried over: 5, [perf_event]"));
	CHECK(said("a deleted file open: /tmp/was (descriptor 6)"));
	CHECK(said("70002 (kid) maps a deleted file: /usr/lib/old.so"));
	CHECK(said("the terminal /dev/tty open (descriptor 8)"));
	CHECK_EQ(words.n, 5);
	end();
}

TEST(memory_shared_with_who_stays_is_named)
{
	begin();
	process(69000, "parent", 1, 69000, 69000, 0, "");
	file("00500000-00501000 rw-s 00000000 00:01 17    /dev/zero (deleted)\n"
	     "00600000-00601000 rw-s 00000000 00:01 18    /memfd:x (deleted)\n",
	     "70002/maps");
	file("00700000-00701000 rw-s 00000000 00:01 17    /dev/zero (deleted)\n",
	     "70001/maps");
	/* another file, another device, and a copy of its own */
	file("00500000-00501000 rw-s 00000000 00:01 19    /dev/zero (deleted)\n"
	     "00600000-00601000 rw-s 00000000 00:02 18    /memfd:x (deleted)\n"
	     "00700000-00701000 rw-p 00000000 00:01 17    /dev/zero (deleted)\n",
	     "69000/maps");
	CHECK_EQ(look(), 0);
	file("00500000-00501000 rw-s 00000000 00:01 18    /memfd:x (deleted)\n"
	     "00900000-00901000 r--s 00001000 00:01 18    /memfd:x (deleted)\n",
	     "69000/maps");
	CHECK_EQ(look(), 1);
	CHECK(said("70002 (kid) shares memory with 69000 (parent), which does not move"));
	end();
}

static struct tree_terminal terminal;

/* Both of the tree have @tty open, if not NULL, and the leader is 69000. */
static void with_terminal(const char *path, int tty, int leaders)
{
	begin();
	process(69000, "sh", 1, 69000, 69000, leaders, "70001 ");
	process(70001, "app", 69000, 70001, 69000, tty, "70002 ");
	process(70002, "kid", 70001, 70001, 69000, tty, "");
	link_to(path, "70001/fd/1");
	link_to(path, "70002/fd/0");
}

static size_t look_for(const uint64_t *relayed, size_t n)
{
	words_free(&words);
	tree_free(&tree);
	CHECK_EQ(tree_collect(&tree, 70001), 0);
	tree_terminal(&tree, relayed, n, &terminal, &words);
	for (size_t i = 0; i < words.n; i++)
		printf("# %s\n", words.v[i]);
	return words.n;
}

TEST(the_terminal_of_its_session_moves_and_no_other)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY), nr;
	int other = posix_openpt(O_RDWR | O_NOCTTY);
	char path[64], second[64];
	struct stat st;
	uint64_t rdev;

	CHECK(master >= 0 && other >= 0 && !unlockpt(master) &&
	      !ptsname_r(master, path, sizeof(path)) &&
	      !ptsname_r(other, second, sizeof(second)) && !stat(path, &st));
	rdev = st.st_rdev;
	nr = major(rdev) << 8 | (minor(rdev) & 0xff) | (minor(rdev) & ~0xffu) << 12;

	with_terminal(path, nr, nr);
	CHECK_EQ(look_for(NULL, 0), 0);
	CHECK(terminal.rdev == rdev && terminal.sid == 69000 && terminal.reads);
	CHECK(terminal.groups == 1 && terminal.group[0] == 70001);
	/* who only writes does not want what is typed */
	file("flags:\t0100001\n", "70002/fdinfo/0");
	CHECK_EQ(look_for(NULL, 0), 0);
	CHECK(!terminal.reads);
	file("Name:\tx\nTracerPid:\t0\nSigIgn:\t0000000000384004\n", "70002/status");
	CHECK_EQ(look_for(NULL, 0), 1);
	CHECK(said("70002 (kid) is a shell that does job control"));
	/* some of them may be ignored for other reasons */
	file("Name:\tx\nTracerPid:\t0\nSigIgn:\t0000000000300000\n", "70002/status");
	CHECK_EQ(look_for(NULL, 0), 0);
	link_to(second, "70002/fd/5");
	CHECK_EQ(look_for(NULL, 0), 1);
	CHECK(said("beside another one"));
	end();

	with_terminal(path, nr + 1, nr + 1);
	CHECK(look_for(NULL, 0) > 0);
	CHECK(said("which is not that of its session"));
	/* but what only stands for one elsewhere may be anybody's */
	CHECK_EQ(look_for(&rdev, 1), 0);
	CHECK(terminal.relayed);
	end();

	/* its leader has left it, or is not here */
	with_terminal(path, nr, 0);
	CHECK(look_for(NULL, 0) > 0);
	end();

	with_terminal(path, nr, nr);
	process(70001, "sh", 1, 70001, 70001, nr, "70002 ");
	process(70002, "kid", 70001, 70001, 70001, nr, "");
	CHECK(look_for(NULL, 0) > 0);
	CHECK(said("whose session's leader cannot leave it"));
	end();

	with_terminal("/dev/null", nr, nr);
	CHECK_EQ(look_for(NULL, 0), 0);
	CHECK(!terminal.rdev);
	end();
	close(master);
	close(other);
}

int main(void)
{
	static const struct tap_test tests[] = {
		T(a_plain_tree_moves), T(relations_outside_are_named),
		T(a_tracer_and_namespaces_are_named),
		T(one_clock_moves_two_do_not), T(pipes_need_both_ends),
		T(a_pipe_is_shared_with_who_stays_though_both_its_ends_move),
		T(connections_are_named_and_listeners_are_not),
		T(what_cannot_be_carried_is_named),
		T(memory_shared_with_who_stays_is_named),
		T(the_terminal_of_its_session_moves_and_no_other),
	};

	if (!mkdtemp(root))
		return 1;
	return tap_run(tests, sizeof(tests) / sizeof(tests[0]));
}
