/*
 * What the files of the OpenAPI document share: definition.c has types and tables, openapi.c the
 * rest of it.
 */
#ifndef FFX_REST_ANSWER_INTERNAL_H
#define FFX_REST_ANSWER_INTERNAL_H

#include "rest/answer/answer.h"

struct doc {
    struct json_writer *w;
    struct arena *a;
};

/* Members: one that may be missing (NULL), a list ended by NULL. */
void doc_known(struct doc *d, const char *key, const char *text);
void doc_names(struct doc *d, const char *key, const char *const *names);

/* Of a type as format_type writes it what Swagger calls it; NULL: any JSON. */
const char *doc_swagger_type(const char *type);
bool doc_is_array(const char *type);
const char *doc_element(struct doc *d, const char *array);
/* type, format and items, into an object that is open. */
void doc_type(struct doc *d, const char *type);

/* A member of "definitions". */
void doc_definition(struct doc *d, const struct cache_table *t);

#endif
