/* Bodies: JSON and its keys, CSV, forms, what is neither. */
#include "check_rest.h"

static bool
sends(const char *method, const char *path, const char *type, struct str body)
{
    return check_read(method, path, "", type == NULL ? NULL : arena_join(a, "content-type: ", type),
                      body);
}

/* The body of a POST to a table is taken: its columns, and what goes on. */
static void
takes(const char *type, struct str body, const char *columns, const char *expected)
{
    if (!sends("POST", "/t", type, body))
        fail_msg("%.*s: %s", (int)body.len, body.ptr, error.message);
    if (strcmp(check_names(request.columns, ","), columns) != 0)
        fail_msg("%.*s: columns %s", (int)body.len, body.ptr, check_names(request.columns, ","));
    check_str(request.body, expected);
}

static void
refuses(const char *path, const char *type, struct str body, const char *message)
{
    if (sends("POST", path, type, body))
        fail_msg("%.*s is read", (int)body.len, body.ptr);
    assert_int_equal(error.status, 400);
    assert_string_equal(error.code, "PGRST102");
    assert_string_equal(error.message, message);
}

static void
takes_json(const char *json, const char *columns)
{
    takes(NULL, str_of(json), columns, json);
}

/* ---- JSON ---- */

static void
keys_are_columns(void **state UNUSED)
{
    takes_json("{\"b\":1,\"a\":{\"x\":2},\"b\":3}", "a,b");
    assert_false(request.body_is_array);
    assert_false(request.body_is_empty);
    takes_json(" [ {\"id\":5, \"name\":\"E\"} , {\"name\":\"F\",\"id\":6,\"id\":7} ] ", "id,name");
    assert_true(request.body_is_array);
    takes_json("{\"\\u00e9\\n\\ud83d\\ude00\\\"\":null}", "é\n😀\"");
    takes_json("[{\"\":1},{\"\":[[{\"z\":1}]]}]", "");
    assert_non_null(request.columns);
    takes_json("[{\"a\\u0062\":1},{\"ab\":1},{\"\\u0061b\":2}]", "ab");
    takes("application/vnd.pgrst.array+json", STR("{\"a\":1}"), "a", "{\"a\":1}");
    takes("Application/JSON; charset=utf-8", STR("{\"a\":1}"), "a", "{\"a\":1}");
}

static void
empty_bodies_have_no_columns(void **state UNUSED)
{
    takes_json("[]", "");
    assert_true(request.body_is_array && request.body_is_empty);
    takes_json("{}", "");
    assert_true(!request.body_is_array && request.body_is_empty);
    takes_json("[{},{}]", "");
    assert_true(request.body_is_array && !request.body_is_empty);
}

static void
scalars_are_an_empty_array(void **state UNUSED)
{
    static const char *const scalars[] = {"1", "-0.5e+10", "\"x\"", "null", "true", " false "};

    for (size_t i = 0; i < ARRAY_LEN(scalars); i++) {
        takes(NULL, str_of(scalars[i]), "", "[]");
        assert_true(request.body_is_array && request.body_is_empty);
    }
}

static void
unequal_keys_are_refused(void **state UNUSED)
{
    static const char *const bad[] = {"[{\"id\":5,\"name\":\"E\"},{\"id\":6}]",
                                      "[{\"a\":1},{\"b\":1}]",
                                      "[{\"a\":1},{\"a\":1,\"b\":2}]",
                                      "[{\"a\":1,\"b\":1},{\"a\":1,\"a\":2}]",
                                      "[{},{\"a\":1}]",
                                      "[1]",
                                      "[[{\"a\":1}]]",
                                      "[{\"a\":1},2]",
                                      "[null,{\"a\":1}]"};

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        refuses("/t", NULL, str_of(bad[i]), "All object keys must match");
}

