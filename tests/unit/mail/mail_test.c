#include "check.h"

#include "base/buf.h"
#include "base/task.h"
#include "json/tree.h"
#include "mail/message.h"
#include "mail/mime.h"
#include "mail/template.h"

static struct arena *a;
static struct task *req;

static int
set_up(void **state)
{
    (void)state;
    a = arena_new((size_t)16 * 1024 * 1024);
    req = ARENA_NEW(a, struct task);
    req->arena = a;
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    arena_free(a);
    return 0;
}

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

static const char *
built(struct mail_message m, const char *from)
{
    struct mail_sender sender;
    struct buf out;

    assert_true(mail_sender_read(str_of(from), &sender));
    buf_init_arena(&out, a, (size_t)4 * 1024 * 1024);
    mail_build(&out, &m, &sender);
    assert_false(out.overflow);
    return out.ptr;
}

static struct mail_message
message(void)
{
    return (struct mail_message){.message_id = "0e3c@shop.example",
                                 .to = "ann@example.com",
                                 .subject = "Hello",
                                 .html = "<p>Hi</p>",
                                 .text = "Hi",
                                 .date_s = 1769862896};
}

static void
placeholders_are_replaced(void **state)
{
    (void)state;
    assert_string_equal(rendered("Hi {{name}}, {{ n }}!", "{\"name\":\"Ann\",\"n\":1.50}", MAIL_PLAIN),
                        "Hi Ann, 1.50!");
    assert_string_equal(rendered("{{a}}{{a}}", "{\"a\":\"x\"}", MAIL_PLAIN), "xx");
    assert_string_equal(rendered("", "{}", MAIL_PLAIN), "");
}

static void
an_unknown_placeholder_is_empty(void **state)
{
    (void)state;
    assert_string_equal(rendered("<{{nobody}}>", "{}", MAIL_HTML), "<>");
    assert_string_equal(rendered("<{{o}}{{z}}>", "{\"o\":{},\"z\":null}", MAIL_HTML), "<>");
}

