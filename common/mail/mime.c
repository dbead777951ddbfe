/* Headers (RFC 5322; what is not ASCII as encoded words, RFC 2047), then bodies in base64 (RFC
 * 2045, 2046).  Read mail_build first. */
#include "mail/mime.h"

#include "base/clock.h"
#include "base/encode.h"
#include "base/text.h"

/* Base64 has no '_': this line stands in no body. */
#define BOUNDARY "=_ffx_alternative"

/* In one encoded word: with its frame 64 characters, so that the line of "Subject: " has 76 at most
 * (RFC 2047, 2). */
#define WORD_BYTES ((size_t)39)
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
put_sender(struct buf *out, const char *header, const struct mail_sender *who)
{
    buf_printf(out, "%s: ", header);
    if (who->name[0] != '\0' && is_plain(str_of(who->name))) {
        mail_put_quoted(out, who->name);
        buf_add_char(out, ' ');
    } else if (who->name[0] != '\0') {
        put_encoded(out, str_of(who->name));
        buf_add_text(out, "\r\n "); /* a line with an encoded word is short */
    }
    buf_add_char(out, '<');
    buf_add_str(out, who->address);
    buf_add_text(out, ">\r\n");
}

/* ---- bodies ---- */

struct line {
    char bytes[LINE_BYTES];
    size_t len;
};

static void
put_line(struct buf *out, struct line *line)
{
    put_base64(out, (struct str){line->bytes, line->len});
    buf_add_text(out, "\r\n");
    line->len = 0;
}

static void
put_byte(struct buf *out, struct line *line, char c)
{
    line->bytes[line->len++] = c;
    if (line->len == sizeof line->bytes)
        put_line(out, line);
}

/* Lines of a text end in CR LF before they are encoded (RFC 2045, 6.8). */
static void
put_body(struct buf *out, const char *type, struct str text)
{
    struct line line = {.len = 0};

    buf_printf(out,
               "Content-Type: %s; charset=utf-8\r\n"
               "Content-Transfer-Encoding: base64\r\n\r\n",
               type);
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.ptr[i];

        if (c == '\n' || c == '\r') {
            put_byte(out, &line, '\r');
            put_byte(out, &line, '\n');
            if (c == '\r' && i + 1 < text.len && text.ptr[i + 1] == '\n')
                i++;
        } else {
            put_byte(out, &line, c);
        }
    }
    if (line.len > 0)
        put_line(out, &line);
}

void
mail_build(struct buf *out, const struct mail_message *m, const struct mail_sender *from,
           const struct mail_sender *reply_to)
{
    const struct str subject = str_of(m->subject);
    const struct str text = str_of(m->text);

    put_date(out, m->date_s);
    put_sender(out, "From", from);
    if (reply_to != NULL)
        put_sender(out, "Reply-To", reply_to);
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
