/*
 * tree: strict reading of JSON, over cJSON.
 *
 * RFC 8259 and nothing else is read: valid UTF-8, no duplicate keys at any level, no "\u0000", no
 * trailing text, nesting up to JSON_DEPTH_MAX.  Numbers keep the digits they were sent with
 * (json_text), because cJSON alone turns them into doubles.  The tree lives in the arena.
 *
 * Thread rule: loop's thread (cJSON's allocation hooks are global).
 */
#ifndef FFX_JSON_TREE_H
#define FFX_JSON_TREE_H

#include "base/arena.h"
#include "base/err.h"

#define JSON_DEPTH_MAX 16

struct json; /* a value in a parsed document */

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/* ERR_INVALID with a text such as "Invalid JSON at byte 17: duplicate key". */
NODISCARD enum err json_parse(struct arena *a, struct fail *f, struct str text,
                              const struct json **ret);

/* `text` behind a byte order mark, which some editors and Windows programs write first (RFC
 * 8259, 8.1: it may be ignored). */
struct str json_without_bom(struct str text);

/* json_parse of what somebody else wrote and we may not refuse for its words: an escape of no
 * character (a lone surrogate, \u0000) reads as U+FFFD.  ERR_TOO_LARGE, before any of it is built,
 * when it has more than `values_max` values. */
NODISCARD enum err json_parse_foreign(struct arena *a, struct fail *f, struct str text,
                                      size_t values_max, const struct json **ret);

enum json_type json_type(const struct json *v);
/* A member by exact (case-sensitive) name; NULL when absent, or when `object` is none. */
const struct json *json_get(const struct json *object, const char *name);
/* String: its bytes.  Number: its token as sent.  Otherwise, and for NULL: empty (ptr NULL). */
struct str json_text(const struct json *v);
bool json_is_true(const struct json *v);
/* Walk an array or object: first child, next sibling, and the child's key in an object. */
const struct json *json_first(const struct json *v);
const struct json *json_next(const struct json *v);
struct str json_key(const struct json *v);
size_t json_count(const struct json *v);

#endif
