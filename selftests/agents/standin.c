// SPDX-License-Identifier: GPL-2.0
/* The stand-in for QEMU: its command line and its loop. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "standin.h"

#define TICK_MS 20

struct standin_options standin_options = { .qmp_fd = -1 };
enum standin_state standin_state;

void standin_exit(int status, const char *why)
{
	if (*why)
		fprintf(stderr, "standin: %s\n", why);
	exit(status);
}

/* What stands behind KEY= in "a=1,KEY=2,b=3", allocated; a comma is doubled. */
static char *value_of(const char *list, const char *key)
{
	size_t len = strlen(key);
	const char *at = list;
	char *value, *to;

	for (; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
		if (!strncmp(at, key, len) && at[len] == '=')
			break;
	}
	if (!at)
		return NULL;
	value = strdup(at + len + 1);
	if (!value)
		standin_exit(1, "out of memory");
	for (to = value, at = value; *at; at++) {
		if (*at == ',' && *++at != ',')
			break;
		*to++ = *at;
	}
	*to = '\0';
	return value;
}

static void take_option(const char *option, const char *value)
{
	struct standin_options *o = &standin_options;
	char *text;

	if (!strcmp(option, "-name")) {
		text = value_of(value, "guest");
		snprintf(o->name, sizeof(o->name), "%s", text ? text : value);
		free(text);
	} else if (!strcmp(option, "-object") &&
		   !strncmp(value, "memory-backend-file,", 20)) {
		o->ram_path = value_of(value, "mem-path");
		text = value_of(value, "size");
		o->ram_size = text ? strtoull(text, NULL, 10) : 0;
		free(text);
	} else if (!strcmp(option, "-chardev")) {
		text = value_of(value, "fd");
		o->qmp_fd = text ? atoi(text) : -1;
		free(text);
	} else if (!strcmp(option, "-pidfile")) {
		o->pidfile = strdup(value);
	} else if (!strcmp(option, "-incoming")) {
		o->incoming = true;
	}
}

static void write_pidfile(void)
{
	FILE *file;

	if (!standin_options.pidfile)
		return;
	file = fopen(standin_options.pidfile, "we");
	if (!file)
		standin_exit(1, standin_options.pidfile);
	fprintf(file, "%d\n", (int)getpid());
	fclose(file);
}

static void serve(void)
{
	for (;;) {
		struct pollfd fds[2] = {
			{ .fd = qmp_fd(), .events = POLLIN },
			{ .fd = move_fd(), .events = POLLIN },
		};
		bool runs = standin_state == STANDIN_RUNNING;

		if (poll(fds, 2, runs ? TICK_MS : -1) < 0)
			continue;
		if (fds[1].revents)
			move_process();
		if (fds[0].revents)
			qmp_process();
		guest_tick();
	}
}

int main(int argc, char **argv)
{
	struct standin_options *o = &standin_options;
	int i;

	if (argc == 3 && !strcmp(argv[1], "-machine") &&
	    !strcmp(argv[2], "help")) {
		puts("Supported machines are:\npc  Stands in for a PC");
		return 0;
	}
	for (i = 1; i + 1 < argc; i++)
		take_option(argv[i], argv[i + 1]);
	if (!*o->name || !o->ram_path || !o->ram_size || o->qmp_fd < 0)
		standin_exit(1, "not a command line of the agent's");
	signal(SIGPIPE, SIG_IGN);
	guest_open();
	write_pidfile();
	standin_state = o->incoming ? STANDIN_INMIGRATE : STANDIN_PRELAUNCH;
	guest_log("start", o->incoming ? "incoming" : "");
	qmp_open(o->qmp_fd);
	serve();
}
