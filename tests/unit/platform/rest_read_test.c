/* The order of checks, and what is no list: method, path, profile, ranges, headers. */
#include "check_rest.h"

static void
reads(const char *method, const char *path, const char *query, const char *headers)
{
    if (!check_read(method, path, query, headers, STR("{}")))
        fail_msg("%s %s?%s: %s", method, path, query, error.message);
}

static void
refuses(const char *method, const char *path, const char *query, const char *headers, int status,
        const char *code, const char *message)
{
    if (check_read(method, path, query, headers, STR("")))
        fail_msg("%s %s?%s is read", method, path, query);
    if (error.status != status || strcmp(error.code, code) != 0 ||
        strcmp(error.message, message) != 0)
        fail_msg("%s %s?%s: %d %s %s", method, path, query, error.status, error.code,
                 error.message);
}

static void
paths_name_what_is_meant(void **state UNUSED)
{
    reads("GET", "", "", NULL);
    assert_int_equal(request.target, REST_ROOT);
    reads("GET", "/", "", NULL);
    assert_int_equal(request.target, REST_ROOT);
    reads("GET", "/orders", "", NULL);
    assert_int_equal(request.target, REST_TABLE);
    check_str(request.name, "orders");
    reads("POST", "/rpc/add", "", NULL);
    assert_int_equal(request.target, REST_CALL);
    check_str(request.name, "add");
    reads("GET", "/rpc", "", NULL);
    assert_int_equal(request.target, REST_TABLE);
    reads("GET", "/two words", "", NULL);
    check_str(request.name, "two words");
}

static void
deeper_paths_are_none(void **state UNUSED)
{
    static const char *const paths[] = {"/a/b", "/a/", "//a", "/rpc/", "/rpc/a/b"};

    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        refuses("GET", paths[i], "", NULL, 404, "PGRST125",
                "Invalid path specified in request URL");
}

static void
methods_fit_what_is_meant(void **state UNUSED)
{
    static const char *const all[] = {"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"};

    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        reads(all[i], "/t", "", NULL);
        assert_int_equal(request.method, i);
    }
    refuses("DELETE", "/rpc/add", "", NULL, 405, "PGRST101", "Cannot use the DELETE method on RPC");
    refuses("PUT", "/rpc/add", "", NULL, 405, "PGRST101", "Cannot use the PUT method on RPC");
    refuses("POST", "/", "", NULL, 405, "PGRST117", "Unsupported HTTP method: POST");
    refuses("TRACE", "/t", "", NULL, 405, "PGRST117", "Unsupported HTTP method: TRACE");
    const char *odd = check_repeat("\u00e9", 600);
    refuses(odd, "/t", "", NULL, 405, "PGRST117", arena_join(a, "Unsupported HTTP method: ", odd));
    refuses("get", "/t", "", NULL, 405, "PGRST117", "Unsupported HTTP method: get");
}

static void
profiles_choose_the_schema(void **state UNUSED)
{
    reads("GET", "/t", "", NULL);
    check_str(request.schema, "public");
    assert_true(request.schema_said); /* there are several */
    reads("GET", "/t", "", "accept-profile: extra");
    check_str(request.schema, "extra");
    assert_true(request.schema_said);
    reads("GET", "/t", "", "content-profile: extra");
    check_str(request.schema, "public");
    reads("POST", "/t", "", "content-profile: extra\naccept-profile: nope");
    check_str(request.schema, "extra");
    reads("OPTIONS", "/t", "", "accept-profile: extra");
    check_str(request.schema, "extra");
}

static void
unknown_profiles_are_told(void **state UNUSED)
{
    refuses("GET", "/t", "", "accept-profile: nope", 406, "PGRST106", "Invalid schema: nope");
    assert_string_equal(error.hint, "Only the following schemas are exposed: public, extra");
    refuses("PATCH", "/t", "", "content-profile: ", 406, "PGRST106", "Invalid schema: ");
}

