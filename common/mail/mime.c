/* The writing part of mail.h: templates, headers (RFC 5322, RFC 2047), bodies (RFC 2045, 2046). */
#include "crypto/digest.h"
#include "base/clock.h"
#include "base/encode.h"
#include "base/text.h"
#include "mail/mail.h"
#include "net/url.h"

/* Base64 has no '_': this line stands in no body. */
#define BOUNDARY "=_ffx_alternative"

#define WORD_BYTES ((size_t)42) /* in one encoded word: 56 characters of base64 and its frame, 68 */
#define LINE_BYTES ((size_t)57) /* in one line of base64: 76 characters */

/* ---- templates ---- */

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

static bool
is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
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
    while (at < text.len && is_name_char(text.ptr[at]) && len < size - 1)
        name[len++] = text.ptr[at++];
    name[len] = '\0';
    while (at < text.len && text.ptr[at] == ' ')
        at++;
    if (len == 0 || at + 2 > text.len || text.ptr[at] != '}' || text.ptr[at + 1] != '}')
        return 0;
    return at + 2;
}

void
mail_render(struct buf *out, struct str text, const struct json *variables,
            enum mail_escape escape)
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

/* ---- addresses ---- */

bool
mail_address_ok(struct str address)
{
    static const char forbidden[] = " <>()[],;:\\\"";
    const char *at = address.len > 0 ? memchr(address.ptr, '@', address.len) : NULL;

    if (at == NULL || address.len > 254 || at - address.ptr > 64 || at == address.ptr ||
        at == address.ptr + address.len - 1)
        return false;
    for (size_t i = 0; i < address.len; i++) {
        const char c = address.ptr[i];

        if (c <= 0x20 || c == 0x7F || strchr(forbidden, c) != NULL ||
            (c == '@' && address.ptr + i != at))
            return false;
    }
    return true;
}

bool
mail_sender_read(struct str text, struct mail_sender *ret)
{
    const char *open = text.len > 0 ? memchr(text.ptr, '<', text.len) : NULL;
    struct mail_sender s = {STR(""), text};

    if (open != NULL) {
        if (text.ptr[text.len - 1] != '>')
            return false;
        s.name = (struct str){text.ptr, (size_t)(open - text.ptr)};
        s.address = (struct str){open + 1, text.len - s.name.len - 2};
        while (s.name.len > 0 && s.name.ptr[s.name.len - 1] == ' ')
            s.name.len--;
        if (s.name.len >= 2 && s.name.ptr[0] == '"' && s.name.ptr[s.name.len - 1] == '"')
            s.name = (struct str){s.name.ptr + 1, s.name.len - 2};
    }
    if (!mail_address_ok(s.address))
        return false;
    *ret = s;
    return true;
}

/* Of an IPv6 address, say, no domain can be made. */
struct str
mail_host_of(struct str url)
{
    const struct str host = url_host(url);

    for (size_t k = 0; k < host.len; k++)
        if (!is_name_char(host.ptr[k]) && host.ptr[k] != '.' && host.ptr[k] != '-')
            return STR("localhost");
    return host.len > 0 ? host : STR("localhost");
}

/* ---- headers ---- */

static void
put_base64(struct buf *out, struct str data)
{
    char text[BASE64_SIZE(LINE_BYTES)];

    MUST(data.len <= LINE_BYTES);
    const size_t len = base64_encode(data.ptr, data.len, text);
    buf_add(out, text, len);
}

static bool
is_plain(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.ptr[i] < 0x20 || (unsigned char)text.ptr[i] > 0x7E)
            return false;
        if (text.ptr[i] == '=' && i + 1 < text.len && text.ptr[i + 1] == '?')
            return false; /* looks like an encoded word */
    }
    return text.len <= 60;
}

/* Encoded words (RFC 2047), one per line, never in the middle of a character. */
static void
put_encoded(struct buf *out, struct str text)
{
    while (text.len > 0) {
        size_t len = 0;

        while (len < text.len) {
            const size_t n = MAX(utf8_length(text.ptr + len, text.len - len), (size_t)1);

            if (len + n > WORD_BYTES)
                break;
            len += n;
        }
        buf_add_text(out, "=?UTF-8?B?");
        put_base64(out, (struct str){text.ptr, len});
        buf_add_text(out, "?=");
        text.ptr += len;
        text.len -= len;
        if (text.len > 0)
            buf_add_text(out, "\r\n ");
    }
}

static void
put_date(struct buf *out, int64_t at_s)
{
    static const char *const days[] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    char iso[TIMESTAMP_SIZE]; /* 2026-01-31T12:34:56.789Z */

    timestamp_format(at_s * 1000000, iso);
    const int month = (iso[5] - '0') * 10 + (iso[6] - '0');
    buf_printf(out, "Date: %s, %.2s %s %.4s %.8s +0000\r\n",
               days[((at_s / 86400) % 7 + 7) % 7], iso + 8, months[month - 1], iso, iso + 11);
}

static void
put_from(struct buf *out, const struct mail_sender *from)
{
    buf_add_text(out, "From: ");
    if (from->name.len > 0 && is_plain(from->name) &&
        memchr(from->name.ptr, '"', from->name.len) == NULL &&
        memchr(from->name.ptr, '\\', from->name.len) == NULL) {
        buf_add_char(out, '"');
        buf_add_str(out, from->name);
        buf_add_text(out, "\" ");
    } else if (from->name.len > 0) {
        put_encoded(out, from->name);
        buf_add_char(out, ' ');
    }
    buf_add_char(out, '<');
    buf_add_str(out, from->address);
    buf_add_text(out, ">\r\n");
}

/* ---- bodies ---- */

static void
put_body(struct buf *out, const char *type, struct str text)
{
    buf_printf(out,
               "Content-Type: %s; charset=utf-8\r\n"
               "Content-Transfer-Encoding: base64\r\n\r\n",
               type);
    while (text.len > 0) {
        const size_t len = MIN(text.len, LINE_BYTES);

        put_base64(out, (struct str){text.ptr, len});
        buf_add_text(out, "\r\n");
        text.ptr += len;
        text.len -= len;
    }
}

void
mail_build(struct buf *out, const struct mail_message *m, const struct mail_sender *from)
{
    const struct str subject = str_of(m->subject);
    const struct str text = str_of(m->text);

    put_date(out, m->date_s);
    put_from(out, from);
    buf_printf(out, "To: <%s>\r\nMessage-ID: <%s>\r\nSubject: ", m->to, m->message_id);
    if (is_plain(subject))
        buf_add_str(out, subject);
    else
        put_encoded(out, subject);
    buf_add_text(out, "\r\nMIME-Version: 1.0\r\nAuto-Submitted: auto-generated\r\n");
    if (text.len == 0) {
        put_body(out, "text/html", str_of(m->html));
        return;
    }
    buf_add_text(out, "Content-Type: multipart/alternative;\r\n boundary=\"" BOUNDARY "\"\r\n\r\n");
    buf_add_text(out, "--" BOUNDARY "\r\n");
    put_body(out, "text/plain", text); /* the plainest first */
    buf_add_text(out, "--" BOUNDARY "\r\n");
    put_body(out, "text/html", str_of(m->html));
    buf_add_text(out, "--" BOUNDARY "--\r\n");
}
