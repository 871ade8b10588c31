// SPDX-License-Identifier: GPL-2.0
/* A definition's text with one key changed; comments and order stay. */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "definition.h"

/* The first character of @line that is not a blank. */
static const char *skip_blanks(const char *line)
{
	while (*line == ' ' || *line == '\t')
		line++;
	return line;
}

static bool is_section(const char *line, const char *name)
{
	size_t len = strlen(name);

	return *line == '[' && !strncmp(line + 1, name, len) &&
	       line[1 + len] == ']';
}

static bool is_key(const char *line, const char *key)
{
	size_t len = strlen(key);

	if (strncmp(line, key, len))
		return false;
	line = skip_blanks(line + len);
	return *line == '=' || *line == ':';
}

/**
 * struct place - where in the text a line is
 * @in_vm: in section [vm]
 * @has_key: a line that begins with a blank goes on with the value before
 */
struct place {
	bool in_vm;
	bool has_key;
};

/* Return: true if the @line is not a part of the value before. */
static bool enter_line(struct place *place, const char *line)
{
	const char *word = skip_blanks(line);

	if (!*word || strchr("\r\n;#", *word))
		return true;
	if (place->has_key && word > line)
		return false;
	place->has_key = *word != '[';
	if (*word == '[')
		place->in_vm = is_section(word, "vm");
	return true;
}

char *vmig_definition_set(const char *text, const char *key,
			  const char *value)
{
	size_t size = strlen(text) + strlen(key) + strlen(value) + 8;
	char *out = malloc(size), *to = out;
	const char *line, *next;
	struct place place = {};
	bool is_set = false;

	if (!out)
		return NULL;
	for (line = text; *line; line = next) {
		bool begins = enter_line(&place, line);

		next = line + strcspn(line, "\n");
		next += *next == '\n';
		if (begins && place.in_vm && is_key(skip_blanks(line), key))
			continue;
		memcpy(to, line, (size_t)(next - line));
		to += next - line;
		if (place.in_vm && !is_set) {
			to += sprintf(to, "%s%s = %s\n",
				      to[-1] == '\n' ? "" : "\n", key, value);
			is_set = true;
		}
	}
	*to = '\0';
	return out;
}