/* Each request has this mistake and all that come later. */
static void
mistakes_are_told_in_order(void **state UNUSED)
{
    static const char *const nope = "content-profile: nope";
    static const char *const bad[] = {
        "\"failed to parse order (.)\" (line 1, column 1)",
        "\"failed to parse logic tree (x)\" (line 1, column 3)",
        "\"failed to parse columns parameter (.)\" (line 1, column 1)",
        "\"failed to parse select parameter (.)\" (line 1, column 1)",
        "\"failed to parse filter (x)\" (line 1, column 1)",
        "\"failed to parse on_conflict parameter (.)\" (line 1, column 1)"};
    static const char *const parts[] = {"order=.",   "&or=x", "&columns=.",
                                        "&select=.", "&c=x",  "&on_conflict=."};

    refuses("TRACE", "/a/b", "order=.", nope, 404, "PGRST125",
            "Invalid path specified in request URL");
    refuses("POST", "/", "order=.", nope, 406, "PGRST106", "Invalid schema: nope");
    refuses("POST", "/", "order=.", NULL, 405, "PGRST117", "Unsupported HTTP method: POST");
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        const char *query = "limit=-1";

        for (size_t k = ARRAY_LEN(parts); k > i; k--) /* the last first, which is read last */
            query = arena_join(a, query, arena_join(a, "&", parts[k - 1]));
        refuses("POST", "/t", query, NULL, 400, "PGRST100", bad[i]);
    }
    refuses("POST", "/t", "limit=-1", NULL, 416, "PGRST103", "Requested range not satisfiable");
    refuses("POST", "/t", "", NULL, 400, "PGRST102", "Empty or invalid json");
}

static void
text_that_is_none_is_refused(void **state UNUSED)
{
    static const char *const bad[] = {"a%00=eq.1", "a=eq.%00",         "a=eq.%ff",
                                      "%c3=eq.1",  "select=%ED%A0%80", "x%FF"};

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        refuses("GET", "/t", bad[i], NULL, 400, "PGRST100",
                "The query string is no valid UTF-8 text");
    refuses("GET", "/t\xFF", "", NULL, 400, "PGRST100", "The path is no valid UTF-8 text");
    refuses("GET", "/t", "", "prefer: timezone=\xFF", 400, "PGRST100",
            "The header prefer is no valid UTF-8 text");
    refuses("GET\xFF", "/t", "", NULL, 400, "PGRST100", "The method is no valid UTF-8 text");
    assert_false(check_read("POST", "/t", "columns=a", NULL, STR("{\"a\":\"\xFF\"}")));
    assert_false(check_read("POST", "/t", "columns=a", NULL, STR("{\"a\":1}\0")));
}

static void
queries_are_decoded_once(void **state UNUSED)
{
    reads("GET", "/t", "a=eq.%2525&b+c=eq.%2B+%26&d=eq.%&e=eq.%4&f=eq.%zz", NULL);
    assert_string_equal(check_where(request.places),
                        "a eq %25; b c eq + &; d eq %; e eq %4; f eq %zz");
}

static void
repeated_keys_are_kept_and_bare_ones_dropped(void **state UNUSED)
{
    reads("GET", "/t", "a=gt.1&&a&select&a=lt.9&order", NULL);
    assert_string_equal(check_where(request.places), "a gt 1; a lt 9");
    assert_string_equal(check_items(), "*");
}

static void
canonical_query_is_sorted(void **state UNUSED)
{
    reads("GET", "/t", "", NULL);
    check_str(request.canonical_query, "");
    reads("GET", "/t", "id=eq.1", NULL);
    check_str(request.canonical_query, "id=eq.1");
    reads("GET", "/t", "c=eq.1&a=eq.3&b=eq.2&d", NULL);
    check_str(request.canonical_query, "a=eq.3&b=eq.2&c=eq.1&d=");
    reads("GET", "/t", "select=a,b(c)&id=in.(1,2)&a%20b=eq.%C3%A9+x", NULL);
    check_str(request.canonical_query, "a%20b=eq.%C3%A9%20x&id=in.%281%2C2%29&select=a%2Cb%28c%29");
    reads("GET", "/t", "z=eq.1&a=gt.1&z=eq.2&a=lt.3", NULL); /* as the original has it */
    check_str(request.canonical_query, "a=gt.1,lt.3&z=eq.1,eq.2");
}

/* ---- ranges ---- */

