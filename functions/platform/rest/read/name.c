/* Names, quoted or not; paths into JSON; the dotted paths that are a filter's key. */
#include "rest/read/internal.h"

#include "base/text.h"

static const char field_name[] = "field name (* or [a..z0..9_$])";
static const char key_name[] = "any non reserved character different from: .,>()";

/* Letters beyond ASCII are all that is no ASCII: which of them are letters PostgreSQL does not ask
 * either. */
static bool
is_name_byte(int c)
{
    return c >= 0x80 || (c >= 0 && ascii_is_alnum((char)c)) || c == '_' || c == '$' || c == ' ';
}

static bool
is_key_byte(int c)
{
    return c >= 0 && (c == 0 || strchr("(-:.,>)", c) == NULL);
}

static bool
is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static struct str
strip(struct str s)
{
    return str_trim(s, " \t\n\v\f\r");
}

static struct str
take_while(struct rest_reader *r, bool (*takes)(int))
{
    const size_t from = r->at;
    size_t n = from;

    while (n < r->text.len && takes((unsigned char)r->text.ptr[n]))
        n++;
    reader_take(r, n - from);
    return (struct str){r->text.ptr + from, n - from};
}

/* Where a piece ends: more of it could have come. */
static void
note_more(struct rest_reader *r, bool (*takes)(int))
{
    const bool letters = takes == is_name_byte;

    reader_note(r, r->at, r->at, (struct rest_expected){letters ? "letter" : NULL, false});
    reader_note(r, r->at, r->at, (struct rest_expected){letters ? "digit" : NULL, false});
}

bool
reader_identifier(struct rest_reader *r, struct str *ret)
{
    const struct str taken = take_while(r, is_name_byte);

    note_more(r, is_name_byte);
    *ret = strip(taken);
    return taken.len > 0;
}

/* A "-" between two pieces of a name; none is that of "->". */
static bool
take_dash(struct rest_reader *r)
{
    if (!reader_sees(r, "-"))
        return false;
    if (r->at + 1 < r->text.len && r->text.ptr[r->at + 1] == '>') {
        reader_note_surprise(r, r->at + 2, r->at + 1);
        return false;
    }
    reader_take(r, 1);
    return true;
}

/* `name` without the blanks around its dashes. */
static struct str
strip_pieces(struct arena *a, struct str name)
{
    char *out = arena_bytes(a, name.len);
    size_t len = 0;

    for (size_t from = 0; from <= name.len;) {
        const char *dash = from < name.len ? memchr(name.ptr + from, '-', name.len - from) : NULL;
        const size_t end = dash == NULL ? name.len : (size_t)(dash - name.ptr);
        const struct str piece = strip((struct str){name.ptr + from, end - from});

        if (from > 0)
            out[len++] = '-';
        memcpy(out + len, piece.ptr, piece.len);
        len += piece.len;
        from = end + 1;
    }
    return (struct str){out, len};
}

/* Pieces joined by single dashes, each without the blanks around it. */
static bool
dashed(struct rest_reader *r, bool (*takes)(int), struct str *ret)
{
    const size_t from = r->at;
    size_t pieces = 0;

    do {
        const struct str piece = take_while(r, takes);

        note_more(r, takes);
        if (piece.len == 0)
            return false;
        pieces++;
    } while (take_dash(r));
    const struct str name = {r->text.ptr + from, r->at - from};
    *ret = pieces == 1 ? strip(name) : strip_pieces(r->a, name);
    return true;
}

/* The end of the text between quotes; false: there is none, which is noted. */
static bool
find_quote(struct rest_reader *r, size_t *ret)
{
    for (size_t i = r->at + 1; i < r->text.len; i++) {
        if (r->text.ptr[i] == '\\') {
            i++;
        } else if (r->text.ptr[i] == '"') {
            *ret = i;
            return true;
        }
    }
    r->fault.any = false;
    reader_note(r, r->text.len, r->text.len, (struct rest_expected){"\\", true});
    reader_note(r, r->text.len, r->text.len, (struct rest_expected){"\"", true});
    return false;
}

