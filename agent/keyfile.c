// SPDX-License-Identifier: GPL-2.0
/*
 * Strict reading of ini files.
 *
 * inih splits lines into keys and values. It is fed line by line, because it
 * neither tells line numbers nor mentions a section without keys.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keyfile.h"

#define FILE_MAX	VMIG_DATA_MAX
#define SECTION_MAX	64

int vmig_keyfile_error(struct vmig_keyfile *kf, int error, const char *fmt, ...)
{
	char text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	kf->error = -error;
	return vmig_err_set(kf->err, error, "%s:%u: %s%s%s", kf->source,
			    kf->line, kf->key ? kf->key : "",
			    kf->key ? ": " : "", text);
}

/* "[name]" with nothing but a comment behind it. */
static int enter_section(struct vmig_keyfile *kf, const char *line)
{
	const char *end = strchr(line, ']'), *rest;
	char name[SECTION_MAX];
	size_t len;

	kf->has_key = false;
	kf->key = NULL;
	if (!end)
		return vmig_keyfile_error(kf, EINVAL,
					  "a section's name ends with ]");
	for (rest = end + 1; isspace((unsigned char)*rest); rest++)
		;
	if (*rest && *rest != ';' && *rest != '#')
		return vmig_keyfile_error(kf, EINVAL,
					  "there is text behind the section's name: %.40s",
					  rest);
	len = end - line - 1;
	if (!len || len >= sizeof(name))
		return vmig_keyfile_error(kf, EINVAL,
					  "a section's name has 1 to %d bytes",
					  SECTION_MAX - 1);
	memcpy(name, line + 1, len);
	name[len] = '\0';
	memset(&kf->section, 0, sizeof(kf->section));
	kf->in_section = true;
	return kf->enter(kf, kf->arg, name, &kf->section);
}

/* Hand the next line to inih; NULL ends the parse. */
static char *feed_line(char *line, int size, void *stream)
{
	struct vmig_keyfile *kf = stream;
	const char *start = kf->next, *text;
	size_t len = strcspn(start, "\n");

	if (!*start || kf->error)
		return NULL;
	kf->line++;
	kf->key = NULL;
	kf->next += len + (start[len] == '\n');
	if (len > VMIG_LINE_MAX || (int)len + 1 > size) {
		vmig_keyfile_error(kf, E2BIG,
				   "the line has more than %d bytes; go on in the next line, with a blank in front",
				   VMIG_LINE_MAX);
		return NULL;
	}
	memcpy(line, start, len);
	line[len] = '\0';
	kf->continued = kf->has_key && isspace((unsigned char)*line);
	for (text = line; isspace((unsigned char)*text); text++)
		;
	if (*text == '[' && !kf->continued && enter_section(kf, text))
		return NULL;
	return line;
}

static const struct vmig_key *find_key(const struct vmig_section *section,
				       const char *name)
{
	const struct vmig_key *key;

	for (key = section->keys; key && key->name; key++)
		if (!strcmp(key->name, name))
			return key;
	return NULL;
}

static int refuse_unknown(struct vmig_keyfile *kf)
{
	const struct vmig_key *key;
	char allowed[256] = "";
	size_t len = 0;

	for (key = kf->section.keys; key && key->name; key++) {
		snprintf(allowed + len, sizeof(allowed) - len, "%s%s",
			 len ? ", " : "", key->name);
		len = strlen(allowed);
	}
	return vmig_keyfile_error(kf, EINVAL,
				  "there is no such key here; there are %s",
				  allowed);
}

static int set_key(struct vmig_keyfile *kf, const char *name, const char *value)
{
	const struct vmig_key *key = find_key(&kf->section, name);
	uint32_t bit;

	if (!key && kf->section.other)
		return kf->section.other(kf, kf->arg, name, value);
	if (!key)
		return refuse_unknown(kf);
	if (kf->continued && !key->joins)
		return vmig_keyfile_error(kf, EINVAL,
					  "the value must be on one line");
	bit = 1u << (key - kf->section.keys);
	if (*kf->section.seen & bit && !kf->continued)
		return vmig_keyfile_error(kf, EEXIST, "given twice");
	*kf->section.seen |= bit;
	if (!*value)
		return vmig_keyfile_error(kf, EINVAL,
					  "the value is missing");
	return key->parse(kf, key, value,
			  (char *)kf->section.object + key->offset);
}

/* inih's handler: nonzero is success there. */
static int handle_key(void *arg, const char *section, const char *name,
		      const char *value)
{
	struct vmig_keyfile *kf = arg;

	(void)section;
	if (kf->error)
		return 0;
	kf->key = name;
	kf->has_key = true;
	if (!kf->in_section) {
		vmig_keyfile_error(kf, EINVAL,
				   "a key must follow a [section]");
		return 0;
	}
	return !set_key(kf, name, value);
}

int vmig_keyfile_parse(const char *text, const char *source,
		       vmig_section_fn *enter, void *arg, struct vmig_err *err)
{
	struct vmig_keyfile kf = {
		.source = source,
		.next = text,
		.enter = enter,
		.arg = arg,
		.err = err,
	};
	int ret;

	/* Longer lines than inih's default, and a buffer off the stack. */
	ini_use_stack = false;
	ini_allow_realloc = false;
	ini_max_line = VMIG_LINE_MAX + 3;
	ini_initial_alloc = ini_max_line;
	ret = ini_parse_stream(feed_line, &kf, handle_key, &kf);
	if (kf.error)
		return kf.error;
	if (ret < 0)
		return vmig_err_set(err, ENOMEM, "%s: out of memory", source);
	if (ret > 0)
		return vmig_err_set(err, EINVAL,
				    "%s:%d: this is neither a [section] nor key = value",
				    source, ret);
	return 0;
}

int vmig_keyfile_read(const char *path, char **text, struct vmig_err *err)
{
	char *buf = malloc(FILE_MAX + 2);
	size_t len = 0;
	ssize_t n;
	int fd;

	if (!buf)
		return vmig_err_set(err, ENOMEM, "%s: out of memory", path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		n = vmig_err_set(err, errno, "%s: %s", path, strerror(errno));
		goto err_free;
	}
	do {
		n = read(fd, buf + len, FILE_MAX + 1 - len);
		if (n > 0)
			len += n;
	} while ((n > 0 && len <= FILE_MAX) || (n < 0 && errno == EINTR));
	if (n < 0) {
		n = vmig_err_set(err, errno, "%s: %s", path, strerror(errno));
		goto err_close;
	}
	if (len > FILE_MAX) {
		n = vmig_err_set(err, EFBIG, "%s: more than %d bytes", path,
				 FILE_MAX);
		goto err_close;
	}
	if (memchr(buf, '\0', len)) {
		n = vmig_err_set(err, EINVAL, "%s: not a text file", path);
		goto err_close;
	}
	close(fd);
	buf[len] = '\0';
	*text = buf;
	return 0;

err_close:
	close(fd);
err_free:
	free(buf);
	return n;
}