static void
range(const char *query, const char *headers, int64_t offset, int64_t limit)
{
    reads("GET", "/t", query, headers);
    const struct rest_place *p = request.places;
    if ((p->has_offset ? p->offset : 0) != offset || (p->has_limit ? p->limit : -1) != limit)
        fail_msg("%s %s: %lld %lld", query, headers, (long long)p->offset, (long long)p->limit);
}

static void
limits_and_offsets_are_read(void **state UNUSED)
{
    range("", NULL, 0, -1);
    range("limit=5", NULL, 0, 5);
    range("offset=4", NULL, 4, -1);
    range("limit=5&offset=4", NULL, 4, 5);
    range("limit=0", NULL, 0, 0);
    range("limit=x&offset=2", NULL, 2, -1);
    range("limit=&offset=1.5", NULL, 0, -1);
    range("offset=-3&limit=2", NULL, 0, 2);
    range("limit=1&limit=2", NULL, 0, 2);
    range("limit=99999999999999999999999&offset=99999999999999999999", NULL, INT64_MAX - 9, -1);
}

static void
range_header_is_intersected(void **state UNUSED)
{
    range("", "range: 1-2", 1, 2);
    range("", "range: 3-", 3, -1);
    range("", "range: 0-0", 0, 1);
    range("limit=5", "range: 1-2", 1, 2);
    range("limit=2", "range: 1-9", 1, 1);
    range("offset=5&limit=10", "range: 0-7", 5, 3);
    range("limit=0", "range: 1-2", 0, 0);
    range("", "range: 0-99999999999999999999", 0, INT64_MAX);
}

static void
odd_range_headers_mean_nothing(void **state UNUSED)
{
    static const char *const odd[] = {"rows=0-1", "1", "-5",   "1-2-3", "1-2,4-5",
                                      "a-b",      "",  " 1-2", "1- 2"};

    for (size_t i = 0; i < ARRAY_LEN(odd); i++)
        range("", arena_join(a, "range: ", odd[i]), 0, -1);
    reads("HEAD", "/t", "", "range: 5-2");
    assert_false(request.places->has_limit);
    reads("PATCH", "/t", "", "range: 5-2");
    assert_false(request.places->has_limit);
}

static void
impossible_ranges_are_refused(void **state UNUSED)
{
    static const char *const limit = "Limit should be greater than or equal to zero.";
    static const struct {
        const char *query, *headers;
    } cases[] = {{"limit=-1", NULL},
                 {"limit=-1&offset=1", NULL},
                 {"limit=-99999999999999999999", NULL},
                 {"limit=0&offset=5", NULL},
                 {"limit=1", "range: 1-2"},
                 {"offset=9", "range: 1-2"},
                 {"rel.limit=-1", NULL}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        refuses("GET", "/t", cases[i].query, cases[i].headers, 416, "PGRST103",
                "Requested range not satisfiable");
        assert_string_equal(error.details, limit);
    }
    refuses("GET", "/t", "", "range: 5-2", 416, "PGRST103", "Requested range not satisfiable");
    assert_string_equal(error.details, "The lower boundary must be lower than or equal to the "
                                       "upper boundary in the Range header.");
}

static void
put_has_no_range(void **state UNUSED)
{
    static const char *const message =
        "limit/offset querystring parameters are not allowed for PUT";

    refuses("PUT", "/t", "id=eq.9&limit=1", NULL, 400, "PGRST114", message);
    refuses("PUT", "/t", "offset=1", NULL, 400, "PGRST114", message);
    refuses("PUT", "/t", "limit=0", NULL, 400, "PGRST114", message);
    reads("PUT", "/t", "id=eq.9&offset=0", "range: 0-1");
}

/* ---- columns, on_conflict ---- */

static void
columns_are_sorted_each_once(void **state UNUSED)
{
    reads("POST", "/t", "columns=\"b\",a, \"c d\",b", NULL);
    assert_true(request.has_columns);
    assert_string_equal(check_names(request.columns, "|"), "a|b|c d");
    reads("PATCH", "/t", "columns=a", NULL);
    assert_true(request.has_columns);
    reads("POST", "/rpc/f", "columns=a", NULL);
    assert_true(request.has_columns);
    reads("PUT", "/t", "columns=a", NULL);
    assert_false(request.has_columns);
    assert_null(request.columns);
    refuses("GET", "/t", "columns=", NULL, 400, "PGRST100",
            "\"failed to parse columns parameter ()\" (line 1, column 1)");
    assert_string_equal(error.details,
                        "unexpected end of input expecting field name (* or [a..z0..9_$])");
}

