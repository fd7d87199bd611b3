// SPDX-License-Identifier: GPL-2.0-only
#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "json.h"

void json_start(struct json *j, FILE *out)
{
	memset(j, 0, sizeof(*j));
	j->out = out;
}

/*
 * Length of the UTF-8 sequence at @s, or 0 if it is none: no overlong forms,
 * no surrogates, nothing above U+10FFFF. Stops at a NUL like at any byte that
 * does not continue.
 */
static int sequence(const unsigned char *s)
{
	uint32_t code;
	int len;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		len = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		len = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		len = 4;
	else
		return 0;
	code = s[0] & (0xff >> (len + 1));
	for (int i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s[i] & 0x3f);
	}
	if (len == 3 && (code < 0x800 || (code >= 0xd800 && code <= 0xdfff)))
		return 0;
	if (len == 4 && (code < 0x10000 || code > 0x10ffff))
		return 0;
	return len;
}

static void quote(struct json *j, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	fputc('"', j->out);
	while (*s) {
		int len = sequence(s);

		if (!len) {
			fputs("\\ufffd", j->out);
			len = 1;
		} else if (*s == '"' || *s == '\\') {
			fprintf(j->out, "\\%c", *s);
		} else if (*s == '\n') {
			fputs("\\n", j->out);
		} else if (*s == '\t') {
			fputs("\\t", j->out);
		} else if (*s < 0x20 || *s == 0x7f) {
			fprintf(j->out, "\\u%04x", *s);
		} else {
			fwrite(s, 1, len, j->out);
		}
		s += len;
	}
	fputc('"', j->out);
}

/* What stands before a value: comma, line, key. */
static void lead(struct json *j, const char *key, bool object)
{
	if (j->depth) {
		bool list = j->level[j->depth - 1].close == ']';

		assert(list == !key);
		if (list && object)
			j->level[j->depth - 1].lines = true;
		if (j->level[j->depth - 1].filled)
			fputs(list && object ? "," : ", ", j->out);
		if (list && object)
			fprintf(j->out, "\n%*s", j->depth, "");
		j->level[j->depth - 1].filled = true;
	}
	if (key) {
		quote(j, key);
		fputs(": ", j->out);
	}
}

static void begin(struct json *j, const char *key, char open, char close)
{
	assert(j->depth < JSON_DEPTH);
	lead(j, key, open == '{');
	fputc(open, j->out);
	j->level[j->depth].close = close;
	j->level[j->depth].filled = false;
	j->level[j->depth].lines = false;
	j->depth++;
}

void json_object(struct json *j, const char *key)
{
	begin(j, key, '{', '}');
}

void json_list(struct json *j, const char *key)
{
	begin(j, key, '[', ']');
}

void json_end(struct json *j)
{
	assert(j->depth);
	j->depth--;
	if (j->level[j->depth].lines)
		fprintf(j->out, "\n%*s", j->depth ? j->depth - 1 : 0, "");
	fputc(j->level[j->depth].close, j->out);
	if (!j->depth)
		fputc('\n', j->out);
}

void json_string(struct json *j, const char *key, const char *value)
{
	lead(j, key, false);
	quote(j, value ? value : "");
}

void json_uint(struct json *j, const char *key, uint64_t value)
{
	lead(j, key, false);
	fprintf(j->out, "%" PRIu64, value);
}

void json_int(struct json *j, const char *key, int64_t value)
{
	lead(j, key, false);
	fprintf(j->out, "%" PRId64, value);
}

void json_double(struct json *j, const char *key, double value)
{
	lead(j, key, false);
	/* JSON has no word for infinity */
	if (isfinite(value))
		fprintf(j->out, "%.3f", value);
	else
		fputs("null", j->out);
}

void json_bool(struct json *j, const char *key, bool value)
{
	lead(j, key, false);
	fputs(value ? "true" : "false", j->out);
}

void json_null(struct json *j, const char *key)
{
	lead(j, key, false);
	fputs("null", j->out);
}
