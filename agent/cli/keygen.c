// SPDX-License-Identifier: GPL-2.0
/* `vmig-agent keygen`. */
#include <getopt.h>

#include "../cluster/clusterkey.h"
#include "../config.h"
#include "cli.h"

int vmig_cmd_keygen(int argc, char **argv)
{
	int ret = vmig_args(argc, argv, NULL, 0, 1);
	const char *path = VMIG_KEY_PATH;
	struct vmig_err err;

	if (ret)
		return ret;
	if (optind < argc)
		path = argv[optind];
	if (vmig_clusterkey_create(path, &err))
		return vmig_fail(&err);
	printf("%s made; every node of the cluster needs a copy of it, mode 600\n",
	       path);
	return VMIG_EXIT_OK;
}
