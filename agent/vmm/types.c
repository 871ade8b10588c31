// SPDX-License-Identifier: GPL-2.0
/* The machine types that this node's QEMU knows. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process.h"
#include "types.h"

/* QEMU 7.2 writes 3 KB; an emulated host takes it half a second. */
#define ANSWER_MAX	(64 * 1024)
#define ANSWER_LIMIT_US	(10 * 1000 * 1000ULL)

/**
 * struct vmig_types - what a QEMU answered, or is being asked
 * @when: the binary's time of change, as it was when it was asked
 * @text: owned; NULL before the first answer
 * @pidfd: of the QEMU that is being asked, -1 without
 * @out: what it writes, -1 without
 */
struct vmig_types {
	sd_event *event;
	const char *qemu;
	struct timespec when;
	char *text;
	pid_t pid;
	int pidfd;
	int out;
	char *buf;
	size_t len;
	sd_event_source *io;
	sd_event_source *death;
	sd_event_source *limit;
};

static void end(struct vmig_types *t)
{
	t->io = sd_event_source_disable_unref(t->io);
	t->death = sd_event_source_disable_unref(t->death);
	t->limit = sd_event_source_disable_unref(t->limit);
	if (t->pidfd >= 0)
		close(t->pidfd);
	if (t->out >= 0)
		close(t->out);
	t->pidfd = -1;
	t->out = -1;
}

static void read_some(struct vmig_types *t)
{
	ssize_t n;

	while (t->len < ANSWER_MAX &&
	       (n = read(t->out, t->buf + t->len, ANSWER_MAX - t->len)) > 0)
		t->len += (size_t)n;
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	struct vmig_types *t = arg;

	(void)fd;
	read_some(t);
	/* Its death, which follows, ends the question. */
	if (revents & EPOLLHUP || t->len == ANSWER_MAX)
		sd_event_source_set_enabled(source, SD_EVENT_OFF);
	return 0;
}

static int on_death(sd_event_source *source, int fd, uint32_t revents,
		    void *arg)
{
	struct vmig_types *t = arg;

	(void)source;
	(void)fd;
	(void)revents;
	read_some(t);
	waitpid(t->pid, NULL, WNOHANG);
	end(t);
	t->buf[t->len] = '\0';
	free(t->text);
	t->text = t->buf;
	t->buf = NULL;
	return 0;
}

static int on_limit(sd_event_source *source, uint64_t usec, void *arg)
{
	struct vmig_types *t = arg;

	(void)source;
	(void)usec;
	vmig_process_kill(t->pidfd);
	return 0;
}

static int spawn(struct vmig_types *t, int out)
{
	char *argv[] = { (char *)t->qemu, "-machine", "help", NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none;
	int ret;

	sigemptyset(&none);
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null",
					 O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null",
					 O_WRONLY, 0);
	ret = posix_spawn(&t->pid, t->qemu, &files, &attr, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	return -ret;
}

/* Return: 0 if on_death() will be called. */
static int ask(struct vmig_types *t)
{
	int fds[2], ret;

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	t->out = fds[0];
	t->len = 0;
	free(t->buf);
	t->buf = malloc(ANSWER_MAX + 1);
	if (!t->buf)
		abort();	/* a daemon without memory is restarted */
	/* Only the reading end is to be non-blocking. */
	fcntl(fds[1], F_SETFL, 0);
	ret = spawn(t, fds[1]);
	close(fds[1]);
	if (ret)
		return ret;
	t->pidfd = vmig_process_watch(t->pid, NULL);
	if (t->pidfd < 0)
		return t->pidfd;
	ret = sd_event_add_io(t->event, &t->io, t->out, EPOLLIN, on_io, t);
	if (ret >= 0)
		ret = sd_event_add_io(t->event, &t->death, t->pidfd, EPOLLIN,
				      on_death, t);
	if (ret >= 0)
		ret = sd_event_add_time_relative(t->event, &t->limit,
						 CLOCK_MONOTONIC,
						 ANSWER_LIMIT_US, 0, on_limit,
						 t);
	return ret < 0 ? ret : 0;
}

bool vmig_types_ready(struct vmig_types *t)
{
	struct stat st = {};

	if (t->pidfd >= 0)
		return false;
	/* One that is not there has no time, and no answer. */
	(void)!stat(t->qemu, &st);
	if (t->text && st.st_mtim.tv_sec == t->when.tv_sec &&
	    st.st_mtim.tv_nsec == t->when.tv_nsec)
		return true;
	t->when = st.st_mtim;
	if (!ask(t))
		return false;
	end(t);
	free(t->text);
	t->text = strdup("");
	return true;
}

const char *vmig_types_text(const struct vmig_types *t)
{
	return t->text ? t->text : "";
}

struct vmig_types *vmig_types_open(sd_event *event, const char *qemu)
{
	struct vmig_types *t = calloc(1, sizeof(*t));

	if (!t)
		abort();	/* a daemon without memory is restarted */
	t->event = event;
	t->qemu = qemu;
	t->pidfd = -1;
	t->out = -1;
	vmig_types_ready(t);
	return t;
}

/* The type behind "(alias of TYPE)" in the rest of a line. */
static bool find_alias(const char *line, size_t len, char type[VMIG_TYPE_MAX])
{
	static const char mark[] = "(alias of ";
	const char *at = memmem(line, len, mark, sizeof(mark) - 1);
	size_t n;

	if (!at)
		return false;
	at += sizeof(mark) - 1;
	n = strcspn(at, ")\n");
	if (at[n] != ')' || !n || n >= VMIG_TYPE_MAX)
		return false;
	memcpy(type, at, n);
	type[n] = '\0';
	return true;
}

int vmig_types_find(const char *text, const char *machine,
		    char type[VMIG_TYPE_MAX])
{
	const char *name = *machine ? machine : "pc";
	size_t len = strcspn(name, ","), end;
	const char *line = strstr(text, "Supported machines are:\n");

	if (!line || len >= VMIG_TYPE_MAX)
		return -ENODATA;
	for (line = strchr(line, '\n') + 1; *line; line += end + !!line[end]) {
		end = strcspn(line, "\n");
		if (end <= len || strncmp(line, name, len) || line[len] != ' ')
			continue;
		if (!find_alias(line, end, type)) {
			memcpy(type, name, len);
			type[len] = '\0';
		}
		return 0;
	}
	return -ENOENT;
}
