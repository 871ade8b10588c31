// SPDX-License-Identifier: GPL-2.0
/*
 * The lab's hand inside an emulated host: runs commands for the machine that
 * emulates it.
 *
 * Runs as process 1 once the host is set up, listens on a port that only the
 * control network reaches, and forks a child for each connection, so that one
 * stuck command never delays another. A connection is a stream of frames,
 * { type, length, payload }, and carries exactly one command:
 *
 *   host to lab   H  the host is up (sent at once)
 *                 O  standard output     E  standard error
 *                 X  exit status, one byte; the last frame
 *   lab to host   T  run on a terminal: rows, columns (16 bits each)
 *                 W  the terminal's new size
 *                 C  the command: NUL-terminated arguments
 *                 I  standard input; empty at its end
 *
 * When the lab hangs up, the command's process group is killed.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define FRAME_MAX	(1 << 20)
#define ARGS_MAX	1024
#define DRAIN_READS	64

struct frame {
	uint8_t type;
	uint32_t len;
	char *data;
};

struct job {
	int sock;
	int in, out, err;	/* ours; on a terminal all three are one */
	int pidfd;
	pid_t pid;
	bool tty;
	struct winsize size;
};

static void die(const char *what)
{
	fprintf(stderr, "hostd: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int write_all(int fd, const void *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		data = (const char *)data + n;
		len -= n;
	}
	return 0;
}

static int read_all(int fd, void *data, size_t len)
{
	while (len) {
		ssize_t n = read(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		data = (char *)data + n;
		len -= n;
	}
	return 0;
}

static int send_frame(int sock, uint8_t type, const void *data, uint32_t len)
{
	char head[5] = { type };
	uint32_t wire = htole32(len);

	memcpy(head + 1, &wire, sizeof(wire));
	if (write_all(sock, head, sizeof(head)))
		return -1;
	return write_all(sock, data, len);
}

static int recv_frame(int sock, struct frame *frame)
{
	char head[5];

	if (read_all(sock, head, sizeof(head)))
		return -1;
	frame->type = head[0];
	memcpy(&frame->len, head + 1, sizeof(frame->len));
	frame->len = le32toh(frame->len);
	if (frame->len > FRAME_MAX)
		return -1;
	frame->data = malloc(frame->len + 1);
	if (!frame->data)
		return -1;
	frame->data[frame->len] = '\0';
	return read_all(sock, frame->data, frame->len);
}

static void set_size(struct job *job, const struct frame *frame)
{
	uint16_t cells[2];

	if (frame->len != sizeof(cells))
		return;
	memcpy(cells, frame->data, sizeof(cells));
	job->size.ws_row = le16toh(cells[0]);
	job->size.ws_col = le16toh(cells[1]);
	if (job->tty && job->out >= 0)
		ioctl(job->out, TIOCSWINSZ, &job->size);
}

static void exec_command(const struct frame *frame)
{
	char *argv[ARGS_MAX + 1];
	char *p = frame->data;
	int n = 0;

	while (p < frame->data + frame->len && n < ARGS_MAX) {
		argv[n++] = p;
		p += strlen(p) + 1;
	}
	argv[n] = NULL;
	if (!n)
		_exit(127);
	signal(SIGPIPE, SIG_DFL);
	execvp(argv[0], argv);
	dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

static void start_on_terminal(struct job *job, const struct frame *frame)
{
	job->pid = forkpty(&job->out, NULL, NULL, &job->size);
	if (job->pid < 0)
		die("forkpty");
	if (!job->pid)
		exec_command(frame);
	job->in = job->out;
}

static void start_on_pipes(struct job *job, const struct frame *frame)
{
	int in[2], out[2], err[2];

	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) ||
	    pipe2(err, O_CLOEXEC))
		die("pipe");
	job->pid = fork();
	if (job->pid < 0)
		die("fork");
	if (!job->pid) {
		setsid();
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		dup2(err[1], STDERR_FILENO);
		exec_command(frame);
	}
	close(in[0]);
	close(out[1]);
	close(err[1]);
	job->in = in[1];
	job->out = out[0];
	job->err = err[0];
}

