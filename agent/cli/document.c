// SPDX-License-Identifier: GPL-2.0
/* The documents that the daemon answers with; what is absent is empty. */
#include <json-c/json.h>
#include <string.h>

#include "cli.h"

#define WORDS_COLUMNS 80

const char *vmig_document_text(struct json_object *o, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(o, key, &value))
		return "";
	return json_object_get_string(value);
}

uint64_t vmig_document_number(struct json_object *o, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(o, key, &value))
		return 0;
	return json_object_get_uint64(value);
}

struct json_object *vmig_document_array(struct json_object *o, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(o, key, &value) ||
	    !json_object_is_type(value, json_type_array))
		return NULL;
	return value;
}

size_t vmig_document_length(struct json_object *array)
{
	return array ? json_object_array_length(array) : 0;
}

struct json_object *vmig_document_object(struct json_object *o, const char *key)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(o, key, &value);
	return value;
}

bool vmig_document_flag(struct json_object *o, const char *key)
{
	return json_object_get_boolean(vmig_document_object(o, key));
}

/* "a, b, c" in lines of a terminal, the first after @head, the next indented. */
void vmig_document_print_words(const char *head, struct json_object *array)
{
	size_t n = vmig_document_length(array), i;
	int column = printf("%s", head), indent = column;

	for (i = 0; i < n; i++) {
		const char *word = json_object_get_string(
			json_object_array_get_idx(array, i));

		if (i && column + 1 + (int)strlen(word) > WORDS_COLUMNS)
			column = printf("\n%*s", indent, "") - 1;
		else if (i)
			column += printf(" ");
		column += printf("%s", word);
	}
	puts(n ? "" : "none");
}

int vmig_document_ask(const struct vmig_request *request, bool as_json,
			    void (*print)(struct json_object *json))
{
	struct json_object *json = NULL;
	struct vmig_reply reply;
	struct vmig_err err;
	int ret = vmig_ask(request, &reply, &err);

	if (!ret)
		ret = vmig_reply_json(reply.data, &json, &err);
	vmig_reply_free(&reply);
	if (ret)
		return vmig_fail(&err);
	if (as_json)
		vmig_json_print(stdout, json, false);
	else
		print(json);
	json_object_put(json);
	return VMIG_EXIT_OK;
}

