#include "check_arena.h"

#include "base/buf.h"
#include "json/tree.h"
#include "mail/template.h"

static const char *
rendered(const char *template, const char *variables, enum mail_escape escape)
{
    struct fail f = {0};
    const struct json *doc;
    struct buf out;

    assert_int_equal(json_parse(a, &f, str_of(variables), &doc), ERR_OK);
    buf_init_arena(&out, a, 4096);
    mail_render(&out, str_of(template), doc, escape);
    assert_false(out.overflow);
    return out.ptr;
}

static void
placeholders_are_replaced(void **state UNUSED)
{
    assert_string_equal(
        rendered("Hi {{name}}, {{ n }}!", "{\"name\":\"Ann\",\"n\":1.50}", MAIL_PLAIN),
        "Hi Ann, 1.50!");
    assert_string_equal(rendered("{{a}}{{a}}", "{\"a\":\"x\"}", MAIL_PLAIN), "xx");
    assert_string_equal(rendered("", "{}", MAIL_PLAIN), "");
}

static void
an_unknown_placeholder_is_empty(void **state UNUSED)
{
    assert_string_equal(rendered("<{{nobody}}>", "{}", MAIL_HTML), "<>");
    assert_string_equal(rendered("<{{o}}{{z}}>", "{\"o\":{},\"z\":null}", MAIL_HTML), "<>");
}

static void
what_is_no_placeholder_stays(void **state UNUSED)
{
    static const char *const texts[] = {
        "{", "{{", "{{}}", "{{a", "{{a}", "{a}", "{{a b}}", "{{a-b}}", "body { color: red }"};

    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_string_equal(rendered(texts[i], "{\"a\":\"x\"}", MAIL_PLAIN), texts[i]);
    assert_string_equal(rendered("{{{a}}}", "{\"a\":\"x\"}", MAIL_PLAIN), "{x}");
}

static void
values_are_escaped_and_never_rendered_again(void **state UNUSED)
{
    static const char vars[] = "{\"a\":\"<b>&\\\"'{{a}}\\r\\nBcc: x\"}";

    assert_string_equal(rendered("{{a}}", vars, MAIL_HTML),
                        "&lt;b&gt;&amp;&quot;&#39;{{a}}\r\nBcc: x");
    assert_string_equal(rendered("{{a}}", vars, MAIL_PLAIN), "<b>&\"'{{a}}\r\nBcc: x");
    assert_string_equal(rendered("{{a}}", vars, MAIL_SUBJECT), "<b>&\"'{{a}}  Bcc: x");
}

static const struct CMUnitTest tests[] = {
    TEST(placeholders_are_replaced),
    TEST(an_unknown_placeholder_is_empty),
    TEST(what_is_no_placeholder_stays),
    TEST(values_are_escaped_and_never_rendered_again),
};

int
main(void)
{
    return cmocka_run_group_tests_name("mail_template", tests, NULL, NULL);
}
