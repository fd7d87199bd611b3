// SPDX-License-Identifier: GPL-2.0-only
/* The daemon's configuration. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "config.h"

#define FILE_MAX	65536

enum kind { TEXT, NUMBER, ADDRESS, LEVEL, NAME };

/* One row a key; words: the values allowed, separated by blanks. */
static const struct key {
	const char *name;
	enum kind kind;
	size_t offset;
	unsigned long min, max;		/* of a number; max: size of a text */
	const char *words;
} keys[] = {
#define TEXT_KEY(f, kind, words) \
	{ #f, kind, offsetof(struct config, f), 0, \
	  sizeof(((struct config *)0)->f), words }
#define NUMBER_KEY(f, min, max) \
	{ #f, NUMBER, offsetof(struct config, f), min, max, NULL }
	TEXT_KEY(transport, TEXT, "rdma tcp loop"),
	TEXT_KEY(fabric, TEXT, "auto rdma dpdk tcp"),
	TEXT_KEY(dpdk, TEXT, NULL),
	TEXT_KEY(key_file, TEXT, NULL),
	TEXT_KEY(address, ADDRESS, NULL),
	TEXT_KEY(node_name, NAME, NULL),
	TEXT_KEY(libexec, TEXT, NULL),
	NUMBER_KEY(kernel_port, 1, 65535),
	NUMBER_KEY(daemon_port, 1, 65535),
	NUMBER_KEY(lease_blocks, 1, 64),
	NUMBER_KEY(serve_threads, 1, 64),
	NUMBER_KEY(request_timeout_ms, 100, 600000),
	NUMBER_KEY(move_timeout_ms, 1000, 3600000),
	NUMBER_KEY(quorum_lease_ms, 0, 600000),
	NUMBER_KEY(expel_after_s, 0, 86400),
	NUMBER_KEY(timescale, 1, 100),
	{ "log_level", LEVEL, offsetof(struct config, log_level), 0, 0, NULL },
};

void config_defaults(struct config *c)
{
	*c = (struct config){
		.transport = "tcp",
		.fabric = "auto",
		.key_file = "/etc/corosync/authkey",
		.libexec = PANDO_LIBEXEC,
		.kernel_port = 5470,
		.daemon_port = 5471,
		.lease_blocks = 16,
		.serve_threads = 8,
		.request_timeout_ms = 5000,
		.move_timeout_ms = 30000,
		.expel_after_s = 60,
		.timescale = 1,
		.log_level = LOG_INFO,
	};
}

static bool is_word(const char *words, const char *value)
{
	size_t n = strlen(value);

	for (const char *w = words; *w; w += strspn(w, " ")) {
		size_t len = strcspn(w, " ");

		if (len == n && !memcmp(w, value, n))
			return true;
		w += len;
	}
	return false;
}

/* Names stand in log lines, files and commands: letters, digits, - . _ */
static bool is_name(const char *value)
{
	for (const char *p = value; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("-._", *p))
			return false;
	return isalnum((unsigned char)*value);
}

static bool is_address(const char *value)
{
	unsigned char buf[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, value, buf) == 1 ||
	       inet_pton(AF_INET6, value, buf) == 1;
}

/* Says what is wrong with the value, or NULL when it was taken. */
static const char *set(struct config *c, const struct key *k,
		       const char *value, char *buf, size_t len)
{
	static const char *const levels[] = { "err", "warning", "notice",
					      "info", "debug" };
	void *field = (char *)c + k->offset;
	unsigned long n;
	char *end;

	switch (k->kind) {
	case NUMBER:
		errno = 0;
		n = strtoul(value, &end, 10);
		if (!isdigit((unsigned char)*value) || *end || errno ||
		    n < k->min || n > k->max) {
			snprintf(buf, len, "must be a number from %lu to %lu",
				 k->min, k->max);
			return buf;
		}
		*(unsigned int *)field = n;
		return NULL;
	case LEVEL:
		for (int i = 0; i < 5; i++) {
			if (!strcmp(value, levels[i])) {
				*(int *)field = LOG_ERR + i;
				return NULL;
			}
		}
		return "must be one of: err warning notice info debug";
	case ADDRESS:
		if (!is_address(value))
			return "must be an IPv4 or IPv6 address";
		break;
	case NAME:
		if (!is_name(value))
			return "must be of letters, digits, '-', '.' and '_'";
		break;
	case TEXT:
		if (k->words && !is_word(k->words, value)) {
			snprintf(buf, len, "must be one of: %s", k->words);
			return buf;
		}
		break;
	}
	if (strlen(value) >= k->max)
		return "is too long";
	strcpy(field, value);
	return NULL;
}

static char *trim(char *s)
{
	char *end;

	s += strspn(s, " \t\r");
	end = s + strlen(s);
	while (end > s && strchr(" \t\r", end[-1]))
		*--end = 0;
	return s;
}

static int parse_line(struct config *c, char *line, char *err, size_t len)
{
	char *hash = strchr(line, '#'), *eq, *key, *value;
	char buf[128];
	const char *wrong;

	if (hash)
		*hash = 0;
	line = trim(line);
	if (!*line)
		return 0;
	eq = strchr(line, '=');
	if (!eq) {
		snprintf(err, len, "expected 'key = value', found '%.40s'",
			 line);
		return -EINVAL;
	}
	*eq = 0;
	key = trim(line);
	value = trim(eq + 1);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strcmp(key, keys[i].name))
			continue;
		wrong = *value ? set(c, &keys[i], value, buf, sizeof(buf)) :
				 "has no value";
		if (!wrong)
			return 0;
		snprintf(err, len, "%s %s", key, wrong);
		return -EINVAL;
	}
	snprintf(err, len, "unknown key '%.40s'", key);
	return -EINVAL;
}

int config_parse(struct config *c, const char *name, const char *text,
		 char *err, size_t errlen)
{
	char line[1024], wrong[256];

	for (int number = 1; *text; number++) {
		size_t n = strcspn(text, "\n");
		int ret;

		if (n >= sizeof(line)) {
			snprintf(err, errlen, "%s:%d: line is too long", name,
				 number);
			return -EINVAL;
		}
		memcpy(line, text, n);
		line[n] = 0;
		ret = parse_line(c, line, wrong, sizeof(wrong));
		if (ret) {
			snprintf(err, errlen, "%s:%d: %s", name, number, wrong);
			return ret;
		}
		text += n + (text[n] == '\n');
	}
	return 0;
}

int config_load(struct config *c, const char *path, bool required, char *err,
		size_t errlen)
{
	FILE *f = fopen(path, "re");
	char *text;
	size_t n;
	int ret = -EIO;

	if (!f) {
		if (errno == ENOENT && !required)
			return 0;
		ret = -errno;
		snprintf(err, errlen, "%s: %s", path, strerror(errno));
		return ret;
	}
	text = calloc(1, FILE_MAX + 1);
	n = text ? fread(text, 1, FILE_MAX, f) : 0;
	if (!text || ferror(f))
		snprintf(err, errlen, "%s: cannot be read", path);
	else if (n == FILE_MAX || strlen(text) != n)
		snprintf(err, errlen, "%s: is not a configuration file", path);
	else
		ret = config_parse(c, path, text, err, errlen);
	free(text);
	fclose(f);
	return ret;
}
