/* How a failure looks on the wire, in each of the shapes. */
#include "check_arena.h"

#include "fn/failure.h"
#include "fn/internal.h"
#include "fn/request.h"
#include "fn/spec.h"
#include "net/request.h"

typedef void shape(struct fn_req *req, struct fn_res *res, enum err e);

/* The answer of this shape; `version` of the API that the client asks for, or NULL. */
static const char *
failed(shape *failure, enum err e, const char *code, const char *text, const char *version,
       int *ret_status)
{
    const struct header header = {STR("x-supabase-api-version"),
                                  version == NULL ? STR_NONE : str_of(version)};
    const struct net_request http = {
        .method = STR("GET"), .headers = &header, .header_count = version != NULL};
    const struct fn_spec spec = {.failure = failure};
    const struct fn_match none = {0};
    struct task task = {.arena = a, .id = "0123456789abcdef"};
    struct fn_req req = {.task = &task, .http = &http, .spec = &spec, .match = &none};
    struct fn_res res = {0};

    buf_init_arena(&res.body, a, 1000);
    if (text != NULL)
        (void)fail_code(&task.fail, e, code, text);
    fn_write_failure(&req, &res, e);
    if (ret_status != NULL)
        *ret_status = res.status;
    return arena_copy(a, (struct str){res.body.ptr, res.body.len});
}

static void
the_shop_says_success_false_and_the_error(void **state UNUSED)
{
    int status;

    assert_string_equal(failed(NULL, ERR_NOT_FOUND, NULL, "Order not found", NULL, &status),
                        "{\"success\":false,\"error\":\"Order not found\"}");
    assert_int_equal(status, 404);
    assert_string_equal(failed(fn_failure_shop, ERR_INTERNAL, NULL, NULL, NULL, &status),
                        "{\"success\":false,\"error\":\"Internal server error\"}");
    assert_int_equal(status, 500);
}

/* GoTrue's: `code` was the status until version 2024-01-01, and is the word since. */
static void
auth_has_a_shape_for_each_version_of_its_api(void **state UNUSED)
{
    static const char before[] =
        "{\"code\":400,\"error_code\":\"weak_password\",\"msg\":\"Too short\"}";
    static const char since[] = "{\"code\":\"weak_password\",\"message\":\"Too short\"}";
    static const struct {
        const char *version, *expected;
    } rows[] = {
        {NULL, before},         {"", before},           {"2023-12-31", before},
        {"2024-01-01", since},  {"2024-06-30", since},  {"2024-01-01x", before},
        {"x024-01-01", before}, {"2024/01/01", before},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_string_equal(failed(fn_failure_auth, ERR_INVALID, "weak_password", "Too short",
                                   rows[i].version, NULL),
                            rows[i].expected);
}

static void
auth_names_the_request_when_it_is_not_the_clients_fault(void **state UNUSED)
{
    assert_string_equal(
        failed(fn_failure_auth, ERR_INTERNAL, NULL, NULL, NULL, NULL),
        "{\"code\":500,\"error_code\":\"unexpected_failure\",\"msg\":\"Internal server error\","
        "\"error_id\":\"0123456789abcdef\"}");
}

static void
rest_has_code_details_hint_and_message(void **state UNUSED)
{
    assert_string_equal(
        failed(fn_failure_rest, ERR_FORBIDDEN, "42501", "permission denied", NULL, NULL),
        "{\"code\":\"42501\",\"details\":null,\"hint\":null,\"message\":\"permission denied\"}");
}

/* Its clients read the status out of the body: on the wire all of theirs are 400. */
static void
storage_says_400_and_the_status_as_text(void **state UNUSED)
{
    int status;

    assert_string_equal(failed(fn_failure_storage, ERR_NOT_FOUND, NULL, NULL, NULL, &status),
                        "{\"statusCode\":\"404\",\"error\":\"Not Found\",\"message\":\"Not found\","
                        "\"code\":\"NoSuchKey\"}");
    assert_int_equal(status, 400);
    (void)failed(fn_failure_storage, ERR_UNAVAILABLE, NULL, NULL, NULL, &status);
    assert_int_equal(status, 503);
}

/* What the runtime refuses by itself has a word in each of them. */
static void
each_refusal_has_a_word_of_each_shape(void **state UNUSED)
{
    static shape *const shapes[] = {fn_failure_auth, fn_failure_rest, fn_failure_storage};

    for (enum err e = ERR_OK + 1; e < ERR_MAX; e++)
        for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
            const char *body = failed(shapes[i], e, NULL, NULL, "2024-01-01", NULL);
            const char *word = strstr(body, "\"code\":\"");

            assert_non_null(word);
            assert_true(word[8] != '"');
        }
}

static const struct CMUnitTest tests[] = {
    TEST(the_shop_says_success_false_and_the_error),
    TEST(auth_has_a_shape_for_each_version_of_its_api),
    TEST(auth_names_the_request_when_it_is_not_the_clients_fault),
    TEST(rest_has_code_details_hint_and_message),
    TEST(storage_says_400_and_the_status_as_text),
    TEST(each_refusal_has_a_word_of_each_shape),
};

int
main(void)
{
    return cmocka_run_group_tests_name("fn_failure", tests, NULL, NULL);
}
