// SPDX-License-Identifier: GPL-2.0-only
// LINK: tools/json.c
/* JSON that the commands write: shape, quoting, bytes that are no text. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"
#include "../../tools/json.h"

static char *text;
static size_t size;
static struct json j;

static void begin(void)
{
	json_start(&j, open_memstream(&text, &size));
	json_object(&j, NULL);
}

static bool ends_as(const char *want)
{
	bool same;

	json_end(&j);
	fclose(j.out);
	same = !strcmp(text, want);
	if (!same)
		printf("# got    %s# wanted %s", text, want);
	free(text);
	return same;
}

static bool quoted_as(const char *value, const char *want)
{
	char whole[256];

	snprintf(whole, sizeof(whole), "{\"s\": \"%s\"}\n", want);
	begin();
	json_string(&j, "s", value);
	return ends_as(whole);
}

TEST(values)
{
	begin();
	json_uint(&j, "u", UINT64_MAX);
	json_int(&j, "i", INT64_MIN);
	json_double(&j, "d", 1.5);
	json_bool(&j, "t", true);
	json_bool(&j, "f", false);
	json_null(&j, "n");
	CHECK(ends_as("{\"u\": 18446744073709551615, "
		      "\"i\": -9223372036854775808, \"d\": 1.500, "
		      "\"t\": true, \"f\": false, \"n\": null}\n"));
}

TEST(no_number)
{
	begin();
	json_double(&j, "nan", NAN);
	json_double(&j, "inf", INFINITY);
	CHECK(ends_as("{\"nan\": null, \"inf\": null}\n"));
}

TEST(empty)
{
	begin();
	CHECK(ends_as("{}\n"));
	begin();
	json_list(&j, "l");
	json_end(&j);
	CHECK(ends_as("{\"l\": []}\n"));
}

TEST(lists)
{
	begin();
	json_list(&j, "names");
	json_string(&j, NULL, "a");
	json_string(&j, NULL, "b");
	json_end(&j);
	json_list(&j, "objects");
	for (int i = 0; i < 2; i++) {
		json_object(&j, NULL);
		json_int(&j, "i", i);
		json_end(&j);
	}
	json_end(&j);
	CHECK(ends_as("{\"names\": [\"a\", \"b\"], \"objects\": [\n"
		      "  {\"i\": 0},\n  {\"i\": 1}\n]}\n"));
}

TEST(quoting)
{
	CHECK(quoted_as(NULL, ""));
	CHECK(quoted_as("a\"b\\c/", "a\\\"b\\\\c/"));
	CHECK(quoted_as("\n\t\r\x1b\x7f", "\\n\\t\\u000d\\u001b\\u007f"));
}

TEST(utf8)
{
	CHECK(quoted_as("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
			"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"));
	/* the last of each length, and what lies just behind it */
	CHECK(quoted_as("\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"));
	CHECK(quoted_as("\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd"));
}

TEST(not_utf8)
{
	CHECK(quoted_as("\xff", "\\ufffd"));
	CHECK(quoted_as("\x80" "a", "\\ufffda"));
	CHECK(quoted_as("\xc0\x80", "\\ufffd\\ufffd"));		/* overlong */
	CHECK(quoted_as("\xe0\x80\x80", "\\ufffd\\ufffd\\ufffd"));
	CHECK(quoted_as("\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd")); /* surrogate */
	CHECK(quoted_as("\xc3", "\\ufffd"));			/* cut off */
	CHECK(quoted_as("\xe2\x82", "\\ufffd\\ufffd"));
	CHECK(quoted_as("\xf0\x9f\x98\"", "\\ufffd\\ufffd\\ufffd\\\""));
}

/* Whatever the bytes are, the result is ASCII controls-free and closed. */
TEST(random_bytes)
{
	uint64_t seed = 1;

	for (int round = 0; round < 2000; round++) {
		char value[32];
		int len = tap_random(&seed) % 31;

		for (int i = 0; i < len; i++)
			value[i] = 1 + tap_random(&seed) % 255;
		value[len] = '\0';
		begin();
		json_string(&j, "s", value);
		json_end(&j);
		fclose(j.out);
		CHECK(!strncmp(text, "{\"s\": \"", 7));
		CHECK(!strcmp(text + size - 3, "\"}\n"));
		for (size_t i = 0; i + 1 < size; i++)
			CHECK((unsigned char)text[i] >= 0x20);
		free(text);
	}
}

TAP_MAIN(T(values), T(no_number), T(empty), T(lists), T(quoting), T(utf8),
	 T(not_utf8), T(random_bytes))
