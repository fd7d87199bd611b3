// SPDX-License-Identifier: GPL-2.0-only
/* Points at which tests make something happen; see fault.h. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fault.h"
#include "pando.h"

#define FAULT_FILE	PANDO_RUN_DIR "/fault"
#define HIT_FILE	PANDO_RUN_DIR "/fault.hit"

int fault_armed;
static char action[8];

void fault_load(void)
{
	const char *env = secure_getenv("PANDO_FAULT");
	char text[64] = "";
	struct stat st;
	ssize_t n;
	int fd;

	fault_armed = FAULT_NONE;
	if (env) {
		snprintf(text, sizeof(text), "%s", env);
	} else {
		fd = open(FAULT_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0)
			return;
		n = fstat(fd, &st) || st.st_uid ? 0 :
		    read(fd, text, sizeof(text) - 1);
		text[n > 0 ? n : 0] = 0;
		close(fd);
	}
	if (sscanf(text, "%d %7s", &fault_armed, action) != 2)
		fault_armed = FAULT_NONE;
}

static void note(enum fault_point point)
{
	int fd = open(HIT_FILE ".new", O_WRONLY | O_CREAT | O_TRUNC |
		      O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return;
	dprintf(fd, "%d %d\n", point, getpid());
	close(fd);
	rename(HIT_FILE ".new", HIT_FILE);
}

bool fault_hit(enum fault_point point)
{
	fault_armed = FAULT_NONE;
	note(point);
	if (!strcmp(action, "kill"))
		kill(getpid(), SIGKILL);
	while (!strcmp(action, "wait") && !access(FAULT_FILE, F_OK))
		poll(NULL, 0, 20);
	return !strcmp(action, "fail");
}
