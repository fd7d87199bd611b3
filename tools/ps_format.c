// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <time.h>

#include "ps.h"

static uint64_t now_ms;

uint64_t ps_now_ms(void)
{
	return now_ms;
}

void ps_set_now_ms(uint64_t unix_ms)
{
	now_ms = unix_ms ? unix_ms : (uint64_t)time(NULL) * 1000;
}

/* A device number as /proc/PID/stat gives it, named as in /dev. */
void ps_tty(uint32_t device, char *buf, size_t size)
{
	unsigned int major = device >> 8 & 0xfff;
	unsigned int minor = (device & 0xff) | (device >> 12 & 0xfff00);

	if (!device)
		snprintf(buf, size, "?");
	else if (major >= 136 && major <= 143)
		snprintf(buf, size, "pts/%u", (major - 136) * 256 + minor);
	else if (major == 4 && minor < 64)
		snprintf(buf, size, "tty%u", minor);
	else if (major == 4)
		snprintf(buf, size, "ttyS%u", minor - 64);
	else if (major == 229)
		snprintf(buf, size, "hvc%u", minor);
	else if (major == 5 && minor == 1)
		snprintf(buf, size, "console");
	else
		snprintf(buf, size, "%u:%u", major, minor);
}

/* [DD-]HH:MM:SS, or without @hours as short as MM:SS. */
void ps_duration(uint64_t seconds, bool hours, char *buf, size_t size)
{
	unsigned int s = seconds % 60, m = seconds / 60 % 60;
	unsigned int h = seconds / 3600 % 24;
	unsigned long long d = seconds / 86400;

	if (d)
		snprintf(buf, size, "%llu-%02u:%02u:%02u", d, h, m, s);
	else if (hours || h)
		snprintf(buf, size, "%02u:%02u:%02u", h, m, s);
	else
		snprintf(buf, size, "%02u:%02u", m, s);
}

void ps_date(const char *format, uint64_t unix_ms, char *buf, size_t size)
{
	time_t t = unix_ms / 1000;
	struct tm tm;

	if (!localtime_r(&t, &tm) || !strftime(buf, size, format, &tm))
		snprintf(buf, size, "?");
}

void ps_start(uint64_t unix_ms, char *buf, size_t size)
{
	time_t then = unix_ms / 1000, now = now_ms / 1000;
	struct tm a, b;

	if (!localtime_r(&then, &a) || !localtime_r(&now, &b))
		snprintf(buf, size, "?");
	else if (a.tm_year != b.tm_year)
		strftime(buf, size, "%Y", &a);
	else if (a.tm_yday != b.tm_yday)
		strftime(buf, size, "%b%d", &a);
	else
		strftime(buf, size, "%H:%M", &a);
}
