/* What is refused before the call.  What a call answers is tested by tests/apps/run. */
#include "check_arena.h"

#include "fn/internal.h"
#include "fn/request.h"
#include "fn/sqlroute.h"
#include "json/tree.h"

static const struct fn_input_doc inputs[] = {
    {"id", "uuid", true, ""},         {"count", "integer", false, ""}, {"price", "number", false, ""},
    {"sure", "boolean", false, ""},   {"kind", "a|bc", false, ""},     {"words", "string", true, ""},
    {NULL, NULL, false, NULL},
};
static struct fn_sql sql = {.stmt = {.sql = "SELECT 1"}};
static const struct fn_route route = {.inputs = inputs, .sql = &sql};

#define CALLED "called"

/* What is said to these inputs: the client's text, or CALLED. */
static const char *
said_to(const char *path_id, const char *query, const char *body)
{
    struct fn_match match = {.route = &route};
    struct net_request http = {.query = str_of(query)};
    struct task *task = ARENA_NEW(a, struct task);
    struct fn_req req = {.task = task, .http = &http, .match = &match};
    struct fn_inputs in;

    task->arena = a;
    if (path_id != NULL)
        match.params[match.param_count++] = (struct fn_param){STR("id"), str_of(path_id)};
    if (body != NULL)
        assert_int_equal(json_parse(a, &task->fail, str_of(body), &req.json), ERR_OK);
    return fn_read_inputs(&req, route.inputs, &in) == ERR_OK ? CALLED : fail_text(&task->fail, ERR_INVALID);
}

#define UUID "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"

static void
what_is_missing_is_named_together(void **state UNUSED)
{
    assert_string_equal(said_to(NULL, "", NULL), "Missing required fields: id, words");
    assert_string_equal(said_to(NULL, "words=&id=", NULL), "Missing required fields: id, words");
    assert_string_equal(said_to(NULL, "", "{\"id\":null}"), "Missing required fields: id, words");
}

static void
an_input_comes_from_path_body_or_query(void **state UNUSED)
{
    assert_string_equal(said_to(UUID, "words=x", NULL), CALLED);
    assert_string_equal(said_to(NULL, "words=x&id=" UUID, NULL), CALLED);
    assert_string_equal(said_to(UUID, "", "{\"words\":\"x\",\"count\":3,\"sure\":true}"), CALLED);
    /* a body that is there is the one place beside the path */
    assert_string_equal(said_to(UUID, "words=x", "{}"), "Missing required fields: words");
}

static void
another_type_is_told(void **state UNUSED)
{
    assert_string_equal(said_to("7", "words=x", NULL), "id must be a uuid");
    assert_string_equal(said_to(UUID, "words=x&count=1.5", NULL), "count must be an integer");
    assert_string_equal(said_to(UUID, "words=x&price=1,5", NULL), "price must be a number");
    assert_string_equal(said_to(UUID, "words=x&sure=yes", NULL), "sure must be a boolean");
    assert_string_equal(said_to(UUID, "words=x&kind=b", NULL), "kind must be one of a|bc");
    assert_string_equal(said_to(UUID, "words=x&kind=bc", NULL), CALLED);
    assert_string_equal(said_to(UUID, "", "{\"words\":[\"x\"]}"), "words must be a string");
}

static void
what_stands_twice_or_cannot_be_read_is_none(void **state UNUSED)
{
    assert_string_equal(said_to(UUID, "words=x&words=y", NULL), "words must be a string");
    assert_string_equal(said_to(UUID, "words=%ff", NULL), "The query string is not well encoded");
}

static const struct CMUnitTest tests[] = {
    TEST(what_is_missing_is_named_together),
    TEST(an_input_comes_from_path_body_or_query),
    TEST(another_type_is_told),
    TEST(what_stands_twice_or_cannot_be_read_is_none),
};

int
main(void)
{
    return cmocka_run_group_tests_name("fn_sqlroute", tests, NULL, NULL);
}
