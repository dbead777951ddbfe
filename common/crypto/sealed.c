/*
 * The text is searched for sealed strings (sealed_open), each is taken apart (read_sealed) and
 * opened: the key of its id, the tag over value, row id and name, then the cipher (open_one).
 * sealed_seal goes the other way.
 */
#include "crypto/sealed.h"

#include "base/buf.h"
#include "base/encode.h"
#include "base/setting.h"
#include "crypto/cipher.h"
#include "crypto/digest.h"
#include "json/write.h"

#define KEY_BYTES   32
#define IV_BYTES    16
#define BLOCK_BYTES 16
#define VALUE_MAX   ((size_t)4096) /* longest stored value, in characters */
#define OUT_MAX     ((size_t)64 * 1024 * 1024)

#define MARK     "\"sealed:"
#define UUID_LEN 36

/* The parts of "sealed:<row id>:<name>:ffx1.<key id>.<coded>". */
struct sealed {
    struct str row_id;
    struct str name;
    struct str key_id;
    struct str coded;
    size_t len; /* with both quotes */
};

static struct str
take(struct str *text, const char *accept)
{
    size_t len = 0;

    while (len < text->len && text->ptr[len] != '\0' && strchr(accept, text->ptr[len]) != NULL)
        len++;
    const struct str taken = {text->ptr, len};
    *text = (struct str){text->ptr + len, text->len - len};
    return taken;
}

static bool
skip(struct str *text, struct str expected)
{
    if (text->len < expected.len || memcmp(text->ptr, expected.ptr, expected.len) != 0)
        return false;
    *text = (struct str){text->ptr + expected.len, text->len - expected.len};
    return true;
}

#define LETTERS  "abcdefghijklmnopqrstuvwxyz"
#define CAPITALS "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS   "0123456789"

/* `text` begins at the opening quote. */
static bool
read_sealed(struct str text, struct sealed *ret)
{
    static const char base64url[] = LETTERS CAPITALS DIGITS "-_";
    const char *start = text.ptr;

    if (!skip(&text, STR(MARK)))
        return false;
    ret->row_id = take(&text, "abcdef" DIGITS "-");
    if (ret->row_id.len != UUID_LEN || !skip(&text, STR(":")))
        return false;
    ret->name = take(&text, LETTERS CAPITALS DIGITS "_");
    if (!skip(&text, STR(":ffx1.")))
        return false;
    ret->key_id = take(&text, LETTERS DIGITS);
    if (!skip(&text, STR(".")))
        return false;
    ret->coded = take(&text, base64url);
    if (ret->coded.len > VALUE_MAX || !skip(&text, STR("\"")))
        return false;
    ret->len = (size_t)(text.ptr - start);
    (void)take(&text, " \t\r\n");
    return text.len == 0 || text.ptr[0] != ':'; /* a name of a member is not a value */
}

/* Whether a key before `at` has the same id: of two nobody could tell which one sealed a value. */
static bool
stands_before(const char *keys, const char *at, size_t id_len)
{
    for (; keys < at; keys = strchr(keys, ',') + 1)
        if (strncmp(keys, at, id_len) == 0 && keys[id_len] == ':')
            return true;
    return false;
}

