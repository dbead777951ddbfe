/*
 * JSON text stays JSON text, whatever in it looks like a sealed password, and text without one
 * stays what it is.
 */
#include "base/setting.h"
#include "crypto/sealed.h"
#include "json/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
load_keys(void)
{
    static const char keys[] =
        "k2:abababababababababababababababababababababababababababababababab,"
        "k1:0000000000000000000000000000000000000000000000000000000000000000";
    struct setting *const setting = &cfg_credential_keys;
    static bool loaded;
    struct buf problems;

    if (loaded)
        return;
    buf_init_heap(&problems, 1000);
    MUST(setenv("CREDENTIAL_KEYS", keys, 1) == 0 && settings_load(&setting, 1, &problems));
    buf_release(&problems);
    loaded = true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(16 * 1024 * 1024);
    const struct str text = {(const char *)data, size};
    const struct json *value;
    struct fail f = {0};
    struct str opened;

    load_keys();
    const char *problem = sealed_open(a, text, &opened);
    MUST(problem == NULL || opened.ptr != text.ptr);
    if (memmem(data, size, "\"sealed:", 8) == NULL)
        MUST(opened.ptr == text.ptr && opened.len == text.len);
    if (json_parse(a, &f, text, &value) == ERR_OK)
        MUST(json_parse(a, &f, opened, &value) == ERR_OK);
    arena_free(a);
    return 0;
}
