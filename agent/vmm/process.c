// SPDX-License-Identifier: GPL-2.0
/* A QEMU as a process: its start, its end, its last words. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process.h"

/**
 * vmig_process_listen() - Make the socket that QEMU will listen on.
 *
 * Made here so that it can be connected to without waiting for QEMU.
 * Return: the socket, or a negative errno.
 */
int vmig_process_listen(const char *path, struct vmig_err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(addr.sun_path))
		return vmig_err_set(err, ENAMETOOLONG,
				    "%s is too long for a socket: choose a shorter run = in agent.conf",
				    path);
	strcpy(addr.sun_path, path);
	unlink(path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) ||
	    listen(fd, 1)) {
		int ret = vmig_err_set(err, errno, "%s: %s", path,
				       strerror(errno));

		if (fd >= 0)
			close(fd);
		return ret;
	}
	return fd;
}

static void run_child(char **argv, int log, int inherit)
{
	sigset_t none;
	int null;

	/* Its own session: it outlives the daemon and its terminal. */
	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	null = open("/dev/null", O_RDONLY);
	dup2(null, STDIN_FILENO);
	dup2(log, STDOUT_FILENO);
	dup2(log, STDERR_FILENO);
	fcntl(inherit, F_SETFD, 0);
	execv(argv[0], argv);
	dprintf(STDERR_FILENO, "cannot run %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

/**
 * vmig_process_start() - Run @argv with its output in the file @log.
 * @inherit: a descriptor that it keeps by the same number
 *
 * Return: its pid or a negative errno. That exec failed is seen in @log.
 */
pid_t vmig_process_start(char **argv, const char *log, int inherit,
			 struct vmig_err *err)
{
	int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC,
		      0600);
	pid_t pid;

	if (fd < 0)
		return vmig_err_set(err, errno, "%s: %s", log, strerror(errno));
	pid = fork();
	if (!pid)
		run_child(argv, fd, inherit);
	if (pid < 0)
		pid = vmig_err_set(err, errno, "fork: %s", strerror(errno));
	close(fd);
	return pid;
}

/* vmig_process_watch() - A descriptor that is readable once @pid is dead. */
int vmig_process_watch(pid_t pid, struct vmig_err *err)
{
	int fd = pidfd_open(pid, 0);

	if (fd < 0)
		return vmig_err_set(err, errno, "process %d: %s", (int)pid,
				    strerror(errno));
	return fd;
}

void vmig_process_kill(int pidfd)
{
	pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
}

/* vmig_process_last_words() - The last line of @log that is not empty, or "". */
void vmig_process_last_words(const char *log, char *text, size_t size)
{
	char line[512];
	FILE *file = fopen(log, "re");

	text[0] = '\0';
	if (!file)
		return;
	/* The end is enough: a guest may have written a lot. */
	if (!fseek(file, -4096, SEEK_END))
		(void)!fgets(line, sizeof(line), file);
	else
		rewind(file);
	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\r\n")] = '\0';
		if (line[0])
			snprintf(text, size, "%s", line);
	}
	fclose(file);
}
