/*
 * caller_test: what the tests of callers share: a token that is accepted or refused.
 */
#ifndef FFX_CALLER_TEST_H
#define FFX_CALLER_TEST_H

#include "check.h"

#include "base/encode.h"
#include "crypto/digest.h"
#include "fn/caller.h"

#define NOW    1800000000
#define SECRET STR("a-secret-of-at-least-32-characters")
#define USER   "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
#define GOOD   "{\"role\":\"authenticated\",\"sub\":\"" USER "\",\"exp\":1800003600"

static struct arena *a;
static struct fail f;

static inline int
set_up(void **state)
{
    (void)state;
    a = arena_new(1024 * 1024);
    return 0;
}

static inline int
tear_down(void **state)
{
    (void)state;
    arena_free(a);
    return 0;
}

static inline enum err
verify(const char *token, struct caller *ret)
{
    f = (struct fail){0};
    return caller_read(a, &f, SECRET, str_of(token), NOW, ret);
}

static inline struct caller
accepted(const char *payload)
{
    struct caller caller = {0};

    if (verify(jws_sign(a, SECRET, str_of(payload)), &caller) != ERR_OK)
        fail_msg("%s: %s", payload, f.detail);
    return caller;
}

static inline void
refused_token(const char *token, const char *text)
{
    struct caller caller = {.role = "untouched"};

    if (verify(token, &caller) == ERR_OK)
        fail_msg("accepted: %s", token);
    assert_int_equal(f.err, ERR_UNAUTHENTICATED);
    assert_string_equal(f.text, text);
    assert_true(f.detail[0] != '\0');
    assert_string_equal(caller.role, "untouched");
}

/* A properly signed token with this payload is refused. */
static inline void
refused(const char *payload)
{
    refused_token(jws_sign(a, SECRET, str_of(payload)), "Invalid token");
}

/* A token with any header, signed with HS256 and our secret. */
static inline const char *
with_header(const char *header, const char *payload)
{
    char *text = arena_alloc(a, 4096);
    uint8_t mac[SHA256_BYTES];
    size_t len = base64url_encode(header, strlen(header), text);

    text[len++] = '.';
    len += base64url_encode(payload, strlen(payload), text + len);
    crypto_hmac_sha256(SECRET, (struct str){text, len}, mac);
    text[len++] = '.';
    (void)base64url_encode(mac, sizeof(mac), text + len);
    return text;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
