/*
 * The key that signs access tokens: a setting, or a file that is followed, so that another key
 * comes to sign without a restart.  Without one the secret signs.
 */
#include "auth.h"

#include "base/clock.h"
#include "base/log.h"
#include "crypto/digest.h"
#include "crypto/key_file.h"
#include "fn/keys.h"

const char *
auth_check_signing_key(const char *text)
{
    const char *why;

    key_free(key_read_private(str_of(text), &why));
    return why;
}

/* One line. */
static struct key *
read_signing_file(struct buf *text, const char **ret_why)
{
    while (text->len > 0 && text->ptr[text->len - 1] == '\n')
        text->len--;
    struct key *key = key_read_private(buf_str(text), ret_why);
    crypto_wipe(text->ptr, text->len);
    return key;
}

const char *
auth_check_signing_file(const char *path)
{
    struct buf text;

    buf_init_heap(&text, KEY_FILE_BYTES_MAX);
    const char *why = key_file_read(path, &text);
    if (why == NULL)
        key_free(read_signing_file(&text, &why));
    buf_release(&text);
    return why;
}

/* A file that is not good is told once, and the key of before signs on. */
static void
follow_signing_file(struct key **key)
{
    static struct key_file followed;
    struct key *next = NULL;
    const char *why = NULL;
    struct buf text;

    followed.path = setting_text(&cfg_signing_key_file);
    buf_init_heap(&text, KEY_FILE_BYTES_MAX);
    if (key_file_changed(&followed, clock_ms(), FN_KEYS_LOOK_MS, &text, &why)) {
        if (why == NULL)
            next = read_signing_file(&text, &why);
        if (why != NULL)
            log_event(LOG_ERROR, "signing_key_file", NULL, why,
                      LOG_TEXT("path", setting_text(&cfg_signing_key_file)));
    }
    buf_release(&text);
    if (next == NULL)
        return;
    key_free(*key);
    *key = next;
}

static const struct key *
signing_key(void)
{
    static struct key *key;
    const char *why;

    if (setting_str(&cfg_signing_key_file).len > 0)
        follow_signing_file(&key);
    else if (key == NULL && setting_str(&cfg_jwt_signing_key).len > 0)
        key = key_read_private(setting_str(&cfg_jwt_signing_key), &why);
    return key;
}

char *
auth_sign(struct arena *a, struct str payload_json)
{
    const struct key *key = signing_key();

    return key != NULL ? jws_sign_es256(a, key, payload_json)
                       : jws_sign(a, setting_str(&cfg_jwt_secret), payload_json);
}
