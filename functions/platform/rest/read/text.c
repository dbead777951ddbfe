/*
 * Reading a parameter character by character, and saying in the original's words why it cannot be
 * read.  The rules of the bookkeeping are Parsec's: of two notes the one further on wins, notes of
 * the same place add up, taking a character makes all of them history.
 */
#include "rest/read/internal.h"

#include "base/text.h"

struct rest_reader
reader_of(struct arena *a, struct rest_error *e, const char *what, struct str text)
{
    return (struct rest_reader){.a = a, .e = e, .what = what, .shown = text, .text = text};
}

int
reader_peek(const struct rest_reader *r)
{
    return r->at < r->text.len ? (unsigned char)r->text.ptr[r->at] : -1;
}

void
reader_take(struct rest_reader *r, size_t len)
{
    if (len == 0)
        return;
    r->at += len;
    r->fault.any = false;
}

/* ---- notes ---- */

static void
expect(struct rest_fault *f, struct rest_expected expected)
{
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->expected[i].text, expected.text) == 0)
            return;
    if (f->count < REST_EXPECTED_MAX)
        f->expected[f->count++] = expected;
}

/* `more` came after what is in `f`. */
static void
merge(struct rest_fault *f, const struct rest_fault *more)
{
    if (!more->any || (f->any && f->at > more->at))
        return;
    if (!f->any || f->at < more->at) {
        *f = *more;
        return;
    }
    if (f->surprise == SIZE_MAX)
        f->surprise = more->surprise;
    if (f->found == SIZE_MAX)
        f->found = more->found;
    for (size_t i = 0; i < more->count; i++)
        expect(f, more->expected[i]);
}

void
reader_note(struct rest_reader *r, size_t at, size_t found, struct rest_expected expected)
{
    struct rest_fault *f = &r->fault;

    if (f->any && f->at > at)
        return;
    if (!f->any || f->at < at)
        *f = (struct rest_fault){.any = true, .at = at, .found = found, .surprise = SIZE_MAX};
    if (f->found == SIZE_MAX)
        f->found = found;
    if (expected.text != NULL)
        expect(f, expected);
}

void
reader_note_surprise(struct rest_reader *r, size_t at, size_t found)
{
    const struct rest_fault surprise = {
        .any = true, .at = at, .found = SIZE_MAX, .surprise = found};

    merge(&r->fault, &surprise);
}

void
reader_retry(struct rest_reader *r, size_t start, struct rest_fault *before)
{
    merge(before, &r->fault);
    r->fault = *before;
    r->at = start;
}

void
reader_relabel(struct rest_reader *r, const char *label)
{
    if (!r->fault.any)
        return;
    r->fault.count = 0;
    expect(&r->fault, (struct rest_expected){label, false});
}

/* ---- pieces ---- */

/* The first character of `token` that the text does not have; SIZE_MAX: it has all of it. */
static size_t
mismatch(const struct rest_reader *r, const char *token)
{
    for (size_t i = 0; token[i] != '\0'; i++)
        if (r->at + i >= r->text.len || r->text.ptr[r->at + i] != token[i])
            return r->at + i;
    return SIZE_MAX;
}

bool
reader_sees(struct rest_reader *r, const char *token)
{
    const size_t wrong = mismatch(r, token);

    if (wrong == SIZE_MAX)
        return true;
    reader_note(r, r->at, wrong, (struct rest_expected){token, true});
    return false;
}

bool
reader_token(struct rest_reader *r, const char *token)
{
    REST_TRY(reader_sees(r, token));
    reader_take(r, strlen(token));
    return true;
}

bool
reader_end(struct rest_reader *r)
{
    if (r->at == r->text.len)
        return true;
    reader_note_surprise(r, r->at, r->at);
    reader_note(r, r->at, r->at, (struct rest_expected){"end of input", false});
    return false;
}

bool
reader_delimiter(struct rest_reader *r)
{
    if (reader_peek(r) == '.') {
        reader_take(r, 1);
        return true;
    }
    reader_note(r, r->at, r->at, (struct rest_expected){"delimiter (.)", false});
    return false;
}

void
reader_blanks(struct rest_reader *r)
{
    size_t n = 0;

    while (r->at + n < r->text.len &&
           (r->text.ptr[r->at + n] == ' ' || r->text.ptr[r->at + n] == '\t'))
        n++;
    reader_take(r, n);
}

