// SPDX-License-Identifier: GPL-2.0
/*
 * The daemon: one thread, one event loop, and what hangs on it.
 *
 * It keeps no state that matters: the kernel has the migrations, QEMU the
 * VMs, the file system who owns them. It may be killed at any moment.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "cluster/ktls.h"
#include "cluster/nodes.h"
#include "cluster/tls.h"
#include "daemon.h"
#include "drain/drain.h"
#include "migrate/destination.h"
#include "migrate/queue.h"
#include "migrate/recover.h"
#include "migrate/source.h"
#include "requests.h"
#include "vmm/machine.h"
#include "vmm/types.h"

/* vmig_log() - A line for the journal. */
void vmig_log(const char *fmt, ...)
{
	char line[VMIG_TEXT_MAX + 256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	fprintf(stderr, "%s\n", line);
}

/* vmig_daemon_now() - CLOCK_MONOTONIC in us, not the loop's older copy. */
uint64_t vmig_daemon_now(struct vmig_daemon *daemon)
{
	struct timespec ts;

	(void)daemon;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* vmig_daemon_answer() - End a request; @message and @data may be NULL. */
void vmig_daemon_answer(struct vmig_daemon *daemon, uint32_t request,
			int error, const char *message, const char *data)
{
	struct vmig_answer answer = {
		.id = request,
		.error = error,
		.message = message,
		.data = data,
	};
	struct vmig_err err;

	/* Whoever asked may be gone: nothing is lost then. */
	if (vmig_nl_answer(daemon->nl, &answer, &err) && error)
		vmig_log("nobody hears the answer: %s", message);
}

static void on_request(void *arg, const struct vmig_request *request)
{
	vmig_requests_handle(arg, request);
}

static void on_migration(void *arg, const struct vmig_mig_info *info)
{
	struct vmig_daemon *daemon = arg;
	struct vmig_incoming *in;
	struct vmig_source *s;

	LIST_FOREACH(s, &daemon->sources, entry) {
		if (s->id == info->id) {
			vmig_source_notify(s, info);
			return;
		}
	}
	in = vmig_incoming_find(daemon, info->id);
	if (in)
		vmig_incoming_notify(in, info);
}

static void on_overrun(void *arg)
{
	struct vmig_daemon *daemon = arg;
	struct vmig_mig_info *list;
	struct vmig_err err;
	size_t i, n;

	if (vmig_nl_migration_list(daemon->nl, &list, &n, &err)) {
		vmig_log("%s", err.text);
		return;
	}
	for (i = 0; i < n; i++)
		on_migration(daemon, &list[i]);
	free(list);
}

static const struct vmig_nl_handlers nl_handlers = {
	.request = on_request,
	.migration = on_migration,
	.overrun = on_overrun,
};

static int on_nl(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	struct vmig_daemon *daemon = arg;
	struct vmig_err err;

	(void)source;
	(void)fd;
	(void)revents;
	if (vmig_nl_process(daemon->nl, &err)) {
		vmig_log("%s", err.text);
		return sd_event_exit(daemon->event, 1);
	}
	return 0;
}

/* Another agent connected; see vmig_accepted_fn. */
static void on_accepted(void *arg, struct vmig_conn *conn,
			const struct vmig_hello *theirs, const char *kind,
			struct json_object *greeting)
{
	struct vmig_daemon *daemon = arg;

	if (!strcmp(kind, "node")) {
		/* Our greeting was the answer, theirs the news. */
		vmig_nodes_learn(daemon->nodes, theirs->node, greeting);
		vmig_conn_close(conn);
		return;
	}
	if (!strcmp(kind, "control") || !strcmp(kind, "request"))
		vmig_nodes_learn(daemon->nodes, theirs->node, greeting);
	if (!strcmp(kind, "request")) {
		vmig_peer_accept(daemon, conn, theirs->node);
		return;
	}
	vmig_incoming_accept(daemon, conn, theirs, kind, greeting);
}

static int setup_signals(struct vmig_daemon *daemon)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sd_event_add_signal(daemon->event, NULL, SIGTERM, NULL, NULL);
	return sd_event_add_signal(daemon->event, NULL, SIGINT, NULL, NULL);
}

/* Two nodes that look the same on a disk could not keep each other out. */
static int check_nodes(struct vmig_daemon *daemon, struct vmig_err *err)
{
	const struct vmig_config *config = daemon->config;
	const char *nodes[VMIG_PEERS_MAX + 1] = { config->node };
	struct vmig_machine *m;
	unsigned int i;

	for (i = 0; i < config->npeers; i++)
		nodes[i + 1] = config->peers[i].name;
	LIST_FOREACH(m, &daemon->machines, entry) {
		if (vmig_ownership_is_used(m))
			return vmig_lease_nodes_check(nodes,
						      config->npeers + 1, err);
	}
	return 0;
}

static int setup(struct vmig_daemon *daemon, struct vmig_err *err)
{
	const struct vmig_config *config = daemon->config;
	int ret;

	ret = sd_event_new(&daemon->event);
	if (ret >= 0)
		ret = setup_signals(daemon);
	if (ret < 0)
		return vmig_err_set(err, -ret, "event loop: %s",
				    strerror(-ret));
	daemon->types = vmig_types_open(daemon->event, config->qemu);
	ret = vmig_queue_open(daemon, err);
	if (!ret)
		ret = vmig_drain_open(daemon, err);
	if (!ret)
		ret = vmig_store_folders(daemon, err);
	if (!ret)
		ret = vmig_nl_open(&daemon->nl, err);
	if (!ret)
		ret = vmig_nl_agent_register(daemon->nl, config->node, err);
	if (!ret)
		ret = vmig_nl_subscribe(daemon->nl, err);
	if (!ret)
		ret = vmig_nodes_open(&daemon->nodes, config, daemon->nl,
				      daemon->event, err);
	if (!ret)
		ret = vmig_listener_open(&daemon->listener, daemon->event,
					 config, daemon->nodes, on_accepted,
					 daemon, err);
	if (ret)
		return ret;
	vmig_nl_set_handlers(daemon->nl, &nl_handlers, daemon);
	ret = sd_event_add_io(daemon->event, &daemon->nl_io,
			      vmig_nl_fd(daemon->nl), EPOLLIN, on_nl, daemon);
	if (ret < 0)
		return vmig_err_set(err, -ret, "event loop: %s",
				    strerror(-ret));
	ret = vmig_store_load(daemon, err);
	return ret ? ret : check_nodes(daemon, err);
}

/**
 * vmig_daemon_run() - Be the agent of this node until SIGTERM.
 *
 * VMs run on after it. Return: the exit status.
 */
int vmig_daemon_run(const struct vmig_config *config)
{
	struct vmig_daemon *daemon = calloc(1, sizeof(*daemon));
	struct vmig_err err;
	int ret;

	if (!daemon)
		return 1;
	setlinebuf(stderr);
	umask(077);
	daemon->config = config;
	LIST_INIT(&daemon->machines);
	LIST_INIT(&daemon->sources);
	LIST_INIT(&daemon->incomings);
	LIST_INIT(&daemon->checkups);
	if (setup(daemon, &err)) {
		vmig_log("vmig-agent: %s", err.text);
		return 1;
	}
	if (config->tls && vmig_ktls_load(&err))
		vmig_log("channels cannot be encrypted, and VMs cannot move: %s",
			 err.text);
	vmig_recover(daemon);
	vmig_drain_resume(daemon);
	vmig_log("node %s listens on %s port %u, %s", config->node,
		 config->address, config->port, config->tls ?
		 vmig_tls_describe(config->tls) : "insecurely");
	sd_notify(0, "READY=1");
	ret = sd_event_loop(daemon->event);
	sd_notify(0, "STOPPING=1");
	/*
	 * All else is the process's to lose: peers and the kernel see the
	 * sockets close and act as if the daemon had been killed.
	 */
	vmig_listener_close(daemon->listener);
	vmig_nl_close(daemon->nl);
	return ret < 0;
}
