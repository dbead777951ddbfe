#include "mail/template.h"

#include "base/text.h"
#include "json/tree.h"

static void
put_escaped(struct buf *out, struct str text, enum mail_escape escape)
{
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.ptr[i];

        if (escape == MAIL_SUBJECT && ((unsigned char)c < 0x20 || c == 0x7F))
            buf_add_char(out, ' ');
        else if (escape != MAIL_HTML)
            buf_add_char(out, c);
        else if (c == '&')
            buf_add_text(out, "&amp;");
        else if (c == '<')
            buf_add_text(out, "&lt;");
        else if (c == '>')
            buf_add_text(out, "&gt;");
        else if (c == '"')
            buf_add_text(out, "&quot;");
        else if (c == '\'')
            buf_add_text(out, "&#39;");
        else
            buf_add_char(out, c);
    }
}

/* The length of a placeholder at the start of `text`, 0 when there is none. */
static size_t
read_placeholder(struct str text, char *name, size_t size)
{
    size_t at = 2, len = 0;

    if (text.len < 5 || text.ptr[0] != '{' || text.ptr[1] != '{')
        return 0;
    while (at < text.len && text.ptr[at] == ' ')
        at++;
    if (at < text.len && text.ptr[at] == '.') /* Supabase's templates: {{ .Token }} */
        at++;
    while (at < text.len && (ascii_is_alnum(text.ptr[at]) || text.ptr[at] == '_') && len < size - 1)
        name[len++] = text.ptr[at++];
    name[len] = '\0';
    while (at < text.len && text.ptr[at] == ' ')
        at++;
    if (len == 0 || at + 2 > text.len || text.ptr[at] != '}' || text.ptr[at + 1] != '}')
        return 0;
    return at + 2;
}

void
mail_render(struct buf *out, struct str text, const struct json *variables, enum mail_escape escape)
{
    char name[64];

    buf_add(out, "", 0);
    while (text.len > 0) {
        const char *brace = memchr(text.ptr, '{', text.len);
        const size_t before = brace == NULL ? text.len : (size_t)(brace - text.ptr);

        buf_add(out, text.ptr, before);
        text.ptr += before;
        text.len -= before;
        if (text.len == 0)
            break;

        size_t taken = read_placeholder(text, name, sizeof name);
        if (taken > 0) {
            put_escaped(out, json_text(json_get(variables, name)), escape);
        } else {
            buf_add_char(out, '{');
            taken = 1;
        }
        text.ptr += taken;
        text.len -= taken;
    }
}