bool
reader_enter(struct rest_reader *r)
{
    if (r->depth == REST_DEPTH_MAX) {
        r->too_deep = true;
        reader_note(r, r->at, r->at, (struct rest_expected){NULL, false});
        return false;
    }
    r->depth++;
    return true;
}

/* ---- the message ---- */

/* Line and column as Parsec counts: in characters, a tab goes on to the next of its stops. */
static void
add_place(struct buf *out, struct str text, size_t at)
{
    unsigned long long line = 1, column = 1;

    for (size_t i = 0; i < at && i < text.len; i++) {
        const unsigned char c = (unsigned char)text.ptr[i];

        if (c == '\n') {
            line++;
            column = 1;
        } else if (c == '\t') {
            column += 8 - (column - 1) % 8;
        } else if ((c & 0xC0) != 0x80) {
            column++;
        }
    }
    buf_printf(out, "(line %llu, column %llu)", line, column);
}

/* The number of the character whose bytes begin at p; it is valid UTF-8. */
static unsigned
code_of(const char *p, size_t len)
{
    const unsigned char first = (unsigned char)*p;
    unsigned code = len < 2 ? first : first & (0xFFU >> (len + 1));

    for (size_t i = 1; i < len; i++)
        code = code << 6 | ((unsigned char)p[i] & 0x3F);
    return code;
}

/* The character at `at` between `quote`s, as Haskell shows it. */
static void
add_shown(struct buf *out, struct str text, size_t at, char quote)
{
    static const char controls[] = "\a\b\t\n\v\f\r";
    static const char letters[] = "abtnvfr";
    const char c = text.ptr[at];
    const char *control = c != '\0' ? strchr(controls, c) : NULL;

    buf_add_char(out, quote);
    if (control != NULL)
        buf_printf(out, "\\%c", letters[control - controls]);
    else if (c == '\\' || c == quote)
        buf_printf(out, "\\%c", c);
    else if (c >= 0x20 && c < 0x7F)
        buf_add_char(out, c);
    else
        buf_printf(out, "\\%u", code_of(text.ptr + at, utf8_length(text.ptr + at, text.len - at)));
    buf_add_char(out, quote);
}

static void
add_expected(struct buf *out, const struct rest_fault *f)
{
    if (f->count > 0)
        buf_add_text(out, out->len > 0 ? " expecting " : "expecting ");
    for (size_t i = 0; i < f->count; i++) {
        if (i > 0)
            buf_add_text(out, i + 1 == f->count ? " or " : ", ");
        if (!f->expected[i].quoted) {
            buf_add_text(out, f->expected[i].text);
            continue;
        }
        buf_add_char(out, '"');
        for (const char *p = f->expected[i].text; *p != '\0'; p++) {
            if (*p == '"' || *p == '\\')
                buf_add_char(out, '\\');
            buf_add_char(out, *p);
        }
        buf_add_char(out, '"');
    }
}

bool
reader_fail(struct rest_reader *r)
{
    const struct rest_fault *f = &r->fault;
    struct buf message, details;

    buf_init_arena(&message, r->a, r->shown.len + 256);
    buf_printf(&message, "\"failed to parse %s (", r->what);
    buf_add_str(&message, r->shown);
    buf_add_text(&message, ")\" ");
    add_place(&message, r->text, f->any ? f->at : r->at);

    buf_init_arena(&details, r->a, 4096);
    if (r->too_deep) {
        buf_add_text(&details, "nested too deeply");
    } else if (f->any) {
        if (f->surprise != SIZE_MAX) {
            buf_add_text(&details, "unexpected ");
            add_shown(&details, r->text, f->surprise, '\'');
        } else if (f->found != SIZE_MAX) {
            buf_add_text(&details, "unexpected ");
            if (f->found < r->text.len)
                add_shown(&details, r->text, f->found, '"');
            else
                buf_add_text(&details, "end of input");
        }
        add_expected(&details, f);
    }
    if (details.len == 0)
        buf_add_text(&details, "unknown parse error");
    *r->e = (struct rest_error){
        .status = 400, .code = "PGRST100", .message = message.ptr, .details = details.ptr};
    return false;
}
