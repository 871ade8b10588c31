// SPDX-License-Identifier: GPL-2.0
/*
 * The definition that this node has of a VM which arrives.
 *
 * A node that went down in a commit still defines the VM that it gave away. When
 * that comes back its definition is replaced, at the commit and not before: until
 * the lease is this node's it is kept in run/NAME/earlier.ini and earlier.cpu,
 * and a migration that fails puts back what it has replaced. The files also tell
 * a new agent that run/NAME/definition.ini, and not definitions/NAME.ini, is what
 * the QEMU was started with that it finds.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../daemon.h"
#include "../file.h"
#include "../keyfile.h"
#include "machine.h"

#define EARLIER_PATH_MAX (PATH_MAX + NAME_MAX + 32)

/* Of the definition or of the processor: @what is "ini" or "cpu". */
static void make_paths(const struct vmig_daemon *daemon, const char *vm,
		       const char *what, char kept[EARLIER_PATH_MAX],
		       char defined[EARLIER_PATH_MAX])
{
	snprintf(kept, EARLIER_PATH_MAX, "%s/%s/earlier.%s",
		 daemon->config->run, vm, what);
	snprintf(defined, EARLIER_PATH_MAX, "%s/%s.%s",
		 daemon->config->definitions, vm, what);
}

/* Of a file that is not there there is no copy either. */
static int copy(const char *from, const char *to, struct vmig_err *err)
{
	char *text;
	int ret;

	if (access(from, F_OK)) {
		unlink(to);
		return 0;
	}
	ret = vmig_keyfile_read(from, &text, err);
	if (ret)
		return ret;
	ret = vmig_file_write(to, text, err);
	free(text);
	return ret;
}

bool vmig_earlier_is_kept(const struct vmig_daemon *daemon, const char *vm)
{
	char kept[EARLIER_PATH_MAX], defined[EARLIER_PATH_MAX];

	make_paths(daemon, vm, "ini", kept, defined);
	return !access(kept, F_OK);
}

/* The definition comes last: with it, all of it is there. */
int vmig_earlier_keep(struct vmig_machine *m, struct vmig_err *err)
{
	char kept[EARLIER_PATH_MAX], defined[EARLIER_PATH_MAX];
	int ret;

	make_paths(m->daemon, m->name, "cpu", kept, defined);
	ret = copy(defined, kept, err);
	if (ret)
		return ret;
	make_paths(m->daemon, m->name, "ini", kept, defined);
	return copy(defined, kept, err);
}

int vmig_earlier_restore(struct vmig_machine *m, struct vmig_err *err)
{
	char kept[EARLIER_PATH_MAX], defined[EARLIER_PATH_MAX];
	int ret;

	make_paths(m->daemon, m->name, "cpu", kept, defined);
	ret = copy(kept, defined, err);
	if (ret)
		return ret;
	make_paths(m->daemon, m->name, "ini", kept, defined);
	ret = copy(kept, defined, err);
	return ret ? ret :
	       vmig_file_sync_folder(m->daemon->config->definitions, err);
}

void vmig_earlier_forget(const struct vmig_machine *m)
{
	char kept[EARLIER_PATH_MAX], defined[EARLIER_PATH_MAX];

	make_paths(m->daemon, m->name, "ini", kept, defined);
	unlink(kept);
	make_paths(m->daemon, m->name, "cpu", kept, defined);
	unlink(kept);
}
