// SPDX-License-Identifier: GPL-2.0
/*
 * How long a migration may take, in all and with its VM stopped, and what
 * happens when it takes longer.
 *
 * The tick asks once a second. From the commit on no limit counts any more:
 * vmig_end_begin() refuses.
 */
#include <linux/math64.h>
#include <linux/minmax.h>

#include "compat/compat.h"
#include "migrate/engine.h"

#define BLACKOUT_DEFAULT_MS	300
#define TIMEOUT_DEFAULT_S	3600
/*
 * The VM may stand still for so long until the commit, give or take a tick and
 * the farewell of a migration that ends by it,
 */
#define STOP_DEFAULT_S		30
/* or this many times the target of its blackout, if that is more; */
#define STOP_TARGETS		4
/* and to digest all memory needs a second for this much, and far less. */
#define STOP_VERIFY_BYTES	(256ULL << 20)
/*
 * A migration that switches over at its timeout has the time that the VM may
 * stand still, and this for the agents: to stop the VM and to move its devices.
 */
#define SWITCH_OVER_S		60
/* A target that cannot be met is no passing trouble after this time. */
#define FUTILE_S		30

static u32 default_stop_limit(const struct vmig_migration *m)
{
	u64 limit = max_t(u64, STOP_DEFAULT_S,
			  (u64)STOP_TARGETS * m->info.max_blackout_ms /
			  MSEC_PER_SEC);
	u64 bytes = 0;
	unsigned int r;

	/* All memory is sent with the VM stopped, and nobody can tell how fast. */
	if (m->info.quick)
		return m->info.timeout_s;
	for (r = 0; r < m->vm->nregions; r++)
		bytes += m->region_pages[r] << PAGE_SHIFT;
	if (m->info.verify)
		limit += div64_u64(bytes, STOP_VERIFY_BYTES);
	return min_t(u64, limit, U32_MAX);
}

/* Take the limits of a new migration from what is asked for. */
void vmig_limit_set(struct vmig_migration *m,
		    const struct vmig_migration_params *p)
{
	struct vmig_migration_info *info = &m->info;

	info->max_blackout_ms = p->max_blackout_ms ?: BLACKOUT_DEFAULT_MS;
	info->timeout_s = p->timeout_s ?: TIMEOUT_DEFAULT_S;
	info->at_timeout = p->at_timeout;
	info->stop_limit_s = p->stop_limit_s ?: default_stop_limit(m);
}

/* Return: when the VM was stopped; of no meaning while it runs. */
static ktime_t stopped_at(const struct vmig_migration *m)
{
	const struct vmig_migration_info *info = &m->info;

	return info->quick ?
	       ktime_add_us(m->created, info->stages[VMIG_STAGE_MEMORY].start) :
	       m->stage_began;
}

static bool is_over(ktime_t since, u64 seconds)
{
	return ktime_us_delta(ktime_get(), since) >=
	       (s64)(seconds * USEC_PER_SEC);
}

/* The timeout is over: have the VM stopped if that can end well. */
static bool switch_over(struct vmig_migration *m, char *why, size_t size)
{
	struct vmig_migration_info *info = &m->info;
	u64 blackout;

	vmig_stats_refresh(m);
	blackout = vmig_stats_predict(m);
	info->counters.predicted_blackout = blackout;
	if (blackout > (u64)info->stop_limit_s * USEC_PER_SEC) {
		snprintf(why, size,
			 "The migration took longer than its limit of %u s, and VM %s would stand still for %llu s, longer than its limit of %u s",
			 info->timeout_s, info->vm, blackout / USEC_PER_SEC,
			 info->stop_limit_s);
		return false;
	}
	info->converged = true;
	info->forced = true;
	vmig_migration_notify(m);
	return true;
}

/*
 * From the stop to the commit: the peer must confirm the last pages, the agents
 * must move the devices. The stage is one and the same all that time, unless
 * the VM was stopped before its memory was copied.
 */
static bool stands_still_too_long(struct vmig_migration *m, char *why,
				  size_t size)
{
	struct vmig_migration_info *info = &m->info;

	if (info->role != VMIG_ROLE_SOURCE ||
	    info->stage > VMIG_STAGE_MODIFIED ||
	    info->stage < (info->quick ? VMIG_STAGE_MEMORY :
			   VMIG_STAGE_MODIFIED) ||
	    !is_over(stopped_at(m), info->stop_limit_s))
		return false;
	if (info->state == VMIG_STATE_HANDOFF)
		snprintf(why, size,
			 "VM %s stood still for %u s, its limit, and the agent has not begun the commit: raise the stop limit",
			 info->vm, info->stop_limit_s);
	else
		snprintf(why, size,
			 "VM %s stood still for %u s, its limit, and node %s has not confirmed its last pages: raise the stop limit",
			 info->vm, info->stop_limit_s, info->node);
	return true;
}

/* To go on is of use only to whom the timeout, and not the target, ends it. */
static bool is_hopeless(struct vmig_migration *m, char *why, size_t size)
{
	struct vmig_migration_info *info = &m->info;

	if (info->state != VMIG_STATE_PRECOPY || info->converged ||
	    info->at_timeout != VMIG_TIMEOUT_ACTION_CANCEL ||
	    !m->futile_since || !is_over(m->futile_since, FUTILE_S))
		return false;
	strscpy(why, info->warning, size);
	return true;
}

static bool takes_too_long(struct vmig_migration *m, char *why, size_t size)
{
	struct vmig_migration_info *info = &m->info;
	u64 limit = info->timeout_s;

	if (!is_over(m->created, limit))
		return false;
	if (info->at_timeout == VMIG_TIMEOUT_ACTION_SWITCH_OVER &&
	    info->state != VMIG_STATE_SETUP) {
		if (info->state == VMIG_STATE_PRECOPY && !info->converged)
			return !switch_over(m, why, size);
		limit += SWITCH_OVER_S + info->stop_limit_s;
		if (!is_over(m->created, limit))
			return false;
	}
	snprintf(why, size, "The migration took longer than its limit of %llu s",
		 limit);
	return true;
}

/* End a migration that is over its limits. */
void vmig_limit_check(struct vmig_migration *m)
{
	char why[sizeof(m->info.reason)];
	bool over;

	mutex_lock(&m->lock);
	over = !m->ending && (stands_still_too_long(m, why, sizeof(why)) ||
			      is_hopeless(m, why, sizeof(why)) ||
			      takes_too_long(m, why, sizeof(why)));
	mutex_unlock(&m->lock);
	if (over)
		vmig_end_begin(m, VMIG_STATE_FAILED, ETIME, false, "%s", why);
}
