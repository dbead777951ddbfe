#include "check_arena.h"

#include "base/buf.h"
#include "mail/message.h"
#include "mail/mime.h"

static const char *
built(struct mail_message m, const char *from)
{
    struct mail_sender sender;
    struct buf out;

    assert_true(mail_sender_read(str_of(from), &sender));
    buf_init_arena(&out, a, (size_t)4 * 1024 * 1024);
    mail_build(&out, &m, &sender, NULL);
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
a_message_has_its_parts(void **state UNUSED)
{
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
a_message_without_text_is_html_alone(void **state UNUSED)
{
    struct mail_message m = message();

    m.text = NULL;
    assert_null(strstr(built(m, "x@y"), "multipart"));
    assert_non_null(strstr(built(m, "x@y"), "Content-Type: text/html; charset=utf-8\r\n"));
}

/* Every line fits, and no encoded word ends inside a character. */
static void
long_and_foreign_subjects_are_encoded(void **state UNUSED)
{
    struct mail_message m = message();
    char subject[400] = "";
    size_t len = 0;

    m.subject = "Gr\xC3\xBC\xC3\x9F"
                "e";
    assert_non_null(strstr(built(m, "x@y"), "\r\nSubject: =?UTF-8?B?R3LDvMOfZQ==?=\r\n"));
    m.subject = "=?UTF-8?B?SGk=?=";
    assert_null(strstr(built(m, "x@y"), "Subject: =?UTF-8?B?SGk=?=\r\n"));
    while (len + 3 < sizeof subject) {
        memcpy(subject + len, "\xE2\x82\xAC", 4); /* the euro sign: 39 bytes hold 13 of them */
        len += 3;
    }
    m.subject = subject;
    m.html = subject;
    const char *text = built(m, "\"J\xC3\xBCrgen\" <x@y>");
    assert_non_null(strstr(text, "From: =?UTF-8?B?SsO8cmdlbg==?=\r\n <x@y>\r\n"));
    for (const char *line = text; *line != '\0';) {
        const size_t line_len = strcspn(line, "\r");

        assert_true(line_len <= 76);
        assert_memory_equal(line + line_len, "\r\n", 2);
        if (strncmp(line, " =?UTF-8?B?", 11) == 0)
            assert_true(strncmp(line + 11, "4oKs", 4) == 0);
        line += line_len + 2;
    }
}

/* RFC 2045, 6.8: what is encoded has CR LF, whatever the template has. */
static void
lines_of_bodies_end_in_cr_lf(void **state UNUSED)
{
    static const char *const texts[] = {"a\nb", "a\r\nb", "a\rb"};
    struct mail_message m = message();

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        m.text = texts[i];
        m.html = texts[i];
        const char *text = built(m, "x@y");
        const char *part = strstr(text, "\r\n\r\nYQ0KYg==\r\n--");

        assert_non_null(part);
        assert_non_null(strstr(part + 1, "\r\n\r\nYQ0KYg==\r\n--"));
    }
    m.text = "\n";
    assert_non_null(strstr(built(m, "x@y"), "\r\n\r\nDQo=\r\n--"));
}

static void
a_name_with_specials_is_quoted(void **state UNUSED)
{
    assert_non_null(strstr(built(message(), "Care Team, \\ Billing <x@y>"),
                           "\r\nFrom: \"Care Team, \\\\ Billing\" <x@y>\r\n"));
    assert_non_null(strstr(built(message(), "\"Care \\\"Team\\\"\" <x@y>"),
                           "\r\nFrom: \"Care \\\"Team\\\"\" <x@y>\r\n"));
}

static void
answers_go_where_they_are_read(void **state UNUSED)
{
    const struct mail_message m = message();
    struct mail_sender from, reply_to;
    struct buf out;

    assert_true(mail_sender_read(STR("no-reply@shop.example"), &from));
    assert_true(mail_sender_read(STR("Care <care@shop.example>"), &reply_to));
    buf_init_arena(&out, a, (size_t)64 * 1024);
    mail_build(&out, &m, &from, &reply_to);
    assert_non_null(strstr(out.ptr, "\r\nReply-To: \"Care\" <care@shop.example>\r\n"));
    assert_null(strstr(built(m, "x@y"), "Reply-To"));
}

static const struct CMUnitTest tests[] = {
    TEST(lines_of_bodies_end_in_cr_lf),         TEST(a_name_with_specials_is_quoted),
    TEST(answers_go_where_they_are_read),       TEST(a_message_has_its_parts),
    TEST(a_message_without_text_is_html_alone), TEST(long_and_foreign_subjects_are_encoded),
};

int
main(void)
{
    return cmocka_run_group_tests_name("mail_mime", tests, NULL, NULL);
}