static void
what_is_no_placeholder_stays(void **state)
{
    static const char *const texts[] = {"{", "{{", "{{}}", "{{a", "{{a}", "{a}", "{{a b}}", "{{a-b}}",
                                        "body { color: red }"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_string_equal(rendered(texts[i], "{\"a\":\"x\"}", MAIL_PLAIN), texts[i]);
    assert_string_equal(rendered("{{{a}}}", "{\"a\":\"x\"}", MAIL_PLAIN), "{x}");
}

static void
values_are_escaped_and_never_rendered_again(void **state)
{
    static const char vars[] = "{\"a\":\"<b>&\\\"'{{a}}\\r\\nBcc: x\"}";

    (void)state;
    assert_string_equal(rendered("{{a}}", vars, MAIL_HTML),
                        "&lt;b&gt;&amp;&quot;&#39;{{a}}\r\nBcc: x");
    assert_string_equal(rendered("{{a}}", vars, MAIL_PLAIN), "<b>&\"'{{a}}\r\nBcc: x");
    assert_string_equal(rendered("{{a}}", vars, MAIL_SUBJECT), "<b>&\"'{{a}}  Bcc: x");
}

static void
a_message_has_its_parts(void **state)
{
    (void)state;
    assert_string_equal(built(message(), "FlashFundX <no-reply@shop.example>"),
                        "Date: Sat, 31 Jan 2026 12:34:56 +0000\r\n"
                        "From: \"FlashFundX\" <no-reply@shop.example>\r\n"
                        "To: <ann@example.com>\r\n"
                        "Message-ID: <0e3c@shop.example>\r\n"
                        "Subject: Hello\r\n"
                        "MIME-Version: 1.0\r\n"
                        "Auto-Submitted: auto-generated\r\n"
                        "Content-Type: multipart/alternative;\r\n"
                        " boundary=\"=_ffx_alternative\"\r\n"
                        "\r\n"
                        "--=_ffx_alternative\r\n"
                        "Content-Type: text/plain; charset=utf-8\r\n"
                        "Content-Transfer-Encoding: base64\r\n"
                        "\r\n"
                        "SGk=\r\n"
                        "--=_ffx_alternative\r\n"
                        "Content-Type: text/html; charset=utf-8\r\n"
                        "Content-Transfer-Encoding: base64\r\n"
                        "\r\n"
                        "PHA+SGk8L3A+\r\n"
                        "--=_ffx_alternative--\r\n");
}

static void
a_message_without_text_is_html_alone(void **state)
{
    struct mail_message m = message();

    (void)state;
    m.text = NULL;
    assert_null(strstr(built(m, "x@y"), "multipart"));
    assert_non_null(strstr(built(m, "x@y"), "Content-Type: text/html; charset=utf-8\r\n"));
}

/* Every line fits, and no encoded word ends inside a character. */
static void
long_and_foreign_subjects_are_encoded(void **state)
{
    struct mail_message m = message();
    char subject[400] = "";
    size_t len = 0;

    (void)state;
    m.subject = "Gr\xC3\xBC\xC3\x9F" "e";
    assert_non_null(strstr(built(m, "x@y"), "\r\nSubject: =?UTF-8?B?R3LDvMOfZQ==?=\r\n"));
    m.subject = "=?UTF-8?B?SGk=?=";
    assert_null(strstr(built(m, "x@y"), "Subject: =?UTF-8?B?SGk=?=\r\n"));
    while (len + 3 < sizeof subject) {
        memcpy(subject + len, "\xE2\x82\xAC", 4); /* the euro sign: 42 bytes hold 14 of them */
        len += 3;
    }
    m.subject = subject;
    m.html = subject;
    const char *text = built(m, "\"J\xC3\xBCrgen\" <x@y>");
    assert_non_null(strstr(text, "From: =?UTF-8?B?SsO8cmdlbg==?= <x@y>\r\n"));
    for (const char *line = text; *line != '\0';) {
        const size_t line_len = strcspn(line, "\r");

        assert_true(line_len <= 77);
        assert_memory_equal(line + line_len, "\r\n", 2);
        if (strncmp(line, " =?UTF-8?B?", 11) == 0)
            assert_true(strncmp(line + 11, "4oKs", 4) == 0);
        line += line_len + 2;
    }
}

static void
addresses(void **state)
{
    static const char *const good[] = {"a@b", "ann.o'hara+x@mail.example.com", "id@127.0.0.1"};
    static const char *const bad[] = {"", "a", "@", "@b", "a@", "a@b@c", "a b@c", "a@b\r\nBcc: x@y",
                                      "a@b\n", "<a@b>", "a@b>", "a@b,c@d", "a@b;c", "\"a\"@b",
                                      "a\xC3\xBC@b", "a@b\x7F", "a@b(c)", "a\\@b"};
    char text[400];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_true(mail_address_ok(str_of(good[i])));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(mail_address_ok(str_of(bad[i])));
    assert_false(mail_address_ok((struct str){"a\0@b", 4}));
    assert_false(mail_address_ok(STR_NONE));
    memset(text, 'x', sizeof text);
    text[64] = '@';
    assert_true(mail_address_ok((struct str){text, 254}));
    assert_false(mail_address_ok((struct str){text, 255}));
    text[64] = 'x';
    text[65] = '@';
    assert_false(mail_address_ok((struct str){text, 100}));
}

static void
senders(void **state)
{
    struct mail_sender s = {STR("before"), STR("before")};

    (void)state;
    assert_false(mail_sender_read(STR("no address"), &s));
    assert_false(mail_sender_read(STR("A <a@b"), &s));
    assert_false(mail_sender_read(STR("A <a@b> c"), &s));
    assert_false(mail_sender_read(STR("A <>"), &s));
    assert_false(mail_sender_read(STR(""), &s));
    check_str(s.name, "before");
    assert_true(mail_sender_read(STR("a@b"), &s));
    assert_int_equal(s.name.len, 0);
    assert_true(mail_sender_read(STR("\"The Shop\" <a@b>"), &s));
    check_str(s.name, "The Shop");
    check_str(s.address, "a@b");
}

static void
hosts(void **state)
{
    (void)state;
    check_str(mail_host_of(STR("https://api.example.com:8443/x")), "api.example.com");
    check_str(mail_host_of(STR("http://127.0.0.1:54321")), "127.0.0.1");
    check_str(mail_host_of(STR("https://api.example.com")), "api.example.com");
    check_str(mail_host_of(STR("http://[::1]:80")), "localhost");
    check_str(mail_host_of(STR("https://")), "localhost");
}

/* Header injection and wrong text are refused before anything is sent. */
static void
injection_is_refused(void **state)
{
    struct mail_message m = message();

    (void)state;
    assert_int_equal(mail_check(req, &m), ERR_OK);
    m.to = "a@b\r\nBcc: c@d";
    assert_int_equal(mail_check(req, &m), ERR_INVALID);
    m = message();
    m.subject = "x\r\nBcc: c@d";
    assert_int_equal(mail_check(req, &m), ERR_INVALID);
    assert_string_equal(req->fail.text, "Invalid subject. Must be one line");
    m.subject = "x\ny";
    assert_int_equal(mail_check(req, &m), ERR_INVALID);
    m.subject = "\xFF";
    assert_int_equal(mail_check(req, &m), ERR_INVALID);
    m = message();
    m.html = "\xC3";
    assert_int_equal(mail_check(req, &m), ERR_INVALID);
    m = message();
    m.message_id = "x@y>\r\nBcc: c@d";
    assert_int_equal(mail_check(req, &m), ERR_INVALID);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(placeholders_are_replaced),
        TEST(an_unknown_placeholder_is_empty),
        TEST(what_is_no_placeholder_stays),
        TEST(values_are_escaped_and_never_rendered_again),
        TEST(a_message_has_its_parts),
        TEST(a_message_without_text_is_html_alone),
        TEST(long_and_foreign_subjects_are_encoded),
        TEST(addresses),
        TEST(senders),
        TEST(hosts),
        TEST(injection_is_refused),
    };

    return cmocka_run_group_tests_name("mail", tests, NULL, NULL);
}
