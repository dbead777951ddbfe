/*
 * json: strict reading (over cJSON) and streaming writing; the only module that includes cJSON.h.
 *
 * Reading accepts RFC 8259 and nothing else: valid UTF-8, no duplicate keys at any level, no
 * "\u0000", no trailing text, nesting up to JSON_DEPTH_MAX.  Numbers keep the digits they were
 * sent with (json_text), because cJSON alone turns them into doubles.  The tree lives in the
 * arena.
 *
 * Thread rule: reading is for the loop's thread only (cJSON's allocation hooks are global).
 */
#ifndef FFX_JSON_H
#define FFX_JSON_H

#include "base/arena.h"
#include "base/prelude.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/number.h"

#define JSON_DEPTH_MAX 16

struct json; /* a value in a parsed document */

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/* ERR_INVALID with a text such as "Invalid JSON at byte 17: duplicate key". */
NODISCARD enum err json_parse(struct arena *a, struct fail *f, struct str text,
                              const struct json **ret);

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

/* ---- writing ----
 * Commas, quotes and escapes are the writer's business; depth is bounded by JSON_WRITE_DEPTH_MAX
 * and misuse (two keys in a row, a value without a key) ends the process in every build.
 * Errors of the buffer are sticky there.  Strings that are not valid UTF-8 get U+FFFD. */
#define JSON_WRITE_DEPTH_MAX 24
struct json_writer {
    struct buf *out;
    int depth;
    bool has_key;
    char kind[JSON_WRITE_DEPTH_MAX]; /* '{' or '[' */
    bool filled[JSON_WRITE_DEPTH_MAX];
};

void jw_init(struct json_writer *w, struct buf *out);
void jw_open(struct json_writer *w);       /* { */
void jw_close(struct json_writer *w);      /* } */
void jw_open_array(struct json_writer *w); /* [ */
void jw_close_array(struct json_writer *w);
void jw_key(struct json_writer *w, const char *key);
void jw_str(struct json_writer *w, struct str s);
void jw_text(struct json_writer *w, const char *text); /* NULL writes null */
void jw_i64(struct json_writer *w, int64_t n);
void jw_bool(struct json_writer *w, bool b);
void jw_null(struct json_writer *w);
/* A number by its digits ("12.50"), as PostgreSQL prints numeric; NULL writes null. */
void jw_number(struct json_writer *w, const char *digits);
/* A complete JSON value made elsewhere (SQL's jsonb, a provider's body); not checked. */
void jw_raw(struct json_writer *w, struct str json);
/* A parsed value, printed back with its original number tokens. */
void jw_value(struct json_writer *w, const struct json *v);

/* key and value in one call. */
void jw_text_at(struct json_writer *w, const char *key, const char *text);
void jw_str_at(struct json_writer *w, const char *key, struct str s);
void jw_i64_at(struct json_writer *w, const char *key, int64_t n);
void jw_bool_at(struct json_writer *w, const char *key, bool b);
void jw_number_at(struct json_writer *w, const char *key, const char *digits);

#endif
