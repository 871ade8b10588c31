// SPDX-License-Identifier: GPL-2.0
/* Files that are whole or not there, also after a crash. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"

int vmig_file_write(const char *path, const char *text, struct vmig_err *err)
{
	char scratch[PATH_MAX + NAME_MAX + 40];
	size_t left = strlen(text);
	int fd, ret = 0;

	snprintf(scratch, sizeof(scratch), "%s.new", path);
	fd = open(scratch, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return vmig_err_set(err, errno, "%s: %s", scratch,
				    strerror(errno));
	while (left) {
		ssize_t n = write(fd, text, left);

		if (n < 0)
			break;
		text += n;
		left -= (size_t)n;
	}
	if (left || fsync(fd) || rename(scratch, path)) {
		ret = vmig_err_set(err, errno, "%s: %s", path, strerror(errno));
		unlink(scratch);
	}
	close(fd);
	return ret;
}

int vmig_file_read(const char *path, size_t max, char **text,
		   struct vmig_err *err)
{
	FILE *file = fopen(path, "re");
	size_t n;
	int ret;

	if (!file)
		return vmig_err_set(err, errno, "%s: %s", path,
				    strerror(errno));
	*text = malloc(max + 1);
	if (!*text)
		abort();	/* a daemon without memory is restarted */
	n = fread(*text, 1, max + 1, file);
	ret = ferror(file) ? vmig_err_set(err, EIO, "%s cannot be read", path) :
	      n > max ? vmig_err_set(err, EFBIG, "%s: more than %zu bytes",
				     path, max) : 0;
	fclose(file);
	if (ret)
		free(*text);
	else
		(*text)[n] = '\0';
	return ret;
}

int vmig_file_sync_folder(const char *path, struct vmig_err *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int ret = 0;

	if (fd < 0 || fsync(fd))
		ret = vmig_err_set(err, errno, "%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return ret;
}

int vmig_file_make_folder(const char *path, struct vmig_err *err)
{
	char part[PATH_MAX];
	char *slash;

	snprintf(part, sizeof(part), "%s", path);
	for (slash = strchr(part + 1, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(part, 0755) && errno != EEXIST)
			goto err_say;
		*slash = '/';
	}
	if (mkdir(part, 0700) && errno != EEXIST)
		goto err_say;
	return 0;

err_say:
	return vmig_err_set(err, errno, "%s: %s", part, strerror(errno));
}
