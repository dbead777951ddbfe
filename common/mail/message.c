#include "mail/message.h"

#include "base/text.h"
#include "net/header.h"
#include "base/url.h"

#define SUBJECT_MAX ((size_t)998) /* a line's length (RFC 5322, 2.1.1) */

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

/* The name without blanks around it and without its quotes; false when it is too long, or no text
 * of one line. */
static bool
read_name(struct str text, char ret[MAIL_NAME_MAX + 1])
{
    size_t len = 0;

    text = str_trim(text, " ");
    const bool quoted = text.len >= 2 && text.ptr[0] == '"' && text.ptr[text.len - 1] == '"';
    if (quoted)
        text = (struct str){text.ptr + 1, text.len - 2};
    for (size_t i = 0; i < text.len; i++) {
        if (quoted && text.ptr[i] == '\\' && i + 1 < text.len)
            i++;
        if (len == MAIL_NAME_MAX)
            return false;
        ret[len++] = text.ptr[i];
    }
    ret[len] = '\0';
    return header_value_ok(text) && utf8_ok(text);
}

bool
mail_sender_read(struct str text, struct mail_sender *ret)
{
    const char *open = text.len > 0 ? memrchr(text.ptr, '<', text.len) : NULL;
    struct mail_sender s = {"", text};

    if (open != NULL) {
        if (text.ptr[text.len - 1] != '>' ||
            !read_name((struct str){text.ptr, (size_t)(open - text.ptr)}, s.name))
            return false;
        s.address = (struct str){open + 1, text.len - (size_t)(open - text.ptr) - 2};
    }
    if (!mail_address_ok(s.address))
        return false;
    *ret = s;
    return true;
}

void
mail_put_quoted(struct buf *out, const char *name)
{
    buf_add_char(out, '"');
    for (; *name != '\0'; name++) {
        if (*name == '"' || *name == '\\')
            buf_add_char(out, '\\');
        buf_add_char(out, *name);
    }
    buf_add_char(out, '"');
}

/* Of an IPv6 address, say, no domain can be made. */
struct str
mail_host_of(struct str url)
{
    const struct str host = url_host(url);

    for (size_t i = 0; i < host.len; i++)
        if (!ascii_is_alnum(host.ptr[i]) && memchr("_.-", host.ptr[i], 3) == NULL)
            return STR("localhost");
    return host.len > 0 ? host : STR("localhost");
}

enum err
mail_check(struct task *task, const struct mail_message *m)
{
    const struct str subject = str_of(m->subject);
    const struct str id = str_of(m->message_id);

    for (const char *p = m->to; p != NULL && *p != '\0'; p++)
        if ((unsigned char)*p > 0x7E)
            return fail_set(
                &task->fail, ERR_INVALID,
                "Invalid to. Addresses with letters other than ASCII cannot be reached");
    if (!mail_address_ok(str_of(m->to)))
        return fail_set(&task->fail, ERR_INVALID, "Invalid to. Must be one e-mail address");
    if (subject.len > SUBJECT_MAX || !header_value_ok(subject) || !utf8_ok(subject))
        return fail_set(&task->fail, ERR_INVALID, "Invalid subject. Must be one line");
    if (!utf8_ok(str_of(m->html)) || (m->text != NULL && !utf8_ok(str_of(m->text))))
        return fail_set(&task->fail, ERR_INVALID, "Invalid html or text. Must be UTF-8");
    if (id.ptr != NULL && !mail_address_ok(id)) /* a Message-ID has the form of an address */
        return fail_detail(&task->fail, ERR_INVALID, "wrong Message-ID, see MAIL_DOMAIN");
    return ERR_OK;
}
