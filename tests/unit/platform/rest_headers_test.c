/* Prefer, Accept, Content-Type. */
#include "check_rest.h"

static void
reads(const char *headers)
{
    if (!check_read("GET", "/t", "", headers, STR("")))
        fail_msg("%s: %s", headers, error.message);
}

/* ---- Prefer ---- */

static void
nothing_is_preferred_unsaid(void **state UNUSED)
{
    const struct rest_prefer none = {0};

    reads(NULL);
    assert_memory_equal(&request.prefer, &none, sizeof(none));
    reads("prefer: ");
    assert_null(request.prefer.unknown);
}

static void
preferences_are_read_from_one_list(void **state UNUSED)
{
    reads("prefer: count=exact,    tx=commit   ,return=representation , missing=default, "
          "handling=strict, anything");
    const struct rest_prefer *p = &request.prefer;
    assert_int_equal(p->count, REST_COUNT_EXACT);
    assert_int_equal(p->tx, REST_TX_COMMIT);
    assert_int_equal(p->returns, REST_RETURN_ROWS);
    assert_true(p->missing_default);
    assert_false(p->missing_null);
    assert_int_equal(p->handling, REST_STRICT);
    assert_int_equal(p->resolution, REST_RESOLUTION_NONE);
    assert_string_equal(check_names(p->unknown, "|"), "anything");
}

static void
preferences_are_read_from_several_headers(void **state UNUSED)
{
    reads("prefer: resolution=ignore-duplicates\nprefer: count=planned\nprefer: missing=null\n"
          "prefer: handling=lenient\nprefer: invalid\nprefer: max-affected=5999\n"
          "prefer: timezone=America/Los_Angeles");
    const struct rest_prefer *p = &request.prefer;
    assert_int_equal(p->resolution, REST_IGNORE);
    assert_int_equal(p->count, REST_COUNT_PLANNED);
    assert_true(p->missing_null);
    assert_int_equal(p->handling, REST_LENIENT);
    assert_true(p->has_max_affected);
    assert_int_equal(p->max_affected, 5999);
    check_str(p->timezone, "America/Los_Angeles");
    assert_string_equal(check_names(p->unknown, "|"), "invalid");
}

static void
first_value_wins(void **state UNUSED)
{
    reads("prefer: tx=rollback, tx=commit, return=minimal\nprefer: return=representation, "
          "max-affected=1, max-affected=2, timezone=UTC, timezone=CET");
    assert_int_equal(request.prefer.tx, REST_TX_ROLLBACK);
    assert_int_equal(request.prefer.returns, REST_RETURN_MINIMAL);
    assert_int_equal(request.prefer.max_affected, 1);
    check_str(request.prefer.timezone, "UTC");
    assert_null(request.prefer.unknown);
}

static void
every_value_is_known(void **state UNUSED)
{
    reads("prefer: return=headers-only, resolution=merge-duplicates, count=estimated");
    assert_int_equal(request.prefer.returns, REST_RETURN_HEADERS);
    assert_int_equal(request.prefer.resolution, REST_MERGE);
    assert_int_equal(request.prefer.count, REST_COUNT_ESTIMATED);
}

static void
other_values_are_unknown_preferences(void **state UNUSED)
{
    reads("prefer: foo=bar, count=Exact,, return=all, max-affected=x");
    assert_string_equal(check_names(request.prefer.unknown, "|"), "foo=bar|count=Exact|return=all");
    assert_false(request.prefer.has_max_affected);
}

static void
barred_tx_means_nothing_and_is_known(void **state UNUSED)
{
    static const char *const schemas[] = {"public"};
    const struct rest_reading how = {schemas, 1, false, false};
    const struct header header = {STR("prefer"), STR("tx=rollback")};
    const struct net_request http = {
        .method = STR("GET"), .path = STR("/t"), .headers = &header, .header_count = 1};

    assert_true(rest_read(a, &http, &how, &request, &error));
    assert_int_equal(request.prefer.tx, REST_TX_NONE);
    assert_null(request.prefer.unknown);
}

/* ---- Accept ---- */

