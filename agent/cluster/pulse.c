// SPDX-License-Identifier: GPL-2.0
/*
 * Is the host of another node still there? A few bytes on their connection, again
 * and again, and TCP tells whether they were acknowledged.
 *
 * Not its agent answers but its kernel, so that neither a busy agent nor one that
 * is being debugged is taken for a host that is gone; the heartbeat (conn.c) finds
 * those that hang, and may take its time.
 */
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <json-c/json.h>

#include "conn.h"
#include "message.h"
#include "pulse.h"

#define BEAT_US		(100 * 1000ULL)
/*
 * A packet that is lost is sent again after 200 ms, and an acknowledgement may
 * be put off for as long. With what a source needs to let its VM run on, less
 * than a second passes.
 */
#define MISSED_MS	600

/**
 * struct vmig_pulse - one host that is listened to
 * @acked: bytes that it has acknowledged, as seen last
 * @since: when that was more than before, or nothing was owed; CLOCK_MONOTONIC us
 */
struct vmig_pulse {
	struct vmig_conn *conn;
	sd_event_source *timer;
	uint64_t acked;
	uint64_t since;
	vmig_missed_fn fn;
	void *arg;
};

/* How long it has owed an answer, as of @now. */
static uint64_t missed_us(struct vmig_pulse *pulse, uint64_t now)
{
	struct tcp_info info = {};
	socklen_t len = sizeof(info);

	if (getsockopt(vmig_conn_fd(pulse->conn), IPPROTO_TCP, TCP_INFO, &info,
		       &len) ||
	    !info.tcpi_unacked || info.tcpi_bytes_acked != pulse->acked) {
		pulse->acked = info.tcpi_bytes_acked;
		pulse->since = now;
	}
	return now - pulse->since;
}

static int on_beat(sd_event_source *source, uint64_t usec, void *arg)
{
	struct vmig_pulse *pulse = arg;
	uint64_t now, ms;

	sd_event_now(sd_event_source_get_event(source), CLOCK_MONOTONIC, &now);
	ms = missed_us(pulse, now) / 1000;
	vmig_conn_send(pulse->conn, vmig_json_new("ping"));
	sd_event_source_set_time(source, now + BEAT_US);
	sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	(void)usec;
	/* Last: it may be stopped. */
	if (ms > MISSED_MS)
		pulse->fn(pulse->arg, ms);
	return 0;
}

struct vmig_pulse *vmig_pulse_start(sd_event *event, struct vmig_conn *conn,
				    vmig_missed_fn fn, void *arg)
{
	struct vmig_pulse *pulse = calloc(1, sizeof(*pulse));

	if (!pulse)
		abort();	/* a daemon without memory is restarted */
	pulse->conn = conn;
	pulse->fn = fn;
	pulse->arg = arg;
	sd_event_now(event, CLOCK_MONOTONIC, &pulse->since);
	sd_event_add_time_relative(event, &pulse->timer, CLOCK_MONOTONIC,
				   BEAT_US, BEAT_US / 10, on_beat, pulse);
	return pulse;
}

void vmig_pulse_stop(struct vmig_pulse **pulse)
{
	if (!*pulse)
		return;
	sd_event_source_disable_unref((*pulse)->timer);
	free(*pulse);
	*pulse = NULL;
}
