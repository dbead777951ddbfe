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
