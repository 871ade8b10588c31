// SPDX-License-Identifier: GPL-2.0
/* Migrations out of this node that wait until both nodes have a slot for them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "../cluster/message.h"
#include "queue.h"

/*
 * A busy node is asked again after this and up to as much more by chance, the
 * node whose name comes first sooner: two that refused each other do not meet
 * again.
 */
#define PACE_US		(500 * 1000ULL)
#define PACE_MAX_US	(4 * 1000 * 1000ULL)

/**
 * struct waiting - one place in the queue
 * @why: what it waits for; "" before the first try
 * @pause: until the other node is asked again; or NULL
 * @tries: how often it was busy
 * @moving: the migration is under way; it comes back only if that was busy
 */
struct waiting {
	TAILQ_ENTRY(waiting) entry;
	struct vmig_daemon *daemon;
	struct vmig_request request;
	vmig_moved_fn moved;
	void *arg;
	uint64_t since;
	char why[256];
	sd_event_source *pause;
	unsigned int tries;
	bool moving;
};

struct vmig_queue {
	TAILQ_HEAD(, waiting) list;
	sd_event_source *kick;
};

static void end(struct waiting *w, int error, const char *message,
		const char *data)
{
	TAILQ_REMOVE(&w->daemon->queue->list, w, entry);
	sd_event_source_disable_unref(w->pause);
	if (w->moved)
		w->moved(w->arg, error, false, message, data);
	else
		vmig_daemon_answer(w->daemon, w->request.id, error, message,
				   data);
	free(w);
}

static int on_pause(sd_event_source *source, uint64_t usec, void *arg)
{
	struct waiting *w = arg;

	(void)source;
	(void)usec;
	w->pause = sd_event_source_disable_unref(w->pause);
	vmig_queue_kick(w->daemon);
	return 0;
}

static void step_aside(struct waiting *w, const char *why)
{
	bool second = strcmp(w->daemon->config->node, w->request.node) > 0;
	uint64_t pace = PACE_US << (w->tries < 3 ? w->tries : 3);

	snprintf(w->why, sizeof(w->why), "%s", why);
	w->moving = false;
	w->tries++;
	pace += (uint64_t)random() % pace + (second ? PACE_US : 0);
	if (pace > PACE_MAX_US)
		pace = PACE_MAX_US - (second ? 0 : PACE_US);
	sd_event_add_time_relative(w->daemon->event, &w->pause,
				   CLOCK_MONOTONIC, pace, 0, on_pause, w);
}

static void on_moved(void *arg, int error, bool busy, const char *message,
		     const char *data)
{
	struct waiting *w = arg;

	if (busy)
		step_aside(w, message);
	else
		end(w, error, message, data);
}

/* Return: false if this node has no slot for it. */
static bool try_one(struct waiting *w)
{
	struct vmig_err err;
	bool busy;
	int ret;

	ret = vmig_source_start(w->daemon, &w->request, on_moved, w, &busy,
				&err);
	if (busy) {
		snprintf(w->why, sizeof(w->why), "%s", err.text);
		return false;
	}
	if (ret)
		end(w, -ret, err.text, NULL);
	else
		w->moving = true;
	return true;
}

/* One a turn: what hears of an end may change the queue. */
static int on_kick(sd_event_source *source, void *arg)
{
	struct vmig_daemon *daemon = arg;
	struct waiting *w;

	sd_event_source_set_enabled(source, SD_EVENT_OFF);
	TAILQ_FOREACH(w, &daemon->queue->list, entry)
		if (!w->moving && !w->pause)
			break;
	/* While this node's slots are taken the others wait, too. */
	if (w && try_one(w))
		vmig_queue_kick(daemon);
	return 0;
}

void vmig_queue_kick(struct vmig_daemon *daemon)
{
	if (daemon->queue && !TAILQ_EMPTY(&daemon->queue->list))
		sd_event_source_set_enabled(daemon->queue->kick,
					    SD_EVENT_ONESHOT);
}

static struct waiting *find(struct vmig_daemon *daemon, const char *vm)
{
	struct waiting *w;

	TAILQ_FOREACH(w, &daemon->queue->list, entry)
		if (!w->moving && !strcmp(w->request.vm, vm))
			return w;
	return NULL;
}

int vmig_queue_check(struct vmig_daemon *daemon, const char *vm,
		     struct vmig_err *err)
{
	const struct waiting *w = find(daemon, vm);

	if (!w)
		return 0;
	return vmig_err_set(err, EBUSY,
			    "VM %s waits already for its migration to node %s: `vmig-agent cancel %s` takes it out of the queue",
			    vm, w->request.node, vm);
}

int vmig_queue_add(struct vmig_daemon *daemon,
		   const struct vmig_request *request, vmig_moved_fn moved,
		   void *arg, struct vmig_err *err)
{
	const struct vmig_peer *peer;
	struct vmig_machine *m;
	struct waiting *w;
	int ret;

	ret = vmig_queue_check(daemon, request->vm, err);
	if (!ret)
		ret = vmig_source_find(daemon, request, &m, &peer, err);
	if (ret)
		return ret;
	w = calloc(1, sizeof(*w));
	if (!w)
		abort();	/* a daemon without memory is restarted */
	w->daemon = daemon;
	w->request = *request;
	w->request.data = NULL;
	w->moved = moved;
	w->arg = arg;
	w->since = vmig_daemon_now(daemon);
	TAILQ_INSERT_TAIL(&daemon->queue->list, w, entry);
	vmig_queue_kick(daemon);
	return 0;
}

int vmig_queue_cancel(struct vmig_daemon *daemon, const char *vm)
{
	struct waiting *w = find(daemon, vm);

	if (!w)
		return -ENOENT;
	end(w, ECANCELED, "cancelled while it waited", NULL);
	return 0;
}

struct json_object *vmig_queue_describe(struct vmig_daemon *daemon)
{
	struct json_object *list = json_object_new_array(), *o;
	const struct waiting *w;
	uint64_t position = 0;

	TAILQ_FOREACH(w, &daemon->queue->list, entry) {
		if (w->moving)
			continue;
		o = vmig_json_new(NULL);
		vmig_json_add_uint(o, "position", ++position);
		vmig_json_add_string(o, "vm", w->request.vm);
		vmig_json_add_string(o, "node", w->request.node);
		vmig_json_add_uint(o, "seconds", (vmig_daemon_now(daemon) -
						  w->since) / 1000000);
		vmig_json_add_string(o, "why", *w->why ? w->why :
				     "the one before it is waited for");
		json_object_array_add(list, o);
	}
	return list;
}

int vmig_queue_open(struct vmig_daemon *daemon, struct vmig_err *err)
{
	struct vmig_queue *queue = calloc(1, sizeof(*queue));
	int ret;

	if (!queue)
		return vmig_err_set(err, ENOMEM, "out of memory");
	TAILQ_INIT(&queue->list);
	srandom((unsigned int)vmig_daemon_now(daemon));
	ret = sd_event_add_defer(daemon->event, &queue->kick, on_kick, daemon);
	if (ret < 0) {
		free(queue);
		return vmig_err_set(err, -ret, "event loop: %s",
				    strerror(-ret));
	}
	sd_event_source_set_enabled(queue->kick, SD_EVENT_OFF);
	daemon->queue = queue;
	return 0;
}