/* As platform.seal_keys() of the database reads them. */
static const char *
check_keys(const char *text)
{
    static const char ids[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    const char *const keys = text;

    for (;;) {
        const size_t id = strspn(text, ids);
        const size_t digits = text[id] == ':' ? strspn(text + id + 1, "0123456789abcdef") : 0;

        if (id == 0 || id > 16 || digits != 64)
            break;
        if (stands_before(keys, text, id))
            return "must have another id for each key";
        text += id + 1 + digits;
        if (*text == '\0')
            return NULL;
        if (*text++ != ',')
            break;
    }
    return "must be id:64 hex digits[,id:64 hex digits…]; an id is up to 16 letters a-z and digits";
}

struct setting cfg_credential_keys = {
    .env = "CREDENTIAL_KEYS",
    .kind = SETTING_TEXT,
    .meaning = "keys of sealed values (passwords, secrets of mails): id:64 hex digits[,id:…], the "
               "current one first",
    .secret = true,
    .check = check_keys,
};

/* The key of this id out of CREDENTIAL_KEYS, whose form was checked when it was loaded. */
static bool
find_key(struct str id, uint8_t ret[KEY_BYTES])
{
    struct str keys = setting_str(&cfg_credential_keys);

    while (keys.len > 0) {
        const struct str name = take(&keys, LETTERS DIGITS);

        MUST(skip(&keys, STR(":")) && keys.len >= (size_t)2 * KEY_BYTES);
        MUST(hex_decode((struct str){keys.ptr, (size_t)2 * KEY_BYTES}, ret, KEY_BYTES));
        if (str_eq(name, id))
            return true;
        keys = (struct str){keys.ptr + (size_t)2 * KEY_BYTES, keys.len - (size_t)2 * KEY_BYTES};
        (void)skip(&keys, STR(","));
    }
    crypto_wipe(ret, KEY_BYTES);
    return false;
}

static void
derive(const uint8_t key[KEY_BYTES], struct str purpose, uint8_t ret[SHA256_BYTES])
{
    crypto_hmac_sha256_once((struct str){(const char *)key, KEY_BYTES}, purpose, ret);
}

/* The tag of this key, row id and name over iv and ciphertext. */
static void
make_tag(struct arena *a, const struct sealed *s, const uint8_t *key, const uint8_t *bytes,
         size_t len, uint8_t ret[SHA256_BYTES])
{
    uint8_t mac_key[SHA256_BYTES];
    struct buf covered;

    buf_init_arena(&covered, a, 2 * VALUE_MAX);
    buf_printf(&covered, "ffx1.%.*s.%.*s.%.*s.", (int)s->key_id.len, s->key_id.ptr,
               (int)s->row_id.len, s->row_id.ptr, (int)s->name.len, s->name.ptr);
    buf_add(&covered, bytes, len);
    MUST(!covered.overflow);
    derive(key, STR("authenticate"), mac_key);
    crypto_hmac_sha256_once((struct str){(const char *)mac_key, sizeof(mac_key)}, buf_str(&covered),
                            ret);
    crypto_wipe(mac_key, sizeof(mac_key));
}

/* Whether the tag at the end of `bytes` is right. */
static bool
genuine(struct arena *a, const struct sealed *s, const uint8_t *key, const uint8_t *bytes,
        size_t len)
{
    uint8_t tag[SHA256_BYTES];

    make_tag(a, s, key, bytes, len - SHA256_BYTES, tag);
    return crypto_equal(tag, sizeof(tag), bytes + len - SHA256_BYTES, SHA256_BYTES);
}

/* NULL, or why it does not open. */
static const char *
open_one(struct arena *a, const struct sealed *s, struct str *ret)
{
    static const char changed[] = "a sealed value was changed, or belongs to another row or name";
    uint8_t key[KEY_BYTES];
    uint8_t *bytes = arena_alloc(a, VALUE_MAX);
    uint8_t *plain = arena_alloc(a, VALUE_MAX);
    size_t len = 0;
    size_t plain_len = 0;

    if (!find_key(s->key_id, key))
        return arena_printf(a, "CREDENTIAL_KEYS has no key \"%.16s\"", arena_copy(a, s->key_id));
    bool good = base64url_decode(s->coded, bytes, VALUE_MAX, &len) &&
                len >= IV_BYTES + BLOCK_BYTES + SHA256_BYTES && genuine(a, s, key, bytes, len);
    if (good) {
        uint8_t cipher_key[SHA256_BYTES];

        derive(key, STR("encrypt"), cipher_key);
        good = crypto_aes256_cbc_decrypt(cipher_key, bytes, bytes + IV_BYTES,
                                         len - IV_BYTES - SHA256_BYTES, plain, &plain_len);
        crypto_wipe(cipher_key, sizeof(cipher_key));
    }
    crypto_wipe(key, sizeof(key));
    *ret = (struct str){(const char *)plain, plain_len};
    return good ? NULL : changed;
}

char *
sealed_seal(struct arena *a, struct str plain, const char *row_id, const char *name)
{
    struct str keys = setting_str(&cfg_credential_keys);
    const struct sealed s = {
        .row_id = str_of(row_id), .name = str_of(name), .key_id = take(&keys, LETTERS DIGITS)};
    uint8_t key[KEY_BYTES], cipher_key[SHA256_BYTES];
    uint8_t *bytes = arena_alloc(a, IV_BYTES + plain.len + BLOCK_BYTES + SHA256_BYTES);
    size_t len = IV_BYTES;

    MUST(plain.len <= SEALED_PLAIN_MAX && s.row_id.len == UUID_LEN);
    MUST(find_key(s.key_id, key));
    crypto_random(bytes, IV_BYTES);
    derive(key, STR("encrypt"), cipher_key);
    len += crypto_aes256_cbc_encrypt(cipher_key, bytes, (const uint8_t *)plain.ptr, plain.len,
                                     bytes + IV_BYTES);
    crypto_wipe(cipher_key, sizeof(cipher_key));
    make_tag(a, &s, key, bytes, len, bytes + len);
    crypto_wipe(key, sizeof(key));
    len += SHA256_BYTES;
    char *coded = arena_alloc(a, BASE64_SIZE(len));
    (void)base64url_encode(bytes, len, coded);
    return arena_printf(a, "ffx1.%.*s.%s", (int)s.key_id.len, s.key_id.ptr, coded);
}

static void
add_json_string(struct buf *out, struct str text)
{
    struct json_writer w;

    jw_init(&w, out);
    jw_str(&w, text);
}

const char *
sealed_open(struct arena *a, struct str json, struct str *ret)
{
    const char *problem = NULL;
    const char *done = json.ptr; /* copied up to here */
    const char *at = json.ptr;
    const char *const end = json.ptr + json.len;
    struct buf out;

    *ret = json;
    buf_init_arena(&out, a, OUT_MAX);
    while (at != NULL && (at = memmem(at, (size_t)(end - at), MARK, sizeof(MARK) - 1)) != NULL) {
        struct sealed s;
        struct str plain = STR_NONE;

        /* After a backslash the quote stands inside a string, and is no beginning. */
        if ((at > json.ptr && at[-1] == '\\') ||
            !read_sealed((struct str){at, (size_t)(end - at)}, &s)) {
            at++;
            continue;
        }
        const char *why = open_one(a, &s, &plain);

        buf_add(&out, done, (size_t)(at - done));
        if (why == NULL)
            add_json_string(&out, plain);
        else
            buf_add_text(&out, "null");
        problem = problem == NULL ? why : problem;
        at += s.len;
        done = at;
    }
    if (done == json.ptr)
        return NULL;
    buf_add(&out, done, (size_t)(end - done));
    if (out.overflow) {
        *ret = STR("null");
        return "the answer with its secrets is too large";
    }
    *ret = buf_str(&out);
    return problem;
}
