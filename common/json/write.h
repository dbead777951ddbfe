/*
 * write: a streaming writer of JSON into a buffer.
 *
 * Commas, quotes and escapes are the writer's business; depth is bounded by JSON_WRITE_DEPTH_MAX
 * and misuse (two keys in a row, a value without a key) ends the process in every build.
 * Errors of the buffer are sticky there.  Strings that are not valid UTF-8 get U+FFFD.
 *
 * Thread rule: one writer belongs to one thread at a time; jw_value in the loop's thread.
 */
#ifndef FFX_JSON_WRITE_H
#define FFX_JSON_WRITE_H

#include "base/buf.h"

struct json;

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
