// SPDX-License-Identifier: GPL-2.0
/* Values of configuration keys, and what is allowed in them. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "keyfile.h"

static const char name_chars[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

int vmig_name_check(const char *what, const char *name, struct vmig_err *err)
{
	size_t len = strlen(name);

	if (len && len <= VMIG_NAME_MAX && *name != '.' && *name != '-' &&
	    strspn(name, name_chars) == len)
		return 0;
	return vmig_err_set(err, EINVAL,
			    "\"%.80s\" cannot be the name of a %s: 1 to %d of A-Z a-z 0-9 . _ -, a letter, digit or _ first",
			    name, what, VMIG_NAME_MAX);
}

int vmig_size_parse(const char *text, uint64_t *bytes)
{
	static const char units[] = "KMGT";
	unsigned long long number;
	unsigned int shift = 0;
	const char *unit;
	char *end;

	/* strtoull() takes signs and blanks. */
	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	number = strtoull(text, &end, 10);
	if (errno)
		return -ERANGE;
	if (*end) {
		unit = strchr(units, toupper((unsigned char)*end));
		if (!unit || end[1])
			return -EINVAL;
		shift = 10 * (unit - units + 1);
	}
	if (number > UINT64_MAX >> shift)
		return -ERANGE;
	*bytes = (uint64_t)number << shift;
	return 0;
}

/* Append to the pieces of a continued value. */
int vmig_key_string(struct vmig_keyfile *kf, const struct vmig_key *key,
		    const char *value, void *field)
{
	size_t used = strlen(field), len = strlen(value);
	char *text = field;

	if (used + !!used + len >= key->size)
		return vmig_keyfile_error(kf, E2BIG,
					  "longer than %zu bytes",
					  key->size - 1);
	if (used)
		text[used++] = ' ';
	memcpy(text + used, value, len + 1);
	return 0;
}

int vmig_key_word(struct vmig_keyfile *kf, const struct vmig_key *key,
		  const char *value, void *field)
{
	if (value[strcspn(value, " \t\r\v\f")])
		return vmig_keyfile_error(kf, EINVAL,
					  "\"%s\" has a blank in it", value);
	return vmig_key_string(kf, key, value, field);
}

int vmig_key_path(struct vmig_keyfile *kf, const struct vmig_key *key,
		  const char *value, void *field)
{
	if (*value != '/')
		return vmig_keyfile_error(kf, EINVAL,
					  "\"%s\" is not an absolute path; it must start with /",
					  value);
	return vmig_key_string(kf, key, value, field);
}

int vmig_key_name(struct vmig_keyfile *kf, const struct vmig_key *key,
		  const char *value, void *field)
{
	struct vmig_err why;

	if (vmig_name_check("node or VM", value, &why))
		return vmig_keyfile_error(kf, EINVAL, "%s", why.text);
	return vmig_key_string(kf, key, value, field);
}

int vmig_key_ifname(struct vmig_keyfile *kf, const struct vmig_key *key,
		    const char *value, void *field)
{
	if (strlen(value) >= IFNAMSIZ || value[strcspn(value, "/: \t")])
		return vmig_keyfile_error(kf, EINVAL,
					  "\"%s\" cannot be the name of a network link: 1 to %d bytes without / : and blanks",
					  value, IFNAMSIZ - 1);
	return vmig_key_string(kf, key, value, field);
}

int vmig_key_choice(struct vmig_keyfile *kf, const struct vmig_key *key,
		    const char *value, void *field)
{
	char allowed[128] = "";
	unsigned int i;

	for (i = 0; key->choices[i]; i++) {
		if (!strcmp(key->choices[i], value))
			return vmig_key_string(kf, key, value, field);
		if (i)
			strncat(allowed, ", ",
				sizeof(allowed) - strlen(allowed) - 1);
		strncat(allowed, key->choices[i],
			sizeof(allowed) - strlen(allowed) - 1);
	}
	return vmig_keyfile_error(kf, EINVAL, "\"%s\" is not one of: %s",
				  value, allowed);
}

int vmig_key_flag(struct vmig_keyfile *kf, const struct vmig_key *key,
		  const char *value, void *field)
{
	bool yes = !strcmp(value, "yes");

	(void)key;
	if (!yes && strcmp(value, "no"))
		return vmig_keyfile_error(kf, EINVAL,
					  "\"%s\" is neither yes nor no",
					  value);
	*(bool *)field = yes;
	return 0;
}

static int parse_number(struct vmig_keyfile *kf, const struct vmig_key *key,
			const char *value, uint64_t *number)
{
	unsigned long long n = 0;
	char *end = NULL;

	errno = 0;
	if (isdigit((unsigned char)*value))
		n = strtoull(value, &end, 10);
	if (!end || *end || errno || n < key->min || n > key->max)
		return vmig_keyfile_error(kf, EINVAL,
					  "\"%s\" is not a number from %llu to %llu",
					  value, (unsigned long long)key->min,
					  (unsigned long long)key->max);
	*number = n;
	return 0;
}

int vmig_key_uint(struct vmig_keyfile *kf, const struct vmig_key *key,
		  const char *value, void *field)
{
	uint64_t number;
	int err = parse_number(kf, key, value, &number);

	if (!err)
		*(unsigned int *)field = number;
	return err;
}

int vmig_key_port(struct vmig_keyfile *kf, const struct vmig_key *key,
		  const char *value, void *field)
{
	uint64_t number;
	int err = parse_number(kf, key, value, &number);

	if (!err)
		*(uint16_t *)field = number;
	return err;
}

int vmig_key_size(struct vmig_keyfile *kf, const struct vmig_key *key,
		  const char *value, void *field)
{
	uint64_t bytes;

	if (vmig_size_parse(value, &bytes))
		return vmig_keyfile_error(kf, EINVAL,
					  "\"%s\" is not a size; write bytes, or a number with K, M, G or T such as 512M",
					  value);
	if (bytes < key->min || bytes > key->max)
		return vmig_keyfile_error(kf, ERANGE,
					  "%s is out of range: %lluM to %lluM",
					  value,
					  (unsigned long long)key->min >> 20,
					  (unsigned long long)key->max >> 20);
	*(uint64_t *)field = bytes;
	return 0;
}

int vmig_key_address(struct vmig_keyfile *kf, const struct vmig_key *key,
		     const char *value, void *field)
{
	struct in6_addr any;

	if (inet_pton(AF_INET, value, &any) != 1 &&
	    inet_pton(AF_INET6, value, &any) != 1)
		return vmig_keyfile_error(kf, EINVAL,
					  "\"%s\" is not an IPv4 or IPv6 address; names are not looked up",
					  value);
	return vmig_key_string(kf, key, value, field);
}
