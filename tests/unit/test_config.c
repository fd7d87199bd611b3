// SPDX-License-Identifier: GPL-2.0-only
// LINK: userspace/pandod/config.c
/* The daemon's configuration: what is taken, and what is said when it is not. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "config.h"
#include "tap.h"

/* @what should hold, and did not. */
#define OK(cond, what)							\
	do {								\
		if (!(cond))						\
			tap_bad(__FILE__, __LINE__, what);		\
	} while (0)

static struct config c;
static char err[512];

static int parse(const char *text)
{
	config_defaults(&c);
	*err = 0;
	return config_parse(&c, "f", text, err, sizeof(err));
}

static void refused(const char *text, const char *line)
{
	OK(parse(text) < 0 && !strcmp(err, line), err);
}

TEST(values)
{
	OK(!parse("") && !strcmp(c.transport, "tcp") && c.kernel_port == 5470,
	   "nothing said, defaults stand");
	OK(!parse("# only a comment\n\n   \t\n"), "comments and blank lines");
	OK(!parse("transport = rdma # why not\nkernel_port=7\r\n"
		  "node_name=a-b.c\n log_level = debug") &&
	   !strcmp(c.transport, "rdma") && c.kernel_port == 7 &&
	   !strcmp(c.node_name, "a-b.c") && c.log_level == LOG_DEBUG,
	   "values, with blanks, comments, CR, and no last newline");
	OK(!parse("address = fe80::1\naddress = 10.0.0.1") &&
	   !strcmp(c.address, "10.0.0.1"), "the last word counts");
}

TEST(refusals)
{
	char *big;

	refused("\ntransport = carrier-pigeon",
		"f:2: transport must be one of: rdma tcp loop");
	refused("transport = tc", "f:1: transport must be one of: rdma tcp loop");
	refused("kernel_port = 65536",
		"f:1: kernel_port must be a number from 1 to 65535");
	refused("kernel_port = -1",
		"f:1: kernel_port must be a number from 1 to 65535");
	refused("timescale = 2x", "f:1: timescale must be a number from 1 to 100");
	refused("move_timeout_ms = 99999999999999999999999",
		"f:1: move_timeout_ms must be a number from 1000 to 3600000");
	refused("\n\ncolour = blue", "f:3: unknown key 'colour'");
	refused("transport", "f:1: expected 'key = value', found 'transport'");
	refused("transport =", "f:1: transport has no value");
	refused("= tcp", "f:1: unknown key ''");
	refused("address = example.org",
		"f:1: address must be an IPv4 or IPv6 address");
	refused("node_name = a b",
		"f:1: node_name must be of letters, digits, '-', '.' and '_'");
	refused("log_level = loud",
		"f:1: log_level must be one of: err warning notice info debug");
	big = malloc(5000);
	memset(big, 'x', 4999);
	big[4999] = 0;
	refused(big, "f:1: line is too long");
	memcpy(big, "key_file = /", 12);
	big[600] = 0;
	refused(big, "f:1: key_file is too long");
	free(big);
}

TEST(files)
{
	char path[] = "/tmp/test_configXXXXXX";
	int fd;

	OK(!config_load(&c, "/nonexistent/x", false, err, sizeof(err)),
	   "a missing default file is fine");
	OK(config_load(&c, "/nonexistent/x", true, err, sizeof(err)) < 0 &&
	   !strcmp(err, "/nonexistent/x: No such file or directory"),
	   err);
	fd = mkstemp(path);
	OK(fd >= 0 && write(fd, "fabric = tcp\n", 13) == 13 &&
	   !config_load(&c, path, true, err, sizeof(err)) &&
	   !strcmp(c.fabric, "tcp"), "a file is read");
	OK(write(fd, "\0\0\0", 3) == 3 &&
	   config_load(&c, path, true, err, sizeof(err)) < 0 &&
	   strstr(err, "is not a configuration file"), "a binary is refused");
	close(fd);
	unlink(path);
}

TAP_MAIN(T(values), T(refusals), T(files))