static const char *
accepted(void)
{
    struct buf out = check_text();

    for (const struct rest_accept *t = request.accept; t != NULL; t = t->next) {
        buf_add_text(&out, t == request.accept ? "" : " | ");
        buf_add_str(&out, t->text);
    }
    return out.ptr;
}

static void
accepts(const char *header, const char *expected)
{
    reads(arena_join(a, "accept: ", header));
    if (strcmp(accepted(), expected) != 0)
        fail_msg("%s is read as %s", header, accepted());
}

static void
anything_is_accepted_unsaid(void **state UNUSED)
{
    reads(NULL);
    assert_int_equal(request.accept->media, REST_ANY_TYPE);
    assert_null(request.accept->next);
    reads("accept: ");
    assert_int_equal(request.accept->media, REST_ANY_TYPE);
}

static void
media_types_are_known(void **state UNUSED)
{
    static const struct {
        const char *text;
        enum rest_media media;
    } cases[] = {
        {"*/*", REST_ANY_TYPE},
        {"application/json", REST_JSON},
        {"application/json; charset=utf-8", REST_JSON},
        {"Application/JSON", REST_JSON},
        {"application/vnd.pgrst.array+json", REST_JSON},
        {"application/vnd.pgrst.array+json;nulls=stripped", REST_JSON_STRIPPED},
        {"application/vnd.pgrst.object+json", REST_OBJECT},
        {"ApplicatIon/vnd.PgRsT.object+json", REST_OBJECT},
        {"application/vnd.pgrst.object", REST_OBJECT},
        {"application/vnd.pgrst.object+json ; nulls=stripped", REST_OBJECT_STRIPPED},
        {"text/csv", REST_CSV},
        {"application/openapi+json", REST_OPENAPI},
        {"application/vnd.pgrst.plan", REST_PLAN},
        {"application/geo+json", REST_OTHER},
        {"text/plain", REST_OTHER},
        {"nonsense", REST_OTHER},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        accepts(cases[i].text, cases[i].text);
        if (request.accept->media != cases[i].media)
            fail_msg("%s: %u", cases[i].text, request.accept->media);
    }
    accepts("Text/Plain;x=Y", "Text/Plain;x=Y");
    check_str(request.accept->name, "text/plain");
}

static void
best_is_first(void **state UNUSED)
{
    accepts("text/csv,application/json", "text/csv | application/json");
    accepts("text/csv;q=0.5, application/json", "application/json | text/csv");
    accepts("a/a; q=0.1, b/b;q=0.25;x=1, c/c;q=0.9, d/d;q=nope", "d/d | c/c | b/b | a/a");
    accepts("*/*, text/csv", "text/csv | */*");
    accepts("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "text/html | application/xhtml+xml | application/xml | */*");
    accepts(",,a/a,", "a/a");
}

static void
plans_are_read(void **state UNUSED)
{
    accepts("application/vnd.pgrst.plan+json; for=\"text/csv\"; options=wal|analyze|odd|analyze",
            "application/vnd.pgrst.plan+json; for=\"text/csv\"; options=wal|analyze|odd|analyze");
    assert_true(request.accept->plan_json);
    check_str(request.accept->plan_for, "text/csv");
    assert_string_equal(check_names(request.accept->plan_options, "|"), "analyze|wal");
    accepts("application/vnd.pgrst.plan+text; for=\"application/vnd.pgrst.object+json;q=1\"; "
            "options=;",
            "application/vnd.pgrst.plan+text; for=\"application/vnd.pgrst.object+json;q=1\"; "
            "options=;");
    assert_false(request.accept->plan_json);
    check_str(request.accept->plan_for, "application/vnd.pgrst.object+json;q=1");
    assert_null(request.accept->plan_options);
    accepts("application/vnd.pgrst.plan;", "application/vnd.pgrst.plan;");
    check_str(request.accept->plan_for, "application/json");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_preferred_unsaid),
        TEST(preferences_are_read_from_one_list),
        TEST(preferences_are_read_from_several_headers),
        TEST(first_value_wins),
        TEST(every_value_is_known),
        TEST(other_values_are_unknown_preferences),
        TEST(barred_tx_means_nothing_and_is_known),
        TEST(anything_is_accepted_unsaid),
        TEST(media_types_are_known),
        TEST(best_is_first),
        TEST(plans_are_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
