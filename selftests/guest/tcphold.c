// SPDX-License-Identifier: GPL-2.0
/*
 * tcphold - holds one TCP connection to a guest and says how it fared.
 *
 * Sends a numbered message every few milliseconds, checks that the echoes come
 * back complete and in order, and measures the longest silence. It never
 * reconnects: a connection that ended is the failure it is there to find.
 *
 * SIGUSR1 prints the verdict so far; SIGINT, SIGTERM or the deadline end the
 * run: no more messages, some seconds for the missing echoes, last verdict.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define BUFFERED	512	/* echoes taken by one read */

struct hold {
	int fd;
	uint64_t sent;
	uint64_t echoed;
	uint64_t skipped;	/* ticks without a message: send buffer full */
	bool disordered;
	bool ended;
	const char *why_ended;
	uint64_t last_us;	/* last echo, or start of the connection */
	uint64_t gap_us;	/* longest silence */
	double gap_at;		/* when it ended, CLOCK_REALTIME */
	uint64_t window_us;	/* longest silence since the last verdict */
	uint64_t partial;	/* bytes of an incomplete echo in buf */
	uint64_t buf[BUFFERED];
};

struct options {
	const char *host;
	const char *port;
	unsigned int interval_ms;
	unsigned int deadline_s;
	unsigned int connect_s;
	unsigned int drain_s;
};

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000ULL + ts.tv_nsec / 1000;
}

static double wall_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void end_connection(struct hold *h, const char *why)
{
	if (!h->ended)
		h->why_ended = why;
	h->ended = true;
}

/* A silence that still lasts counts as well: the verdict may not look good
 * because the guest is gone for good. A silence without a message that waits
 * for its echo is none.
 */
static void note_silence(struct hold *h, bool echo_came)
{
	uint64_t now = now_us();
	uint64_t gap = now - h->last_us;

	if (!echo_came && h->echoed == h->sent)
		return;
	if (gap > h->gap_us) {
		h->gap_us = gap;
		h->gap_at = wall_clock();
	}
	if (gap > h->window_us)
		h->window_us = gap;
	if (echo_came)
		h->last_us = now;
}

static void print_verdict(struct hold *h)
{
	bool alive = !h->ended && !h->disordered;

	if (alive)
		note_silence(h, false);
	printf("{\"messages\":%llu,\"echoed\":%llu,\"lost\":%llu,\"longest_gap_ms\":%.1f,\"gap_at\":%.3f,\"window_gap_ms\":%.1f,\"skipped\":%llu,\"reconnects\":0,\"in_order\":%s,\"alive\":%s,\"error\":\"%s\"}\n",
	       (unsigned long long)h->sent, (unsigned long long)h->echoed,
	       (unsigned long long)(h->sent - h->echoed), h->gap_us / 1e3,
	       h->gap_at, h->window_us / 1e3, (unsigned long long)h->skipped,
	       h->disordered ? "false" : "true", alive ? "true" : "false",
	       h->why_ended ? h->why_ended : "");
	fflush(stdout);
	h->window_us = 0;
}

static void send_message(struct hold *h)
{
	uint64_t number = h->sent + 1;
	ssize_t n = send(h->fd, &number, sizeof(number),
			 MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n == sizeof(number))
		h->sent++;
	else if (n < 0 && (errno == EAGAIN || errno == EINTR))
		h->skipped++;
	else
		end_connection(h, n < 0 ? strerror(errno) : "message cut short");
}

static void take_echoes(struct hold *h)
{
	ssize_t n = recv(h->fd, (char *)h->buf + h->partial,
			 sizeof(h->buf) - h->partial, MSG_DONTWAIT);
	uint64_t i, whole;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		end_connection(h, n ? strerror(errno) : "closed by the guest");
		return;
	}
	note_silence(h, true);
	whole = (h->partial + n) / sizeof(h->buf[0]);
	for (i = 0; i < whole; i++) {
		if (h->buf[i] != h->echoed + 1) {
			h->disordered = true;
			end_connection(h, "echo out of order");
			return;
		}
		h->echoed++;
	}
	h->partial = (h->partial + n) % sizeof(h->buf[0]);
	memmove(h->buf, h->buf + whole, h->partial);
}

/* Try one address for the rest of @timeout_ms. */
static int connect_one(const struct addrinfo *ai, int timeout_ms)
{
	struct pollfd pfd = { .events = POLLOUT };
	socklen_t len = sizeof(int);
	int fd, err = 0, one = 1;

	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (!connect(fd, ai->ai_addr, ai->ai_addrlen))
		return fd;
	pfd.fd = fd;
	if (errno != EINPROGRESS)
		err = errno;
	else if (poll(&pfd, 1, timeout_ms) != 1)
		err = ETIMEDOUT;
	else
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
	if (!err)
		return fd;
	close(fd);
	return -err;
}