static void
what_is_no_json_is_refused(void **state UNUSED)
{
    static const char *const bad[] = {"",
                                      " ",
                                      "{",
                                      "[",
                                      "{\"a\"}",
                                      "{\"a\":}",
                                      "{a:1}",
                                      "[1,]",
                                      "[,1]",
                                      "{\"a\":1,}",
                                      "{}{}",
                                      "[] x",
                                      "nul",
                                      "01",
                                      "1.",
                                      ".5",
                                      "1e",
                                      "-",
                                      "+1",
                                      "\"a",
                                      "\"\\x\"",
                                      "\"\\u12\"",
                                      "\"\\ud800\"",
                                      "\"\\udc00\"",
                                      "\"\\ud800\\u0041\"",
                                      "\"\t\"",
                                      "\"\xFF\"",
                                      "[}",
                                      "{]",
                                      "[[]",
                                      "{\"a\\u0000\":1}",
                                      "\xEF\xBB\xBF{}",
                                      "{\"a\":1,\"a\"",
                                      "[{\"a\":1},{\"b\":1}",
                                      "\"\\",
                                      "tru",
                                      "[\"\\ud83d\\u\"]",
                                      "{,}",
                                      ":",
                                      "]"};

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        refuses("/t", NULL, str_of(bad[i]), "Empty or invalid json");
    refuses("/t", NULL, STR("{}\0"), "Empty or invalid json");
}

static void
any_depth_is_read(void **state UNUSED)
{
    const size_t depth = 200000;
    char *text = arena_alloc(a, 2 * depth);

    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    refuses("/t", NULL, (struct str){text, 2 * depth}, "All object keys must match");
    refuses("/t", NULL, (struct str){text, 2 * depth - 1}, "Empty or invalid json");
    text[depth - 1] = '{';
    refuses("/t", NULL, (struct str){text, 2 * depth}, "Empty or invalid json");
    text[depth] = '}';
    refuses("/t", NULL, (struct str){text, 2 * depth}, "All object keys must match");
}

static void
many_keys_are_compared_in_any_order(void **state UNUSED)
{
    struct buf json = check_text();

    buf_add_char(&json, '[');
    for (int row = 0; row < 2; row++) {
        buf_add_text(&json, row == 0 ? "{" : ",{");
        for (int i = 0; i < 20000; i++)
            buf_printf(&json, "%s\"k%d\":1", i == 0 ? "" : ",", row == 0 ? i : 19999 - i);
        buf_add_char(&json, '}');
    }
    buf_add_char(&json, ']');
    assert_true(sends("POST", "/t", NULL, buf_str(&json)));
}

static void
too_many_keys_are_refused(void **state UNUSED)
{
    const char *json = arena_join(a, "{\"a\":1", check_repeat(",\"a\":1", 20000));

    refuses("/t", NULL, str_of(json), "Empty or invalid json");
    refuses("/t", NULL, str_of(arena_join(a, json, "}")), "The object has too many keys");
}

static void
with_columns_a_body_is_not_looked_at(void **state UNUSED)
{
    assert_true(check_read("POST", "/t", "columns=b,a", NULL, STR("[{\"a\":1},{\"c\":")));
    assert_string_equal(check_names(request.columns, ","), "a,b");
    assert_true(request.body_is_array);
    assert_true(check_read("PATCH", "/t", "columns=a", NULL, STR(" \n{\"x\":1}")));
    assert_false(request.body_is_array);
    assert_true(check_read("POST", "/rpc/f", "columns=a", NULL, STR("")));
    check_str(request.body, "");
}

static void
what_reads_has_no_body(void **state UNUSED)
{
    static const char *const methods[] = {"GET", "HEAD", "DELETE", "OPTIONS"};

    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        assert_true(sends(methods[i], "/t", "image/png", STR("broken")));
        assert_int_equal(request.body_type, REST_BODY_NONE);
        assert_int_equal(request.body.len, 0);
    }
}

/* ---- functions ---- */

static void
keys_are_arguments(void **state UNUSED)
{
    assert_true(sends("POST", "/rpc/add", NULL, STR("{\"c\":2,\"a\":1}")));
    assert_string_equal(check_names(request.columns, ","), "a,c");
    assert_true(sends("POST", "/rpc/add", NULL, STR("")));
    check_str(request.body, "{}");
    assert_null(request.columns);
}

static void
raw_bodies_are_for_functions(void **state UNUSED)
{
    static const struct {
        const char *type;
        enum rest_body body;
    } cases[] = {{"text/plain", REST_BODY_TEXT},
                 {"text/xml; charset=utf-8", REST_BODY_XML},
                 {"application/octet-stream", REST_BODY_BYTES}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_true(sends("POST", "/rpc/f", cases[i].type, STR("<a/>")));
        assert_int_equal(request.body_type, cases[i].body);
        check_str(request.body, "<a/>");
    }
    assert_true(sends("POST", "/rpc/f", "application/octet-stream", STR("\0\xFF")));
    assert_int_equal(request.body.len, 2);
    assert_false(sends("POST", "/rpc/f", "text/plain", STR("\xFF")));
    refuses("/t", "text/plain", STR("x"), "Content-Type not acceptable: text/plain");
    refuses("/rpc/f", "Image/PNG; x=y", STR("x"), "Content-Type not acceptable: image/png");
    refuses("/t", "application/vnd.pgrst.object+json", STR("{}"),
            "Content-Type not acceptable: application/vnd.pgrst.object+json");
}

