// SPDX-License-Identifier: GPL-2.0-only
/* Exit codes: only the low 8 bits, by exit, _exit, raw exit_group and raw exit. */
#include "relations.h"
int main(int argc, char **argv)
{
	static const int code[] = {0, 1, 2, 7, 64, 126, 127, 128, 129, 137, 200, 254, 255, 256, 257, 511, -1, -256, 0x7f00, 0x12345};
	enum { N = sizeof code / sizeof *code };
	pid_t p[N];

	d_init(argc, argv);
	for (int i = 0; i < N; i++)
		if ((p[i] = Fork()) == 0) {
			switch (i % 4) {
			case 0: _exit(code[i]);
			case 1: exit(code[i]);
			case 2: syscall(SYS_exit_group, code[i]); break;
			case 3: syscall(SYS_exit, code[i]); break;
			}
			_exit(77);
		}
	for (int i = 0; i < N; i++) {
		int w = -1;
		pid_t r = Wait(p[i], &w, 0);
		printf("code %d: %s pid ok %s raw 0x%04x\n", code[i], st(w), YN(r == p[i]), w);
	}
	errno = 0;
	printf("then: %s\n", en(wait(NULL)));
	return d_end();
}