/* Until it succeeds or the time is up: the guest may still be booting. */
static int connect_guest(const struct options *o)
{
	uint64_t until = now_us() + o->connect_s * 1000000ULL;
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *ai;
	int fd, err;

	err = getaddrinfo(o->host, o->port, &hints, &ai);
	if (err) {
		fprintf(stderr, "tcphold: %s: %s\n", o->host, gai_strerror(err));
		return -EINVAL;
	}
	do {
		fd = connect_one(ai, 1000);
		if (fd < 0)
			poll(NULL, 0, 100);
	} while (fd < 0 && now_us() < until);
	freeaddrinfo(ai);
	if (fd < 0)
		fprintf(stderr, "tcphold: %s port %s: %s after %u s\n", o->host,
			o->port, strerror(-fd), o->connect_s);
	return fd;
}

static int open_timer(unsigned int interval_ms)
{
	struct timespec every = {
		.tv_sec = interval_ms / 1000,
		.tv_nsec = interval_ms % 1000 * 1000000L,
	};
	struct itimerspec spec = { .it_interval = every, .it_value = every };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd >= 0)
		timerfd_settime(fd, 0, &spec, NULL);
	return fd;
}

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Returns whether a signal asked for the end. */
static bool take_signal(struct hold *h, int fd)
{
	struct signalfd_siginfo si;

	if (read(fd, &si, sizeof(si)) != sizeof(si))
		return false;
	if (si.ssi_signo != SIGUSR1)
		return true;
	print_verdict(h);
	return false;
}

/* Exchange messages until asked to end, the deadline, or the connection's end. */
static void hold_connection(struct hold *h, const struct options *o, int timer,
			    int signals)
{
	uint64_t deadline = now_us() + o->deadline_s * 1000000ULL;
	struct pollfd fds[] = {
		{ .fd = h->fd, .events = POLLIN },
		{ .fd = timer, .events = POLLIN },
		{ .fd = signals, .events = POLLIN },
	};
	uint64_t ticks;

	while (!h->ended && (!o->deadline_s || now_us() < deadline)) {
		if (poll(fds, 3, 1000) < 0)
			continue;
		if (fds[0].revents)
			take_echoes(h);
		if (fds[1].revents &&
		    read(timer, &ticks, sizeof(ticks)) == sizeof(ticks))
			send_message(h);
		if (fds[2].revents && take_signal(h, signals))
			return;
	}
}

static void drain_echoes(struct hold *h, unsigned int limit_s)
{
	uint64_t until = now_us() + limit_s * 1000000ULL;
	struct pollfd pfd = { .fd = h->fd, .events = POLLIN };

	while (!h->ended && h->echoed < h->sent && now_us() < until) {
		if (poll(&pfd, 1, 100) > 0)
			take_echoes(h);
	}
}

static void usage(FILE *to)
{
	fprintf(to,
		"usage: tcphold [options] ADDRESS [PORT]\n"
		"  -i MS    between two messages (10)\n"
		"  -t SECS  end after this time, 0 = at SIGINT or SIGTERM (0)\n"
		"  -c SECS  limit for the connection to come up (30)\n"
		"  -d SECS  limit for the last echoes to come back (10)\n"
		"Prints one JSON line; exit 0 if no message was lost, 1 if not,\n"
		"2 if there was no connection to begin with.\n");
}

static int parse_options(struct options *o, int argc, char **argv)
{
	int opt;

	while ((opt = getopt(argc, argv, "hi:t:c:d:")) != -1) {
		switch (opt) {
		case 'i':
			o->interval_ms = atoi(optarg);
			break;
		case 't':
			o->deadline_s = atoi(optarg);
			break;
		case 'c':
			o->connect_s = atoi(optarg);
			break;
		case 'd':
			o->drain_s = atoi(optarg);
			break;
		default:
			usage(opt == 'h' ? stdout : stderr);
			exit(opt == 'h' ? 0 : 2);
		}
	}
	if (optind == argc || argc > optind + 2 || !o->interval_ms) {
		usage(stderr);
		return -EINVAL;
	}
	o->host = argv[optind];
	if (optind + 1 < argc)
		o->port = argv[optind + 1];
	return 0;
}

int main(int argc, char **argv)
{
	struct options o = {
		.port = "7000", .interval_ms = 10, .connect_s = 30, .drain_s = 10,
	};
	static struct hold h;
	int timer, signals;

	if (parse_options(&o, argc, argv))
		return 2;
	h.fd = connect_guest(&o);
	if (h.fd < 0)
		return 2;
	signals = open_signals();
	timer = open_timer(o.interval_ms);
	if (signals < 0 || timer < 0) {
		perror("tcphold: timer or signals");
		return 2;
	}
	h.last_us = now_us();
	hold_connection(&h, &o, timer, signals);
	drain_echoes(&h, o.drain_s);
	print_verdict(&h);
	return h.ended || h.echoed != h.sent;
}
