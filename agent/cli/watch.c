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
/* From this width on the figures have their names. */
#define COLUMNS_WIDE	110
/* Room for the figures, so that the bar does not jump when they change. */
#define FIGURES_WIDE	80
#define FIGURES_NARROW	56
#define BAR_MIN		6
#define BAR_MAX		40

static const char * const stage_texts[] = {
	[VMIG_STAGE_SETUP] = "joining the nodes",
	[VMIG_STAGE_MEMORY] = "copying memory while the VM runs",
	[VMIG_STAGE_MODIFIED] = "VM stopped, copying what it changed last, and its state",
	[VMIG_STAGE_STORAGE] = "handing over storage",
	[VMIG_STAGE_RESUME] = "resuming",
	[VMIG_STAGE_NETWORK] = "telling the network",
};

static const char *stage_text(const struct vmig_mig_info *info,
			      enum vmig_stage stage)
{
	if (info->quick && stage == VMIG_STAGE_MEMORY)
		return "VM stopped first, copying memory";
	return stage_texts[stage];
}

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

/* What is done of what has to be on the other node; 100 only if all is. */
static unsigned int percent(const struct vmig_mig_info *info)
{
	const struct vmig_counters *c = &info->counters;

	if (info->stage > VMIG_STAGE_MODIFIED)
		return 100;
	if (info->stage < VMIG_STAGE_MEMORY ||
	    c->remaining_bytes >= c->allocated_bytes)
		return 0;
	return 100.0 * (c->allocated_bytes - c->remaining_bytes) /
	       c->allocated_bytes;
}

static void format_figures(char *text, size_t size, bool wide,
			   const struct vmig_mig_info *info)
{
	const struct vmig_counters *c = &info->counters;
	struct vmig_text left = vmig_text_bytes(c->remaining_bytes);
	struct vmig_text dirty = vmig_text_bytes(c->dirty_rate * 4096);
	struct vmig_text sent = vmig_text_bytes(c->throughput);
	/* Nothing can be predicted before the first round is over. */
	struct vmig_text blackout = { "?" };

	if (c->predicted_blackout)
		blackout = vmig_text_ms(c->predicted_blackout);
	if (info->stage != VMIG_STAGE_MEMORY &&
	    info->stage != VMIG_STAGE_MODIFIED)
		snprintf(text, size, "%s", stage_text(info, info->stage));
	else if (wide)
		snprintf(text, size,
			 "round %u, %s left, dirty %s/s, sent %s/s, blackout ~%s",
			 c->round, left.s, dirty.s, sent.s, blackout.s);
	else
		snprintf(text, size, "round %u, %s left, +%s/s, %s/s, ~%s",
			 c->round, left.s, dirty.s, sent.s, blackout.s);
}

static void draw_bar(struct vmig_watch *watch, const struct vmig_mig_info *info)
{
	bool wide = watch->columns >= COLUMNS_WIDE;
	char figures[LINE_MAX_LEN], line[2 * LINE_MAX_LEN];
	char bar[BAR_MAX + 3] = "";
	int used, width, full;

	format_figures(figures, sizeof(figures), wide, info);
	used = snprintf(line, sizeof(line), "%s %-8s ", info->vm,
			vmig_stage_name(info->stage));
	/* Brackets, and the last column, which would wrap. */
	width = (int)watch->columns - used - 3 -
		(wide ? FIGURES_WIDE : FIGURES_NARROW);
	if (width > BAR_MAX)
		width = BAR_MAX;
	if (width >= BAR_MIN) {
		full = width * (int)percent(info) / 100;
		bar[0] = '[';
		memset(bar + 1, '#', full);
		memset(bar + 1 + full, '.', width - full);
		bar[width + 1] = ']';
	}
	snprintf(line + used, sizeof(line) - used, "%s %3u%% %s", bar,
		 percent(info), figures);
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
		vmig_stage_name(stage), stage_text(info, stage));
	fflush(watch->out);
}

/* Take the bar away: the report says it all. */
void vmig_watch_end(struct vmig_watch *watch)
{
	if (watch->bar)
		fputs("\r\033[K", watch->out);
	fflush(watch->out);
	watch->bar = false;
}

/* A warning is told once: it stays true, only its figures may change. */
static void print_warning(struct vmig_watch *watch,
			  const struct vmig_mig_info *info)
{
	if (!*info->warning || watch->warned)
		return;
	vmig_watch_end(watch);
	fprintf(watch->out, "warning: %s\n", info->warning);
	fflush(watch->out);
	watch->warned = true;
}

void vmig_watch_update(struct vmig_watch *watch,
		       const struct vmig_mig_info *info)
{
	enum vmig_stage stage;

	if (info->stage < VMIG_STAGE_SETUP || info->stage > VMIG_STAGE_NETWORK)
		return;
	print_warning(watch, info);
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