bool
reader_quoted(struct rest_reader *r, struct str *ret)
{
    size_t end = 0, len = 0;

    REST_TRY(reader_sees(r, "\""));
    REST_TRY(find_quote(r, &end));
    const char *from = r->text.ptr + r->at + 1;
    const size_t raw = end - r->at - 1;
    reader_take(r, raw + 2);
    *ret = (struct str){from, raw};
    if (raw == 0 || memchr(from, '\\', raw) == NULL)
        return true;
    char *out = arena_bytes(r->a, raw);
    for (size_t i = 0; i < raw; i++) {
        if (from[i] == '\\')
            i++;
        out[len++] = from[i];
    }
    *ret = (struct str){out, len};
    return true;
}

/* What a quote begins that has no end was begun: the reader stands behind it. */
static bool
quoted_or_stuck(struct rest_reader *r, struct str *ret)
{
    if (reader_quoted(r, ret))
        return true;
    r->at = r->text.len;
    return false;
}

static bool
name_of(struct rest_reader *r, bool (*takes)(int), const char *label, struct str *ret)
{
    const int c = reader_peek(r);

    if (c == '"')
        return quoted_or_stuck(r, ret);
    if (c < 0 || !takes(c)) {
        reader_note(r, r->at, r->at, (struct rest_expected){label, false});
        return false;
    }
    return dashed(r, takes, ret);
}

bool
reader_name(struct rest_reader *r, struct str *ret)
{
    return name_of(r, is_name_byte, field_name, ret);
}

/* ---- paths into JSON ---- */

/* An index is one only when nothing else follows that would make it a key: 1st. */
static bool
index_ends(struct rest_reader *r)
{
    static const char *const ends[] = {"->", "::", ".", ","};

    if (reader_peek(r) == ')') /* the original takes rel(a->0) for a key, which finds nothing */
        return true;
    for (size_t i = 0; i < ARRAY_LEN(ends); i++)
        if (reader_sees(r, ends[i]))
            return true;
    return reader_end(r);
}

static bool
read_index(struct rest_reader *r, struct str *ret)
{
    const size_t from = r->at;

    (void)reader_token(r, "-");
    const struct str digits = take_while(r, is_digit);
    reader_note(r, r->at, r->at, (struct rest_expected){"digit", false});
    *ret = (struct str){r->text.ptr + from, r->at - from};
    return digits.len > 0 && index_ends(r);
}

static bool
read_step(struct rest_reader *r, struct rest_step *ret)
{
    const size_t start = r->at;
    struct rest_fault before = r->fault;

    if (read_index(r, &ret->key)) {
        ret->is_index = true;
        return true;
    }
    reader_retry(r, start, &before);
    if (name_of(r, is_key_byte, key_name, &ret->key))
        return true;
    reader_retry(r, start, &before);
    return false;
}

static bool
read_path(struct rest_reader *r, struct rest_step **tail)
{
    for (;;) {
        const bool as_text = reader_token(r, "->>");

        if (!as_text && !reader_token(r, "->"))
            return true;
        *tail = ARENA_NEW(r->a, struct rest_step);
        (*tail)->as_text = as_text;
        REST_TRY(read_step(r, *tail));
        tail = &(*tail)->next;
    }
}

bool
reader_field(struct rest_reader *r, struct rest_field *ret)
{
    reader_blanks(r);
    REST_TRY(reader_name(r, &ret->name));
    REST_TRY(read_path(r, &ret->path));
    reader_blanks(r);
    return true;
}

bool
reader_tree_path(struct rest_reader *r, struct rest_names **ret_path, struct rest_field *ret)
{
    struct rest_names **tail = ret_path;

    *ret = (struct rest_field){STR(""), NULL};
    REST_TRY(reader_name(r, &ret->name));
    while (reader_delimiter(r)) {
        rest_names_add(r->a, &tail, ret->name);
        REST_TRY(reader_name(r, &ret->name));
    }
    return read_path(r, &ret->path);
}
