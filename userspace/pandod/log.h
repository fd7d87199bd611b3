/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Log lines on stderr: "LEVEL COMPONENT: text key=value ...". Under systemd
 * the level is the journal's "<N>" prefix instead of a word.
 */
#ifndef PANDOD_LOG_H
#define PANDOD_LOG_H

#include <syslog.h>

/* @max: the least important level to be written, LOG_ERR to LOG_DEBUG. */
void log_open(int max);
void log_line(int level, const char *component, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#define log_err(...)	log_line(LOG_ERR, LOG_NAME, __VA_ARGS__)
#define log_warn(...)	log_line(LOG_WARNING, LOG_NAME, __VA_ARGS__)
#define log_notice(...)	log_line(LOG_NOTICE, LOG_NAME, __VA_ARGS__)
#define log_info(...)	log_line(LOG_INFO, LOG_NAME, __VA_ARGS__)
#define log_debug(...)	log_line(LOG_DEBUG, LOG_NAME, __VA_ARGS__)

#endif
