// SPDX-License-Identifier: GPL-2.0
/*
 * Progress of a migration: a bar that is redrawn on a terminal, or a line a
 * stage for a log.
 */
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli.h"

#define COLUMNS_DEFAULT	80
#define LINE_MAX_LEN	512
/* The bar takes what the figures leave, within these. */
#define BAR_MIN		10
#define BAR_MAX		40

static const char * const stage_texts[] = {
	[VMIG_STAGE_SETUP] = "joining the nodes",
	[VMIG_STAGE_MEMORY] = "copying memory while the VM runs",
	[VMIG_STAGE_MODIFIED] = "VM stopped, copying what it changed last, and its state",
	[VMIG_STAGE_STORAGE] = "handing over storage",
	[VMIG_STAGE_RESUME] = "resuming",
	[VMIG_STAGE_NETWORK] = "telling the network",
};

void vmig_watch_init(struct vmig_watch *watch, FILE *out)
{
	struct winsize size;
	int fd = fileno(out);

	memset(watch, 0, sizeof(*watch));
	watch->out = out;
	watch->terminal = fd >= 0 && isatty(fd);
	watch->columns = COLUMNS_DEFAULT;
	if (watch->terminal && !ioctl(fd, TIOCGWINSZ, &size) && size.ws_col)
		watch->columns = size.ws_col;
}

/* What is done of what has to be on the other node, in percent. */
static unsigned int percent(const struct vmig_mig_info *info)
{
	const struct vmig_counters *c = &info->counters;

	if (info->stage > VMIG_STAGE_MODIFIED)
		return 100;
	if (!c->allocated_bytes || info->stage < VMIG_STAGE_MEMORY)
		return 0;
	if (c->remaining_bytes >= c->allocated_bytes)
		return 0;
	return 100 - 100 * c->remaining_bytes / c->allocated_bytes;
}

static int format_figures(char *line, size_t size,
			  const struct vmig_mig_info *info)
{
	const struct vmig_counters *c = &info->counters;

	if (info->stage != VMIG_STAGE_MEMORY &&
	    info->stage != VMIG_STAGE_MODIFIED)
		return snprintf(line, size, " %3u%% %s", percent(info),
				stage_texts[info->stage]);
	return snprintf(line, size,
			" %3u%% round %u, %s left, dirty %s/s, sent %s/s, blackout ~%s",
			percent(info), c->round,
			vmig_text_bytes(c->remaining_bytes).s,
			vmig_text_bytes(c->dirty_rate * 4096).s,
			vmig_text_bytes(c->throughput).s,
			vmig_text_ms(c->predicted_blackout).s);
}

static void draw_bar(struct vmig_watch *watch, const struct vmig_mig_info *info)
{
	char head[VMIG_NAME_MAX + 32], figures[LINE_MAX_LEN];
	char bar[BAR_MAX + 1], line[2 * LINE_MAX_LEN];
	int used, width, full;

	used = snprintf(head, sizeof(head), "%s %u/6 %-8s", info->vm,
			info->stage, vmig_stage_name(info->stage));
	used += format_figures(figures, sizeof(figures), info);
	/* Two brackets and a blank; the last column would wrap. */
	width = (int)watch->columns - used - 4;
	if (width > BAR_MAX)
		width = BAR_MAX;
	full = width * (int)percent(info) / 100;
	if (width < BAR_MIN) {
		snprintf(line, sizeof(line), "%s%s", head, figures);
	} else {
		memset(bar, '#', full);
		memset(bar + full, '.', width - full);
		bar[width] = '\0';
		snprintf(line, sizeof(line), "%s [%s]%s", head, bar, figures);
	}
	if (strlen(line) >= watch->columns)
		line[watch->columns - 1] = '\0';
	fprintf(watch->out, "\r\033[K%s", line);
	fflush(watch->out);
	watch->bar = true;
}

static void print_stage(struct vmig_watch *watch,
			const struct vmig_mig_info *info, enum vmig_stage stage)
{
	fprintf(watch->out, "%11s  %u/6 %-8s  %s\n",
		vmig_text_seconds(info->stages[stage].start).s, stage,
		vmig_stage_name(stage), stage_texts[stage]);
	fflush(watch->out);
}

void vmig_watch_update(struct vmig_watch *watch,
		       const struct vmig_mig_info *info)
{
	enum vmig_stage stage;

	if (info->stage < VMIG_STAGE_SETUP || info->stage > VMIG_STAGE_NETWORK)
		return;
	if (watch->terminal) {
		draw_bar(watch, info);
		return;
	}
	/* Some may have passed since the last look. */
	for (stage = watch->told + 1; stage <= info->stage; stage++)
		if (info->stages[stage].entered)
			print_stage(watch, info, stage);
	if (info->stage > watch->told)
		watch->told = info->stage;
}

/* Take the bar away: the report says it all. */
void vmig_watch_end(struct vmig_watch *watch)
{
	if (watch->bar)
		fputs("\r\033[K", watch->out);
	fflush(watch->out);
	watch->bar = false;
}
