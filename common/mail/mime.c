/* Headers (RFC 5322; what is not ASCII as encoded words, RFC 2047), then bodies in base64 (RFC
 * 2045, 2046).  Read mail_build first. */
#include "mail/mime.h"

#include "base/clock.h"
#include "base/encode.h"
#include "base/text.h"

/* Base64 has no '_': this line stands in no body. */
#define BOUNDARY "=_ffx_alternative"

/* In one encoded word: 56 characters of base64 and its frame, 68. */
#define WORD_BYTES ((size_t)42)
/* In one line of base64: 76 characters. */
#define LINE_BYTES ((size_t)57)

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
    buf_printf(out, "Date: %s, %.2s %s %.4s %.8s +0000\r\n", days[((at_s / 86400) % 7 + 7) % 7],
               iso + 8, months[month - 1], iso, iso + 11);
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
