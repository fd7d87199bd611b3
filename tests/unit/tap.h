/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Just enough TAP for unit tests: one header, no library.
 *
 *	TEST(name) { CHECK(1 + 1 == 2); CHECK_EQ(f(), 3); }
 *	TAP_MAIN(T(name), T(other))
 *
 * A failed check says where, fails its test and goes on: what follows often
 * tells more. A test that cannot go on returns. One line "ok" or "not ok" a
 * test; the exit status is 1 when one failed.
 */
#ifndef _TESTS_TAP_H
#define _TESTS_TAP_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

struct tap_test {
	const char *name;
	void (*run)(void);
};

static bool tap_failed;
static unsigned int tap_complaints;	/* of this test; the rest is silent */

#define TAP_COMPLAINTS_MAX	20

#define TEST(name)	static void name(void)
#define T(name)		{ #name, name }

/*
 * In a child of @maker: it ends with it, also when that has ended already. One
 * that stays holds the test's output, and whoever reads that waits for it.
 */
static inline void end_with(pid_t maker)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != maker)
		_exit(1);
}

static inline void tap_bad(const char *file, int line, const char *what)
{
	tap_failed = true;
	if (tap_complaints++ < TAP_COMPLAINTS_MAX)
		printf("# %s:%d: %s\n", file, line, what);
}

static inline void tap_check_eq(const char *file, int line, const char *what,
				long long got, long long want)
{
	char text[256];

	if (got == want)
		return;
	snprintf(text, sizeof(text), "%s: %lld, not %lld", what, got, want);
	tap_bad(file, line, text);
}

#define CHECK(cond)							\
	do {								\
		if (!(cond))						\
			tap_bad(__FILE__, __LINE__, #cond);		\
	} while (0)

#define CHECK_EQ(got, want)						\
	tap_check_eq(__FILE__, __LINE__, #got, (long long)(got),	\
		     (long long)(want))

static inline int tap_run(const struct tap_test *test, unsigned int n)
{
	unsigned int i, bad = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("TAP version 13\n1..%u\n", n);
	for (i = 0; i < n; i++) {
		tap_failed = false;
		tap_complaints = 0;
		test[i].run();
		bad += tap_failed;
		printf("%sok %u - %s\n", tap_failed ? "not " : "", i + 1,
		       test[i].name);
	}
	return bad ? 1 : 0;
}

#define TAP_MAIN(...)							\
	int main(void)							\
	{								\
		static const struct tap_test tests[] = { __VA_ARGS__ };	\
									\
		return tap_run(tests, sizeof(tests) / sizeof(tests[0]));\
	}

/* Random numbers that are the same everywhere (splitmix64). */
static inline uint64_t tap_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

#endif
