/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Strict reading of ini files, on inih: sections and keys come from tables,
 * and what is not in them is an error.
 *
 * An error sentence reads "FILE:LINE: KEY: what is wrong; what is allowed".
 * A value goes on in the next line if that starts with a blank.
 */
#ifndef VMIG_KEYFILE_H
#define VMIG_KEYFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

#define VMIG_LINE_MAX	4095

struct vmig_key;
struct vmig_keyfile;

/* Put @value into the key's field. Return: 0, or what vmig_keyfile_error() did. */
typedef int vmig_key_fn(struct vmig_keyfile *kf, const struct vmig_key *key,
			const char *value, void *field);

/**
 * struct vmig_key - one key of a section
 * @offset: of the field in the section's object
 * @size: of the field, for strings
 * @min: smallest number, inclusive
 * @max: largest number, inclusive
 * @choices: words for vmig_key_choice(), ended by NULL
 * @joins: a continued value is handed to @parse piece by piece; else it is
 *	refused
 */
struct vmig_key {
	const char *name;
	vmig_key_fn *parse;
	size_t offset;
	size_t size;
	uint64_t min;
	uint64_t max;
	const char * const *choices;
	bool joins;
};

/**
 * struct vmig_section - where the keys of the current section go
 * @keys: ended by an entry without a name
 * @seen: bit i is set once @keys[i] was given. Owned by the reader's caller, so
 *	that a section may be given in parts, but no key twice
 * @other: takes keys that are not in @keys, instead of an error; may be NULL
 */
struct vmig_section {
	const struct vmig_key *keys;
	uint32_t *seen;
	void *object;
	int (*other)(struct vmig_keyfile *kf, void *arg, const char *key,
		     const char *value);
};

/* Find the place for section @name, or refuse it with vmig_keyfile_error(). */
typedef int vmig_section_fn(struct vmig_keyfile *kf, void *arg,
			    const char *name, struct vmig_section *section);

struct vmig_keyfile {
	const char *source;
	struct vmig_err *err;
	int error;
	/* The rest belongs to keyfile.c. */
	const char *next;
	unsigned int line;
	bool continued;
	bool has_key;
	bool in_section;
	const char *key;
	struct vmig_section section;
	vmig_section_fn *enter;
	void *arg;
};

int vmig_keyfile_parse(const char *text, const char *source,
		       vmig_section_fn *enter, void *arg, struct vmig_err *err);
/* The whole of the file at @path, at most 32 KiB, to be freed. */
int vmig_keyfile_read(const char *path, char **text, struct vmig_err *err);
/* Refuse the current line. Return: -@error. */
int vmig_keyfile_error(struct vmig_keyfile *kf, int error, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* value.c: what a field may be. */
vmig_key_fn vmig_key_string;	/* anything that fits; joined by blanks */
vmig_key_fn vmig_key_word;	/* no blanks */
vmig_key_fn vmig_key_path;	/* absolute */
vmig_key_fn vmig_key_name;	/* of a VM or a node */
vmig_key_fn vmig_key_ifname;
vmig_key_fn vmig_key_choice;
vmig_key_fn vmig_key_flag;	/* bool; yes or no */
vmig_key_fn vmig_key_uint;	/* unsigned int */
vmig_key_fn vmig_key_port;	/* uint16_t */
vmig_key_fn vmig_key_size;	/* uint64_t; K, M, G, T */
vmig_key_fn vmig_key_address;	/* a numeric IP address, as text */

/* "256M" to bytes. -EINVAL if it is no size, -ERANGE if it is too large. */
int vmig_size_parse(const char *text, uint64_t *bytes);
/* "[A-Za-z0-9._-]{1,63}", not starting with a dot or a dash. */
int vmig_name_check(const char *what, const char *name, struct vmig_err *err);

#endif /* VMIG_KEYFILE_H */