static void
conflict_columns_keep_their_order(void **state UNUSED)
{
    reads("POST", "/t", "on_conflict=b,\"a\"&on_conflict=c", NULL);
    assert_string_equal(check_names(request.on_conflict, ","), "b,a");
}

/* ---- arguments ---- */

static const char *
arguments(void)
{
    struct buf out = check_text();

    for (const struct rest_argument *arg = request.arguments; arg != NULL; arg = arg->next) {
        buf_add_str(&out, arg->name);
        buf_add_char(&out, '=');
        buf_add_str(&out, arg->value);
        buf_add_char(&out, ' ');
    }
    return out.ptr;
}

static void
values_without_operator_are_arguments(void **state UNUSED)
{
    reads("GET", "/rpc/f", "a=2&b=x.y&total=gt.5&a=3&select=id&v={1,2}&e=&limit=1", NULL);
    assert_string_equal(arguments(), "a=2 b=x.y a=3 v={1,2} e= ");
    assert_string_equal(check_where(request.places), "total gt 5");
    reads("OPTIONS", "/rpc/f", "a=1", NULL);
    assert_string_equal(arguments(), "a=1 ");
    reads("HEAD", "/rpc/f", "a=eq&b=fts&c=inx.1&d=notx", NULL);
    assert_string_equal(arguments(), "a=eq b=fts c=inx.1 d=notx ");
}

static void
what_begins_like_an_operator_is_a_filter(void **state UNUSED)
{
    reads("GET", "/rpc/f", "name=match.com&x=eq.", NULL);
    assert_null(request.arguments);
    assert_string_equal(check_where(request.places), "name match com; x eq ");
    refuses("GET", "/rpc/f", "a=in.x", NULL, 400, "PGRST100",
            "\"failed to parse filter (in.x)\" (line 1, column 4)");
    refuses("GET", "/rpc/f", "a=is.x", NULL, 400, "PGRST100",
            "\"failed to parse filter (is.x)\" (line 1, column 4)");
    refuses("GET", "/rpc/f", "a=not.x", NULL, 400, "PGRST100",
            "\"failed to parse filter (not.x)\" (line 1, column 5)");
    refuses("POST", "/rpc/f", "a=1", NULL, 400, "PGRST100",
            "\"failed to parse filter (1)\" (line 1, column 1)");
}

static void
many_places_and_filters_are_read(void **state UNUSED)
{
    struct buf query = check_text();

    for (int i = 0; i < 5000; i++)
        buf_printf(&query, "p%d.c=eq.1&", i);
    reads("GET", "/t", query.ptr, NULL);
    buf_clear(&query);
    buf_add_text(&query, "a=in.(");
    for (int i = 0; i < 20000; i++)
        buf_add_text(&query, "\"x\"y,");
    buf_add_text(&query, ")");
    reads("GET", "/t", query.ptr, NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(paths_name_what_is_meant),
        TEST(deeper_paths_are_none),
        TEST(methods_fit_what_is_meant),
        TEST(profiles_choose_the_schema),
        TEST(unknown_profiles_are_told),
        TEST(mistakes_are_told_in_order),
        TEST(text_that_is_none_is_refused),
        TEST(queries_are_decoded_once),
        TEST(repeated_keys_are_kept_and_bare_ones_dropped),
        TEST(canonical_query_is_sorted),
        TEST(limits_and_offsets_are_read),
        TEST(range_header_is_intersected),
        TEST(odd_range_headers_mean_nothing),
        TEST(impossible_ranges_are_refused),
        TEST(put_has_no_range),
        TEST(columns_are_sorted_each_once),
        TEST(conflict_columns_keep_their_order),
        TEST(values_without_operator_are_arguments),
        TEST(what_begins_like_an_operator_is_a_filter),
        TEST(many_places_and_filters_are_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
