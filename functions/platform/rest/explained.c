#include "rest/explained.h"

#include "base/number.h"

#define DEPTH_MAX 128
#define STEPS_MAX 1500 /* bytes, then "…" */

/* What comes next: a bracket or a value, and as whose member. */
struct token {
    char kind; /* the bracket; 'v': a value; 0: it is over */
    struct str name, text;
};

/* Up to the closing quote, escapes as they stand. */
static struct str
take_string(struct str *left)
{
    size_t len = 0;

    while (len < left->len && left->ptr[len] != '"')
        len += left->ptr[len] == '\\' ? 2 : 1;
    len = MIN(len, left->len);
    const struct str ret = {left->ptr, len};
    const size_t taken = MIN(len + 1, left->len);
    *left = (struct str){left->ptr + taken, left->len - taken};
    return ret;
}

static bool
is_one_of(char c, const char *chars)
{
    return c != '\0' && strchr(chars, c) != NULL;
}

static struct token
take(struct str *left)
{
    struct token t = {0};

    while (left->len > 0) {
        const char c = *left->ptr++;

        left->len--;
        if (c == '"') {
            t.text = take_string(left);
            if (left->len == 0 || *left->ptr != ':') {
                t.kind = 'v';
                return t;
            }
            t.name = t.text;
        } else if (is_one_of(c, "{}[]")) {
            t.kind = c;
            return t;
        } else if (!is_one_of(c, " \n,:")) {
            t.kind = 'v';
            t.text = (struct str){left->ptr - 1, 1};
            for (; left->len > 0 && !is_one_of(*left->ptr, ",]} \n"); left->len--, left->ptr++)
                t.text.len++;
            return t;
        }
    }
    return t;
}

int64_t
explained_rows(struct str json)
{
    int64_t rows;

    for (struct token t; (t = take(&json)).kind != 0;)
        if (t.kind == 'v' && str_is(t.name, "Plan Rows"))
            return number_i64(t.text, &rows) ? rows : 0;
    return 0;
}

static void
add_value(const struct token *t, struct buf *ret)
{
    static const struct {
        const char *name, *before;
    } shown[] = {
        {"Node Type", ""},    {"Relation Name", " on "}, {"Index Name", " using "},
        {"CTE Name", " on "}, {"Function Name", " on "}, {"Plan Rows", " ~"},
    };

    for (size_t i = 0; i < ARRAY_LEN(shown); i++) {
        if (!str_is(t->name, shown[i].name))
            continue;
        buf_add_text(ret, shown[i].before);
        buf_add_str(ret, t->text);
    }
}

void
explained_steps(struct str json, struct buf *ret)
{
    bool is_steps[DEPTH_MAX] = {false}; /* of the open brackets: is it a list of steps? */
    size_t depth = 0;
    bool first = true;

    for (struct token t; (t = take(&json)).kind != 0;) {
        if (ret->len > STEPS_MAX || depth == DEPTH_MAX) {
            buf_add_text(ret, " …");
            return;
        }
        if (t.kind == 'v') {
            if (str_is(t.name, "Node Type") && !first)
                buf_add_text(ret, ", ");
            first = false;
            add_value(&t, ret);
        } else if (is_one_of(t.kind, "[{")) {
            is_steps[depth++] = str_is(t.name, "Plans");
            if (str_is(t.name, "Plans")) {
                buf_add_text(ret, " (");
                first = true;
            }
        } else if (depth > 0 && is_steps[--depth]) {
            buf_add_char(ret, ')');
        }
    }
}