static void
forms_are_arguments_or_an_object(void **state UNUSED)
{
    static const char *const form = "application/x-www-form-urlencoded";

    takes(form, STR("b=x+y&a=%22&b=2&c"), "a,b,c", "{\"a\":\"\\\"\",\"b\":\"2\",\"c\":\"\"}");
    assert_int_equal(request.body_type, REST_BODY_FORM);
    takes(form, STR(""), "", "{}");
    assert_true(request.body_is_empty);
    assert_true(sends("POST", "/rpc/f", form, STR("v=a&v=b&w=eq.1")));
    const struct rest_argument *arg = request.arguments;
    check_str(arg->name, "v");
    check_str(arg->value, "a");
    check_str(arg->next->value, "b");
    check_str(arg->next->next->value, "eq.1");
    assert_null(arg->next->next->next);
    refuses("/t", form, STR("a=%00"), "The form is no valid UTF-8 text");
}

/* ---- CSV ---- */

static void
csv_becomes_json(void **state UNUSED)
{
    takes("text/csv", STR("id,name\n1,Ada\n2,NULL\n"), "id,name",
          "[{\"id\":\"1\",\"name\":\"Ada\"},{\"id\":\"2\",\"name\":null}]");
    assert_int_equal(request.body_type, REST_BODY_CSV);
    assert_true(request.body_is_array && !request.body_is_empty);
    takes("text/csv", STR("b,a\r\n\"x, \"\"y\"\"\n\",\"NULL\"\r\n,"), "a,b",
          "[{\"b\":\"x, \\\"y\\\"\\n\",\"a\":\"NULL\"},{\"b\":\"\",\"a\":\"\"}]");
    takes("text/csv", STR("\xEF\xBB\xBF\"a\"\"b\"\n\n\xC3\xA9\t"), "a\"b",
          "[{\"a\\\"b\":\"\xC3\xA9\\t\"}]");
    takes("text/csv", STR("a\n1\n\n2"), "a", "[{\"a\":\"1\"},{\"a\":\"2\"}]");
    takes("text/csv", STR("a,b\n"), "", "[]");
    assert_true(request.body_is_empty);
}

static void
ragged_csv_is_refused(void **state UNUSED)
{
    static const char *const bad[] = {"a,b\n1\n", "a,b\n1,2,3\n", "a\n1,2", "a,b\n1,2\n3"};

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        refuses("/t", "text/csv", str_of(bad[i]), "All lines must have same number of fields");
}

static void
what_is_no_csv_is_refused(void **state UNUSED)
{
    static const char *const bad[] = {"", "\"a", "a\n\"b", "a\n\"b\"c", "a\nb\"c", "\xFF"};

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        refuses("/t", "text/csv", str_of(bad[i]), "Empty or invalid csv");
}

static void
csv_does_not_grow_without_end(void **state UNUSED)
{
    char *text = arena_alloc(a, 40001);

    memset(text, 'a', 20000);
    for (size_t i = 20000; i < 40000; i += 2)
        memcpy(text + i, "\nx", 2);
    refuses("/t", "text/csv", (struct str){text, 40000}, "The csv is too large");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(keys_are_columns),
        TEST(empty_bodies_have_no_columns),
        TEST(scalars_are_an_empty_array),
        TEST(unequal_keys_are_refused),
        TEST(what_is_no_json_is_refused),
        TEST(any_depth_is_read),
        TEST(many_keys_are_compared_in_any_order),
        TEST(too_many_keys_are_refused),
        TEST(with_columns_a_body_is_not_looked_at),
        TEST(what_reads_has_no_body),
        TEST(keys_are_arguments),
        TEST(raw_bodies_are_for_functions),
        TEST(forms_are_arguments_or_an_object),
        TEST(csv_becomes_json),
        TEST(ragged_csv_is_refused),
        TEST(what_is_no_csv_is_refused),
        TEST(csv_does_not_grow_without_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
