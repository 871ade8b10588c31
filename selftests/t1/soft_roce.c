// SPDX-License-Identifier: GPL-2.0
/* An RDMA device in software. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "soft_roce.h"

#define NETDEV	"vmig-roce"

/* selftests/lab/soft-roce has the recipe. VMIG_TOP is the runner's. */
static int run(const char *arguments)
{
	char line[256];

	snprintf(line, sizeof(line),
		 "${VMIG_TOP:-../../..}/selftests/lab/soft-roce %s 1>&2",
		 arguments);
	return system(line) ? -1 : 0;
}

const char *soft_roce_device(void)
{
	return strcmp(getenv("VMIG_RDMA") ?: "", "siw") ? "vmig-rxe" :
							  "vmig-siw";
}

int soft_roce_up(void)
{
	return run("up " NETDEV " " SOFT_ROCE_A "/24 " SOFT_ROCE_B "/24");
}

/* A device waits for processes that have used it from user space to end. */
int soft_roce_down(void)
{
	return strcmp(getenv("VMIG_RDMA") ?: "", "keep") ?
	       run("down " NETDEV) : run("release");
}

int soft_roce_unplug(void)
{
	return run("unplug");
}

int soft_roce_unload(void)
{
	return run("unload");
}
