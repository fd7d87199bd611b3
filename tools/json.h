/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * JSON as it is written, nothing is kept. The elements of a list of objects
 * stand on a line each, so that line tools are of use too. Keys are NULL in
 * lists. Strings that are not UTF-8 get U+FFFD for every byte that is wrong.
 */
#ifndef PANDO_JSON_H
#define PANDO_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define JSON_DEPTH 16

struct json {
	FILE *out;
	int depth;
	struct {
		char close;	/* } or ] */
		bool filled;	/* something stands in it */
		bool lines;	/* a list of objects */
	} level[JSON_DEPTH];
};

void json_start(struct json *j, FILE *out);
void json_object(struct json *j, const char *key);
void json_list(struct json *j, const char *key);
void json_end(struct json *j);	/* of the innermost object or list */
void json_string(struct json *j, const char *key, const char *value);
void json_uint(struct json *j, const char *key, uint64_t value);
void json_int(struct json *j, const char *key, int64_t value);
void json_double(struct json *j, const char *key, double value);
void json_bool(struct json *j, const char *key, bool value);
void json_null(struct json *j, const char *key);

#endif
