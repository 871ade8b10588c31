// SPDX-License-Identifier: GPL-2.0
/* How commands fail, and how they take their arguments. */
#include <getopt.h>
#include <stdarg.h>
#include <string.h>

#include "cli.h"

#define FLAGS_MAX	4

int vmig_fail(const struct vmig_err *err)
{
	fflush(stdout);
	fprintf(stderr, "vmig-agent: %s\n", err->text);
	return VMIG_EXIT_FAILED;
}

int vmig_usage(const char *fmt, ...)
{
	va_list args;

	fflush(stdout);
	fputs("vmig-agent: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputs("\nvmig-agent --help lists the commands\n", stderr);
	return VMIG_EXIT_USAGE;
}

int vmig_args(int argc, char **argv, const struct vmig_flag *flags,
	      int min_args, int max_args)
{
	struct option options[FLAGS_MAX + 1] = { };
	unsigned int i;
	int c, index;

	for (i = 0; flags && flags[i].name && i < FLAGS_MAX; i++) {
		options[i].name = flags[i].name;
		options[i].val = 'f';
	}
	/* argv[0] tells getopt's own messages which command it is. */
	while ((c = getopt_long(argc, argv, "", options, &index)) != -1) {
		if (c != 'f')
			return vmig_usage("wrong option for %s", argv[0]);
		*flags[index].set = true;
	}
	if (argc - optind < min_args)
		return vmig_usage("%s: an argument is missing", argv[0]);
	if (argc - optind > max_args)
		return vmig_usage("%s: %s is one argument too many", argv[0],
				  argv[optind + max_args]);
	return VMIG_EXIT_OK;
}