/* Forwards what can be read at once; false at the end of that stream. */
static bool forward(struct job *job, int fd, uint8_t type)
{
	char buf[16384];
	ssize_t n = read(fd, buf, sizeof(buf));

	if (n <= 0)
		return false;
	if (send_frame(job->sock, type, buf, n)) {
		kill(-job->pid, SIGKILL);
		exit(1);
	}
	return true;
}

/*
 * The command is over, but what it wrote may still be in the pipes. Whoever
 * else holds the other end (a daemon that it left behind) is not waited for.
 */
static void drain(struct job *job, int fd, uint8_t type)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	int i;

	for (i = 0; fd >= 0 && i < DRAIN_READS; i++)
		if (poll(&pfd, 1, 0) <= 0 || !(pfd.revents & POLLIN) ||
		    !forward(job, fd, type))
			break;
}

static void handle_input(struct job *job)
{
	struct frame frame = { 0 };

	if (recv_frame(job->sock, &frame)) {
		kill(-job->pid, SIGKILL);
		exit(0);
	}
	if (frame.type == 'W')
		set_size(job, &frame);
	if (frame.type == 'I' && job->in >= 0) {
		/* A command that does not read its input is not an error. */
		if (frame.len && write_all(job->in, frame.data, frame.len))
			frame.len = 0;
		if (!frame.len && !job->tty) {
			close(job->in);
			job->in = -1;
		}
	}
	free(frame.data);
}

static void relay(struct job *job)
{
	for (;;) {
		struct pollfd fds[] = {
			{ .fd = job->pidfd, .events = POLLIN },
			{ .fd = job->sock, .events = POLLIN },
			{ .fd = job->out, .events = POLLIN },
			{ .fd = job->err, .events = POLLIN },
		};

		if (poll(fds, 4, -1) < 0 && errno != EINTR)
			die("poll");
		if (fds[2].revents && !forward(job, job->out, 'O'))
			job->out = -1;
		if (fds[3].revents && !forward(job, job->err, 'E'))
			job->err = -1;
		if (fds[1].revents)
			handle_input(job);
		if (fds[0].revents)
			return;
	}
}

static void serve(int sock)
{
	struct job job = { .sock = sock, .in = -1, .out = -1, .err = -1 };
	struct frame frame = { 0 };
	int status;
	uint8_t code;

	signal(SIGCHLD, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	if (send_frame(sock, 'H', NULL, 0))
		exit(1);
	do {
		free(frame.data);
		if (recv_frame(sock, &frame))
			exit(0);	/* only asked whether the host is up */
		if (frame.type == 'T') {
			job.tty = true;
			set_size(&job, &frame);
		}
	} while (frame.type != 'C');

	if (job.tty)
		start_on_terminal(&job, &frame);
	else
		start_on_pipes(&job, &frame);
	free(frame.data);
	job.pidfd = syscall(SYS_pidfd_open, job.pid, 0);
	if (job.pidfd < 0)
		die("pidfd_open");
	relay(&job);
	waitpid(job.pid, &status, 0);
	drain(&job, job.out, 'O');
	drain(&job, job.err, 'E');
	code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) :
				     WEXITSTATUS(status);
	send_frame(sock, 'X', &code, 1);
	exit(0);
}

int main(int argc, char **argv)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	int one = 1, sock;

	if (argc != 3 || inet_pton(AF_INET, argv[1], &addr.sin_addr) != 1) {
		fprintf(stderr, "usage: hostd ADDRESS PORT\n");
		return 2;
	}
	addr.sin_port = htons(atoi(argv[2]));
	sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sock < 0 ||
	    setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(sock, (struct sockaddr *)&addr, sizeof(addr)) ||
	    listen(sock, 64))
		die("listen");
	/* Orphans of the whole host end up here; let the kernel reap them. */
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int conn = accept4(sock, NULL, NULL, SOCK_CLOEXEC);

		if (conn < 0)
			continue;
		if (!fork()) {
			close(sock);
			serve(conn);
		}
		close(conn);
	}
}
